"""Noticing tensors whose file would be many times larger than they are."""

from __future__ import annotations

import warnings

import lampas

__all__ = ["ViewWatch"]

LARGE = 1 << 20  # bytes of a storage below which nobody minds
TIMES = 10  # how many times larger than what is used a storage must be


class ViewWatch:
    """Adds up, for each storage, the bytes that the saved tensors use."""

    def __init__(self) -> None:
        self._used: dict[int, tuple[lampas.UntypedStorage, dict[tuple, int]]] = {}

    def note(self, tensor: lampas.Tensor) -> None:
        if tensor.device.type != "cpu" or tensor.layout != lampas.strided:
            return
        storage = tensor.untyped_storage()
        if storage.nbytes() < LARGE:
            return
        size, stride = tuple(tensor.shape), tensor.stride()
        reach = sum((n - 1) * s for n, s in zip(size, stride, strict=True)) + 1 if 0 not in size else 0
        window = (tensor.dtype, tensor.storage_offset(), size, stride)
        _, windows = self._used.setdefault(storage._cdata, (storage, {}))
        windows[window] = min(tensor.numel(), reach) * tensor.element_size()

    def warn(self, stacklevel: int) -> None:
        """One warning for all storages that are at least ``LARGE`` and ``TIMES`` as large as what is used of them."""
        waste = []
        for storage, windows in self._used.values():
            total, used = storage.nbytes(), sum(windows.values())
            if total >= TIMES * used:
                waste.append((total, used))
        if not waste:
            return
        total, used = max(waste)
        others = f" ({len(waste) - 1} more storages alike)" if len(waste) > 1 else ""
        warnings.warn(
            f"save: the tensors use {_shown(used)} of a storage of {_shown(total)}, because they are views of a larger "
            f"tensor, and the whole storage goes into the file{others}. Save tensor.clone() instead of the view to "
            "write only what it holds.",
            UserWarning,
            stacklevel=stacklevel + 1,
        )


def _shown(nbytes: int) -> str:
    if nbytes < 1024:
        return f"{nbytes} bytes"
    value = float(nbytes)
    for unit in ("KB", "MB", "GB"):
        value /= 1024
        if value < 1024 or unit == "GB":
            break
    return f"{value:.1f} {unit}"
