"""Making quantized tensors, and real ones of them again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lampas
from lampas import _C, Tensor
from lampas._quantized.tensor import PerChannel, PerTensor, QuantizedTensor, limits, stored_dtype

__all__ = [
    "_choose_qparams_per_tensor",
    "_empty_affine_quantized",
    "_empty_per_channel_affine_quantized",
    "_make_per_channel_quantized_tensor",
    "_make_per_tensor_quantized_tensor",
    "_fake_quantize_learnable_per_channel_affine",
    "_fake_quantize_learnable_per_tensor_affine",
    "dequantize",
    "fused_moving_avg_obs_fake_quant",
    "int_repr",
    "q_per_channel_axis",
    "q_per_channel_scales",
    "q_per_channel_zero_points",
    "q_scale",
    "q_zero_point",
    "quantize_per_channel",
    "quantize_per_tensor",
    "quantize_per_tensor_dynamic",
]


def _number(value: Any) -> float | int:
    return value.item() if isinstance(value, Tensor) else value


def _floating(tensor: Any) -> Tensor:
    if tensor.is_quantized or tensor.dtype != lampas.float32:
        raise RuntimeError(f"Quantize only works on Float Tensor, got {tensor.dtype}; convert it with .float()")
    return tensor.detach()


def _checked(scale: Any, zero_point: Any, dtype: lampas.dtype, function: str) -> PerTensor:
    scale, zero_point = float(_number(scale)), int(_number(zero_point))
    stored_dtype(dtype, function)
    low, high = limits(dtype)
    if not low <= zero_point <= high:
        side = "below lower" if zero_point < low else "above upper"
        raise RuntimeError(f"{function} zero_point {zero_point} is {side} bound: {dtype} holds {low} to {high}")
    if scale == 0 or scale != scale:
        raise RuntimeError(f"{function} scale {scale}: the scale is the real value of one step, it cannot be {scale}")
    return PerTensor(scale, zero_point)


def quantize_per_tensor(input: Any, scale: Any, zero_point: Any, dtype: lampas.dtype) -> Any:
    """``input`` (float32) stored as integers with one scale and zero point; a list of tensors with as many of them.

    Args:
        scale: the real value of one step, a float or a tensor of one.
        zero_point: the integer that stands for 0.
        dtype: ``torch.quint8`` (0 to 255), ``torch.qint8`` (-128 to 127) or ``torch.qint32``.

    Raises:
        RuntimeError: ``input`` is not float32, ``dtype`` is no quantized one, or ``zero_point`` is outside its range.

    >>> lampas.quantize_per_tensor(lampas.tensor([-1.0, 0.24]), 0.1, 10, lampas.quint8).int_repr()
    tensor([ 0, 12], dtype=torch.uint8)
    """
    if isinstance(input, (list, tuple)):
        pairs = zip(input, _as_list(scale), _as_list(zero_point), strict=True)
        return tuple(quantize_per_tensor(x, s, z, dtype) for x, s, z in pairs)
    quantizer = _checked(scale, zero_point, dtype, "quantize_per_tensor")
    return QuantizedTensor.wrap(quantizer.quantize(_floating(input), dtype), quantizer)


def _as_list(values: Any) -> list:
    return values.tolist() if isinstance(values, Tensor) else list(values)


def quantize_per_channel(input: Tensor, scales: Tensor, zero_points: Tensor, axis: int, dtype: lampas.dtype) -> Tensor:
    """``input`` (float32) stored as integers, with a scale and zero point for each index of dimension ``axis``.

    Raises:
        RuntimeError: as in :func:`quantize_per_tensor`, or the lengths do not fit the dimension.

    >>> w = lampas.tensor([[1.0, 2.0], [10.0, 20.0]])
    >>> lampas.quantize_per_channel(w, lampas.tensor([0.1, 1.0]), lampas.tensor([0, 0]), 0, lampas.qint8).int_repr()
    tensor([[10, 20],
            [10, 20]], dtype=torch.int8)
    """
    stored_dtype(dtype, "quantize_per_channel")
    input = _floating(input)
    quantizer = _checked_channels(scales, zero_points, axis, tuple(input.shape))
    return QuantizedTensor.wrap(quantizer.quantize(input, dtype), quantizer)


def _checked_channels(scales: Tensor, zero_points: Tensor, axis: int, shape: Sequence[int]) -> PerChannel:
    if not 0 <= axis < len(shape):
        raise RuntimeError(
            f"Channel axis out of range in per channel affine quantization. Got: {axis} "
            f"Expected: [0, {len(shape)}) for a tensor of shape {tuple(shape)}"
        )
    if scales.numel() != shape[axis] or zero_points.numel() != shape[axis]:
        raise RuntimeError(
            f"length of scales must equal to channel, expected {shape[axis]} for dimension {axis} of {tuple(shape)}, "
            f"got {scales.numel()} scales and {zero_points.numel()} zero_points"
        )
    return PerChannel(scales.view(-1), zero_points.view(-1), axis)


def _choose_qparams_per_tensor(input: Tensor, reduce_range: bool = False) -> tuple[float, int]:
    """The scale and zero point with which ``torch.quint8`` (7 bits of it if ``reduce_range``) spans ``input``."""
    scale, zero_point = _C._choose_quantization(input, 0, 127 if reduce_range else 255).tolist()
    return scale, int(zero_point)


def quantize_per_tensor_dynamic(input: Tensor, dtype: lampas.dtype, reduce_range: bool) -> Tensor:
    """``input`` quantized with the scale and zero point that its own range asks for."""
    if dtype not in (lampas.quint8, lampas.qint8):
        raise RuntimeError(
            f"dtype {dtype} not supported: quantize_per_tensor_dynamic gives torch.quint8 or torch.qint8"
        )
    low, high = limits(dtype)
    if reduce_range:
        low, high = int(low / 2), high // 2
    scale, zero_point = _C._choose_quantization(_floating(input), low, high).tolist()
    return quantize_per_tensor(input, scale, int(zero_point), dtype)


def dequantize(input: Any) -> Any:
    """The real numbers of a quantized tensor, or of each of a list of them."""
    return tuple(t.dequantize() for t in input) if isinstance(input, (list, tuple)) else input.dequantize()


def int_repr(input: Tensor) -> Tensor:
    """The integers of a quantized tensor."""
    return input.int_repr()


def q_scale(input: Tensor) -> float:
    return input.q_scale()


def q_zero_point(input: Tensor) -> int:
    return input.q_zero_point()


def q_per_channel_scales(input: Tensor) -> Tensor:
    return input.q_per_channel_scales()


def q_per_channel_zero_points(input: Tensor) -> Tensor:
    return input.q_per_channel_zero_points()


def q_per_channel_axis(input: Tensor) -> int:
    return input.q_per_channel_axis()


def _sizes(size: tuple) -> tuple[int, ...]:
    return tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else size


def _empty_affine_quantized(
    *size: Any, scale: float = 1.0, zero_point: int = 0, dtype: lampas.dtype = lampas.quint8, **ignored: Any
) -> Tensor:
    quantizer = _checked(scale, zero_point, dtype, "_empty_affine_quantized")
    return QuantizedTensor.wrap(lampas.empty(_sizes(size), dtype=stored_dtype(dtype)), quantizer)


def _empty_per_channel_affine_quantized(
    *size: Any, scales: Tensor, zero_points: Tensor, axis: int, dtype: lampas.dtype = lampas.quint8, **ignored: Any
) -> Tensor:
    quantizer = _checked_channels(scales, zero_points, axis, _sizes(size))
    stored = stored_dtype(dtype, "_empty_per_channel_affine_quantized")
    return QuantizedTensor.wrap(lampas.empty(_sizes(size), dtype=stored), quantizer)


def _make_per_tensor_quantized_tensor(input: Tensor, scale: float, zero_point: int) -> Tensor:
    """The quantized tensor of these integers (uint8, int8 or int32), copied."""
    return QuantizedTensor.wrap(input.clone(), PerTensor(float(_number(scale)), int(_number(zero_point))))


def _make_per_channel_quantized_tensor(input: Tensor, scale: Tensor, zero_point: Tensor, axis: int) -> Tensor:
    return QuantizedTensor.wrap(input.clone(), _checked_channels(scale, zero_point, axis, tuple(input.shape)))


# --- for training ---------------------------------------------------------------------------------------------------


class _Learnable(lampas.autograd.Function):
    """Fake quantization whose scale and zero point learn, too (Esser et al. 2020, "Learned Step Size Quantization")."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, zero_point: Tensor, low: int, high: int, grad_factor: float) -> Any:
        zero = zero_point.round().clamp(low, high)
        steps = (x / scale + zero).round()
        ctx.save_for_backward(x, scale, zero, steps)
        ctx.limits, ctx.grad_factor = (low, high), grad_factor
        return (steps.clamp(low, high) - zero) * scale

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        x, scale, zero, steps = ctx.saved_tensors
        low, high = ctx.limits
        inside = (steps >= low) & (steps <= high)
        held = steps.clamp(low, high)
        fits = lampas.where(inside, (held - zero) - x / scale, held - zero)
        moves = lampas.where(inside, 0.0, -1.0) * scale
        return (
            grad * inside,
            (grad * fits * ctx.grad_factor).sum_to_size(scale.shape),
            (grad * moves * ctx.grad_factor).sum_to_size(scale.shape),
            None,
            None,
            None,
        )


def _fake_quantize_learnable_per_tensor_affine(
    input: Tensor, scale: Tensor, zero_point: Tensor, quant_min: int, quant_max: int, grad_factor: float = 1.0
) -> Tensor:
    return _Learnable.apply(input, scale, zero_point, quant_min, quant_max, grad_factor)


def _fake_quantize_learnable_per_channel_affine(
    input: Tensor,
    scale: Tensor,
    zero_point: Tensor,
    axis: int,
    quant_min: int,
    quant_max: int,
    grad_factor: float = 1.0,
) -> Tensor:
    shape = [-1 if d == axis else 1 for d in range(input.dim())]
    return _Learnable.apply(input, scale.view(shape), zero_point.view(shape), quant_min, quant_max, grad_factor)


def fused_moving_avg_obs_fake_quant(
    input: Tensor,
    observer_on: Tensor,
    fake_quant_on: Tensor,
    running_min: Tensor,
    running_max: Tensor,
    scale: Tensor,
    zero_point: Tensor,
    averaging_const: float,
    quant_min: int,
    quant_max: int,
    ch_axis: int,
    per_row_fake_quant: bool = False,
    symmetric_quant: bool = False,
) -> Tensor:
    """Observe the running range of ``input``, choose scale and zero point for it, and fake-quantize with them.

    The two switches are tensors of one; the running range, scale and zero point are changed in place: one of each, or
    with ``per_row_fake_quant`` one for each index of dimension ``ch_axis``.
    """
    if observer_on.item() == 1:
        with lampas.no_grad():
            if per_row_fake_quant:
                rows = input.detach().transpose(0, ch_axis).flatten(1)
                low, high = rows.amin(1), rows.amax(1)
                if running_min.numel() != low.numel():
                    for running, start in ((running_min, low), (running_max, high)):
                        running.resize_(low.shape).copy_(lampas.full_like(start, lampas.inf))
                    scale.resize_(low.shape), zero_point.resize_(low.shape)
            else:
                low, high = (v.view(running_min.shape) for v in lampas.aminmax(input.detach()))
            for running, now in ((running_min, low), (running_max, high)):
                started = lampas.isfinite(running)
                running.copy_(lampas.where(started, running + averaging_const * (now - running), now))
            _set_parameters(running_min, running_max, scale, zero_point, quant_min, quant_max, symmetric_quant)
    if fake_quant_on.item() != 1:
        return input
    if per_row_fake_quant:
        return lampas.fake_quantize_per_channel_affine(input, scale, zero_point, ch_axis, quant_min, quant_max)
    return lampas.fake_quantize_per_tensor_affine(input, scale, zero_point, quant_min, quant_max)


def _set_parameters(
    low: Tensor, high: Tensor, scale: Tensor, zero_point: Tensor, quant_min: int, quant_max: int, symmetric: bool
) -> None:
    low, high = low.clamp(max=0.0).double(), high.clamp(min=0.0).double()
    balanced = (low < 0) & (high > 0) & symmetric
    # Balanced: zero in the middle of the integers, whose lower half is longer by one.
    half = (quant_max - quant_min) // 2
    step = lampas.maximum(-low / (half + 1), high / half)
    low, high = lampas.where(balanced, -step * (half + 1), low), lampas.where(balanced, step * half, high)
    steps = (high - low) / (quant_max - quant_min)
    steps = lampas.where((steps.float() == 0) | lampas.isinf(1 / steps.float()), 0.1, steps)
    smallest = 6.1e-5
    tiny = steps < smallest
    grow = smallest / steps
    low, high = (
        lampas.where(tiny, lampas.where(high == 0, -smallest * (quant_max - quant_min), low * grow), low),
        lampas.where(tiny, lampas.where(low == 0, smallest * (quant_max - quant_min), high * grow), high),
    )
    steps = steps.clamp(min=smallest)
    below, above = quant_min - low / steps, quant_max - high / steps
    from_low = abs(quant_min) - (low / steps).abs() < abs(quant_max) - (high / steps).abs()
    zero = lampas.where(from_low, below, above)
    zero = lampas.where(balanced, float(round((quant_min + quant_max) / 2)), zero)
    scale.copy_(steps)
    zero_point.copy_(zero.clamp(quant_min, quant_max).round())
