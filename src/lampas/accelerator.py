"""The names of `torch.accelerator`: there is none beside the CPU; questions are answered, uses are refused."""

from __future__ import annotations

import warnings
from typing import Any

import lampas
from lampas._absent import StreamContext, device_count, is_available, refusals

_REASON = "Cannot access accelerator device when none is available. Use device='cpu'"
_REFUSED = """
    current_device_index current_stream empty_cache empty_host_cache get_device_capability get_memory_info
    max_memory_allocated max_memory_reserved memory_allocated memory_reserved memory_stats
    reset_accumulated_memory_stats reset_peak_memory_stats set_device_index set_stream synchronize
"""
globals().update(refusals(__name__, _REASON, _REFUSED, RuntimeError))

__all__ = [
    "current_accelerator", "current_device_idx", "device_count", "device_index", "is_available", "set_device_idx",
    *_REFUSED.split(),
]  # fmt: skip


def current_accelerator(check_available: bool = False) -> lampas.device | None:
    """The kind of accelerator this machine has: None."""
    return None


def current_device_idx() -> int:
    """The former name of `current_device_index` (RuntimeError: there is no accelerator)."""
    warnings.warn("`current_device_idx` is deprecated; use `current_device_index`.", FutureWarning, 2)
    return globals()["current_device_index"]()


def set_device_idx(device: Any, /) -> None:
    """The former name of `set_device_index` (RuntimeError: there is no accelerator)."""
    warnings.warn("`set_device_idx` is deprecated; use `set_device_index`.", FutureWarning, 2)
    globals()["set_device_index"](device)


class device_index(StreamContext):
    """A region in which the accelerator of this index is the current one; with None nothing changes.

    Raises:
        RuntimeError: on entering with an index: there is no accelerator.
    """

    def __init__(self, device: int | None, /) -> None:
        super().__init__(device)
        self.idx = device

    def __enter__(self) -> None:
        if self.idx is not None:
            raise RuntimeError(f"device_index({self.idx}): {_REASON}")
