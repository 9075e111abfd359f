"""Sample inputs described once, and made as tensors of either library. Values cross through NumPy."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import lampas

torch = pytest.importorskip("torch")

FLOAT = ("float32", "float64")
HALF = ("bfloat16", "float16")
FLOATS = FLOAT + HALF
INTS = ("int64", "int32", "int16", "int8", "uint8")
COMPLEX = ("complex64", "complex128")
BOOL = ("bool",)
REAL = FLOATS + INTS
REAL_BOOL = REAL + BOOL
ALL = REAL_BOOL + COMPLEX
MATH = FLOATS + ("int64", "bool")  # float functions, which turn integers into the default float
MATH_COMPLEX = MATH + COMPLEX

NUMPY = {"bfloat16": "float32"}  # the NumPy dtype that carries the values across


@dataclass(frozen=True, eq=False)
class T:
    """A tensor to be made in either library: its values, its dtype, whether it takes part in gradients."""

    values: np.ndarray
    dtype: str
    grad: bool = True
    fixed: bool = False  # indices and masks: their values mean something, so they are never expanded

    def __repr__(self) -> str:
        return f"{self.dtype}{list(self.values.shape)}"


@dataclass(frozen=True)
class D:
    """A name to be looked up in the library at hand: a dtype, or anything else it has."""

    name: str

    def __repr__(self) -> str:
        return self.name


class S:
    """One call: positional and keyword arguments, tensors given as `T`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args, self.kwargs = args, kwargs

    def __repr__(self) -> str:
        parts = [repr(a) for a in self.args] + [f"{k}={v!r}" for k, v in self.kwargs.items()]
        return f"({', '.join(parts)})"


class E:
    """A call that must raise `error`; our message must name each of `names`."""

    def __init__(self, error: type[BaseException] | tuple[type[BaseException], ...], sample: S, *names: str) -> None:
        self.error, self.sample, self.names = error, sample, names


def rounded(values: np.ndarray, dtype: str) -> np.ndarray:
    """`values` as the nearest numbers of `dtype`, in the NumPy dtype which carries them."""
    if dtype == "bfloat16":
        single = np.ascontiguousarray(values, dtype=np.float32)
        bits = single.view(np.uint32).astype(np.uint64)
        bits = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16 << 16).astype(np.uint32).view(np.float32)
        return np.where(np.isfinite(single), bits, single).reshape(values.shape)
    return np.asarray(values).astype(NUMPY.get(dtype, dtype))


class Maker:
    """Makes the tensors of a sample, reproducibly, in one dtype."""

    def __init__(self, dtype: str, seed: str) -> None:
        self.dtype = dtype
        self.random = np.random.default_rng(zlib.crc32(f"{seed}-{dtype}".encode()))

    @property
    def is_float(self) -> bool:
        return self.dtype in FLOATS

    @property
    def is_complex(self) -> bool:
        return self.dtype in COMPLEX

    def __call__(
        self,
        *shape: int,
        low: float = -2.0,
        high: float = 2.0,
        nonzero: bool = False,
        distinct: bool = False,
        grad: bool = True,
        dtype: str | None = None,
    ) -> T:
        dtype = dtype or self.dtype
        random, size = self.random, int(np.prod(shape))
        if dtype == "bool":
            values = random.random(shape) > 0.4
        elif dtype in INTS:
            floor = 0 if dtype == "uint8" else -4
            bottom = max(
                int(np.ceil(low)) if low != -2.0 else floor, floor if low == -2.0 or dtype == "uint8" else -100
            )
            top = int(np.floor(high)) + 1 if high != 2.0 else 6
            values = random.integers(bottom, max(top, bottom + 1), shape)
            if distinct:
                values = random.permutation(size).reshape(shape) - (0 if dtype == "uint8" else size // 2)
            if nonzero:
                values = np.where(values == 0, 1, values)
        else:
            values = random.uniform(low, high, shape)
            if distinct:
                values = (random.permutation(size).reshape(shape) + 0.5) / max(size, 1) * (high - low) + low
            if nonzero:
                values = np.where(np.abs(values) < 0.3, np.where(values < 0, -0.7, 0.7), values)
            if dtype in COMPLEX:
                values = values + 1j * random.uniform(max(low, -1.5), min(high, 1.5), shape)
        return T(rounded(values, dtype), dtype, grad and dtype in FLOATS + COMPLEX)

    def of(self, values: Any, dtype: str | None = None, grad: bool = True, fixed: bool = True) -> T:
        dtype = dtype or self.dtype
        return T(rounded(np.asarray(values), dtype), dtype, grad and dtype in FLOATS + COMPLEX, fixed)

    def index(self, *shape: int, high: int, low: int = 0, dtype: str = "int64") -> T:
        return T(self.random.integers(low, high, shape).astype(dtype), dtype, False, True)

    def mask(self, *shape: int) -> T:
        return T(self.random.random(shape) > 0.5, "bool", False, True)

    def permutation(self, n: int) -> T:
        return T(self.random.permutation(n).astype("int64"), "int64", False, True)


# ---------------------------------------------------------------- between the libraries


def dtype_name(dtype: Any) -> str:
    return str(dtype).split(".")[-1]


def tensor(lib: Any, values: Any, dtype: str, layout: str = "contiguous", requires_grad: bool = False) -> Any:
    """A tensor of `lib` with these values, laid out as asked."""
    array = rounded(np.asarray(values), dtype)
    view: Callable[[Any], Any] = lambda t: t  # noqa: E731
    if layout == "transposed" and array.ndim >= 2:
        axes = tuple(reversed(range(array.ndim)))
        array, view = array.transpose(axes), lambda t: t.permute(axes)
    elif layout == "strided" and array.ndim == 0:
        array, view = np.stack([array, array, array]), lambda t: t[1]
    elif layout == "strided":
        array, view = np.repeat(array, 2, axis=-1), lambda t: t[..., 1::2]
    elif layout == "expanded" and array.ndim >= 1 and array.shape[0] > 0:
        shape, array = array.shape, array[:1]
        view = lambda t: t.expand(shape)  # noqa: E731
    result = lib.from_numpy(np.array(array, order="C"))
    if dtype in NUMPY:
        result = result.to(getattr(lib, dtype))
    result = view(result)
    return result.requires_grad_() if requires_grad else result


def to_numpy(t: Any) -> np.ndarray:
    t = t.detach()
    if dtype_name(t.dtype) == "bfloat16":
        t = t.float()
    if isinstance(t, torch.Tensor):
        t = t.clone().resolve_conj().resolve_neg()
    return t.numpy()


def is_tensor(value: Any) -> bool:
    return isinstance(value, (lampas.Tensor, torch.Tensor))


def realize(lib: Any, value: Any, layout: str, requires_grad: bool, leaves: list[Any]) -> Any:
    """`value` with every `T` made into a tensor and every `D` looked up."""
    if isinstance(value, T):
        wants = requires_grad and value.grad
        layout = "contiguous" if layout == "expanded" and value.fixed else layout
        made = tensor(lib, value.values, value.dtype, layout, wants)
        if wants:
            leaves.append(made)
        return made
    if isinstance(value, D):
        return find(lib, value.name)
    if isinstance(value, (list, tuple)):
        return type(value)(realize(lib, v, layout, requires_grad, leaves) for v in value)
    if isinstance(value, dict):
        return {k: realize(lib, v, layout, requires_grad, leaves) for k, v in value.items()}
    return value


def find(lib: Any, path: str) -> Any:
    target = lib
    for part in path.split("."):
        target = getattr(target, part)
    return target
