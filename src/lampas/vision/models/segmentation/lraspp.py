"""The light head of MobileNet v3 for segmentation (arXiv:1905.02244, section 6.4)."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from lampas import Tensor, nn
from lampas.nn import functional as F
from lampas.vision.models._api import weights_enum
from lampas.vision.models.segmentation._utils import _backbone, segmentation_builder

__all__ = ["LRASPP", "LRASPP_MobileNet_V3_Large_Weights", "lraspp_mobilenet_v3_large"]


class LRASPPHead(nn.Module):
    """Late features weighted by their mean, and early ones, each made into classes and added."""

    def __init__(self, low_channels: int, high_channels: int, num_classes: int, inter_channels: int) -> None:
        super().__init__()
        self.cbr = nn.Sequential(
            nn.Conv2d(high_channels, inter_channels, 1, bias=False),
            nn.BatchNorm2d(inter_channels),
            nn.ReLU(inplace=True),
        )
        self.scale = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(high_channels, inter_channels, 1, bias=False), nn.Sigmoid()
        )
        self.low_classifier = nn.Conv2d(low_channels, num_classes, 1)
        self.high_classifier = nn.Conv2d(inter_channels, num_classes, 1)

    def forward(self, input: dict[str, Tensor]) -> Tensor:
        low, high = input["low"], input["high"]
        x = F.interpolate(self.cbr(high) * self.scale(high), size=low.shape[-2:], mode="bilinear", align_corners=False)
        return self.low_classifier(low) + self.high_classifier(x)


class LRASPP(nn.Module):
    """A class for each pixel: {"out": (N, classes, H, W)}; the backbone gives ``low`` and ``high``."""

    def __init__(
        self, backbone: nn.Module, low_channels: int, high_channels: int, num_classes: int, inter_channels: int = 128
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.classifier = LRASPPHead(low_channels, high_channels, num_classes, inter_channels)

    def forward(self, input: Tensor) -> dict[str, Tensor]:
        out = self.classifier(self.backbone(input))
        out = F.interpolate(out, size=input.shape[-2:], mode="bilinear", align_corners=False)
        return OrderedDict(out=out)


def _lraspp(backbone: str, weights: Any, classes: int, aux: bool) -> LRASPP:
    if aux:
        raise NotImplementedError("lraspp_mobilenet_v3_large has no auxiliary loss: leave aux_loss out")
    features, widths = _backbone(backbone, weights, "low", "high")
    return LRASPP(features, widths["low"], widths["high"], classes)


LRASPP_MobileNet_V3_Large_Weights = weights_enum("LRASPP_MobileNet_V3_Large_Weights")
lraspp_mobilenet_v3_large = segmentation_builder(
    "lraspp_mobilenet_v3_large", LRASPP_MobileNet_V3_Large_Weights, "mobilenet_v3_large", _lraspp, with_aux=False
)
