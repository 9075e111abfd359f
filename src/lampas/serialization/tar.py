"""The oldest format that can be read: a tar archive with the members ``storages``, ``tensors`` and ``pickle``.

Its pickle calls whatever it names, so it is read from trusted files only. Nothing is unpacked to the disk.
"""

from __future__ import annotations

import pickle
import struct
import tarfile
from collections.abc import Callable
from typing import Any, BinaryIO

import lampas
from lampas import _utils
from lampas.serialization.legacy import LegacyStorages, fill_storage, part, typed
from lampas.storage import StorageType, TypedStorage

__all__ = ["read_tar"]


def read_tar(
    file: BinaryIO,
    map_location: Any,
    unpickle: Callable[[BinaryIO, Callable[[Any], Any] | None, int], Any],
    length: int,
) -> Any:
    """The object in a tar file; ``unpickle(file, persistent_load, size)`` reads one pickle."""
    try:
        with tarfile.open(fileobj=file, mode="r:", format=tarfile.PAX_FORMAT) as archive:
            storages = _read_storages(_member(archive, "storages"), map_location, unpickle, length)
            tensors = _read_tensors(_member(archive, "tensors"), storages, unpickle, length)
            found = {**storages, **tensors}

            def persistent_load(saved_id: Any) -> Any:
                # A class comes with its source, everything else as the number of a storage or a tensor.
                return saved_id[0] if isinstance(saved_id, tuple) else found[int(saved_id)]

            return unpickle(_member(archive, "pickle"), persistent_load, length)
    except (tarfile.TarError, struct.error, KeyError) as error:
        raise RuntimeError(f"the file is a damaged checkpoint of the tar format ({error})") from error


def _member(archive: tarfile.TarFile, name: str) -> Any:
    member = archive.extractfile(name)
    if member is None:
        raise RuntimeError(f"the member {name!r} of the tar archive is no file: it is damaged")
    return member


def _read_storages(file: Any, map_location: Any, unpickle: Callable, length: int) -> dict[int, TypedStorage]:
    made = LegacyStorages(map_location, length)
    storages: dict[int, TypedStorage] = {}
    for _ in range(unpickle(file, None, length)):
        key, location, kind = unpickle(file, None, length)
        if not isinstance(kind, StorageType):
            raise pickle.UnpicklingError(f"the file names a storage of type {str(kind)[:80]}: it is damaged")
        (numel,) = struct.unpack("<q", file.read(8))
        if numel < 0:
            raise RuntimeError(f"storage {key!r} has a negative size: the file is damaged")
        storage = made.place(key, kind.dtype, numel, location)
        fill_storage(file, storage)
        storages[key] = typed(storage, kind.dtype, numel)
    for key, root, offset, numel in unpickle(file, None, length):
        storages[key] = part(*made.placed(root), offset, numel)
    return storages


def _read_tensors(
    file: Any, storages: dict[int, TypedStorage], unpickle: Callable, length: int
) -> dict[int, lampas.Tensor]:
    tensors = {}
    for _ in range(unpickle(file, None, length)):
        key, storage, _kind = unpickle(file, None, length)
        ndim, _ = struct.unpack("<iI", file.read(8))
        if not 0 <= ndim <= 64:
            raise RuntimeError(f"a tensor has {ndim} dimensions: the file is damaged")
        size = struct.unpack(f"<{ndim}q", file.read(8 * ndim))
        stride = struct.unpack(f"<{ndim}q", file.read(8 * ndim))
        (offset,) = struct.unpack("<q", file.read(8))
        tensors[key] = _utils._rebuild_tensor(storages[storage], offset, size, stride)
    return tensors
