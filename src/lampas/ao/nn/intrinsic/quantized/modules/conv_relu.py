"""Convolutions and `ReLU` on quantized tensors."""

from __future__ import annotations

import lampas
from lampas.ao.nn import intrinsic as nni
from lampas.ao.nn.quantized.modules import conv as nnq

__all__ = ["ConvReLU1d", "ConvReLU2d", "ConvReLU3d"]


class _ThenReLU:
    """Stands before a quantized convolution in a class's bases."""

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        op = getattr(lampas.ops.quantized, f"{self._op}_relu")
        return op(self._padded(input), self._packed_params, self.scale, self.zero_point)


class ConvReLU1d(_ThenReLU, nnq.Conv1d):
    """`Conv1d` and `ReLU` of quantized ``(N, C, L)``."""

    _FLOAT_MODULE = nni.ConvReLU1d


class ConvReLU2d(_ThenReLU, nnq.Conv2d):
    """`Conv2d` and `ReLU` of quantized ``(N, C, H, W)``."""

    _FLOAT_MODULE = nni.ConvReLU2d


class ConvReLU3d(_ThenReLU, nnq.Conv3d):
    """`Conv3d` and `ReLU` of quantized ``(N, C, D, H, W)``."""

    _FLOAT_MODULE = nni.ConvReLU3d
