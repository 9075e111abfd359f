"""The Kumaraswamy distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import lampas
from lampas import Tensor
from lampas.distributions import constraints
from lampas.distributions.transformed_distribution import TransformedDistribution
from lampas.distributions.transforms import AffineTransform, PowerTransform
from lampas.distributions.uniform import Uniform
from lampas.distributions.utils import broadcast_all, euler_constant

__all__ = ["Kumaraswamy"]

Shape = Sequence[int]


class Kumaraswamy(TransformedDistribution):
    """Numbers of [0, 1] with ``P(X > x) = (1 - x^concentration1)^concentration0``.

    >>> Kumaraswamy(1.0, 3.0).mean
    tensor(0.2500)
    """

    arg_constraints: Any = {"concentration1": constraints.positive, "concentration0": constraints.positive}
    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, concentration1: Any, concentration0: Any, validate_args: bool | None = None) -> None:
        self.concentration1, self.concentration0 = broadcast_all(concentration1, concentration0)
        a = self.concentration0
        base = Uniform(lampas.full_like(a, 0), lampas.full_like(a, 1), validate_args=validate_args)
        steps = [
            PowerTransform(exponent=self.concentration0.reciprocal()),
            AffineTransform(loc=1.0, scale=-1.0),
            PowerTransform(exponent=self.concentration1.reciprocal()),
        ]
        super().__init__(base, steps, validate_args=validate_args)

    def _moment(self, n: int) -> Tensor:
        """``E[x^n] = b B(1 + n / a, b)``."""
        b = self.concentration0
        first = 1 + n / self.concentration1
        return (b.log() + first.lgamma() + b.lgamma() - (first + b).lgamma()).exp()

    @property
    def mean(self) -> Tensor:
        return self._moment(1)

    @property
    def mode(self) -> Tensor:
        """NaN where the density is not bounded, or flat."""
        a, b = self.concentration1, self.concentration0
        mode = ((a - 1) / (a * b - 1)).log() / a
        return lampas.where((a < 1) | (b < 1), math.nan, mode.exp())

    @property
    def variance(self) -> Tensor:
        return self._moment(2) - self.mean.pow(2)

    def entropy(self) -> Tensor:
        a, b = self.concentration1.reciprocal(), self.concentration0.reciprocal()
        harmonic = lampas.digamma(self.concentration0 + 1) + euler_constant
        return (1 - b) + (1 - a) * harmonic - self.concentration1.log() - self.concentration0.log()
