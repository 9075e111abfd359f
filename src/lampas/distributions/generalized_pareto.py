"""The generalised Pareto distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import lampas
from lampas import Tensor
from lampas.distributions import constraints
from lampas.distributions.distribution import Distribution
from lampas.distributions.utils import broadcast_all

__all__ = ["GeneralizedPareto"]

Shape = Sequence[int]


class GeneralizedPareto(Distribution):
    """The generalised Pareto distribution: ``P(X > x) = (1 + concentration (x - loc) / scale)^(-1 / concentration)``.

    A concentration of 0 is the exponential distribution; a negative one bounds the support above.
    (S. Coles, "An introduction to statistical modeling of extreme values", 2001.)

    >>> GeneralizedPareto(0.0, 1.0, 0.5).mean
    tensor(2.)
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive, "concentration": constraints.real}
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale, self.concentration = broadcast_all(loc, scale, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    def _split(self) -> tuple[Tensor, Tensor]:
        """Where the concentration is 0, and the concentration with 1 in these places."""
        zero = lampas.isclose(self.concentration, lampas.zeros_like(self.concentration))
        return zero, lampas.where(zero, lampas.ones_like(self.concentration), self.concentration)

    def rsample(self, sample_shape: Shape = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        return self.icdf(lampas.rand(shape, dtype=self.loc.dtype, device=self.loc.device))

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        z = (value - self.loc) / self.scale
        zero, k = self._split()
        return -self.scale.log() + lampas.where(zero, -z, -(1 + 1 / k) * lampas.log1p(k * z))

    def log_survival_function(self, value: Tensor) -> Tensor:
        """``log P(X > value)``."""
        self._checked(value)
        z = (value - self.loc) / self.scale
        zero, k = self._split()
        return lampas.where(zero, -z, -lampas.log1p(k * z) / k)

    def log_cdf(self, value: Tensor) -> Tensor:
        """``log P(X <= value)``."""
        return lampas.log1p(-self.log_survival_function(value).exp())

    def cdf(self, value: Tensor) -> Tensor:
        return self.log_cdf(value).exp()

    def icdf(self, value: Tensor) -> Tensor:
        zero, k = self._split()
        rest = lampas.log1p(-value)
        return self.loc + self.scale * lampas.where(zero, -rest, lampas.expm1(-k * rest) / k)

    @property
    def mean(self) -> Tensor:
        """NaN from a concentration of 1 on, where it is infinite."""
        k = self.concentration
        finite = k < 1
        value = self.loc + self.scale / (1 - lampas.where(finite, k, 0.5))
        return lampas.where(finite, value, lampas.full_like(value, math.nan))

    @property
    def variance(self) -> Tensor:
        """NaN from a concentration of 1/2 on, where it is infinite."""
        finite = self.concentration < 0.5
        k = lampas.where(finite, self.concentration, 0.25)
        value = self.scale**2 / ((1 - k) ** 2 * (1 - 2 * k))
        return lampas.where(finite, value, lampas.full_like(value, math.nan))

    def entropy(self) -> Tensor:
        return self.scale.log() + self.concentration + 1

    @property
    def mode(self) -> Tensor:
        return self.loc

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        upper = lampas.where(self.concentration < 0, self.loc - self.scale / self.concentration, math.inf)
        return constraints.interval(self.loc, upper)
