"""Weights as the int8 ops take them: with everything that depends on the weight alone worked out once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lampas
from lampas import _C, Tensor
from lampas._quantized.tensor import PerChannel, PerTensor, QuantizedTensor, integers_of, quantizer_of

__all__ = ["ConvPackedParams", "LinearPackedParams"]


class _Packed:
    """A quantized weight, one scale for each output, and a bias of real numbers."""

    def __init__(self, weight: Tensor, bias: Tensor | None, outputs: int = 0) -> None:
        integers = integers_of(weight, f"packing the weights of {self._layer}")
        if weight.dtype != lampas.qint8:
            raise RuntimeError(f"{self._layer}: the weights must be quantized to torch.qint8, got {weight.dtype}")
        quantizer = weight._quantizer
        if isinstance(quantizer, PerChannel) and quantizer.axis != outputs:
            raise RuntimeError(
                f"{self._layer}: the weights must be quantized along their dimension {outputs}, the outputs, "
                f"not along axis {quantizer.axis}"
            )
        self._weight, self._bias = weight, None if bias is None else bias.detach().to(lampas.float32)
        self._integers = integers.contiguous()
        count = integers.shape[outputs]
        if isinstance(quantizer, PerTensor):
            self._scales = lampas.full((count,), quantizer.scale)
            self._exact = quantizer.zero_point == 0
        else:
            self._scales = quantizer.scales.to(lampas.float32)
            self._exact = not bool(quantizer.zero_points.any())

    _layer = "a quantized layer"

    def unpack(self) -> tuple[Tensor, Tensor | None]:
        """The weight and the bias."""
        return self._weight, self._bias

    def weight(self) -> Tensor:
        return self._weight

    def bias(self) -> Tensor | None:
        return self._bias

    def _activation(self, x: Any) -> tuple[Tensor, float, int]:
        """Input as uint8 with its scale and zero point: signed integers count from 128 less."""
        quantizer = quantizer_of(x, self._layer)
        if x.dtype == lampas.quint8:
            return x._integers, quantizer.scale, quantizer.zero_point
        if x.dtype != lampas.qint8:
            raise RuntimeError(f"{self._layer}: the input must be of torch.quint8 or torch.qint8, got {x.dtype}")
        return x._integers.view(lampas.uint8) + 128, quantizer.scale, quantizer.zero_point + 128

    def _result(self, x: Any, unsigned: Tensor, quantizer: PerTensor) -> Tensor:
        if x.dtype == lampas.quint8:
            return QuantizedTensor.wrap(unsigned, quantizer)
        return QuantizedTensor.wrap((unsigned + 128).view(lampas.int8), quantizer)

    def _in_reals(self, real: Tensor, x: Any, relu: bool, quantizer: PerTensor) -> Tensor:
        if relu:
            real = real.relu()
        return QuantizedTensor.wrap(quantizer.quantize(real, x.dtype), quantizer)


class LinearPackedParams(_Packed):
    """The weight (out, in) and bias of a linear layer.

    >>> w = lampas.quantize_per_tensor(lampas.randn(2, 3), 0.05, 0, lampas.qint8)
    >>> lampas.ops.quantized.linear_prepack(w, None).unpack()[0].shape
    torch.Size([2, 3])
    """

    _layer = "quantized::linear"

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        super().__init__(weight, bias)
        if weight.dim() != 2:
            raise RuntimeError(f"{self._layer}: The weight tensor should be 2-dimensional, got {tuple(weight.shape)}")
        self._sums = self._integers.sum(1, dtype=lampas.int32)

    def apply(self, x: Any, scale: float, zero_point: int, relu: bool = False) -> Tensor:
        quantizer = PerTensor(float(scale), int(zero_point))
        integers, x_scale, x_zero = self._activation(x)
        self._check(x)
        if not self._exact:
            real = lampas.nn.functional.linear(x.dequantize(), self._weight.dequantize(), self._bias)
            return self._in_reals(real, x, relu, quantizer)
        stored_zero = quantizer.zero_point if x.dtype == lampas.quint8 else quantizer.zero_point + 128
        y = _C._quantized_linear(
            integers, x_scale, x_zero, self._integers, self._scales, self._sums, self._bias, relu, quantizer.scale,
            stored_zero,
        )  # fmt: skip
        return self._result(x, y, quantizer)

    def apply_dynamic(self, x: Tensor, reduce_range: bool = False, relu: bool = False) -> Tensor:
        """Real numbers in and out; the input is quantized on the way by the range it happens to have."""
        self._check(x)
        if not self._exact:
            y = lampas.nn.functional.linear(x, self._weight.dequantize(), self._bias)
            return y.relu() if relu else y
        return _C._quantized_linear_dynamic(x, self._integers, self._scales, self._sums, self._bias, reduce_range, relu)

    def _check(self, x: Any) -> None:
        if x.dim() == 0 or x.shape[-1] != self._integers.shape[1]:
            raise RuntimeError(
                f"{self._layer}: the input's last dimension must be {self._integers.shape[1]}, the in_features of the "
                f"weight {tuple(self._integers.shape)}, got an input of shape {tuple(x.shape)}"
            )

    def __reduce__(self) -> tuple:
        return LinearPackedParams, self.unpack()


class ConvPackedParams(_Packed):
    """The weight of a convolution, its bias and geometry.

    The weight is (out, in / groups, *kernel); with an ``output_padding``, of a transposed one, (in, out / groups, ...).
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        stride: Sequence[int],
        padding: Sequence[int],
        dilation: Sequence[int],
        groups: int,
        output_padding: Sequence[int] | None = None,
    ) -> None:
        self._rank = weight.dim() - 2
        self._transposed = output_padding is not None
        self._layer = f"quantized::conv{'_transpose' if self._transposed else ''}{self._rank}d"
        super().__init__(weight, bias, outputs=1 if self._transposed else 0)
        self._stride, self._padding, self._dilation = (
            [*v] if len(v) == self._rank else [v[0]] * self._rank for v in (stride, padding, dilation)
        )
        self._output_padding, self._groups = [*(output_padding or [0] * self._rank)], groups

    def stride(self) -> list[int]:
        return self._stride

    def padding(self) -> list[int]:
        return self._padding

    def dilation(self) -> list[int]:
        return self._dilation

    def output_padding(self) -> list[int]:
        return self._output_padding

    def groups(self) -> int:
        return self._groups

    def transpose(self) -> bool:
        return self._transposed

    def apply(self, x: Any, scale: float, zero_point: int, relu: bool = False) -> Tensor:
        quantizer = PerTensor(float(scale), int(zero_point))
        integers, x_scale, x_zero = self._activation(x)
        single = x.dim() == self._rank + 1
        if x.dim() not in (self._rank + 1, self._rank + 2):
            raise ValueError(f"Input shape must be `(N, C, ...)` of {self._rank + 2} dimensions, got {tuple(x.shape)}")
        if self._transposed or not self._exact:
            return self._in_reals(self._real(x.dequantize()), x, relu, quantizer)
        stored_zero = quantizer.zero_point if x.dtype == lampas.quint8 else quantizer.zero_point + 128
        y = _C._quantized_conv(
            integers.unsqueeze(0) if single else integers, x_scale, x_zero, self._integers, self._scales, self._bias,
            self._stride, self._padding, self._dilation, self._groups, relu, quantizer.scale, stored_zero,
        )  # fmt: skip
        return self._result(x, y.squeeze(0) if single else y, quantizer)

    def _real(self, x: Tensor) -> Tensor:
        functional, weight = lampas.nn.functional, self._weight.dequantize()
        if self._transposed:
            convolve = getattr(functional, f"conv_transpose{self._rank}d")
            rest: tuple = (self._stride, self._padding, self._output_padding, self._groups, self._dilation)
        else:
            convolve = getattr(functional, f"conv{self._rank}d")
            rest = (self._stride, self._padding, self._dilation, self._groups)
        return convolve(x, weight, self._bias, *rest)

    def apply_dynamic(self, x: Tensor, reduce_range: bool = False) -> Tensor:
        """Real numbers in and out; the input is rounded by the range it happens to have."""
        scale, zero_point = lampas._choose_qparams_per_tensor(x, reduce_range)
        return self._real(lampas.quantize_per_tensor(x, scale, zero_point, lampas.quint8).dequantize())

    def __reduce__(self) -> tuple:
        output_padding = self._output_padding if self._transposed else None
        geometry = (self._stride, self._padding, self._dilation, self._groups, output_padding)
        return ConvPackedParams, (*self.unpack(), *geometry)
