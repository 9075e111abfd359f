"""Checking and completing what transforms are made with."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

__all__ = [
    "angle_range",
    "check_padding",
    "check_padding_mode",
    "check_sequence",
    "fill_of",
    "fills",
    "pair_of_floats",
    "size_pair",
]

CROP_SIZE = "Please provide only two dimensions (h, w) for size."


def size_pair(size: Any, message: str = CROP_SIZE) -> Sequence[int]:
    """Height and width of a number, of [number], or of a pair; ``ValueError`` with the message for longer ones."""
    if isinstance(size, numbers.Number):
        return int(size), int(size)  # type: ignore[call-overload]
    if isinstance(size, Sequence) and len(size) == 1:
        return size[0], size[0]
    if len(size) != 2:
        raise ValueError(message)
    return size


def check_sequence(value: Any, name: str, sizes: tuple[int, ...]) -> None:
    """``TypeError`` for what is no sequence, ``ValueError`` for one of another length."""
    if not isinstance(value, Sequence) or len(value) not in sizes:
        kind = ValueError if isinstance(value, Sequence) else TypeError
        raise kind(f"{name} should be a sequence of length {' or '.join(map(str, sizes))}, got {value}.")


def angle_range(value: Any, name: str, sizes: tuple[int, ...] = (2,)) -> list[float]:
    """A number x as the range from -x to x; ranges as floats."""
    if isinstance(value, numbers.Number):
        if value < 0:  # type: ignore[operator]
            raise ValueError(f"If {name} is a single number, it must be positive, got {value}.")
        value = [-value, value]  # type: ignore[operator]
    else:
        check_sequence(value, name, sizes)
    return [float(v) for v in value]


def pair_of_floats(value: Any, name: str) -> list[float]:
    """A number, [number] or a pair as a pair."""
    if not isinstance(value, (int, float, Sequence)):
        raise TypeError(f"{name} should be a number or a sequence of numbers. Got {type(value)}")
    if isinstance(value, (int, float)):
        return [float(value)] * 2
    if len(value) not in (1, 2):
        raise ValueError(f"If {name} is a sequence its length should be 1 or 2. Got {len(value)}")
    for element in value:
        if not isinstance(element, (int, float)):
            raise ValueError(f"{name} should be a sequence of numbers. Got {type(element)}")
    return [float(value[0]), float(value[-1])]


def _fill(fill: Any) -> Any:
    if fill is None or isinstance(fill, (int, float)):
        return fill
    if not isinstance(fill, (numbers.Number, tuple, list)):
        raise TypeError(f"Got inappropriate fill arg {fill!r}, only Numbers, tuples, lists and dicts are allowed.")
    return [float(v) for v in fill]  # type: ignore[union-attr]


def fills(fill: Any) -> dict[Any, Any]:
    """The fill for each class, with ``"others"`` for the rest."""
    if isinstance(fill, dict):
        return {kind: _fill(value) for kind, value in fill.items()}
    return {"others": _fill(fill)}


def fill_of(fill: dict[Any, Any], inpt: Any) -> Any:
    """The fill for the input's class."""
    return fill.get(type(inpt), fill.get("others"))


def check_padding(padding: Any) -> None:
    """``ValueError`` for what is not an int or one, two or four of them."""
    if isinstance(padding, int):
        return
    fine = isinstance(padding, (tuple, list)) and len(padding) in (1, 2, 4)
    if not fine or not all(isinstance(p, int) for p in padding):
        raise ValueError(f"Padding must be an int or a 1, 2, or 4 element of tuple or list, got {padding}.")


def check_padding_mode(mode: Any) -> None:
    """``ValueError`` for what is not a way of padding."""
    if mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ValueError(f"Padding mode should be either constant, edge, reflect or symmetric, got {mode!r}")
