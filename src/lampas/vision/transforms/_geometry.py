"""The numbers of geometric transforms, without pixels: matrices, sizes and boxes. Shared by tensors and PIL images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import Enum
from typing import Any

import lampas

__all__ = [
    "InterpolationMode",
    "affine_output_size",
    "center_crop_box",
    "center_crop_padding",
    "interpolation_mode",
    "inverse_affine_matrix",
    "pad_sides",
    "perspective_coefficients",
    "resized_size",
]


class InterpolationMode(Enum):
    """How pixels between pixels are made. ``BOX``, ``HAMMING`` and ``LANCZOS`` are for PIL images only."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


# Pillow's constants
_FROM_INT = {
    0: InterpolationMode.NEAREST,
    1: InterpolationMode.LANCZOS,
    2: InterpolationMode.BILINEAR,
    3: InterpolationMode.BICUBIC,
    4: InterpolationMode.BOX,
    5: InterpolationMode.HAMMING,
}
TO_INT = {mode: number for number, mode in _FROM_INT.items()} | {InterpolationMode.NEAREST_EXACT: 0}


def interpolation_mode(interpolation: Any) -> InterpolationMode:
    """The mode itself, or the one that Pillow's number means; ``TypeError`` for anything else."""
    if isinstance(interpolation, InterpolationMode):
        return interpolation
    if isinstance(interpolation, int):
        if interpolation not in _FROM_INT:
            raise KeyError(f"interpolation {interpolation} is none of Pillow's numbers, which are 0 to 5")
        return _FROM_INT[interpolation]
    raise TypeError(
        "interpolation should be an InterpolationMode, InterpolationMode.BILINEAR for instance, or Pillow's number "
        f"of one, got {interpolation!r} of type {type(interpolation).__name__}"
    )


def pad_sides(padding: int | Sequence[int]) -> list[int]:
    """Left, top, right and bottom of a padding given as one number, as (x, y), or as all four."""
    if isinstance(padding, int):
        return [padding] * 4
    if len(padding) == 1:
        return [padding[0]] * 4
    if len(padding) == 2:
        return [padding[0], padding[1], padding[0], padding[1]]
    if len(padding) == 4:
        return list(padding)
    raise ValueError(
        f"padding must be an int or have 1, 2 or 4 elements (left, top, right, bottom), got {len(padding)}: {padding}"
    )


def resized_size(height: int, width: int, size: int | Sequence[int] | None, max_size: int | None = None) -> list[int]:
    """Height and width after a resize: both given, or the shorter side (None: the longer one becomes `max_size`)."""
    if not (size is None or isinstance(size, int) or len(size) == 1):
        return [size[0], size[1]]
    short, long = (width, height) if width <= height else (height, width)
    if size is None:
        if max_size is None:
            raise ValueError("size and max_size are both None: give one of them")
        new_short, new_long = int(max_size * short / long), max_size
    else:
        new_short = size if isinstance(size, int) else size[0]
        new_long = int(new_short * long / short)
        if max_size is not None:
            if max_size <= new_short:
                raise ValueError(
                    f"max_size = {max_size} must be greater than the size asked for the shorter side, size = {size}"
                )
            if new_long > max_size:
                new_short, new_long = int(max_size * new_short / new_long), max_size
    return [new_long, new_short] if width <= height else [new_short, new_long]


def center_crop_padding(height: int, width: int, crop_height: int, crop_width: int) -> list[int] | None:
    """What is added (left, top, right, bottom) to an image smaller than the crop; None where it is large enough."""
    if crop_height <= height and crop_width <= width:
        return None
    down, right = max(crop_height - height, 0), max(crop_width - width, 0)
    return [right // 2, down // 2, (right + 1) // 2, (down + 1) // 2]


def center_crop_box(height: int, width: int, crop_height: int, crop_width: int) -> tuple[int, int]:
    """Top and left of the crop in the middle; halves are rounded to even."""
    return round((height - crop_height) / 2.0), round((width - crop_width) / 2.0)


def inverse_affine_matrix(
    center: Sequence[float],
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: Sequence[float],
    inverted: bool = True,
) -> list[float]:
    """Where each pixel of the output comes from: six numbers, rows of a 2×3 matrix.

    Forwards it is T·C·R·S·C⁻¹ (translate, centre, rotate with shear, scale); ``inverted=False`` gives that one.
    """
    rotation, shear_x, shear_y = math.radians(angle), math.radians(shear[0]), math.radians(shear[1])
    center_x, center_y = center
    translate_x, translate_y = translate
    a = math.cos(rotation - shear_y) / math.cos(shear_y)
    b = -math.cos(rotation - shear_y) * math.tan(shear_x) / math.cos(shear_y) - math.sin(rotation)
    c = math.sin(rotation - shear_y) / math.cos(shear_y)
    d = -math.sin(rotation - shear_y) * math.tan(shear_x) / math.cos(shear_y) + math.cos(rotation)
    if inverted:
        # the determinant of rotation and shear is 1
        matrix = [x / scale for x in (d, -b, 0.0, -c, a, 0.0)]
        matrix[2] += matrix[0] * (-center_x - translate_x) + matrix[1] * (-center_y - translate_y)
        matrix[5] += matrix[3] * (-center_x - translate_x) + matrix[4] * (-center_y - translate_y)
        matrix[2] += center_x
        matrix[5] += center_y
    else:
        matrix = [x * scale for x in (a, b, 0.0, c, d, 0.0)]
        matrix[2] += matrix[0] * -center_x + matrix[1] * -center_y
        matrix[5] += matrix[3] * -center_x + matrix[4] * -center_y
        matrix[2] += center_x + translate_x
        matrix[5] += center_y + translate_y
    return matrix


def affine_output_size(matrix: Sequence[float], width: int, height: int) -> tuple[int, int]:
    """Width and height of the smallest canvas that holds the transformed image."""
    corners = lampas.tensor(
        [
            [-0.5 * width, -0.5 * height, 1.0],
            [-0.5 * width, 0.5 * height, 1.0],
            [0.5 * width, 0.5 * height, 1.0],
            [0.5 * width, -0.5 * height, 1.0],
        ]
    )
    moved = corners @ lampas.tensor(matrix).view(2, 3).T
    # Coordinates are moved by half the size, so that rounding is to whole pixels, with 1e-4 of tolerance.
    half = lampas.tensor([width * 0.5, height * 0.5])
    low = lampas.trunc((moved.amin(0) + half) / 1e-4) * 1e-4
    high = lampas.trunc((moved.amax(0) + half) / 1e-4) * 1e-4
    size = (high.ceil() - low.floor()).tolist()
    return int(size[0]), int(size[1])


def perspective_coefficients(startpoints: Sequence[Sequence[int]], endpoints: Sequence[Sequence[int]]) -> list[float]:
    """Numbers a to h: the output's (x, y) is the input's ((ax+by+c) / (gx+hy+1), (dx+ey+f) / (gx+hy+1))."""
    if len(startpoints) != 4 or len(endpoints) != 4:
        raise ValueError(
            f"a perspective is given by four corners and where they go, got {len(startpoints)} and {len(endpoints)}"
        )
    rows = []
    for (x, y), (u, v) in zip(endpoints, startpoints):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    left = lampas.tensor(rows, dtype=lampas.float64)
    right = lampas.tensor([value for point in startpoints for value in point], dtype=lampas.float64)
    solution = lampas.linalg.lstsq(left, right.unsqueeze(1)).solution
    return solution.flatten().to(lampas.float32).tolist()
