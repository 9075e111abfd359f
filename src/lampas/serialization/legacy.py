"""The format before zip archives: a row of pickles, then the storages' bytes one after the other."""

from __future__ import annotations

import pickle
import struct
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

import lampas
from lampas.serialization.locations import location_tag, restorer
from lampas.serialization.pickler import make_pickler
from lampas.storage import StorageType, TypedStorage, storage_bytes

__all__ = ["read_legacy", "write_legacy"]

_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001


def read_legacy(
    file: BinaryIO, map_location: Any, unpickle: Callable[[BinaryIO, Callable[[Any], Any] | None, int], Any]
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
        raise RuntimeError(
            "the file is a checkpoint of the tar format that PyTorch gave up in 2017; load it with PyTorch and "
            "save it anew"
        )
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
        raise RuntimeError(f"Invalid protocol version: {version}; {_VERSION} was expected")
    unpickle(file, None, length)  # sizes of C types on the machine that saved

    restore = restorer(map_location)
    raw: dict[str, tuple[lampas.UntypedStorage, int]] = {}
    placed: dict[str, TypedStorage] = {}
    budget = length

    def persistent_load(saved_id: Any) -> Any:
        nonlocal budget
        if type(saved_id) is not tuple or not saved_id or _text(saved_id[0]) not in ("storage", "module"):
            raise pickle.UnpicklingError(f"the file refers to something that is no storage: {saved_id!r}")
        if _text(saved_id[0]) == "module":
            return saved_id[1]
        if len(saved_id) != 6:
            raise pickle.UnpicklingError("the file refers to a storage in an unknown way: it is damaged")
        _, kind, key, location, numel, view = saved_id
        if (
            not isinstance(kind, StorageType)
            or type(numel) is not int
            or not 0 <= numel * kind.dtype.itemsize <= length
        ):
            raise RuntimeError("a storage is larger than the whole file: it is damaged")
        key = _text(key)
        if key not in placed:
            nbytes = numel * kind.dtype.itemsize
            budget -= nbytes
            if budget < 0:
                raise RuntimeError("the storages together are larger than the file: it is damaged")
            storage = lampas.UntypedStorage(nbytes)
            raw[key] = storage, kind.dtype.itemsize
            placed[key] = TypedStorage(storage, kind.dtype, numel)
            placed[key].location = _text(location)
        if view is None:
            return placed[key]
        raise RuntimeError(
            "the file holds views of storages, as PyTorch 0.3 wrote them; load it with PyTorch and save it"
        )

    result = unpickle(file, persistent_load, length)
    for key in unpickle(file, None, length):
        if key not in raw:
            raise RuntimeError(f"the file holds a storage {key!r} that nothing refers to: it is damaged")
        storage, itemsize = raw[key]
        head = file.read(8)
        if len(head) < 8:
            raise EOFError("the file ends before its last storage: it was cut short")
        if struct.unpack("<q", head)[0] * itemsize != storage.nbytes():
            raise RuntimeError(f"storage {key!r} has another size than its tensors say: the file is damaged")
        _fill(file, storage)
    for key, typed in placed.items():
        if restore(raw[key][0], typed.location) is not raw[key][0]:
            raise RuntimeError(f"files of the old format can be loaded to the CPU only, not to {map_location!r}")
    return result


def _fill(file: BinaryIO, storage: lampas.UntypedStorage) -> None:
    if not storage.nbytes():
        return
    data = file.read(storage.nbytes())
    if len(data) != storage.nbytes():
        raise EOFError("the file ends inside a storage: it was cut short")
    storage_bytes(storage)[:] = data


def _text(value: Any) -> Any:
    return value.decode("ascii") if isinstance(value, bytes) else value


def write_legacy(obj: Any, file: BinaryIO, module: Any, protocol: int) -> None:
    """Write ``obj`` in the old format."""
    storages: dict[str, tuple[lampas.UntypedStorage, int]] = {}

    def persistent_id(part: Any) -> Any:
        if not isinstance(part, (TypedStorage, lampas.UntypedStorage)):
            return None
        typed = part if isinstance(part, TypedStorage) else TypedStorage(part, lampas.uint8)
        storage, kind = typed.untyped(), typed.pickle_type
        key = str(storage._cdata)
        storages[key] = storage, kind.dtype.itemsize
        return "storage", kind, key, location_tag(storage), storage.nbytes() // kind.dtype.itemsize, None

    sizes = {"protocol_version": _VERSION, "little_endian": sys.byteorder == "little"}
    sizes["type_sizes"] = {"short": 2, "int": 4, "long": 4}
    for part in (_MAGIC, _VERSION, sizes):
        pickle.dump(part, file, protocol=protocol)
    make_pickler(module, file, protocol, persistent_id).dump(obj)
    keys = sorted(storages)
    pickle.dump(keys, file, protocol=protocol)
    for key in keys:
        storage, itemsize = storages[key]
        file.write(struct.pack("<q", storage.nbytes() // itemsize))
        if storage.nbytes():
            file.write(storage_bytes(storage))
