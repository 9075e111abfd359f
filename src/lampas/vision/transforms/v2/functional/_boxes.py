"""Boxes and points themselves: formats, keeping them on the canvas, and which of them are worth keeping."""

from __future__ import annotations

from typing import Any

import lampas
from lampas import Tensor
from lampas.vision import tv_tensors
from lampas.vision.transforms.v2.functional._dispatch import is_pure_tensor
from lampas.vision.transforms.v2.functional._rotated import clamp_rotated
from lampas.vision.tv_tensors import BoundingBoxFormat as Format
from lampas.vision.tv_tensors import is_rotated_bounding_format

__all__ = [
    "clamp_bounding_boxes",
    "clamp_keypoints",
    "convert_bounding_box_format",
    "sanitize_bounding_boxes",
    "sanitize_keypoints",
]

# --- formats --------------------------------------------------------------------------------------------------------


def _half(sizes: Tensor) -> Tensor:
    return sizes.div(2, rounding_mode=None if sizes.is_floating_point() else "floor")


def _split(boxes: Tensor) -> tuple[Tensor, Tensor]:
    return boxes[..., :2], boxes[..., 2:4]


def _joined(*parts: Tensor) -> Tensor:
    return lampas.cat(parts, dim=-1)


def _corner_of_centre(boxes: Tensor) -> tuple[Tensor, Tensor]:
    # integers are computed in floating point, and cut off once
    centre, size = _split(boxes if boxes.is_floating_point() else boxes.float())
    return centre - size / 2, size


def _xywh_to_xyxy(boxes: Tensor) -> Tensor:
    corner, size = _split(boxes)
    return _joined(corner, size + corner)


def _xyxy_to_xywh(boxes: Tensor) -> Tensor:
    corner, opposite = _split(boxes)
    return _joined(corner, opposite - corner)


def _xywh_to_cxcywh(boxes: Tensor) -> Tensor:
    corner, size = _split(boxes)
    return _joined(corner + _half(size), size)


def _cxcywh_to_xyxy(boxes: Tensor) -> Tensor:
    corner, size = _corner_of_centre(boxes)
    return _joined(corner, size + corner).to(boxes.dtype)


def _cxcywh_to_xywh(boxes: Tensor) -> Tensor:
    if not boxes.is_floating_point():
        return _xyxy_to_xywh(_cxcywh_to_xyxy(boxes))
    return _joined(*_corner_of_centre(boxes))


def _xyxy_to_cxcywh(boxes: Tensor) -> Tensor:
    corner, opposite = _split(boxes)
    size = opposite - corner
    return _joined(_half(corner * 2 + size), size)


def _turned(boxes: Tensor, sign: int) -> Tensor:
    """The first two numbers moved by half the box's size, along its own axes."""
    angle = boxes[..., 4].mul(lampas.pi).div(180.0)
    cos, sin = angle.cos(), angle.sin()
    w, h = (boxes[..., 2:4].abs() / 2 * sign).unbind(-1)
    point = lampas.stack([boxes[..., 0] + w * cos + h * sin, boxes[..., 1] - w * sin + h * cos], dim=-1)
    return _joined(point, boxes[..., 2:])


def _xywhr_to_corners(boxes: Tensor) -> Tensor:
    x, y, w, h, angle = boxes.unbind(-1)
    angle = angle.mul(lampas.pi).div(180.0)
    cos, sin = angle.cos(), angle.sin()
    along, across = (w * cos, -w * sin), (h * sin, h * cos)
    third = (x + (along[0] + across[0]), y + (along[1] + across[1]))
    return lampas.stack([x, y, x + along[0], y + along[1], *third, x + across[0], y + across[1]], dim=-1)


def _corners_to_xywhr(boxes: Tensor) -> Tensor:
    exact = boxes if boxes.dtype in (lampas.float32, lampas.float64) else boxes.to(lampas.float32)
    x1, y1, x2, y2, x3, y3, _, _ = exact.unbind(-1)
    angle = lampas.atan2(y1 - y2, x2 - x1) / lampas.pi * 180.0
    width = ((x2 - x1).pow(2) + (y2 - y1).pow(2)).sqrt()
    height = ((x3 - x2).pow(2) + (y3 - y2).pow(2)).sqrt()
    return lampas.stack([x1, y1, width, height, angle], dim=-1).to(boxes.dtype)


# All ways lead through XYXY, or XYWHR where boxes are rotated, but for the two which would lose precision.
_TO_COMMON = {
    Format.XYWH: _xywh_to_xyxy,
    Format.CXCYWH: _cxcywh_to_xyxy,
    Format.CXCYWHR: lambda boxes: _turned(boxes, -1),
    Format.XYXYXYXY: _corners_to_xywhr,
}
_FROM_COMMON = {
    Format.XYWH: _xyxy_to_xywh,
    Format.CXCYWH: _xyxy_to_cxcywh,
    Format.CXCYWHR: lambda boxes: _turned(boxes, 1),
    Format.XYXYXYXY: _xywhr_to_corners,
}
_DIRECT = {(Format.XYWH, Format.CXCYWH): _xywh_to_cxcywh, (Format.CXCYWH, Format.XYWH): _cxcywh_to_xywh}


def _format(format: Any) -> Any:
    return Format[format.upper()] if isinstance(format, str) else format


def converted(boxes: Tensor, old: Format, new: Format) -> Tensor:
    """The boxes in another format; the same tensor where the formats are the same."""
    if old == new:
        return boxes
    if is_rotated_bounding_format(old) != is_rotated_bounding_format(new):
        raise ValueError(f"Cannot convert between rotated and unrotated bounding boxes: {old.value} to {new.value}.")
    if (old, new) in _DIRECT:
        return _DIRECT[old, new](boxes)
    for step in (_TO_COMMON.get(old), _FROM_COMMON.get(new)):
        boxes = boxes if step is None else step(boxes)
    return boxes


def convert_bounding_box_format(
    inpt: Any,
    old_format: Format | str | None = None,
    new_format: Format | str | None = None,
    inplace: bool = False,
) -> Tensor:
    """Boxes in another format.

    Args:
        inpt: `BoundingBoxes`, or a tensor (..., K).
        old_format: what a plain tensor is in; must be None for `BoundingBoxes`.
        new_format: a `BoundingBoxFormat` or its name.
        inplace: write the result into ``inpt``, where the number of columns stays.

    Raises:
        TypeError: no ``new_format``, or ``inpt`` is something else.
        ValueError: ``old_format`` lacks or is too much, or one format is of rotated boxes and the other not.
    """
    if new_format is None:
        raise TypeError("convert_bounding_box_format() missing 1 required argument: 'new_format'")
    old, new = _format(old_format), _format(new_format)
    boxed = isinstance(inpt, tv_tensors.BoundingBoxes)
    if not boxed and not is_pure_tensor(inpt):
        raise TypeError(
            f"Input can either be a plain tensor or a bounding box tv_tensor, but got {type(inpt)} instead."
        )
    if boxed and old is not None:
        raise ValueError("For bounding box tv_tensor inputs, `old_format` must not be passed.")
    if not boxed and old is None:
        raise ValueError("For pure tensor inputs, `old_format` has to be passed.")
    plain = inpt.as_subclass(Tensor) if boxed else inpt
    output = converted(plain, inpt.format if boxed else old, new)
    if inplace and output.shape == plain.shape:
        output = plain.copy_(output)
    return tv_tensors.wrap(output, like=inpt, format=new) if boxed else output


# --- the canvas -----------------------------------------------------------------------------------------------------


def clamped(boxes: Tensor, format: Format, canvas_size: tuple[int, int], mode: str | None) -> Tensor:
    """New boxes that do not leave the canvas; None as mode leaves them as they are."""
    if mode is None:
        return boxes.clone()
    if is_rotated_bounding_format(format):
        corners = converted(boxes, format, Format.XYXYXYXY)
        kept = clamp_rotated(corners.reshape(-1, 8), canvas_size, mode)
        return converted(kept, Format.XYXYXYXY, format).reshape(boxes.shape)
    exact = boxes if boxes.is_floating_point() else boxes.float()
    corners = converted(exact, format, Format.XYXY).clone()
    corners[..., 0::2].clamp_(min=0, max=canvas_size[1])
    corners[..., 1::2].clamp_(min=0, max=canvas_size[0])
    return converted(corners, Format.XYXY, format).to(boxes.dtype)


def clamp_bounding_boxes(
    inpt: Tensor,
    format: Format | None = None,
    canvas_size: tuple[int, int] | None = None,
    clamping_mode: str | None = "auto",
) -> Tensor:
    """Boxes that do not leave the canvas.

    Args:
        inpt: `BoundingBoxes`, or a tensor, for which the next three are needed.
        format, canvas_size: of a plain tensor; None for `BoundingBoxes`.
        clamping_mode: ``"soft"``, ``"hard"``, None (nothing happens), or ``"auto"``: that of the boxes.

    Raises:
        ValueError: another mode, or an argument that lacks or is too much.
        TypeError: ``inpt`` is neither.
    """
    if clamping_mode not in (None, "soft", "hard", "auto"):
        raise ValueError(f"clamping_mode must be soft, hard, auto or None, got {clamping_mode}")
    if is_pure_tensor(inpt):
        if format is None or canvas_size is None or clamping_mode == "auto":
            raise ValueError("For pure tensor inputs, `format`, `canvas_size` and `clamping_mode` have to be passed.")
        return clamped(inpt, _format(format), canvas_size, clamping_mode)
    if not isinstance(inpt, tv_tensors.BoundingBoxes):
        raise TypeError(
            f"Input can either be a plain tensor or a bounding box tv_tensor, but got {type(inpt)} instead."
        )
    if format is not None or canvas_size is not None:
        raise ValueError("For bounding box tv_tensor inputs, `format` and `canvas_size` must not be passed.")
    mode = inpt.clamping_mode if clamping_mode == "auto" else clamping_mode
    return tv_tensors.wrap(clamped(inpt.as_subclass(Tensor), inpt.format, inpt.canvas_size, mode), like=inpt)


def clamp_keypoints(inpt: Any, canvas_size: tuple[int, int] | None = None) -> Tensor:
    """Points moved to the nearest pixel of the canvas.

    Args:
        inpt: `KeyPoints`, or a tensor (..., 2), for which ``canvas_size`` is needed.

    Raises:
        ValueError: ``canvas_size`` lacks or is too much. TypeError: ``inpt`` is neither.
    """
    if is_pure_tensor(inpt):
        if canvas_size is None:
            raise ValueError("For pure tensor inputs, `canvas_size` has to be passed.")
    elif not isinstance(inpt, tv_tensors.KeyPoints):
        raise TypeError(f"Input can either be a plain tensor or a keypoints tv_tensor, but got {type(inpt)} instead.")
    elif canvas_size is not None:
        raise ValueError("For keypoints tv_tensor inputs, `canvas_size` must not be passed.")
    height, width = inpt.canvas_size if canvas_size is None else canvas_size
    plain = inpt.as_subclass(Tensor)
    points = plain.clone() if plain.is_floating_point() else plain.float()
    points[..., 0].clamp_(min=0, max=width - 1)
    points[..., 1].clamp_(min=0, max=height - 1)
    points = points.to(plain.dtype)
    return points if is_pure_tensor(inpt) else tv_tensors.wrap(points, like=inpt)


# --- which are worth keeping ----------------------------------------------------------------------------------------


def valid_boxes(
    boxes: Tensor, format: Format, canvas_size: tuple[int, int], min_size: float = 1.0, min_area: float = 1.0
) -> Tensor:
    """For each box, whether it lies on the canvas and is large enough."""
    boxes = boxes.as_subclass(Tensor)
    if is_rotated_bounding_format(format):
        boxes = converted(boxes, format, Format.XYXYXYXY)
        x1, y1, x2, y2, x3, y3, x4, _ = boxes.unbind(-1)
        width = ((x1 - x2).pow(2) + (y1 - y2).pow(2)).sqrt()
        # x of the opposite side: not a height, but what torchvision keeps boxes by
        height = ((y2 - y3).pow(2) + (x3 - x4).pow(2)).sqrt()
    else:
        boxes = converted(boxes, format, Format.XYXY)
        width, height = (boxes[..., 2:] - boxes[..., :2]).unbind(-1)
    large = (width >= min_size) & (height >= min_size) & (width * height >= min_area)
    inside = (boxes[..., 0::2] <= canvas_size[1]).all(-1) & (boxes[..., 1::2] <= canvas_size[0]).all(-1)
    return large & inside & (boxes >= 0).all(-1)


def sanitize_bounding_boxes(
    bounding_boxes: Tensor,
    format: Format | str | None = None,
    canvas_size: tuple[int, int] | None = None,
    min_size: float = 1.0,
    min_area: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """The boxes that lie on the canvas and are large enough, and the mask (N,) that chose them.

    Args:
        bounding_boxes: `BoundingBoxes`, or a tensor (N, K), for which ``format`` and ``canvas_size`` are needed.
        min_size: the least width and height. min_area: the least area.

    Raises:
        ValueError: an argument lacks or is too much, or ``bounding_boxes`` is of another kind.
    """
    if is_pure_tensor(bounding_boxes):
        if format is None or canvas_size is None:
            raise ValueError(
                "format and canvas_size cannot be None if bounding_boxes is a pure tensor. "
                f"Got format={format} and canvas_size={canvas_size}."
            )
        valid = valid_boxes(bounding_boxes, _format(format), canvas_size, min_size, min_area)
        return bounding_boxes[valid], valid
    if not isinstance(bounding_boxes, tv_tensors.BoundingBoxes):
        raise ValueError("bounding_boxes must be a tv_tensors.BoundingBoxes instance or a pure tensor.")
    if format is not None or canvas_size is not None:
        raise ValueError(
            "format and canvas_size must be None when bounding_boxes is a tv_tensors.BoundingBoxes instance. "
            f"Got format={format} and canvas_size={canvas_size}."
        )
    valid = valid_boxes(bounding_boxes, bounding_boxes.format, bounding_boxes.canvas_size, min_size, min_area)
    return tv_tensors.wrap(bounding_boxes[valid], like=bounding_boxes), valid


def valid_keypoints(key_points: Tensor, canvas_size: tuple[int, int]) -> Tensor:
    """For each point, or each group of points along the first dimension, whether it lies on the canvas wholly."""
    x, y = key_points.as_subclass(Tensor).unbind(-1)
    inside = (x >= 0) & (x < canvas_size[1]) & (y >= 0) & (y < canvas_size[0])
    return inside.flatten(start_dim=1).all(dim=1) if inside.ndim > 1 else inside


def sanitize_keypoints(key_points: Tensor, canvas_size: tuple[int, int] | None = None) -> tuple[Tensor, Tensor]:
    """The points, or groups of points, that lie on the canvas, and the mask (N,) that chose them.

    Args:
        key_points: `KeyPoints`, or a tensor (N, ..., 2), for which ``canvas_size`` is needed.

    Raises:
        ValueError: ``canvas_size`` lacks or is too much, or ``key_points`` is of another kind.
    """
    if is_pure_tensor(key_points):
        if canvas_size is None:
            raise ValueError("canvas_size cannot be None if key_points is a pure tensor.")
        valid = valid_keypoints(key_points, canvas_size)
        return key_points[valid], valid
    if not isinstance(key_points, tv_tensors.KeyPoints):
        raise ValueError("key_points must be a tv_tensors.KeyPoints instance or a pure tensor.")
    if canvas_size is not None:
        raise ValueError(
            "canvas_size must be None when key_points is a tv_tensors.KeyPoints instance. "
            f"Got canvas_size={canvas_size}."
        )
    valid = valid_keypoints(key_points, key_points.canvas_size)
    return tv_tensors.wrap(key_points[valid], like=key_points), valid
