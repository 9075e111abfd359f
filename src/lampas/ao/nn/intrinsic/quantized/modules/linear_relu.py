"""Linear layers and an activation function on quantized tensors."""

from __future__ import annotations

from typing import Any

import lampas
from lampas.ao.nn import intrinsic as nni
from lampas.ao.nn.quantized.modules.linear import Linear

__all__ = ["LinearLeakyReLU", "LinearReLU", "LinearTanh"]


class LinearReLU(Linear):
    """`Linear` and `ReLU` on quantized tensors."""

    _FLOAT_MODULE = (nni.LinearReLU,)

    def forward(self, x: lampas.Tensor) -> lampas.Tensor:
        return lampas.ops.quantized.linear_relu(x, self._packed_params._packed_params, self.scale, self.zero_point)

    def _get_name(self) -> str:
        return "QuantizedLinearReLU"


class LinearLeakyReLU(Linear):
    """`Linear` and `LeakyReLU` on quantized tensors.

    Args:
        negative_slope: the factor below 0.
    """

    _FLOAT_MODULE = (nni.LinearLeakyReLU,)

    def __init__(
        self,
        in_features: int,
        out_features: int,
        negative_slope: float,
        bias: bool = True,
        dtype: Any = lampas.qint8,
    ) -> None:
        super().__init__(in_features, out_features, bias, dtype)
        self.negative_slope = negative_slope

    def forward(self, x: lampas.Tensor) -> lampas.Tensor:
        return lampas.ops.quantized.linear_leaky_relu(
            x, self._packed_params._packed_params, self.scale, self.zero_point, self.negative_slope
        )

    def _get_name(self) -> str:
        return "QuantizedLinearLeakyReLU"

    @classmethod
    def _extra_arguments(cls, mod: Any) -> dict[str, Any]:
        return {"negative_slope": mod[1].negative_slope}


class LinearTanh(Linear):
    """`Linear` and `Tanh` on quantized tensors."""

    _FLOAT_MODULE = (nni.LinearTanh,)

    def forward(self, x: lampas.Tensor) -> lampas.Tensor:
        return lampas.ops.quantized.linear_tanh(x, self._packed_params._packed_params, self.scale, self.zero_point)

    def _get_name(self) -> str:
        return "QuantizedLinearTanh"
