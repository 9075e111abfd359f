"""RegNet (arXiv:2003.13678)."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

import lampas
from lampas import Tensor, nn
from lampas.vision.models._api import builder, weights_enum
from lampas.vision.models._init import initialize, normal_
from lampas.vision.models._utils import _make_divisible
from lampas.vision.ops.misc import Conv2dNormActivation, SqueezeExcitation

__all__ = [
    "RegNet",
    "RegNet_X_16GF_Weights",
    "RegNet_X_1_6GF_Weights",
    "RegNet_X_32GF_Weights",
    "RegNet_X_3_2GF_Weights",
    "RegNet_X_400MF_Weights",
    "RegNet_X_800MF_Weights",
    "RegNet_X_8GF_Weights",
    "RegNet_Y_128GF_Weights",
    "RegNet_Y_16GF_Weights",
    "RegNet_Y_1_6GF_Weights",
    "RegNet_Y_32GF_Weights",
    "RegNet_Y_3_2GF_Weights",
    "RegNet_Y_400MF_Weights",
    "RegNet_Y_800MF_Weights",
    "RegNet_Y_8GF_Weights",
    "regnet_x_16gf",
    "regnet_x_1_6gf",
    "regnet_x_32gf",
    "regnet_x_3_2gf",
    "regnet_x_400mf",
    "regnet_x_800mf",
    "regnet_x_8gf",
    "regnet_y_128gf",
    "regnet_y_16gf",
    "regnet_y_1_6gf",
    "regnet_y_32gf",
    "regnet_y_3_2gf",
    "regnet_y_400mf",
    "regnet_y_800mf",
    "regnet_y_8gf",
]

Norm = Callable[..., nn.Module]


class SimpleStemIN(Conv2dNormActivation):
    """A 3 x 3 convolution that halves the size."""

    def __init__(self, width_in: int, width_out: int, norm_layer: Norm, activation_layer: Norm) -> None:
        super().__init__(width_in, width_out, 3, stride=2, norm_layer=norm_layer, activation_layer=activation_layer)


class BottleneckTransform(nn.Sequential):
    """1 x 1, grouped 3 x 3, squeeze and excitation if wanted, 1 x 1."""

    def __init__(
        self,
        width_in: int,
        width_out: int,
        stride: int,
        norm_layer: Norm,
        activation_layer: Norm,
        group_width: int,
        bottleneck_multiplier: float,
        se_ratio: float | None,
    ) -> None:
        width = round(width_out * bottleneck_multiplier)
        how: dict[str, Any] = {"norm_layer": norm_layer, "activation_layer": activation_layer}
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        layers["a"] = Conv2dNormActivation(width_in, width, kernel_size=1, stride=1, **how)
        layers["b"] = Conv2dNormActivation(
            width, width, kernel_size=3, stride=stride, groups=width // group_width, **how
        )
        if se_ratio:
            # of the width the block is given, not of its own
            layers["se"] = SqueezeExcitation(width, round(se_ratio * width_in), activation=activation_layer)
        layers["c"] = Conv2dNormActivation(
            width, width_out, kernel_size=1, stride=1, norm_layer=norm_layer, activation_layer=None
        )
        super().__init__(layers)


class ResBottleneckBlock(nn.Module):
    """`BottleneckTransform` beside the identity, or beside a 1 x 1 convolution where the shapes differ."""

    def __init__(
        self,
        width_in: int,
        width_out: int,
        stride: int,
        norm_layer: Norm,
        activation_layer: Norm,
        group_width: int = 1,
        bottleneck_multiplier: float = 1.0,
        se_ratio: float | None = None,
    ) -> None:
        super().__init__()
        self.proj = None
        if width_in != width_out or stride != 1:
            self.proj = Conv2dNormActivation(
                width_in, width_out, kernel_size=1, stride=stride, norm_layer=norm_layer, activation_layer=None
            )
        self.f = BottleneckTransform(
            width_in, width_out, stride, norm_layer, activation_layer, group_width, bottleneck_multiplier, se_ratio
        )
        self.activation = activation_layer(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.activation((x if self.proj is None else self.proj(x)) + self.f(x))


class BlockParams:
    """The stages: depths, widths, group widths, bottleneck multipliers, strides and the ratio of the squeezing."""

    def __init__(
        self,
        depths: list[int],
        widths: list[int],
        group_widths: list[int],
        bottleneck_multipliers: list[float],
        strides: list[int],
        se_ratio: float | None = None,
    ) -> None:
        self.depths = depths
        self.widths = widths
        self.group_widths = group_widths
        self.bottleneck_multipliers = bottleneck_multipliers
        self.strides = strides
        self.se_ratio = se_ratio

    @classmethod
    def from_init_params(
        cls,
        depth: int,
        w_0: int,
        w_a: float,
        w_m: float,
        group_width: int,
        bottleneck_multiplier: float = 1.0,
        se_ratio: float | None = None,
        **kwargs: Any,
    ) -> BlockParams:
        """The stages that equations 2 to 4 of the paper give: widths w_0 + w_a i, rounded to w_0 times powers of w_m,
        then to multiples of 8; blocks of one width are a stage."""
        if w_a < 0 or w_0 <= 0 or w_m <= 1 or w_0 % 8 != 0:
            raise ValueError("Invalid RegNet settings")
        counts: dict[int, int] = {}
        log_m = lampas.log(lampas.tensor([w_m]))
        continuous = lampas.arange(depth) * w_a + w_0
        powers = lampas.round(lampas.log(continuous / w_0) / log_m)
        for width in (lampas.round(w_0 * w_m**powers / 8) * 8).int().tolist():
            counts[width] = counts.get(width, 0) + 1
        groups = [min(group_width, int(width * bottleneck_multiplier)) for width in counts]
        widths = [
            int(_make_divisible(width * bottleneck_multiplier, group) / bottleneck_multiplier)
            for width, group in zip(counts, groups, strict=True)
        ]
        n = len(widths)
        return cls(list(counts.values()), widths, groups, [bottleneck_multiplier] * n, [2] * n, se_ratio)


class RegNet(nn.Module):
    """Stages of residual bottleneck blocks; (N, 3, H, W) to (N, num_classes)."""

    def __init__(
        self,
        block_params: BlockParams,
        num_classes: int = 1000,
        stem_width: int = 32,
        stem_type: Norm | None = None,
        block_type: Norm | None = None,
        norm_layer: Norm | None = None,
        activation: Norm | None = None,
    ) -> None:
        super().__init__()
        norm, act = norm_layer or nn.BatchNorm2d, activation or nn.ReLU
        block = block_type or ResBottleneckBlock
        self.stem = (stem_type or SimpleStemIN)(3, stem_width, norm, act)
        p = block_params
        width = stem_width
        trunk: OrderedDict[str, nn.Module] = OrderedDict()
        rows = zip(p.widths, p.strides, p.depths, p.group_widths, p.bottleneck_multipliers, strict=True)
        for i, (out, stride, depth, group, multiplier) in enumerate(rows, 1):
            stage = AnyStage()
            for j in range(depth):
                made = block(
                    width if j == 0 else out, out, stride if j == 0 else 1, norm, act, group, multiplier, p.se_ratio
                )
                stage.add_module(f"block{i}-{j}", made)
            trunk[f"block{i}"] = stage
            width = out
        self.trunk_output = nn.Sequential(trunk)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(width, num_classes)

        def fan_out(weight: Tensor) -> None:
            # without the division by the groups that kaiming_normal_ would make
            nn.init.normal_(weight, mean=0.0, std=math.sqrt(2.0 / (weight.shape[0] * weight[0, 0].numel())))

        initialize(self, fan_out, normal_(0.01), (nn.Linear,))

    def forward(self, x: Tensor) -> Tensor:
        x = self.avgpool(self.trunk_output(self.stem(x)))
        return self.fc(x.flatten(start_dim=1))


class AnyStage(nn.Sequential):
    """Blocks of one width, the first of which halves the size."""


def _regnet(depth: int, w_0: int, w_a: float, w_m: float, group_width: int, se: float | None, **options: Any) -> RegNet:
    params = BlockParams.from_init_params(depth, w_0, w_a, w_m, group_width, se_ratio=se)
    options.setdefault("norm_layer", partial(nn.BatchNorm2d, eps=1e-05, momentum=0.1))
    return RegNet(params, **options)


_regnet.__name__ = "RegNet"

RegNet_Y_400MF_Weights = weights_enum("RegNet_Y_400MF_Weights")
RegNet_Y_800MF_Weights = weights_enum("RegNet_Y_800MF_Weights")
RegNet_Y_1_6GF_Weights = weights_enum("RegNet_Y_1_6GF_Weights")
RegNet_Y_3_2GF_Weights = weights_enum("RegNet_Y_3_2GF_Weights")
RegNet_Y_8GF_Weights = weights_enum("RegNet_Y_8GF_Weights")
RegNet_Y_16GF_Weights = weights_enum("RegNet_Y_16GF_Weights")
RegNet_Y_32GF_Weights = weights_enum("RegNet_Y_32GF_Weights")
RegNet_Y_128GF_Weights = weights_enum("RegNet_Y_128GF_Weights")
RegNet_X_400MF_Weights = weights_enum("RegNet_X_400MF_Weights")
RegNet_X_800MF_Weights = weights_enum("RegNet_X_800MF_Weights")
RegNet_X_1_6GF_Weights = weights_enum("RegNet_X_1_6GF_Weights")
RegNet_X_3_2GF_Weights = weights_enum("RegNet_X_3_2GF_Weights")
RegNet_X_8GF_Weights = weights_enum("RegNet_X_8GF_Weights")
RegNet_X_16GF_Weights = weights_enum("RegNet_X_16GF_Weights")
RegNet_X_32GF_Weights = weights_enum("RegNet_X_32GF_Weights")

# depth, w_0, w_a, w_m, group width, ratio of the squeezing
regnet_y_400mf = builder("regnet_y_400mf", RegNet_Y_400MF_Weights, _regnet, 16, 48, 27.89, 2.09, 8, 0.25)
regnet_y_800mf = builder("regnet_y_800mf", RegNet_Y_800MF_Weights, _regnet, 14, 56, 38.84, 2.4, 16, 0.25)
regnet_y_1_6gf = builder("regnet_y_1_6gf", RegNet_Y_1_6GF_Weights, _regnet, 27, 48, 20.71, 2.65, 24, 0.25)
regnet_y_3_2gf = builder("regnet_y_3_2gf", RegNet_Y_3_2GF_Weights, _regnet, 21, 80, 42.63, 2.66, 24, 0.25)
regnet_y_8gf = builder("regnet_y_8gf", RegNet_Y_8GF_Weights, _regnet, 17, 192, 76.82, 2.19, 56, 0.25)
regnet_y_16gf = builder("regnet_y_16gf", RegNet_Y_16GF_Weights, _regnet, 18, 200, 106.23, 2.48, 112, 0.25)
regnet_y_32gf = builder("regnet_y_32gf", RegNet_Y_32GF_Weights, _regnet, 20, 232, 115.89, 2.53, 232, 0.25)
regnet_y_128gf = builder("regnet_y_128gf", RegNet_Y_128GF_Weights, _regnet, 27, 456, 160.83, 2.52, 264, 0.25, legacy="")
regnet_x_400mf = builder("regnet_x_400mf", RegNet_X_400MF_Weights, _regnet, 22, 24, 24.48, 2.54, 16, None)
regnet_x_800mf = builder("regnet_x_800mf", RegNet_X_800MF_Weights, _regnet, 16, 56, 35.73, 2.28, 16, None)
regnet_x_1_6gf = builder("regnet_x_1_6gf", RegNet_X_1_6GF_Weights, _regnet, 18, 80, 34.01, 2.25, 24, None)
regnet_x_3_2gf = builder("regnet_x_3_2gf", RegNet_X_3_2GF_Weights, _regnet, 25, 88, 26.31, 2.25, 48, None)
regnet_x_8gf = builder("regnet_x_8gf", RegNet_X_8GF_Weights, _regnet, 23, 80, 49.56, 2.88, 120, None)
regnet_x_16gf = builder("regnet_x_16gf", RegNet_X_16GF_Weights, _regnet, 22, 216, 55.59, 2.1, 128, None)
regnet_x_32gf = builder("regnet_x_32gf", RegNet_X_32GF_Weights, _regnet, 23, 320, 69.86, 2.0, 168, None)
