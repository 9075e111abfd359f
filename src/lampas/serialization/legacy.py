"""The format before zip archives: a row of pickles, then the storages' bytes one after the other."""

from __future__ import annotations

import pickle
import struct
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

import lampas
from lampas import _utils
from lampas.serialization.locations import MetaStorage, location_tag, restorer
from lampas.serialization.pickler import make_pickler
from lampas.serialization.settings import skipping_data
from lampas.serialization.views import ViewWatch
from lampas.storage import StorageType, TypedStorage, storage_bytes

__all__ = ["read_legacy", "write_legacy"]

_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001


def read_legacy(
    file: BinaryIO,
    map_location: Any,
    unpickle: Callable[[BinaryIO, Callable[[Any], Any] | None, int], Any],
    weights_only: bool,
) -> Any:
    """The object in ``file``; ``unpickle(file, persistent_load, size)`` reads one pickle."""
    begin = file.tell()
    length = file.seek(0, 2) - begin
    file.seek(begin)
    if length == 0:
        raise EOFError("the file is empty: nothing was saved, or it was cut short")
    head = file.read(512)
    file.seek(begin)
    if head[257:262] == b"ustar":
        if weights_only:
            raise RuntimeError(
                "Cannot use ``weights_only=True`` with files saved in the legacy .tar format. If you trust the file, "
                "load it with weights_only=False, which runs whatever code it contains, and save it anew"
            )
        from lampas.serialization.tar import read_tar

        return read_tar(file, map_location, unpickle, length)
    # A damaged head would otherwise be reported as whatever instruction its first byte happens to be.
    if head[:1] != b"\x80":
        raise pickle.UnpicklingError(
            "the file is no checkpoint: it is neither a zip archive nor a pickle. It may have been cut short at its "
            "beginning, or be another kind of file"
        )
    if unpickle(file, None, length) != _MAGIC:
        raise RuntimeError("Invalid magic number; corrupt file? The file is a pickle, but not one that save made")
    version = unpickle(file, None, length)
    if version != _VERSION:
        raise RuntimeError(f"Invalid protocol version: {str(version)[:80]}; {_VERSION} was expected")
    unpickle(file, None, length)  # sizes of C types on the machine that saved

    storages = LegacyStorages(map_location, length)
    with _utils.numbers_come_later():
        result = unpickle(file, storages.persistent_load, length)
        keys = unpickle(file, None, length)
        if not skipping_data():
            storages.fill(file, keys)
    return result


class LegacyStorages:
    """The storages of one file: made when the pickle names them, filled afterwards.

    Args:
        map_location: as in ``load``.
        budget: bytes of the file, which all storages together cannot exceed.
    """

    def __init__(self, map_location: Any, budget: int) -> None:
        self._restore = restorer(map_location)
        self._only_shapes = map_location is not None and str(map_location) == "meta"
        self._length = self._budget = budget
        self._placed: dict[Any, tuple[Any, lampas.dtype]] = {}
        self._views: dict[Any, TypedStorage] = {}

    def place(self, key: Any, dtype: lampas.dtype, numel: int, location: str) -> Any:
        """Room for a storage; ``RuntimeError`` where the file cannot hold it."""
        nbytes = numel * dtype.itemsize
        self._budget -= nbytes
        if self._budget < 0:
            raise RuntimeError("the storages together are larger than the file: it is damaged")
        if self._only_shapes:
            storage: Any = MetaStorage(nbytes)
        else:
            storage = self._restore(lampas.UntypedStorage(nbytes), location)
        if storage.nbytes() != nbytes:
            raise RuntimeError(
                f"map_location returned a storage of {storage.nbytes()} bytes in place of one of {nbytes}"
            )
        self._placed[key] = storage, dtype
        return storage

    def placed(self, key: Any) -> tuple[Any, lampas.dtype]:
        """The storage called ``key``, and the dtype of its numbers."""
        return self._placed[key]

    def persistent_load(self, saved_id: Any) -> Any:
        if type(saved_id) is not tuple or not saved_id or _text(saved_id[0]) not in ("storage", "module"):
            raise pickle.UnpicklingError(f"the file refers to something that is no storage: {str(saved_id)[:80]}")
        if _text(saved_id[0]) == "module":
            # Classes used to travel with their source, which is compared by nobody here.
            return saved_id[1] if len(saved_id) > 1 else None
        if len(saved_id) != 6:
            raise pickle.UnpicklingError("the file refers to a storage in an unknown way: it is damaged")
        _, kind, key, location, numel, view = saved_id
        key, location = _text(key), _text(location)
        if not (isinstance(kind, StorageType) and type(key) is str and type(location) is str and type(numel) is int):
            raise pickle.UnpicklingError("the file refers to a storage in an unknown way: it is damaged")
        if not 0 <= numel * kind.dtype.itemsize <= self._length:
            raise RuntimeError("a storage is larger than the whole file: it is damaged")
        if key not in self._placed:
            self.place(key, kind.dtype, numel, location)
        storage = self._placed[key][0]
        if numel * kind.dtype.itemsize > storage.nbytes():
            raise RuntimeError(f"storage {key!r} has two different sizes: the file is damaged")
        return typed(storage, kind.dtype, numel) if view is None else self._view(storage, kind.dtype, view)

    def _view(self, storage: Any, dtype: lampas.dtype, view: Any) -> TypedStorage:
        """A part of a storage, which PyTorch before 0.4 knew as a storage of its own."""
        if type(view) is not tuple or list(map(type, view)) not in ([str, int, int], [int, int, int]):
            raise pickle.UnpicklingError("the file refers to a view of a storage in an unknown way: it is damaged")
        key, offset, numel = view
        if key not in self._views:
            self._views[key] = part(storage, dtype, offset, numel)
        return self._views[key]

    def fill(self, file: BinaryIO, keys: Any) -> None:
        """Read the values of the storages called ``keys``, in this order."""
        if type(keys) is not list or not all(type(_text(key)) is str for key in keys):
            raise RuntimeError("the file's list of storages is damaged")
        for key in map(_text, keys):
            if key not in self._placed:
                raise RuntimeError(f"the file holds a storage {key!r} that nothing refers to: it is damaged")
            storage, dtype = self._placed[key]
            head = file.read(8)
            if len(head) < 8:
                raise EOFError("the file ends before its last storage: it was cut short")
            if struct.unpack("<q", head)[0] * dtype.itemsize != storage.nbytes():
                raise RuntimeError(f"storage {key!r} has another size than its tensors say: the file is damaged")
            fill_storage(file, storage)


def typed(storage: Any, dtype: lampas.dtype, numel: int) -> TypedStorage:
    return TypedStorage(None if isinstance(storage, MetaStorage) else storage, dtype, numel)


def part(storage: Any, dtype: lampas.dtype, offset: int, numel: int) -> TypedStorage:
    """``numel`` numbers of a storage from number ``offset`` on, over the same memory."""
    size = dtype.itemsize
    if offset < 0 or numel < 0 or (offset + numel) * size > storage.nbytes():
        raise RuntimeError("a view reaches past the end of its storage: the file is damaged")
    if isinstance(storage, MetaStorage):
        return TypedStorage(None, dtype, numel)
    if numel == 0:
        return TypedStorage(lampas.UntypedStorage(0), dtype, 0)
    window = lampas.frombuffer(storage, dtype=lampas.uint8, offset=offset * size, count=numel * size)
    return TypedStorage(window.untyped_storage(), dtype, numel)


def fill_storage(file: BinaryIO, storage: Any) -> None:
    """Read a storage's bytes; those of a storage that stands for shapes only are passed over."""
    nbytes = storage.nbytes()
    if isinstance(storage, MetaStorage):
        file.seek(nbytes, 1)
    elif nbytes:
        data = file.read(nbytes)
        if len(data) != nbytes:
            raise EOFError("the file ends inside a storage: it was cut short")
        storage_bytes(storage)[:] = data


def _text(value: Any) -> Any:
    return value.decode("ascii") if isinstance(value, bytes) else value


def write_legacy(obj: Any, file: BinaryIO, module: Any, protocol: int, stacklevel: int) -> None:
    """Write ``obj`` in the old format."""
    storages: dict[str, tuple[lampas.UntypedStorage, int]] = {}

    def persistent_id(item: Any) -> Any:
        if not isinstance(item, (TypedStorage, lampas.UntypedStorage)):
            return None
        whole = item if isinstance(item, TypedStorage) else TypedStorage(item, lampas.uint8)
        storage, kind = whole.untyped(), whole.pickle_type
        key = str(storage._cdata)
        storages[key] = storage, kind.dtype.itemsize
        return "storage", kind, key, location_tag(storage), storage.nbytes() // kind.dtype.itemsize, None

    sizes: dict[str, Any] = {"protocol_version": _VERSION, "little_endian": sys.byteorder == "little"}
    sizes["type_sizes"] = {"short": 2, "int": 4, "long": 4}
    for item in (_MAGIC, _VERSION, sizes):
        pickle.dump(item, file, protocol=protocol)
    watch = ViewWatch()
    make_pickler(module, file, protocol, persistent_id, watch.note).dump(obj)
    watch.warn(stacklevel)
    keys = sorted(storages)
    pickle.dump(keys, file, protocol=protocol)
    for key in keys:
        storage, itemsize = storages[key]
        file.write(struct.pack("<q", storage.nbytes() // itemsize))
        if storage.nbytes():
            file.write(storage_bytes(storage))
