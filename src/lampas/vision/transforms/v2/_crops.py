"""Transforms that keep a part of the image."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import lampas
from lampas import Tensor
from lampas.vision import tv_tensors
from lampas.vision.transforms._geometry import InterpolationMode
from lampas.vision.transforms.v2 import _arguments as arguments
from lampas.vision.transforms.v2 import functional as F
from lampas.vision.transforms.v2._query import get_bounding_boxes, has_all, has_any, query_size
from lampas.vision.transforms.v2._transform import Transform, integer, uniform
from lampas.vision.transforms.v2.functional._dispatch import is_image
from lampas.vision.transforms.v2.functional._geometry import pad_sides

_Mode = InterpolationMode | str | int
_COORDINATES = (tv_tensors.BoundingBoxes, tv_tensors.KeyPoints, tv_tensors.Mask)


def warn_of_passing(transform: Transform, inpt: Any) -> None:
    """Some transforms leave boxes, points and masks as they are, although that makes no sense."""
    if isinstance(inpt, _COORDINATES):
        warnings.warn(
            f"{type(transform).__name__}() is currently passing through inputs of type "
            f"tv_tensors.{type(inpt).__name__}. This will likely change in the future.",
            stacklevel=3,
        )


class CenterCrop(Transform):
    """The middle, of this height and width, with a black border where the image is smaller."""

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = arguments.size_pair(size)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(F.center_crop, inpt, output_size=self.size)


class _SeveralCrops(Transform):
    def _call_kernel(self, functional: Any, inpt: Any, *args: Any, **kwargs: Any) -> Any:
        warn_of_passing(self, inpt)
        return super()._call_kernel(functional, inpt, *args, **kwargs)

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        if has_any(flat_inputs, tv_tensors.BoundingBoxes, tv_tensors.Mask):
            raise TypeError(f"BoundingBoxes'es and Mask's are not supported by {type(self).__name__}()")


class FiveCrop(_SeveralCrops):
    """A tuple of five crops of this height and width: the corners (top left, top right, below alike), the middle."""

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = arguments.size_pair(size)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(F.five_crop, inpt, self.size)


class TenCrop(_SeveralCrops):
    """A tuple of ten: `FiveCrop` of the image, and of it flipped (upside down with ``vertical_flip``)."""

    def __init__(self, size: int | Sequence[int], vertical_flip: bool = False) -> None:
        super().__init__()
        self.size = arguments.size_pair(size)
        self.vertical_flip = vertical_flip

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(F.ten_crop, inpt, self.size, vertical_flip=self.vertical_flip)


class RandomCrop(Transform):
    """A part of this height and width, from a random place.

    Args:
        size: height and width, or one number for both.
        padding: a border added first, as for `Pad`.
        pad_if_needed: add what lacks to images that are smaller.
        fill, padding_mode: of the border, as for `Pad`.

    Raises:
        ValueError: when called: the image is smaller than the crop.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: Any = 0,
        padding_mode: str = "constant",
    ) -> None:
        super().__init__()
        self.size = arguments.size_pair(size)
        if pad_if_needed or padding is not None:
            if padding is not None:
                arguments.check_padding(padding)
            arguments.check_padding_mode(padding_mode)
        self.padding = None
        if padding:
            left, top, right, bottom = pad_sides(padding)
            self.padding = [left, right, top, bottom]
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self._fill = arguments.fills(fill)
        self.padding_mode = padding_mode

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = query_size(flat_inputs)
        left, right, top, bottom = self.padding or [0, 0, 0, 0]
        crop_height, crop_width = self.size
        if self.pad_if_needed:
            down = max(crop_height - (height + top + bottom), 0)
            across = max(crop_width - (width + left + right), 0)
            left, right, top, bottom = left + across, right + across, top + down, bottom + down
        height, width = height + top + bottom, width + left + right
        if height < crop_height or width < crop_width:
            raise ValueError(
                f"Required crop size {(crop_height, crop_width)} is larger than "
                f"{'padded ' if self.padding is not None else ''}input image size {(height, width)}."
            )
        padding = [left, top, right, bottom]
        # no random number is drawn where there is no choice
        start_y = integer(0, height - crop_height + 1) if height > crop_height else 0
        start_x = integer(0, width - crop_width + 1) if width > crop_width else 0
        return {
            "needs_crop": height > crop_height or width > crop_width,
            "top": start_y,
            "left": start_x,
            "height": crop_height,
            "width": crop_width,
            "needs_pad": any(padding),
            "padding": padding,
        }

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if params["needs_pad"]:
            how = {"fill": arguments.fill_of(self._fill, inpt), "padding_mode": self.padding_mode}
            inpt = self._call_kernel(F.pad, inpt, padding=params["padding"], **how)
        if params["needs_crop"]:
            where = {name: params[name] for name in ("top", "left", "height", "width")}
            inpt = self._call_kernel(F.crop, inpt, **where)
        return inpt


class RandomResizedCrop(Transform):
    """A part of random size and shape, from a random place, resized.

    Args:
        size: height and width of the result, or one number for both.
        scale: range of the part's area, where the image's is 1.
        ratio: range of width / height.
        interpolation, antialias: as for `Resize`.

    Raises:
        TypeError: scale or ratio is no pair.

    Source: Szegedy et al., Going Deeper with Convolutions, 2014.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        scale: tuple[float, float] = (0.08, 1.0),
        ratio: tuple[float, float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: _Mode = "bilinear",
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.size = arguments.size_pair(size)
        for name, span in (("Scale", scale), ("Ratio", ratio)):
            if not isinstance(span, Sequence) or len(span) != 2:
                raise TypeError(f"{name} should be a sequence of two floats, got {span}.")
        if scale[0] > scale[1] or ratio[0] > ratio[1]:
            warnings.warn("Scale and ratio should be of kind (min, max)", stacklevel=2)
        self.scale = scale
        self.ratio = ratio
        self.interpolation = interpolation
        self.antialias = antialias
        self._log_ratio = lampas.log(lampas.tensor(self.ratio))

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = query_size(flat_inputs)
        for w, h in random_shapes(height * width, self.scale, self._log_ratio):
            if 0 < w <= width and 0 < h <= height:
                top, left = integer(0, height - h + 1), integer(0, width - w + 1)
                return {"top": top, "left": left, "height": h, "width": w}
        h, w = height, width
        if width / height < min(self.ratio):
            h = round(w / min(self.ratio))
        elif width / height > max(self.ratio):
            w = round(h * max(self.ratio))
        return {"top": (height - h) // 2, "left": (width - w) // 2, "height": h, "width": w}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        how = {"size": self.size, "interpolation": self.interpolation, "antialias": self.antialias}
        return self._call_kernel(F.resized_crop, inpt, **params, **how)


def random_shapes(area: int, scale: Sequence[float], log_ratio: Tensor) -> Any:
    """Ten sides of rectangles, drawn one by one: a random part of the area, and first side / second from the ratio."""
    low, high = log_ratio.tolist()
    for _ in range(10):
        part = area * uniform(*scale)
        ratio = lampas.exp(lampas.empty(1).uniform_(low, high)).item()
        yield round(math.sqrt(part * ratio)), round(math.sqrt(part / ratio))


class RandomIoUCrop(Transform):
    """A part in which boxes still have enough to overlap with; boxes whose centre it does not hold become 0.

    `SanitizeBoundingBoxes` afterwards removes these.

    Args:
        min_scale, max_scale: range of the sides, where the image's are 1.
        min_aspect_ratio, max_aspect_ratio: range of width / height.
        sampler_options: least overlaps (intersection over union) of which one is chosen; 1 or more: no crop.
        trials: how often a crop is tried before another overlap is chosen.

    Raises:
        TypeError: when called: the sample has no image or no boxes.

    Source: Liu et al., SSD: Single Shot MultiBox Detector, 2016.
    """

    def __init__(
        self,
        min_scale: float = 0.3,
        max_scale: float = 1.0,
        min_aspect_ratio: float = 0.5,
        max_aspect_ratio: float = 2.0,
        sampler_options: list[float] | None = None,
        trials: int = 40,
    ) -> None:
        super().__init__()
        self.min_scale = min_scale
        self.max_scale = max_scale
        self.min_aspect_ratio = min_aspect_ratio
        self.max_aspect_ratio = max_aspect_ratio
        self.options = [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0] if sampler_options is None else sampler_options
        self.trials = trials

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        if not (has_all(flat_inputs, tv_tensors.BoundingBoxes) and has_any(flat_inputs, is_image)):
            raise TypeError(
                f"{type(self).__name__}() requires input sample to contain tensor or PIL images and bounding boxes. "
                "Sample can also contain masks."
            )

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = query_size(flat_inputs)
        boxes = get_bounding_boxes(flat_inputs)
        corners = F.convert_bounding_box_format(
            boxes.as_subclass(Tensor), boxes.format, tv_tensors.BoundingBoxFormat.XYXY
        )
        while True:
            least = self.options[integer(0, len(self.options))]
            if least >= 1.0:
                return {}
            for _ in range(self.trials):
                found = self._tried(corners, height, width, least)
                if found is not None:
                    return found

    def _tried(self, corners: Tensor, height: int, width: int, least: float) -> dict[str, Any] | None:
        side = self.min_scale + (self.max_scale - self.min_scale) * lampas.rand(2)
        new_width, new_height = int(width * side[0]), int(height * side[1])
        if not self.min_aspect_ratio <= new_width / new_height <= self.max_aspect_ratio:
            return None
        where = lampas.rand(2)
        left, top = int((width - new_width) * where[0]), int((height - new_height) * where[1])
        if new_width == 0 or new_height == 0:
            return None
        right, bottom = left + new_width, top + new_height
        x1, y1, x2, y2 = corners.unbind(-1)
        cx, cy = 0.5 * (x1 + x2), 0.5 * (y1 + y2)
        within = (left < cx) & (cx < right) & (top < cy) & (cy < bottom)
        if not within.any():
            return None
        overlap = (x2.clamp(max=right) - x1.clamp(min=left)).clamp(min=0)
        overlap = overlap * (y2.clamp(max=bottom) - y1.clamp(min=top)).clamp(min=0)
        union = (x2 - x1) * (y2 - y1) + new_width * new_height - overlap
        if (overlap / union)[within].max() < least:
            return None
        place = {"top": top, "left": left, "height": new_height, "width": new_width}
        return {**place, "is_within_crop_area": within}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if not params:
            return inpt
        where = {name: params[name] for name in ("top", "left", "height", "width")}
        output = self._call_kernel(F.crop, inpt, **where)
        if isinstance(output, tv_tensors.BoundingBoxes):
            output[~params["is_within_crop_area"]] = 0
        return output
