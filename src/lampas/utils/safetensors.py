"""Files in the safetensors format: names, shapes, dtypes and bytes of tensors, and nothing that could be executed.

A file is the length of its header (8 bytes, little endian), the header (JSON: for each tensor its dtype, shape and the
range of its bytes), and the bytes. Format: https://github.com/huggingface/safetensors.

The functions have the names and arguments of the package ``safetensors``, which is not needed.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from types import TracebackType
from typing import Any

import lampas

__all__ = [
    "SafetensorError",
    "load",
    "load_file",
    "load_model",
    "safe_open",
    "save",
    "save_file",
    "save_model",
]

_MAX_HEADER = 100_000_000
# In the order in which a file has them, from its end to its beginning: wide numbers come first and stay aligned.
_DTYPES = {
    "BOOL": "bool",
    "U8": "uint8",
    "I8": "int8",
    "I16": "int16",
    "U16": "uint16",
    "F16": "float16",
    "BF16": "bfloat16",
    "I32": "int32",
    "U32": "uint32",
    "F32": "float32",
    "C64": "complex64",
    "F64": "float64",
    "I64": "int64",
    "U64": "uint64",
}
_RANK = {name: rank for rank, name in enumerate(_DTYPES)}


class SafetensorError(Exception):
    """The file is damaged, or holds what cannot be read here."""


# --- the header -----------------------------------------------------------------------------------------------------


class _Entry:
    """One tensor of a file: what it is, and where its bytes begin and end behind the header."""

    __slots__ = ("begin", "dtype", "end", "kind", "shape")

    def __init__(self, name: str, described: Any) -> None:
        if type(described) is not dict or set(described) != {"dtype", "shape", "data_offsets"}:
            raise _damaged(f"tensor {name!r} is not described by dtype, shape and data_offsets")
        self.kind, shape, offsets = described["dtype"], described["shape"], described["data_offsets"]
        if type(self.kind) is not str:
            raise _damaged(f"the dtype of tensor {name!r} is no text")
        if not _counts(shape) or len(shape) > 64 or not _counts(offsets) or len(offsets) != 2:
            raise _damaged(f"shape and data_offsets of tensor {name!r} must be lists of integers from 0 on")
        found = getattr(lampas, _DTYPES.get(self.kind, ""), None)
        if found is None:
            raise SafetensorError(
                f"tensor {name!r} has dtype {self.kind!r}, which lampas does not have; there are {', '.join(_DTYPES)}"
            )
        self.dtype, self.shape = found, tuple(shape)
        self.begin, self.end = offsets
        numel = 1
        for n in shape:
            numel *= n
        if numel * found.itemsize != self.end - self.begin:
            raise _damaged(
                f"tensor {name!r} of shape {shape} and dtype {self.kind} needs {numel * found.itemsize} bytes, but "
                f"data_offsets are {offsets}"
            )


def _damaged(why: str) -> SafetensorError:
    return SafetensorError(f"the file is damaged or no safetensors file: {why}")


def _counts(value: Any) -> bool:
    return type(value) is list and all(type(n) is int and 0 <= n < 1 << 63 for n in value)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _damaged("a name is there twice")
    return found


def _read_header(data: memoryview) -> tuple[dict[str, _Entry], dict[str, str] | None, int]:
    """The tensors, the metadata, and where the tensors' bytes begin."""
    if data.nbytes < 8:
        raise _damaged("it has fewer than 8 bytes")
    (length,) = struct.unpack_from("<Q", data)
    if length > _MAX_HEADER or 8 + length > data.nbytes:
        raise _damaged(f"its header should have {length} bytes, and the file has {data.nbytes}")
    text = bytes(data[8 : 8 + length])
    if not text.startswith(b"{"):
        raise _damaged("its header does not begin with '{'")
    try:
        header = json.loads(text.decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise _damaged(f"its header is no JSON ({error})") from None
    metadata = header.pop("__metadata__", None)
    if metadata is not None and not (type(metadata) is dict and all(type(value) is str for value in metadata.values())):
        raise _damaged("its metadata is not a table of texts")
    entries = {name: _Entry(name, described) for name, described in header.items()}
    at = 0
    for entry in sorted(entries.values(), key=lambda e: (e.begin, e.end)):
        if entry.begin != at:
            raise _damaged("the tensors' bytes overlap or have gaps between them")
        at = entry.end
    if 8 + length + at != data.nbytes:
        raise _damaged(f"the tensors take {at} bytes, and {data.nbytes - 8 - length} are there")
    return entries, metadata, 8 + length


def _tensor(data: Any, start: int, entry: _Entry) -> lampas.Tensor:
    """The tensor over its bytes in ``data``, or over a copy where they lie badly for its dtype."""
    count = (entry.end - entry.begin) // entry.dtype.itemsize
    if count == 0:
        return lampas.empty(entry.shape, dtype=entry.dtype)
    start += entry.begin
    if start % entry.dtype.itemsize or sys.byteorder != "little":
        part = bytearray(memoryview(data)[start : start + entry.end - entry.begin])
        data, start = _native(part, entry.dtype), 0
    return lampas.frombuffer(data, dtype=entry.dtype, offset=start, count=count).reshape(entry.shape)


def _native(data: bytearray, dtype: lampas.dtype) -> bytearray:
    width = dtype.itemsize // (2 if dtype.is_complex else 1)
    if sys.byteorder == "little" or width == 1:
        return data
    turned = bytearray(len(data))
    for i in range(width):
        turned[i::width] = data[width - 1 - i :: width]
    return turned


# --- reading --------------------------------------------------------------------------------------------------------


class safe_open:
    """A file whose tensors are read one at a time, and no more of it than is used.

    Args:
        filename: a path.
        framework: ``"pt"``; given for compatibility.
        device: where the tensors go.

    Raises:
        SafetensorError: the file is damaged.

    >>> with safe_open("model.safetensors") as file:
    ...     weight = file.get_tensor("layer.weight")
    """

    def __init__(self, filename: str | os.PathLike, framework: str = "pt", device: Any = "cpu") -> None:
        import mmap

        if framework not in ("pt", "torch", "pytorch"):
            raise SafetensorError(f"framework is 'pt' here, got {framework!r}")
        self._device = device
        with open(filename, "rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                raise _damaged("it is empty")
            # What is written to the tensors stays in this process.
            self._data: Any = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        with memoryview(self._data) as view:
            self._entries, self._metadata, self._start = _read_header(view)

    def __enter__(self) -> safe_open:
        return self

    def __exit__(self, kind: type | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._data = None

    def keys(self) -> list[str]:
        """The tensors' names."""
        return sorted(self._entries)

    def offset_keys(self) -> list[str]:
        """The tensors' names in the order of their bytes."""
        return sorted(self._entries, key=lambda name: self._entries[name].begin)

    def metadata(self) -> dict[str, str] | None:
        """The texts given to :func:`save_file`."""
        return self._metadata

    def get_tensor(self, name: str) -> lampas.Tensor:
        """One tensor."""
        tensor = _tensor(self._open(), self._start, self._entry(name))
        return tensor if str(self._device) == "cpu" else tensor.to(self._device)

    def get_slice(self, name: str) -> _Slice:
        """One tensor, of which indexing reads a part."""
        self._open()
        return _Slice(self, name, self._entry(name))

    def _entry(self, name: str) -> _Entry:
        if name not in self._entries:
            raise SafetensorError(f"File does not contain tensor {name}")
        return self._entries[name]

    def _open(self) -> Any:
        if self._data is None:
            raise SafetensorError("File is closed")
        return self._data


class _Slice:
    def __init__(self, file: safe_open, name: str, entry: _Entry) -> None:
        self._file, self._name, self._entry = file, name, entry

    def get_shape(self) -> list[int]:
        return list(self._entry.shape)

    def get_dtype(self) -> str:
        return self._entry.kind

    def __getitem__(self, index: Any) -> lampas.Tensor:
        return self._file.get_tensor(self._name)[index].clone()


def load_file(filename: str | os.PathLike, device: Any = "cpu") -> dict[str, lampas.Tensor]:
    """All tensors of a file. Their values are read when they are used; changing them does not change the file.

    Raises:
        SafetensorError: the file is damaged.

    >>> state = load_file("model.safetensors")
    """
    with safe_open(filename, device=device) as file:
        return {name: file.get_tensor(name) for name in file.offset_keys()}


def load(data: bytes) -> dict[str, lampas.Tensor]:
    """All tensors of a file's contents.

    >>> load(save({"a": lampas.ones(2)}))["a"]
    tensor([1., 1.])
    """
    buffer = bytearray(data)
    with memoryview(buffer) as view:
        entries, _, start = _read_header(view)
    return {name: _tensor(buffer, start, entry) for name, entry in entries.items()}


# --- writing --------------------------------------------------------------------------------------------------------


def _checked(tensors: Any) -> None:
    if not isinstance(tensors, dict):
        raise ValueError(f"Expected a dict of [str, torch.Tensor] but received {type(tensors)}")
    for name, tensor in tensors.items():
        if not isinstance(name, str) or not isinstance(tensor, lampas.Tensor):
            raise ValueError(f"Key `{name}` is invalid, expected torch.Tensor but received {type(tensor)}")
        if tensor.device.type != "cpu":
            raise RuntimeError(f"tensor {name!r} is on device {tensor.device} and has no values to save")
        if _kind(tensor) is None:
            raise SafetensorError(
                f"tensor {name!r} has dtype {tensor.dtype}, which a safetensors file cannot hold; there are "
                f"{', '.join(_DTYPES.values())}"
            )
    shared = [group for group in _shared_groups(tensors) if len(group) > 1]
    if shared:
        raise RuntimeError(
            "Some tensors share memory, this will lead to duplicate memory on disk and potential differences when "
            f"loading them again: {shared}. Save clone()s of them, or a whole module with save_model, which writes "
            "each memory once."
        )
    for name, tensor in tensors.items():
        if not tensor.is_contiguous():
            raise ValueError(
                f"You are trying to save a non contiguous tensor: `{name}` which is not allowed; save "
                "tensor.contiguous()"
            )


def _kind(tensor: lampas.Tensor) -> str | None:
    wanted = str(tensor.dtype).removeprefix("torch.")
    return next((kind for kind, name in _DTYPES.items() if name == wanted), None)


def _range(tensor: lampas.Tensor) -> tuple[int, int]:
    """The bytes of its storage that a tensor lies in."""
    begin = tensor.storage_offset() * tensor.element_size()
    if tensor.numel() == 0:
        return begin, begin
    reach = sum((n - 1) * s for n, s in zip(tensor.shape, tensor.stride(), strict=True)) + 1
    return begin, begin + reach * tensor.element_size()


def _shared_groups(tensors: dict[str, lampas.Tensor]) -> list[set[str]]:
    """Names of tensors whose memory overlaps."""
    by_storage: dict[int, list[tuple[int, int, str]]] = {}
    for name, tensor in tensors.items():
        begin, end = _range(tensor)
        if tensor.device.type == "cpu" and end > begin:
            by_storage.setdefault(tensor.untyped_storage()._cdata, []).append((begin, end, name))
    groups: list[set[str]] = []
    for windows in by_storage.values():
        reached = -1
        for begin, end, name in sorted(windows):
            if begin < reached:
                groups[-1].add(name)
            else:
                groups.append({name})
            reached = max(reached, end)
    return groups


def _parts(tensors: dict[str, lampas.Tensor], metadata: dict[str, str] | None) -> list[bytes | bytearray | memoryview]:
    from lampas.storage import storage_bytes

    _checked(tensors)
    header: dict[str, Any] = {}
    if metadata is not None:
        if not all(isinstance(k, str) and isinstance(v, str) for k, v in metadata.items()):
            raise ValueError(f"metadata must be a dict from text to text, got {metadata!r}")
        header["__metadata__"] = metadata
    parts: list[bytes | bytearray | memoryview] = [b"", b""]
    at = 0
    for name in sorted(tensors, key=lambda n: (-_RANK[str(_kind(tensors[n]))], n)):
        tensor = tensors[name]
        begin, end = _range(tensor)
        header[name] = {"dtype": _kind(tensor), "shape": list(tensor.shape), "data_offsets": [at, at + end - begin]}
        at += end - begin
        if end > begin:
            data = storage_bytes(tensor.untyped_storage())[begin:end]
            parts.append(data if sys.byteorder == "little" else _native(bytearray(data), tensor.dtype))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    text += b" " * (-len(text) % 8)
    parts[:2] = struct.pack("<Q", len(text)), text
    return parts


def save(tensors: dict[str, lampas.Tensor], metadata: dict[str, str] | None = None) -> bytes:
    """The contents of a file with these tensors; arguments and errors as in :func:`save_file`."""
    return b"".join(_parts(tensors, metadata))


def save_file(
    tensors: dict[str, lampas.Tensor], filename: str | os.PathLike, metadata: dict[str, str] | None = None
) -> None:
    """Write tensors to a file, which gets its new contents in one step, as with ``lampas.save``.

    Args:
        tensors: contiguous tensors by name.
        filename: a path.
        metadata: texts by name.

    Raises:
        ValueError: what is given is no dict of tensors, or one of them is not contiguous.
        RuntimeError: tensors share memory.

    >>> save_file({"weight": lampas.ones(2, 3)}, "model.safetensors")
    """
    from lampas.serialization.files import open_writing

    parts = _parts(tensors, metadata)
    with open_writing(filename) as file:
        for data in parts:
            file.write(data)


# --- modules --------------------------------------------------------------------------------------------------------


def _twins(state: dict[str, lampas.Tensor], preferred: set[str]) -> dict[str, str]:
    """Names whose memory another name holds too, with that name; ``RuntimeError`` where none holds all of it."""
    twins = {}
    for group in _shared_groups(state):
        if len(group) < 2:
            continue
        whole = {n for n in group if _range(state[n]) == (0, state[n].untyped_storage().nbytes())}
        if not whole:
            raise RuntimeError(
                f"Error while trying to find names to remove to save state dict, but found no suitable name to keep "
                f"for saving amongst: {group}: none of them covers the memory that they share. Save clone()s of them"
            )
        kept = min((whole & preferred) or whole)
        twins.update({name: kept for name in group if name != kept})
    return twins


def save_model(
    model: lampas.nn.Module,
    filename: str | os.PathLike,
    metadata: dict[str, str] | None = None,
    force_contiguous: bool = True,
) -> None:
    """Write a module's state; tensors with several names (tied weights) are written once.

    Args:
        force_contiguous: writes copies of tensors that are not contiguous, which :func:`save_file` would refuse.

    >>> save_model(model, "model.safetensors")
    """
    state = dict(model.state_dict())
    metadata = dict(metadata or {})
    for name, kept in sorted(_twins(state, set()).items()):
        metadata.setdefault(name, kept)
        del state[name]
    if force_contiguous:
        state = {name: tensor.contiguous() for name, tensor in state.items()}
    save_file(state, filename, metadata or None)


def load_model(
    model: lampas.nn.Module, filename: str | os.PathLike, strict: bool = True, device: Any = "cpu"
) -> tuple[set[str], list[str]]:
    """Put a file's tensors into a module; returns names that are missing and names that are not expected.

    Raises:
        RuntimeError: with ``strict``, where there are such names.
    """
    state = load_file(filename, device=device)
    twins = _twins(dict(model.state_dict()), set(state))
    found = model.load_state_dict(state, strict=False)
    missing = set(found.missing_keys)
    unexpected = list(found.unexpected_keys)
    for name, kept in twins.items():
        if kept in state:
            missing.discard(name)
    if strict and (missing or unexpected):
        told = [
            f"{what}: {', '.join(sorted(names))}"
            for what, names in (("Missing key(s)", missing), ("Unexpected key(s)", unexpected))
            if names
        ]
        raise RuntimeError(f"Error(s) in loading state_dict for {type(model).__name__}: {'; '.join(told)}")
    return missing, unexpected
