"""A linear layer with `ReLU`, for quantization-aware training."""

from __future__ import annotations

import lampas
import lampas.nn as nn
from lampas.ao.nn import intrinsic as nni
from lampas.ao.nn.qat.modules.linear import Linear

__all__ = ["LinearReLU"]


class LinearReLU(Linear, nni._FusedModule):
    """`Linear` and `ReLU`, with a fake-quantized weight."""

    _FLOAT_MODULE = nni.LinearReLU

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return nn.functional.relu(super().forward(input))

    def to_float(self) -> nni.LinearReLU:
        """The float layers with the weights learned."""
        return nni.LinearReLU(super().to_float(), nn.ReLU())
