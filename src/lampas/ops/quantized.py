"""``torch.ops.quantized``: ops of quantized tensors that are told the result's scale and zero point."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import lampas
from lampas import _C, Tensor
from lampas._quantized.handlers import looked_up, requantized
from lampas._quantized.packed import ConvPackedParams, LinearPackedParams
from lampas._quantized.tensor import PerTensor, QuantizedTensor, integers_of, limits, quantizer_of

# --- linear ---------------------------------------------------------------------------------------------------------


def linear_prepack(weight: Tensor, bias: Tensor | None = None) -> LinearPackedParams:
    """The weight (out, in) of ``torch.qint8`` and bias as :func:`linear` takes them."""
    return LinearPackedParams(weight, bias)


def linear_unpack(packed: LinearPackedParams) -> tuple[Tensor, Tensor | None]:
    return packed.unpack()


def linear(input: Tensor, packed: LinearPackedParams, scale: float, zero_point: int) -> Tensor:
    """``input @ weight.T + bias``, in int8 and stored with ``scale`` and ``zero_point``."""
    return packed.apply(input, scale, zero_point)


def linear_relu(input: Tensor, packed: LinearPackedParams, scale: float, zero_point: int) -> Tensor:
    return packed.apply(input, scale, zero_point, relu=True)


def linear_dynamic(input: Tensor, packed: Any, reduce_range: bool = False) -> Tensor:
    """The product of real numbers with int8 weights; the input is quantized by its own range on the way."""
    return packed.apply_dynamic(input, reduce_range)


def linear_relu_dynamic(input: Tensor, packed: Any, reduce_range: bool = False) -> Tensor:
    return packed.apply_dynamic(input, reduce_range, relu=True)


class _HalfLinear:
    """A linear layer whose weight is kept as float16; the bias and the arithmetic are float32."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self._weight, self._bias = weight.detach().to(lampas.float16), bias

    def unpack(self) -> tuple[Tensor, Tensor | None]:
        return self._weight.to(lampas.float32), self._bias

    def apply_dynamic(self, x: Tensor, reduce_range: bool = False, relu: bool = False) -> Tensor:
        y = lampas.nn.functional.linear(x, *self.unpack())
        return y.relu() if relu else y

    def __reduce__(self) -> tuple:
        return _HalfLinear, (self._weight, self._bias)


def linear_prepack_fp16(weight: Tensor, bias: Tensor | None = None) -> _HalfLinear:
    return _HalfLinear(weight, bias)


def linear_unpack_fp16(packed: _HalfLinear) -> tuple[Tensor, Tensor | None]:
    return packed.unpack()


def linear_dynamic_fp16(input: Tensor, packed: _HalfLinear) -> Tensor:
    return packed.apply_dynamic(input)


def linear_relu_dynamic_fp16(input: Tensor, packed: _HalfLinear) -> Tensor:
    return packed.apply_dynamic(input, relu=True)


# --- convolution ----------------------------------------------------------------------------------------------------


def _prepack(rank: int) -> Callable[..., ConvPackedParams]:
    def prepack(
        weight: Tensor,
        bias: Tensor | None,
        stride: Sequence[int],
        padding: Sequence[int],
        dilation: Sequence[int],
        groups: int,
    ) -> ConvPackedParams:
        _check_rank(weight, rank)
        return ConvPackedParams(weight, bias, stride, padding, dilation, groups)

    return prepack


def _transpose_prepack(rank: int) -> Callable[..., ConvPackedParams]:
    def prepack(
        weight: Tensor,
        bias: Tensor | None,
        stride: Sequence[int],
        padding: Sequence[int],
        output_padding: Sequence[int],
        dilation: Sequence[int],
        groups: int,
    ) -> ConvPackedParams:
        _check_rank(weight, rank)
        return ConvPackedParams(weight, bias, stride, padding, dilation, groups, output_padding)

    return prepack


def _check_rank(weight: Tensor, rank: int) -> None:
    if weight.dim() != rank + 2:
        raise RuntimeError(
            f"Weights are expected to have {rank + 2} dimensions, got a weight of shape {tuple(weight.shape)}"
        )


def _convolve(input: Tensor, packed: ConvPackedParams, output_scale: float, output_zero_point: int) -> Tensor:
    return packed.apply(input, output_scale, output_zero_point)


def _convolve_relu(input: Tensor, packed: ConvPackedParams, output_scale: float, output_zero_point: int) -> Tensor:
    return packed.apply(input, output_scale, output_zero_point, relu=True)


def _convolve_dynamic(input: Tensor, packed: ConvPackedParams, reduce_range: bool = False) -> Tensor:
    return packed.apply_dynamic(input, reduce_range)


def _named(function: Callable, name: str) -> None:
    globals()[name] = function


for _rank in (1, 2, 3):
    _named(_prepack(_rank), f"conv{_rank}d_prepack")
    _named(_transpose_prepack(_rank), f"conv_transpose{_rank}d_prepack")
    for _kind in (f"conv{_rank}d", f"conv_transpose{_rank}d"):
        _named(_convolve, _kind)
        _named(_convolve_dynamic, f"{_kind}_dynamic")
        for _part in ("stride", "padding", "dilation", "groups", "transpose", "output_padding", "unpack"):
            _named((lambda part: lambda packed: getattr(packed, part)())(_part), f"{_kind}_{_part}")
    _named(_convolve_relu, f"conv{_rank}d_relu")

# --- arithmetic -----------------------------------------------------------------------------------------------------


def _pair(multiply: bool, relu: bool) -> Callable[[Tensor, Tensor, float, int], Tensor]:
    name = f"quantized::{'mul' if multiply else 'add'}{'_relu' if relu else ''}"

    def apply(qa: Tensor, qb: Tensor, scale: float, zero_point: int) -> Tensor:
        a, b, out = quantizer_of(qa, name), quantizer_of(qb, name), PerTensor(float(scale), int(zero_point))
        if qa.dtype != qb.dtype:
            raise RuntimeError(f"{name}: both tensors must be of one dtype, got {qa.dtype} and {qb.dtype}")
        left, right = qa._integers, qb._integers
        if left.shape != right.shape:
            left, right = lampas.broadcast_tensors(left, right)
        if left.dtype == lampas.int32:
            real = qa.dequantize() * qb.dequantize() if multiply else qa.dequantize() + qb.dequantize()
            return QuantizedTensor.wrap(out.quantize(real.relu() if relu else real, qa.dtype), out)
        y = _C._quantized_pair(
            left, a.scale, a.zero_point, right, b.scale, b.zero_point, multiply, relu, out.scale, out.zero_point
        )
        return QuantizedTensor.wrap(y, out)

    return apply


add, add_relu = _pair(False, False), _pair(False, True)
mul, mul_relu = _pair(True, False), _pair(True, True)


def add_out(qa: Tensor, qb: Tensor, out: Tensor) -> Tensor:
    return out.copy_(add(qa, qb, out.q_scale(), out.q_zero_point()))


def mul_out(qa: Tensor, qb: Tensor, out: Tensor) -> Tensor:
    return out.copy_(mul(qa, qb, out.q_scale(), out.q_zero_point()))


def add_scalar(qa: Tensor, b: float, relu: bool = False) -> Tensor:
    """``qa + b``: the integers stay where they fit, the zero point moves."""
    quantizer, (low, high) = quantizer_of(qa, "quantized::add_scalar"), limits(qa.dtype)
    moved = quantizer.zero_point - round(float(b) / quantizer.scale)
    if low <= moved <= high:
        y = QuantizedTensor.wrap(qa._integers.clone(), PerTensor(quantizer.scale, moved))
    else:
        # The zero point stops at the end of its range, and the scale grows until all values fit.
        zero = min(max(moved, low), high)
        reach = high - moved if moved < low else moved - low
        out = PerTensor(quantizer.scale * reach / (high - low), zero)
        y = QuantizedTensor.wrap(out.quantize(qa.dequantize() + float(b), qa.dtype), out)
    return y.relu() if relu else y


def add_scalar_relu(qa: Tensor, b: float) -> Tensor:
    return add_scalar(qa, b, relu=True)


def mul_scalar(qa: Tensor, b: float, relu: bool = False) -> Tensor:
    """``qa * b``: the same integers with another scale; mirrored where ``b`` is negative."""
    quantizer, (low, high), b = quantizer_of(qa, "quantized::mul_scalar"), limits(qa.dtype), float(b)
    if b > 0:
        y = QuantizedTensor.wrap(qa._integers.clone(), PerTensor(quantizer.scale * b, quantizer.zero_point))
    elif b == 0:
        y = QuantizedTensor.wrap(lampas.zeros_like(qa._integers), PerTensor(1.0, 0))
    else:
        mirrored = (low + high) - qa._integers.to(lampas.int64)
        out = PerTensor(quantizer.scale * -b, low + high - quantizer.zero_point)
        y = QuantizedTensor.wrap(mirrored.to(qa._integers.dtype), out)
    return y.relu() if relu else y


def mul_scalar_relu(qa: Tensor, b: float) -> Tensor:
    return mul_scalar(qa, b, relu=True)


def _stored(real: Tensor, like: Tensor, scale: float, zero_point: int) -> Tensor:
    out = PerTensor(float(scale), int(zero_point))
    return QuantizedTensor.wrap(out.quantize(real, like.dtype), out)


def matmul(qa: Tensor, qb: Tensor, scale: float, zero_point: int) -> Tensor:
    integers_of(qa, "quantized::matmul"), integers_of(qb, "quantized::matmul")
    return _stored(qa.dequantize() @ qb.dequantize(), qa, scale, zero_point)


def cat(tensors: Sequence[Tensor], dim: int = 0, scale: float | None = None, zero_point: int | None = None) -> Tensor:
    """The tensors one after the other, stored with ``scale`` and ``zero_point``."""
    first = quantizer_of(tensors[0], "quantized::cat")
    out = PerTensor(
        first.scale if scale is None else float(scale), first.zero_point if zero_point is None else int(zero_point)
    )
    parts = [requantized(t, out, tensors[0].dtype) for t in tensors]
    return QuantizedTensor.wrap(lampas.cat(parts, dim), out)


def cat_relu(
    tensors: Sequence[Tensor], dim: int = 0, scale: float | None = None, zero_point: int | None = None
) -> Tensor:
    return cat(tensors, dim, scale, zero_point).relu()


# --- functions of one value -----------------------------------------------------------------------------------------


def _function(name: str) -> Callable[..., Tensor]:
    def apply(qx: Tensor, *args: Any) -> Tensor:
        # The function's own arguments first, then scale and zero point; leaky_relu's slope comes before `inplace`.
        *own, scale, zero_point = args
        functional = getattr(lampas.nn.functional, name)
        out = PerTensor(float(scale), int(zero_point))
        return looked_up(qx, lambda x: functional(x, *own), out, f"quantized::{name}")

    return apply


hardswish, sigmoid, tanh = _function("hardswish"), _function("sigmoid"), _function("tanh")


def leaky_relu(qx: Tensor, negative_slope: float, inplace: bool, output_scale: float, output_zero_point: int) -> Tensor:
    return _function("leaky_relu")(qx, negative_slope, output_scale, output_zero_point)


def elu(
    self: Tensor,
    output_scale: float,
    output_zero_point: int,
    alpha: float = 1,
    scale: float = 1,
    input_scale: float = 1,
) -> Tensor:
    def function(x: Tensor) -> Tensor:
        return scale * lampas.where(x > 0, x, alpha * lampas.expm1(input_scale * x))

    return looked_up(self, function, PerTensor(float(output_scale), int(output_zero_point)), "quantized::elu")


def celu(self: Tensor, output_scale: float, output_zero_point: int, alpha: float = 1) -> Tensor:
    return elu(self, output_scale, output_zero_point, alpha, 1.0, 1.0 / alpha)


def relu6(qx: Tensor, inplace: bool = False) -> Tensor:
    return qx.clamp(0.0, 6.0)


def clamp(qx: Tensor, min: float | None = None, max: float | None = None) -> Tensor:
    return qx.clamp(min, max)


def threshold(qx: Tensor, threshold: float, value: float) -> Tensor:
    return lampas.nn.functional.threshold(qx, threshold, value)


def softmax(qx: Tensor, dim: int, output_scale: float, output_zero_point: int) -> Tensor:
    return _stored(qx.dequantize().softmax(dim), qx, output_scale, output_zero_point)


def prelu(qx: Tensor, weight: Tensor, output_scale: float, output_zero_point: int) -> Tensor:
    real = lampas.nn.functional.prelu(qx.dequantize(), weight.dequantize())
    return _stored(real, qx, output_scale, output_zero_point)


# --- normalisation --------------------------------------------------------------------------------------------------


def batch_norm(
    qx: Tensor,
    weight: Any,
    bias: Any,
    mean: Tensor,
    var: Tensor,
    eps: float,
    output_scale: float,
    output_zero_point: int,
) -> Tensor:
    real = lampas.nn.functional.batch_norm(qx.dequantize(), mean, var, weight, bias, False, 0.0, eps)
    return _stored(real, qx, output_scale, output_zero_point)


batch_norm1d = batch_norm2d = batch_norm3d = batch_norm


def batch_norm_relu(qx: Tensor, *args: Any) -> Tensor:
    return batch_norm(qx, *args).relu()


batch_norm1d_relu = batch_norm2d_relu = batch_norm3d_relu = batch_norm_relu


def layer_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Any, bias: Any, eps: float, output_scale: float,
    output_zero_point: int,
) -> Tensor:  # fmt: skip
    real = lampas.nn.functional.layer_norm(input.dequantize(), tuple(normalized_shape), weight, bias, eps)
    return _stored(real, input, output_scale, output_zero_point)


def group_norm(
    input: Tensor, num_groups: int, weight: Any, bias: Any, eps: float, output_scale: float, output_zero_point: int
) -> Tensor:
    real = lampas.nn.functional.group_norm(input.dequantize(), num_groups, weight, bias, eps)
    return _stored(real, input, output_scale, output_zero_point)


def instance_norm(
    input: Tensor, weight: Any, bias: Any, eps: float, output_scale: float, output_zero_point: int
) -> Tensor:
    real = lampas.nn.functional.instance_norm(input.dequantize(), None, None, weight, bias, True, 0.0, eps)
    return _stored(real, input, output_scale, output_zero_point)


# --- embeddings: rows of 8 bits, each with its own scale ------------------------------------------------------------


class EmbeddingPackedParams:
    """The table of an embedding, quantized along axis 0 with float zero points."""

    def __init__(self, weight: Tensor) -> None:
        integers_of(weight, "quantized::embedding_bag_prepack")
        self._weight = weight

    def unpack(self) -> Tensor:
        return self._weight

    def rows(self, indices: Tensor) -> Tensor:
        quantizer = self._weight._quantizer
        integers = self._weight._integers[indices].to(lampas.float32)
        scales, zeros = (p[indices].to(lampas.float32).unsqueeze(-1) for p in (quantizer.scales, quantizer.zero_points))
        return (integers - zeros) * scales

    def __reduce__(self) -> tuple:
        return EmbeddingPackedParams, (self._weight,)


def embedding_bag_prepack(weight: Tensor) -> EmbeddingPackedParams:
    return EmbeddingPackedParams(weight)


def embedding_bag_unpack(packed: EmbeddingPackedParams) -> Tensor:
    return packed.unpack()


def embedding_byte(packed: EmbeddingPackedParams, indices: Tensor, pruned_weights: bool = False) -> Tensor:
    """The rows of the table at ``indices``, as real numbers."""
    return packed.rows(indices)


def embedding_bag_byte(
    packed: EmbeddingPackedParams,
    indices: Tensor,
    offsets: Tensor | None = None,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    pruned_weights: bool = False,
    per_sample_weights: Tensor | None = None,
    compressed_indices_mapping: Tensor | None = None,
    include_last_offset: bool = False,
) -> Tensor:
    """Sums of the table's rows over bags (mode 0; 1 means)."""
    functional = lampas.nn.functional
    return functional.embedding_bag(
        indices, packed.unpack().dequantize(), offsets, mode=("sum", "mean", "max")[mode],
        per_sample_weights=per_sample_weights, include_last_offset=include_last_offset,
    )  # fmt: skip
