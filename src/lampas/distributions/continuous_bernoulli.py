"""The continuous Bernoulli distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import lampas
from lampas import Tensor
from lampas.distributions import constraints
from lampas.distributions._probs_or_logits import ProbsOrLogits
from lampas.distributions.exp_family import ExponentialFamily
from lampas.distributions.utils import broadcast_all, clamp_probs
from lampas.nn import functional as F

__all__ = ["ContinuousBernoulli"]

Shape = Sequence[int]


class ContinuousBernoulli(ProbsOrLogits, ExponentialFamily):
    """Numbers of [0, 1] with density proportional to ``p^x (1 - p)^(1 - x)``.

    (G. Loaiza-Ganem, J. P. Cunningham, "The continuous Bernoulli: fixing a pervasive error in variational
    autoencoders", 2019.) Formulas are singular at p = 1/2; between the ``lims`` their Taylor series are used.

    Raises:
        ValueError: both or none of ``probs`` and ``logits`` are given.

    >>> ContinuousBernoulli(lampas.tensor(0.5)).mean
    tensor(0.5000)
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval
    has_rsample = True
    _mean_carrier_measure = 0

    def __init__(
        self,
        probs: Any = None,
        logits: Any = None,
        lims: tuple[float, float] = (0.499, 0.501),
        validate_args: bool | None = None,
    ) -> None:
        (given,) = broadcast_all(self._pick(probs, logits))
        if self._given == "probs":
            if validate_args is not None and validate_args and not constraints.unit_interval.check(given).all():
                raise ValueError(f"The parameter probs has invalid values: {given}; expected numbers of [0, 1]")
            given = clamp_probs(given)
        setattr(self, self._given, given)
        self._lims = lims
        super().__init__(given.shape, validate_args=validate_args)

    def _regular(self) -> Tensor:
        """Where p is so far from 1/2 that the formulas can be used."""
        return (self.probs <= self._lims[0]) | (self.probs > self._lims[1])

    def _away(self) -> Tensor:
        """p, moved to the lower limit where it is near 1/2: formulas there are computed, then not used."""
        return lampas.where(self._regular(), self.probs, self._lims[0] * lampas.ones_like(self.probs))

    def _cont_bern_log_norm(self) -> Tensor:
        """The logarithm of the constant that makes the density integrate to 1."""
        p = self._away()
        below = lampas.where(p <= 0.5, p, lampas.zeros_like(p))
        above = lampas.where(p >= 0.5, p, lampas.ones_like(p))
        bend = lampas.where(p <= 0.5, lampas.log1p(-2 * below), lampas.log(2 * above - 1))
        formula = lampas.log(lampas.abs(lampas.log1p(-p) - p.log())) - bend
        x = (self.probs - 0.5).pow(2)
        return lampas.where(self._regular(), formula, math.log(2.0) + (4 / 3 + 104 / 45 * x) * x)

    @property
    def mean(self) -> Tensor:
        p = self._away()
        formula = p / (2 * p - 1) + 1 / (lampas.log1p(-p) - p.log())
        x = self.probs - 0.5
        return lampas.where(self._regular(), formula, 0.5 + (1 / 3 + 16 / 45 * x.pow(2)) * x)

    @property
    def stddev(self) -> Tensor:
        return self.variance.sqrt()

    @property
    def variance(self) -> Tensor:
        p = self._away()
        formula = p * (p - 1) / (1 - 2 * p).pow(2) + 1 / (lampas.log1p(-p) - p.log()).pow(2)
        x = (self.probs - 0.5).pow(2)
        return lampas.where(self._regular(), formula, 1 / 12 - (1 / 15 - 128 / 945 * x) * x)

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        with lampas.no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Shape = ()) -> Tensor:
        return self.icdf(
            lampas.rand(self._extended_shape(sample_shape), dtype=self.probs.dtype, device=self.probs.device)
        )

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        logits, value = broadcast_all(self.logits, value)
        return self._cont_bern_log_norm() - F.binary_cross_entropy_with_logits(logits, value, reduction="none")

    def cdf(self, value: Tensor) -> Tensor:
        self._checked(value)
        p = self._away()
        formula = (p.pow(value) * (1 - p).pow(1 - value) + p - 1) / (2 * p - 1)
        found = lampas.where(self._regular(), formula, value)
        found = lampas.where(value <= 0, lampas.zeros_like(found), found)
        return lampas.where(value >= 1, lampas.ones_like(found), found)

    def icdf(self, value: Tensor) -> Tensor:
        p = self._away()
        formula = (lampas.log1p(-p + value * (2 * p - 1)) - lampas.log1p(-p)) / (p.log() - lampas.log1p(-p))
        return lampas.where(self._regular(), formula, value)

    def entropy(self) -> Tensor:
        failure = lampas.log1p(-self.probs)
        return self.mean * (failure - self.probs.log()) - self._cont_bern_log_norm() - failure

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (self.logits,)

    def _log_normalizer(self, x: Tensor) -> Tensor:
        """``log((e^x - 1) / x)``, its Taylor series near 0."""
        regular = (x <= self._lims[0] - 0.5) | (x > self._lims[1] - 0.5)
        away = lampas.where(regular, x, (self._lims[0] - 0.5) * lampas.ones_like(x))
        formula = lampas.log(lampas.abs(lampas.special.expm1(away))) - lampas.log(lampas.abs(away))
        return lampas.where(regular, formula, 0.5 * x + x.pow(2) / 24 - x.pow(4) / 2880)
