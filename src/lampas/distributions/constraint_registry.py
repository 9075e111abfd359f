"""From constraints to transforms of the real numbers onto them.

``biject_to(c)`` gives a bijection, ``transform_to(c)`` some transform, perhaps one that is easier to optimise over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lampas.distributions import constraints, transforms

__all__ = ["ConstraintRegistry", "biject_to", "transform_to"]


class ConstraintRegistry:
    """Factories of transforms, by class of constraint. Call it with a constraint.

    >>> transform_to(constraints.positive)(lampas.zeros(1))
    tensor([1.])
    """

    def __init__(self) -> None:
        self._registry: dict[type, Callable[[Any], Any]] = {}
        super().__init__()

    def register(self, constraint: Any, factory: Callable[[Any], Any] | None = None) -> Any:
        """Set the factory for a class of constraints; without ``factory`` a decorator.

        An instance stands for its class. Raises TypeError for anything that is no constraint.
        """
        if factory is None:
            return lambda given: self.register(constraint, given)
        kind = type(constraint) if isinstance(constraint, constraints.Constraint) else constraint
        if not (isinstance(kind, type) and issubclass(kind, constraints.Constraint)):
            raise TypeError(f"Expected constraint to be either a Constraint subclass or instance, but got {constraint}")
        self._registry[kind] = factory
        return factory

    def __call__(self, constraint: Any) -> Any:
        """The transform for a constraint (NotImplementedError: none is known)."""
        factory = self._registry.get(type(constraint))
        if factory is None:
            raise NotImplementedError(f"Cannot transform {type(constraint).__name__} constraints")
        return factory(constraint)


biject_to = ConstraintRegistry()
transform_to = ConstraintRegistry()


def _above(constraint: Any) -> Any:
    return transforms.ComposeTransform(
        [transforms.ExpTransform(), transforms.AffineTransform(constraint.lower_bound, 1)]
    )


def _below(constraint: Any) -> Any:
    return transforms.ComposeTransform(
        [transforms.ExpTransform(), transforms.AffineTransform(constraint.upper_bound, -1)]
    )


def _between(constraint: Any) -> Any:
    low, high = constraint.lower_bound, constraint.upper_bound
    if isinstance(low, (int, float)) and isinstance(high, (int, float)) and (low, high) == (0, 1):
        return transforms.SigmoidTransform()
    return transforms.ComposeTransform([transforms.SigmoidTransform(), transforms.AffineTransform(low, high - low)])


def _register_common(to: ConstraintRegistry) -> None:
    """What both registries hold."""
    to.register(constraints.real, lambda c: transforms.identity_transform)
    to.register(constraints.greater_than, _above)
    to.register(constraints.greater_than_eq, _above)
    to.register(constraints.less_than, _below)
    to.register(constraints.interval, _between)
    to.register(constraints.half_open_interval, _between)
    to.register(constraints.corr_cholesky, lambda c: transforms.CorrCholeskyTransform())
    to.register(
        constraints.independent,
        lambda c: transforms.IndependentTransform(to(c.base_constraint), c.reinterpreted_batch_ndims),
    )
    to.register(constraints.cat, lambda c: transforms.CatTransform([to(p) for p in c.cseq], c.dim, c.lengths))
    to.register(constraints.stack, lambda c: transforms.StackTransform([to(p) for p in c.cseq], c.dim))


_register_common(biject_to)
_register_common(transform_to)
biject_to.register(constraints.simplex, lambda c: transforms.StickBreakingTransform())
transform_to.register(constraints.simplex, lambda c: transforms.SoftmaxTransform())
transform_to.register(constraints.lower_cholesky, lambda c: transforms.LowerCholeskyTransform())
transform_to.register(constraints.positive_definite, lambda c: transforms.PositiveDefiniteTransform())
transform_to.register(constraints.positive_semidefinite, lambda c: transforms.PositiveDefiniteTransform())
