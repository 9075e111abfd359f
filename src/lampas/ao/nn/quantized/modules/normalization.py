"""Layer, group and instance normalization of quantized tensors."""

from __future__ import annotations

from typing import Any

import lampas
import lampas.nn as nn

from .utils import ScaleBuffers, output_qparams

__all__ = ["GroupNorm", "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d", "LayerNorm"]


class _Norm(ScaleBuffers):
    """What these share: the float module's parameters, and the scale of the output."""

    def _adopt(self, weight: Any, bias: Any, scale: Any, zero_point: Any, device: Any, dtype: Any) -> None:
        self.weight = weight
        self.bias = bias
        self._set_scale(scale, zero_point, device, dtype)

    def _get_name(self) -> str:
        return f"Quantized{type(self).__name__}"

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        """The quantized module of a prepared float module."""
        return cls.from_reference(mod, *output_qparams(mod))

    @classmethod
    def from_reference(cls, mod: Any, scale: float, zero_point: int) -> Any:
        """The quantized module of a float module, with the scale of its output."""
        return cls(*cls._arguments(mod), mod.weight, mod.bias, float(scale), int(zero_point), mod.eps, *cls._rest(mod))

    @staticmethod
    def _rest(mod: Any) -> tuple:
        return ()


class LayerNorm(_Norm, nn.LayerNorm):
    """`lampas.nn.LayerNorm` of quantized tensors.

    Args:
        weight, bias: parameters of the float module.
        scale, zero_point: of the output.
    """

    def __init__(
        self,
        normalized_shape: Any,
        weight: Any,
        bias: Any,
        scale: float,
        zero_point: int,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(normalized_shape, eps, elementwise_affine, device=device, dtype=dtype)
        self._adopt(weight, bias, scale, zero_point, device, dtype)

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return lampas.ops.quantized.layer_norm(
            *(input, self.normalized_shape, self.weight, self.bias, self.eps),
            *(float(self.scale), int(self.zero_point)),
        )

    @staticmethod
    def _arguments(mod: Any) -> tuple:
        return (mod.normalized_shape,)

    @staticmethod
    def _rest(mod: Any) -> tuple:
        return (mod.elementwise_affine,)


class GroupNorm(_Norm, nn.GroupNorm):
    """`lampas.nn.GroupNorm` of quantized tensors.

    Args:
        weight, bias: parameters of the float module.
        scale, zero_point: of the output.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        weight: Any,
        bias: Any,
        scale: float,
        zero_point: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(num_groups, num_channels, eps, affine, device=device, dtype=dtype)
        self._adopt(weight, bias, scale, zero_point, device, dtype)

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return lampas.ops.quantized.group_norm(
            *(input, self.num_groups, self.weight, self.bias, self.eps),
            *(float(self.scale), int(self.zero_point)),
        )

    @staticmethod
    def _arguments(mod: Any) -> tuple:
        return mod.num_groups, mod.num_channels

    @staticmethod
    def _rest(mod: Any) -> tuple:
        return (mod.affine,)


class _InstanceNorm(_Norm):
    def __init__(
        self,
        num_features: int,
        weight: Any,
        bias: Any,
        scale: float,
        zero_point: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device=device, dtype=dtype)
        self._adopt(weight, bias, scale, zero_point, device, dtype)

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return lampas.ops.quantized.instance_norm(
            *(input, self.weight, self.bias, self.eps), *(float(self.scale), int(self.zero_point))
        )

    @staticmethod
    def _arguments(mod: Any) -> tuple:
        return (mod.num_features,)

    @staticmethod
    def _rest(mod: Any) -> tuple:
        return (mod.momentum, mod.affine)


class InstanceNorm1d(_InstanceNorm, nn.InstanceNorm1d):
    """`lampas.nn.InstanceNorm1d` of quantized ``(N, C, L)``."""


class InstanceNorm2d(_InstanceNorm, nn.InstanceNorm2d):
    """`lampas.nn.InstanceNorm2d` of quantized ``(N, C, H, W)``."""


class InstanceNorm3d(_InstanceNorm, nn.InstanceNorm3d):
    """`lampas.nn.InstanceNorm3d` of quantized ``(N, C, D, H, W)``."""
