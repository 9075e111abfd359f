"""Moving boxes and points the way `_geometry` and `_warps` move pixels.

A kernel gives the new numbers, and the new size of the canvas with them where that can change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import lampas
from lampas import Tensor
from lampas.vision import tv_tensors
from lampas.vision.transforms._geometry import affine_output_size, center_crop_box, inverse_affine_matrix
from lampas.vision.transforms.v2.functional import _geometry as pixels
from lampas.vision.transforms.v2.functional import _warps as warps
from lampas.vision.transforms.v2.functional._boxes import clamped, converted
from lampas.vision.transforms.v2.functional._dispatch import kernel
from lampas.vision.transforms.v2.functional._geometry import crop_size, pad_sides, resized_size
from lampas.vision.transforms.v2.functional._rotated import rectangles
from lampas.vision.tv_tensors import BoundingBoxFormat as Format
from lampas.vision.tv_tensors import is_rotated_bounding_format

_Pair = tuple[int, int]
_Points = Sequence[Sequence[int]] | None
_AROUND = [[0, 1], [2, 1], [2, 3], [0, 3]]  # columns of the corners of XYXY


def _boxes(target: Callable) -> Callable[[Callable], Callable]:
    return kernel(target, tv_tensors.BoundingBoxes)


def _points(target: Callable) -> Callable[[Callable], Callable]:
    return kernel(target, tv_tensors.KeyPoints)


# --- flips ----------------------------------------------------------------------------------------------------------


def _flipped_boxes(boxes: Tensor, format: Format, axis: int, length: int) -> Tensor:
    """Boxes mirrored along the axis (0: x) of a canvas of this length."""
    if format == Format.XYXYXYXY:
        out = boxes.clone()
        out[..., axis::2] = length - boxes[..., axis::2]
        return out[..., [2, 3, 0, 1, 6, 7, 4, 5]]  # clockwise again
    out = boxes.clone()
    if format == Format.XYXY:
        out[..., axis] = length - boxes[..., axis + 2]
        out[..., axis + 2] = length - boxes[..., axis]
    elif format == Format.XYWH:
        out[..., axis] = length - (boxes[..., axis] + boxes[..., axis + 2])
    else:
        if format == Format.XYWHR:
            angle = boxes[..., 4].mul(lampas.pi).div(180)
            out[..., 0] += boxes[..., 2] * angle.cos()
            out[..., 1] -= boxes[..., 2] * angle.sin()
        out[..., axis] = length - out[..., axis]
        if format != Format.CXCYWH:
            out[..., 4] = -boxes[..., 4] + 180 * axis
    return out


def _flipped_points(points: Tensor, axis: int, length: int) -> Tensor:
    out = points.clone()
    out[..., axis] = length - 1 - points[..., axis]
    return out


@_boxes(pixels.horizontal_flip)
def horizontal_flip_bounding_boxes(bounding_boxes: Tensor, format: Format, canvas_size: _Pair) -> Tensor:
    """`horizontal_flip` of boxes."""
    return _flipped_boxes(bounding_boxes, format, 0, canvas_size[1])


@_points(pixels.horizontal_flip)
def horizontal_flip_keypoints(keypoints: Tensor, canvas_size: _Pair) -> Tensor:
    """`horizontal_flip` of points (..., 2)."""
    return _flipped_points(keypoints, 0, canvas_size[1])


@_boxes(pixels.vertical_flip)
def vertical_flip_bounding_boxes(bounding_boxes: Tensor, format: Format, canvas_size: _Pair) -> Tensor:
    """`vertical_flip` of boxes."""
    return _flipped_boxes(bounding_boxes, format, 1, canvas_size[0])


@_points(pixels.vertical_flip)
def vertical_flip_keypoints(keypoints: Tensor, canvas_size: _Pair) -> Tensor:
    """`vertical_flip` of points (..., 2)."""
    return _flipped_points(keypoints, 1, canvas_size[0])


# --- sizes ----------------------------------------------------------------------------------------------------------


def _ratios(old: _Pair, new: _Pair, count: int, device: Any) -> Tensor:
    return lampas.tensor([new[1] / old[1], new[0] / old[0]] * count, device=device)


@_boxes(pixels.resize)
def resize_bounding_boxes(
    bounding_boxes: Tensor,
    canvas_size: _Pair,
    size: Sequence[int] | None,
    max_size: int | None = None,
    format: Format = Format.XYXY,
    clamping_mode: str | None = "soft",
) -> tuple[Tensor, _Pair]:
    """`resize` of boxes."""
    new = resized_size(canvas_size, size, max_size)
    if new == tuple(canvas_size):
        return bounding_boxes, canvas_size
    if not is_rotated_bounding_format(format):
        ratios = _ratios(canvas_size, new, 2, bounding_boxes.device)
        return bounding_boxes.mul(ratios).to(bounding_boxes.dtype), new
    corners = converted(bounding_boxes, format, Format.XYXYXYXY).reshape(-1, 8)
    out = rectangles(corners.mul(_ratios(canvas_size, new, 4, bounding_boxes.device)))
    out = converted(clamped(out, Format.XYXYXYXY, new, clamping_mode), Format.XYXYXYXY, format)
    return out.to(bounding_boxes.dtype).reshape(bounding_boxes.shape), new


@_points(pixels.resize)
def resize_keypoints(
    keypoints: Tensor, size: Sequence[int] | None, canvas_size: _Pair, max_size: int | None = None
) -> tuple[Tensor, _Pair]:
    """`resize` of points (..., 2)."""
    new = resized_size(canvas_size, size, max_size)
    if new == tuple(canvas_size):
        return keypoints, canvas_size
    return keypoints.mul(_ratios(canvas_size, new, 1, keypoints.device)).to(keypoints.dtype), new


def _shifted(boxes: Tensor, format: Format, right: int, down: int) -> Tensor:
    repeats = {Format.XYXY: 2, Format.XYXYXYXY: 4}.get(format, 1)
    shift = [right, down] * repeats
    shift += [0] * (boxes.shape[-1] - len(shift))
    return boxes + lampas.tensor(shift, dtype=boxes.dtype, device=boxes.device)


def _refuse_padding_mode(padding_mode: str, what: str) -> None:
    if padding_mode != "constant":
        raise ValueError(f"Padding mode '{padding_mode}' is not supported with {what}: take 'constant'")


@_boxes(pixels.pad)
def pad_bounding_boxes(
    bounding_boxes: Tensor,
    format: Format,
    canvas_size: _Pair,
    padding: Sequence[int],
    padding_mode: str = "constant",
    clamping_mode: str | None = "soft",
) -> tuple[Tensor, _Pair]:
    """`pad` of boxes; ``ValueError`` for any padding mode but ``"constant"``."""
    _refuse_padding_mode(padding_mode, "bounding boxes")
    left, top, right, bottom = pad_sides(padding)
    canvas = (canvas_size[0] + top + bottom, canvas_size[1] + left + right)
    return clamped(_shifted(bounding_boxes, format, left, top), format, canvas, clamping_mode), canvas


@_points(pixels.pad)
def pad_keypoints(
    keypoints: Tensor, canvas_size: _Pair, padding: Sequence[int], padding_mode: str = "constant"
) -> tuple[Tensor, _Pair]:
    """`pad` of points (..., 2); ``ValueError`` for any padding mode but ``"constant"``."""
    _refuse_padding_mode(padding_mode, "KeyPoints")
    left, top, right, bottom = pad_sides(padding)
    shift = lampas.tensor([left, top], dtype=keypoints.dtype, device=keypoints.device)
    return keypoints + shift, (canvas_size[0] + top + bottom, canvas_size[1] + left + right)


# --- crops ----------------------------------------------------------------------------------------------------------


@_boxes(pixels.crop)
def crop_bounding_boxes(
    bounding_boxes: Tensor,
    format: Format,
    top: int,
    left: int,
    height: int,
    width: int,
    clamping_mode: str | None = "soft",
) -> tuple[Tensor, _Pair]:
    """`crop` of boxes."""
    out = _shifted(bounding_boxes, format, -left, -top)
    if format == Format.XYXYXYXY:
        out = rectangles(out)
    return clamped(out, format, (height, width), clamping_mode), (height, width)


@_points(pixels.crop)
def crop_keypoints(keypoints: Tensor, top: int, left: int, height: int, width: int) -> tuple[Tensor, _Pair]:
    """`crop` of points (..., 2), which may come to lie outside."""
    corner = lampas.tensor([left, top], dtype=keypoints.dtype, device=keypoints.device)
    return keypoints - corner, (height, width)


@_boxes(pixels.center_crop)
def center_crop_bounding_boxes(
    bounding_boxes: Tensor,
    format: Format,
    canvas_size: _Pair,
    output_size: Sequence[int],
    clamping_mode: str | None = "soft",
) -> tuple[Tensor, _Pair]:
    """`center_crop` of boxes."""
    size = crop_size(output_size)
    corner = center_crop_box(*canvas_size, *size)
    return crop_bounding_boxes(bounding_boxes, format, *corner, *size, clamping_mode=clamping_mode)


@_points(pixels.center_crop)
def center_crop_keypoints(inpt: Tensor, canvas_size: _Pair, output_size: Sequence[int]) -> tuple[Tensor, _Pair]:
    """`center_crop` of points (..., 2)."""
    size = crop_size(output_size)
    return crop_keypoints(inpt, *center_crop_box(*canvas_size, *size), *size)


@_boxes(pixels.resized_crop)
def resized_crop_bounding_boxes(
    bounding_boxes: Tensor,
    format: Format,
    top: int,
    left: int,
    height: int,
    width: int,
    size: Sequence[int],
    clamping_mode: str | None = "soft",
) -> tuple[Tensor, _Pair]:
    """`resized_crop` of boxes."""
    out, canvas = crop_bounding_boxes(bounding_boxes, format, top, left, height, width, clamping_mode)
    return resize_bounding_boxes(out, canvas, size, format=format, clamping_mode=clamping_mode)


@_points(pixels.resized_crop)
def resized_crop_keypoints(
    keypoints: Tensor, top: int, left: int, height: int, width: int, size: Sequence[int]
) -> tuple[Tensor, _Pair]:
    """`resized_crop` of points (..., 2)."""
    out, canvas = crop_keypoints(keypoints, top, left, height, width)
    return resize_keypoints(out, size, canvas)


# --- maps of the plane ----------------------------------------------------------------------------------------------


def _through_corners(
    boxes: Tensor,
    format: Format,
    canvas_size: _Pair,
    clamping_mode: str | None,
    move: Callable[[Tensor], Tensor],
) -> Tensor:
    """Boxes around where ``move`` brings the corners (N, 2) of each."""
    rotated = is_rotated_bounding_format(format)
    between = Format.XYXYXYXY if rotated else Format.XYXY
    corners = converted(boxes, format, between).reshape(-1, 8 if rotated else 4)
    moved = move((corners if rotated else corners[:, _AROUND]).reshape(-1, 2))
    if rotated:
        out = rectangles(moved.reshape(-1, 8))
    else:
        moved = moved.reshape(-1, 4, 2)
        out = lampas.cat([moved.amin(dim=1), moved.amax(dim=1)], dim=1)
    out = clamped(out, between, canvas_size, clamping_mode)
    return converted(out, between, format).reshape(boxes.shape).to(boxes.dtype)


def _with_ones(points: Tensor) -> Tensor:
    return lampas.cat([points, lampas.ones(points.shape[0], 1, device=points.device)], dim=-1)


def _affine_map(
    canvas_size: _Pair,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: Sequence[float],
    center: Sequence[float] | None,
    expand: bool,
) -> tuple[Callable[[Tensor], Tensor], _Pair]:
    """What moves floating-point (N, 2), and the size of the canvas afterwards."""
    angle, translate, shear, center = warps.affine_arguments(angle, translate, scale, shear, center)
    height, width = canvas_size
    middle = [width * 0.5, height * 0.5] if center is None else center
    forwards = inverse_affine_matrix(middle, angle, translate, scale, shear, inverted=False)
    if expand:
        backwards = inverse_affine_matrix(middle, angle, translate, scale, shear)
        new_width, new_height = affine_output_size(backwards, width, height)
        canvas_size = (new_height, new_width)

    def move(points: Tensor) -> Tensor:
        matrix = lampas.tensor(forwards, dtype=points.dtype, device=points.device).reshape(2, 3).T
        out = _with_ones(points) @ matrix
        if not expand:
            return out
        edges = [[0.0, 0.0], [0.0, float(height)], [float(width), float(height)], [float(width), 0.0]]
        edges = lampas.tensor(edges, dtype=points.dtype, device=points.device)
        return out - (_with_ones(edges) @ matrix).amin(dim=0, keepdim=True)

    return move, canvas_size


def _affine_boxes(
    boxes: Tensor, format: Format, canvas_size: _Pair, clamping_mode: str | None, *how: Any
) -> tuple[Tensor, _Pair]:
    if boxes.numel() == 0:
        return boxes, canvas_size
    move, canvas = _affine_map(canvas_size, *how)
    exact = boxes if boxes.is_floating_point() else boxes.float()
    return _through_corners(exact, format, canvas, clamping_mode, move).to(boxes.dtype), canvas


def _affine_points(points: Tensor, canvas_size: _Pair, *how: Any) -> tuple[Tensor, _Pair]:
    if points.numel() == 0:
        return points, canvas_size
    move, canvas = _affine_map(canvas_size, *how)
    exact = points if points.is_floating_point() else points.float()
    return move(exact.reshape(-1, 2)).reshape(points.shape).to(points.dtype), canvas


@_boxes(warps.affine)
def affine_bounding_boxes(
    bounding_boxes: Tensor,
    format: Format,
    canvas_size: _Pair,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: Sequence[float],
    center: Sequence[float] | None = None,
    clamping_mode: str | None = "soft",
) -> Tensor:
    """`affine` of boxes: what encloses the result, or a rotated box for it."""
    how = (angle, translate, scale, shear, center, False)
    return _affine_boxes(bounding_boxes, format, canvas_size, clamping_mode, *how)[0]


@_points(warps.affine)
def affine_keypoints(
    keypoints: Tensor,
    canvas_size: _Pair,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: Sequence[float],
    center: Sequence[float] | None = None,
) -> tuple[Tensor, _Pair]:
    """`affine` of points (..., 2)."""
    return _affine_points(keypoints, canvas_size, angle, translate, scale, shear, center, False)


@_boxes(warps.rotate)
def rotate_bounding_boxes(
    bounding_boxes: Tensor,
    format: Format,
    canvas_size: _Pair,
    angle: float,
    expand: bool = False,
    center: Sequence[float] | None = None,
    clamping_mode: str | None = "soft",
) -> tuple[Tensor, _Pair]:
    """`rotate` of boxes: what encloses the result, or a rotated box for it."""
    how = (-angle, [0.0, 0.0], 1.0, [0.0, 0.0], center, expand)
    return _affine_boxes(bounding_boxes, format, canvas_size, clamping_mode, *how)


@_points(warps.rotate)
def rotate_keypoints(
    keypoints: Tensor,
    canvas_size: _Pair,
    angle: float,
    expand: bool = False,
    center: Sequence[float] | None = None,
) -> tuple[Tensor, _Pair]:
    """`rotate` of points (..., 2)."""
    return _affine_points(keypoints, canvas_size, -angle, [0.0, 0.0], 1.0, [0.0, 0.0], center, expand)


def _perspective_map(coefficients: Sequence[float], what: str) -> Callable[[Tensor], Tensor]:
    """Where points go: the inverse of where pixels come from."""
    a, b, c, d, e, f, g, h = coefficients
    scale = a * e - b * d
    if scale == 0:
        raise RuntimeError(
            f"Provided perspective_coeffs {coefficients} can not be inverted to transform {what}. "
            f"Denominator is zero, denom={scale}"
        )
    rows = [
        [e - f * h, c * h - b, b * f - c * e],
        [f * g - d, a - c * g, c * d - a * f],
        [d * h - e * g, b * g - a * h],
    ]
    rows = [[value / scale for value in row] for row in rows]

    def move(points: Tensor) -> Tensor:
        dtype = points.dtype if points.is_floating_point() else lampas.float32
        above = lampas.tensor(rows[:2], dtype=dtype, device=points.device)
        below = lampas.tensor([[*rows[2], 1.0]], dtype=dtype, device=points.device)
        points = _with_ones(points)
        return (points @ above.T) / (points @ below.T)

    return move


@_boxes(warps.perspective)
def perspective_bounding_boxes(
    bounding_boxes: Tensor,
    format: Format,
    canvas_size: _Pair,
    startpoints: _Points,
    endpoints: _Points,
    coefficients: Sequence[float] | None = None,
    clamping_mode: str | None = "soft",
) -> Tensor:
    """`perspective` of boxes; ``RuntimeError`` where the map has no inverse."""
    if bounding_boxes.numel() == 0:
        return bounding_boxes
    move = _perspective_map(warps.perspective_numbers(startpoints, endpoints, coefficients), "bounding boxes")
    return _through_corners(bounding_boxes, format, canvas_size, clamping_mode, move)


@_points(warps.perspective)
def perspective_keypoints(
    keypoints: Tensor,
    canvas_size: _Pair,
    startpoints: _Points,
    endpoints: _Points,
    coefficients: Sequence[float] | None = None,
) -> Tensor:
    """`perspective` of points (..., 2); ``RuntimeError`` where the map has no inverse."""
    if keypoints.numel() == 0:
        return keypoints
    move = _perspective_map(warps.perspective_numbers(startpoints, endpoints, coefficients), "keypoints")
    return move(keypoints.reshape(-1, 2)).to(keypoints.dtype).reshape(keypoints.shape)


def _elastic_map(displacement: Tensor, canvas_size: _Pair, dtype: lampas.dtype) -> Callable[[Tensor], Tensor]:
    """Points moved against the displacement of the pixel they lie in: its inverse, nearly."""
    height, width = canvas_size
    options: dict[str, Any] = {"device": displacement.device, "dtype": dtype}
    places = lampas.empty(height, width, 2, **options)
    places[..., 0].copy_(lampas.linspace((1 - width) / width, (width - 1) / width, width, **options))
    places[..., 1].copy_(lampas.linspace((1 - height) / height, (height - 1) / height, height, **options)[:, None])
    places.sub_(displacement[0].to(dtype))

    def move(points: Tensor) -> Tensor:
        x, y = points.to(lampas.int64).unbind(-1)
        found = places[y.clamp(0, height - 1), x.clamp(0, width - 1)]
        return found.add(1).mul(0.5 * lampas.tensor([width, height], **options)).sub(0.5).to(points.dtype)

    return move


def _coordinate_type(values: Tensor) -> lampas.dtype:
    return values.dtype if values.is_floating_point() else lampas.float32


@_boxes(warps.elastic)
def elastic_bounding_boxes(
    bounding_boxes: Tensor,
    format: Format,
    canvas_size: _Pair,
    displacement: Tensor,
    clamping_mode: str | None = "soft",
) -> Tensor:
    """`elastic` of boxes; of rotated ones, only the centre moves."""
    warps.check_displacement(displacement, *canvas_size)
    if bounding_boxes.numel() == 0:
        return bounding_boxes
    move = _elastic_map(displacement, canvas_size, _coordinate_type(bounding_boxes))
    if not is_rotated_bounding_format(format):
        return _through_corners(
            bounding_boxes,
            format,
            canvas_size,
            clamping_mode,
            lambda corners: move(corners.ceil() if corners.is_floating_point() else corners),
        )
    centred = converted(bounding_boxes, format, Format.CXCYWHR).reshape(-1, 5)
    out = lampas.cat([move(centred[:, :2].ceil()), centred[:, 2:]], dim=1)
    out = clamped(out, Format.CXCYWHR, canvas_size, clamping_mode)
    return converted(out, Format.CXCYWHR, format).reshape(bounding_boxes.shape)


@_points(warps.elastic)
def elastic_keypoints(keypoints: Tensor, canvas_size: _Pair, displacement: Tensor) -> Tensor:
    """`elastic` of points (..., 2)."""
    warps.check_displacement(displacement, *canvas_size)
    if keypoints.numel() == 0:
        return keypoints
    move = _elastic_map(displacement, canvas_size, _coordinate_type(keypoints))
    return move(keypoints.reshape(-1, 2)).reshape(keypoints.shape)
