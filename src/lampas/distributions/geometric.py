"""The geometric distribution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lampas
from lampas import Tensor
from lampas.distributions import constraints
from lampas.distributions._probs_or_logits import ProbsOrLogits
from lampas.distributions.distribution import Distribution
from lampas.distributions.utils import broadcast_all
from lampas.nn import functional as F

__all__ = ["Geometric"]

Shape = Sequence[int]


class Geometric(ProbsOrLogits, Distribution):
    """The number of failures before the first success: ``P(k) = (1 - p)^k p``.

    Raises:
        ValueError: both or none of ``probs`` and ``logits`` are given, or a probability is 0.

    >>> Geometric(0.25).mean
    tensor(3.)
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.nonnegative_integer

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        (given,) = broadcast_all(self._pick(probs, logits))
        setattr(self, self._given, given)
        super().__init__(given.shape, validate_args=validate_args)
        if self._validate_args and self._given == "probs" and not (given > 0).all():
            raise ValueError(
                f"Expected parameter probs ({type(given).__name__} of shape {tuple(given.shape)}) of distribution "
                f"{self!r} to be positive but found invalid values:\n{given[given <= 0]}"
            )

    @property
    def mean(self) -> Tensor:
        return 1 / self.probs - 1

    @property
    def mode(self) -> Tensor:
        return lampas.zeros_like(self.probs)

    @property
    def variance(self) -> Tensor:
        return (1 / self.probs - 1) / self.probs

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        with lampas.no_grad():
            u = self.probs.new_empty(self._extended_shape(sample_shape))
            u.uniform_(lampas.finfo(u.dtype).tiny, 1)
            return (u.log() / (-self.probs).log1p()).floor()

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        value, probs = broadcast_all(value, self.probs)
        failures = lampas.where((probs == 1) & (value == 0), lampas.zeros_like(probs), probs)
        return value * (-failures).log1p() + self.probs.log()

    def entropy(self) -> Tensor:
        return F.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none") / self.probs
