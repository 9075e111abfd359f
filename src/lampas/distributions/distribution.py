"""Distribution: what all distributions share. Batches, events, checks of parameters and values, expansion."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from typing import Any

import lampas
from lampas import Tensor
from lampas.distributions import constraints
from lampas.distributions.utils import lazy_property

__all__ = ["Distribution"]

Shape = Sequence[int]


class Distribution:
    """Base of the distributions.

    A sample has the shape ``sample_shape + batch_shape + event_shape``: the batch are distributions that are
    independent of each other, each with its own parameters; an event is one draw from one of them.

    A subclass states in ``arg_constraints`` which attributes are its parameters and what they must satisfy. Checks,
    ``repr`` and :meth:`expand` go by it.

    Args:
        batch_shape, event_shape: see above.
        validate_args: whether parameters and values are checked; None takes the default (on, unless Python runs with
            ``-O``; see :meth:`set_default_validate_args`).

    Raises:
        ValueError: a parameter does not satisfy its constraint.
    """

    has_rsample: Any = False
    has_enumerate_support: Any = False
    _validate_args = __debug__

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Set whether distributions check their arguments when not told otherwise (ValueError: no bool)."""
        if value not in (True, False):
            raise ValueError(f"set_default_validate_args expects True or False, got {value!r}")
        Distribution._validate_args = value

    def __init__(self, batch_shape: Shape = (), event_shape: Shape = (), validate_args: bool | None = None) -> None:
        self._batch_shape, self._event_shape = lampas.Size(batch_shape), lampas.Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._check_parameters()
        super().__init__()

    def _check_parameters(self) -> None:
        try:
            wanted = self.arg_constraints
        except NotImplementedError:
            wanted = {}
            warnings.warn(
                f"{type(self)} does not define `arg_constraints`. Please set `arg_constraints = {{}}` or pass "
                "`validate_args=False` to turn off validation.",
                stacklevel=3,
            )
        for name, constraint in wanted.items():
            derived = name not in self.__dict__ and isinstance(getattr(type(self), name, None), lazy_property)
            if constraints.is_dependent(constraint) or derived:
                continue
            value = getattr(self, name)
            if not constraint.check(value).all():
                raise ValueError(
                    f"Expected parameter {name} ({type(value).__name__} of shape {tuple(value.shape)}) of distribution "
                    f"{self!r} to satisfy the constraint {constraint!r}, but found invalid values:\n{value}"
                )

    # --- expansion --------------------------------------------------------------------------------------------------

    def expand(self, batch_shape: Shape, _instance: Any = None) -> Any:
        """The distribution with its batch expanded to ``batch_shape``; parameters become views, nothing is checked.

        >>> Normal(0.0, 1.0).expand([3]).batch_shape
        torch.Size([3])
        """
        # By its module's name: `lampas.alias` lets the class itself name PyTorch's.
        modules = ((c, sys.modules.get(c.__module__)) for c in type(self).__mro__)
        own = next(c for c, module in modules if getattr(module, "__name__", "").startswith(__package__))
        if own is Distribution:
            raise NotImplementedError(f"{type(self).__name__} does not define expand()")
        new = self._get_checked_instance(own, _instance)
        shape = lampas.Size(batch_shape)
        new._batch_shape, new._event_shape = shape, self._event_shape
        self._expand_into(new, shape)
        return new

    def _expand_into(self, new: Any, batch_shape: lampas.Size) -> None:
        """Give ``new``, a fresh instance, the expanded parameters. Distributions made of others expand these too."""
        wanted = self.arg_constraints
        for name, value in self.__dict__.items():
            if name in wanted:
                new.__dict__[name] = _expanded(value, batch_shape, wanted[name].event_dim)
            elif name not in ("_batch_shape", "_event_shape") and not isinstance(
                getattr(type(self), name, None), lazy_property
            ):
                new.__dict__.setdefault(name, value)  # a subclass may have set it

    def _get_checked_instance(self, cls: type, _instance: Any = None) -> Any:
        if _instance is None and type(self).__init__ is not cls.__init__:  # type: ignore[misc]
            raise NotImplementedError(
                f"Subclass {type(self).__name__} of {cls.__name__} that defines a custom __init__ method must also "
                "define a custom .expand() method."
            )
        return type(self).__new__(type(self)) if _instance is None else _instance

    # --- properties -------------------------------------------------------------------------------------------------

    @property
    def batch_shape(self) -> lampas.Size:
        """The shape of the batch of distributions."""
        return self._batch_shape

    @property
    def event_shape(self) -> lampas.Size:
        """The shape of one draw."""
        return self._event_shape

    def _missing(self, what: str) -> NotImplementedError:
        return NotImplementedError(f"{type(self)} does not implement {what}")

    @property
    def arg_constraints(self) -> dict[str, Any]:
        """The constraint of each parameter."""
        raise self._missing("arg_constraints")

    @property
    def support(self) -> Any:
        """The constraint that samples satisfy."""
        raise self._missing("support")

    @property
    def mean(self) -> Tensor:
        """The expectation."""
        raise self._missing("mean")

    @property
    def mode(self) -> Tensor:
        """The most likely value."""
        raise self._missing("mode")

    @property
    def variance(self) -> Tensor:
        """The expected squared distance from the mean."""
        raise self._missing("variance")

    @property
    def stddev(self) -> Tensor:
        """The square root of the variance."""
        return self.variance.sqrt()

    # --- what subclasses compute ------------------------------------------------------------------------------------

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        """Draws, ``sample_shape`` of them from each distribution of the batch; no gradient flows through them."""
        with lampas.no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Shape = ()) -> Tensor:
        """Draws as differentiable functions of the parameters (NotImplementedError: ``has_rsample`` is False)."""
        raise self._missing("rsample")

    def sample_n(self, n: int) -> Tensor:
        """Deprecated: ``sample((n,))``."""
        warnings.warn("`sample_n(n)` will be deprecated. Use `sample((n,))` instead.", FutureWarning, stacklevel=2)
        return self.sample(lampas.Size((n,)))

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density, or of the probability, at ``value``."""
        raise self._missing("log_prob")

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of a draw of at most ``value``."""
        raise self._missing("cdf")

    def icdf(self, value: Tensor) -> Tensor:
        """The quantile: the inverse of :meth:`cdf`."""
        raise self._missing("icdf")

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All values of a discrete distribution along a new first axis; a batch of them where ``expand``."""
        raise self._missing("enumerate_support")

    def entropy(self) -> Tensor:
        """The expectation of ``-log_prob``, per distribution of the batch."""
        raise self._missing("entropy")

    def perplexity(self) -> Tensor:
        """The exponential of the entropy."""
        return self.entropy().exp()

    # --- helpers ----------------------------------------------------------------------------------------------------

    def _extended_shape(self, sample_shape: Shape = ()) -> lampas.Size:
        return lampas.Size(sample_shape) + self._batch_shape + self._event_shape

    def _validate_sample(self, value: Tensor) -> None:
        """Raise ValueError unless ``value`` has a fitting shape and lies in the support."""
        if not isinstance(value, Tensor):
            raise ValueError(f"The value argument to log_prob must be a Tensor, got {type(value).__name__}")
        events = len(value.shape) - len(self._event_shape)
        if value.shape[max(events, 0) :] != self._event_shape:
            raise ValueError(
                f"The right-most size of value must match event_shape: {value.shape} vs {self._event_shape}."
            )
        whole = self._batch_shape + self._event_shape
        if any(a != b and 1 not in (a, b) for a, b in zip(reversed(value.shape), reversed(whole), strict=False)):
            raise ValueError(f"Value is not broadcastable with batch_shape+event_shape: {value.shape} vs {whole}.")
        try:
            support = self.support
        except NotImplementedError:
            warnings.warn(
                f"{type(self)} does not define `support` to enable sample validation. Please initialize the "
                "distribution with `validate_args=False` to turn off validation.",
                stacklevel=3,
            )
            return
        if not support.check(value).all():
            raise ValueError(
                f"Expected value argument ({type(value).__name__} of shape {tuple(value.shape)}) to be within the "
                f"support ({support!r}) of the distribution {self!r}, but found invalid values:\n{value}"
            )

    def _checked(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return value

    def __repr__(self) -> str:
        own = {name: self.__dict__[name] for name in self.arg_constraints if name in self.__dict__}
        shown = ", ".join(f"{n}: {v if v.numel() == 1 else v.size()}" for n, v in own.items())
        return f"{type(self).__name__}({shown})"


def _expanded(value: Tensor, batch_shape: lampas.Size, event_dim: int) -> Tensor:
    return value.expand(batch_shape + value.shape[value.dim() - event_dim :])
