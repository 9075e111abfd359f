"""DeepLab v3 (arXiv:1706.05587)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lampas
from lampas import Tensor, nn
from lampas.nn import functional as F
from lampas.vision.models._api import weights_enum
from lampas.vision.models.segmentation._utils import _backbone, _SimpleSegmentationModel, segmentation_builder
from lampas.vision.models.segmentation.fcn import FCNHead

__all__ = [
    "DeepLabV3",
    "DeepLabV3_MobileNet_V3_Large_Weights",
    "DeepLabV3_ResNet50_Weights",
    "DeepLabV3_ResNet101_Weights",
    "deeplabv3_mobilenet_v3_large",
    "deeplabv3_resnet50",
    "deeplabv3_resnet101",
]


class DeepLabV3(_SimpleSegmentationModel):
    """A class for each pixel, from features seen at several scales: {"out": (N, classes, H, W), ...}."""


def _conv(inputs: int, outputs: int, kernel: int, dilation: int = 1) -> list[nn.Module]:
    padding = dilation if kernel == 3 else 0
    conv = nn.Conv2d(inputs, outputs, kernel, padding=padding, dilation=dilation, bias=False)
    return [conv, nn.BatchNorm2d(outputs), nn.ReLU()]


class ASPPConv(nn.Sequential):
    """A dilated 3 x 3 convolution."""

    def __init__(self, in_channels: int, out_channels: int, dilation: int) -> None:
        super().__init__(*_conv(in_channels, out_channels, 3, dilation))


class ASPPPooling(nn.Sequential):
    """The mean over the picture, put everywhere."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(nn.AdaptiveAvgPool2d(1), *_conv(in_channels, out_channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        size = x.shape[-2:]
        return F.interpolate(super().forward(x), size=size, mode="bilinear", align_corners=False)


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: convolutions of several dilations beside each other (figure 5)."""

    def __init__(self, in_channels: int, atrous_rates: Sequence[int], out_channels: int = 256) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            [
                nn.Sequential(*_conv(in_channels, out_channels, 1)),
                *(ASPPConv(in_channels, out_channels, rate) for rate in atrous_rates),
                ASPPPooling(in_channels, out_channels),
            ]
        )
        self.project = nn.Sequential(*_conv(len(self.convs) * out_channels, out_channels, 1), nn.Dropout(0.5))

    def forward(self, x: Tensor) -> Tensor:
        return self.project(lampas.cat([conv(x) for conv in self.convs], dim=1))


class DeepLabHead(nn.Sequential):
    """`ASPP`, a 3 x 3 and a 1 x 1 convolution."""

    def __init__(self, in_channels: int, num_classes: int, atrous_rates: Sequence[int] = (12, 24, 36)) -> None:
        super().__init__(ASPP(in_channels, atrous_rates), *_conv(256, 256, 3), nn.Conv2d(256, num_classes, 1))


def _deeplab(backbone: str, weights: Any, classes: int, aux: bool) -> DeepLabV3:
    features, widths = _backbone(backbone, weights, "aux" if aux else None)
    aux_head = FCNHead(widths["aux"], classes) if aux else None
    return DeepLabV3(features, DeepLabHead(widths["out"], classes), aux_head)


DeepLabV3_ResNet50_Weights = weights_enum("DeepLabV3_ResNet50_Weights")
DeepLabV3_ResNet101_Weights = weights_enum("DeepLabV3_ResNet101_Weights")
DeepLabV3_MobileNet_V3_Large_Weights = weights_enum("DeepLabV3_MobileNet_V3_Large_Weights")
deeplabv3_resnet50 = segmentation_builder("deeplabv3_resnet50", DeepLabV3_ResNet50_Weights, "resnet50", _deeplab)
deeplabv3_resnet101 = segmentation_builder("deeplabv3_resnet101", DeepLabV3_ResNet101_Weights, "resnet101", _deeplab)
deeplabv3_mobilenet_v3_large = segmentation_builder(
    "deeplabv3_mobilenet_v3_large", DeepLabV3_MobileNet_V3_Large_Weights, "mobilenet_v3_large", _deeplab
)
