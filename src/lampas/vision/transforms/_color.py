"""Transforms of values: brightness and its kin, grey, and the operations of automatic augmentation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lampas
from lampas import Tensor, nn

from . import functional as F
from ._basic import described

__all__ = [
    "ColorJitter",
    "GaussianBlur",
    "Grayscale",
    "RandomAdjustSharpness",
    "RandomAutocontrast",
    "RandomEqualize",
    "RandomGrayscale",
    "RandomInvert",
    "RandomPosterize",
    "RandomSolarize",
    "Sometimes",
    "uniform",
]


def uniform(low: float, high: float) -> float:
    """A number between the two, from lampas's generator."""
    return lampas.empty(1).uniform_(low, high).item()


class Sometimes(nn.Module):
    """With probability `p` what `_change` makes of the image, else the image."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def _change(self, img: Any) -> Any:
        raise TypeError(f"{type(self).__name__} does not say what it changes")

    def forward(self, img: Any) -> Any:
        return self._change(img) if lampas.rand(1).item() < self.p else img

    def __repr__(self) -> str:
        return described(self, p=self.p)


class ColorJitter(nn.Module):
    """Brightness, contrast, saturation and hue changed by random factors, in random order.

    Args:
        brightness, contrast, saturation: a factor between ``max(0, 1 - x)`` and ``1 + x``, or between the two given.
        hue: a turn between ``-x`` and ``x``, at most 0.5, or between the two given.

    Raises:
        TypeError: neither a number nor two. ValueError: negative ones, or out of bounds.

    >>> ColorJitter(brightness=0.5)
    ColorJitter(brightness=(0.5, 1.5), contrast=None, saturation=None, hue=None)
    """

    def __init__(
        self,
        brightness: float | tuple[float, float] = 0,
        contrast: float | tuple[float, float] = 0,
        saturation: float | tuple[float, float] = 0,
        hue: float | tuple[float, float] = 0,
    ) -> None:
        super().__init__()
        self.brightness = self._range("brightness", brightness)
        self.contrast = self._range("contrast", contrast)
        self.saturation = self._range("saturation", saturation)
        self.hue = self._range("hue", hue, center=0.0, bound=(-0.5, 0.5))

    @staticmethod
    def _range(
        name: str, value: Any, center: float = 1.0, bound: tuple[float, float] = (0.0, float("inf"))
    ) -> tuple[float, float] | None:
        if isinstance(value, (int, float)):
            if value < 0:
                raise ValueError(f"{name} as a single number must not be negative, got {value}")
            low, high = center - float(value), center + float(value)
            if center:
                low = max(low, 0.0)
        elif isinstance(value, (tuple, list)) and len(value) == 2:
            low, high = float(value[0]), float(value[1])
        else:
            raise TypeError(f"{name} should be a number or a tuple of two, (low, high), got {value!r}")
        if not bound[0] <= low <= high <= bound[1]:
            raise ValueError(f"{name} should be (low, high) within {bound}, got {(low, high)}")
        return None if low == high == center else (low, high)

    @staticmethod
    def get_params(
        brightness: Sequence[float] | None,
        contrast: Sequence[float] | None,
        saturation: Sequence[float] | None,
        hue: Sequence[float] | None,
    ) -> tuple[Tensor, float | None, float | None, float | None, float | None]:
        """The order of the four, and a factor for each, or None."""
        order = lampas.randperm(4)
        b, c, s, h = (None if r is None else uniform(r[0], r[1]) for r in (brightness, contrast, saturation, hue))
        return order, b, c, s, h

    def forward(self, img: Any) -> Any:
        order, *factors = self.get_params(self.brightness, self.contrast, self.saturation, self.hue)
        adjust = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)
        for k in order.tolist():
            if factors[k] is not None:
                img = adjust[k](img, factors[k])
        return img

    def __repr__(self) -> str:
        return described(
            self, brightness=self.brightness, contrast=self.contrast, saturation=self.saturation, hue=self.hue
        )


class Grayscale(nn.Module):
    """The image in grey, with 1 or 3 channels: `functional.rgb_to_grayscale`."""

    def __init__(self, num_output_channels: int = 1) -> None:
        super().__init__()
        self.num_output_channels = num_output_channels

    def forward(self, img: Any) -> Any:
        return F.rgb_to_grayscale(img, num_output_channels=self.num_output_channels)

    def __repr__(self) -> str:
        return described(self, num_output_channels=self.num_output_channels)


class RandomGrayscale(Sometimes):
    """The image in grey with probability `p`, with as many channels as before."""

    def __init__(self, p: float = 0.1) -> None:
        super().__init__(p)

    def _change(self, img: Any) -> Any:
        return F.rgb_to_grayscale(img, num_output_channels=F.get_image_num_channels(img))


class GaussianBlur(nn.Module):
    """The image smoothed with a Gaussian bell of random width: `functional.gaussian_blur`.

    Args:
        kernel_size: odd; one number, or (x, y).
        sigma: between the two, or fixed.

    Raises:
        ValueError: an even size, a sigma not above 0, other lengths.
    """

    def __init__(self, kernel_size: int | Sequence[int], sigma: float | tuple[float, float] = (0.1, 2.0)) -> None:
        super().__init__()
        sizes = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
        if not isinstance(sizes, Sequence) or len(sizes) != 2:
            raise ValueError(f"kernel_size should be an int or two, (x, y), got {kernel_size!r}")
        if any(size <= 0 or size % 2 == 0 for size in sizes):
            raise ValueError(f"kernel_size should be odd and positive, got {kernel_size}")
        if isinstance(sigma, (int, float)):
            sigmas = (sigma, sigma)
        elif isinstance(sigma, Sequence) and not isinstance(sigma, str) and len(sigma) == 2:
            sigmas = sigma
        else:
            raise ValueError(f"sigma should be a number or two, (low, high), got {sigma!r}")
        if not 0.0 < sigmas[0] <= sigmas[1]:
            raise ValueError(f"sigma should be positive, and (low, high) in this order, got {sigma}")
        self.kernel_size = sizes
        self.sigma = sigmas

    @staticmethod
    def get_params(sigma_min: float, sigma_max: float) -> float:
        """A width between the two."""
        return uniform(sigma_min, sigma_max)

    def forward(self, img: Any) -> Any:
        sigma = self.get_params(self.sigma[0], self.sigma[1])
        return F.gaussian_blur(img, self.kernel_size, [sigma, sigma])

    def __repr__(self) -> str:
        return described(self, kernel_size=self.kernel_size, sigma=self.sigma)


class RandomInvert(Sometimes):
    """Black for white with probability `p`."""

    def _change(self, img: Any) -> Any:
        return F.invert(img)


class RandomPosterize(Sometimes):
    """All but the highest `bits` of each byte's bits cleared with probability `p`."""

    def __init__(self, bits: int, p: float = 0.5) -> None:
        super().__init__(p)
        self.bits = bits

    def _change(self, img: Any) -> Any:
        return F.posterize(img, self.bits)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(bits={self.bits},p={self.p})"


class RandomSolarize(Sometimes):
    """Values of `threshold` or more inverted with probability `p`."""

    def __init__(self, threshold: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.threshold = threshold

    def _change(self, img: Any) -> Any:
        return F.solarize(img, self.threshold)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(threshold={self.threshold},p={self.p})"


class RandomAdjustSharpness(Sometimes):
    """Sharper (above 1) or smoother (below) with probability `p`."""

    def __init__(self, sharpness_factor: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.sharpness_factor = sharpness_factor

    def _change(self, img: Any) -> Any:
        return F.adjust_sharpness(img, self.sharpness_factor)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(sharpness_factor={self.sharpness_factor},p={self.p})"


class RandomAutocontrast(Sometimes):
    """Each channel stretched from black to white with probability `p`."""

    def _change(self, img: Any) -> Any:
        return F.autocontrast(img)


class RandomEqualize(Sometimes):
    """Each channel's values made equally frequent with probability `p`."""

    def _change(self, img: Any) -> Any:
        return F.equalize(img)
