"""Operations on images: tensors [..., C, H, W] or PIL images, under torchvision's names.

Each takes either kind and gives back the same kind. Pixels of tensors are integers up to the dtype's largest number, or
floats from 0 to 1. What PIL images are given here is what Pillow computes.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import lampas
from lampas import Tensor

from . import _conversion, _geometry, _pil_kernels, _tensor_kernels
from ._geometry import InterpolationMode, interpolation_mode

__all__ = [
    "InterpolationMode",
    # between kinds
    "to_tensor",
    "pil_to_tensor",
    "convert_image_dtype",
    "to_pil_image",
    # sizes
    "get_dimensions",
    "get_image_num_channels",
    "get_image_size",
    # places
    "affine",
    "center_crop",
    "crop",
    "elastic_transform",
    "erase",
    "five_crop",
    "hflip",
    "pad",
    "perspective",
    "resize",
    "resized_crop",
    "rotate",
    "ten_crop",
    "vflip",
    # values
    "adjust_brightness",
    "adjust_contrast",
    "adjust_gamma",
    "adjust_hue",
    "adjust_saturation",
    "adjust_sharpness",
    "autocontrast",
    "equalize",
    "gaussian_blur",
    "invert",
    "normalize",
    "posterize",
    "rgb_to_grayscale",
    "solarize",
    "to_grayscale",
]

_Fill = float | Sequence[float] | None


def _kernels(img: Any) -> ModuleType:
    return _tensor_kernels if isinstance(img, Tensor) else _pil_kernels


def _need_tensor(img: Any) -> None:
    if not isinstance(img, Tensor):
        raise TypeError(f"img should be a tensor, got {type(img)}: convert it first, with ToTensor() for instance")


# ---- between kinds ----


def to_tensor(pic: Any) -> Tensor:
    """A PIL image or array (H, W) or (H, W, C) as a tensor (C, H, W).

    Bytes become floats from 0 to 1; other numbers keep value and dtype.

    Raises:
        TypeError: neither an image nor an array. ValueError: an array with other than 2 or 3 dimensions.

    >>> to_tensor(Image.new("RGB", (4, 2))).shape
    torch.Size([3, 2, 4])
    """
    return _conversion.to_tensor(pic)


def pil_to_tensor(pic: Any) -> Tensor:
    """The pixels of a PIL image as (C, H, W), unscaled: mostly uint8. ``TypeError`` for what is no PIL image."""
    return _conversion.pil_to_tensor(pic)


def convert_image_dtype(image: Tensor, dtype: lampas.dtype = lampas.float32) -> Tensor:
    """The image in another dtype, with white where white was.

    Raises:
        TypeError: not a tensor. RuntimeError: float32 to int32 or int64, float64 to int64, which are not exact.

    >>> convert_image_dtype(lampas.tensor([0, 128, 255], dtype=lampas.uint8))
    tensor([0.0000, 0.5020, 1.0000])
    """
    _need_tensor(image)
    return _tensor_kernels.convert_image_dtype(image, dtype)


def to_pil_image(pic: Any, mode: str | None = None) -> Any:
    """A tensor (C, H, W) or array (H, W, C), or (H, W), as a PIL image; floats from 0 to 1 become bytes.

    Args:
        pic: 1 to 4 channels.
        mode: Pillow's name; by default L, LA, RGB or RGBA, and I;16 or I for int16 or int32.

    Raises:
        TypeError: another type or dtype. ValueError: another shape, or a mode that does not fit.
    """
    return _conversion.to_pil_image(pic, mode)


# ---- sizes ----


def get_dimensions(img: Any) -> list[int]:
    """Channels, height and width."""
    return _kernels(img).get_dimensions(img)


def get_image_size(img: Any) -> list[int]:
    """Width and height."""
    return get_dimensions(img)[:0:-1]


def get_image_num_channels(img: Any) -> int:
    """The number of channels."""
    return get_dimensions(img)[0]


# ---- places ----


def hflip(img: Any) -> Any:
    """Left and right exchanged."""
    return _kernels(img).hflip(img)


def vflip(img: Any) -> Any:
    """Top and bottom exchanged."""
    return _kernels(img).vflip(img)


def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    """A part of the image; what lies outside of the image is 0."""
    return _kernels(img).crop(img, top, left, height, width)


def _pair(size: Any) -> list[int]:
    """(height, width) of a size given as a number, or as a sequence of one or two."""
    if isinstance(size, (int, float)):
        return [int(size), int(size)]
    if isinstance(size, (tuple, list)) and len(size) == 1:
        return [size[0], size[0]]
    if len(size) != 2:
        raise ValueError(f"size should be one number or two, (height, width), got {len(size)}: {size}")
    return list(size)


def center_crop(img: Any, output_size: int | Sequence[int]) -> Any:
    """The middle of the image, which is padded with 0 where it is smaller.

    >>> center_crop(lampas.rand(3, 8, 8), [4, 6]).shape
    torch.Size([3, 4, 6])
    """
    size = _pair(output_size)
    _, height, width = get_dimensions(img)
    around = _geometry.center_crop_padding(height, width, *size)
    if around is not None:
        img = pad(img, around, fill=0)
        _, height, width = get_dimensions(img)
        if size == [height, width]:
            return img
    return crop(img, *_geometry.center_crop_box(height, width, *size), *size)


def pad(img: Any, padding: int | Sequence[int], fill: _Fill = 0, padding_mode: str = "constant") -> Any:
    """Something around the image.

    Args:
        img: tensor or PIL image.
        padding: one number, (left and right, top and bottom), or (left, top, right, bottom); negative ones crop.
        fill: for "constant"; for tensors one number, for PIL images also one for each channel.
        padding_mode: "constant", "edge" (the last pixel), "reflect" or "symmetric" (without or with it).

    Raises:
        TypeError: a padding that is no number. ValueError: another number of numbers, another mode.

    >>> pad(lampas.ones(1, 1, 1), [1, 0]).tolist()
    [[[0.0, 1.0, 0.0]]]
    """
    if not isinstance(padding, (int, tuple, list)):
        raise TypeError(f"padding should be an int, or a tuple or list of them, got {padding!r}")
    if fill is not None and not isinstance(fill, (int, float, tuple, list)):
        raise TypeError(f"fill should be a number, or a tuple or list of them, got {fill!r}")
    if not isinstance(padding_mode, str):
        raise TypeError(f"padding_mode should be a string, got {padding_mode!r}")
    _geometry.pad_sides(padding)
    if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ValueError(f"padding_mode should be constant, edge, reflect or symmetric, got {padding_mode!r}")
    return _kernels(img).pad(img, padding, fill, padding_mode)


def resize(
    img: Any,
    size: int | Sequence[int],
    interpolation: InterpolationMode = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    """The image in another size.

    Args:
        img: tensor or PIL image.
        size: (height, width), or one number for the shorter side; the other keeps the proportions.
        interpolation: see `InterpolationMode`; BOX, HAMMING and LANCZOS are for PIL images.
        max_size: a bound for the longer side, where `size` is one number.
        antialias: smooth what becomes smaller (bilinear and bicubic); PIL images are smoothed in any case.

    Raises:
        TypeError: an interpolation that is none. ValueError: more than two sizes; `max_size` with two, or too small.

    >>> resize(lampas.rand(3, 10, 20), 5).shape
    torch.Size([3, 5, 10])
    """
    interpolation = interpolation_mode(interpolation)
    if isinstance(size, (list, tuple)):
        if len(size) not in (1, 2):
            raise ValueError(f"size must be an int or have 1 or 2 elements (height, width), got {len(size)}: {size}")
        if max_size is not None and len(size) != 1:
            raise ValueError(f"max_size needs a size that is one number, for the shorter side; got size = {size}")
    elif not isinstance(size, int):
        raise TypeError(f"size must be an int, or a tuple or list of them, got {size!r}")
    _, height, width = get_dimensions(img)
    wanted = _geometry.resized_size(height, width, size, max_size)
    if wanted == [height, width]:
        return img
    if not isinstance(img, Tensor) and antialias is False:
        warnings.warn("PIL images are always resized with antialiasing: antialias=False has no effect")
    return _kernels(img).resize(img, wanted, interpolation, antialias)


def resized_crop(
    img: Any,
    top: int,
    left: int,
    height: int,
    width: int,
    size: int | Sequence[int],
    interpolation: InterpolationMode = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Any:
    """`crop`, then `resize`."""
    return resize(crop(img, top, left, height, width), size, interpolation, antialias=antialias)


def five_crop(img: Any, size: int | Sequence[int]) -> tuple[Any, Any, Any, Any, Any]:
    """The four corners (top left, top right, bottom left, bottom right) and the middle.

    Raises:
        ValueError: the size is not one or two numbers, or larger than the image.
    """
    h, w = _pair(size)
    _, height, width = get_dimensions(img)
    if w > width or h > height:
        raise ValueError(f"the crops' size {(h, w)} is larger than the image, {(height, width)}")
    corners = [(0, 0), (0, width - w), (height - h, 0), (height - h, width - w)]
    parts = [crop(img, top, left, h, w) for top, left in corners]
    return parts[0], parts[1], parts[2], parts[3], center_crop(img, [h, w])


def ten_crop(img: Any, size: int | Sequence[int], vertical_flip: bool = False) -> tuple[Any, ...]:
    """`five_crop` of the image, and of the image flipped."""
    size = _pair(size)
    return five_crop(img, size) + five_crop(vflip(img) if vertical_flip else hflip(img), size)


def _check_sequence(name: str, value: Any) -> None:
    if value is not None and not isinstance(value, (list, tuple)):
        raise TypeError(f"{name} should be a list or tuple of two numbers, got {value!r}")


def rotate(
    img: Any,
    angle: float,
    interpolation: InterpolationMode = InterpolationMode.NEAREST,
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: _Fill = None,
) -> Any:
    """The image turned.

    Args:
        img: tensor or PIL image.
        angle: in degrees, counter-clockwise.
        interpolation: NEAREST or BILINEAR; for PIL images also BICUBIC.
        expand: make the image as large as it must be to hold all; supposes that `center` is the middle.
        center: (x, y) from the upper left corner; the middle by default.
        fill: outside of the image; one number, or one for each channel; 0 by default.

    Raises:
        TypeError: an angle that is no number. ValueError: a fill of another length; no such interpolation.
    """
    interpolation = interpolation_mode(interpolation)
    if not isinstance(angle, (int, float)):
        raise TypeError(f"angle should be a number, got {angle!r}")
    _check_sequence("center", center)
    return _kernels(img).rotate(img, angle, interpolation, expand, center, fill)


def affine(
    img: Any,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: float | Sequence[float],
    interpolation: InterpolationMode = InterpolationMode.NEAREST,
    fill: _Fill = None,
    center: Sequence[float] | None = None,
) -> Any:
    """The image turned, moved, scaled and sheared; its size stays.

    Args:
        img: tensor or PIL image.
        angle: in degrees, clockwise.
        translate: pixels to the right and down.
        scale: above 0.
        shear: degrees along x, or along x and y.
        interpolation: NEAREST or BILINEAR; for PIL images also BICUBIC.
        fill: outside of the image; one number, or one for each channel; 0 by default.
        center: (x, y) from the upper left corner; the middle by default.

    Raises:
        TypeError: what should be a number or a sequence is none. ValueError: another length, a scale not above 0.
    """
    interpolation = interpolation_mode(interpolation)
    if not isinstance(angle, (int, float)):
        raise TypeError(f"angle should be a number, got {angle!r}")
    if not isinstance(translate, (list, tuple)):
        raise TypeError(f"translate should be a list or tuple of two numbers, got {translate!r}")
    if len(translate) != 2:
        raise ValueError(f"translate should have two elements, (x, y), got {len(translate)}: {translate}")
    if scale <= 0.0:
        raise ValueError(f"scale should be positive, got {scale}")
    if isinstance(shear, (int, float)):
        shear = [float(shear), 0.0]
    elif not isinstance(shear, (list, tuple)):
        raise TypeError(f"shear should be a number, or a list or tuple of two, got {shear!r}")
    elif len(shear) == 1:
        shear = [shear[0], shear[0]]
    if len(shear) != 2:
        raise ValueError(f"shear should have two elements, (x, y), got {len(shear)}: {shear}")
    _check_sequence("center", center)
    return _kernels(img).affine(img, angle, translate, scale, shear, interpolation, fill, center)


def perspective(
    img: Any,
    startpoints: Sequence[Sequence[int]],
    endpoints: Sequence[Sequence[int]],
    interpolation: InterpolationMode = InterpolationMode.BILINEAR,
    fill: _Fill = None,
) -> Any:
    """The image seen from elsewhere: four points and where they go.

    Args:
        img: tensor or PIL image.
        startpoints, endpoints: four (x, y) each.
        interpolation: NEAREST or BILINEAR; for PIL images also BICUBIC.
        fill: outside of the image; one number, or one for each channel; 0 by default.

    Raises:
        ValueError: not four points; a fill of another length.
    """
    interpolation = interpolation_mode(interpolation)
    return _kernels(img).perspective(img, startpoints, endpoints, interpolation, fill)


def elastic_transform(
    img: Any,
    displacement: Tensor,
    interpolation: InterpolationMode = InterpolationMode.BILINEAR,
    fill: _Fill = None,
) -> Any:
    """Each pixel taken from somewhere near (P. Simard, D. Steinkraus, J. Platt, ICDAR 2003).

    Args:
        img: tensor or PIL image.
        displacement: (1, H, W, 2), x and y, where the image goes from -1 to 1.
        interpolation: NEAREST or BILINEAR.
        fill: outside of the image; one number, or one for each channel; 0 by default.

    Raises:
        TypeError: a displacement that is no tensor. ValueError: one of another shape.
    """
    interpolation = interpolation_mode(interpolation)
    if not isinstance(displacement, Tensor):
        raise TypeError(f"displacement should be a tensor, got {type(displacement)}")
    _, height, width = get_dimensions(img)
    if tuple(displacement.shape) != (1, height, width, 2):
        raise ValueError(
            f"displacement should have shape {(1, height, width, 2)}, as the image is {height} by {width}, got "
            f"{tuple(displacement.shape)}"
        )
    return _kernels(img).elastic_transform(img, displacement, interpolation, fill)


def erase(img: Tensor, i: int, j: int, h: int, w: int, v: Tensor, inplace: bool = False) -> Tensor:
    """A tensor with `v` where rows from `i` to `i + h` and columns from `j` to `j + w` were."""
    _need_tensor(img)
    return _tensor_kernels.erase(img, i, j, h, w, v, inplace)


# ---- values ----


def normalize(tensor: Tensor, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> Tensor:
    """``(tensor - mean) / std``, channel by channel.

    Args:
        tensor: floats, (..., C, H, W).
        mean, std: one value for each channel.
        inplace: change the tensor itself.

    Raises:
        TypeError: not a tensor of floats. ValueError: fewer than 3 dimensions; a zero in `std`.

    >>> normalize(lampas.full((1, 1, 1), 0.75), [0.5], [0.25]).item()
    1.0
    """
    _need_tensor(tensor)
    return _tensor_kernels.normalize(tensor, mean, std, inplace)


def adjust_brightness(img: Any, brightness_factor: float) -> Any:
    """Brighter or darker: 0 is black, 1 the image itself."""
    return _kernels(img).adjust_brightness(img, brightness_factor)


def adjust_contrast(img: Any, contrast_factor: float) -> Any:
    """More or less contrast: 0 is one grey, 1 the image itself."""
    return _kernels(img).adjust_contrast(img, contrast_factor)


def adjust_saturation(img: Any, saturation_factor: float) -> Any:
    """More or less colourful: 0 is grey, 1 the image itself."""
    return _kernels(img).adjust_saturation(img, saturation_factor)


def adjust_hue(img: Any, hue_factor: float) -> Any:
    """Hues turned around the circle of colours, by -0.5 to 0.5 of it; ``ValueError`` outside. Grey images stay."""
    return _kernels(img).adjust_hue(img, hue_factor)


def adjust_gamma(img: Any, gamma: float, gain: float = 1) -> Any:
    """``gain * img ** gamma``, with values from 0 to 1: shadows are darker for `gamma` above 1, lighter below."""
    return _kernels(img).adjust_gamma(img, gamma, gain)


def adjust_sharpness(img: Any, sharpness_factor: float) -> Any:
    """Sharper or smoother: 0 is smooth, 1 the image itself."""
    return _kernels(img).adjust_sharpness(img, sharpness_factor)


def to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """A PIL image in grey, with 1 or 3 channels; `rgb_to_grayscale` also takes tensors."""
    if not _pil_kernels.is_pil_image(img):
        raise TypeError(f"to_grayscale takes a PIL image, got {type(img)}; rgb_to_grayscale takes tensors as well")
    return _pil_kernels.rgb_to_grayscale(img, num_output_channels)


def rgb_to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """The image in grey (0.2989 R + 0.587 G + 0.114 B), with 1 or 3 channels."""
    return _kernels(img).rgb_to_grayscale(img, num_output_channels)


def invert(img: Any) -> Any:
    """Black for white."""
    return _kernels(img).invert(img)


def posterize(img: Any, bits: int) -> Any:
    """Bytes with all but the highest `bits` of their bits cleared; ``ValueError`` if that is not from 0 to 8."""
    if not 0 <= bits <= 8:
        raise ValueError(f"bits should be from 0 to 8, got {bits}")
    return _kernels(img).posterize(img, bits)


def solarize(img: Any, threshold: float) -> Any:
    """Inverted where a value is `threshold` or more; ``TypeError`` if it is above a tensor's largest value."""
    return _kernels(img).solarize(img, threshold)


def autocontrast(img: Any) -> Any:
    """Each channel stretched so that its darkest pixel is black and its brightest white."""
    return _kernels(img).autocontrast(img)


def equalize(img: Any) -> Any:
    """Each channel's values spread so that all are about as frequent; bytes."""
    return _kernels(img).equalize(img)


def _two_numbers(name: str, value: Any, kind: type | tuple[type, ...]) -> list:
    if isinstance(value, kind):
        return [value, value]
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"{name} should be a number or a sequence of two, got {value!r} of type {type(value)}")
    if len(value) == 1:
        return [value[0], value[0]]
    if len(value) != 2:
        raise ValueError(f"{name} should have two elements, (x, y), got {len(value)}: {value}")
    return list(value)


def gaussian_blur(img: Any, kernel_size: int | Sequence[int], sigma: float | Sequence[float] | None = None) -> Any:
    """The image smoothed with a Gaussian bell.

    Args:
        img: tensor or PIL image.
        kernel_size: odd; one number, or (x, y).
        sigma: one number, or (x, y); by default ``0.15 * kernel_size + 0.35``.

    Raises:
        TypeError, ValueError: other types or lengths, an even size, a sigma not above 0.

    >>> gaussian_blur(lampas.rand(3, 8, 8), 5, 1.5).shape
    torch.Size([3, 8, 8])
    """
    sizes = _two_numbers("kernel_size", kernel_size, int)
    if any(size % 2 == 0 or size < 0 for size in sizes):
        raise ValueError(f"kernel_size should be odd and positive, got {sizes}")
    if sigma is None:
        sigmas = [size * 0.15 + 0.35 for size in sizes]
    else:
        sigmas = [float(value) for value in _two_numbers("sigma", sigma, (int, float))]
    if any(value <= 0.0 for value in sigmas):
        raise ValueError(f"sigma should be positive, got {sigmas}")
    return _kernels(img).gaussian_blur(img, sizes, sigmas)
