"""Inception v3 (arXiv:1512.00567)."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from typing import Any

import lampas
from lampas import Tensor, nn
from lampas.nn import functional as F
from lampas.vision.models._api import WeightsEnum, builder, weights_enum
from lampas.vision.models.googlenet import BasicConv2d, halves_to_imagenet, warn_of_slow_init

__all__ = ["Inception3", "InceptionOutputs", "Inception_V3_Weights", "_InceptionOutputs", "inception_v3"]

InceptionOutputs = namedtuple("InceptionOutputs", ["logits", "aux_logits"])
InceptionOutputs.__annotations__ = {"logits": Tensor, "aux_logits": Tensor | None}
_InceptionOutputs = InceptionOutputs

Conv = Callable[..., nn.Module]
_ROW, _COLUMN = {"kernel_size": (1, 7), "padding": (0, 3)}, {"kernel_size": (7, 1), "padding": (3, 0)}
_ROW3, _COLUMN3 = {"kernel_size": (1, 3), "padding": (0, 1)}, {"kernel_size": (3, 1), "padding": (1, 0)}
_ONE, _THREE = {"kernel_size": 1}, {"kernel_size": 3, "padding": 1}


class _Block(nn.Module):
    """Chains of convolutions beside each other, named ``<branch>_<i>``."""

    def _add(self, conv: Conv, branch: str, *widths: int, how: tuple[dict[str, Any], ...]) -> None:
        for i, options in enumerate(how):
            name = branch if len(how) == 1 else f"{branch}_{i + 1}"
            self.add_module(name, conv(widths[i], widths[i + 1], **options))

    def _run(self, branch: str, x: Tensor) -> Tensor:
        for name, module in self.named_children():
            if name == branch or name.rpartition("_")[0] == branch:
                x = module(x)
        return x

    def _pooled(self, x: Tensor) -> Tensor:
        return self.branch_pool(F.avg_pool2d(x, kernel_size=3, stride=1, padding=1))


class InceptionA(_Block):
    """Figure 5: 1 x 1, 5 x 5, two 3 x 3, pooling."""

    def __init__(self, in_channels: int, pool_features: int, conv_block: Conv | None = None) -> None:
        super().__init__()
        conv = conv_block or BasicConv2d
        self._add(conv, "branch1x1", in_channels, 64, how=(_ONE,))
        self._add(conv, "branch5x5", in_channels, 48, 64, how=(_ONE, {"kernel_size": 5, "padding": 2}))
        self._add(conv, "branch3x3dbl", in_channels, 64, 96, 96, how=(_ONE, _THREE, _THREE))
        self._add(conv, "branch_pool", in_channels, pool_features, how=(_ONE,))

    def forward(self, x: Tensor) -> Tensor:
        ways = [self._run(name, x) for name in ("branch1x1", "branch5x5", "branch3x3dbl")]
        return lampas.cat([*ways, self._pooled(x)], 1)


class InceptionB(_Block):
    """Halves the size: 3 x 3, two 3 x 3, pooling."""

    def __init__(self, in_channels: int, conv_block: Conv | None = None) -> None:
        super().__init__()
        conv = conv_block or BasicConv2d
        half = {"kernel_size": 3, "stride": 2}
        self._add(conv, "branch3x3", in_channels, 384, how=(half,))
        self._add(conv, "branch3x3dbl", in_channels, 64, 96, 96, how=(_ONE, _THREE, half))

    def forward(self, x: Tensor) -> Tensor:
        ways = [self._run(name, x) for name in ("branch3x3", "branch3x3dbl")]
        return lampas.cat([*ways, F.max_pool2d(x, kernel_size=3, stride=2)], 1)


class InceptionC(_Block):
    """Figure 6: 1 x 1, 7 x 7 as a row and a column, the same twice, pooling."""

    def __init__(self, in_channels: int, channels_7x7: int, conv_block: Conv | None = None) -> None:
        super().__init__()
        conv, c = conv_block or BasicConv2d, channels_7x7
        self._add(conv, "branch1x1", in_channels, 192, how=(_ONE,))
        self._add(conv, "branch7x7", in_channels, c, c, 192, how=(_ONE, _ROW, _COLUMN))
        self._add(conv, "branch7x7dbl", in_channels, c, c, c, c, 192, how=(_ONE, _COLUMN, _ROW, _COLUMN, _ROW))
        self._add(conv, "branch_pool", in_channels, 192, how=(_ONE,))

    def forward(self, x: Tensor) -> Tensor:
        ways = [self._run(name, x) for name in ("branch1x1", "branch7x7", "branch7x7dbl")]
        return lampas.cat([*ways, self._pooled(x)], 1)


class InceptionD(_Block):
    """Halves the size: 3 x 3, 7 x 7 then 3 x 3, pooling."""

    def __init__(self, in_channels: int, conv_block: Conv | None = None) -> None:
        super().__init__()
        conv = conv_block or BasicConv2d
        half = {"kernel_size": 3, "stride": 2}
        self._add(conv, "branch3x3", in_channels, 192, 320, how=(_ONE, half))
        self._add(conv, "branch7x7x3", in_channels, 192, 192, 192, 192, how=(_ONE, _ROW, _COLUMN, half))

    def forward(self, x: Tensor) -> Tensor:
        ways = [self._run(name, x) for name in ("branch3x3", "branch7x7x3")]
        return lampas.cat([*ways, F.max_pool2d(x, kernel_size=3, stride=2)], 1)


class InceptionE(_Block):
    """Figure 7: 3 x 3 split into a row and a column beside each other."""

    def __init__(self, in_channels: int, conv_block: Conv | None = None) -> None:
        super().__init__()
        conv = conv_block or BasicConv2d
        self.branch1x1 = conv(in_channels, 320, **_ONE)
        self.branch3x3_1 = conv(in_channels, 384, **_ONE)
        self.branch3x3_2a = conv(384, 384, **_ROW3)
        self.branch3x3_2b = conv(384, 384, **_COLUMN3)
        self.branch3x3dbl_1 = conv(in_channels, 448, **_ONE)
        self.branch3x3dbl_2 = conv(448, 384, **_THREE)
        self.branch3x3dbl_3a = conv(384, 384, **_ROW3)
        self.branch3x3dbl_3b = conv(384, 384, **_COLUMN3)
        self.branch_pool = conv(in_channels, 192, **_ONE)

    def forward(self, x: Tensor) -> Tensor:
        one = self.branch3x3_1(x)
        two = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        ways = [self.branch1x1(x), self.branch3x3_2a(one), self.branch3x3_2b(one)]
        return lampas.cat([*ways, self.branch3x3dbl_3a(two), self.branch3x3dbl_3b(two), self._pooled(x)], 1)


class InceptionAux(nn.Module):
    """A classifier before the last stage, for training only."""

    def __init__(self, in_channels: int, num_classes: int, conv_block: Conv | None = None) -> None:
        super().__init__()
        conv = conv_block or BasicConv2d
        self.conv0 = conv(in_channels, 128, kernel_size=1)
        self.conv1 = conv(128, 768, kernel_size=5)
        self.conv1.stddev = 0.01
        self.fc = nn.Linear(768, num_classes)
        self.fc.stddev = 0.001

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(self.conv0(F.avg_pool2d(x, kernel_size=5, stride=3)))
        return self.fc(lampas.flatten(F.adaptive_avg_pool2d(x, (1, 1)), 1))


class Inception3(nn.Module):
    """Inception v3.

    Args:
        aux_logits: one more classifier; in training mode the result is then an `InceptionOutputs`.
        transform_input: take images normalised by ImageNet's statistics.
        inception_blocks: classes to use for `BasicConv2d`, `InceptionA` to `InceptionE` and `InceptionAux`.

    Shapes: (N, 3, H, W), trained at 299 x 299, to (N, num_classes).
    """

    def __init__(
        self,
        num_classes: int = 1000,
        aux_logits: bool = True,
        transform_input: bool = False,
        inception_blocks: list[Conv] | None = None,
        init_weights: bool | None = None,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if inception_blocks is None:
            inception_blocks = [BasicConv2d, InceptionA, InceptionB, InceptionC, InceptionD, InceptionE, InceptionAux]
        if init_weights is None:
            warn_of_slow_init("Inception v3")
            init_weights = True
        if len(inception_blocks) != 7:
            raise ValueError(f"length of inception_blocks should be 7 instead of {len(inception_blocks)}")
        conv, a, b, c, d, e, aux = inception_blocks
        self.aux_logits = aux_logits
        self.transform_input = transform_input
        self.Conv2d_1a_3x3 = conv(3, 32, kernel_size=3, stride=2)
        self.Conv2d_2a_3x3 = conv(32, 32, kernel_size=3)
        self.Conv2d_2b_3x3 = conv(32, 64, kernel_size=3, padding=1)
        self.maxpool1 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.Conv2d_3b_1x1 = conv(64, 80, kernel_size=1)
        self.Conv2d_4a_3x3 = conv(80, 192, kernel_size=3)
        self.maxpool2 = nn.MaxPool2d(kernel_size=3, stride=2)
        self.Mixed_5b = a(192, pool_features=32)
        self.Mixed_5c = a(256, pool_features=64)
        self.Mixed_5d = a(288, pool_features=64)
        self.Mixed_6a = b(288)
        self.Mixed_6b = c(768, channels_7x7=128)
        self.Mixed_6c = c(768, channels_7x7=160)
        self.Mixed_6d = c(768, channels_7x7=160)
        self.Mixed_6e = c(768, channels_7x7=192)
        self.AuxLogits = aux(768, num_classes) if aux_logits else None
        self.Mixed_7a = d(768)
        self.Mixed_7b = e(1280)
        self.Mixed_7c = e(2048)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(p=dropout)
        self.fc = nn.Linear(2048, num_classes)
        if init_weights:
            for module in self.modules():
                if isinstance(module, nn.Conv2d | nn.Linear):
                    std = float(getattr(module, "stddev", 0.1))
                    nn.init.trunc_normal_(module.weight, mean=0.0, std=std, a=-2, b=2)

    @staticmethod
    def _for_weights(options: dict, weights: WeightsEnum) -> Callable[[nn.Module], None]:
        """The file has the second classifier; with ``aux_logits=False`` it is dropped again."""
        wanted = options.get("aux_logits", True)
        options.setdefault("transform_input", True)
        options.update(aux_logits=True, init_weights=False)

        def finish(model: Any) -> None:
            if not wanted:
                model.aux_logits = False
                model.AuxLogits = None

        return finish

    def forward(self, x: Tensor) -> Tensor | InceptionOutputs:
        if self.transform_input:
            x = halves_to_imagenet(x)
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(self.maxpool1(x)))
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(self.maxpool2(x))))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))))
        aux = self.AuxLogits(x) if self.AuxLogits is not None and self.training else None
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        x = self.fc(lampas.flatten(self.dropout(self.avgpool(x)), 1))
        return InceptionOutputs(x, aux) if self.training and self.aux_logits else x


Inception_V3_Weights = weights_enum("Inception_V3_Weights")
inception_v3 = builder("inception_v3", Inception_V3_Weights, Inception3)
