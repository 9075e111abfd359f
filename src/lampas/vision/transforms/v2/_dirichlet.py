"""Random numbers of Dirichlet's and the Beta distribution, drawn as PyTorch draws them."""

from __future__ import annotations

import math

import lampas
from lampas import Tensor

__all__ = ["sample_beta", "sample_dirichlet"]


def _uniform() -> float:
    return lampas.rand((), dtype=lampas.float64).item()


def _gamma(alpha: float) -> float:
    """Marsaglia and Tsang, A Simple Method for Generating Gamma Variables, 2000."""
    scale = 1.0
    if alpha < 1.0:
        scale = math.pow(1.0 - _uniform(), 1.0 / alpha)
        alpha += 1.0
    d = alpha - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        y = 0.0
        while y <= 0.0:
            x = lampas.randn((), dtype=lampas.float64).item()
            y = 1.0 + c * x
        v = y * y * y
        u = 1.0 - _uniform()
        if u < 1.0 - 0.0331 * x**4 or math.log(u) < 0.5 * x * x + d * (1.0 - v + math.log(v)):
            return max(scale * d * v, 2.2250738585072014e-308)


def sample_dirichlet(concentration: Tensor) -> Tensor:
    """For each row of positive numbers (..., K), random numbers that sum to 1; larger where the number is larger."""
    drawn = [_gamma(alpha) for alpha in concentration.flatten().tolist()]
    gammas = lampas.tensor(drawn, dtype=lampas.float64).reshape(concentration.shape)
    return (gammas / gammas.sum(-1, keepdim=True)).to(concentration.dtype)


def sample_beta(alpha: float) -> float:
    """A random number from 0 to 1, as often above as below one half; near one half if alpha is large."""
    return sample_dirichlet(lampas.tensor([[alpha, alpha]], dtype=lampas.float32))[0, 0].item()
