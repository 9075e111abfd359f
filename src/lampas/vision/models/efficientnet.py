"""EfficientNet (arXiv:1905.11946) and EfficientNet v2 (arXiv:2104.00298)."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import lampas
from lampas import Tensor, nn
from lampas.vision.models._api import builder, weights_enum
from lampas.vision.models._init import initialize
from lampas.vision.models._utils import _make_divisible
from lampas.vision.ops.misc import Conv2dNormActivation, SqueezeExcitation
from lampas.vision.ops.stochastic_depth import StochasticDepth

__all__ = [
    "EfficientNet",
    "EfficientNet_B0_Weights",
    "EfficientNet_B1_Weights",
    "EfficientNet_B2_Weights",
    "EfficientNet_B3_Weights",
    "EfficientNet_B4_Weights",
    "EfficientNet_B5_Weights",
    "EfficientNet_B6_Weights",
    "EfficientNet_B7_Weights",
    "EfficientNet_V2_L_Weights",
    "EfficientNet_V2_M_Weights",
    "EfficientNet_V2_S_Weights",
    "efficientnet_b0",
    "efficientnet_b1",
    "efficientnet_b2",
    "efficientnet_b3",
    "efficientnet_b4",
    "efficientnet_b5",
    "efficientnet_b6",
    "efficientnet_b7",
    "efficientnet_v2_l",
    "efficientnet_v2_m",
    "efficientnet_v2_s",
]

Norm = Callable[..., nn.Module]


@dataclass
class _MBConvConfig:
    expand_ratio: float
    kernel: int
    stride: int
    input_channels: int
    out_channels: int
    num_layers: int
    block: Callable[..., nn.Module]

    @staticmethod
    def adjust_channels(channels: int, width_mult: float, min_value: int | None = None) -> int:
        """The width that is used: a multiple of 8."""
        return _make_divisible(channels * width_mult, 8, min_value)


class MBConvConfig(_MBConvConfig):
    """One row of table 1 of the first paper, scaled."""

    def __init__(
        self,
        expand_ratio: float,
        kernel: int,
        stride: int,
        input_channels: int,
        out_channels: int,
        num_layers: int,
        width_mult: float = 1.0,
        depth_mult: float = 1.0,
        block: Callable[..., nn.Module] | None = None,
    ) -> None:
        super().__init__(
            expand_ratio,
            kernel,
            stride,
            self.adjust_channels(input_channels, width_mult),
            self.adjust_channels(out_channels, width_mult),
            self.adjust_depth(num_layers, depth_mult),
            block or MBConv,
        )

    @staticmethod
    def adjust_depth(num_layers: int, depth_mult: float) -> int:
        """The number of blocks that is used, rounded upwards."""
        return math.ceil(num_layers * depth_mult)


class FusedMBConvConfig(_MBConvConfig):
    """One row of table 4 of the second paper whose blocks have one full convolution instead of two."""

    def __init__(
        self,
        expand_ratio: float,
        kernel: int,
        stride: int,
        input_channels: int,
        out_channels: int,
        num_layers: int,
        block: Callable[..., nn.Module] | None = None,
    ) -> None:
        super().__init__(expand_ratio, kernel, stride, input_channels, out_channels, num_layers, block or FusedMBConv)


class _Residual(nn.Module):
    def __init__(self, cnf: _MBConvConfig, layers: list[nn.Module], stochastic_depth_prob: float) -> None:
        super().__init__()
        self.use_res_connect = cnf.stride == 1 and cnf.input_channels == cnf.out_channels
        self.block = nn.Sequential(*layers)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.out_channels = cnf.out_channels

    def forward(self, input: Tensor) -> Tensor:
        result = self.block(input)
        if self.use_res_connect:
            result = self.stochastic_depth(result)
            result += input
        return result


def _checked_stride(cnf: _MBConvConfig) -> int:
    if not 1 <= cnf.stride <= 2:
        raise ValueError("illegal stride value")
    return cnf.stride


class MBConv(_Residual):
    """1 x 1 convolution, depthwise convolution, squeeze and excitation, 1 x 1 convolution."""

    def __init__(
        self,
        cnf: MBConvConfig,
        stochastic_depth_prob: float,
        norm_layer: Norm,
        se_layer: Callable[..., nn.Module] = SqueezeExcitation,
    ) -> None:
        stride = _checked_stride(cnf)
        how: dict[str, Any] = {"norm_layer": norm_layer, "activation_layer": nn.SiLU}
        inputs, wide = cnf.input_channels, cnf.adjust_channels(cnf.input_channels, cnf.expand_ratio)
        layers: list[nn.Module] = []
        if wide != inputs:
            layers.append(Conv2dNormActivation(inputs, wide, kernel_size=1, **how))
        layers += [
            Conv2dNormActivation(wide, wide, cnf.kernel, stride, groups=wide, **how),
            se_layer(wide, max(1, inputs // 4), activation=partial(nn.SiLU, inplace=True)),
            Conv2dNormActivation(wide, cnf.out_channels, kernel_size=1, norm_layer=norm_layer, activation_layer=None),
        ]
        super().__init__(cnf, layers, stochastic_depth_prob)


class FusedMBConv(_Residual):
    """A full convolution, then a 1 x 1 convolution if the first one widened."""

    def __init__(self, cnf: FusedMBConvConfig, stochastic_depth_prob: float, norm_layer: Norm) -> None:
        stride = _checked_stride(cnf)
        how: dict[str, Any] = {"norm_layer": norm_layer, "activation_layer": nn.SiLU}
        inputs, wide = cnf.input_channels, cnf.adjust_channels(cnf.input_channels, cnf.expand_ratio)
        if wide == inputs:
            layers: list[nn.Module] = [Conv2dNormActivation(inputs, cnf.out_channels, cnf.kernel, stride, **how)]
        else:
            layers = [
                Conv2dNormActivation(inputs, wide, cnf.kernel, stride, **how),
                Conv2dNormActivation(
                    wide, cnf.out_channels, kernel_size=1, norm_layer=norm_layer, activation_layer=None
                ),
            ]
        super().__init__(cnf, layers, stochastic_depth_prob)


class EfficientNet(nn.Module):
    """Stages of `MBConv` and `FusedMBConv`; (N, 3, H, W) to (N, num_classes).

    Args:
        inverted_residual_setting: a row for each stage.
        dropout: before the linear layer.
        stochastic_depth_prob: of the last block; it grows linearly from 0.
        last_channel: width of the last convolution, four times that of the last stage by default.
    """

    def __init__(
        self,
        inverted_residual_setting: Sequence[MBConvConfig | FusedMBConvConfig],
        dropout: float,
        stochastic_depth_prob: float = 0.2,
        num_classes: int = 1000,
        norm_layer: Norm | None = None,
        last_channel: int | None = None,
    ) -> None:
        super().__init__()
        rows = inverted_residual_setting
        if not rows:
            raise ValueError("The inverted_residual_setting should not be empty")
        if not (isinstance(rows, Sequence) and all(isinstance(row, _MBConvConfig) for row in rows)):
            raise TypeError("The inverted_residual_setting should be List[MBConvConfig]")
        norm = norm_layer or nn.BatchNorm2d
        how: dict[str, Any] = {"norm_layer": norm, "activation_layer": nn.SiLU}
        features: list[nn.Module] = [Conv2dNormActivation(3, rows[0].input_channels, stride=2, **how)]
        total, done = sum(row.num_layers for row in rows), 0
        for row in rows:
            stage = []
            for i in range(row.num_layers):
                block = copy.copy(row)
                if i > 0:
                    block.input_channels, block.stride = block.out_channels, 1
                stage.append(row.block(block, stochastic_depth_prob * float(done) / total, norm))
                done += 1
            features.append(nn.Sequential(*stage))
        inputs = rows[-1].out_channels
        outputs = last_channel if last_channel is not None else 4 * inputs
        features.append(Conv2dNormActivation(inputs, outputs, kernel_size=1, **how))
        self.features = nn.Sequential(*features)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(p=dropout, inplace=True), nn.Linear(outputs, num_classes))

        def uniform(weight: Tensor) -> None:
            bound = 1.0 / math.sqrt(weight.shape[0])
            nn.init.uniform_(weight, -bound, bound)

        initialize(self, partial(nn.init.kaiming_normal_, mode="fan_out"), uniform, (nn.Conv2d, nn.Linear))

    def _forward_impl(self, x: Tensor) -> Tensor:
        return self.classifier(lampas.flatten(self.avgpool(self.features(x)), 1))

    def forward(self, x: Tensor) -> Tensor:
        return self._forward_impl(x)


# expansion, kernel, stride, width, repetitions; from a width of 32 on
_B = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
# the same; the first so many rows are fused
_V2 = {
    "s": (3, 24, ((1, 1, 24, 2), (4, 2, 48, 4), (4, 2, 64, 4), (4, 2, 128, 6), (6, 1, 160, 9), (6, 2, 256, 15))),
    "m": (
        3,
        24,
        (
            (1, 1, 24, 3),
            (4, 2, 48, 5),
            (4, 2, 80, 5),
            (4, 2, 160, 7),
            (6, 1, 176, 14),
            (6, 2, 304, 18),
            (6, 1, 512, 5),
        ),
    ),
    "l": (
        3,
        32,
        (
            (1, 1, 32, 4),
            (4, 2, 64, 7),
            (4, 2, 96, 7),
            (4, 2, 192, 10),
            (6, 1, 224, 19),
            (6, 2, 384, 25),
            (6, 1, 640, 7),
        ),
    ),
}


def _first_version(
    width_mult: float, depth_mult: float, usual_dropout: float, slow_norm: bool, **options: Any
) -> EfficientNet:
    rows = []
    width = 32
    for expansion, kernel, stride, out, repeats in _B:
        rows.append(MBConvConfig(expansion, kernel, stride, width, out, repeats, width_mult, depth_mult))
        width = out
    if slow_norm:
        options.setdefault("norm_layer", partial(nn.BatchNorm2d, eps=0.001, momentum=0.01))
    return EfficientNet(rows, options.pop("dropout", usual_dropout), **options)


def _second_version(size: str, usual_dropout: float, **options: Any) -> EfficientNet:
    fused, width, table = _V2[size]
    rows: list[MBConvConfig | FusedMBConvConfig] = []
    for i, (expansion, stride, out, repeats) in enumerate(table):
        kind = FusedMBConvConfig if i < fused else MBConvConfig
        rows.append(kind(expansion, 3, stride, width, out, repeats))
        width = out
    options.setdefault("norm_layer", partial(nn.BatchNorm2d, eps=1e-3))
    return EfficientNet(rows, options.pop("dropout", usual_dropout), last_channel=1280, **options)


_first_version.__name__ = _second_version.__name__ = "EfficientNet"

EfficientNet_B0_Weights = weights_enum("EfficientNet_B0_Weights")
EfficientNet_B1_Weights = weights_enum("EfficientNet_B1_Weights")
EfficientNet_B2_Weights = weights_enum("EfficientNet_B2_Weights")
EfficientNet_B3_Weights = weights_enum("EfficientNet_B3_Weights")
EfficientNet_B4_Weights = weights_enum("EfficientNet_B4_Weights")
EfficientNet_B5_Weights = weights_enum("EfficientNet_B5_Weights")
EfficientNet_B6_Weights = weights_enum("EfficientNet_B6_Weights")
EfficientNet_B7_Weights = weights_enum("EfficientNet_B7_Weights")
EfficientNet_V2_S_Weights = weights_enum("EfficientNet_V2_S_Weights")
EfficientNet_V2_M_Weights = weights_enum("EfficientNet_V2_M_Weights")
EfficientNet_V2_L_Weights = weights_enum("EfficientNet_V2_L_Weights")

efficientnet_b0 = builder("efficientnet_b0", EfficientNet_B0_Weights, _first_version, 1.0, 1.0, 0.2, False)
efficientnet_b1 = builder("efficientnet_b1", EfficientNet_B1_Weights, _first_version, 1.0, 1.1, 0.2, False)
efficientnet_b2 = builder("efficientnet_b2", EfficientNet_B2_Weights, _first_version, 1.1, 1.2, 0.3, False)
efficientnet_b3 = builder("efficientnet_b3", EfficientNet_B3_Weights, _first_version, 1.2, 1.4, 0.3, False)
efficientnet_b4 = builder("efficientnet_b4", EfficientNet_B4_Weights, _first_version, 1.4, 1.8, 0.4, False)
efficientnet_b5 = builder("efficientnet_b5", EfficientNet_B5_Weights, _first_version, 1.6, 2.2, 0.4, True)
efficientnet_b6 = builder("efficientnet_b6", EfficientNet_B6_Weights, _first_version, 1.8, 2.6, 0.5, True)
efficientnet_b7 = builder("efficientnet_b7", EfficientNet_B7_Weights, _first_version, 2.0, 3.1, 0.5, True)
efficientnet_v2_s = builder("efficientnet_v2_s", EfficientNet_V2_S_Weights, _second_version, "s", 0.2)
efficientnet_v2_m = builder("efficientnet_v2_m", EfficientNet_V2_M_Weights, _second_version, "m", 0.3)
efficientnet_v2_l = builder("efficientnet_v2_l", EfficientNet_V2_L_Weights, _second_version, "l", 0.4)
