"""Storages with a dtype: the form in which files and pickles name a tensor's memory."""

from __future__ import annotations

import weakref
from typing import Any

import lampas

__all__ = ["StorageType", "TypedStorage", "storage_bytes", "storage_type", "typed_storage"]

# The names that PyTorch's files use for an element type; a dtype outside this table travels as untyped bytes.
_TYPE_NAMES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexDoubleStorage": "complex128",
    "ComplexFloatStorage": "complex64",
    "UntypedStorage": "uint8",
}


class StorageType:
    """What a file calls ``torch.FloatStorage``: a name and the dtype it stands for."""

    __slots__ = ("dtype", "module", "name")

    def __init__(self, name: str, dtype: lampas.dtype) -> None:
        self.name = name
        self.dtype = dtype
        self.module = "torch.storage" if name == "UntypedStorage" else "torch"

    def __repr__(self) -> str:
        return f"StorageType({self.name}, dtype={self.dtype})"

    def __reduce__(self) -> tuple:
        return storage_type, (self.name,)


_types: dict[str, StorageType] = {}


def storage_type(name: str) -> StorageType:
    """The storage type called ``name`` in a file; ``KeyError`` if there is none."""
    found = _types.get(name)
    if found is None:
        found = _types[name] = StorageType(name, getattr(lampas, _TYPE_NAMES[name]))
    return found


def _type_of(dtype: lampas.dtype) -> StorageType | None:
    wanted = str(dtype).removeprefix("torch.")
    for name, held in _TYPE_NAMES.items():
        if held == wanted:
            return storage_type(name)
    return None


def storage_bytes(storage: lampas.UntypedStorage) -> memoryview:
    """The bytes of a storage in memory, writable, without a copy."""
    return memoryview(storage).cast("B")


class TypedStorage:
    """A tensor's memory seen as a flat row of numbers of one dtype (``tensor.storage()``).

    >>> lampas.arange(3).storage().tolist()
    [0, 1, 2]
    """

    def __init__(self, storage: lampas.UntypedStorage | None, dtype: lampas.dtype, numel: int | None = None) -> None:
        self._untyped_storage = storage  # None: a storage of the meta device, which has no bytes
        self.dtype = dtype
        self._numel = storage.nbytes() // dtype.itemsize if numel is None else numel

    @property
    def device(self) -> lampas.device:
        return lampas.device("meta") if self._untyped_storage is None else self._untyped_storage.device

    @property
    def pickle_type(self) -> StorageType:
        return _type_of(self.dtype) or storage_type("UntypedStorage")

    def untyped(self) -> lampas.UntypedStorage:
        """The same memory as a row of bytes."""
        return self._untyped_storage

    def size(self) -> int:
        return self._numel

    def __len__(self) -> int:
        return self._numel

    def nbytes(self) -> int:
        return self._numel * self.dtype.itemsize

    def element_size(self) -> int:
        return self.dtype.itemsize

    def data_ptr(self) -> int:
        return 0 if self._untyped_storage is None else self._untyped_storage.data_ptr()

    def _tensor(self) -> lampas.Tensor:
        empty = lampas.empty((0,), dtype=self.dtype)
        return empty.set_(self._untyped_storage, 0, (self._numel,), (1,))

    def __getitem__(self, index: Any) -> Any:
        picked = self._tensor()[index]
        return picked.item() if picked.dim() == 0 else picked.clone().storage()

    def __setitem__(self, index: Any, value: Any) -> None:
        self._tensor()[index] = value._tensor() if isinstance(value, TypedStorage) else value

    def tolist(self) -> list:
        return self._tensor().tolist()

    def clone(self) -> TypedStorage:
        return self._tensor().clone().storage()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TypedStorage):
            return NotImplemented
        return self.dtype == other.dtype and self.data_ptr() == other.data_ptr() and len(self) == len(other)

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return f"[lampas.storage.TypedStorage(dtype={self.dtype}, device={self.device}) of size {self._numel}]"

    def __reduce_ex__(self, protocol: int) -> tuple:
        data = storage_bytes(self._untyped_storage)
        if protocol >= 5:
            from pickle import PickleBuffer

            return _from_bytes, (PickleBuffer(data), self.dtype)
        return _from_bytes, (data.tobytes(), self.dtype)

    def __deepcopy__(self, memo: dict) -> TypedStorage:
        return TypedStorage(copied_storage(self._untyped_storage, memo), self.dtype, self._numel)


# Views of one storage must meet in one object while they are pickled together: a pickler recognises what it has
# written by identity.
_live: weakref.WeakValueDictionary[tuple[int, str], TypedStorage] = weakref.WeakValueDictionary()


def typed_storage(tensor: lampas.Tensor) -> TypedStorage:
    """The storage of ``tensor`` with its dtype; one object for all tensors that share memory and dtype."""
    untyped = tensor.untyped_storage()
    key = (untyped._cdata, str(tensor.dtype))
    found = _live.get(key)
    if found is None:
        found = _live[key] = TypedStorage(untyped, tensor.dtype)
    return found


def copied_storage(storage: lampas.UntypedStorage, memo: dict) -> lampas.UntypedStorage:
    """A copy of ``storage`` that all deep copies of its tensors made with ``memo`` share."""
    copies = memo.setdefault("lampas.storage", {})
    if storage._cdata not in copies:
        copy = lampas.UntypedStorage(storage.nbytes())
        if storage.nbytes():
            storage_bytes(copy)[:] = storage_bytes(storage)
        copies[storage._cdata] = copy
        memo.setdefault(id(copies), []).append(storage)  # keeps the key from being used again
    return copies[storage._cdata]


def _from_bytes(data: Any, dtype: lampas.dtype) -> TypedStorage:
    view = memoryview(data).cast("B")
    storage = lampas.UntypedStorage(view.nbytes)
    if view.nbytes:
        storage_bytes(storage)[:] = view
    return TypedStorage(storage, dtype)
