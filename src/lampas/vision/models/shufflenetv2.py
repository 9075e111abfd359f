"""ShuffleNet v2 (arXiv:1807.11164)."""

from __future__ import annotations

from collections.abc import Callable

import lampas
from lampas import Tensor, nn
from lampas.vision.models._api import builder, weights_enum

__all__ = [
    "ShuffleNetV2",
    "ShuffleNet_V2_X0_5_Weights",
    "ShuffleNet_V2_X1_0_Weights",
    "ShuffleNet_V2_X1_5_Weights",
    "ShuffleNet_V2_X2_0_Weights",
    "shufflenet_v2_x0_5",
    "shufflenet_v2_x1_0",
    "shufflenet_v2_x1_5",
    "shufflenet_v2_x2_0",
]


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """The channels of `groups` groups dealt out like cards: the first of each group, then the second, ..."""
    n, c, h, w = x.shape
    return x.view(n, groups, c // groups, h, w).transpose(1, 2).contiguous().view(n, c, h, w)


class InvertedResidual(nn.Module):
    """Half of the channels pass (at stride 1) or are convolved too (at stride 2), then both halves are shuffled."""

    def __init__(self, inp: int, oup: int, stride: int) -> None:
        super().__init__()
        if not 1 <= stride <= 3:
            raise ValueError("illegal stride value")
        if stride == 1 and inp != oup // 2 * 2:
            raise ValueError(f"Invalid combination of stride {stride}, inp {inp} and oup {oup} values.")
        self.stride = stride
        half = oup // 2
        self.branch1 = nn.Sequential()
        if stride > 1:
            self.branch1 = nn.Sequential(
                self.depthwise_conv(inp, inp, 3, stride, 1), nn.BatchNorm2d(inp), *self._pointwise(inp, half)
            )
        self.branch2 = nn.Sequential(
            *self._pointwise(inp if stride > 1 else half, half),
            self.depthwise_conv(half, half, 3, stride, 1),
            nn.BatchNorm2d(half),
            *self._pointwise(half, half),
        )

    @staticmethod
    def depthwise_conv(
        i: int, o: int, kernel_size: int, stride: int = 1, padding: int = 0, bias: bool = False
    ) -> nn.Conv2d:
        """A convolution of each channel for itself."""
        return nn.Conv2d(i, o, kernel_size, stride, padding, bias=bias, groups=i)

    @staticmethod
    def _pointwise(i: int, o: int) -> list[nn.Module]:
        return [nn.Conv2d(i, o, 1, 1, 0, bias=False), nn.BatchNorm2d(o), nn.ReLU(inplace=True)]

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == 1:
            kept, x = x.chunk(2, dim=1)
            out = lampas.cat((kept, self.branch2(x)), dim=1)
        else:
            out = lampas.cat((self.branch1(x), self.branch2(x)), dim=1)
        return channel_shuffle(out, 2)


class ShuffleNetV2(nn.Module):
    """Three stages of shuffled blocks.

    Args:
        stages_repeats: blocks in each of the three stages.
        stages_out_channels: widths of the first convolution, the stages and the last convolution.

    Shapes: (N, 3, H, W) to (N, num_classes).
    """

    def __init__(
        self,
        stages_repeats: list[int],
        stages_out_channels: list[int],
        num_classes: int = 1000,
        inverted_residual: Callable[..., nn.Module] = InvertedResidual,
    ) -> None:
        super().__init__()
        if len(stages_repeats) != 3:
            raise ValueError("expected stages_repeats as list of 3 positive ints")
        if len(stages_out_channels) != 5:
            raise ValueError("expected stages_out_channels as list of 5 positive ints")
        self._stage_out_channels = stages_out_channels
        first, *widths, last = stages_out_channels

        def convolution(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Sequential:
            conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
            return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))

        self.conv1 = convolution(3, first, 3, 2)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        inputs = first
        for stage, repeats, width in zip((2, 3, 4), stages_repeats, widths, strict=True):
            blocks = [inverted_residual(inputs, width, 2)]
            blocks += [inverted_residual(width, width, 1) for _ in range(repeats - 1)]
            self.add_module(f"stage{stage}", nn.Sequential(*blocks))
            inputs = width
        self.conv5 = convolution(inputs, last, 1, 1)
        self.fc = nn.Linear(last, num_classes)

    def _forward_impl(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.conv1(x))
        x = self.conv5(self.stage4(self.stage3(self.stage2(x))))
        return self.fc(x.mean([2, 3]))

    def forward(self, x: Tensor) -> Tensor:
        return self._forward_impl(x)


ShuffleNet_V2_X0_5_Weights = weights_enum("ShuffleNet_V2_X0_5_Weights")
ShuffleNet_V2_X1_0_Weights = weights_enum("ShuffleNet_V2_X1_0_Weights")
ShuffleNet_V2_X1_5_Weights = weights_enum("ShuffleNet_V2_X1_5_Weights")
ShuffleNet_V2_X2_0_Weights = weights_enum("ShuffleNet_V2_X2_0_Weights")

_REPEATS = [4, 8, 4]
shufflenet_v2_x0_5 = builder(
    "shufflenet_v2_x0_5", ShuffleNet_V2_X0_5_Weights, ShuffleNetV2, _REPEATS, [24, 48, 96, 192, 1024]
)
shufflenet_v2_x1_0 = builder(
    "shufflenet_v2_x1_0", ShuffleNet_V2_X1_0_Weights, ShuffleNetV2, _REPEATS, [24, 116, 232, 464, 1024]
)
shufflenet_v2_x1_5 = builder(
    "shufflenet_v2_x1_5", ShuffleNet_V2_X1_5_Weights, ShuffleNetV2, _REPEATS, [24, 176, 352, 704, 1024]
)
shufflenet_v2_x2_0 = builder(
    "shufflenet_v2_x2_0", ShuffleNet_V2_X2_0_Weights, ShuffleNetV2, _REPEATS, [24, 244, 488, 976, 2048]
)
