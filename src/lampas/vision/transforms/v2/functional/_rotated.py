"""Rotated rectangles, given by their corners (N, 8): x1, y1, ..., x4, y4."""

from __future__ import annotations

import lampas
from lampas import Tensor

__all__ = ["clamp_rotated", "rectangles"]


def rectangles(parallelograms: Tensor) -> Tensor:
    """Rectangles for parallelograms: the same centre, the longer side's direction, and room for the shorter side."""
    exact = parallelograms
    if exact.dtype not in (lampas.float32, lampas.float64):
        exact = exact.to(lampas.float32)
    x1, y1, x2, y2, x3, y3, x4, y4 = exact.unbind(-1)
    cx, cy = (x1 + x3) / 2, (y1 + y3) / 2
    along = lampas.sqrt((x2 - x1).pow(2) + (y2 - y1).pow(2))
    across = lampas.sqrt((x4 - x1).pow(2) + (y4 - y1).pow(2))
    angle_along, angle_across = lampas.atan2(y1 - y2, x2 - x1), lampas.atan2(y1 - y4, x4 - x1)
    between = angle_along - angle_across
    overhang = between.cos() * lampas.where(between > lampas.pi / 2, -1, 1)
    w = lampas.where(along < across, along * between.sin(), along + across * overhang)
    h = lampas.where(along > across, across * between.sin(), across + along * overhang)
    angle = lampas.where(across > along, angle_across + lampas.pi / 2, angle_along)
    wx, wy = w / 2 * angle.cos(), w / 2 * angle.sin()
    hx, hy = h / 2 * angle.sin(), h / 2 * angle.cos()
    corners = [cx - wx - hx, cy - hy + wy, cx + wx - hx, cy - hy - wy]
    corners += [cx + wx + hx, cy + hy - wy, cx - wx + hx, cy + hy + wy]
    return lampas.stack(corners, dim=-1).to(parallelograms.dtype)


def _order(corners: Tensor) -> Tensor:
    """Indices (N, 8) that let each rectangle begin with its leftmost corner, the uppermost of these."""
    x, y = corners[:, 0::2], corners[:, 1::2]
    far_x, far_y = x.abs().amax(dim=1, keepdim=True), y.abs().amax(dim=1, keepdim=True)
    first = (y / far_y + x / far_x * 100).min(dim=1).indices
    return (first.mul(2).unsqueeze(1) + lampas.arange(8, device=corners.device)).remainder(8)


def _lines(corners: Tensor) -> tuple[Tensor, Tensor]:
    """Slope and intercept of each side, from its corner to the next."""
    x, y = corners[:, 0::2], corners[:, 1::2]
    slope = (y.roll(-1, 1) - y) / (x.roll(-1, 1) - x)
    return slope, y - slope * x


def _crossings(slope: Tensor, intercept: Tensor) -> Tensor:
    """The corners (N, 8) where each line meets the one before it."""
    x = -(intercept - intercept.roll(1, 1)) / (slope - slope.roll(1, 1))
    return lampas.stack([x, slope * x + intercept], dim=-1).reshape(-1, 8)


def _intercepts(corners: Tensor, original: Tensor, size: tuple[int, int], mode: str) -> Tensor:
    (a1, a2, a3, a4), (b1, b2, b3, b4) = (v.unbind(-1) for v in _lines(corners))
    least1, least2, most3, most4 = _lines(original)[1].unbind(-1)
    b1 = b2.clamp(b1, b3).clamp(0, size[0])
    b4 = b3.clamp(b2, b4).clamp(0, size[0])
    if mode == "hard":
        b1 = b4 = (b1 + b4) / 2
    bounds = [b1 * a2 / a1, b3 * a2 / a3, (a1 - a2) * size[1] + b1, (a3 - a2) * size[1] + b3]
    b2 = lampas.stack(bounds, dim=1).amax(dim=1).clamp(max=b2)
    bounds = [
        size[0] * (1 - a3 / a4) + b4 * a3 / a4,
        size[0] * (1 - a3 / a2) + b2 * a3 / a2,
        (a2 - a3) * size[1] + b2,
        (a4 - a3) * size[1] + b4,
    ]
    b3 = lampas.stack(bounds, dim=1).amin(dim=1).clamp(min=b3)
    joint = b1 is b4
    b1, b3 = b1.clamp(least1, most3), b3.clamp(least1, most3)
    b2, b4 = b2.clamp(least2, most4), (b1 if joint else b4).clamp(least2, most4)
    if joint:
        b1 = b4
    return lampas.stack([b1, b2, b3, b4], dim=-1)


def _clamp_left(corners: Tensor, original: Tensor, size: tuple[int, int], mode: str) -> Tensor:
    """The part right of the left edge, as a rectangle with the same directions."""
    slope, _ = _lines(corners)
    x1, y1, x2, y2, x3, y3, x4, y4 = corners.unbind(-1)
    moved = _crossings(slope, _intercepts(corners, original, size, mode))
    upright = corners.clone()
    upright[:, 0].clamp_(0)
    upright[:, 6].clamp_(0)
    is_moved = (x1 < 0) & ~moved.isnan().any(-1)
    is_upright = y1.isclose(y2) | y3.isclose(y4)
    is_gone = (x1 <= 0) & (x2 <= 0) & (x3 <= 0) & (x4 <= 0)
    is_gone = is_gone | y1.isclose(y4) | y2.isclose(y3) | (is_upright & x1.isclose(x2))
    for condition, case in ((is_moved, moved), (is_upright, upright), (is_gone, lampas.zeros_like(corners))):
        corners = lampas.where(condition.unsqueeze(1), case, corners)
    return corners


def _quarter_turn(corners: Tensor, width: int) -> Tensor:
    return lampas.stack([corners[:, 1::2], width - corners[:, 0::2]], dim=-1).reshape(-1, 8)


def clamp_rotated(corners: Tensor, canvas_size: tuple[int, int], mode: str) -> Tensor:
    """Rotated rectangles (N, 8) kept on the canvas; ``"hard"`` leaves nothing outside, ``"soft"`` some corners."""
    original = corners
    for _ in range(4):  # each edge in its turn is the left one
        order = _order(corners)
        corners, original = corners.gather(1, order), original.gather(1, order)
        corners = _clamp_left(corners, original, canvas_size, mode)
        corners, original = corners.gather(1, order), original.gather(1, order)
        corners, original = (_quarter_turn(c, canvas_size[1]) for c in (corners, original))
        canvas_size = (canvas_size[1], canvas_size[0])
    return corners
