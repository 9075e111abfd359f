"""Discrete Fourier transforms: ``lampas.fft``. Computed by SciPy's pocketfft (C. Gohlke, M. Reinecke), differentiable.

``norm`` says what is divided by: "backward" (the default) 1/n in inverse transforms, "ortho" 1/sqrt(n) in both,
"forward" 1/n in forward ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import lampas
from lampas._declared import array, declared, tensor_like
from lampas._ops import op

__all__ = [
    "fft", "fft2", "fftfreq", "fftn", "fftshift", "hfft", "hfft2", "hfftn", "ifft", "ifft2", "ifftn", "ifftshift",
    "ihfft", "ihfft2", "ihfftn", "irfft", "irfft2", "irfftn", "rfft", "rfft2", "rfftfreq", "rfftn",
]  # fmt: skip

_ADJOINT = {"backward": "forward", "forward": "backward", "ortho": "ortho"}

# --- the three kinds of transform, with their gradients -------------------------------------------------------------
# Each is linear, so its gradient is its adjoint: the transform the other way with the opposite scaling.


def _complex_values(x: lampas.Tensor, dims: tuple[int, ...], norm: str, inverse: bool) -> lampas.Tensor:
    import scipy.fft

    function = scipy.fft.ifftn if inverse else scipy.fft.fftn
    return tensor_like(function(array(x), axes=dims, norm=norm), x)


_complex_to_complex: Callable[..., lampas.Tensor] = declared(
    "FftC2CBackward0",
    _complex_values,
    lambda x, y, g, dims, norm, inverse: _complex_to_complex(g[0], dims=dims, norm=_ADJOINT[norm], inverse=not inverse),
)


def _real_values(x: lampas.Tensor, dim: int, norm: str, inverse: bool) -> lampas.Tensor:
    import scipy.fft

    values = scipy.fft.rfft(array(x), axis=dim, norm=_ADJOINT[norm] if inverse else norm)
    return tensor_like(values.conj() if inverse else values, x)


def _real_gradient(x: Any, y: Any, g: Any, dim: int, norm: str, inverse: bool) -> lampas.Tensor:
    missing = list(g[0].shape)
    missing[dim] = x[0].size(dim) - g[0].size(dim)
    whole = lampas.cat([g[0], g[0].new_zeros(missing)], dim)
    return _complex_to_complex(whole, dims=(dim,), norm=_ADJOINT[norm], inverse=not inverse).real


_real_to_complex = declared("FftR2CBackward0", _real_values, _real_gradient)


def _halved_values(x: lampas.Tensor, dim: int, n: int, norm: str, inverse: bool) -> lampas.Tensor:
    import scipy.fft

    values = array(x)
    if not inverse:
        values, norm = values.conj(), _ADJOINT[norm]
    return tensor_like(scipy.fft.irfft(values, n, axis=dim, norm=norm), x)


def _halved_gradient(x: Any, y: Any, g: Any, dim: int, n: int, norm: str, inverse: bool) -> lampas.Tensor:
    found = _real_to_complex(g[0], dim=dim, norm=_ADJOINT[norm], inverse=not inverse)
    twice = lampas.full((found.size(dim),), 2.0, dtype=g[0].dtype)  # these stand for their conjugates, too
    twice[0] = 1.0
    if n % 2 == 0:
        twice[-1] = 1.0
    shape = [1] * found.dim()
    shape[dim] = -1
    return found * twice.reshape(shape)


_complex_to_real = declared("FftC2RBackward0", _halved_values, _halved_gradient)


# --- arguments ------------------------------------------------------------------------------------------------------


def _norm(norm: str | None) -> str:
    norm = "backward" if norm is None else norm
    if norm not in _ADJOINT:
        raise RuntimeError(f"Invalid normalization mode: {norm!r}; use one of {', '.join(map(repr, _ADJOINT))}")
    return norm


def _promoted(x: lampas.Tensor, to_complex: bool) -> lampas.Tensor:
    if x.dtype in (lampas.float16, lampas.bfloat16):
        raise RuntimeError(f"Unsupported dtype {x.dtype} for a Fourier transform; convert it with .float()")
    if not x.is_floating_point() and not x.is_complex():
        x = x.to(lampas.get_default_dtype())
    if to_complex and not x.is_complex():
        x = x.to(lampas.complex128 if x.dtype == lampas.float64 else lampas.complex64)
    return x


def _resized(x: lampas.Tensor, dim: int, n: int) -> lampas.Tensor:
    """Cut, or filled with zeros, to n along a dimension."""
    have = x.size(dim)
    if n < have:
        return x.narrow(dim, 0, n)
    if n > have:
        shape = list(x.shape)
        shape[dim] = n - have
        return lampas.cat([x, x.new_zeros(shape)], dim)
    return x


def _length(n: int) -> int:
    if n < 1:
        raise RuntimeError(f"Invalid number of data points ({n}) specified")
    return n


def _one_dim(x: lampas.Tensor, dim: int) -> int:
    from lampas.functional import normal_dim

    if x.dim() == 0:
        raise IndexError("Dimension specified as -1 but tensor has no dimensions")
    return normal_dim(dim, x.dim())


def _many(x: lampas.Tensor, s: Sequence[int] | None, dim: Any) -> tuple[list[int], list[int]]:
    """The dimensions to transform and the sizes they shall have (-1: as they are)."""
    if dim is not None:
        dims = [_one_dim(x, d) for d in ([dim] if isinstance(dim, int) else dim)]
        if len(set(dims)) != len(dims):
            raise RuntimeError("FFT dims must be unique")
        if s is not None and len(s) != len(dims):
            raise RuntimeError(
                f"When given, dim and shape arguments must have the same length, got {len(dims)} and {len(s)}"
            )
    elif s is not None:
        if len(s) > x.dim():
            raise RuntimeError(f"Got shape with {len(s)} values but input tensor only has {x.dim()} dimensions.")
        dims = list(range(x.dim() - len(s), x.dim()))
    else:
        dims = list(range(x.dim()))
    sizes = [-1] * len(dims) if s is None else list(s)
    return dims, [x.size(d) if n == -1 else _length(n) for d, n in zip(dims, sizes)]


# --- the transforms -------------------------------------------------------------------------------------------------


def _full(x: lampas.Tensor, s: Any, dim: Any, norm: Any, inverse: bool) -> lampas.Tensor:
    x = _promoted(x, True)
    dims, sizes = _many(x, s, dim)
    for d, n in zip(dims, sizes):
        x = _resized(x, d, _length(n))
    return _complex_to_complex(x, dims=tuple(dims), norm=_norm(norm), inverse=inverse) if dims else x


def _half(x: lampas.Tensor, s: Any, dim: Any, norm: Any, inverse: bool) -> lampas.Tensor:
    name = "ihfft" if inverse else "rfft"
    if x.is_complex():
        raise RuntimeError(f"{name} expects a real input tensor, but got {x.dtype}")
    x = _promoted(x, False)
    dims, sizes = _many(x, s, dim)
    if not dims:
        raise RuntimeError(f"{name}n must transform at least one axis")
    for d, n in zip(dims, sizes):
        x = _resized(x, d, _length(n))
    y = _real_to_complex(x, dim=dims[-1], norm=_norm(norm), inverse=inverse)
    return _complex_to_complex(y, dims=tuple(dims[:-1]), norm=_norm(norm), inverse=inverse) if dims[1:] else y


def _back(x: lampas.Tensor, s: Any, dim: Any, norm: Any, inverse: bool) -> lampas.Tensor:
    x = _promoted(x, True)
    given = None if s is None else [n for n in s]
    dims, sizes = _many(x, given, dim)
    if not dims:
        raise RuntimeError("irfftn must transform at least one axis")
    last = 2 * (x.size(dims[-1]) - 1) if given is None or given[-1] == -1 else given[-1]
    _length(last)
    for d, n in zip(dims[:-1], sizes[:-1]):
        x = _resized(x, d, _length(n))
    x = _resized(x, dims[-1], last // 2 + 1)
    if dims[1:]:
        x = _complex_to_complex(x, dims=tuple(dims[:-1]), norm=_norm(norm), inverse=inverse)
    return _complex_to_real(x, dim=dims[-1], n=last, norm=_norm(norm), inverse=inverse)


# name -> kind of transform, inverse or not, what it computes
_KINDS = {
    "fft": (_full, False, "The discrete Fourier transform ``X[k] = sum_n x[n] exp(-2 pi i k n / N)``"),
    "ifft": (_full, True, "The inverse of :func:`fft`"),
    "rfft": (_half, False, "The first half of :func:`fft` of a real signal, whose other half is its conjugate"),
    "irfft": (_back, True, "The inverse of :func:`rfft`: a real signal, of an even length unless n says otherwise"),
    "hfft": (_back, False, "The real spectrum of a signal of which the first half is given, the other its conjugate"),
    "ihfft": (_half, True, "The inverse of :func:`hfft`"),
}


def _defined(name: str) -> tuple[Any, Any, Any]:
    """The transform of one dimension, of the last two, and of many."""
    transform, inverse, doc = _KINDS[name]

    @op(f"{name}(Tensor input, int? n=None, int dim=-1, str? norm=None) -> Tensor", "function out", scope="lampas.fft")
    def one(input: lampas.Tensor, n: int | None, dim: int, norm: str | None) -> lampas.Tensor:
        return transform(input, None if n is None else [_length(n)], [_one_dim(input, dim)], norm, inverse)

    @op(f"{name}2(Tensor input, int[]? s=None, int[1] dim=(-2, -1), str? norm=None) -> Tensor", "function out",
        scope="lampas.fft")  # fmt: skip
    def two(input: lampas.Tensor, s: Any, dim: Any, norm: str | None) -> lampas.Tensor:
        return transform(input, s, dim, norm, inverse)

    @op(f"{name}n(Tensor input, int[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor", "function out",
        scope="lampas.fft")  # fmt: skip
    def many(input: lampas.Tensor, s: Any, dim: Any, norm: str | None) -> lampas.Tensor:
        return transform(input, [s] if isinstance(s, int) else s, dim, norm, inverse)

    where = ("along ``dim``, cut or filled with zeros to ``n``.", "over the last two dimensions.", "over ``dim``.")
    for function, text in zip((one, two, many), where):
        function.__doc__ = f"{doc}, {text}"
    return one, two, many


fft, fft2, fftn = _defined("fft")
ifft, ifft2, ifftn = _defined("ifft")
rfft, rfft2, rfftn = _defined("rfft")
irfft, irfft2, irfftn = _defined("irfft")
hfft, hfft2, hfftn = _defined("hfft")
ihfft, ihfft2, ihfftn = _defined("ihfft")


# --- frequencies ----------------------------------------------------------------------------------------------------


def _frequencies(values: Any, n: int, d: float, dtype: Any, device: Any, requires_grad: bool, out: Any) -> Any:
    dtype = dtype or (out.dtype if out is not None else lampas.get_default_dtype())
    made = (values.to(lampas.float64) / (n * d)).to(dtype)
    if out is not None:
        return out.resize_(made.shape).copy_(made)
    return made.to(device or "cpu").requires_grad_(requires_grad)


def fftfreq(
    n: int, d: float = 1.0, *, out: lampas.Tensor | None = None, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> lampas.Tensor:  # fmt: skip
    """The frequencies of the bins of an ``fft`` of n points with distance d: 0 .. (n-1)//2, then the negative ones.

    >>> lampas.fft.fftfreq(5)
    tensor([ 0.0000,  0.2000,  0.4000, -0.4000, -0.2000])
    """
    first = lampas.arange(0, (n + 1) // 2)
    return _frequencies(lampas.cat([first, lampas.arange(-(n // 2), 0)]), n, d, dtype, device, requires_grad, out)


def rfftfreq(
    n: int, d: float = 1.0, *, out: lampas.Tensor | None = None, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> lampas.Tensor:  # fmt: skip
    """The frequencies of the bins of an ``rfft`` of n points with distance d."""
    return _frequencies(lampas.arange(0, n // 2 + 1), n, d, dtype, device, requires_grad, out)


def _shifted(input: lampas.Tensor, dim: Any, amount: Any) -> lampas.Tensor:
    dims = list(range(input.dim())) if dim is None else [dim] if isinstance(dim, int) else list(dim)
    return lampas.roll(input, [amount(input.size(d)) for d in dims], dims) if dims else input.clone()


@op("fftshift(Tensor input, int[1]? dim=None) -> Tensor", "function", scope="lampas.fft")
def fftshift(input: lampas.Tensor, dim: Any) -> lampas.Tensor:
    """The zero frequency moved from the front to the middle."""
    return _shifted(input, dim, lambda n: n // 2)


@op("ifftshift(Tensor input, int[1]? dim=None) -> Tensor", "function", scope="lampas.fft")
def ifftshift(input: lampas.Tensor, dim: Any) -> lampas.Tensor:
    """The inverse of :func:`fftshift`."""
    return _shifted(input, dim, lambda n: (n + 1) // 2)
