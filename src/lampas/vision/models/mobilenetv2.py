"""MobileNet v2 (arXiv:1801.04381)."""

from __future__ import annotations

from collections.abc import Callable

import lampas
from lampas import Tensor, nn
from lampas.vision.models._api import builder, weights_enum
from lampas.vision.models._init import initialize, normal_
from lampas.vision.models._utils import _make_divisible
from lampas.vision.ops.misc import Conv2dNormActivation

__all__ = ["MobileNetV2", "MobileNet_V2_Weights", "mobilenet_v2"]


class InvertedResidual(nn.Module):
    """1 x 1 convolution to `expand_ratio` times the channels, 3 x 3 depthwise, 1 x 1 back without activation."""

    def __init__(
        self,
        inp: int,
        oup: int,
        stride: int,
        expand_ratio: int,
        norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:
        super().__init__()
        if stride not in (1, 2):
            raise ValueError(f"stride should be 1 or 2 instead of {stride}")
        self.stride = stride
        self.use_res_connect = stride == 1 and inp == oup
        norm = norm_layer or nn.BatchNorm2d
        hidden = round(inp * expand_ratio)
        layers: list[nn.Module] = []
        if expand_ratio != 1:
            layers.append(Conv2dNormActivation(inp, hidden, kernel_size=1, norm_layer=norm, activation_layer=nn.ReLU6))
        layers += [
            Conv2dNormActivation(
                hidden, hidden, stride=stride, groups=hidden, norm_layer=norm, activation_layer=nn.ReLU6
            ),
            nn.Conv2d(hidden, oup, 1, 1, 0, bias=False),
            norm(oup),
        ]
        self.conv = nn.Sequential(*layers)
        self.out_channels = oup
        self._is_cn = stride > 1

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(nn.Module):
    """Inverted residuals.

    Args:
        width_mult: of all widths.
        inverted_residual_setting: rows of expansion, channels, repetitions, stride; table 2 of the paper by default.
        round_nearest: widths are multiples of it.

    Shapes: (N, 3, H, W) to (N, num_classes).
    """

    def __init__(
        self,
        num_classes: int = 1000,
        width_mult: float = 1.0,
        inverted_residual_setting: list[list[int]] | None = None,
        round_nearest: int = 8,
        block: Callable[..., nn.Module] | None = None,
        norm_layer: Callable[..., nn.Module] | None = None,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        block = block or InvertedResidual
        norm = norm_layer or nn.BatchNorm2d
        rows = inverted_residual_setting
        if rows is None:
            rows = [
                [1, 16, 1, 1],
                [6, 24, 2, 2],
                [6, 32, 3, 2],
                [6, 64, 4, 2],
                [6, 96, 3, 1],
                [6, 160, 3, 2],
                [6, 320, 1, 1],
            ]
        if not rows or len(rows[0]) != 4:
            raise ValueError(
                f"inverted_residual_setting should be non-empty or a 4-element list, got {inverted_residual_setting}"
            )
        width = _make_divisible(32 * width_mult, round_nearest)
        self.last_channel = _make_divisible(1280 * max(1.0, width_mult), round_nearest)
        features: list[nn.Module] = [
            Conv2dNormActivation(3, width, stride=2, norm_layer=norm, activation_layer=nn.ReLU6)
        ]
        for expansion, channels, repetitions, stride in rows:
            wanted = _make_divisible(channels * width_mult, round_nearest)
            for i in range(repetitions):
                features.append(block(width, wanted, stride if i == 0 else 1, expand_ratio=expansion, norm_layer=norm))
                width = wanted
        features.append(
            Conv2dNormActivation(width, self.last_channel, kernel_size=1, norm_layer=norm, activation_layer=nn.ReLU6)
        )
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(p=dropout), nn.Linear(self.last_channel, num_classes))
        initialize(self, _fan_out, normal_(0.01), (nn.Conv2d, nn.Linear))

    def _forward_impl(self, x: Tensor) -> Tensor:
        x = nn.functional.adaptive_avg_pool2d(self.features(x), (1, 1))
        return self.classifier(lampas.flatten(x, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self._forward_impl(x)


def _fan_out(weight: Tensor) -> None:
    nn.init.kaiming_normal_(weight, mode="fan_out")


MobileNet_V2_Weights = weights_enum("MobileNet_V2_Weights")
mobilenet_v2 = builder("mobilenet_v2", MobileNet_V2_Weights, MobileNetV2)
