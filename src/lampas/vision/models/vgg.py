"""VGG (arXiv:1409.1556)."""

from __future__ import annotations

import lampas
from lampas import Tensor, nn
from lampas.vision.models._api import WeightsEnum, builder, weights_enum
from lampas.vision.models._init import initialize, kaiming_fan_out, normal_

__all__ = [
    "VGG",
    "VGG11_BN_Weights",
    "VGG11_Weights",
    "VGG13_BN_Weights",
    "VGG13_Weights",
    "VGG16_BN_Weights",
    "VGG16_Weights",
    "VGG19_BN_Weights",
    "VGG19_Weights",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
]


class VGG(nn.Module):
    """Convolutions `features`, pooled to 7 x 7, and three linear layers; (N, 3, H, W) to (N, num_classes)."""

    def __init__(
        self, features: nn.Module, num_classes: int = 1000, init_weights: bool = True, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, num_classes),
        )
        if init_weights:
            initialize(self, kaiming_fan_out, normal_(0.01), (nn.Conv2d, nn.Linear))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(lampas.flatten(self.avgpool(self.features(x)), 1))


def make_layers(cfg: list[str | int], batch_norm: bool = False) -> nn.Sequential:
    """3 x 3 convolutions of the given widths; ``"M"`` is a max-pooling."""
    layers: list[nn.Module] = []
    inputs = 3
    for entry in cfg:
        if entry == "M":
            layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
            continue
        width = int(entry)
        layers.append(nn.Conv2d(inputs, width, kernel_size=3, padding=1))
        if batch_norm:
            layers.append(nn.BatchNorm2d(width))
        layers.append(nn.ReLU(inplace=True))
        inputs = width
    return nn.Sequential(*layers)


def _stages(*depths: int) -> list[str | int]:
    cfg: list[str | int] = []
    for width, depth in zip((64, 128, 256, 512, 512), depths, strict=True):
        cfg += [width] * depth + ["M"]
    return cfg


# table 1 of the paper, columns A, B, D, E
cfgs = {
    "A": _stages(1, 1, 2, 2, 2),
    "B": _stages(2, 2, 2, 2, 2),
    "D": _stages(2, 2, 3, 3, 3),
    "E": _stages(2, 2, 4, 4, 4),
}


def _vgg(cfg: str, batch_norm: bool, **options: object) -> VGG:
    return VGG(make_layers(cfgs[cfg], batch_norm), **options)  # type: ignore[arg-type]


def _for_weights(options: dict, weights: WeightsEnum) -> None:
    options["init_weights"] = False


_vgg._for_weights = _for_weights
_vgg.__name__ = "VGG"

VGG11_Weights = weights_enum("VGG11_Weights")
VGG11_BN_Weights = weights_enum("VGG11_BN_Weights")
VGG13_Weights = weights_enum("VGG13_Weights")
VGG13_BN_Weights = weights_enum("VGG13_BN_Weights")
VGG16_Weights = weights_enum("VGG16_Weights")
VGG16_BN_Weights = weights_enum("VGG16_BN_Weights")
VGG19_Weights = weights_enum("VGG19_Weights")
VGG19_BN_Weights = weights_enum("VGG19_BN_Weights")

vgg11 = builder("vgg11", VGG11_Weights, _vgg, "A", False)
vgg11_bn = builder("vgg11_bn", VGG11_BN_Weights, _vgg, "A", True)
vgg13 = builder("vgg13", VGG13_Weights, _vgg, "B", False)
vgg13_bn = builder("vgg13_bn", VGG13_BN_Weights, _vgg, "B", True)
vgg16 = builder("vgg16", VGG16_Weights, _vgg, "D", False)
vgg16_bn = builder("vgg16_bn", VGG16_BN_Weights, _vgg, "D", True)
vgg19 = builder("vgg19", VGG19_Weights, _vgg, "E", False)
vgg19_bn = builder("vgg19_bn", VGG19_BN_Weights, _vgg, "E", True)
