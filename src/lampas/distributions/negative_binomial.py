"""The negative binomial distribution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lampas
from lampas import Tensor
from lampas.distributions import constraints
from lampas.distributions._probs_or_logits import ProbsOrLogits
from lampas.distributions.distribution import Distribution
from lampas.distributions.gamma import Gamma
from lampas.distributions.utils import broadcast_all, lazy_property
from lampas.nn import functional as F

__all__ = ["NegativeBinomial"]

Shape = Sequence[int]


class NegativeBinomial(ProbsOrLogits, Distribution):
    """The number of successes, each of probability ``probs``, before ``total_count`` failures.

    Raises:
        ValueError: both or none of ``probs`` and ``logits`` are given.

    >>> NegativeBinomial(3.0, lampas.tensor(0.5)).mean
    tensor(3.)
    """

    arg_constraints = {
        "total_count": constraints.greater_than_eq(0),
        "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer

    def __init__(
        self, total_count: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        self.total_count, given = broadcast_all(total_count, self._pick(probs, logits))
        self.total_count = self.total_count.type_as(given)
        setattr(self, self._given, given)
        super().__init__(given.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.total_count * self.logits.exp()

    @property
    def mode(self) -> Tensor:
        return ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0)

    @property
    def variance(self) -> Tensor:
        return self.mean / lampas.sigmoid(-self.logits)

    @lazy_property
    def _gamma(self) -> Gamma:
        return Gamma(self.total_count, (-self.logits).exp(), validate_args=False)

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        with lampas.no_grad():
            return lampas.poisson(self._gamma.sample(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        n = self.total_count
        powers = n * F.logsigmoid(-self.logits) + value * F.logsigmoid(self.logits)
        ways = lampas.lgamma(n + value) - lampas.lgamma(1.0 + value) - lampas.lgamma(n)
        return powers + lampas.where(n + value == 0, lampas.zeros_like(ways), ways)
