"""Anomaly mode: a failing gradient says which line of the forward pass it belongs to."""

from __future__ import annotations

from typing import Any

from lampas import _C

__all__ = ["detect_anomaly", "is_anomaly_check_nan_enabled", "is_anomaly_enabled", "set_detect_anomaly"]

_state = (False, True)  # enabled, and whether NaN in a gradient is an error


def is_anomaly_enabled() -> bool:
    """Whether anomaly mode is on."""
    return _state[0]


def is_anomaly_check_nan_enabled() -> bool:
    """Whether anomaly mode, when on, stops at NaN."""
    return _state[1]


def _switch(enabled: bool, check_nan: bool) -> tuple[bool, bool]:
    global _state
    before, _state = _state, (enabled, check_nan)
    _C._set_anomaly(enabled, check_nan)
    return before


class set_detect_anomaly:
    """Anomaly mode on or off: from the call on, or inside a ``with`` block.

    Args:
        mode: on or off.
        check_nan: whether a gradient with NaN in it raises ``RuntimeError``.
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._before = _switch(bool(mode), bool(check_nan))

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        _switch(*self._before)


class detect_anomaly:
    """Inside, every op remembers where it was called, and a backward that fails or gives NaN names that line.

    Slow: for finding an error, not for training.

    >>> with lampas.autograd.detect_anomaly():
    ...     loss(model(x)).backward()
    """

    def __init__(self, check_nan: bool = True) -> None:
        self._check_nan = bool(check_nan)

    def __enter__(self) -> None:
        self._before = _switch(True, self._check_nan)

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        _switch(*self._before)


# --- called by the engine -------------------------------------------------------------------------------------------


def _capture_stack() -> list[str]:
    """Where the program stands now, as lines of text: what a node remembers of the call that made it."""
    import traceback

    return traceback.format_stack()


def _report(name: str, metadata: dict[str, Any] | None) -> None:
    """Says, as a warning, which call made the node whose gradient failed."""
    import warnings

    lines = (metadata or {}).get("traceback_")
    if not lines:
        text = (
            f"Error detected in {name}. No forward pass information available: turn anomaly mode on before the "
            "forward pass, too."
        )
    else:
        text = f"Error detected in {name}. Traceback of forward call that caused the error:\n{''.join(lines)}"
    warnings.warn(text, stacklevel=2)
