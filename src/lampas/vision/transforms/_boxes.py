"""Transforms that take a part of an image or change its size: crops, resizing, padding, erasing."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import lampas
from lampas import Tensor, nn

from . import _geometry
from . import functional as F
from ._basic import described
from ._color import uniform
from ._geometry import InterpolationMode, interpolation_mode

__all__ = [
    "CenterCrop",
    "FiveCrop",
    "Pad",
    "RandomCrop",
    "RandomErasing",
    "RandomResizedCrop",
    "Resize",
    "TenCrop",
    "draw_integer",
]

_Fill = float | Sequence[float] | None


def _size(size: Any) -> tuple[int, int]:
    """(height, width) of one number, a sequence of one, or of two."""
    if isinstance(size, (int, float)):
        return int(size), int(size)
    if isinstance(size, Sequence) and len(size) == 1:
        return size[0], size[0]
    if len(size) != 2:
        raise ValueError(f"size should be one number or two, (height, width), got {len(size)}: {size}")
    return size


def draw_integer(low: int, high: int) -> int:
    return lampas.randint(low, high, size=(1,)).item()


def _log_range(ratio: Sequence[float]) -> list[float]:
    return lampas.log(lampas.tensor(ratio)).tolist()


def _draw_box(area: float, scale: Sequence[float], log_ratio: Sequence[float]) -> tuple[float, float]:
    """A part of the area, and the proportions of a box of it, whose logarithm is uniform."""
    part = area * uniform(scale[0], scale[1])
    return part, lampas.exp(lampas.empty(1).uniform_(log_ratio[0], log_ratio[1])).item()


def _check_ranges(scale: Any, ratio: Any) -> None:
    for name, value in (("scale", scale), ("ratio", ratio)):
        if not isinstance(value, Sequence):
            raise TypeError(f"{name} should be a sequence, (min, max), got {value!r}")
    if scale[0] > scale[1] or ratio[0] > ratio[1]:
        warnings.warn(f"scale and ratio should be (min, max), got {scale} and {ratio}")


class Resize(nn.Module):
    """The image in another size: `functional.resize`."""

    def __init__(
        self,
        size: int | Sequence[int],
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        if not isinstance(size, (int, Sequence)):
            raise TypeError(f"size should be an int or a sequence of ints, got {size!r} of type {type(size)}")
        if isinstance(size, Sequence) and len(size) not in (1, 2):
            raise ValueError(f"size as a sequence should have 1 or 2 values, (height, width), got {size!r}")
        self.size = size
        self.max_size = max_size
        self.interpolation = interpolation_mode(interpolation)
        self.antialias = antialias

    def forward(self, img: Any) -> Any:
        return F.resize(img, self.size, self.interpolation, self.max_size, self.antialias)

    def __repr__(self) -> str:
        return described(
            self,
            size=self.size,
            interpolation=self.interpolation.value,
            max_size=self.max_size,
            antialias=self.antialias,
        )


class CenterCrop(nn.Module):
    """The middle of the image: `functional.center_crop`."""

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = _size(size)

    def forward(self, img: Any) -> Any:
        return F.center_crop(img, self.size)

    def __repr__(self) -> str:
        return described(self, size=self.size)


class Pad(nn.Module):
    """Something around the image: `functional.pad`."""

    def __init__(self, padding: int | Sequence[int], fill: _Fill = 0, padding_mode: str = "constant") -> None:
        super().__init__()
        if not isinstance(padding, (int, float, tuple, list)):
            raise TypeError(f"padding should be an int, or a tuple or list of them, got {padding!r}")
        if not isinstance(fill, (int, float, tuple, list)):
            raise TypeError(f"fill should be a number, or a tuple or list of them, got {fill!r}")
        if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
            raise ValueError(f"padding_mode should be constant, edge, reflect or symmetric, got {padding_mode!r}")
        if isinstance(padding, (tuple, list)):
            _geometry.pad_sides(padding)
        self.padding = padding
        self.fill = fill
        self.padding_mode = padding_mode

    def forward(self, img: Any) -> Any:
        return F.pad(img, self.padding, self.fill, self.padding_mode)

    def __repr__(self) -> str:
        return described(self, padding=self.padding, fill=self.fill, padding_mode=self.padding_mode)


class RandomCrop(nn.Module):
    """A part of the image, anywhere.

    Args:
        size: (height, width), or one number for both.
        padding: put around the image first, as in `Pad`.
        pad_if_needed: then also as much as an image smaller than the crop needs.
        fill, padding_mode: as in `Pad`.

    Raises:
        ValueError: an image smaller than the crop.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: _Fill = 0,
        padding_mode: str = "constant",
    ) -> None:
        super().__init__()
        self.size = tuple(_size(size))
        self.padding = padding
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = padding_mode

    @staticmethod
    def get_params(img: Any, output_size: Sequence[int]) -> tuple[int, int, int, int]:
        """Top, left, height and width of a crop."""
        _, height, width = F.get_dimensions(img)
        h, w = output_size
        if height < h or width < w:
            raise ValueError(
                f"the crop's size {(h, w)} is larger than the image, {(height, width)}: pass pad_if_needed=True, or "
                "resize first"
            )
        if width == w and height == h:
            return 0, 0, height, width
        return draw_integer(0, height - h + 1), draw_integer(0, width - w + 1), h, w

    def forward(self, img: Any) -> Any:
        if self.padding is not None:
            img = F.pad(img, self.padding, self.fill, self.padding_mode)
        if self.pad_if_needed:
            _, height, width = F.get_dimensions(img)
            if width < self.size[1]:
                img = F.pad(img, [self.size[1] - width, 0], self.fill, self.padding_mode)
            if height < self.size[0]:
                img = F.pad(img, [0, self.size[0] - height], self.fill, self.padding_mode)
        return F.crop(img, *self.get_params(img, self.size))

    def __repr__(self) -> str:
        return described(self, size=self.size, padding=self.padding)


class RandomResizedCrop(nn.Module):
    """A part of the image of random area and proportions, in a given size: the usual training of Inception networks.

    Args:
        size: (height, width) of the result, or one number for both.
        scale: bounds for the part of the area.
        ratio: bounds for width / height before resizing.
        interpolation, antialias: as in `Resize`.

    >>> RandomResizedCrop(4)(lampas.rand(3, 20, 20)).shape
    torch.Size([3, 4, 4])
    """

    def __init__(
        self,
        size: int | Sequence[int],
        scale: tuple[float, float] = (0.08, 1.0),
        ratio: tuple[float, float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.size = _size(size)
        _check_ranges(scale, ratio)
        self.interpolation = interpolation_mode(interpolation)
        self.antialias = antialias
        self.scale = scale
        self.ratio = ratio

    @staticmethod
    def get_params(img: Any, scale: Sequence[float], ratio: Sequence[float]) -> tuple[int, int, int, int]:
        """Top, left, height and width of a crop; after ten that do not fit, of the largest in the middle."""
        _, height, width = F.get_dimensions(img)
        log_ratio = _log_range(ratio)
        for _ in range(10):
            area, aspect = _draw_box(height * width, scale, log_ratio)
            w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < w <= width and 0 < h <= height:
                return draw_integer(0, height - h + 1), draw_integer(0, width - w + 1), h, w
        w, h = width, height
        if width / height < min(ratio):
            h = round(w / min(ratio))
        elif width / height > max(ratio):
            w = round(h * max(ratio))
        return (height - h) // 2, (width - w) // 2, h, w

    def forward(self, img: Any) -> Any:
        top, left, height, width = self.get_params(img, self.scale, self.ratio)
        return F.resized_crop(img, top, left, height, width, self.size, self.interpolation, self.antialias)

    def __repr__(self) -> str:
        return described(
            self,
            size=self.size,
            scale=tuple(round(s, 4) for s in self.scale),
            ratio=tuple(round(r, 4) for r in self.ratio),
            interpolation=self.interpolation.value,
            antialias=self.antialias,
        )


class FiveCrop(nn.Module):
    """The four corners and the middle, as a tuple: `functional.five_crop`."""

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = _size(size)

    def forward(self, img: Any) -> tuple[Any, ...]:
        return F.five_crop(img, self.size)

    def __repr__(self) -> str:
        return described(self, size=self.size)


class TenCrop(nn.Module):
    """The four corners and the middle of the image, and of the image flipped: `functional.ten_crop`."""

    def __init__(self, size: int | Sequence[int], vertical_flip: bool = False) -> None:
        super().__init__()
        self.size = _size(size)
        self.vertical_flip = vertical_flip

    def forward(self, img: Any) -> tuple[Any, ...]:
        return F.ten_crop(img, self.size, self.vertical_flip)

    def __repr__(self) -> str:
        return described(self, size=self.size, vertical_flip=self.vertical_flip)


class RandomErasing(nn.Module):
    """A box of a tensor overwritten with probability `p` (Zhong et al., https://arxiv.org/abs/1708.04896).

    Args:
        p: the probability.
        scale: bounds for the box's part of the area.
        ratio: bounds for its height / width.
        value: a number, one for each channel, or "random" for normal noise.
        inplace: change the tensor itself.

    Raises:
        TypeError, ValueError: other types or lengths, out of bounds.
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: tuple[float, float] = (0.02, 0.33),
        ratio: tuple[float, float] = (0.3, 3.3),
        value: float | Sequence[float] | str = 0,
        inplace: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(value, (int, float, str, tuple, list)):
            raise TypeError(f"value should be a number, a sequence of numbers or 'random', got {value!r}")
        if isinstance(value, str) and value != "random":
            raise ValueError(f"value should be a number, a sequence of numbers or 'random', got {value!r}")
        _check_ranges(scale, ratio)
        if scale[0] < 0 or scale[1] > 1:
            raise ValueError(f"scale should be parts of the area, between 0 and 1, got {scale}")
        if p < 0 or p > 1:
            raise ValueError(f"p should be a probability, between 0 and 1, got {p}")
        self.p = p
        self.scale = scale
        self.ratio = ratio
        self.value = value
        self.inplace = inplace

    @staticmethod
    def get_params(
        img: Tensor, scale: Sequence[float], ratio: Sequence[float], value: Sequence[float] | None = None
    ) -> tuple[int, int, int, int, Tensor]:
        """Top, left, height, width and values; all of the image, unchanged, after ten boxes that do not fit."""
        channels, height, width = img.shape[-3:]
        log_ratio = _log_range(ratio)
        for _ in range(10):
            area, aspect = _draw_box(height * width, scale, log_ratio)
            h, w = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if h < height and w < width:
                if value is None:
                    values = lampas.empty([channels, h, w], dtype=lampas.float32).normal_()
                else:
                    values = lampas.tensor(value)[:, None, None]
                return draw_integer(0, height - h + 1), draw_integer(0, width - w + 1), h, w, values
        return 0, 0, height, width, img

    def forward(self, img: Tensor) -> Tensor:
        if lampas.rand(1).item() >= self.p:
            return img
        if not isinstance(img, Tensor):
            raise TypeError(f"RandomErasing takes tensors, got {type(img)}: put it after ToTensor()")
        value: list | None
        if isinstance(self.value, (int, float)):
            value = [float(self.value)]
        elif isinstance(self.value, str):
            value = None
        else:
            value = [float(v) for v in self.value]
        if value is not None and len(value) not in (1, img.shape[-3]):
            channels = img.shape[-3]
            raise ValueError(f"value has {len(value)} numbers for the image's {channels} channels: give one or as many")
        top, left, height, width, values = self.get_params(img, self.scale, self.ratio, value)
        return F.erase(img, top, left, height, width, values, self.inplace)

    def __repr__(self) -> str:
        return described(self, p=self.p, scale=self.scale, ratio=self.ratio, value=self.value, inplace=self.inplace)
