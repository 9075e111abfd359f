"""Cross entropies: the expectation under p of ``-log q(x)``, for p and q of different families.

For each q it needs but few expectations under p: the mean and variance, or those of ``log x``, of ``log(1 - x)``, or
of ``exp(-x / s)``. They stand here by the class of p.
"""

from __future__ import annotations

import math
from typing import Any

import lampas
from lampas import Tensor
from lampas.distributions.beta import Beta
from lampas.distributions.exponential import Exponential
from lampas.distributions.gamma import Gamma
from lampas.distributions.gumbel import Gumbel
from lampas.distributions.normal import Normal
from lampas.distributions.pareto import Pareto
from lampas.distributions.utils import euler_constant

__all__ = [
    "with_beta", "with_continuous_bernoulli", "with_exponential", "with_gamma", "with_gumbel", "with_laplace",
    "with_normal", "with_pareto", "with_poisson", "with_uniform",
]  # fmt: skip


def _x_log_x(x: Tensor) -> Tensor:
    return lampas.xlogy(x, x)


def _mean_log(p: Any) -> Tensor:
    """``E[log x]`` of positive values; of uniform ones where they are positive, else NaN."""
    if isinstance(p, Beta):
        return p.concentration1.digamma() - (p.concentration1 + p.concentration0).digamma()
    if isinstance(p, Exponential):
        return -p.rate.log() - euler_constant
    if isinstance(p, Pareto):
        return p.scale.log() + p.alpha.reciprocal()
    return (_x_log_x(p.high) - _x_log_x(p.low)) / (p.high - p.low) - 1


def _mean_exp(p: Any, s: Tensor) -> Tensor:
    """``E[exp(-x / s)]``."""
    if isinstance(p, Exponential):
        return p.rate / (p.rate + s.reciprocal())
    if isinstance(p, Gamma):
        return (1 + (p.rate * s).reciprocal()).pow(-p.concentration)
    if isinstance(p, Normal):
        return (-p.loc / s + 0.5 * (p.scale / s).pow(2)).exp()
    if isinstance(p, Gumbel):
        return (-p.loc / s + (1 + p.scale / s).lgamma()).exp()
    return s * ((-p.low / s).exp() - (-p.high / s).exp()) / (p.high - p.low)


def _inside(p: Any, low: Any, high: Any, value: Tensor) -> Tensor:
    """The value; infinite where the uniform distribution p leaves the interval."""
    return lampas.where((p.low < low) | (p.high > high), math.inf, value)


def _mean(p: Any) -> Tensor:
    return p.alpha * p.scale / (p.alpha - 1) if isinstance(p, Pareto) else p.mean


def _variance(p: Any) -> Tensor:
    return p.alpha * (p.scale / (p.alpha - 1)).pow(2) / (p.alpha - 2) if isinstance(p, Pareto) else p.variance


def _converging(p: Any, order: int, value: Tensor) -> Tensor:
    """The value; infinite where p's moment of this order is, with a gradient of 0 there."""
    return lampas.where(p.alpha <= order, math.inf, value) if isinstance(p, Pareto) else value


def with_normal(p: Any, q: Any) -> Tensor:
    """q normal."""
    variance = q.scale.pow(2)
    spread = _variance(p) + (_mean(p) - q.loc).pow(2)
    return _converging(p, 2, 0.5 * ((2 * math.pi * variance).log() + spread / variance))


def with_exponential(p: Any, q: Any) -> Tensor:
    """q exponential."""
    value = _converging(p, 1, q.rate * _mean(p) - q.rate.log())
    return _inside(p, 0.0, math.inf, value) if hasattr(p, "low") else value


def with_gamma(p: Any, q: Any) -> Tensor:
    """q a gamma distribution."""
    a = q.concentration
    value = a.lgamma() - a * q.rate.log() + (1 - a) * _mean_log(p) + q.rate * _mean(p)
    value = _converging(p, 1, value)
    return _inside(p, 0.0, math.inf, value) if hasattr(p, "low") else value


def with_gumbel(p: Any, q: Any) -> Tensor:
    """q a Gumbel distribution."""
    return q.scale.log() + (p.mean - q.loc) / q.scale + (q.loc / q.scale).exp() * _mean_exp(p, q.scale)


def with_laplace(p: Any, q: Any) -> Tensor:
    """q a Laplace distribution, p normal: the mean of a folded normal distribution."""
    z = (p.loc - q.loc) / p.scale
    apart = math.sqrt(2 / math.pi) * (-0.5 * z.pow(2)).exp() + z * lampas.erf(math.sqrt(0.5) * z)
    return (2 * q.scale).log() + p.scale * apart / q.scale


def with_poisson(p: Any, q: Any) -> Tensor:
    """q a Poisson distribution, p of 0 and 1, whose factorials are 1."""
    return q.rate - p.probs * q.rate.log()


def with_continuous_bernoulli(p: Any, q: Any) -> Tensor:
    """q a continuous Bernoulli distribution."""
    value = -p.mean * q.logits - lampas.log1p(-q.probs) - q._cont_bern_log_norm()
    return _inside(p, 0.0, 1.0, value) if hasattr(p, "low") else value


def with_uniform(p: Any, q: Any) -> Tensor:
    """q uniform, p on [0, 1]."""
    value = (q.high - q.low).log() + lampas.zeros_like(p.mean)
    return lampas.where((q.low > 0) | (q.high < 1), math.inf, value)


def with_beta(p: Any, q: Any) -> Tensor:
    """q a beta distribution, p uniform."""
    a, b = q.concentration1, q.concentration0
    mirrored = (_x_log_x(1 - p.low) - _x_log_x(1 - p.high)) / (p.high - p.low) - 1
    value = a.lgamma() + b.lgamma() - (a + b).lgamma() - (a - 1) * _mean_log(p) - (b - 1) * mirrored
    return _inside(p, 0.0, 1.0, value)


def with_pareto(p: Any, q: Any) -> Tensor:
    """q a Pareto distribution, p uniform."""
    value = (q.alpha + 1) * _mean_log(p) - q.alpha.log() - q.alpha * q.scale.log()
    return _inside(p, q.scale, math.inf, value)
