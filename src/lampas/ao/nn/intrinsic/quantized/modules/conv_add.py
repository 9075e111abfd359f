"""Convolutions with the addition of a second input, on quantized tensors."""

from __future__ import annotations

from typing import Any

import lampas
from lampas.ao.nn import intrinsic as nni
from lampas.ao.nn.quantized.modules import conv as nnq

__all__ = ["ConvAdd2d", "ConvAddReLU2d"]


class ConvAdd2d(nnq.Conv2d):
    """`Conv2d`, then the addition of a second quantized input."""

    _FLOAT_MODULE: Any = nni.ConvAdd2d
    _fused_op = "conv2d_add"

    def forward(self, input: lampas.Tensor, extra_input: lampas.Tensor) -> lampas.Tensor:
        op = getattr(lampas.ops.quantized, self._fused_op)
        return op(self._padded(input), extra_input, self._packed_params, self.scale, self.zero_point)


class ConvAddReLU2d(ConvAdd2d):
    """`Conv2d`, the addition of a second quantized input, then `ReLU`."""

    _FLOAT_MODULE = nni.ConvAddReLU2d
    _fused_op = "conv2d_add_relu"
