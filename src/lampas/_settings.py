"""Switches that PyTorch programs set, and what they mean here."""

from __future__ import annotations

import lampas

__all__ = [
    "get_deterministic_debug_mode",
    "get_float32_matmul_precision",
    "is_deterministic_algorithms_warn_only_enabled",
    "is_inference",
    "is_warn_always_enabled",
    "set_deterministic_debug_mode",
    "set_float32_matmul_precision",
    "set_warn_always",
]

_PRECISIONS = ("highest", "high", "medium")
_MODES = ("default", "warn", "error")
_state = {"precision": "highest", "warn_always": False}


def get_float32_matmul_precision() -> str:
    """What :func:`set_float32_matmul_precision` was given last; "highest" at first."""
    return str(_state["precision"])


def set_float32_matmul_precision(precision: str) -> None:
    """Accepted for programs that set it: products of float32 matrices are computed in float32, whatever is allowed.

    Raises:
        RuntimeError: not one of "highest", "high" and "medium".
    """
    if precision not in _PRECISIONS:
        raise RuntimeError(f"{precision!r} is not a precision of float32 products; use one of {', '.join(_PRECISIONS)}")
    _state["precision"] = precision


def is_warn_always_enabled() -> bool:
    """What :func:`set_warn_always` was given last."""
    return bool(_state["warn_always"])


def set_warn_always(b: bool) -> None:
    """Accepted for programs that set it: Python's ``warnings`` filters decide how often a warning is shown."""
    _state["warn_always"] = bool(b)


def get_deterministic_debug_mode() -> int:
    """0, or 2 where only deterministic algorithms are asked for (every kernel is deterministic)."""
    return 2 if lampas.are_deterministic_algorithms_enabled() else 0


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """0 or "default", 1 or "warn", 2 or "error": whether only deterministic algorithms are asked for (all of them are).

    Raises:
        RuntimeError: anything else.
    """
    mode = _MODES.index(debug_mode) if debug_mode in _MODES else debug_mode
    if mode not in (0, 1, 2):
        raise RuntimeError(f"{debug_mode!r} is not a mode; use 0, 1, 2, or one of {', '.join(map(repr, _MODES))}")
    lampas.use_deterministic_algorithms(mode != 0)


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Always False: there is nothing to warn of."""
    return False


def is_inference(input: lampas.Tensor) -> bool:
    """Whether the tensor was made in inference mode."""
    return input.is_inference()
