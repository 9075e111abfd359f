"""Distributions of transformed random variables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lampas
from lampas import Tensor
from lampas.distributions import constraints
from lampas.distributions.distribution import Distribution
from lampas.distributions.independent import Independent
from lampas.distributions.transforms import ComposeTransform, Transform
from lampas.distributions.utils import _sum_rightmost

__all__ = ["TransformedDistribution"]

Shape = Sequence[int]


class TransformedDistribution(Distribution):
    """The distribution of ``f(x)`` where x is drawn from ``base_distribution``.

    ``log p(y) = log p_base(x) - log |det dy/dx|`` with ``x = f^-1(y)``.

    Args:
        base_distribution: of x.
        transforms: f, a transform or a list of them, applied in turn.

    Raises:
        ValueError: no transforms, or the base's samples have fewer axes than a transform takes.

    >>> d = TransformedDistribution(Normal(0.0, 1.0), [transforms.ExpTransform()])
    >>> d.log_prob(lampas.tensor(1.0))
    tensor(-0.9189)
    """

    arg_constraints: Any = {}

    def __init__(self, base_distribution: Any, transforms: Any, validate_args: bool | None = None) -> None:
        if isinstance(transforms, Transform):
            self.transforms = [transforms]
        elif isinstance(transforms, list):
            if not all(isinstance(t, Transform) for t in transforms):
                raise ValueError(f"transforms must be a Transform or a list of Transforms, got {transforms}")
            self.transforms = transforms
        else:
            raise ValueError(f"transforms must be a Transform or list, but was {transforms}")
        whole = ComposeTransform(self.transforms)
        taken, given = whole.domain.event_dim, whole.codomain.event_dim
        events = len(base_distribution.event_shape)
        shape = base_distribution.batch_shape + base_distribution.event_shape
        if len(shape) < taken:
            raise ValueError(f"base_distribution needs to have shape with size at least {taken}, but got {shape}.")
        # Parameters of the transforms may make the batch larger.
        result = whole.forward_shape(shape)
        larger = whole.inverse_shape(result)
        if tuple(larger) != tuple(shape):
            base_distribution = base_distribution.expand(larger[: len(larger) - events])
        if taken > events:
            base_distribution = Independent(base_distribution, taken - events)
        self.base_dist = base_distribution
        cut = len(result) - max(given, events + given - taken)
        super().__init__(result[:cut], result[cut:], validate_args=validate_args)

    def _expand_into(self, new: Any, batch_shape: lampas.Size) -> None:
        super()._expand_into(new, batch_shape)
        shape = batch_shape + self._event_shape
        for transform in reversed(self.transforms):
            shape = transform.inverse_shape(shape)
        new.base_dist = self.base_dist.expand(shape[: len(shape) - len(self.base_dist.event_shape)])

    @constraints.dependent_property(is_discrete=False)
    def support(self) -> Any:
        if not self.transforms:
            return self.base_dist.support
        support = self.transforms[-1].codomain
        more = len(self._event_shape) - support.event_dim
        return constraints.independent(support, more) if more > 0 else support

    @property
    def has_rsample(self) -> bool:
        """As the base."""
        return self.base_dist.has_rsample

    def _through(self, x: Tensor) -> Tensor:
        for transform in self.transforms:
            x = transform(x)
        return x

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        with lampas.no_grad():
            return self._through(self.base_dist.sample(sample_shape))

    def rsample(self, sample_shape: Shape = ()) -> Tensor:
        return self._through(self.base_dist.rsample(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        total: Any = 0.0
        axes, y = len(self._event_shape), value
        for transform in reversed(self.transforms):
            x = transform.inv(y)
            axes += transform.domain.event_dim - transform.codomain.event_dim
            slope = transform.log_abs_det_jacobian(x, y)
            total = total - _sum_rightmost(slope, axes - transform.domain.event_dim)
            y = x
        return total + _sum_rightmost(self.base_dist.log_prob(y), axes - len(self.base_dist.event_shape))

    def _mirrored(self, probability: Tensor) -> Tensor:
        """The probability, or 1 less it where the transforms decrease."""
        sign: Any = 1
        for transform in self.transforms:
            sign = sign * transform.sign
        return probability if isinstance(sign, int) and sign == 1 else sign * (probability - 0.5) + 0.5

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of at most ``value``; the transforms must be monotone."""
        for transform in reversed(self.transforms):
            value = transform.inv(value)
        self.base_dist._checked(value)
        return self._mirrored(self.base_dist.cdf(value))

    def icdf(self, value: Tensor) -> Tensor:
        """The quantile; the transforms must be monotone."""
        return self._through(self.base_dist.icdf(self._mirrored(value)))
