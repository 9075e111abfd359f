"""Moving pixels: flips, sizes, crops, rotations, warps. Boxes and points move in `_coordinates`."""

# What `functional` decorates only declares: there are no bodies.
# mypy: disable-error-code="empty-body"

from __future__ import annotations

import numbers
import warnings
from collections.abc import Sequence
from typing import Any, cast

import lampas
from lampas import Tensor
from lampas.vision import tv_tensors
from lampas.vision.transforms import _geometry as numbers_of
from lampas.vision.transforms import _pil_kernels, _tensor_kernels
from lampas.vision.transforms._geometry import InterpolationMode
from lampas.vision.transforms.v2.functional._dispatch import for_pictures, for_videos, functional, kernel, on_mask
from lampas.vision.transforms.v2.functional._meta import get_size_image

_Mode = InterpolationMode | str | int
_Fill = float | Sequence[float] | None
_Pair = tuple[int, int]

_BY_NAME = {mode.value: mode for mode in InterpolationMode}
_NEAREST = (InterpolationMode.NEAREST, InterpolationMode.NEAREST_EXACT)
_CHOSEN_FROM = (lampas.uint8, lampas.float32, lampas.float64)  # what the nearest pixel is there for


def check_interpolation(interpolation: Any) -> InterpolationMode:
    """The mode that is given by itself, by its name, or by Pillow's number; ``ValueError`` for anything else."""
    if isinstance(interpolation, str):
        if interpolation not in _BY_NAME:
            raise ValueError(f"Invalid interpolation mode: {interpolation!r}. There are: {', '.join(_BY_NAME)}.")
        return _BY_NAME[interpolation]
    if not isinstance(interpolation, (InterpolationMode, int)):
        raise ValueError(
            "Argument interpolation should be an `InterpolationMode` or a corresponding Pillow integer constant, "
            f"but got {interpolation}."
        )
    return numbers_of.interpolation_mode(interpolation)


def _of(image: Any) -> Any:
    """The module of kernels for this kind of picture; both have the same names."""
    return _tensor_kernels if isinstance(image, Tensor) else _pil_kernels


# --- flips ----------------------------------------------------------------------------------------------------------


@functional
def horizontal_flip(inpt: Tensor) -> Tensor:
    """Left and right exchanged; `RandomHorizontalFlip`."""


@for_pictures(horizontal_flip)
def horizontal_flip_image(image: Tensor) -> Tensor:
    """`horizontal_flip` of pixels (..., C, H, W)."""
    return _of(image).hflip(image)


horizontal_flip_video = for_videos(horizontal_flip, horizontal_flip_image)


@kernel(horizontal_flip, tv_tensors.Mask)
def horizontal_flip_mask(mask: Tensor) -> Tensor:
    """`horizontal_flip` of masks (..., H, W)."""
    return mask.flip(-1)


@functional
def vertical_flip(inpt: Tensor) -> Tensor:
    """Top and bottom exchanged; `RandomVerticalFlip`."""


@for_pictures(vertical_flip)
def vertical_flip_image(image: Tensor) -> Tensor:
    """`vertical_flip` of pixels (..., C, H, W)."""
    return _of(image).vflip(image)


vertical_flip_video = for_videos(vertical_flip, vertical_flip_image)


@kernel(vertical_flip, tv_tensors.Mask)
def vertical_flip_mask(mask: Tensor) -> Tensor:
    """`vertical_flip` of masks (..., H, W)."""
    return mask.flip(-2)


# --- sizes ----------------------------------------------------------------------------------------------------------


def resized_size(canvas_size: _Pair, size: Any, max_size: int | None = None) -> _Pair:
    """Height and width after a resize to ``size``: an int or [int] (the shorter side), [height, width], or None."""
    if size is None:
        if not isinstance(max_size, int):
            raise ValueError(f"max_size must be an integer when size is None, but got {max_size} instead.")
    elif not isinstance(size, int) and len(size) != 1 and max_size is not None:
        raise ValueError(
            "max_size should only be passed if size is None or specifies the length of the smaller edge, "
            f"i.e. size should be an int or a sequence of length 1, but size is {size}."
        )
    height, width = numbers_of.resized_size(*canvas_size, size, max_size)
    return height, width


@functional
def resize(
    inpt: Tensor,
    size: Sequence[int] | None,
    interpolation: _Mode = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Tensor:
    """Everything at another size; `Resize`.

    Args:
        inpt: image, video, mask (always with the nearest pixel), boxes or points.
        size: [height, width], or [the shorter side], or None (the longer side becomes ``max_size``).
        interpolation: how pixels between pixels are made.
        max_size: what the longer side is kept within.
        antialias: smooth what is made smaller; PIL images always are.
    """


def _resized_bytes(image: Tensor, size: _Pair, mode: str, antialias: bool) -> Tensor:
    # by the ops for bytes, as torchvision does it: along x, then along y, each rounded to whole numbers
    values = lampas.nn.functional.interpolate(
        image.reshape(-1, *image.shape[-3:]), size=list(size), mode=mode, align_corners=False, antialias=antialias
    )
    return values.reshape(*image.shape[:-2], *size)


@for_pictures(resize)
def resize_image(
    image: Tensor,
    size: Sequence[int] | None,
    interpolation: _Mode = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Tensor:
    """`resize` of pixels (..., C, H, W)."""
    mode = check_interpolation(interpolation)
    is_tensor = isinstance(image, Tensor)
    if not is_tensor and antialias is False:
        warnings.warn(
            "Anti-alias option is always applied for PIL Image input. Argument antialias is ignored.", stacklevel=2
        )
    old = tuple(get_size_image(image)) if is_tensor else (image.height, image.width)
    new = resized_size(old, size, max_size)
    if new == old:
        return image
    if is_tensor and image.numel() == 0:
        return image.reshape(*image.shape[:-2], *new)
    if is_tensor and image.dtype == lampas.uint8 and mode.value in ("bilinear", "bicubic"):
        return _resized_bytes(image, new, mode.value, bool(antialias))
    if is_tensor and mode in _NEAREST and image.dtype not in _CHOSEN_FROM:
        # masks of int64, for instance
        return _tensor_kernels.resize(image.to(lampas.float64), new, mode).to(image.dtype)
    return _of(image).resize(image, new, mode, bool(antialias))


resize_video = for_videos(resize, resize_image)


@kernel(resize, tv_tensors.Mask)
def resize_mask(
    mask: Tensor,
    size: Sequence[int] | None,
    interpolation: _Mode = InterpolationMode.BILINEAR,
    max_size: int | None = None,
) -> Tensor:
    """`resize` of masks (..., H, W), always with the nearest pixel, or exactly the nearest where that is asked."""
    mode = check_interpolation(interpolation)
    mode = mode if mode in _NEAREST else InterpolationMode.NEAREST
    return on_mask(resize_image, mask, size, mode, max_size)


@functional
def pad(inpt: Tensor, padding: Sequence[int], fill: _Fill = None, padding_mode: str = "constant") -> Tensor:
    """A border around everything; `Pad`.

    Args:
        padding: one number, [all], [left and right, top and bottom] or [left, top, right, bottom].
        fill: the border's value, or one per channel; 0 where it is None.
        padding_mode: ``"constant"``, and for images and masks ``"edge"``, ``"reflect"`` and ``"symmetric"``.
    """


def pad_sides(padding: Any) -> list[int]:
    """Left, top, right and bottom."""
    if not isinstance(padding, (int, tuple, list)):
        raise TypeError(f"`padding` should be an integer or tuple or list of integers, but got {padding}")
    return numbers_of.pad_sides(padding)


@for_pictures(pad)
def pad_image(image: Tensor, padding: Sequence[int], fill: _Fill = None, padding_mode: str = "constant") -> Tensor:
    """`pad` of pixels (..., C, H, W)."""
    if not isinstance(image, Tensor):
        return _pil_kernels.pad(image, padding, fill=0 if fill is None else fill, padding_mode=padding_mode)
    left, top, right, bottom = sides = pad_sides(padding)
    if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ValueError(
            "`padding_mode` should be either `'constant'`, `'edge'`, `'reflect'` or `'symmetric'`, "
            f"but got `'{padding_mode}'`."
        )
    if not isinstance(fill, (tuple, list)) or len(fill) == 1:
        return _tensor_kernels.pad(image, sides, cast("float | None", fill), padding_mode)
    if padding_mode != "constant":
        raise ValueError(f"Padding mode '{padding_mode}' is not supported if fill is not scalar")
    out = _tensor_kernels.pad(image, sides, 0, "constant").contiguous()
    values = lampas.tensor(fill, device=image.device).to(image.dtype).reshape(-1, 1, 1)
    height, width = out.shape[-2:]
    for border in (
        out[..., :top, :],
        out[..., :, :left],
        out[..., height - bottom :, :],
        out[..., :, width - right :],
    ):
        border.copy_(values.expand_as(border))
    return out


pad_video = for_videos(pad, pad_image)


@kernel(pad, tv_tensors.Mask)
def pad_mask(mask: Tensor, padding: Sequence[int], fill: _Fill = None, padding_mode: str = "constant") -> Tensor:
    """`pad` of masks (..., H, W); the fill is one number."""
    if isinstance(fill, (tuple, list)):
        raise ValueError(f"Non-scalar fill value is not supported for masks, got {fill}")
    return on_mask(pad_image, mask, padding, fill, padding_mode)


# --- crops ----------------------------------------------------------------------------------------------------------


@functional
def crop(inpt: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    """The part of this size from this corner on; what lies outside of the image is 0."""


@for_pictures(crop)
def crop_image(image: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    """`crop` of pixels (..., C, H, W); a view, where nothing lies outside."""
    return _of(image).crop(image, top, left, height, width)


crop_video = for_videos(crop, crop_image)


@kernel(crop, tv_tensors.Mask)
def crop_mask(mask: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    """`crop` of masks (..., H, W)."""
    return on_mask(crop_image, mask, top, left, height, width)


def crop_size(output_size: Any) -> _Pair:
    """Height and width of a crop given as a number, [number] or [height, width]."""
    if isinstance(output_size, numbers.Number):
        return int(output_size), int(output_size)  # type: ignore[call-overload]
    height, width = output_size * 2 if len(output_size) == 1 else output_size
    return height, width


@functional
def center_crop(inpt: Tensor, output_size: Sequence[int]) -> Tensor:
    """The middle, of this height and width; with a border of 0 where the image is smaller. `CenterCrop`."""


@for_pictures(center_crop)
def center_crop_image(image: Tensor, output_size: Sequence[int]) -> Tensor:
    """`center_crop` of pixels (..., C, H, W)."""
    size = crop_size(output_size)
    if isinstance(image, Tensor) and image.numel() == 0:
        return image.reshape(*image.shape[:-2], *size)
    _, height, width = _of(image).get_dimensions(image)
    border = numbers_of.center_crop_padding(height, width, *size)
    if border is not None:
        image = _of(image).pad(image, border, fill=0)
        _, height, width = _of(image).get_dimensions(image)
        if (height, width) == size:
            return image
    return crop_image(image, *numbers_of.center_crop_box(height, width, *size), *size)


center_crop_video = for_videos(center_crop, center_crop_image)


@kernel(center_crop, tv_tensors.Mask)
def center_crop_mask(mask: Tensor, output_size: Sequence[int]) -> Tensor:
    """`center_crop` of masks (..., H, W)."""
    return on_mask(center_crop_image, mask, output_size)


@functional
def resized_crop(
    inpt: Tensor,
    top: int,
    left: int,
    height: int,
    width: int,
    size: Sequence[int],
    interpolation: _Mode = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Tensor:
    """`crop`, then `resize` to ``size``; `RandomResizedCrop`."""


@for_pictures(resized_crop)
def resized_crop_image(
    image: Tensor,
    top: int,
    left: int,
    height: int,
    width: int,
    size: Sequence[int],
    interpolation: _Mode = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Tensor:
    """`resized_crop` of pixels (..., C, H, W)."""
    part = crop_image(image, top, left, height, width)
    return resize_image(part, size, interpolation=interpolation, antialias=antialias)


resized_crop_video = for_videos(resized_crop, resized_crop_image)


@kernel(resized_crop, tv_tensors.Mask)
def resized_crop_mask(mask: Tensor, top: int, left: int, height: int, width: int, size: Sequence[int]) -> Tensor:
    """`resized_crop` of masks (..., H, W)."""
    return resize_mask(crop_mask(mask, top, left, height, width), size)


@functional
def five_crop(inpt: Tensor, size: Sequence[int]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Top left, top right, bottom left, bottom right and centre, each of this height and width; `FiveCrop`."""


@for_pictures(five_crop)
def five_crop_image(image: Tensor, size: Sequence[int]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """`five_crop` of pixels (..., C, H, W)."""
    if not isinstance(size, numbers.Number) and len(size) not in (1, 2):
        raise ValueError(f"Please provide only two dimensions (h, w) for size, got {size}.")
    height, width = crop_size(size)
    _, image_height, image_width = _of(image).get_dimensions(image)
    if width > image_width or height > image_height:
        raise ValueError(f"Requested crop size {size} is bigger than input size {(image_height, image_width)}")
    down, right = image_height - height, image_width - width
    corners = [crop_image(image, top, left, height, width) for top in (0, down) for left in (0, right)]
    return (*corners, center_crop_image(image, [height, width]))


five_crop_video = for_videos(five_crop, five_crop_image)


@functional
def ten_crop(inpt: Tensor, size: Sequence[int], vertical_flip: bool = False) -> tuple[Tensor, ...]:
    """`five_crop` of the image, and of it flipped, from left to right or from top to bottom; `TenCrop`."""


_vertically = vertical_flip_image


@for_pictures(ten_crop)
def ten_crop_image(image: Tensor, size: Sequence[int], vertical_flip: bool = False) -> tuple[Tensor, ...]:
    """`ten_crop` of pixels (..., C, H, W)."""
    flipped = _vertically(image) if vertical_flip else horizontal_flip_image(image)
    return (*five_crop_image(image, size), *five_crop_image(flipped, size))


ten_crop_video = for_videos(ten_crop, ten_crop_image)
