"""Small things several modules need."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["consume_prefix_in_state_dict_if_present"]


def _ntuple(n: int) -> Any:
    def repeat(value: Any) -> tuple:
        return tuple(value) if isinstance(value, Iterable) else (value,) * n

    return repeat


_single, _pair, _triple = _ntuple(1), _ntuple(2), _ntuple(3)


def _reverse_repeat_tuple(values: tuple[int, ...], n: int) -> tuple[int, ...]:
    """The values back to front, each ``n`` times: padding per dimension in the order ``pad`` wants it."""
    return tuple(value for value in reversed(values) for _ in range(n))


def consume_prefix_in_state_dict_if_present(state_dict: dict[str, Any], prefix: str) -> None:
    """Take ``prefix`` off the front of the keys that have it, in place and in order.

    >>> consume_prefix_in_state_dict_if_present(state, "module.")
    """
    for key in list(state_dict):
        if key.startswith(prefix):
            state_dict[key[len(prefix) :]] = state_dict.pop(key)
    metadata = getattr(state_dict, "_metadata", None)
    if metadata is not None:
        for key in list(metadata):
            # The entry of the wrapper itself is the empty key; "module" is its child's.
            if key in ("", prefix.removesuffix(".")):
                value = metadata.pop(key)
                if key:
                    metadata[""] = value
            elif key.startswith(prefix):
                metadata[key[len(prefix) :]] = metadata.pop(key)
