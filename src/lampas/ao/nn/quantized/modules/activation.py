"""Activation functions of quantized tensors."""

from __future__ import annotations

from typing import Any

import lampas
import lampas.nn as nn
from lampas.ao.nn.quantizable.modules.activation import MultiheadAttention as _QuantizableAttention

from .utils import ScaleBuffers, _quantize_weight, output_qparams

__all__ = ["ELU", "Hardswish", "LeakyReLU", "MultiheadAttention", "PReLU", "ReLU6", "Sigmoid", "Softmax"]


class ReLU6(nn.ReLU):
    """``min(max(x, 0), 6)``; the scale stays."""

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return lampas.ops.quantized.relu6(input, self.inplace)

    def _get_name(self) -> str:
        return "QuantizedReLU6"

    @staticmethod
    def from_float(mod: Any, use_precomputed_fake_quant: bool = False) -> ReLU6:
        """The quantized module of a float one."""
        return ReLU6(mod.inplace)


class Hardswish(ScaleBuffers, nn.Hardswish):
    """``x relu6(x + 3) / 6``.

    Args:
        scale, zero_point: of the output.
    """

    def __init__(self, scale: float, zero_point: int, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self._set_scale(scale, zero_point, device, dtype)

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return lampas.ops.quantized.hardswish(input, float(self.scale), int(self.zero_point))

    def _get_name(self) -> str:
        return "QuantizedHardswish"

    @staticmethod
    def from_float(mod: Any, use_precomputed_fake_quant: bool = False) -> Hardswish:
        """The quantized module of a prepared float one."""
        return Hardswish(*output_qparams(mod))

    @classmethod
    def from_reference(cls, mod: Any, scale: float, zero_point: int) -> Hardswish:
        """The quantized module with the scale of its output."""
        return cls(float(scale), int(zero_point))


class ELU(nn.ELU):
    """``x`` above 0, ``alpha (exp(x) - 1)`` below.

    Args:
        scale, zero_point: of the output.
        alpha: the value below 0 that is approached, negated.
    """

    def __init__(self, scale: float, zero_point: int, alpha: float = 1.0) -> None:
        super().__init__(alpha)
        self.scale = scale
        self.zero_point = zero_point

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return lampas.ops.quantized.elu(input, self.scale, self.zero_point, self.alpha)

    def _get_name(self) -> str:
        return "QuantizedELU"

    @staticmethod
    def from_float(mod: Any, use_precomputed_fake_quant: bool = False) -> ELU:
        """The quantized module of a prepared float one."""
        return ELU(*output_qparams(mod), mod.alpha)

    @classmethod
    def from_reference(cls, mod: Any, scale: float, zero_point: int) -> ELU:
        """The quantized module with the scale of its output."""
        return cls(float(scale), int(zero_point), mod.alpha)


class LeakyReLU(ScaleBuffers, nn.LeakyReLU):
    """``x`` above 0, ``negative_slope x`` below.

    Args:
        scale, zero_point: of the output.
    """

    def __init__(
        self,
        scale: float,
        zero_point: int,
        negative_slope: float = 1e-2,
        inplace: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(negative_slope, inplace)
        self._set_scale(scale, zero_point, device, dtype)

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return lampas.ops.quantized.leaky_relu(
            input, self.negative_slope, self.inplace, float(self.scale), int(self.zero_point)
        )

    def _get_name(self) -> str:
        return "QuantizedLeakyReLU"

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> LeakyReLU:
        """The quantized module of a prepared float one."""
        return cls(*output_qparams(mod), mod.negative_slope, mod.inplace)

    @classmethod
    def from_reference(cls, mod: Any, scale: float, zero_point: int) -> LeakyReLU:
        """The quantized module with the scale of its output."""
        return cls(float(scale), int(zero_point), mod.negative_slope, mod.inplace)


class Sigmoid(nn.Sigmoid):
    """``1 / (1 + exp(-x))``.

    Args:
        output_scale, output_zero_point: of the output.
    """

    def __init__(self, output_scale: float, output_zero_point: int) -> None:
        super().__init__()
        self.output_scale = output_scale
        self.output_zero_point = output_zero_point

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return lampas.ops.quantized.sigmoid(input, self.output_scale, self.output_zero_point)

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Sigmoid:
        """The quantized module of a prepared float one."""
        return cls(*output_qparams(mod))


class Softmax(nn.Softmax):
    """``exp(x)`` divided by its sum over a dimension.

    Args:
        dim: the dimension that sums to 1.
        scale, zero_point: of the output.
    """

    def __init__(self, dim: int | None = None, scale: float = 1.0, zero_point: int = 0) -> None:
        super().__init__()
        self.dim = dim
        self.scale = scale
        self.zero_point = zero_point

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        dim = self.dim
        if dim is None:
            dim = 0 if input.dim() in (0, 1, 3) else 1
        return lampas.ops.quantized.softmax(input, dim, self.scale, self.zero_point)

    def _get_name(self) -> str:
        return "QuantizedSoftmax"

    @staticmethod
    def from_float(mod: Any, use_precomputed_fake_quant: bool = False) -> Softmax:
        """The quantized module of a prepared float one."""
        return Softmax(mod.dim, *output_qparams(mod))

    @classmethod
    def from_reference(cls, mod: Any, scale: float, zero_point: int) -> Softmax:
        """The quantized module with the scale of its output."""
        return cls(mod.dim, float(scale), int(zero_point))


class PReLU(nn.Module):
    """``x`` above 0, ``weight x`` below, with a quantized weight.

    Args:
        output_scale, output_zero_point: of the output.
        num_parameters: 1, or the number of channels.
    """

    def __init__(self, output_scale: float, output_zero_point: int, num_parameters: int = 1) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.scale = output_scale
        self.zero_point = output_zero_point
        weight = lampas.randn(num_parameters, dtype=lampas.float32)
        self.weight = lampas.quantize_per_tensor(weight, 1.0, 0, lampas.quint8)

    def set_weight(self, w: lampas.Tensor) -> None:
        """Sets the quantized weight."""
        self.weight = w

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return lampas.ops.quantized.prelu(input, self.weight, self.scale, self.zero_point)

    def _get_name(self) -> str:
        return "QuantizedPReLU"

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> PReLU:
        """The quantized module of a prepared float one."""
        return cls.from_reference(mod, *output_qparams(mod))

    @classmethod
    def from_reference(cls, mod: Any, scale: float, zero_point: int) -> PReLU:
        """The quantized module with the scale of its output."""
        made = cls(float(scale), int(zero_point), mod.num_parameters)
        observer = mod.qconfig.weight()
        weight = mod.weight.detach().float()
        observer(weight)
        made.set_weight(_quantize_weight(weight, observer))
        return made


class MultiheadAttention(_QuantizableAttention):
    """Attention with quantized projections; what lies between them is computed in floating point."""

    def _get_name(self) -> str:
        return "QuantizedMultiheadAttention"

    @classmethod
    def from_float(cls, other: Any) -> Any:
        """
        Raises:
            NotImplementedError: always; the way leads over `prepare`.
        """
        raise NotImplementedError("quantized attention is made of an observed module: run prepare() on the model first")

    @classmethod
    def from_observed(cls, other: Any) -> Any:
        """The quantized module of an observed one."""
        from lampas.ao.quantization import convert

        made = convert(other, mapping=None, inplace=False, remove_qconfig=True, convert_custom_config_dict=None)
        made.__class__ = cls
        for name in ("bias_k", "bias_v"):
            bias = made._parameters.pop(name, None)
            if bias is not None:
                low, high = lampas.aminmax(bias.detach())
                scale = max(float(high.clamp(min=0) - low.clamp(max=0)) / 255, 2.0**-23)
                zero_point = max(0, min(255, round(-float(low.clamp(max=0)) / scale)))
                bias = lampas.quantize_per_tensor(bias.detach(), scale, zero_point, lampas.quint8)
            setattr(made, name, bias)
        for name in ("in_proj_weight", "in_proj_bias"):
            made._parameters.pop(name, None)
        return made
