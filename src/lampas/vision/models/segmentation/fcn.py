"""Fully convolutional networks (arXiv:1411.4038)."""

from __future__ import annotations

from typing import Any

from lampas import nn
from lampas.vision.models._api import weights_enum
from lampas.vision.models.segmentation._utils import _backbone, _SimpleSegmentationModel, segmentation_builder

__all__ = ["FCN", "FCN_ResNet50_Weights", "FCN_ResNet101_Weights", "fcn_resnet50", "fcn_resnet101"]


class FCN(_SimpleSegmentationModel):
    """A class for each pixel, from the backbone's features alone: {"out": (N, classes, H, W), ...}."""


class FCNHead(nn.Sequential):
    """A 3 x 3 and a 1 x 1 convolution."""

    def __init__(self, in_channels: int, channels: int) -> None:
        inner = in_channels // 4
        super().__init__(
            nn.Conv2d(in_channels, inner, 3, padding=1, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.Conv2d(inner, channels, 1),
        )


def _fcn(backbone: str, weights: Any, classes: int, aux: bool) -> FCN:
    features, widths = _backbone(backbone, weights, "aux" if aux else None)
    aux_head = FCNHead(widths["aux"], classes) if aux else None
    return FCN(features, FCNHead(widths["out"], classes), aux_head)


FCN_ResNet50_Weights = weights_enum("FCN_ResNet50_Weights")
FCN_ResNet101_Weights = weights_enum("FCN_ResNet101_Weights")
fcn_resnet50 = segmentation_builder("fcn_resnet50", FCN_ResNet50_Weights, "resnet50", _fcn)
fcn_resnet101 = segmentation_builder("fcn_resnet101", FCN_ResNet101_Weights, "resnet101", _fcn)
