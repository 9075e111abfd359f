"""Saving and loading in PyTorch's file format, in both directions."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any

import lampas
from lampas.serialization.locations import default_restore_location, location_tag, register_package
from lampas.serialization.settings import (
    MAP_PRIVATE,
    MAP_SHARED,
    LoadEndianness,
    choose_weights_only,
    config,
    get_crc32_options,
    get_default_load_endianness,
    get_default_mmap_options,
    set_crc32_options,
    set_default_load_endianness,
    set_default_mmap_options,
    skip_data,
    skipping_data,
)

__all__ = [
    "MAP_PRIVATE",
    "MAP_SHARED",
    "LoadEndianness",
    "add_safe_globals",
    "clear_safe_globals",
    "default_restore_location",
    "get_crc32_options",
    "get_default_load_endianness",
    "get_default_mmap_options",
    "get_safe_globals",
    "get_unsafe_globals_in_checkpoint",
    "load",
    "location_tag",
    "register_package",
    "safe_globals",
    "save",
    "set_crc32_options",
    "set_default_load_endianness",
    "set_default_mmap_options",
    "skip_data",
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
    so that an interruption leaves the old file. Tensors that share memory share it again after loading. A view takes
    the whole storage it lies in into the file; a warning says so where that storage has 1 MB or more and is ten or more
    times as large as what the saved tensors use of it.

    Args:
        obj: anything that can be pickled; tensors, and dicts and lists of them, can be loaded everywhere.
        f: a path, or a file open for writing bytes.
        pickle_module: used instead of :mod:`pickle`.
        pickle_protocol: 2, which PyTorch's restricted loader knows.

    Raises:
        RuntimeError: the directory does not exist, or tensors of different dtypes share memory.
        OSError: the directory or the file cannot be written, or the disk is full; the old file stays.
        AttributeError: ``f`` is neither a path nor a file.

    >>> lampas.save(model.state_dict(), "model.pt")
    >>> model.load_state_dict(lampas.load("model.pt"))
    """
    import pickle

    from lampas.serialization.files import is_path, open_writing
    from lampas.serialization.legacy import write_legacy

    with open_writing(f) as file:
        if not _use_new_zipfile_serialization:
            if skipping_data():
                raise RuntimeError("Cannot use skip_data=True with _use_new_zipfile_serialization=False")
            write_legacy(obj, file, pickle_module or pickle, pickle_protocol, stacklevel=3)
            return
        name = os.path.splitext(os.path.basename(os.fsdecode(f)))[0] if is_path(f) else "archive"
        if not (name and name.isascii() and name.isprintable()):
            name = "archive"
        _write_archive(obj, file, name, pickle_module or pickle, pickle_protocol, not _disable_byteorder_record)


def _write_archive(obj: object, file: Any, name: str, pickle_module: Any, protocol: int, with_order: bool) -> None:
    import io

    from lampas.serialization.archive import ArchiveWriter
    from lampas.serialization.pickler import make_pickler
    from lampas.serialization.views import ViewWatch
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

    contents, watch = io.BytesIO(), ViewWatch()
    make_pickler(pickle_module, contents, protocol, persistent_id, watch.note).dump(obj)
    watch.warn(stacklevel=3)
    alignment, checksums = config.save.storage_alignment, config.save.compute_crc32
    archive = ArchiveWriter(file, name, alignment, checksums)
    archive.write_record("data.pkl", contents.getbuffer())
    archive.write_record(".format_version", b"1")
    archive.write_record(".storage_alignment", str(alignment).encode())
    if with_order:
        archive.write_record("byteorder", sys.byteorder.encode())
    skipping = skipping_data()
    for key, storage in storages.values():
        if skipping or not storage.nbytes():
            archive.write_record(f"data/{key}", bytes(storage.nbytes()))
        else:
            archive.write_record(f"data/{key}", storage_bytes(storage))
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
        f: a path, or a seekable file open for reading bytes. A path that ends in ``.safetensors`` is read as such.
        map_location: where storages go: a device or its name, a dict from old to new locations, or a function
            ``(storage, location) -> storage``; ``"meta"`` reads shapes only.
        pickle_module: used instead of :mod:`pickle`, with ``weights_only=False`` only.
        weights_only: ``False`` loads any object, and runs whatever code the file contains. The environment variables
            ``TORCH_FORCE_WEIGHTS_ONLY_LOAD`` and, where the argument is not given, ``TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD``
            decide otherwise.
        mmap: leave the tensors' values in the file until they are used (checksums of them are not compared). Changes
            to the tensors do not change the file, unless :class:`set_default_mmap_options` says so.

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

    weights_only = choose_weights_only(weights_only, pickle_module)
    mmap = config.load.mmap if mmap is None else mmap
    if is_path(f) and os.fsdecode(f).endswith(".safetensors"):
        return _load_safetensors(os.fsdecode(f), map_location)
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
                return _read_archive(ArchiveReader(file), map_location, unpickle, f if mmap else None)
            if mmap:
                raise RuntimeError(
                    "mmap can only be used with files in the zip format; load it without mmap and save it anew"
                )
            return read_legacy(file, map_location, unpickle, weights_only)
        except Exception as error:
            if is_path(f):
                error.add_note(f"in the file {os.fspath(f)}")
            raise


def _load_safetensors(path: str, map_location: Any) -> dict[str, lampas.Tensor]:
    from lampas.utils.safetensors import load_file

    if map_location is not None and not isinstance(map_location, (str, bytes, lampas.device)):
        raise RuntimeError(
            f"map_location of a safetensors file is a device or its name, got {type(map_location).__name__}: such a "
            "file does not say where its tensors were"
        )
    device = map_location.decode() if isinstance(map_location, bytes) else map_location
    return load_file(path, "cpu" if device is None else device)


def _read_archive(archive: Any, map_location: Any, unpickle: Callable[..., Any], mapped: Any) -> Any:
    import io
    import pickle

    from lampas.serialization.locations import MetaStorage, restorer
    from lampas.storage import StorageType, TypedStorage, storage_bytes

    if "constants.pkl" in archive:
        raise RuntimeError(
            "the file is a TorchScript archive, a program and not a checkpoint; save a state_dict instead"
        )
    if "byteorder" in archive:
        order = archive.read("byteorder").decode("latin1")
    else:
        default = config.load.endianness or LoadEndianness.LITTLE
        order = sys.byteorder if default is LoadEndianness.NATIVE else default.name.lower()
    if order not in ("little", "big"):
        raise ValueError(f"Unknown endianness type: {order[:20]!r}; the file is damaged")
    foreign, skipping = order != sys.byteorder, skipping_data()
    only_shapes = map_location is not None and str(map_location) == "meta"
    restore = restorer(map_location)
    placed: dict[str, Any] = {}
    region = _map_file(mapped) if mapped is not None else None

    def read_storage(key: str, kind: StorageType) -> Any:
        record = f"data/{key}"
        nbytes = archive.size(record)
        if only_shapes:
            return MetaStorage(nbytes)
        if skipping:
            return lampas.UntypedStorage(nbytes)
        start = archive.data_start(record)
        if region is not None and nbytes and not foreign and start % kind.dtype.itemsize == 0:
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
        nbytes, held = numel * kind.dtype.itemsize, archive.size(f"data/{key}")
        if not 0 <= nbytes <= held:
            raise RuntimeError(
                f"storage {key!r} should have {numel} elements of {kind.dtype} ({nbytes} bytes), but its record has "
                f"{held} bytes: the file is damaged"
            )
        if key not in placed:
            placed[key] = restore(read_storage(key, kind), location)
        storage = placed[key]
        return TypedStorage(None if isinstance(storage, MetaStorage) else storage, kind.dtype, numel)

    content = archive.read("data.pkl")
    return unpickle(io.BytesIO(content), persistent_load, len(content))


def _map_file(path: Any) -> Any:
    """The file as memory that is read when touched; writing to it changes the file only if that was asked for."""
    import mmap

    shared = MAP_SHARED is not None and config.load.mmap_flags == MAP_SHARED
    with open(path, "r+b" if shared else "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_WRITE if shared else mmap.ACCESS_COPY)


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
    import warnings

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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # what pickletools thinks of odd names
        instructions = list(pickletools.genops(content))
    value: Any
    for code, value, _ in instructions:
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
