"""Losses of detectors: the focal loss and those that are made of the overlap of boxes."""

from __future__ import annotations

import lampas
from lampas import Tensor
from lampas.nn import functional as F

__all__ = [
    "complete_box_iou_loss",
    "distance_box_iou_loss",
    "generalized_box_iou_loss",
    "sigmoid_focal_loss",
]


def _reduced(loss: Tensor, reduction: str) -> Tensor:
    if reduction == "none":
        return loss
    if reduction == "mean":
        return loss.mean() if loss.numel() > 0 else 0.0 * loss.sum()
    if reduction == "sum":
        return loss.sum()
    raise ValueError(
        f"Invalid Value for arg 'reduction': '{reduction} \n Supported reduction modes: 'none', 'mean', 'sum'"
    )


def sigmoid_focal_loss(
    inputs: Tensor, targets: Tensor, alpha: float = 0.25, gamma: float = 2, reduction: str = "none"
) -> Tensor:
    """Binary cross entropy times (1 - p)^gamma, which leaves out what is already easy (arXiv:1708.02002).

    Args:
        inputs: logits of any shape. targets: 0 and 1 of the same shape.
        alpha: weight of the ones, the zeros having 1 - alpha; negative: none.
        reduction: ``"none"``, ``"mean"`` or ``"sum"``.

    Raises:
        ValueError: `alpha` is neither negative nor a probability, or `reduction` is another word.
    """
    if not 0 <= alpha <= 1 and alpha != -1:
        raise ValueError(f"Invalid alpha value: {alpha}. alpha must be in the range [0,1] or -1 for ignore.")
    p = lampas.sigmoid(inputs)
    entropy = F.binary_cross_entropy_with_logits(inputs, targets, reduction="none")
    right = p * targets + (1 - p) * (1 - targets)
    loss = entropy * ((1 - right) ** gamma)
    if alpha >= 0:
        loss = (alpha * targets + (1 - alpha) * (1 - targets)) * loss
    return _reduced(loss, reduction)


def _float(t: Tensor) -> Tensor:
    return t if t.dtype in (lampas.float32, lampas.float64) else t.float()


def _overlap(boxes1: Tensor, boxes2: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """The overlap of each box with the other of its row, what both cover, and the sides of their hull."""
    low, high = lampas.max(boxes1[..., :2], boxes2[..., :2]), lampas.min(boxes1[..., 2:], boxes2[..., 2:])
    shared = (high - low).clamp(min=0).prod(-1) * (high > low).all(-1)
    areas = [(b[..., 2:] - b[..., :2]).prod(-1) for b in (boxes1, boxes2)]
    union = areas[0] + areas[1] - shared
    hull = lampas.max(boxes1[..., 2:], boxes2[..., 2:]) - lampas.min(boxes1[..., :2], boxes2[..., :2])
    return shared / (union + eps), union, hull


def generalized_box_iou_loss(boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7) -> Tensor:
    """1 less the generalized overlap of each box with the other of its row (see `generalized_box_iou`)."""
    boxes1, boxes2 = _float(boxes1), _float(boxes2)
    iou, union, sides = _overlap(boxes1, boxes2, eps)
    hull = sides.prod(-1)
    return _reduced(1 - (iou - (hull - union) / (hull + eps)), reduction)


def _distance_loss(boxes1: Tensor, boxes2: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    iou, _, hull = _overlap(boxes1, boxes2, eps)
    between = (boxes1[..., :2] + boxes1[..., 2:] - boxes2[..., :2] - boxes2[..., 2:]) / 2
    return 1 - iou + (between**2).sum(-1) / ((hull**2).sum(-1) + eps), iou


def distance_box_iou_loss(boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7) -> Tensor:
    """1 less the overlap of each row, and the squared distance of the middles (see `distance_box_iou`)."""
    return _reduced(_distance_loss(_float(boxes1), _float(boxes2), eps)[0], reduction)


def complete_box_iou_loss(boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7) -> Tensor:
    """`distance_box_iou_loss` and a term for different proportions (see `complete_box_iou`)."""
    boxes1, boxes2 = _float(boxes1), _float(boxes2)
    loss, iou = _distance_loss(boxes1, boxes2, eps)
    angles = [lampas.atan((b[..., 2] - b[..., 0]) / (b[..., 3] - b[..., 1])) for b in (boxes2, boxes1)]
    v = 4 / lampas.pi**2 * (angles[0] - angles[1]) ** 2
    with lampas.no_grad():
        alpha = v / (1 - iou + v + eps)
    return _reduced(loss + alpha * v, reduction)
