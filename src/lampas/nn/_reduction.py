"""How a loss folds its elements: names, the engine's numbers for them, and the two flags older programs use."""

from __future__ import annotations

import warnings

_ENUM = {"none": 0, "mean": 1, "sum": 2}


def get_enum(reduction: str) -> int:
    """The engine's number of ``reduction``; ValueError names a word that is none."""
    try:
        return _ENUM[reduction]
    except (KeyError, TypeError):
        raise ValueError(f"{reduction} is not a valid value for reduction") from None


def legacy_get_string(size_average: bool | None, reduce: bool | None, emit_warning: bool = True) -> str:
    """The reduction that the flags ``size_average`` and ``reduce`` stood for."""
    if reduce is False:
        result = "none"
    elif size_average is False:
        result = "sum"
    else:
        result = "mean"
    if emit_warning:
        warnings.warn(
            f"size_average and reduce args will be deprecated, please use reduction='{result}' instead.", stacklevel=3
        )
    return result


def legacy_get_enum(size_average: bool | None, reduce: bool | None, emit_warning: bool = True) -> int:
    """The same as the engine's number."""
    return get_enum(legacy_get_string(size_average, reduce, emit_warning))
