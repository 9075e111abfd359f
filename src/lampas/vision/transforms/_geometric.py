"""Transforms that move pixels: flips, rotations and warps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lampas
from lampas import Tensor, nn

from . import functional as F
from ._basic import described
from ._boxes import draw_integer
from ._color import Sometimes, uniform
from ._geometry import InterpolationMode, interpolation_mode

__all__ = [
    "ElasticTransform",
    "RandomAffine",
    "RandomHorizontalFlip",
    "RandomPerspective",
    "RandomRotation",
    "RandomVerticalFlip",
]

_Fill = float | Sequence[float] | None


def _degrees(name: str, value: Any, lengths: tuple[int, ...] = (2,)) -> list[float]:
    """The range of an angle: ``[-x, x]`` of one number, or what is given."""
    if isinstance(value, (int, float)):
        if value < 0:
            raise ValueError(f"{name} as a single number must not be negative, got {value}")
        return [-float(value), float(value)]
    _check_length(name, value, lengths, ValueError)
    return [float(x) for x in value]


def _check_length(name: str, value: Any, lengths: tuple[int, ...], error: type[Exception] = TypeError) -> None:
    wanted = " or ".join(map(str, lengths))
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise error(f"{name} should be a sequence of length {wanted}, got {value!r}")
    if len(value) not in lengths:
        raise ValueError(f"{name} should be a sequence of length {wanted}, got {len(value)}: {value}")


def _fill(fill: Any) -> Any:
    if fill is None:
        return 0
    if not isinstance(fill, (int, float, Sequence)):
        raise TypeError(f"fill should be a number or a sequence of numbers, got {fill!r}")
    return fill


class RandomHorizontalFlip(Sometimes):
    """Left and right exchanged with probability `p`."""

    def _change(self, img: Any) -> Any:
        return F.hflip(img)


class RandomVerticalFlip(Sometimes):
    """Top and bottom exchanged with probability `p`."""

    def _change(self, img: Any) -> Any:
        return F.vflip(img)


class RandomPerspective(nn.Module):
    """The image seen from elsewhere with probability `p`: its corners move inwards.

    Args:
        distortion_scale: how far at most, as a part of half the image, from 0 to 1.
        p: the probability.
        interpolation: NEAREST or BILINEAR; for PIL images also BICUBIC.
        fill: outside of the image; one number, or one for each channel.
    """

    def __init__(
        self,
        distortion_scale: float = 0.5,
        p: float = 0.5,
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        fill: _Fill = 0,
    ) -> None:
        super().__init__()
        self.p = p
        self.interpolation = interpolation_mode(interpolation)
        self.distortion_scale = distortion_scale
        self.fill = _fill(fill)

    def forward(self, img: Any) -> Any:
        if lampas.rand(1).item() >= self.p:
            return img
        _, height, width = F.get_dimensions(img)
        startpoints, endpoints = self.get_params(width, height, self.distortion_scale)
        return F.perspective(img, startpoints, endpoints, self.interpolation, self.fill)

    @staticmethod
    def get_params(width: int, height: int, distortion_scale: float) -> tuple[list[list[int]], list[list[int]]]:
        """The corners, clockwise from the upper left, and where they go."""
        x, y = int(distortion_scale * (width // 2)) + 1, int(distortion_scale * (height // 2)) + 1
        left, right, top, bottom = (0, x), (width - x, width), (0, y), (height - y, height)
        corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
        endpoints = [[draw_integer(*across), draw_integer(*down)] for across, down in corners]
        startpoints = [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]]
        return startpoints, endpoints

    def __repr__(self) -> str:
        return described(self, p=self.p)


class RandomRotation(nn.Module):
    """The image turned by a random angle: `functional.rotate`.

    Args:
        degrees: from ``-x`` to ``x``, or between the two given.
        interpolation, expand, center, fill: as in `functional.rotate`.

    Raises:
        TypeError, ValueError: a negative number, another length.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: _Fill = 0,
    ) -> None:
        super().__init__()
        self.degrees = _degrees("degrees", degrees)
        if center is not None:
            _check_length("center", center, (2,))
        self.center = center
        self.interpolation = interpolation_mode(interpolation)
        self.expand = expand
        self.fill = _fill(fill)

    @staticmethod
    def get_params(degrees: Sequence[float]) -> float:
        """An angle between the two."""
        return uniform(degrees[0], degrees[1])

    def forward(self, img: Any) -> Any:
        F.get_dimensions(img)  # an object that is no image is an error before a number is drawn
        return F.rotate(img, self.get_params(self.degrees), self.interpolation, self.expand, self.center, self.fill)

    def __repr__(self) -> str:
        center = {} if self.center is None else {"center": self.center}
        return described(
            self,
            degrees=self.degrees,
            interpolation=self.interpolation.value,
            expand=self.expand,
            **center,
            fill=self.fill,
        )


class RandomAffine(nn.Module):
    """The image turned, moved, scaled and sheared at random: `functional.affine`.

    Args:
        degrees: from ``-x`` to ``x``, or between the two given; 0 for no rotation.
        translate: how far at most, as parts of width and height, from 0 to 1.
        scale: between the two.
        shear: degrees along x, from ``-x`` to ``x`` or between two; with four, also along y.
        interpolation, fill, center: as in `functional.affine`.

    Raises:
        TypeError, ValueError: other lengths, or out of bounds.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
        fill: _Fill = 0,
        center: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.degrees = _degrees("degrees", degrees)
        if translate is not None:
            _check_length("translate", translate, (2,))
            if not all(0.0 <= t <= 1.0 for t in translate):
                raise ValueError(f"translate should be parts of the size, between 0 and 1, got {translate}")
        self.translate = translate
        if scale is not None:
            _check_length("scale", scale, (2,))
            if any(s <= 0 for s in scale):
                raise ValueError(f"scale should be positive, got {scale}")
        self.scale = scale
        self.shear = None if shear is None else _degrees("shear", shear, (2, 4))
        self.interpolation = interpolation_mode(interpolation)
        self.fill = _fill(fill)
        if center is not None:
            _check_length("center", center, (2,))
        self.center = center

    @staticmethod
    def get_params(
        degrees: Sequence[float],
        translate: Sequence[float] | None,
        scale_ranges: Sequence[float] | None,
        shears: Sequence[float] | None,
        img_size: Sequence[int],
    ) -> tuple[float, tuple[int, int], float, tuple[float, float]]:
        """Angle, (x, y) of the translation, scale and (x, y) of the shear; `img_size` is (width, height)."""
        angle = uniform(degrees[0], degrees[1])
        moved = (0, 0)
        if translate is not None:
            far_x, far_y = float(translate[0] * img_size[0]), float(translate[1] * img_size[1])
            moved = (round(uniform(-far_x, far_x)), round(uniform(-far_y, far_y)))
        scale = 1.0 if scale_ranges is None else uniform(scale_ranges[0], scale_ranges[1])
        shear_x = shear_y = 0.0
        if shears is not None:
            shear_x = uniform(shears[0], shears[1])
            if len(shears) == 4:
                shear_y = uniform(shears[2], shears[3])
        return angle, moved, scale, (shear_x, shear_y)

    def forward(self, img: Any) -> Any:
        _, height, width = F.get_dimensions(img)
        params = self.get_params(self.degrees, self.translate, self.scale, self.shear, [width, height])
        return F.affine(img, *params, interpolation=self.interpolation, fill=self.fill, center=self.center)

    def __repr__(self) -> str:
        shown: dict[str, Any] = {"degrees": self.degrees}
        for name in ("translate", "scale", "shear"):
            if getattr(self, name) is not None:
                shown[name] = getattr(self, name)
        if self.interpolation is not InterpolationMode.NEAREST:
            shown["interpolation"] = self.interpolation.value
        if self.fill != 0:
            shown["fill"] = self.fill
        if self.center is not None:
            shown["center"] = self.center
        return described(self, **shown)


class ElasticTransform(nn.Module):
    """Each pixel taken from somewhere near, as if seen through water: `functional.elastic_transform`.

    Args:
        alpha: how far; one number, or (x, y).
        sigma: how smoothly; one number, or (x, y).
        interpolation: NEAREST or BILINEAR.
        fill: outside of the image; one number, or one for each channel.

    Raises:
        TypeError, ValueError: other types or lengths.
    """

    def __init__(
        self,
        alpha: float | Sequence[float] = 50.0,
        sigma: float | Sequence[float] = 5.0,
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        fill: float | Sequence[float] = 0,
    ) -> None:
        super().__init__()
        self.alpha = self._two("alpha", alpha)
        self.sigma = self._two("sigma", sigma)
        self.interpolation = interpolation_mode(interpolation)
        if not isinstance(fill, (int, float, list, tuple)):
            raise TypeError(f"fill should be a number, or a list or tuple of them, got {fill!r}")
        self.fill = [float(fill)] if isinstance(fill, (int, float)) else [float(f) for f in fill]

    @staticmethod
    def _two(name: str, value: Any) -> list[float]:
        if isinstance(value, (int, float)):
            return [float(value), float(value)]
        if not isinstance(value, Sequence):
            raise TypeError(f"{name} should be a number or two, (x, y), got {value!r}")
        if len(value) != 2:
            raise ValueError(f"{name} as a sequence should have two elements, (x, y), got {len(value)}: {value!r}")
        for element in value:
            if not isinstance(element, (int, float)):
                raise TypeError(f"{name} should be a number or two, (x, y), got {value!r}")
        return [float(element) for element in value]

    @staticmethod
    def get_params(alpha: Sequence[float], sigma: Sequence[float], size: Sequence[int]) -> Tensor:
        """Smoothed noise: a displacement (1, H, W, 2) for an image of `size` (H, W)."""
        parts = []
        for k in (0, 1):
            noise = lampas.rand([1, 1, *size]) * 2 - 1
            if sigma[k] > 0.0:
                width = int(8 * sigma[k] + 1) | 1
                noise = F.gaussian_blur(noise, [width, width], list(sigma))
            parts.append(noise * alpha[k] / size[1 - k])  # x by the width, y by the height
        return lampas.cat(parts, dim=1).permute(0, 2, 3, 1)

    def forward(self, tensor: Any) -> Any:
        _, height, width = F.get_dimensions(tensor)
        displacement = self.get_params(self.alpha, self.sigma, [height, width])
        return F.elastic_transform(tensor, displacement, self.interpolation, self.fill)

    def __repr__(self) -> str:
        return described(self, alpha=self.alpha, sigma=self.sigma, interpolation=self.interpolation, fill=self.fill)
