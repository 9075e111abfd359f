"""Writing pickles in which everything of lampas bears PyTorch's names."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from types import FunctionType
from typing import Any, BinaryIO, ClassVar

import lampas
from lampas.serialization import names
from lampas.storage import StorageType

__all__ = ["make_pickler"]


class _TorchNames(pickle._Pickler):
    """Python's own pickler, writing globals under the names by which PyTorch finds them.

    The compiled pickler insists on importing what it names, and ``torch`` may not be there.
    """

    def save_global(self, obj: Any, name: str | None = None) -> None:
        known = names.torch_name(obj)
        if known is None:
            super().save_global(obj, name)  # type: ignore[misc]
        else:
            self._write_global(obj, *known)

    def _write_global(self, obj: Any, module: str, name: str) -> None:
        if self.proto >= 4:
            self.save(module)
            self.save(name)
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())
        self.memoize(obj)

    def _save_function(self, obj: Any) -> None:
        self.save_global(obj)

    def _save_storage_type(self, obj: StorageType) -> None:
        self._write_global(obj, obj.module, obj.name)

    def _save_dtype(self, obj: lampas.dtype | lampas.qscheme) -> None:
        self._write_global(obj, "torch", str(obj).removeprefix("torch."))

    def _save_device(self, obj: lampas.device) -> None:
        args = (obj.type,) if obj.index is None else (obj.type, obj.index)
        self.save_reduce(lampas.device, args, obj=obj)

    def _save_size(self, obj: lampas.Size) -> None:
        self.save_reduce(lampas.Size, (tuple(obj),), obj=obj)

    def _save_layout(self, obj: Any) -> None:
        self._write_global(_LAYOUT, "torch.serialization", "_get_layout")
        self.save((str(obj),))
        self.write(pickle.REDUCE)
        self.memoize(obj)

    dispatch: ClassVar[dict[type, Callable]] = {
        **pickle._Pickler.dispatch,
        FunctionType: _save_function,
        StorageType: _save_storage_type,
        lampas.dtype: _save_dtype,
        lampas.qscheme: _save_dtype,
        lampas.device: _save_device,
        lampas.Size: _save_size,
    }

    if hasattr(lampas, "strided"):
        dispatch[type(lampas.strided)] = _save_layout

    def memoize(self, obj: Any) -> None:
        if id(obj) not in self.memo:
            super().memoize(obj)  # type: ignore[misc]


_LAYOUT = object()


def make_pickler(
    module: Any,
    file: BinaryIO,
    protocol: int,
    persistent_id: Callable[[Any], Any],
    note: Callable[[lampas.Tensor], None],
) -> Any:
    """A pickler of ``module`` that hands storages to ``persistent_id`` and shows tensors to ``note``."""
    base = _TorchNames if module is pickle or module is None else module.Pickler

    class Pickler(base):  # type: ignore[valid-type, misc]
        def persistent_id(self, obj: Any) -> Any:
            if isinstance(obj, lampas.Tensor):
                note(obj)
            return persistent_id(obj)

    return Pickler(file, protocol=protocol)
