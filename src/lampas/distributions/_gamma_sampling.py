"""Samples of gamma, Dirichlet and binomial distributions, number by number from the generator's stream.

Gamma: G. Marsaglia, W. W. Tsang, "A simple method for generating gamma variables", ACM TOMS 26(3), 2000, with their
boost ``U^(1/a)`` below 1. Binomial: sums of geometric waiting times for small counts, else algorithm BTRS of
W. Hörmann, "The generation of binomial random variates", Journal of Statistical Computation and Simulation 46, 1993.
The words of the stream are used, and roundings made, in PyTorch's order, so its numbers come out.

Gradients are implicit: with F the distribution function, a sample x depends on a parameter a as
``dx/da = -(dF/da) / (dF/dx)`` (M. Figurnov, S. Mohamed, A. Mnih, "Implicit reparameterization gradients", 2018).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import lampas
from lampas import Tensor
from lampas._declared import array, declared, tensor_like

__all__ = ["dirichlet_grad", "sample_binomial", "sample_dirichlet", "standard_gamma", "standard_gamma_grad"]

# Where the generator's state holds the second half of the last pair of normal numbers, and whether it does.
_SPARE, _HAS_SPARE = 8 + 4 + 4 + 8 + 624 * 8 + 8, 8 + 4 + 4 + 8 + 624 * 8 + 24

# 1/3 and 0.0331 in single precision, as PyTorch has them: its doubles come out to the last digits.
_THIRD, _SQUEEZE = 0.3333333432674408, 0.03310000151395798


class _Stream:
    """The default generator's doubles, one at a time; on leaving, the generator stands behind the last one used."""

    def __init__(self, expected: int) -> None:
        self.block = min(max(16, expected), 1 << 16)

    def __enter__(self) -> _Stream:
        import struct

        generator = lampas.default_generator
        self.before = generator.get_state()  # the state before the block that ``left`` comes from
        raw = self.before.numpy().tobytes()
        self.spare = struct.unpack_from("d", raw, _SPARE)[0] if struct.unpack_from("i", raw, _HAS_SPARE)[0] else None
        self.left: list[float] = []
        self.drawn = 0
        return self

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        import struct

        generator = lampas.default_generator
        if self.drawn or kind is None:
            generator.set_state(self.before)
            if used := self.drawn - len(self.left):
                lampas.rand(used, dtype=lampas.float64, generator=generator)
            raw = bytearray(generator.get_state().numpy().tobytes())
            struct.pack_into("d", raw, _SPARE, self.spare or 0.0)
            struct.pack_into("i", raw, _HAS_SPARE, self.spare is not None)
            generator.set_state(lampas.frombuffer(raw, dtype=lampas.uint8))

    def uniform(self) -> float:
        """A number of [0, 1)."""
        if not self.left:
            if self.drawn:
                self.before = lampas.default_generator.get_state()
            self.left = lampas.rand(self.block, dtype=lampas.float64).tolist()
            self.left.reverse()
            self.drawn = self.block
        return self.left.pop()

    def normal(self) -> float:
        """A standard normal number, by Box and Muller's method; the second of a pair is kept."""
        if self.spare is not None:
            value, self.spare = self.spare, None
            return value
        angle = 2 * math.pi * self.uniform()
        radius = math.sqrt(-2 * math.log1p(-self.uniform()))
        self.spare = radius * math.sin(angle)
        return radius * math.cos(angle)


def _gamma(d: float, power: float, stream: _Stream) -> float:
    """A sample for the shape ``d + 1/3``, times ``U^power``; an infinite power stands for the shape 0."""
    if math.isnan(d):
        return d
    if power == math.inf:
        return 0.0
    scale = (1 - stream.uniform()) ** power if power else 1.0
    c = 1 / math.sqrt(9 * d)
    while True:
        x = stream.normal()
        y = 1 + c * x
        if y <= 0:
            continue
        v = y * y * y
        u = 1 - stream.uniform()
        xx = x * x
        if u < 1 - _SQUEEZE * xx * xx or math.log(u) < 0.5 * xx + d * (1 - v + math.log(v)):
            return scale * d * v


def _drawn(sample: Callable[..., float], per_value: int, *parameters: Any) -> Any:
    """An array of doubles, one sample per element of the parameters, arrays of one shape."""
    import numpy as np

    lists = [p.reshape(-1).tolist() for p in parameters]
    with _Stream(per_value * len(lists[0])) as stream:
        values = [sample(*given, stream) for given in zip(*lists, strict=True)]
    return np.array(values, dtype=np.float64).reshape(parameters[0].shape)


def _gammas(alpha: Any) -> Any:
    """An array of samples; what depends on the shapes alone is computed in their precision."""
    import numpy as np

    small = alpha < 1
    with np.errstate(divide="ignore"):
        power = np.where(small, 1 / alpha, 0)
    return _drawn(_gamma, 3, np.where(small, alpha + 1, alpha) - alpha.dtype.type(_THIRD), power)


def _gamma_values(alpha: Tensor) -> Tensor:
    return tensor_like(_gammas(array(alpha)), alpha).to(alpha.dtype).clamp(min=lampas.finfo(alpha.dtype).tiny)


def _dirichlet_values(alpha: Tensor) -> Tensor:
    values = _gammas(array(alpha.double()))
    values /= values.sum(-1, keepdims=True)
    limits = lampas.finfo(alpha.dtype)
    return tensor_like(values, alpha).to(alpha.dtype).clamp(limits.tiny, 1 - limits.eps / 2)


_STIRLING = (
    0.0810614667953272, 0.0413406959554092, 0.0276779256849983, 0.02079067210376509, 0.0166446911898211,
    0.0138761288230707, 0.0118967099458917, 0.0104112652619720, 0.00925546218271273, 0.00833056343336287,
)  # fmt: skip


def _stirling_tail(k: float) -> float:
    """``log k!`` less Stirling's approximation."""
    if k <= 9:
        return _STIRLING[int(k)]
    square = (k + 1) * (k + 1)
    return (1 / 12 - (1 / 360 - 1 / 1260 / square) / square) / (k + 1)


def _waiting_times(count: float, p: float, stream: _Stream) -> float:
    total, successes, log_failure = 0.0, 0.0, math.log1p(-p)
    while True:
        u = stream.uniform()
        total += math.ceil(math.log(u) / log_failure) if u > 0 else math.inf
        if total > count:
            return successes
        successes += 1


def _btrs(n: float, p: float, stream: _Stream) -> float:
    spread = math.sqrt(n * p * (1 - p))
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * p
    c = n * p + 0.5
    squeeze = 0.92 - 4.2 / b
    odds = p / (1 - p)
    alpha = (2.83 + 5.1 / b) * spread
    m = math.floor((n + 1) * p)
    while True:
        u = stream.uniform() - 0.5
        v = stream.uniform()
        us = 0.5 - abs(u)
        k = math.floor((2 * a / us + b) * u + c) if us > 0 else -1
        if us >= 0.07 and v <= squeeze:
            return k
        if k < 0 or k > n:
            continue
        bound = (
            (m + 0.5) * math.log((m + 1) / (odds * (n - m + 1)))
            + (n + 1) * math.log((n - m + 1) / (n - k + 1))
            + (k + 0.5) * math.log(odds * (n - k + 1) / (k + 1))
            + _stirling_tail(m)
            + _stirling_tail(n - m)
            - _stirling_tail(k)
            - _stirling_tail(n - k)
        )
        v *= alpha / (a / (us * us) + b)
        if (math.log(v) if v > 0 else -math.inf) <= bound:
            return k


def _binomial(n: float, p: float, stream: _Stream) -> float:
    if math.isnan(n) or math.isnan(p):
        return math.nan
    if n <= 0 or p <= 0:
        return 0.0
    if p >= 1:
        return n
    rare = min(p, 1 - p)
    k = (_btrs if n * rare >= 10 else _waiting_times)(n, rare, stream)
    return n - k if p > 0.5 else k


def sample_binomial(count: Tensor, prob: Tensor) -> Tensor:
    """Numbers of successes among ``count`` trials of probability ``prob``, tensors of one shape and dtype."""
    return tensor_like(_drawn(_binomial, 2, array(count), array(prob)), count).to(count.dtype)


# --- gradients ------------------------------------------------------------------------------------------------------


def _cdf_slope(lower: Any, upper: Any, a: Any, *rest: Any) -> Any:
    """dF/da of the distribution function F, by central differences; errors are about 1e-9.

    Differences are of the logarithm of F or of 1 - F, whichever is small, so that tails lose no digits. ``lower`` and
    ``upper``, which compute these, are slow: each is asked for its own side only.
    """
    import numpy as np

    step = 1e-4 * np.minimum(a, np.sqrt(a))
    f = lower(a, *rest)
    small = f < 0.5
    sides = ((lower, small), (upper, ~small))

    def tail(s: Any) -> Any:
        values = np.empty_like(f)
        for function, chosen in sides:
            values[chosen] = function(s[chosen], *(r[chosen] for r in rest))
        return values

    slope = (np.log(tail(a + step)) - np.log(tail(a - step))) / (2 * step)
    return np.where(small, f, -upper(a, *rest)) * slope


def standard_gamma_grad(alpha: Tensor, x: Tensor) -> Tensor:
    """``dx/d alpha`` of samples x of the gamma distribution with shape ``alpha`` and rate 1."""
    import numpy as np
    import scipy.special as sp

    a, at = array(alpha).astype(np.float64), array(x).astype(np.float64)
    with np.errstate(all="ignore"):
        slope = _cdf_slope(sp.gammainc, sp.gammaincc, a, at)
        density = np.exp((a - 1) * np.log(at) - at - sp.gammaln(a))
        found = -slope / density
        # Where everything underflows: the leading terms of F at 0 and of 1 - F at infinity.
        near, far = -at / a * (np.log(at) - sp.digamma(a + 1)), np.log(at) - sp.digamma(a)
        found = np.where(np.isfinite(found), found, np.where(at < a, near, far))
    return tensor_like(found, alpha).to(alpha.dtype)


def dirichlet_grad(x: Tensor, alpha: Tensor, total: Tensor) -> Tensor:
    """``dx/d alpha / (1 - x)`` of samples x of the beta distribution with parameters ``alpha``, ``total - alpha``."""
    import numpy as np
    import scipy.special as sp

    at, a, b = (array(t).astype(np.float64) for t in (x, alpha, total))
    b = b - a
    with np.errstate(all="ignore"):
        slope = _cdf_slope(sp.betainc, sp.betaincc, a, b, at)
        density = np.exp((a - 1) * np.log(at) + b * np.log1p(-at) - sp.betaln(a, b))  # times 1 - x
        found = -slope / density
        near = -at / a * (np.log(at) - sp.digamma(a) + sp.digamma(a + b) - 1 / a)
        found = np.where(np.isfinite(found), found, near)
    return tensor_like(found, x).to(x.dtype)


standard_gamma = declared(
    "StandardGammaBackward0", _gamma_values, lambda v, y, g: g[0] * standard_gamma_grad(v[0].detach(), y[0].detach())
)


def _dirichlet_slopes(inputs: Any, outputs: Any, grads: Any) -> Tensor:
    (alpha,), (x,), (g,) = inputs, outputs, grads
    slopes = dirichlet_grad(x, alpha, alpha.sum(-1, True).expand_as(alpha))
    return slopes * (g - (x * g).sum(-1, True))


sample_dirichlet = declared("DirichletBackward", _dirichlet_values, _dirichlet_slopes)
