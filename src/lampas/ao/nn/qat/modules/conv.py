"""Convolutions for quantization-aware training."""

from __future__ import annotations

from typing import Any

import lampas
import lampas.nn as nn
from lampas.ao.nn.intrinsic import _FusedModule

from ._common import check_float, fake_quantize_weight, share_parameters

__all__ = ["Conv1d", "Conv2d", "Conv3d"]


class _ConvNd(nn.modules.conv._ConvNd):
    """A convolution with a fake-quantized weight; comes before the float convolution in a class's bases."""

    _FLOAT_MODULE: Any
    _FLOAT_CONV_MODULE: Any
    _FLOAT_RELU_MODULE: Any = None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        qconfig: Any = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        shape: Any = (in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode)
        super().__init__(*shape, device, dtype)  # type: ignore[call-arg]
        fake_quantize_weight(self, qconfig)

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return self._conv_forward(input, self.weight_fake_quant(self.weight), self.bias)

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        """A layer with the parameters and the qconfig of a float layer (or of a fused one).

        Raises:
            AssertionError: another type of layer, or no qconfig.
        """
        check_float(cls, mod)
        qconfig = mod.qconfig
        if isinstance(mod, _FusedModule):
            mod = mod[0]
        made = cls(
            *(mod.in_channels, mod.out_channels, mod.kernel_size, mod.stride, mod.padding, mod.dilation, mod.groups),
            bias=mod.bias is not None,
            padding_mode=mod.padding_mode,
            qconfig=qconfig,
        )
        share_parameters(made, mod)
        return made

    def to_float(self) -> Any:
        """The float layer (with its `ReLU`, where there is one) with the weights learned."""
        conv = self._FLOAT_CONV_MODULE(
            *(self.in_channels, self.out_channels, self.kernel_size, self.stride, self.padding, self.dilation),
            *(self.groups, self.bias is not None, self.padding_mode),
        )
        conv.weight = nn.Parameter(self.weight.detach())
        if self.bias is not None:
            conv.bias = nn.Parameter(self.bias.detach())
        if issubclass(type(self), _FusedModule):
            conv = self._FLOAT_MODULE(conv, nn.ReLU())
        conv.train(self.training)
        return conv


class Conv1d(_ConvNd, nn.Conv1d):
    """`lampas.nn.Conv1d` with a fake-quantized weight."""

    _FLOAT_MODULE = _FLOAT_CONV_MODULE = nn.Conv1d


class Conv2d(_ConvNd, nn.Conv2d):
    """`lampas.nn.Conv2d` with a fake-quantized weight."""

    _FLOAT_MODULE = _FLOAT_CONV_MODULE = nn.Conv2d


class Conv3d(_ConvNd, nn.Conv3d):
    """`lampas.nn.Conv3d` with a fake-quantized weight."""

    _FLOAT_MODULE = _FLOAT_CONV_MODULE = nn.Conv3d
