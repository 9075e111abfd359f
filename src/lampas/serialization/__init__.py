"""Saving and loading in PyTorch's file format, in both directions."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any

import lampas
from lampas.serialization.locations import default_restore_location, location_tag, register_package

__all__ = [
    "add_safe_globals",
    "clear_safe_globals",
    "default_restore_location",
    "get_safe_globals",
    "get_unsafe_globals_in_checkpoint",
    "load",
    "location_tag",
    "register_package",
    "safe_globals",
    "save",
]

DEFAULT_PROTOCOL = 2

_safe: list[Any] = []


def add_safe_globals(safe_globals: list[Any]) -> None:
    """Allow classes and functions in files that are loaded with ``weights_only=True``.

    Args:
        safe_globals: the objects; a tuple ``(object, "module.name")`` allows one under another name.
    """
    _safe.extend(item for item in safe_globals if item not in _safe)


def get_safe_globals() -> list[Any]:
    """What has been allowed so far."""
    return list(_safe)


def clear_safe_globals() -> None:
    """Allow nothing beyond what is always allowed."""
    _safe.clear()


class safe_globals:
    """:func:`add_safe_globals` for the length of a ``with`` block."""

    def __init__(self, safe_globals: list[Any]) -> None:
        self.safe_globals = safe_globals

    def __enter__(self) -> None:
        self._added = [item for item in self.safe_globals if item not in _safe]
        add_safe_globals(self._added)

    def __exit__(self, kind: type | None, value: BaseException | None, trace: TracebackType | None) -> None:
        for item in self._added:
            if item in _safe:
                _safe.remove(item)


def _allowed_by_user() -> dict[str, Any]:
    allowed = {}
    for item in _safe:
        if isinstance(item, tuple):
            if len(item) != 2 or not isinstance(item[1], str):
                raise ValueError(f"a safe global is an object or a tuple (object, 'module.name'), got {item!r}")
            allowed[item[1]] = item[0]
        else:
            allowed[f"{item.__module__}.{item.__qualname__}"] = item
    return allowed


# --- save -----------------------------------------------------------------------------------------------------------


def save(
    obj: object,
    f: Any,
    pickle_module: Any = None,
    pickle_protocol: int = DEFAULT_PROTOCOL,
    _use_new_zipfile_serialization: bool = True,
    _disable_byteorder_record: bool = False,
) -> None:
    """Write ``obj`` to a file that :func:`load` and PyTorch read.

    A path gets its new contents in one step: they are written beside it, brought to the disk, and put in its place,
    so that an interruption leaves the old file. Tensors that share memory share it again after loading.

    Args:
        obj: anything that can be pickled; tensors, and dicts and lists of them, can be loaded everywhere.
        f: a path, or a file open for writing bytes.
        pickle_module: used instead of :mod:`pickle`.
        pickle_protocol: 2, which PyTorch's restricted loader knows.

    Raises:
        RuntimeError: the directory does not exist, or tensors of different dtypes share memory.
        AttributeError: ``f`` is neither a path nor a file.

    >>> lampas.save(model.state_dict(), "model.pt")
    >>> model.load_state_dict(lampas.load("model.pt"))
    """
    import pickle

    from lampas.serialization.files import is_path, open_writing
    from lampas.serialization.legacy import write_legacy

    with open_writing(f) as file:
        if not _use_new_zipfile_serialization:
            write_legacy(obj, file, pickle_module or pickle, pickle_protocol)
            return
        name = os.path.splitext(os.path.basename(os.fsdecode(f)))[0] if is_path(f) else "archive"
        if not (name and name.isascii() and name.isprintable()):
            name = "archive"
        _write_archive(obj, file, name, pickle_module or pickle, pickle_protocol, not _disable_byteorder_record)


def _write_archive(obj: object, file: Any, name: str, pickle_module: Any, protocol: int, with_order: bool) -> None:
    import io

    from lampas.serialization.archive import ALIGNMENT, ArchiveWriter
    from lampas.serialization.pickler import make_pickler
    from lampas.storage import TypedStorage, storage_bytes

    storages: dict[int, tuple[str, Any]] = {}
    dtypes: dict[int, Any] = {}

    def persistent_id(part: Any) -> Any:
        if isinstance(part, TypedStorage):
            typed = part
        elif isinstance(part, lampas.UntypedStorage):
            typed = TypedStorage(part, lampas.uint8)
        else:
            return None
        storage, kind = typed.untyped(), typed.pickle_type
        if isinstance(part, lampas.UntypedStorage):
            kind, numel = _untyped_kind(), storage.nbytes()
        else:
            numel = storage.nbytes() // kind.dtype.itemsize
        if storage.nbytes() and dtypes.setdefault(storage.data_ptr(), typed.dtype) != typed.dtype:
            raise RuntimeError(
                f"save: tensors of different types ({dtypes[storage.data_ptr()]} and {typed.dtype}) view the same "
                "memory, which the format cannot express; save a clone() of one of them"
            )
        key, _ = storages.setdefault(storage._cdata, (str(len(storages)), storage))
        return "storage", kind, key, location_tag(storage), numel

    contents = io.BytesIO()
    make_pickler(pickle_module, contents, protocol, persistent_id).dump(obj)
    archive = ArchiveWriter(file, name)
    archive.write_record("data.pkl", contents.getbuffer())
    archive.write_record(".format_version", b"1")
    archive.write_record(".storage_alignment", str(ALIGNMENT).encode())
    if with_order:
        archive.write_record("byteorder", sys.byteorder.encode())
    for key, storage in storages.values():
        archive.write_record(f"data/{key}", storage_bytes(storage) if storage.nbytes() else b"")
    archive.close()


def _untyped_kind() -> Any:
    from lampas.storage import storage_type

    return storage_type("UntypedStorage")


# --- load -----------------------------------------------------------------------------------------------------------


def load(
    f: Any,
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Read what :func:`save` or PyTorch has written.

    By default only tensors, containers, numbers, text and what :func:`add_safe_globals` names can come out of a file,
    and nothing in it is executed. Sizes are held against the file's length before memory is taken, and checksums are
    compared.

    Args:
        f: a path, or a seekable file open for reading bytes.
        map_location: where storages go: a device or its name, a dict from old to new locations, or a function
            ``(storage, location) -> storage``; ``"meta"`` reads shapes only.
        pickle_module: used instead of :mod:`pickle`, with ``weights_only=False`` only.
        weights_only: ``False`` loads any object, and runs whatever code the file contains.
        mmap: leave the tensors' values in the file until they are used; the file is never changed.

    Raises:
        FileNotFoundError, IsADirectoryError: there is no such file.
        pickle.UnpicklingError: the file holds something that is not allowed, or is no checkpoint.
        EOFError: the file is empty or was cut short.
        RuntimeError: the archive is damaged, or a tensor does not fit its storage.

    >>> state = lampas.load("model.pt", map_location="cpu")
    """
    import pickle

    from lampas.serialization.archive import ArchiveReader, is_zip
    from lampas.serialization.files import is_path, open_reading
    from lampas.serialization.legacy import read_legacy
    from lampas.serialization.unpickler import RestrictedUnpickler, trusted_unpickler

    if weights_only is None:
        weights_only = pickle_module is None
    if weights_only and pickle_module is not None:
        raise RuntimeError(
            "weights_only=True does not go with an explicit pickle_module; give weights_only=False for trusted files"
        )
    options = {"encoding": "utf-8", **pickle_load_args}

    def unpickle(file: Any, persistent_load: Callable[[Any], Any] | None, size: int) -> Any:
        if not weights_only:
            return trusted_unpickler(pickle_module or pickle, file, persistent_load, **options).load()
        try:
            encoding = options["encoding"]
            return RestrictedUnpickler(file, persistent_load, _allowed_by_user(), size, encoding).load()
        except pickle.UnpicklingError as error:
            raise pickle.UnpicklingError(f"Weights only load failed. {error}") from None

    with open_reading(f) as file:
        try:
            if is_zip(file):
                if mmap and not is_path(f):
                    raise ValueError("f must be a file path in order to use the mmap argument")
                return _read_archive(ArchiveReader(file), map_location, unpickle, file if mmap else None)
            if mmap:
                raise RuntimeError(
                    "mmap can only be used with files in the zip format; load it without mmap and save it anew"
                )
            return read_legacy(file, map_location, unpickle)
        except Exception as error:
            if is_path(f):
                error.add_note(f"in the file {os.fspath(f)}")
            raise


def _read_archive(archive: Any, map_location: Any, unpickle: Callable[..., Any], mapped: Any) -> Any:
    import io
    import pickle

    from lampas.serialization.locations import MetaStorage, restorer
    from lampas.storage import StorageType, TypedStorage, storage_bytes

    if "constants.pkl" in archive:
        raise RuntimeError(
            "the file is a TorchScript archive, a program and not a checkpoint; save a state_dict instead"
        )
    order = archive.read("byteorder") if "byteorder" in archive else b"little"
    if order not in (b"little", b"big"):
        raise ValueError(f"Unknown endianness type: {order[:20]!r}; the file is damaged")
    foreign = order.decode() != sys.byteorder
    only_shapes = map_location is not None and str(map_location) == "meta"
    restore = restorer(map_location)
    placed: dict[str, Any] = {}
    region = _map_file(mapped) if mapped is not None else None

    def read_storage(key: str, kind: StorageType) -> Any:
        record = f"data/{key}"
        nbytes = archive.size(record)
        if only_shapes:
            return MetaStorage(nbytes)
        if region is not None and nbytes and not foreign:
            start = archive.data_start(record)
            whole = lampas.frombuffer(region, dtype=lampas.uint8, offset=start, count=nbytes)
            return whole.untyped_storage()
        storage = lampas.UntypedStorage(nbytes)
        if nbytes:
            target = storage_bytes(storage)
            archive.read_into(record, target)
            if foreign:
                _swap_bytes(target, kind.dtype.itemsize // (2 if kind.dtype.is_complex else 1))
        return storage

    def persistent_load(saved_id: Any) -> Any:
        if type(saved_id) is not tuple or len(saved_id) != 5 or saved_id[0] not in ("storage", b"storage"):
            raise pickle.UnpicklingError(f"the file refers to something that is no storage: {str(saved_id)[:80]}")
        _, kind, key, location, numel = saved_id
        if isinstance(location, bytes):
            location = location.decode("ascii")
        if not (isinstance(kind, StorageType) and type(key) is str and type(location) is str and type(numel) is int):
            raise pickle.UnpicklingError("the file refers to a storage in an unknown way: it is damaged")
        nbytes = numel * kind.dtype.itemsize
        if key not in placed:
            held = archive.size(f"data/{key}")
            if not 0 <= nbytes <= held:
                raise RuntimeError(
                    f"storage {key!r} should have {numel} elements of {kind.dtype} ({nbytes} bytes), but its "
                    "record has "
                    f"{held} bytes: the file is damaged"
                )
            placed[key] = restore(read_storage(key, kind), location)
        storage = placed[key]
        return TypedStorage(None if isinstance(storage, MetaStorage) else storage, kind.dtype, numel)

    content = archive.read("data.pkl")
    return unpickle(io.BytesIO(content), persistent_load, len(content))


def _map_file(file: Any) -> Any:
    """The file as memory that is read when touched; what is written to it stays in this process."""
    import mmap

    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)


def _swap_bytes(data: memoryview, width: int) -> None:
    """Turn big-endian numbers of ``width`` bytes into little-endian ones, or back, in place."""
    original = bytes(data)
    for i in range(width):
        data[i::width] = original[width - 1 - i :: width]


def get_unsafe_globals_in_checkpoint(f: Any) -> list[str]:
    """Names in a file that ``load(f, weights_only=True)`` would refuse; nothing of the file is executed.

    >>> lampas.serialization.get_unsafe_globals_in_checkpoint("model.pt")
    []
    """
    import pickletools

    from lampas.serialization import names
    from lampas.serialization.archive import ArchiveReader, is_zip
    from lampas.serialization.files import open_reading

    with open_reading(f) as file:
        if not is_zip(file):
            raise ValueError("expected a file in the zip format, as save writes it")
        content = ArchiveReader(file).read("data.pkl")
    refused: dict[str, None] = {}
    texts: list[str] = []
    memo: dict[int, Any] = {}
    last: Any = None
    for code, value, _ in pickletools.genops(content):
        if code.name == "MEMOIZE":
            memo[len(memo)] = last
            continue
        if code.name in ("BINPUT", "LONG_BINPUT", "PUT"):
            memo[value] = last
            continue
        if code.name in ("BINGET", "LONG_BINGET", "GET"):
            value = memo.get(value)
        last = value
        if isinstance(value, str) and code.name != "GLOBAL":
            texts.append(value)
        if code.name == "GLOBAL":
            module, _, name = value.partition(" ")
        elif code.name == "STACK_GLOBAL" and len(texts) >= 2:
            module, name = texts[-2:]
        else:
            continue
        module, name = names.normal_name(module, name)
        try:
            names.find_allowed(module, name, _allowed_by_user())
        except LookupError:
            refused[f"{module}.{name}"] = None
    return list(refused)
