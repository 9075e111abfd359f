"""The gamma distribution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lampas
from lampas import Tensor
from lampas.distributions import constraints
from lampas.distributions.exp_family import ExponentialFamily
from lampas.distributions.utils import broadcast_all

__all__ = ["Gamma"]

Shape = Sequence[int]


class Gamma(ExponentialFamily):
    """The gamma distribution, density ``rate^a x^(a - 1) exp(-rate x) / Gamma(a)`` with a the ``concentration``.

    >>> Gamma(2.0, 4.0).mean
    tensor(0.5000)
    """

    arg_constraints: Any = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True
    _mean_carrier_measure = 0

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        self.concentration, self.rate = broadcast_all(concentration, rate)
        super().__init__(self.concentration.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.concentration / self.rate

    @property
    def mode(self) -> Tensor:
        return ((self.concentration - 1) / self.rate).clamp(min=0)

    @property
    def variance(self) -> Tensor:
        return self.concentration / self.rate.pow(2)

    def rsample(self, sample_shape: Shape = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        value = lampas._standard_gamma(self.concentration.expand(shape)) / self.rate.expand(shape)
        value.detach().clamp_(min=lampas.finfo(value.dtype).tiny)  # no zeros, whose logarithm would be infinite
        return value

    def log_prob(self, value: Tensor) -> Tensor:
        value = lampas.as_tensor(value, dtype=self.rate.dtype, device=self.rate.device)
        self._checked(value)
        a, rate = self.concentration, self.rate
        return lampas.xlogy(a, rate) + lampas.xlogy(a - 1, value) - rate * value - lampas.lgamma(a)

    def entropy(self) -> Tensor:
        a = self.concentration
        return a - self.rate.log() + lampas.lgamma(a) + (1 - a) * lampas.digamma(a)

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return self.concentration - 1, -self.rate

    def _log_normalizer(self, x: Tensor, y: Tensor) -> Tensor:
        return lampas.lgamma(x + 1) + (x + 1) * (-y.reciprocal()).log()

    def cdf(self, value: Tensor) -> Tensor:
        self._checked(value)
        return lampas.special.gammainc(self.concentration, self.rate * value)
