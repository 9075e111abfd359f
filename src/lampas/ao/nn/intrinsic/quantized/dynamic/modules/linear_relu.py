"""A linear layer and `ReLU` that quantize their input in each call."""

from __future__ import annotations

from lampas.ao.nn import intrinsic as nni
from lampas.ao.nn.quantized.dynamic.modules.linear import Linear

__all__ = ["LinearReLU"]


class LinearReLU(Linear):
    """`Linear` and `ReLU` on floating point tensors, with a quantized weight."""

    _float_modules = (nni.LinearReLU,)
    _ops = ("linear_relu_dynamic", "linear_relu_dynamic_fp16")

    def _get_name(self) -> str:
        return "DynamicQuantizedLinearReLU"
