"""Transforms of values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lampas
from lampas.vision.transforms.v2 import functional as F
from lampas.vision.transforms.v2._query import query_chw
from lampas.vision.transforms.v2._transform import RandomApplied, Transform, uniform

_Range = float | Sequence[float] | None


class Grayscale(Transform):
    """Grey images, with one channel or three equal ones (``num_output_channels``)."""

    def __init__(self, num_output_channels: int = 1) -> None:
        super().__init__()
        self.num_output_channels = num_output_channels

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(F.rgb_to_grayscale, inpt, num_output_channels=self.num_output_channels)


class RandomGrayscale(RandomApplied):
    """With probability p, grey images that have as many channels as before."""

    def __init__(self, p: float = 0.1) -> None:
        super().__init__(p=p)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"num_input_channels": query_chw(flat_inputs)[0]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(F.rgb_to_grayscale, inpt, num_output_channels=params["num_input_channels"])


class RGB(Transform):
    """Grey images with three equal channels; colour images stay as they are."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(F.grayscale_to_rgb, inpt)


_ADJUSTMENTS = {
    "brightness_factor": F.adjust_brightness,
    "contrast_factor": F.adjust_contrast,
    "saturation_factor": F.adjust_saturation,
    "hue_factor": F.adjust_hue,
}


def _adjusted(self: Transform, inpt: Any, params: dict[str, Any], name: str) -> Any:
    if params[name] is None:
        return inpt
    return self._call_kernel(_ADJUSTMENTS[name], inpt, **{name: params[name]})


class ColorJitter(Transform):
    """Brightness, contrast, saturation and hue changed at random, in random order.

    Args:
        brightness, contrast, saturation: the factor is from max(0, 1 - x) to 1 + x, or within the pair given.
        hue: the turn is from -x to x, or within the pair given; at most half a circle, 0.5.

    Raises:
        TypeError: neither a number nor a pair. ValueError: out of range.

    >>> ColorJitter(brightness=0.5, hue=0.3)
    ColorJitter(brightness=(0.5, 1.5), hue=(-0.3, 0.3))
    """

    def __init__(
        self, brightness: _Range = None, contrast: _Range = None, saturation: _Range = None, hue: _Range = None
    ) -> None:
        super().__init__()
        self.brightness = self._check_input(brightness, "brightness")
        self.contrast = self._check_input(contrast, "contrast")
        self.saturation = self._check_input(saturation, "saturation")
        self.hue = self._check_input(hue, "hue", 0, (-0.5, 0.5))

    @staticmethod
    def _check_input(
        value: Any, name: str, center: float = 1.0, bound: tuple[float, float] = (0, float("inf"))
    ) -> tuple[float, float] | None:
        if value is None:
            return None
        if isinstance(value, (int, float)):
            if value < 0:
                raise ValueError(f"If {name} is a single number, it must be non negative, got {value}.")
            low, high = float(center - value), float(center + value)
            low = max(low, 0.0) if center else low
        elif isinstance(value, Sequence) and len(value) == 2:
            low, high = float(value[0]), float(value[1])
        else:
            raise TypeError(f"{name}={value} should be a single number or a sequence with length 2.")
        if not bound[0] <= low <= high <= bound[1]:
            raise ValueError(f"{name} values should be between {bound} and increasing, but got {[low, high]}.")
        return None if low == high == center else (low, high)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        params: dict[str, Any] = {"fn_idx": lampas.randperm(4)}
        ranges = (self.brightness, self.contrast, self.saturation, self.hue)
        for name, span in zip(_ADJUSTMENTS, ranges, strict=True):
            params[name] = None if span is None else uniform(*span)
        return params

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        names = list(_ADJUSTMENTS)
        for i in params["fn_idx"].tolist():
            inpt = _adjusted(self, inpt, params, names[i])
        return inpt


class RandomChannelPermutation(Transform):
    """Channels in a random order."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"permutation": lampas.randperm(query_chw(flat_inputs)[0])}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(F.permute_channels, inpt, params["permutation"])


class RandomPhotometricDistort(Transform):
    """The distortions that SSD detectors are trained with: each happens with probability p.

    Args:
        brightness, contrast, saturation: ranges of the factors. hue: range of the turn, within (-0.5, 0.5).
        p: of each of them, and of channels in a random order.

    Source: Liu et al., SSD: Single Shot MultiBox Detector, 2016.
    """

    def __init__(
        self,
        brightness: tuple[float, float] = (0.875, 1.125),
        contrast: tuple[float, float] = (0.5, 1.5),
        saturation: tuple[float, float] = (0.5, 1.5),
        hue: tuple[float, float] = (-0.05, 0.05),
        p: float = 0.5,
    ) -> None:
        super().__init__()
        self.brightness = brightness
        self.contrast = contrast
        self.hue = hue
        self.saturation = saturation
        self.p = p

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        channels = query_chw(flat_inputs)[0]
        params: dict[str, Any] = {}
        ranges = (self.brightness, self.contrast, self.saturation, self.hue)
        for name, span in zip(_ADJUSTMENTS, ranges, strict=True):
            params[name] = uniform(span[0], span[1]) if lampas.rand(1) < self.p else None
        params["contrast_before"] = bool(lampas.rand(()) < 0.5)
        params["channel_permutation"] = lampas.randperm(channels) if lampas.rand(1) < self.p else None
        return params

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        order = ["brightness_factor", "saturation_factor", "hue_factor"]
        order.insert(1 if params["contrast_before"] else 3, "contrast_factor")
        for name in order:
            inpt = _adjusted(self, inpt, params, name)
        if params["channel_permutation"] is not None:
            inpt = self._call_kernel(F.permute_channels, inpt, permutation=params["channel_permutation"])
        return inpt


class _RandomValues(RandomApplied):
    """With probability p, a functional of images, which subclasses name."""

    _functional: Any = None

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(type(self)._functional, inpt, **self._arguments())

    def _arguments(self) -> dict[str, Any]:
        return {}


class RandomEqualize(_RandomValues):
    """With probability p, all values about equally frequent."""

    _functional = staticmethod(F.equalize)


class RandomInvert(_RandomValues):
    """With probability p, the negative."""

    _functional = staticmethod(F.invert)


class RandomAutocontrast(_RandomValues):
    """With probability p, each channel stretched from black to white."""

    _functional = staticmethod(F.autocontrast)


class RandomPosterize(_RandomValues):
    """With probability p, only this many of the highest bits of each value."""

    _functional = staticmethod(F.posterize)

    def __init__(self, bits: int, p: float = 0.5) -> None:
        super().__init__(p=p)
        self.bits = bits

    def _arguments(self) -> dict[str, Any]:
        return {"bits": self.bits}


class RandomSolarize(_RandomValues):
    """With probability p, values from the threshold on inverted."""

    _functional = staticmethod(F.solarize)

    def __init__(self, threshold: float, p: float = 0.5) -> None:
        super().__init__(p=p)
        self.threshold = threshold

    def _arguments(self) -> dict[str, Any]:
        return {"threshold": self.threshold}


class RandomAdjustSharpness(_RandomValues):
    """With probability p, sharper (a factor above 1) or smoother."""

    _functional = staticmethod(F.adjust_sharpness)

    def __init__(self, sharpness_factor: float, p: float = 0.5) -> None:
        super().__init__(p=p)
        self.sharpness_factor = sharpness_factor

    def _arguments(self) -> dict[str, Any]:
        return {"sharpness_factor": self.sharpness_factor}
