"""ConvNeXt (arXiv:2201.03545)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import lampas
from lampas import Tensor, nn
from lampas.nn import functional as F
from lampas.vision.models._api import builder, weights_enum
from lampas.vision.models._init import initialize, trunc_normal_
from lampas.vision.ops.misc import Conv2dNormActivation, Permute
from lampas.vision.ops.stochastic_depth import StochasticDepth

__all__ = [
    "ConvNeXt",
    "ConvNeXt_Base_Weights",
    "ConvNeXt_Large_Weights",
    "ConvNeXt_Small_Weights",
    "ConvNeXt_Tiny_Weights",
    "convnext_base",
    "convnext_large",
    "convnext_small",
    "convnext_tiny",
]

Norm = Callable[..., nn.Module]


class LayerNorm2d(nn.LayerNorm):
    """Layer normalisation over the channels of (N, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        x = F.layer_norm(x.permute(0, 2, 3, 1), self.normalized_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)


class CNBlock(nn.Module):
    """A 7 x 7 depthwise convolution and two linear layers over the channels, beside the identity."""

    def __init__(
        self, dim: int, layer_scale: float, stochastic_depth_prob: float, norm_layer: Norm | None = None
    ) -> None:
        super().__init__()
        norm = norm_layer or partial(nn.LayerNorm, eps=1e-6)
        self.block = nn.Sequential(
            nn.Conv2d(dim, dim, kernel_size=7, padding=3, groups=dim, bias=True),
            Permute([0, 2, 3, 1]),
            norm(dim),
            nn.Linear(dim, 4 * dim, bias=True),
            nn.GELU(),
            nn.Linear(4 * dim, dim, bias=True),
            Permute([0, 3, 1, 2]),
        )
        self.layer_scale = nn.Parameter(lampas.ones(dim, 1, 1) * layer_scale)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")

    def forward(self, input: Tensor) -> Tensor:
        result = self.stochastic_depth(self.layer_scale * self.block(input))
        result += input
        return result


class CNBlockConfig:
    """A stage: `num_layers` blocks of `input_channels`, then a halving to `out_channels` unless that is None."""

    def __init__(self, input_channels: int, out_channels: int | None, num_layers: int) -> None:
        self.input_channels = input_channels
        self.out_channels = out_channels
        self.num_layers = num_layers

    def __repr__(self) -> str:
        return (
            f"{self.__class__.__name__}(input_channels={self.input_channels}, out_channels={self.out_channels}, "
            f"num_layers={self.num_layers})"
        )


class ConvNeXt(nn.Module):
    """Stages of `CNBlock`; (N, 3, H, W) to (N, num_classes).

    Args:
        block_setting: the stages.
        stochastic_depth_prob: of the last block; it grows linearly from 0.
        layer_scale: first value of each block's scale.
    """

    def __init__(
        self,
        block_setting: list[CNBlockConfig],
        stochastic_depth_prob: float = 0.0,
        layer_scale: float = 1e-6,
        num_classes: int = 1000,
        block: Callable[..., nn.Module] | None = None,
        norm_layer: Norm | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        if not block_setting:
            raise ValueError("The block_setting should not be empty")
        if not all(isinstance(stage, CNBlockConfig) for stage in block_setting):
            raise TypeError("The block_setting should be List[CNBlockConfig]")
        block = block or CNBlock
        norm = norm_layer or partial(LayerNorm2d, eps=1e-6)
        features: list[nn.Module] = [
            Conv2dNormActivation(
                3,
                block_setting[0].input_channels,
                kernel_size=4,
                stride=4,
                padding=0,
                norm_layer=norm,
                activation_layer=None,
                bias=True,
            )
        ]
        total, done = sum(stage.num_layers for stage in block_setting), 0
        for stage in block_setting:
            blocks = []
            for _ in range(stage.num_layers):
                blocks.append(block(stage.input_channels, layer_scale, stochastic_depth_prob * done / (total - 1.0)))
                done += 1
            features.append(nn.Sequential(*blocks))
            if stage.out_channels is not None:
                halving = nn.Conv2d(stage.input_channels, stage.out_channels, kernel_size=2, stride=2)
                features.append(nn.Sequential(norm(stage.input_channels), halving))
        self.features = nn.Sequential(*features)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        width = block_setting[-1].out_channels or block_setting[-1].input_channels
        self.classifier = nn.Sequential(norm(width), nn.Flatten(1), nn.Linear(width, num_classes))
        initialize(self, trunc_normal_(0.02), trunc_normal_(0.02), (nn.Conv2d, nn.Linear))

    def _forward_impl(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)))

    def forward(self, x: Tensor) -> Tensor:
        return self._forward_impl(x)


def _convnext(width: int, depth: int, depth_prob: float, **options: Any) -> ConvNeXt:
    widths: list[int | None] = [width, 2 * width, 4 * width, 8 * width, None]
    stages = [CNBlockConfig(int(widths[i] or 0), widths[i + 1], layers) for i, layers in enumerate((3, 3, depth, 3))]
    return ConvNeXt(stages, options.pop("stochastic_depth_prob", depth_prob), **options)


_convnext.__name__ = "ConvNeXt"

ConvNeXt_Tiny_Weights = weights_enum("ConvNeXt_Tiny_Weights")
ConvNeXt_Small_Weights = weights_enum("ConvNeXt_Small_Weights")
ConvNeXt_Base_Weights = weights_enum("ConvNeXt_Base_Weights")
ConvNeXt_Large_Weights = weights_enum("ConvNeXt_Large_Weights")
convnext_tiny = builder("convnext_tiny", ConvNeXt_Tiny_Weights, _convnext, 96, 9, 0.1)
convnext_small = builder("convnext_small", ConvNeXt_Small_Weights, _convnext, 96, 27, 0.4)
convnext_base = builder("convnext_base", ConvNeXt_Base_Weights, _convnext, 128, 27, 0.5)
convnext_large = builder("convnext_large", ConvNeXt_Large_Weights, _convnext, 192, 27, 0.5)
