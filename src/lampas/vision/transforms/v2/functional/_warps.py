"""Moving pixels to places between pixels: rotations, affine and perspective maps, elastic deformations."""

# What `functional` decorates only declares: there are no bodies.
# mypy: disable-error-code="empty-body"

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import lampas
from lampas import Tensor
from lampas.vision import tv_tensors
from lampas.vision.transforms import _pil_kernels, _tensor_kernels
from lampas.vision.transforms._geometry import InterpolationMode, perspective_coefficients
from lampas.vision.transforms.v2.functional._dispatch import PIL, for_pictures, for_videos, functional, kernel, on_mask
from lampas.vision.transforms.v2.functional._geometry import _Fill, _Mode, _of, check_interpolation

_Points = Sequence[Sequence[int]] | None


def affine_arguments(angle: Any, translate: Any, scale: float, shear: Any, center: Any) -> tuple[Any, ...]:
    """Angle, translation, shear and centre as numbers; ``TypeError`` or ``ValueError`` says which of them is wrong."""
    if not isinstance(angle, (int, float)):
        raise TypeError(f"Argument angle should be int or float, got {angle}")
    if not isinstance(translate, (list, tuple)):
        raise TypeError(f"Argument translate should be a sequence, got {translate}")
    if len(translate) != 2:
        raise ValueError(f"Argument translate should be a sequence of length 2, got {translate}")
    if scale <= 0.0:
        raise ValueError(f"Argument scale should be positive, got {scale}")
    if not isinstance(shear, (numbers.Number, list, tuple)):
        raise TypeError(f"Shear should be either a single value or a sequence of two values, got {shear}")
    both = [shear, 0.0] if isinstance(shear, numbers.Number) else list(shear) * (2 if len(shear) == 1 else 1)
    if len(both) != 2:
        raise ValueError(f"Shear should be a sequence containing two values. Got {shear}")
    if center is not None and not isinstance(center, (list, tuple)):
        raise TypeError(f"Argument center should be a sequence, got {center}")
    return float(angle), list(translate), both, None if center is None else [float(c) for c in center]


@functional
def affine(
    inpt: Tensor,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: Sequence[float],
    interpolation: _Mode = InterpolationMode.NEAREST,
    fill: _Fill = None,
    center: Sequence[float] | None = None,
) -> Tensor:
    """Rotated, scaled, sheared and moved, on the same canvas; `RandomAffine`.

    Args:
        angle: degrees, clockwise. translate: to the right, downwards, in pixels. scale: positive.
        shear: degrees along x and y, or one number, along x.
        interpolation: how pixels between pixels are made; tensors: nearest or bilinear. Masks: always nearest.
        fill: what comes from outside: a number, or one per channel; None is black.
        center: (x, y) of what rotates in place; the middle where it is None.
    """


@for_pictures(affine)
def affine_image(
    image: Tensor,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: Sequence[float],
    interpolation: _Mode = InterpolationMode.NEAREST,
    fill: _Fill = None,
    center: Sequence[float] | None = None,
) -> Tensor:
    """`affine` of pixels (..., C, H, W)."""
    mode = check_interpolation(interpolation)
    angle, translate, shear, center = affine_arguments(angle, translate, scale, shear, center)
    return _of(image).affine(image, angle, translate, scale, shear, mode, fill, center)


affine_video = for_videos(affine, affine_image)


@kernel(affine, tv_tensors.Mask)
def affine_mask(
    mask: Tensor,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: Sequence[float],
    fill: _Fill = None,
    center: Sequence[float] | None = None,
) -> Tensor:
    """`affine` of masks (..., H, W)."""
    return on_mask(affine_image, mask, angle, translate, scale, shear, fill=fill, center=center)


@functional
def rotate(
    inpt: Tensor,
    angle: float,
    interpolation: _Mode = InterpolationMode.NEAREST,
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: _Fill = None,
) -> Tensor:
    """Rotated counter-clockwise, by degrees; `RandomRotation`.

    Args:
        expand: make the canvas as large as the result needs; only for rotations around the middle.
        interpolation, center, fill: as for `affine`.
    """


@kernel(rotate, Tensor, tv_tensors.Image)
def rotate_image(
    image: Tensor,
    angle: float,
    interpolation: _Mode = InterpolationMode.NEAREST,
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: _Fill = None,
) -> Tensor:
    """`rotate` of pixels (..., C, H, W); by right angles around the middle without loss."""
    angle = angle % 360
    turns = angle // 90 if angle % 90 == 0 and center is None else None
    if turns == 0:
        return image.clone()
    if turns == 2 or (turns is not None and (expand or image.shape[-1] == image.shape[-2])):
        return lampas.rot90(image, k=int(turns), dims=(-2, -1))
    return _tensor_kernels.rotate(image, angle, check_interpolation(interpolation), expand, center, fill)


rotate_video = for_videos(rotate, rotate_image)


@kernel(rotate, PIL)
def _rotate_image_pil(
    image: Any,
    angle: float,
    interpolation: _Mode = InterpolationMode.NEAREST,
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: _Fill = None,
) -> Any:
    return _pil_kernels.rotate(image, angle, check_interpolation(interpolation), expand, center, fill)


@kernel(rotate, tv_tensors.Mask)
def rotate_mask(
    mask: Tensor,
    angle: float,
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: _Fill = None,
) -> Tensor:
    """`rotate` of masks (..., H, W)."""
    return on_mask(rotate_image, mask, angle, expand=expand, center=center, fill=fill)


@functional
def perspective(
    inpt: Tensor,
    startpoints: _Points,
    endpoints: _Points,
    interpolation: _Mode = InterpolationMode.BILINEAR,
    fill: _Fill = None,
    coefficients: Sequence[float] | None = None,
) -> Tensor:
    """Seen from elsewhere: four corners moved to four others; `RandomPerspective`.

    Args:
        startpoints, endpoints: four (x, y) each, or None for both and
        coefficients: the eight numbers a to h that send (x, y) of the result to
            ((ax+by+c)/(gx+hy+1), (dx+ey+f)/(gx+hy+1)) of the input.
        interpolation, fill: as for `affine`.
    """


def perspective_numbers(startpoints: _Points, endpoints: _Points, coefficients: Any) -> Sequence[float]:
    """The eight coefficients, given by themselves or by points; ``ValueError`` if both or neither are there."""
    both = startpoints is not None and endpoints is not None
    if coefficients is None:
        if not both:
            raise ValueError(
                "Either the startpoints/endpoints or the coefficients must have non `None` values: give one of them."
            )
        return perspective_coefficients(startpoints, endpoints)  # type: ignore[arg-type]
    if both:
        raise ValueError("The startpoints/endpoints and the coefficients shouldn't be defined concurrently.")
    if len(coefficients) != 8:
        raise ValueError(f"Argument coefficients should have 8 float values, got {len(coefficients)}")
    return coefficients


@for_pictures(perspective)
def perspective_image(
    image: Tensor,
    startpoints: _Points,
    endpoints: _Points,
    interpolation: _Mode = InterpolationMode.BILINEAR,
    fill: _Fill = None,
    coefficients: Sequence[float] | None = None,
) -> Tensor:
    """`perspective` of pixels (..., C, H, W)."""
    given = perspective_numbers(startpoints, endpoints, coefficients)
    return _of(image).perspective_by(image, given, check_interpolation(interpolation), fill)


perspective_video = for_videos(perspective, perspective_image)


@kernel(perspective, tv_tensors.Mask)
def perspective_mask(
    mask: Tensor,
    startpoints: _Points,
    endpoints: _Points,
    fill: _Fill = None,
    coefficients: Sequence[float] | None = None,
) -> Tensor:
    """`perspective` of masks (..., H, W)."""
    nearest = InterpolationMode.NEAREST
    return on_mask(perspective_image, mask, startpoints, endpoints, nearest, fill, coefficients)


@functional
def elastic(
    inpt: Tensor, displacement: Tensor, interpolation: _Mode = InterpolationMode.BILINEAR, fill: _Fill = None
) -> Tensor:
    """Each pixel from a place of its own; `ElasticTransform`.

    Args:
        displacement: (1, H, W, 2), x before y: how far off to look, where the whole image is 2 wide and 2 high.
        interpolation, fill: as for `affine`.
    """


elastic_transform = elastic


def check_displacement(displacement: Any, height: int, width: int) -> None:
    """``TypeError`` or ``ValueError`` for what cannot be a displacement on this canvas."""
    if not isinstance(displacement, Tensor):
        raise TypeError(f"Argument displacement should be a Tensor, got {type(displacement)}")
    expected = (1, height, width, 2)
    if tuple(displacement.shape) != expected:
        raise ValueError(f"Argument displacement shape should be {expected}, but given {displacement.shape}")


@for_pictures(elastic)
def elastic_image(
    image: Tensor, displacement: Tensor, interpolation: _Mode = InterpolationMode.BILINEAR, fill: _Fill = None
) -> Tensor:
    """`elastic` of pixels (..., C, H, W)."""
    mode = check_interpolation(interpolation)
    _, height, width = _of(image).get_dimensions(image)
    check_displacement(displacement, height, width)
    return _of(image).elastic_transform(image, displacement, mode, fill)


elastic_video = for_videos(elastic, elastic_image)


@kernel(elastic, tv_tensors.Mask)
def elastic_mask(mask: Tensor, displacement: Tensor, fill: _Fill = None) -> Tensor:
    """`elastic` of masks (..., H, W)."""
    return on_mask(elastic_image, mask, displacement, InterpolationMode.NEAREST, fill)
