"""Convolutions with what follows them, for quantization-aware training."""

from __future__ import annotations

from typing import Any

import lampas
import lampas.nn as nn
from lampas.ao.nn import intrinsic as nni
from lampas.ao.nn.qat.modules import conv as nnqat
from lampas.nn.utils.fusion import fuse_conv_bn_weights

from ._folded import _FoldedBn

__all__ = [
    "ConvBn1d",
    "ConvBn2d",
    "ConvBn3d",
    "ConvBnReLU1d",
    "ConvBnReLU2d",
    "ConvBnReLU3d",
    "ConvReLU1d",
    "ConvReLU2d",
    "ConvReLU3d",
    "freeze_bn_stats",
    "update_bn_stats",
]


class _ConvBnNd(nn.modules.conv._ConvNd, _FoldedBn):
    """A convolution and its batch normalization; stands before the float convolution in a class's bases.

    Args:
        eps, momentum: of the normalization.
        freeze_bn: whether the normalization's statistics stay.
        qconfig: whose ``weight`` makes the fake quantizer.

    Raises:
        AssertionError: no qconfig.
    """

    _version = 2
    _FLOAT_MODULE: Any
    _FLOAT_CONV_MODULE: Any
    _FLOAT_BN_MODULE: Any
    _FLOAT_RELU_MODULE: Any = None
    _FUSED_FLOAT_MODULE: Any = None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: Any = None,
        padding_mode: str = "zeros",
        eps: float = 1e-5,
        momentum: float = 0.1,
        freeze_bn: bool = False,
        qconfig: Any = None,
    ) -> None:
        shape: Any = (in_channels, out_channels, kernel_size, stride, padding, dilation, groups, False, padding_mode)
        super().__init__(*shape)
        if bias:
            # Its first values come with the normalization's: as many random numbers are drawn as in PyTorch.
            self.bias = nn.Parameter(lampas.empty(out_channels))
        self._add_bn(self._FLOAT_BN_MODULE(out_channels, eps, momentum, True, True), freeze_bn, qconfig)

    def reset_bn_parameters(self) -> None:
        """Gives the normalization, and the bias, their first values."""
        super().reset_bn_parameters()
        if self.bias is not None:
            fan_in, _ = nn.init._calculate_fan_in_and_fan_out(self.weight)
            bound = 1 / fan_in**0.5
            nn.init.uniform_(self.bias, -bound, bound)

    def _apply_weight(self, input: lampas.Tensor, weight: lampas.Tensor) -> lampas.Tensor:
        return self._conv_forward(input, weight, None)

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        out = self._folded(input, 1)
        return out if self._FLOAT_RELU_MODULE is None else nn.functional.relu(out)

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        """A module with the parameters, statistics and qconfig of a fused float module.

        Raises:
            AssertionError: another type of module, or no qconfig.
        """
        cls._check_float(mod)
        conv, bn = mod[0], mod[1]
        shape = (conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding, conv.dilation)
        rest: Any = (conv.groups, conv.bias is not None, conv.padding_mode, bn.eps, bn.momentum, False, mod.qconfig)
        made = cls(*shape, *rest)
        made._take(conv, bn)
        return made

    def to_float(self) -> Any:
        """The float convolution (with its `ReLU`, where there is one) with the normalization folded in."""
        conv = self._FLOAT_CONV_MODULE(
            *(self.in_channels, self.out_channels, self.kernel_size, self.stride, self.padding, self.dilation),
            *(self.groups, True, self.padding_mode),
        )
        conv.weight, conv.bias = fuse_conv_bn_weights(
            *(self.weight.detach(), None if self.bias is None else self.bias.detach(), self.bn.running_mean),
            *(self.bn.running_var, self.bn.eps, self.bn.weight.detach(), self.bn.bias.detach()),
        )
        if self._FLOAT_RELU_MODULE is not None:
            conv = self._FUSED_FLOAT_MODULE(conv, self._FLOAT_RELU_MODULE())
        conv.train(self.training)
        return conv

    def _load_from_state_dict(self, state_dict: dict, prefix: str, local_metadata: dict, *rest: Any) -> None:
        version = local_metadata.get("version")
        if version is None or version == 1:
            # The normalization's entries had no module of their own.
            old = {"gamma": "weight", "beta": "bias"} | {
                name: name for name in ("running_mean", "running_var", "num_batches_tracked")
            }
            for name, new in old.items():
                if prefix + name in state_dict:
                    state_dict[f"{prefix}bn.{new}"] = state_dict.pop(prefix + name)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


class ConvBn1d(_ConvBnNd, nn.Conv1d):
    """`Conv1d` and `BatchNorm1d`, with a fake-quantized weight."""

    _FLOAT_MODULE: Any = nni.ConvBn1d
    _FLOAT_CONV_MODULE = nn.Conv1d
    _FLOAT_BN_MODULE = nn.BatchNorm1d


class ConvBnReLU1d(ConvBn1d):
    """`Conv1d`, `BatchNorm1d` and `ReLU`, with a fake-quantized weight."""

    _FLOAT_MODULE = nni.ConvBnReLU1d
    _FLOAT_RELU_MODULE = nn.ReLU
    _FUSED_FLOAT_MODULE = nni.ConvReLU1d


class ConvBn2d(_ConvBnNd, nn.Conv2d):
    """`Conv2d` and `BatchNorm2d`, with a fake-quantized weight."""

    _FLOAT_MODULE: Any = nni.ConvBn2d
    _FLOAT_CONV_MODULE = nn.Conv2d
    _FLOAT_BN_MODULE = nn.BatchNorm2d


class ConvBnReLU2d(ConvBn2d):
    """`Conv2d`, `BatchNorm2d` and `ReLU`, with a fake-quantized weight."""

    _FLOAT_MODULE = nni.ConvBnReLU2d
    _FLOAT_RELU_MODULE = nn.ReLU
    _FUSED_FLOAT_MODULE = nni.ConvReLU2d


class ConvBn3d(_ConvBnNd, nn.Conv3d):
    """`Conv3d` and `BatchNorm3d`, with a fake-quantized weight."""

    _FLOAT_MODULE: Any = nni.ConvBn3d
    _FLOAT_CONV_MODULE = nn.Conv3d
    _FLOAT_BN_MODULE = nn.BatchNorm3d


class ConvBnReLU3d(ConvBn3d):
    """`Conv3d`, `BatchNorm3d` and `ReLU`, with a fake-quantized weight."""

    _FLOAT_MODULE = nni.ConvBnReLU3d
    _FLOAT_RELU_MODULE = nn.ReLU
    _FUSED_FLOAT_MODULE = nni.ConvReLU3d


class _WithReLU:
    """Adds ``relu`` to the convolution of the class after it."""

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return nn.functional.relu(super().forward(input))  # type: ignore[misc]


class ConvReLU1d(_WithReLU, nnqat.Conv1d, nni._FusedModule):
    """`Conv1d` and `ReLU`, with a fake-quantized weight."""

    _FLOAT_MODULE = nni.ConvReLU1d


class ConvReLU2d(_WithReLU, nnqat.Conv2d, nni._FusedModule):
    """`Conv2d` and `ReLU`, with a fake-quantized weight."""

    _FLOAT_MODULE = nni.ConvReLU2d


class ConvReLU3d(_WithReLU, nnqat.Conv3d, nni._FusedModule):
    """`Conv3d` and `ReLU`, with a fake-quantized weight."""

    _FLOAT_MODULE = nni.ConvReLU3d


def update_bn_stats(mod: Any) -> None:
    """Lets the normalization of a fused convolution learn its statistics; for ``model.apply``."""
    if isinstance(mod, _ConvBnNd):
        mod.update_bn_stats()


def freeze_bn_stats(mod: Any) -> None:
    """Stops the normalization of a fused convolution from learning its statistics; for ``model.apply``.

    >>> model.apply(freeze_bn_stats)
    """
    if isinstance(mod, _ConvBnNd):
        mod.freeze_bn_stats()
