"""MNASNet (arXiv:1807.11626)."""

from __future__ import annotations

from lampas import Tensor, nn
from lampas.vision.models._api import builder, weights_enum
from lampas.vision.models._init import initialize, kaiming_fan_out
from lampas.vision.models._utils import _make_divisible

__all__ = [
    "MNASNet",
    "MNASNet0_5_Weights",
    "MNASNet0_75_Weights",
    "MNASNet1_0_Weights",
    "MNASNet1_3_Weights",
    "mnasnet0_5",
    "mnasnet0_75",
    "mnasnet1_0",
    "mnasnet1_3",
]

_MOMENTUM = 1 - 0.9997


def _conv(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, relu: bool = True
) -> list[nn.Module]:
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, stride=stride, groups=groups, bias=False),
        nn.BatchNorm2d(outputs, momentum=_MOMENTUM),
    ]
    return [*layers, nn.ReLU(inplace=True)] if relu else layers


class _InvertedResidual(nn.Module):
    def __init__(self, in_ch: int, out_ch: int, kernel_size: int, stride: int, expansion_factor: int) -> None:
        super().__init__()
        mid = in_ch * expansion_factor
        self.apply_residual = in_ch == out_ch and stride == 1
        self.layers = nn.Sequential(
            *_conv(in_ch, mid, 1),
            *_conv(mid, mid, kernel_size, stride, groups=mid),
            *_conv(mid, out_ch, 1, relu=False),
        )

    def forward(self, input: Tensor) -> Tensor:
        return self.layers(input) + input if self.apply_residual else self.layers(input)


class MNASNet(nn.Module):
    """The network B1 of the paper, its widths multiplied by `alpha`; (N, 3, H, W) to (N, num_classes)."""

    _version = 2

    def __init__(self, alpha: float, num_classes: int = 1000, dropout: float = 0.2) -> None:
        super().__init__()
        if alpha <= 0.0:
            raise ValueError(f"alpha should be greater than 0.0 instead of {alpha}")
        self.alpha = alpha
        self.num_classes = num_classes
        first, second, *widths = (_make_divisible(width * alpha, 8) for width in (32, 16, 24, 40, 80, 96, 192, 320))
        layers = [*_conv(3, first, 3, 2), *_conv(first, first, 3, groups=first), *_conv(first, second, 1, relu=False)]
        inputs = second
        # kernel, stride, expansion, repetitions
        table = ((3, 2, 3, 3), (5, 2, 3, 3), (5, 2, 6, 3), (3, 1, 6, 2), (5, 2, 6, 4), (3, 1, 6, 1))
        for width, (kernel, stride, expansion, repeats) in zip(widths, table, strict=True):
            stack = [_InvertedResidual(inputs, width, kernel, stride, expansion)]
            stack += [_InvertedResidual(width, width, kernel, 1, expansion) for _ in range(repeats - 1)]
            layers.append(nn.Sequential(*stack))
            inputs = width
        layers += _conv(inputs, 1280, 1)
        self.layers = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(p=dropout, inplace=True), nn.Linear(1280, num_classes))

        def fan_out(weight: Tensor) -> None:
            nn.init.kaiming_uniform_(weight, mode="fan_out", nonlinearity="sigmoid")

        initialize(self, kaiming_fan_out, fan_out, (nn.Conv2d, nn.Linear))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.layers(x).mean([2, 3]))


MNASNet0_5_Weights = weights_enum("MNASNet0_5_Weights")
MNASNet0_75_Weights = weights_enum("MNASNet0_75_Weights")
MNASNet1_0_Weights = weights_enum("MNASNet1_0_Weights")
MNASNet1_3_Weights = weights_enum("MNASNet1_3_Weights")
mnasnet0_5 = builder("mnasnet0_5", MNASNet0_5_Weights, MNASNet, 0.5)
mnasnet0_75 = builder("mnasnet0_75", MNASNet0_75_Weights, MNASNet, 0.75)
mnasnet1_0 = builder("mnasnet1_0", MNASNet1_0_Weights, MNASNet, 1.0)
mnasnet1_3 = builder("mnasnet1_3", MNASNet1_3_Weights, MNASNet, 1.3)
