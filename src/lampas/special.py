"""Special functions: ``lampas.special``. Values by SciPy (xsf, cephes) where the engine has no kernel of its own."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import lampas
from lampas import _C
from lampas._composites import elementwise as _top
from lampas._composites.elementwise import _over, i0_values, i1_values, together
from lampas._declared import computed_by, declared, floating
from lampas._ops import op

_engine = _C.special
erf, erfc, erfinv, exp2, expit, expm1 = (
    _engine.erf, _engine.erfc, _engine.erfinv, _engine.exp2, _engine.expit, _engine.expm1,
)  # fmt: skip
log1p, log_softmax, logit, logsumexp = _engine.log1p, _engine.log_softmax, _engine.logit, _engine.logsumexp
round, sinc, softmax = _engine.round, _engine.sinc, _engine.softmax

__all__ = [
    "airy_ai", "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "digamma", "entr", "erf", "erfc", "erfcx", "erfinv",
    "exp2", "expit", "expm1", "gammainc", "gammaincc", "gammaln", "i0", "i0e", "i1", "i1e", "log1p", "log_ndtr",
    "log_softmax", "logit", "logsumexp", "modified_bessel_i0", "modified_bessel_i1", "modified_bessel_k0",
    "modified_bessel_k1", "multigammaln", "ndtr", "ndtri", "polygamma", "psi", "round", "scaled_modified_bessel_k0",
    "scaled_modified_bessel_k1", "sinc", "softmax", "spherical_bessel_j0", "xlog1py", "xlogy", "zeta",
]  # fmt: skip


def _defined(signature: str, doc: str) -> Callable[[Callable], Any]:
    """The op of this signature in this namespace."""

    def decorate(compute: Callable) -> Any:
        compute.__doc__ = doc
        return op(signature, "function out", scope="lampas.special")(compute)

    return decorate


def _unary(name: str, doc: str, compute: Callable[[Any], Any]) -> Any:
    return _defined(f"{name}(Tensor input) -> Tensor", doc)(lambda input: compute(floating(input)))


def _binary(name: str, doc: str, compute: Callable[[Any, Any], Any]) -> Any:
    signature = f"{name}(Tensor|Number input, Tensor|Number other) -> Tensor"
    return _defined(signature, doc)(lambda input, other: compute(*together(input, other)))


def _scipy(node: str, function: str, slope: Callable[[Any, Any], Any]) -> Callable[[Any], Any]:
    """SciPy's function of one tensor; ``slope(x, y)`` is its derivative."""
    return declared(node, lambda x: computed_by(function, x), lambda x, y, g: g[0] * slope(x[0], y[0]))


# --- other names of functions at hand -------------------------------------------------------------------------------

gammaln = _unary("gammaln", "``log |Gamma(x)|``.", lambda x: lampas.lgamma(x))
digamma = _unary("digamma", "The derivative of ``gammaln``.", lambda x: lampas.digamma(x))
psi = _unary("psi", "See :func:`digamma`.", lambda x: lampas.digamma(x))
i0 = _unary("i0", "The modified Bessel function of the first kind of order 0 (DLMF 10.25).", lambda x: i0_values(x))
polygamma = _defined("polygamma(int n, Tensor input) -> Tensor", "See :func:`lampas.polygamma`.")(
    lambda n, input: lampas.polygamma(n, input)
)
multigammaln = _defined("multigammaln(Tensor input, int p) -> Tensor", "See :func:`lampas.mvlgamma`.")(
    lambda input, p: lampas.mvlgamma(input, p)
)
gammainc = _defined("gammainc(Tensor input, Tensor other) -> Tensor", "See :func:`lampas.igamma`.")(
    lambda input, other: _top.igamma(input, other)
)
gammaincc = _defined("gammaincc(Tensor input, Tensor other) -> Tensor", "See :func:`lampas.igammac`.")(
    lambda input, other: _top.igammac(input, other)
)
xlogy = _defined("xlogy(Tensor|Number input, Tensor|Number other) -> Tensor", "``x log(y)``, and 0 where x is 0.")(
    lambda input, other: lampas.xlogy(input, other)
)

# --- entropy, the normal distribution -------------------------------------------------------------------------------

_entr = _scipy("SpecialEntrBackward0", "entr", lambda x, y: -(x.log() + 1))
entr = _unary("entr", "``-x log(x)``; 0 at 0, -inf below.", _entr)

_erfcx = _scipy("SpecialErfcxBackward0", "erfcx", lambda x, y: 2 * x * y - 2 / math.sqrt(math.pi))
erfcx = _unary("erfcx", "``exp(x^2) erfc(x)`` without overflow (DLMF 7.2).", _erfcx)

ndtr = _unary(
    "ndtr",
    "The distribution function of the standard normal distribution.",
    lambda x: (
        lampas.where(x < 0, _C.erfc(x.clamp(max=0) * -math.sqrt(0.5)), 1 + _C.erf(x.clamp(min=0) * math.sqrt(0.5))) / 2
    ),
)

_ndtri = _scipy("SpecialNdtriBackward0", "ndtri", lambda x, y: (y * y / 2).exp() * math.sqrt(2 * math.pi))
ndtri = _unary("ndtri", "The inverse of :func:`ndtr`.", _ndtri)

_log_ndtr = _scipy(
    "SpecialLogNdtrBackward0", "log_ndtr", lambda x, y: math.sqrt(2 / math.pi) / erfcx(x * -math.sqrt(0.5))
)
log_ndtr = _unary("log_ndtr", "The logarithm of :func:`ndtr`, exact far to the left.", _log_ndtr)


_xlog1py = declared(
    "SpecialXlog1PyBackward0",
    lambda x, y: computed_by("xlog1py", x, y),
    lambda v, r, g: (g[0] * _masked_slope(*v), g[0] * v[0] / (v[1] + 1)),
)


def _masked_slope(x: lampas.Tensor, y: lampas.Tensor) -> lampas.Tensor:
    return lampas.where((x == 0) & (y <= -1), lampas.zeros_like(x), y.log1p())


xlog1py = _binary("xlog1py", "``x log(1 + y)``, and 0 where x is 0.", _xlog1py)

# --- Hurwitz' zeta function -----------------------------------------------------------------------------------------

_zeta_values: Callable[..., lampas.Tensor] = declared(
    "SpecialZetaBackward0",
    lambda x, q: computed_by("zeta", x, q),
    lambda v, y, g: (None, g[0] * -v[0] * _zeta_values(v[0] + 1, v[1])),
)


def _zeta(x: lampas.Tensor, q: lampas.Tensor) -> lampas.Tensor:
    if x.requires_grad and lampas.is_grad_enabled():
        raise RuntimeError(
            "the derivative for 'self' of special_zeta is not implemented: no formula is known; detach() it"
        )
    return _zeta_values(x, q)


zeta = _binary("zeta", "Hurwitz' zeta function ``sum_k (k + q)^-x``, k from 0 (DLMF 25.11).", _zeta)

# --- Bessel and Airy functions (DLMF 9, 10): derivatives are each other ----------------------------------------------

_i0e: Any = _scipy("SpecialI0EBackward0", "i0e", lambda x, y: _i1e(x) - x.sgn() * y)
_i1e: Any = _scipy("SpecialI1EBackward0", "i1e", lambda x, y: _i0e(x) - x.sgn() * y - _over(y, x, 0.5))
i0e = _unary("i0e", "``exp(-|x|) I0(x)``.", _i0e)
i1 = _unary("i1", "The modified Bessel function of the first kind of order 1.", i1_values)
i1e = _unary("i1e", "``exp(-|x|) I1(x)``.", _i1e)
modified_bessel_i0 = _unary("modified_bessel_i0", "See :func:`i0`.", i0_values)
modified_bessel_i1 = _unary("modified_bessel_i1", "See :func:`i1`.", i1_values)

_j0: Any = _scipy("SpecialBesselJ0Backward0", "j0", lambda x, y: -_j1(x))
_j1: Any = _scipy("SpecialBesselJ1Backward0", "j1", lambda x, y: _j0(x) - _over(y, x, 0.5))
_y0: Any = _scipy("SpecialBesselY0Backward0", "y0", lambda x, y: -_y1(x))
_y1: Any = _scipy("SpecialBesselY1Backward0", "y1", lambda x, y: _y0(x) - y / x)
_k0: Any = _scipy("SpecialModifiedBesselK0Backward0", "k0", lambda x, y: -_k1(x))
_k1: Any = _scipy("SpecialModifiedBesselK1Backward0", "k1", lambda x, y: -_k0(x) - y / x)
_k0e: Any = _scipy("SpecialScaledModifiedBesselK0Backward0", "k0e", lambda x, y: y - _k1e(x))
_k1e: Any = _scipy("SpecialScaledModifiedBesselK1Backward0", "k1e", lambda x, y: y - _k0e(x) - y / x)
bessel_j0 = _unary("bessel_j0", "The Bessel function of the first kind of order 0.", _j0)
bessel_j1 = _unary("bessel_j1", "The Bessel function of the first kind of order 1.", _j1)
bessel_y0 = _unary("bessel_y0", "The Bessel function of the second kind of order 0.", _y0)
bessel_y1 = _unary("bessel_y1", "The Bessel function of the second kind of order 1.", _y1)
modified_bessel_k0 = _unary("modified_bessel_k0", "The modified Bessel function of the second kind of order 0.", _k0)
modified_bessel_k1 = _unary("modified_bessel_k1", "The modified Bessel function of the second kind of order 1.", _k1)
scaled_modified_bessel_k0 = _defined("scaled_modified_bessel_k0(Tensor x) -> Tensor", "``exp(x) K0(x)``.")(
    lambda x: _k0e(floating(x))
)
scaled_modified_bessel_k1 = _defined("scaled_modified_bessel_k1(Tensor x) -> Tensor", "``exp(x) K1(x)``.")(
    lambda x: _k1e(floating(x))
)
spherical_bessel_j0 = _defined("spherical_bessel_j0(Tensor x) -> Tensor", "``sin(x) / x``.")(
    lambda x: sinc(floating(x) / math.pi)
)


def _airy(which: int) -> Callable[[Any], Any]:
    def compute(x: lampas.Tensor) -> lampas.Tensor:
        import scipy.special

        from lampas._declared import array, tensor_like

        return tensor_like(scipy.special.airy(array(x))[which], x)

    return compute


_ai: Any = declared("SpecialAiryAiBackward0", _airy(0), lambda x, y, g: g[0] * _ai_slope(x[0]))
_ai_slope: Any = declared("SpecialAiryAiSlopeBackward0", _airy(1), lambda x, y, g: g[0] * x[0] * _ai(x[0]))
airy_ai = _defined("airy_ai(Tensor x) -> Tensor", "Airy's function Ai.")(lambda x: _ai(floating(x)))

# --- orthogonal polynomials (DLMF 18.9): P_0 = 1, P_1, and the step from P_k-1, P_k to P_k+1 --------------------------

_STEPS: dict[str, tuple[Callable[[Any], Any], Callable[..., Any]]] = {
    "chebyshev_polynomial_t": (lambda x: x, lambda k, x, a, b: 2 * x * b - a),
    "chebyshev_polynomial_u": (lambda x: 2 * x, lambda k, x, a, b: 2 * x * b - a),
    "chebyshev_polynomial_v": (lambda x: 2 * x - 1, lambda k, x, a, b: 2 * x * b - a),
    "chebyshev_polynomial_w": (lambda x: 2 * x + 1, lambda k, x, a, b: 2 * x * b - a),
    "hermite_polynomial_h": (lambda x: 2 * x, lambda k, x, a, b: 2 * x * b - 2 * k * a),
    "hermite_polynomial_he": (lambda x: x, lambda k, x, a, b: x * b - k * a),
    "laguerre_polynomial_l": (lambda x: 1 - x, lambda k, x, a, b: ((2 * k + 1 - x) * b - k * a) / (k + 1)),
    "legendre_polynomial_p": (lambda x: x, lambda k, x, a, b: ((2 * k + 1) * x * b - k * a) / (k + 1)),
}


def _polynomial(name: str, shifted: bool) -> Any:
    first, step = _STEPS[name]

    def compute(x: lampas.Tensor, n: lampas.Tensor) -> lampas.Tensor:
        degree = n.detach().trunc()
        at = 2 * x - 1 if shifted else x
        below, here = lampas.ones_like(at), first(at)
        result = lampas.where(degree == 0, below, lampas.zeros_like(at))  # 0 for negative degrees
        highest = int(degree.max()) if degree.numel() else 0
        for k in range(1, highest + 1):
            result = lampas.where(degree == k, here, result)
            below, here = here, step(k, at, below, here)
        return result

    own = f"shifted_{name}" if shifted else name
    where = ", at ``2 x - 1``" if shifted else ""
    doc = f"The polynomial {name.replace('_polynomial_', ' ').title()} of degree n at x{where}; 0 for n < 0."
    signature = f"{own}(Tensor|Number x, Tensor|Number n) -> Tensor"
    return _defined(signature, doc)(lambda x, n: compute(*together(x, n)))


for _name in _STEPS:
    for _shifted in (False, True) if _name.startswith("chebyshev") else (False,):
        _function = _polynomial(_name, _shifted)
        globals()[_function.__name__] = _function
        __all__ += [_function.__name__]
