"""Boxes: areas, overlaps, conversions, and choosing among overlapping ones.

Boxes are (N, 4), two opposite corners x1, y1, x2, y2 (``xyxy``) unless said otherwise.
"""

from __future__ import annotations

import lampas
from lampas import Tensor

__all__ = [
    "batched_nms",
    "box_area",
    "box_convert",
    "box_iou",
    "clip_boxes_to_image",
    "complete_box_iou",
    "distance_box_iou",
    "generalized_box_iou",
    "masks_to_boxes",
    "nms",
    "remove_small_boxes",
]

_PLAIN = ("xyxy", "xywh", "cxcywh")
_ROTATED = ("xywhr", "cxcywhr", "xyxyxyxy")


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """The boxes that stay when each drops those of lower score that overlap it by more than `iou_threshold`.

    Returns:
        Their indices (int64), the highest score first.

    Raises:
        RuntimeError: `boxes` is not (N, 4) or `scores` is not (N,).

    Example:
        >>> nms(lampas.tensor([[0., 0, 4, 4], [0, 0, 4, 5], [9, 9, 10, 10]]), lampas.tensor([0.8, 0.9, 0.1]), 0.5)
        tensor([1, 2])
    """
    import numpy as np

    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise RuntimeError(f"nms: boxes should be a tensor of shape (N, 4), got {tuple(boxes.shape)}")
    if scores.ndim != 1 or scores.shape[0] != boxes.shape[0]:
        raise RuntimeError(
            f"nms: boxes and scores should have same number of elements, got {boxes.shape[0]} boxes and scores of "
            f"shape {tuple(scores.shape)}"
        )
    if boxes.dtype != scores.dtype:
        raise RuntimeError(f"nms: boxes and scores should have the same type, got {boxes.dtype} and {scores.dtype}")
    order = scores.detach().sort(stable=True, descending=True)[1].numpy()
    kind = np.float64 if boxes.dtype == lampas.float64 else np.float32
    corners = boxes.detach().to(lampas.float64 if kind is np.float64 else lampas.float32).numpy()[order]
    x1, y1, x2, y2 = np.ascontiguousarray(corners.T)
    areas = (x2 - x1) * (y2 - y1)
    left = np.arange(len(order))
    kept = []
    while len(left):
        first, rest = left[0], left[1:]
        kept.append(first)
        width = np.minimum(x2[first], x2[rest]) - np.maximum(x1[first], x1[rest])
        height = np.minimum(y2[first], y2[rest]) - np.maximum(y1[first], y1[rest])
        shared = np.maximum(width, kind(0)) * np.maximum(height, kind(0))
        with np.errstate(invalid="ignore", divide="ignore"):
            overlap = shared / (areas[first] + areas[rest] - shared)
        left = rest[~(overlap > iou_threshold)]
    return lampas.from_numpy(order[np.array(kept, dtype=np.int64)].astype(np.int64)).to(boxes.device)


def batched_nms(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float) -> Tensor:
    """`nms` for each category of `idxs` (N,) by itself; the indices that stay, the highest score first."""
    stays = lampas.zeros_like(scores, dtype=lampas.bool)
    for category in lampas.unique(idxs):
        members = lampas.where(idxs == category)[0]
        stays[members[nms(boxes[members], scores[members], iou_threshold)]] = True
    kept = lampas.where(stays)[0]
    return kept[scores[kept].sort(stable=True, descending=True)[1]]


def remove_small_boxes(boxes: Tensor, min_size: float) -> Tensor:
    """The indices of boxes whose sides are both `min_size` or more."""
    width, height = (boxes[:, 2:] - boxes[:, :2]).unbind(1)
    return lampas.where((width >= min_size) & (height >= min_size))[0]


def clip_boxes_to_image(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Boxes (..., 4) with their corners moved into an image of `size` (height, width)."""
    height, width = size
    xs, ys = boxes[..., 0::2].clamp(0, width), boxes[..., 1::2].clamp(0, height)
    return lampas.stack((xs, ys), dim=boxes.dim()).reshape(boxes.shape)


def _to_corners(boxes: Tensor, fmt: str) -> Tensor:
    if fmt == "xyxy":
        return boxes
    a, b, w, h = boxes.unbind(-1)
    if fmt == "xywh":
        return lampas.stack((a, b, a + w, b + h), -1)
    return lampas.stack((a - 0.5 * w, b - 0.5 * h, a + 0.5 * w, b + 0.5 * h), -1)


def _of_corners(boxes: Tensor, fmt: str) -> Tensor:
    if fmt == "xyxy":
        return boxes
    x1, y1, x2, y2 = boxes.unbind(-1)
    if fmt == "xywh":
        return lampas.stack((x1, y1, x2 - x1, y2 - y1), -1)
    return lampas.stack(((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1), -1)


def box_convert(boxes: Tensor, in_fmt: str, out_fmt: str) -> Tensor:
    """Boxes in another notation.

    Args:
        in_fmt, out_fmt: ``"xyxy"`` two corners, ``"xywh"`` a corner and the size, ``"cxcywh"`` the middle and the size;
            of rotated boxes ``"xywhr"``, ``"cxcywhr"`` (an angle in degrees last) and ``"xyxyxyxy"`` (four corners).

    Raises:
        ValueError: one of the notations is none of these. NotImplementedError: one is rotated and the other is not.
    """
    known = (*_PLAIN, *_ROTATED)
    if in_fmt not in known or out_fmt not in known:
        raise ValueError(
            f"Unsupported Bounding Box Conversions for given in_fmt {in_fmt} and out_fmt {out_fmt}: each must be one "
            f"of {', '.join(known)}"
        )
    if in_fmt == out_fmt:
        return boxes.clone()
    if (in_fmt in _PLAIN) != (out_fmt in _PLAIN):
        raise NotImplementedError(
            f"Unsupported Bounding Box Conversions for given in_fmt {in_fmt} and out_fmt {out_fmt}: one is rotated "
            "and the other is not"
        )
    if in_fmt in _PLAIN:
        return _of_corners(_to_corners(boxes, in_fmt), out_fmt)
    from lampas.vision.transforms.v2.functional._boxes import converted
    from lampas.vision.tv_tensors import BoundingBoxFormat

    return converted(boxes, BoundingBoxFormat[in_fmt.upper()], BoundingBoxFormat[out_fmt.upper()])


def _wide(t: Tensor) -> Tensor:
    # So that products of sides do not overflow.
    if t.is_floating_point():
        return t if t.dtype in (lampas.float32, lampas.float64) else t.float()
    return t if t.dtype in (lampas.int32, lampas.int64) else t.int()


def box_area(boxes: Tensor, fmt: str = "xyxy") -> Tensor:
    """The areas (N,) of boxes in notation ``"xyxy"``, ``"xywh"`` or ``"cxcywh"``."""
    if fmt not in _PLAIN:
        raise ValueError(f"Unsupported Bounding Box area for given format {fmt}: xyxy, xywh or cxcywh expected")
    boxes = _wide(boxes)
    sides = boxes[..., 2:] - boxes[..., :2] if fmt == "xyxy" else boxes[..., 2:]
    return sides[..., 0] * sides[..., 1]


def _shared_and_union(boxes1: Tensor, boxes2: Tensor) -> tuple[Tensor, Tensor]:
    """(..., N, M), the areas that pairs have in common and that they cover together."""
    low = lampas.max(boxes1[..., :, None, :2], boxes2[..., None, :, :2])
    high = lampas.min(boxes1[..., :, None, 2:], boxes2[..., None, :, 2:])
    sides = _wide(high - low).clamp(min=0)
    shared = sides[..., 0] * sides[..., 1]
    return shared, box_area(boxes1)[..., :, None] + box_area(boxes2)[..., None, :] - shared


def box_iou(boxes1: Tensor, boxes2: Tensor, fmt: str = "xyxy") -> Tensor:
    """The areas that each pair has in common over those that it covers together: (N, 4) and (M, 4) to (N, M).

    Example:
        >>> box_iou(lampas.tensor([[0, 0, 2, 2]]), lampas.tensor([[1, 1, 3, 3], [0, 0, 2, 1]]))
        tensor([[0.1429, 0.5000]])
    """
    if fmt not in _PLAIN:
        raise ValueError(f"Unsupported Box IoU Calculation for given fmt {fmt}: xyxy, xywh or cxcywh expected")
    shared, union = _shared_and_union(_to_corners(boxes1, fmt), _to_corners(boxes2, fmt))
    return shared / union


def _hull(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """(N, M, 2), the sides of the smallest box around each pair."""
    low = lampas.min(boxes1[..., :, None, :2], boxes2[..., None, :, :2])
    high = lampas.max(boxes1[..., :, None, 2:], boxes2[..., None, :, 2:])
    return _wide(high - low).clamp(min=0)


def generalized_box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """`box_iou` less the part of the hull that neither covers (arXiv:1902.09630); (N, M) between -1 and 1."""
    shared, union = _shared_and_union(boxes1, boxes2)
    sides = _hull(boxes1, boxes2)
    hull = sides[..., 0] * sides[..., 1]
    return shared / union - (hull - union) / hull


def _distance(boxes1: Tensor, boxes2: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    iou = box_iou(boxes1, boxes2)
    diagonal = (_hull(boxes1, boxes2) ** 2).sum(-1) + eps
    middles1, middles2 = (boxes1[..., :2] + boxes1[..., 2:]) / 2, (boxes2[..., :2] + boxes2[..., 2:]) / 2
    between = (_wide(middles1[..., :, None, :] - middles2[..., None, :, :]) ** 2).sum(-1)
    return iou - between / diagonal, iou


def distance_box_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> Tensor:
    """`box_iou` less the squared distance of the middles over the hull's squared diagonal (arXiv:1911.08287)."""
    return _distance(_wide(boxes1), _wide(boxes2), eps)[0]


def complete_box_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> Tensor:
    """`distance_box_iou` less a term for different proportions, which is taken as constant (arXiv:1911.08287)."""
    boxes1, boxes2 = _wide(boxes1), _wide(boxes2)
    diou, iou = _distance(boxes1, boxes2, eps)
    angles = [lampas.atan((b[..., 2] - b[..., 0]) / (b[..., 3] - b[..., 1])) for b in (boxes1, boxes2)]
    v = 4 / lampas.pi**2 * (angles[0][..., :, None] - angles[1][..., None, :]) ** 2
    with lampas.no_grad():
        alpha = v / (1 - iou + v + eps)
    return diou - alpha * v


def masks_to_boxes(masks: Tensor) -> Tensor:
    """The smallest box (N, 4), float32, that holds the pixels of each mask (N, H, W) that are not zero."""
    boxes = lampas.zeros((masks.shape[0], 4), device=masks.device, dtype=lampas.float)
    if masks.numel() == 0:
        return boxes
    for box, mask in zip(boxes, masks, strict=True):
        ys, xs = lampas.where(mask != 0)
        if len(ys):
            box.copy_(lampas.stack((xs.min(), ys.min(), xs.max(), ys.max())))
    return boxes
