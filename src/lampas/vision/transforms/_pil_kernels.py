"""Operations on PIL images; the names and arguments are those of `_tensor_kernels`. What Pillow has, Pillow does."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from lampas import Tensor

from ..utils import pillow
from ._geometry import TO_INT, InterpolationMode, inverse_affine_matrix, pad_sides, perspective_coefficients

_Fill = float | Sequence[float] | None


def is_pil_image(img: Any) -> bool:
    """Without importing Pillow: what is not imported has made no images."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(img, module.Image)


def check_image(img: Any) -> None:
    if not is_pil_image(img):
        raise TypeError(f"img should be a tensor or a PIL image, got {type(img)}")


def get_dimensions(img: Any) -> list[int]:
    check_image(img)
    return [len(img.getbands()), img.height, img.width]


def _filling(fill: _Fill, img: Any) -> Any:
    """The fill as Pillow wants it: one number, or a tuple of one for each band."""
    bands = len(img.getbands())
    if fill is None:
        fill = 0
    if isinstance(fill, (int, float)):
        values = [fill] * bands
    elif isinstance(fill, (tuple, list)):
        values = list(fill) * bands if len(fill) == 1 else list(fill)
        if len(values) != bands:
            raise ValueError(f"fill has {len(values)} values for the image's {bands} channels: give one or as many")
    else:
        raise TypeError(f"fill should be a number or a tuple or list of numbers, got {fill!r}")
    if img.mode != "F":
        values = [int(value) for value in values]
    return tuple(values) if bands > 1 or isinstance(fill, (tuple, list)) else values[0]


# ---- values ----


def _enhanced(kind: str, img: Any, factor: float) -> Any:
    check_image(img)
    return getattr(pillow("ImageEnhance"), kind)(img).enhance(factor)


def adjust_brightness(img: Any, brightness_factor: float) -> Any:
    return _enhanced("Brightness", img, brightness_factor)


def adjust_contrast(img: Any, contrast_factor: float) -> Any:
    return _enhanced("Contrast", img, contrast_factor)


def adjust_saturation(img: Any, saturation_factor: float) -> Any:
    return _enhanced("Color", img, saturation_factor)


def adjust_sharpness(img: Any, sharpness_factor: float) -> Any:
    return _enhanced("Sharpness", img, sharpness_factor)


def adjust_hue(img: Any, hue_factor: float) -> Any:
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"hue_factor ({hue_factor}) is not in [-0.5, 0.5]")
    check_image(img)
    mode = img.mode
    if mode in ("L", "1", "I", "F"):
        return img
    hue, saturation, value = img.convert("HSV").split()
    turn = int(hue_factor * 255)
    hue = hue.point([(h + turn) % 256 for h in range(256)])
    return pillow("Image").merge("HSV", (hue, saturation, value)).convert(mode)


def adjust_gamma(img: Any, gamma: float, gain: float = 1) -> Any:
    check_image(img)
    if gamma < 0:
        raise ValueError(f"gamma ({gamma}) must not be negative")
    table = [int((255 + 1 - 1e-3) * gain * pow(value / 255.0, gamma)) for value in range(256)]
    return img.convert("RGB").point(table * 3).convert(img.mode)


def rgb_to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    check_image(img)
    if num_output_channels not in (1, 3):
        raise ValueError(f"num_output_channels should be 1 or 3, got {num_output_channels}")
    grey = img.convert("L")
    return grey if num_output_channels == 1 else pillow("Image").merge("RGB", (grey, grey, grey))


def invert(img: Any) -> Any:
    check_image(img)
    return pillow("ImageOps").invert(img)


def posterize(img: Any, bits: int) -> Any:
    check_image(img)
    return pillow("ImageOps").posterize(img, bits)


def solarize(img: Any, threshold: float) -> Any:
    check_image(img)
    return pillow("ImageOps").solarize(img, threshold)


def autocontrast(img: Any) -> Any:
    check_image(img)
    return pillow("ImageOps").autocontrast(img)


def equalize(img: Any) -> Any:
    check_image(img)
    return pillow("ImageOps").equalize(img)


# ---- places ----


def hflip(img: Any) -> Any:
    check_image(img)
    return img.transpose(pillow("Image").Transpose.FLIP_LEFT_RIGHT)


def vflip(img: Any) -> Any:
    check_image(img)
    return img.transpose(pillow("Image").Transpose.FLIP_TOP_BOTTOM)


def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    check_image(img)
    return img.crop((left, top, left + width, top + height))


def pad(img: Any, padding: int | Sequence[int], fill: _Fill = 0, padding_mode: str = "constant") -> Any:
    check_image(img)
    if padding_mode == "constant":
        fill = _filling(fill, img)
        border = padding if isinstance(padding, int) else tuple(padding)
        if not isinstance(border, int) and len(border) == 1:
            border = border[0]
        expanded = pillow("ImageOps").expand(img, border=border, fill=fill)
        if img.mode == "P":
            expanded.putpalette(img.getpalette())
        return expanded
    import numpy as np

    sides = pad_sides(padding)
    if min(sides) < 0:
        # a negative padding is a crop
        left, top, right, bottom = (max(-side, 0) for side in sides)
        img = img.crop((left, top, img.width - right, img.height - bottom))
        sides = [max(side, 0) for side in sides]
    left, top, right, bottom = sides
    pixels = np.asarray(img)
    around = ((top, bottom), (left, right)) + ((0, 0),) * (pixels.ndim - 2)
    padded = pillow("Image").fromarray(np.pad(pixels, around, mode=padding_mode))  # type: ignore[call-overload]
    if img.mode == "P":
        padded.putpalette(img.getpalette())
    return padded


def resize(
    img: Any,
    size: Sequence[int],
    interpolation: InterpolationMode = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Any:
    """Pillow always smooths what it makes smaller: `antialias` has no effect."""
    check_image(img)
    return img.resize((size[1], size[0]), TO_INT[interpolation])


def affine(
    img: Any,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: Sequence[float],
    interpolation: InterpolationMode = InterpolationMode.NEAREST,
    fill: _Fill = None,
    center: Sequence[float] | None = None,
) -> Any:
    check_image(img)
    middle = [img.width * 0.5, img.height * 0.5] if center is None else center
    matrix = inverse_affine_matrix(middle, angle, translate, scale, shear)
    method = pillow("Image").Transform.AFFINE
    return img.transform(img.size, method, matrix, TO_INT[interpolation], fillcolor=_filling(fill, img))


def rotate(
    img: Any,
    angle: float,
    interpolation: InterpolationMode = InterpolationMode.NEAREST,
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: _Fill = None,
) -> Any:
    check_image(img)
    return img.rotate(angle, TO_INT[interpolation], expand, center, fillcolor=_filling(fill, img))


def perspective(
    img: Any,
    startpoints: Sequence[Sequence[int]],
    endpoints: Sequence[Sequence[int]],
    interpolation: InterpolationMode = InterpolationMode.BILINEAR,
    fill: _Fill = None,
) -> Any:
    return perspective_by(img, perspective_coefficients(startpoints, endpoints), interpolation, fill)


def perspective_by(
    img: Any,
    coefficients: Sequence[float],
    interpolation: InterpolationMode = InterpolationMode.BILINEAR,
    fill: _Fill = None,
) -> Any:
    check_image(img)
    method = pillow("Image").Transform.PERSPECTIVE
    return img.transform(img.size, method, coefficients, TO_INT[interpolation], fillcolor=_filling(fill, img))


# ---- by way of tensors, where Pillow has no such thing ----


def gaussian_blur(img: Any, kernel_size: Sequence[int], sigma: Sequence[float]) -> Any:
    from . import _conversion, _tensor_kernels

    check_image(img)
    blurred = _tensor_kernels.gaussian_blur(_conversion.pil_to_tensor(img), kernel_size, sigma)
    return _conversion.to_pil_image(blurred, mode=img.mode)


def elastic_transform(
    img: Any,
    displacement: Tensor,
    interpolation: InterpolationMode = InterpolationMode.BILINEAR,
    fill: _Fill = None,
) -> Any:
    from . import _conversion, _tensor_kernels

    check_image(img)
    moved = _tensor_kernels.elastic_transform(_conversion.pil_to_tensor(img), displacement, interpolation, fill)
    return _conversion.to_pil_image(moved, mode=img.mode)
