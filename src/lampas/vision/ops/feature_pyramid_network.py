"""Feature pyramids (arXiv:1612.03144) and features of regions taken from them."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable

import lampas
from lampas import Tensor, nn
from lampas.nn import functional as F
from lampas.vision.ops.misc import Conv2dNormActivation
from lampas.vision.ops.roi import roi_align

__all__ = ["FeaturePyramidNetwork", "MultiScaleRoIAlign"]


class ExtraFPNBlock(nn.Module):
    """Adds levels to a pyramid: called with its results, its inputs and the names, gives results and names."""

    def forward(self, results: list[Tensor], x: list[Tensor], names: list[str]) -> tuple[list[Tensor], list[str]]:
        raise NotImplementedError(f"{type(self).__name__} needs a forward(results, x, names)")


class LastLevelMaxPool(ExtraFPNBlock):
    """One level more, every second pixel of the last; called ``pool``."""

    def forward(self, x: list[Tensor], y: list[Tensor], names: list[str]) -> tuple[list[Tensor], list[str]]:
        return [*x, F.max_pool2d(x[-1], kernel_size=1, stride=2, padding=0)], [*names, "pool"]


class LastLevelP6P7(ExtraFPNBlock):
    """Two levels more by convolutions, called ``p6`` and ``p7`` (arXiv:1708.02002)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.p6 = nn.Conv2d(in_channels, out_channels, 3, 2, 1)
        self.p7 = nn.Conv2d(out_channels, out_channels, 3, 2, 1)
        for module in (self.p6, self.p7):
            nn.init.kaiming_uniform_(module.weight, a=1)
            nn.init.zeros_(module.bias)
        self.use_P5 = in_channels == out_channels

    def forward(self, p: list[Tensor], c: list[Tensor], names: list[str]) -> tuple[list[Tensor], list[str]]:
        p6 = self.p6(p[-1] if self.use_P5 else c[-1])
        return [*p, p6, self.p7(F.relu(p6))], [*names, "p6", "p7"]


class FeaturePyramidNetwork(nn.Module):
    """Features of several sizes, each made the sum of its own and the next smaller ones, all with `out_channels`.

    Args:
        in_channels_list: of the features, the largest first.
        extra_blocks: adds further levels.

    Called with an ordered dict from names to (N, C_i, H_i, W_i), it answers with one from names to
    (N, out_channels, H_i, W_i).
    """

    _version = 2

    def __init__(
        self,
        in_channels_list: list[int],
        out_channels: int,
        extra_blocks: ExtraFPNBlock | None = None,
        norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.inner_blocks = nn.ModuleList()
        self.layer_blocks = nn.ModuleList()
        how = {"norm_layer": norm_layer, "activation_layer": None}
        for inputs in in_channels_list:
            if inputs == 0:
                raise ValueError("in_channels=0 is currently not supported")
            inner = Conv2dNormActivation(inputs, out_channels, kernel_size=1, padding=0, **how)  # type: ignore[arg-type]
            self.inner_blocks.append(inner)
            self.layer_blocks.append(Conv2dNormActivation(out_channels, out_channels, kernel_size=3, **how))  # type: ignore[arg-type]
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight, a=1)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        if extra_blocks is not None and not isinstance(extra_blocks, ExtraFPNBlock):
            raise TypeError(f"extra_blocks should be of type ExtraFPNBlock not {type(extra_blocks)}")
        self.extra_blocks = extra_blocks

    def forward(self, x: dict[str, Tensor]) -> dict[str, Tensor]:
        names, features = list(x), list(x.values())
        results: list[Tensor] = []
        last: Tensor | None = None
        for i in reversed(range(len(features))):
            inner = self.inner_blocks[i](features[i])
            if last is not None:
                inner = inner + F.interpolate(last, size=inner.shape[-2:], mode="nearest")
            last = inner
            results.insert(0, self.layer_blocks[i](inner))
        if self.extra_blocks is not None:
            results, names = self.extra_blocks(results, features, names)
        return OrderedDict(zip(names, results, strict=True))


class MultiScaleRoIAlign(nn.Module):
    """`roi_align` from the level of a pyramid that fits the size of each box (equation 1 of arXiv:1612.03144).

    Args:
        featmap_names: which levels to use.
        canonical_scale, canonical_level: a box of this size is read from this level.

    Called with a dict of levels, a list of boxes (L, 4) for each image and the sizes of the images, it answers with
    (K, C, output height, output width).
    """

    def __init__(
        self,
        featmap_names: list[str],
        output_size: int | tuple[int, int] | list[int],
        sampling_ratio: int,
        *,
        canonical_scale: int = 224,
        canonical_level: int = 4,
    ) -> None:
        super().__init__()
        self.featmap_names = featmap_names
        self.sampling_ratio = sampling_ratio
        height, width = (output_size, output_size) if isinstance(output_size, int) else output_size
        self.output_size = (height, width)
        self.canonical_scale = canonical_scale
        self.canonical_level = canonical_level
        self.scales: list[float] | None = None

    def forward(self, x: dict[str, Tensor], boxes: list[Tensor], image_shapes: list[tuple[int, int]]) -> Tensor:
        levels = [features for name, features in x.items() if name in self.featmap_names]
        whole = [max(shape[i] for shape in image_shapes) for i in (0, 1)]
        self.scales = [2.0 ** round(math.log2(level.shape[-2] / whole[0])) for level in levels]
        rois = lampas.cat([lampas.cat([lampas.full_like(b[:, :1], i), b], dim=1) for i, b in enumerate(boxes)], dim=0)
        if len(levels) == 1:
            return roi_align(levels[0], rois, self.output_size, self.scales[0], self.sampling_ratio)
        areas = (rois[:, 3] - rois[:, 1]) * (rois[:, 4] - rois[:, 2])
        wanted = lampas.floor(self.canonical_level + lampas.log2(areas.sqrt() / self.canonical_scale) + 1e-6)
        first, last = -math.log2(self.scales[0]), -math.log2(self.scales[-1])
        chosen = (wanted.clamp(first, last) - first).long()
        out = levels[0].new_zeros((len(rois), levels[0].shape[1], *self.output_size))
        for i, (level, scale) in enumerate(zip(levels, self.scales, strict=True)):
            at = lampas.where(chosen == i)[0]
            part = roi_align(level, rois[at], self.output_size, scale, self.sampling_ratio)
            out = out.index_copy(0, at, part.to(out.dtype))
        return out

    def __repr__(self) -> str:
        return (
            f"{self.__class__.__name__}(featmap_names={self.featmap_names}, output_size={self.output_size}, "
            f"sampling_ratio={self.sampling_ratio})"
        )
