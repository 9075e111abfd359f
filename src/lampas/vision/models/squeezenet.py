"""SqueezeNet (arXiv:1602.07360)."""

from __future__ import annotations

import lampas
from lampas import Tensor, nn
from lampas.vision.models._api import builder, weights_enum

__all__ = ["SqueezeNet", "SqueezeNet1_0_Weights", "SqueezeNet1_1_Weights", "squeezenet1_0", "squeezenet1_1"]


class Fire(nn.Module):
    """A 1 x 1 convolution to few channels, then 1 x 1 and 3 x 3 convolutions of them beside each other."""

    def __init__(self, inplanes: int, squeeze_planes: int, expand1x1_planes: int, expand3x3_planes: int) -> None:
        super().__init__()
        self.inplanes = inplanes
        self.squeeze = nn.Conv2d(inplanes, squeeze_planes, kernel_size=1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeeze_planes, expand1x1_planes, kernel_size=1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeeze_planes, expand3x3_planes, kernel_size=3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze_activation(self.squeeze(x))
        return lampas.cat(
            [self.expand1x1_activation(self.expand1x1(x)), self.expand3x3_activation(self.expand3x3(x))], 1
        )


# The first convolution (width, kernel), then how many fire modules stand before each pooling and after the last.
_VERSIONS = {"1_0": ((96, 7), (3, 4, 1)), "1_1": ((64, 3), (2, 2, 4))}


class SqueezeNet(nn.Module):
    """Eight fire modules; (N, 3, H, W) to (N, num_classes). `version` is ``"1_0"`` or ``"1_1"``, the quicker one."""

    def __init__(self, version: str = "1_0", num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        self.num_classes = num_classes
        if version not in _VERSIONS:
            raise ValueError(f"Unsupported SqueezeNet version {version}: 1_0 or 1_1 expected")
        (inputs, kernel), groups = _VERSIONS[version]
        layers: list[nn.Module] = [nn.Conv2d(3, inputs, kernel_size=kernel, stride=2), nn.ReLU(inplace=True)]
        squeezes = iter((16, 16, 32, 32, 48, 48, 64, 64))
        for group in groups:
            layers.append(nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True))
            for _ in range(group):
                squeeze = next(squeezes)
                layers.append(Fire(inputs, squeeze, 4 * squeeze, 4 * squeeze))
                inputs = 8 * squeeze
        self.features = nn.Sequential(*layers)
        final_conv = nn.Conv2d(512, num_classes, kernel_size=1)
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout), final_conv, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d((1, 1))
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                if module is final_conv:
                    nn.init.normal_(module.weight, mean=0.0, std=0.01)
                else:
                    nn.init.kaiming_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        return lampas.flatten(self.classifier(self.features(x)), 1)


SqueezeNet1_0_Weights = weights_enum("SqueezeNet1_0_Weights")
SqueezeNet1_1_Weights = weights_enum("SqueezeNet1_1_Weights")
squeezenet1_0 = builder("squeezenet1_0", SqueezeNet1_0_Weights, SqueezeNet, "1_0")
squeezenet1_1 = builder("squeezenet1_1", SqueezeNet1_1_Weights, SqueezeNet, "1_1")
