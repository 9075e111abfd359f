"""The binomial distribution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lampas
from lampas import Tensor
from lampas.distributions import constraints
from lampas.distributions._probs_or_logits import ProbsOrLogits
from lampas.distributions.distribution import Distribution
from lampas.distributions.utils import broadcast_all

__all__ = ["Binomial"]

Shape = Sequence[int]


class Binomial(ProbsOrLogits, Distribution):
    """The number of successes among ``total_count`` trials of probability ``probs`` (log-odds ``logits``).

    Raises:
        ValueError: both or none of ``probs`` and ``logits`` are given.

    >>> Binomial(4, lampas.tensor(0.25)).mean
    tensor(1.)
    """

    arg_constraints = {
        "total_count": constraints.nonnegative_integer,
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    has_enumerate_support = True

    def __init__(
        self, total_count: Any = 1, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        self.total_count, given = broadcast_all(total_count, self._pick(probs, logits))
        self.total_count = self.total_count.type_as(given)
        setattr(self, self._given, given)
        super().__init__(given.shape, validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:
        return constraints.integer_interval(0, self.total_count)

    @property
    def mean(self) -> Tensor:
        return self.total_count * self.probs

    @property
    def mode(self) -> Tensor:
        return lampas.minimum(((self.total_count + 1) * self.probs).floor(), self.total_count)

    @property
    def variance(self) -> Tensor:
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        with lampas.no_grad():
            return lampas.binomial(self.total_count.expand(shape), self.probs.expand(shape))

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        n = self.total_count
        total = n * lampas.logaddexp(self.logits, lampas.zeros_like(self.logits)) - lampas.lgamma(n + 1)
        return value * self.logits - lampas.lgamma(value + 1) - lampas.lgamma(n - value + 1) - total

    def _common_count(self, what: str) -> int:
        count = int(self.total_count.max())
        if not self.total_count.min() == count:
            raise NotImplementedError(f"Inhomogeneous total count not supported by `{what}`.")
        return count

    def entropy(self) -> Tensor:
        """Summed over the values; NotImplementedError where the counts differ."""
        self._common_count("entropy")
        log_probs = self.log_prob(self.enumerate_support(False))
        return -(log_probs.exp() * log_probs).sum(0)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """0 to the count; NotImplementedError where the counts differ."""
        count = self._common_count("enumerate_support")
        values = lampas.arange(1 + count, dtype=self._param.dtype, device=self._param.device)
        values = values.view((-1,) + (1,) * len(self._batch_shape))
        return values.expand((-1, *self._batch_shape)) if expand else values
