"""Functions of quantized tensors, under the names that `lampas.nn.functional` has for floating point ones."""

from __future__ import annotations

import warnings
from typing import Any

import lampas
from lampas.nn import functional as F
from lampas.nn.modules.utils import _ntuple

__all__ = [
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "avg_pool2d",
    "avg_pool3d",
    "celu",
    "clamp",
    "conv1d",
    "conv2d",
    "conv3d",
    "elu",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "interpolate",
    "leaky_relu",
    "linear",
    "max_pool1d",
    "max_pool2d",
    "threshold",
    "upsample",
    "upsample_bilinear",
    "upsample_nearest",
]


def _check(name: str, input: lampas.Tensor) -> None:
    if not input.is_quantized:
        raise ValueError(f"Input to 'quantized.{name}' must be quantized! Use lampas.quantize_per_tensor first")


def avg_pool2d(
    input: lampas.Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> lampas.Tensor:
    """Averages over windows; the scale stays. ValueError if `input` is not quantized."""
    _check("avg_pool2d", input)
    return F.avg_pool2d(input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def avg_pool3d(
    input: lampas.Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> lampas.Tensor:
    """Averages over windows; the scale stays. ValueError if `input` is not quantized."""
    _check("avg_pool3d", input)
    return F.avg_pool3d(input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def adaptive_avg_pool2d(input: lampas.Tensor, output_size: Any) -> lampas.Tensor:
    """Averages over as many windows as asked for; the scale stays. ValueError if `input` is not quantized."""
    _check("functional.adaptive_avg_pool2d", input)
    return F.adaptive_avg_pool2d(input, output_size)


def adaptive_avg_pool3d(input: lampas.Tensor, output_size: Any) -> lampas.Tensor:
    """Averages over as many windows as asked for; the scale stays. ValueError if `input` is not quantized."""
    _check("functional.adaptive_avg_pool3d", input)
    return F.adaptive_avg_pool3d(input, output_size)


def _conv(
    dims: int,
    input: lampas.Tensor,
    weight: lampas.Tensor,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    padding_mode: str,
    scale: float,
    zero_point: int,
    dtype: Any,
) -> lampas.Tensor:
    if padding_mode != "zeros":
        raise NotImplementedError(f"Only zero-padding is supported, got {padding_mode!r}; pad the input first")
    if input.dtype != lampas.quint8:
        raise NotImplementedError(f"Only lampas.quint8 is supported for activation tensor, got {input.dtype}")
    if weight.dtype != lampas.qint8:
        raise NotImplementedError(f"Only lampas.qint8 is supported for weight tensor, got {weight.dtype}")
    if dtype != lampas.quint8:
        raise NotImplementedError(f"Only lampas.quint8 is supported for the result, got {dtype}")
    if input.ndim != dims + 2:
        raise ValueError(f"Input shape must have {dims + 2} dimensions, got {tuple(input.shape)}")
    each = _ntuple(dims)
    ops = lampas.ops.quantized
    prepack = getattr(ops, f"conv{dims}d_prepack")
    packed = prepack(weight, bias, each(stride), each(padding), each(dilation), groups)
    return getattr(ops, f"conv{dims}d")(input, packed, scale, zero_point)


def conv1d(
    input: lampas.Tensor,
    weight: lampas.Tensor,
    bias: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    padding_mode: str = "zeros",
    scale: float = 1.0,
    zero_point: int = 0,
    dtype: Any = lampas.quint8,
) -> lampas.Tensor:
    """1-dimensional convolution of quint8 ``(N, C, L)`` with a qint8 weight; `scale`, `zero_point`: of the result."""
    rest = (stride, padding, dilation, groups, padding_mode, scale, zero_point, dtype)
    return _conv(1, input, weight, bias, *rest)


def conv2d(
    input: lampas.Tensor,
    weight: lampas.Tensor,
    bias: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    padding_mode: str = "zeros",
    scale: float = 1.0,
    zero_point: int = 0,
    dtype: Any = lampas.quint8,
) -> lampas.Tensor:
    """2-dimensional convolution of quint8 ``(N, C, H, W)`` with a qint8 weight."""
    rest = (stride, padding, dilation, groups, padding_mode, scale, zero_point, dtype)
    return _conv(2, input, weight, bias, *rest)


def conv3d(
    input: lampas.Tensor,
    weight: lampas.Tensor,
    bias: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    padding_mode: str = "zeros",
    scale: float = 1.0,
    zero_point: int = 0,
    dtype: Any = lampas.quint8,
) -> lampas.Tensor:
    """3-dimensional convolution of quint8 ``(N, C, D, H, W)`` with a qint8 weight."""
    rest = (stride, padding, dilation, groups, padding_mode, scale, zero_point, dtype)
    return _conv(3, input, weight, bias, *rest)


def interpolate(
    input: lampas.Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> lampas.Tensor:
    """Resampling; the scale stays. ValueError if `input` is not quantized."""
    _check("interpolate", input)
    return F.interpolate(input, size, scale_factor, mode, align_corners)


def linear(
    input: lampas.Tensor,
    weight: lampas.Tensor,
    bias: Any = None,
    scale: float | None = None,
    zero_point: int | None = None,
) -> lampas.Tensor:
    """``x W^T + b``; the result has `scale` and `zero_point`, or the input's."""
    packed = lampas.ops.quantized.linear_prepack(weight, bias)
    scale = input.q_scale() if scale is None else scale
    zero_point = input.q_zero_point() if zero_point is None else zero_point
    return lampas.ops.quantized.linear(input, packed, scale, zero_point)


def max_pool1d(
    input: lampas.Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> lampas.Tensor:
    """The largest values of windows; the scale stays. NotImplementedError for `return_indices`."""
    if return_indices:
        raise NotImplementedError("return_indices is not yet implemented for quantized tensors")
    return F.max_pool1d(input, kernel_size, stride, padding, dilation, ceil_mode=ceil_mode)


def max_pool2d(
    input: lampas.Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> lampas.Tensor:
    """The largest values of windows; the scale stays. NotImplementedError for `return_indices`."""
    if return_indices:
        raise NotImplementedError("return_indices is not yet implemented for quantized tensors")
    return F.max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode=ceil_mode)


def celu(input: lampas.Tensor, scale: float, zero_point: int, alpha: float = 1.0) -> lampas.Tensor:
    """``x`` above 0, ``alpha (exp(x / alpha) - 1)`` below; `scale`, `zero_point`: of the result."""
    _check("celu", input)
    return lampas.quantize_per_tensor(F.celu(input.dequantize(), alpha), scale, zero_point, input.dtype)


def leaky_relu(
    input: lampas.Tensor,
    negative_slope: float = 0.01,
    inplace: bool = False,
    scale: float | None = None,
    zero_point: int | None = None,
) -> lampas.Tensor:
    """``x`` above 0, ``negative_slope x`` below; the result has `scale` and `zero_point`, or the input's."""
    if scale is not None and zero_point is not None:
        if inplace:
            raise AssertionError("Cannot rescale with `inplace`")
        return lampas.ops.quantized.leaky_relu(input, negative_slope, False, scale, zero_point)
    return F.leaky_relu(input, negative_slope, inplace)


def hardtanh(input: lampas.Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> lampas.Tensor:
    """Values within bounds; the scale stays. ValueError if `input` is not quantized."""
    _check("hardtanh", input)
    return F.hardtanh(input, min_val, max_val, inplace)


def hardswish(input: lampas.Tensor, scale: float, zero_point: int) -> lampas.Tensor:
    """``x relu6(x + 3) / 6``; `scale`, `zero_point`: of the result. ValueError if `input` is not quantized."""
    _check("hardswish", input)
    return lampas.ops.quantized.hardswish(input, scale, zero_point)


def threshold(input: lampas.Tensor, threshold: float, value: float) -> lampas.Tensor:
    """``x`` above `threshold`, `value` elsewhere; the scale stays. ValueError if `input` is not quantized."""
    _check("threshold", input)
    real = F.threshold(input.dequantize(), threshold, value)
    return lampas.quantize_per_tensor(real, input.q_scale(), input.q_zero_point(), input.dtype)


def elu(input: lampas.Tensor, scale: float, zero_point: int, alpha: float = 1.0) -> lampas.Tensor:
    """``x`` above 0, ``alpha (exp(x) - 1)`` below; `scale`, `zero_point`: of the result."""
    _check("elu", input)
    return lampas.ops.quantized.elu(input, scale, zero_point, alpha)


def hardsigmoid(input: lampas.Tensor, inplace: bool = False) -> lampas.Tensor:
    """``relu6(x + 3) / 6``, with a scale of 1/256. ValueError if `input` is not quantized."""
    _check("hardsigmoid", input)
    return F.hardsigmoid(input, inplace)


def clamp(input: lampas.Tensor, min_: float, max_: float) -> lampas.Tensor:
    """Values within bounds; the scale stays. ValueError if `input` is not quantized."""
    _check("clamp", input)
    return lampas.clamp(input, min_, max_)


def upsample(
    input: lampas.Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> lampas.Tensor:
    """Deprecated: `interpolate`."""
    warnings.warn(
        "nn.quantized.functional.upsample is deprecated. Use nn.quantized.functional.interpolate instead.",
        stacklevel=2,
    )
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_bilinear(input: lampas.Tensor, size: Any = None, scale_factor: Any = None) -> lampas.Tensor:
    """Deprecated: `interpolate` with ``mode="bilinear", align_corners=True``."""
    warnings.warn(
        "nn.quantized.functional.upsample_bilinear is deprecated. Use nn.quantized.functional.interpolate instead.",
        stacklevel=2,
    )
    return interpolate(input, size, scale_factor, "bilinear", True)


def upsample_nearest(input: lampas.Tensor, size: Any = None, scale_factor: Any = None) -> lampas.Tensor:
    """Deprecated: `interpolate` with ``mode="nearest"``."""
    warnings.warn(
        "nn.quantized.functional.upsample_nearest is deprecated. Use nn.quantized.functional.interpolate instead.",
        stacklevel=2,
    )
    return interpolate(input, size, scale_factor, "nearest")
