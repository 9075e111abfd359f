"""Transforms of sizes and places: flips, resizing, borders, rotations and warps. Crops are in `_crops`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lampas
from lampas.vision.transforms._geometry import InterpolationMode, perspective_coefficients
from lampas.vision.transforms.v2 import _arguments as arguments
from lampas.vision.transforms.v2 import functional as F
from lampas.vision.transforms.v2._query import query_size
from lampas.vision.transforms.v2._transform import RandomApplied, Transform, integer, uniform

_Mode = InterpolationMode | str | int
_Fill = Any  # a number, one per channel, None, or a dict of these by class


class RandomHorizontalFlip(RandomApplied):
    """With probability p, left and right exchanged."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(F.horizontal_flip, inpt)


class RandomVerticalFlip(RandomApplied):
    """With probability p, top and bottom exchanged."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(F.vertical_flip, inpt)


# --- sizes ----------------------------------------------------------------------------------------------------------


class _Resizing(Transform):
    """A resize to ``params["size"]``."""

    interpolation: _Mode
    antialias: bool | None

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        how = {"interpolation": self.interpolation, "antialias": self.antialias}
        return self._call_kernel(F.resize, inpt, size=params["size"], **how)


class Resize(Transform):
    """Everything at this size.

    Args:
        size: [height, width]; an int or [int], the shorter side; or None, where the longer side becomes max_size.
        interpolation: how pixels between pixels are made: a mode, its name, or Pillow's number.
        max_size: what the longer side is kept within.
        antialias: smooth what is made smaller; PIL images always are.

    Raises:
        ValueError: another kind of size.

    >>> Resize(256)(lampas.zeros(3, 300, 600)).shape
    torch.Size([3, 256, 512])
    """

    def __init__(
        self,
        size: int | Sequence[int] | None,
        interpolation: _Mode = "bilinear",
        max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        if isinstance(size, int):
            size = [size]
        elif isinstance(size, Sequence) and len(size) in (1, 2):
            size = list(size)
        elif size is not None:
            raise ValueError(
                f"size can be an integer, a sequence of one or two integers, or None, but got {size} instead."
            )
        elif not isinstance(max_size, int):
            raise ValueError(f"max_size must be an integer when size is None, but got {max_size} instead.")
        self.size = size
        self.interpolation = interpolation
        self.max_size = max_size
        self.antialias = antialias

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        how = {"interpolation": self.interpolation, "max_size": self.max_size, "antialias": self.antialias}
        return self._call_kernel(F.resize, inpt, self.size, **how)


class ScaleJitter(_Resizing):
    """As large as fits into the target, times a random factor.

    Args:
        target_size: what is fitted into. scale_range: of the factor.
        interpolation, antialias: as for `Resize`.

    Source: Ghiasi et al., Simple Copy-Paste is a Strong Data Augmentation Method, 2021.
    """

    def __init__(
        self,
        target_size: tuple[int, int],
        scale_range: tuple[float, float] = (0.1, 2.0),
        interpolation: _Mode = "bilinear",
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.target_size = target_size
        self.scale_range = scale_range
        self.interpolation = interpolation
        self.antialias = antialias

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = query_size(flat_inputs)
        low, high = self.scale_range
        fit = min(self.target_size[1] / height, self.target_size[0] / width)
        factor = fit * (low + lampas.rand(1) * (high - low))
        return {"size": (int(height * factor), int(width * factor))}


class RandomShortestSize(_Resizing):
    """The shorter side at one of these sizes.

    Args:
        min_size: the sizes to choose from. max_size: what the longer side is kept within.
        interpolation, antialias: as for `Resize`.
    """

    def __init__(
        self,
        min_size: list[int] | tuple[int] | int,
        max_size: int | None = None,
        interpolation: _Mode = "bilinear",
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.min_size = [min_size] if isinstance(min_size, int) else list(min_size)
        self.max_size = max_size
        self.interpolation = interpolation
        self.antialias = antialias

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = query_size(flat_inputs)
        factor = self.min_size[integer(0, len(self.min_size))] / min(height, width)
        if self.max_size is not None:
            factor = min(factor, self.max_size / max(height, width))
        return {"size": (int(height * factor), int(width * factor))}


class RandomResize(_Resizing):
    """The shorter side at a random size, from min_size to max_size, exclusive.

    Args:
        interpolation, antialias: as for `Resize`.
    """

    def __init__(
        self, min_size: int, max_size: int, interpolation: _Mode = "bilinear", antialias: bool | None = True
    ) -> None:
        super().__init__()
        self.min_size = min_size
        self.max_size = max_size
        self.interpolation = interpolation
        self.antialias = antialias

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"size": [integer(self.min_size, self.max_size)]}


class Pad(Transform):
    """A border around everything.

    Args:
        padding: one number, [left and right, top and bottom] or [left, top, right, bottom].
        fill: the border's value: a number, one per channel, or a dict of these by class, ``"others"`` included.
        padding_mode: ``"constant"``, ``"edge"``, ``"reflect"`` or ``"symmetric"``.

    Raises:
        ValueError: another padding or mode. TypeError: another kind of fill.
    """

    def __init__(self, padding: int | Sequence[int], fill: _Fill = 0, padding_mode: str = "constant") -> None:
        super().__init__()
        arguments.check_padding(padding)
        arguments.check_padding_mode(padding_mode)
        self.padding = padding if isinstance(padding, int) else list(padding)
        self.fill = fill
        self._fill = arguments.fills(fill)
        self.padding_mode = padding_mode

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        how = {"fill": arguments.fill_of(self._fill, inpt), "padding_mode": self.padding_mode}
        return self._call_kernel(F.pad, inpt, padding=self.padding, **how)


class RandomZoomOut(RandomApplied):
    """With probability p, the image somewhere on a larger canvas.

    Args:
        fill: the canvas' value, as for `Pad`.
        side_range: how much longer the sides of the canvas are.

    Raises:
        ValueError: the range begins below 1 or is not increasing.

    Source: Liu et al., SSD: Single Shot MultiBox Detector, 2016.
    """

    def __init__(self, fill: _Fill = 0, side_range: Sequence[float] = (1.0, 4.0), p: float = 0.5) -> None:
        super().__init__(p=p)
        self.fill = fill
        self._fill = arguments.fills(fill)
        arguments.check_sequence(side_range, "side_range", (2,))
        self.side_range = side_range
        if side_range[0] < 1.0 or side_range[0] > side_range[1]:
            raise ValueError(f"Invalid side range provided {side_range}: it must increase, from 1 at least.")

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = query_size(flat_inputs)
        low, high = self.side_range
        factor = low + lampas.rand(1) * (high - low)
        free_width, free_height = int(width * factor) - width, int(height * factor) - height
        where = lampas.rand(2)
        left, top = int(free_width * where[0]), int(free_height * where[1])
        return {"padding": [left, top, free_width - left, free_height - top]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(F.pad, inpt, **params, fill=arguments.fill_of(self._fill, inpt))


# --- warps ----------------------------------------------------------------------------------------------------------


class RandomRotation(Transform):
    """Rotated by a random angle.

    Args:
        degrees: the range, or x for (-x, x); counter-clockwise.
        interpolation: how pixels between pixels are made.
        expand: make the canvas as large as the result needs.
        center: (x, y) of what rotates in place; the middle where it is None.
        fill: what comes from outside, as for `Pad`.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: _Mode = "nearest",
        expand: bool = False,
        center: list[float] | None = None,
        fill: _Fill = 0,
    ) -> None:
        super().__init__()
        self.degrees = arguments.angle_range(degrees, "degrees")
        self.interpolation = interpolation
        self.expand = expand
        self.fill = fill
        self._fill = arguments.fills(fill)
        if center is not None:
            arguments.check_sequence(center, "center", (2,))
        self.center = center

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"angle": uniform(*self.degrees)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        how = {"interpolation": self.interpolation, "expand": self.expand, "center": self.center}
        return self._call_kernel(F.rotate, inpt, **params, **how, fill=arguments.fill_of(self._fill, inpt))


class RandomAffine(Transform):
    """Rotated, moved, scaled and sheared at random, on the same canvas.

    Args:
        degrees: range of the rotation, or x for (-x, x); clockwise.
        translate: at most this part of the width and of the height.
        scale: range of the factor.
        shear: range of degrees along x, or x for (-x, x), or two ranges in a row, along x and along y.
        interpolation, fill, center: as for `RandomRotation`.

    Raises:
        ValueError: a translation outside [0, 1], a scale that is not positive, a sequence of another length.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        interpolation: _Mode = "nearest",
        fill: _Fill = 0,
        center: list[float] | None = None,
    ) -> None:
        super().__init__()
        self.degrees = arguments.angle_range(degrees, "degrees")
        if translate is not None:
            arguments.check_sequence(translate, "translate", (2,))
            if not all(0.0 <= part <= 1.0 for part in translate):
                raise ValueError(f"translation values should be between 0 and 1, got {translate}")
        self.translate = translate
        if scale is not None:
            arguments.check_sequence(scale, "scale", (2,))
            if min(scale) <= 0:
                raise ValueError(f"scale values should be positive, got {scale}")
        self.scale = scale
        self.shear = None if shear is None else arguments.angle_range(shear, "shear", (2, 4))
        self.interpolation = interpolation
        self.fill = fill
        self._fill = arguments.fills(fill)
        if center is not None:
            arguments.check_sequence(center, "center", (2,))
        self.center = center

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = query_size(flat_inputs)
        params: dict[str, Any] = {"angle": uniform(*self.degrees), "translate": (0, 0), "scale": 1.0}
        if self.translate is not None:
            most = (float(self.translate[0] * width), float(self.translate[1] * height))
            params["translate"] = tuple(round(uniform(-m, m)) for m in most)
        if self.scale is not None:
            params["scale"] = uniform(*self.scale)
        shear = self.shear or []
        along = [uniform(*shear[i : i + 2]) for i in range(0, len(shear), 2)]
        params["shear"] = (*along, *[0.0] * (2 - len(along)))
        return params

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        fill = arguments.fill_of(self._fill, inpt)
        how = {"interpolation": self.interpolation, "fill": fill, "center": self.center}
        return self._call_kernel(F.affine, inpt, **params, **how)


class RandomPerspective(RandomApplied):
    """With probability p, the corners moved inwards at random.

    Args:
        distortion_scale: how far at most, from 0 to 1: half of each side.
        interpolation, fill: as for `RandomRotation`.
    """

    def __init__(
        self, distortion_scale: float = 0.5, p: float = 0.5, interpolation: _Mode = "bilinear", fill: _Fill = 0
    ) -> None:
        super().__init__(p=p)
        if not 0 <= distortion_scale <= 1:
            raise ValueError(f"Argument distortion_scale value should be between 0 and 1, got {distortion_scale}")
        self.distortion_scale = distortion_scale
        self.interpolation = interpolation
        self.fill = fill
        self._fill = arguments.fills(fill)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = query_size(flat_inputs)
        across = int(self.distortion_scale * (width // 2)) + 1
        down = int(self.distortion_scale * (height // 2)) + 1
        near = {"left": (0, across), "right": (width - across, width)}
        near |= {"top": (0, down), "bottom": (height - down, height)}
        corners = (("left", "top"), ("right", "top"), ("right", "bottom"), ("left", "bottom"))
        ends = [[integer(*near[x]), integer(*near[y])] for x, y in corners]
        starts = [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]]
        return {"coefficients": perspective_coefficients(starts, ends)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        how = {"fill": arguments.fill_of(self._fill, inpt), "interpolation": self.interpolation}
        return self._call_kernel(F.perspective, inpt, startpoints=None, endpoints=None, **how, **params)


class ElasticTransform(Transform):
    """Each pixel displaced at random, neighbours alike, as if the image were on rubber.

    Args:
        alpha: how far; a number, or one along x and one along y.
        sigma: how alike neighbours are: the deviation of the smoothing, likewise.
        interpolation, fill: as for `RandomRotation`.

    Source: Simard et al., Best Practices for Convolutional Neural Networks, 2003.
    """

    def __init__(
        self,
        alpha: float | Sequence[float] = 50.0,
        sigma: float | Sequence[float] = 5.0,
        interpolation: _Mode = "bilinear",
        fill: _Fill = 0,
    ) -> None:
        super().__init__()
        self.alpha = arguments.pair_of_floats(alpha, "alpha")
        self.sigma = arguments.pair_of_floats(sigma, "sigma")
        self.interpolation = interpolation
        self.fill = fill
        self._fill = arguments.fills(fill)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = query_size(flat_inputs)
        parts = []
        for alpha, sigma, length in zip(self.alpha, self.sigma, (width, height), strict=True):
            part = lampas.rand(1, 1, height, width) * 2 - 1
            if sigma > 0.0:
                size = int(8 * sigma + 1) | 1  # odd
                part = F.gaussian_blur(part, [size, size], list(self.sigma))
            parts.append(part * alpha / length)
        return {"displacement": lampas.cat(parts, 1).permute(0, 2, 3, 1)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        how = {"fill": arguments.fill_of(self._fill, inpt), "interpolation": self.interpolation}
        return self._call_kernel(F.elastic, inpt, **params, **how)
