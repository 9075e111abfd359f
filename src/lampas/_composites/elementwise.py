"""Element by element functions of the top namespace: gamma and Bessel functions, mantissas and exponents."""

from __future__ import annotations

import math
from collections.abc import Callable

import lampas
from lampas import _C
from lampas._declared import computed_by, declared, floating
from lampas._ops import op

__all__ = ["digamma", "frexp", "i0", "igamma", "igammac", "ldexp", "lgamma", "mvlgamma", "polygamma"]

_ALL = "function method inplace out"
_Function = Callable[..., lampas.Tensor]

_lgamma: _Function = declared("LgammaBackward0", lambda x: _C.lgamma(x), lambda x, y, g: g[0] * _digamma(x[0]))
_digamma: _Function = declared(
    "DigammaBackward0", lambda x: _C.digamma(x), lambda x, y, g: g[0] * _polygamma(x[0], n=1)
)


def _polygamma_values(x: lampas.Tensor, n: int) -> lampas.Tensor:
    if n == 1:
        return _C._trigamma(x)
    return computed_by("zeta", lampas.full_like(x, n + 1.0), x) * ((-1.0) ** (n + 1) * math.gamma(n + 1.0))


_polygamma: _Function = declared(
    "PolygammaBackward0", _polygamma_values, lambda x, y, g, n: g[0] * _polygamma(x[0], n=n + 1)
)


@op("lgamma(Tensor input) -> Tensor", _ALL)
def lgamma(input: lampas.Tensor) -> lampas.Tensor:
    """``log |Gamma(x)|``."""
    return _lgamma(floating(input))


@op("digamma(Tensor input) -> Tensor", _ALL)
def digamma(input: lampas.Tensor) -> lampas.Tensor:
    """The derivative of ``lgamma``."""
    return _digamma(floating(input))


@op("polygamma(int n, Tensor input) -> Tensor", _ALL)
def polygamma(n: int, input: lampas.Tensor) -> lampas.Tensor:
    """The n-th derivative of the digamma function, n >= 0 (DLMF 5.15)."""
    if n < 0:
        raise RuntimeError(f"polygamma(n, x) does not support negative n, got n={n}")
    return digamma(input) if n == 0 else _polygamma(floating(input), n=int(n))


@op("mvlgamma(Tensor input, int p) -> Tensor", _ALL)
def mvlgamma(input: lampas.Tensor, p: int) -> lampas.Tensor:
    """The logarithm of the multivariate gamma function of dimension ``p``:
    ``p (p - 1) / 4 log(pi) + sum_j lgamma(x - j / 2)``, j = 0 .. p - 1 (DLMF 35.3).
    """
    if p < 1:
        raise RuntimeError(f"mvlgamma: p has to be greater than or equal to 1, got {p}")
    x = floating(input)
    halves = lampas.arange(p, dtype=x.dtype) * -0.5
    return lgamma(x.unsqueeze(-1) + halves).sum(-1) + p * (p - 1) / 4 * math.log(math.pi)


def _gamma_density(a: lampas.Tensor, x: lampas.Tensor) -> lampas.Tensor:
    return lampas.exp((a - 1) * lampas.log(x) - x - lgamma(a))


def _no_gradient_in_shape(name: str, a: lampas.Tensor) -> None:
    if a.requires_grad and lampas.is_grad_enabled():
        raise RuntimeError(
            f"the derivative for 'input' of {name} is not implemented: no closed form is known; detach() it"
        )


_igamma = declared(
    "IgammaBackward0",
    lambda a, x: computed_by("gammainc", a, x),
    lambda x, y, g: (None, g[0] * _gamma_density(*x)),
)
_igammac = declared(
    "IgammacBackward0",
    lambda a, x: computed_by("gammaincc", a, x),
    lambda x, y, g: (None, -g[0] * _gamma_density(*x)),
)


def together(*tensors: lampas.Tensor | float) -> tuple[lampas.Tensor, ...]:
    """Operands in the floating dtype they promote to, expanded to one shape."""
    dtype = lampas.result_type(*tensors)
    if not dtype.is_floating_point and not dtype.is_complex:
        dtype = lampas.get_default_dtype()
    made = [t.to(dtype) if isinstance(t, lampas.Tensor) else lampas.tensor(t, dtype=dtype) for t in tensors]
    return lampas.broadcast_tensors(*made)


@op("igamma(Tensor input, Tensor other) -> Tensor", _ALL)
def igamma(input: lampas.Tensor, other: lampas.Tensor) -> lampas.Tensor:
    """The regularized lower incomplete gamma function P(input, other) (DLMF 8.2.4)."""
    a, x = together(input, other)
    _no_gradient_in_shape("igamma", a)
    return _igamma(a, x)


@op("igammac(Tensor input, Tensor other) -> Tensor", _ALL)
def igammac(input: lampas.Tensor, other: lampas.Tensor) -> lampas.Tensor:
    """The regularized upper incomplete gamma function Q(input, other) = 1 - P(input, other)."""
    a, x = together(input, other)
    _no_gradient_in_shape("igammac", a)
    return _igammac(a, x)


# Bessel functions whose derivatives are each other; 1/x is taken where it is finite.


def _over(y: lampas.Tensor, x: lampas.Tensor, at_zero: float) -> lampas.Tensor:
    """``y / x``, and its limit at 0."""
    zero = x == 0
    return lampas.where(zero, at_zero, y / lampas.where(zero, 1.0, x))


i0_values: _Function = declared("I0Backward0", lambda x: computed_by("i0", x), lambda x, y, g: g[0] * i1_values(x[0]))
i1_values: _Function = declared(
    "SpecialI1Backward0",
    lambda x: computed_by("i1", x),
    lambda x, y, g: g[0] * (i0_values(x[0]) - _over(i1_values(x[0]), x[0], 0.5)),
)


@op("i0(Tensor input) -> Tensor", _ALL)
def i0(input: lampas.Tensor) -> lampas.Tensor:
    """The modified Bessel function of the first kind of order 0 (DLMF 10.25)."""
    return i0_values(floating(input))


@op("frexp(Tensor input) -> (Tensor mantissa, Tensor exponent)", "function method out")
def frexp(input: lampas.Tensor) -> tuple[lampas.Tensor, lampas.Tensor]:
    """``input = mantissa * 2 ** exponent`` with ``0.5 <= |mantissa| < 1``; exponents are int32."""
    import numpy as np

    from lampas._declared import array, tensor_like

    if not input.is_floating_point():
        raise RuntimeError(f"torch.frexp() only supports floating-point dtypes, got {input.dtype}")
    exponent = tensor_like(np.frexp(array(input))[1].astype(np.int32), lampas.empty(0))
    finite = lampas.isfinite(input)
    # in two steps, since 2 ** -exponent of a small number overflows
    half = lampas.div(exponent, 2, rounding_mode="trunc")
    scaled = input * lampas.exp2(-half.to(input.dtype)) * lampas.exp2(-(exponent - half).to(input.dtype))
    return lampas.where(finite, scaled, input), exponent


@op("ldexp(Tensor input, Tensor other) -> Tensor", _ALL)
def ldexp(input: lampas.Tensor, other: lampas.Tensor) -> lampas.Tensor:
    """``input * 2 ** other``."""
    return input * lampas.pow(2.0, other)
