"""Random tensors for tests."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import lampas

__all__ = ["make_tensor"]


def _bounds(
    low: float | None, high: float | None, dtype: lampas.dtype, limits: tuple[float, float], defaults: tuple[int, int]
) -> tuple[float, float]:
    """The interval to draw from: what was asked for, within what the dtype can hold."""
    low = defaults[0] if low is None else low
    high = defaults[1] if high is None else high
    if math.isnan(low) or math.isnan(high):
        raise ValueError(f"`low` and `high` cannot be NaN, but got low={low!r} and high={high!r}")
    inexact = dtype.is_floating_point or dtype.is_complex
    if low == high and inexact:
        warnings.warn("make_tensor with low == high is deprecated: use torch.full().", FutureWarning, stacklevel=3)
    elif low >= high:
        raise ValueError(f"`low` must be less than `high`, but got {low} >= {high}")
    elif high < limits[0] or low >= limits[1]:
        raise ValueError(f"[{low}, {high}) lies outside of what {dtype} can hold, [{limits[0]}, {limits[1]})")
    low, high = (min(max(v, limits[0]), limits[1]) for v in (low, high))
    return (low, high) if inexact else (math.ceil(low), math.ceil(high))


def _draw(shape: tuple[int, ...], dtype: lampas.dtype, device: Any, low: Any, high: Any) -> lampas.Tensor:
    if dtype == lampas.bool:
        low, high = _bounds(low, high, dtype, (0, 2), (0, 2))
        return lampas.randint(low, high, shape, device=device, dtype=dtype)
    if not (dtype.is_floating_point or dtype.is_complex):
        info = lampas.iinfo(dtype)
        top = info.max + (dtype != lampas.int64)  # randint takes the bound itself, which must be an int64
        low, high = _bounds(low, high, dtype, (info.min, top), (-9, 10))
        return lampas.randint(low, high, shape, device=device, dtype=dtype)
    reach = lampas.finfo(dtype)
    low, high = _bounds(low, high, dtype, (reach.min, reach.max), (-9, 9))
    result = lampas.empty(shape, device=device, dtype=dtype)
    numbers = lampas.view_as_real(result) if dtype.is_complex else result
    if high - low >= reach.max:
        numbers.uniform_(low / 2, high / 2).mul_(2)  # the width itself would overflow
    else:
        numbers.uniform_(low, high)
    return result


def make_tensor(
    *shape: int | lampas.Size | list[int] | tuple[int, ...],
    dtype: lampas.dtype,
    device: str | lampas.device,
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format: lampas.memory_format | None = None,
) -> lampas.Tensor:
    """A tensor of random numbers, uniform in ``[low, high)``: by default [-9, 9), or 0 and 1 for booleans.

    Args:
        shape: sizes, or one sequence of them.
        dtype, device: of the tensor; they have no default.
        low, high: the interval, cut to what the dtype can hold.
        requires_grad: for floating and complex dtypes only.
        noncontiguous: every second number of a longer tensor, so that strides are not the plain ones.
        exclude_zero: zeros become 1, or the smallest normal number.
        memory_format: the order in memory; not together with ``noncontiguous``.

    Raises:
        ValueError: ``low`` is not below ``high``, is NaN, or lies outside the dtype's range; arguments that exclude
            each other.
        TypeError: a quantized dtype.

    >>> make_tensor((2, 3), dtype=torch.int64, device="cpu", low=0, high=5).shape
    torch.Size([2, 3])
    """
    sizes: tuple[int, ...] = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], Sequence) else shape  # type: ignore[assignment]
    if noncontiguous and memory_format is not None:
        raise ValueError(
            "The parameters `noncontiguous` and `memory_format` are mutually exclusive, but got "
            f"noncontiguous={noncontiguous} and memory_format={memory_format}"
        )
    if str(dtype).startswith(("torch.q", "torch.bit")):
        raise TypeError(f"make_tensor() makes no tensors of {dtype}: quantize a float tensor")
    inexact = dtype.is_floating_point or dtype.is_complex
    if requires_grad and not inexact:
        raise ValueError(
            f"`requires_grad=True` is not supported for boolean and integral dtypes, but got dtype={dtype}"
        )
    strided = noncontiguous and math.prod(sizes) > 1
    if strided:
        sizes = (*sizes[:-1], 2 * sizes[-1])
    with lampas.no_grad():
        result = _draw(sizes, dtype, device, low, high)
        if strided:
            result = result[..., 1::2]
        elif memory_format is not None:
            result = result.clone(memory_format=memory_format)
        if exclude_zero:
            result[result == 0] = lampas.finfo(dtype).tiny if inexact else 1
    return result.requires_grad_(requires_grad) if inexact else result
