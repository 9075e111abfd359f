"""Convolutions that quantize their input in each call."""

from __future__ import annotations

from typing import Any

import lampas
from lampas.ao.nn.quantized.modules import conv as nnq

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]


class _Dynamic:
    """Stands before a quantized convolution in a class's bases."""

    _op: str
    _packed_params: Any

    def forward(self, input: lampas.Tensor, reduce_range: bool = True) -> lampas.Tensor:
        """The convolution of a floating point input, quantized by its own range."""
        op = getattr(lampas.ops.quantized, f"{self._op}_dynamic")
        return op(self._padded(input), self._packed_params, reduce_range)

    def _get_name(self) -> str:
        return f"DynamicQuantized{type(self).__name__}"


class Conv1d(_Dynamic, nnq.Conv1d):
    """`lampas.nn.Conv1d` with a quantized weight, on floating point tensors."""


class Conv2d(_Dynamic, nnq.Conv2d):
    """`lampas.nn.Conv2d` with a quantized weight, on floating point tensors."""


class Conv3d(_Dynamic, nnq.Conv3d):
    """`lampas.nn.Conv3d` with a quantized weight, on floating point tensors."""


class ConvTranspose1d(_Dynamic, nnq.ConvTranspose1d):
    """`lampas.nn.ConvTranspose1d` with a quantized weight, on floating point tensors."""


class ConvTranspose2d(_Dynamic, nnq.ConvTranspose2d):
    """`lampas.nn.ConvTranspose2d` with a quantized weight, on floating point tensors."""


class ConvTranspose3d(_Dynamic, nnq.ConvTranspose3d):
    """`lampas.nn.ConvTranspose3d` with a quantized weight, on floating point tensors."""
