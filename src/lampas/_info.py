"""Numerical limits of dtypes."""

from __future__ import annotations

import lampas
from lampas import _C

__all__ = ["finfo", "iinfo"]

# bits, significand bits after the point, smallest exponent of a normal number, largest exponent
_FLOATS = {
    "float16": (16, 10, -14, 15),
    "bfloat16": (16, 7, -126, 127),
    "float32": (32, 23, -126, 127),
    "float64": (64, 52, -1022, 1023),
}
_REAL = {"complex64": "float32", "complex128": "float64"}


def _name(dtype: lampas.dtype) -> str:
    return str(dtype).removeprefix("torch.")


class finfo:
    """Limits of a floating-point dtype (of the parts of a complex one): bits, eps, max, min, tiny, resolution.

    >>> lampas.finfo(lampas.float32).eps
    1.1920928955078125e-07
    """

    __slots__ = ("bits", "dtype", "eps", "max", "min", "resolution", "smallest_normal", "tiny")

    def __init__(self, type: lampas.dtype | None = None) -> None:
        type = type or _C.get_default_dtype()
        if not isinstance(type, _C.dtype):
            raise TypeError(f"finfo(): argument 'type' must be torch.dtype, not {type.__class__.__name__}")
        name = _REAL.get(_name(type), _name(type))
        if name not in _FLOATS:
            raise TypeError(f"torch.finfo() requires a floating point input type. Use torch.iinfo to handle '{type}'")
        bits, fraction, low, high = _FLOATS[name]
        self.bits = bits
        self.dtype = name
        self.eps = 2.0**-fraction
        self.max = (2.0 - 2.0**-fraction) * 2.0**high
        self.min = -self.max
        self.tiny = self.smallest_normal = 2.0**low
        digits = int(fraction * 0.30102999566398120)
        self.resolution = 10.0**-digits

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, eps={self.eps:g}, "
            f"smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, dtype={self.dtype})"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, finfo) and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash(("finfo", self.dtype))


class iinfo:
    """Limits of an integer dtype: bits, max, min.

    >>> lampas.iinfo(lampas.int8).max
    127
    """

    __slots__ = ("bits", "dtype", "max", "min")

    def __init__(self, type: lampas.dtype) -> None:
        if not isinstance(type, _C.dtype):
            raise TypeError(f"iinfo(): argument 'type' must be torch.dtype, not {type.__class__.__name__}")
        name = _name(type)
        if "int" not in name:
            raise TypeError(f"torch.iinfo() requires an integer input type. Use torch.finfo to handle '{type}'")
        self.dtype = name
        self.bits = type.itemsize * 8
        signed = type.is_signed
        self.max = 2 ** (self.bits - signed) - 1
        self.min = -(2 ** (self.bits - 1)) if signed else 0

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, iinfo) and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash(("iinfo", self.dtype))
