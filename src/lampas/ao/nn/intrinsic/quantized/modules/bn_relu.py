"""Batch normalization and `ReLU` on quantized tensors."""

from __future__ import annotations

from lampas.ao.nn.quantized.modules.batchnorm import BatchNorm2d, BatchNorm3d

__all__ = ["BNReLU2d", "BNReLU3d"]


class BNReLU2d(BatchNorm2d):
    """`BatchNorm2d` and `ReLU` of quantized ``(N, C, H, W)``."""

    _op = "batch_norm2d_relu"


class BNReLU3d(BatchNorm3d):
    """`BatchNorm3d` and `ReLU` of quantized ``(N, C, D, H, W)``."""

    _op = "batch_norm3d_relu"
