"""Storages with a dtype: the form in which files and pickles name a tensor's memory."""

from __future__ import annotations

import weakref
from typing import Any

import lampas

__all__ = ["StorageType", "TypedStorage", "UntypedStorage", "storage_bytes", "storage_type", "typed_storage"]

UntypedStorage = lampas.UntypedStorage

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
    "QUInt8Storage": "quint8",
    "QInt8Storage": "qint8",
    "QInt32Storage": "qint32",
    "UntypedStorage": "uint8",
}


class StorageType:
    """``FloatStorage`` and its kin, by which files name a dtype too: they make and recognise storages of that dtype.

    >>> lampas.FloatStorage([1, 2]).tolist()
    [1.0, 2.0]
    """

    __slots__ = ("dtype", "module", "name")

    def __init__(self, name: str, dtype: lampas.dtype) -> None:
        self.name = name
        self.dtype = dtype
        self.module = "torch.storage" if name == "UntypedStorage" else "torch"

    @property
    def __name__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<class '{self.module}.{self.name}'>"

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, TypedStorage) and instance.dtype == self.dtype

    def __call__(self, *args: Any, wrap_storage: lampas.UntypedStorage | None = None) -> TypedStorage:
        """A storage of so many elements, or of a sequence's values, or over the bytes of ``wrap_storage``.

        Raises:
            RuntimeError: several arguments, or a negative size.
            TypeError: an argument of another kind.
        """
        if len(args) > 1 or (args and wrap_storage is not None):
            raise RuntimeError(
                f"{self!r}() received an invalid combination of arguments. Expected nothing, a size, a sequence, "
                "or wrap_storage"
            )
        if wrap_storage is not None:
            return TypedStorage(wrap_storage, self.dtype)
        source = args[0] if args else 0
        if hasattr(source, "__index__"):
            return TypedStorage(lampas.empty((int(source),), dtype=self.dtype).untyped_storage(), self.dtype)
        if isinstance(source, (str, dict, set)) or not hasattr(source, "__iter__"):
            raise TypeError(f"{self!r}(): expected a size or a sequence, got {type(source).__name__}")
        return TypedStorage(lampas.tensor(list(source), dtype=self.dtype).untyped_storage(), self.dtype)

    def from_buffer(self, buffer: Any, byte_order: str = "native", count: int = -1, offset: int = 0) -> TypedStorage:
        """A storage with a copy of the bytes of an object that has a buffer."""
        import sys

        values = lampas.frombuffer(bytearray(buffer), dtype=self.dtype, count=count, offset=offset).clone()
        if byte_order not in ("native", sys.byteorder):
            each = values.view(lampas.uint8).view(-1, self.dtype.itemsize)
            each.copy_(each.flip(1))
        return _over(values)

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

    def __init__(self, storage: Any = None, dtype: lampas.dtype | None = None, numel: int | None = None) -> None:
        dtype = dtype or lampas.get_default_dtype()
        if numel is None and not isinstance(storage, lampas.UntypedStorage):  # a size or a sequence
            kind: Any = _type_of(dtype)
            storage = kind(*(() if storage is None else (storage,)))._untyped_storage
        self._untyped_storage: Any = storage  # None: a storage of the meta device, which has no bytes
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
        return picked.item() if picked.dim() == 0 else _over(picked.clone())

    def __setitem__(self, index: Any, value: Any) -> None:
        self._tensor()[index] = value._tensor() if isinstance(value, TypedStorage) else value

    def tolist(self) -> list:
        return self._tensor().tolist()

    @property
    def is_cuda(self) -> bool:
        return False

    def cpu(self) -> TypedStorage:
        return self

    def cuda(self, device: Any = None, non_blocking: bool = False) -> TypedStorage:
        return _over(self._tensor().cuda(device))

    def copy_(self, source: Any, non_blocking: bool | None = None) -> TypedStorage:
        self._tensor().copy_(source._tensor() if isinstance(source, TypedStorage) else source)
        return self

    def fill_(self, value: Any) -> TypedStorage:
        self._tensor().fill_(value)
        return self

    def share_memory_(self) -> TypedStorage:
        """Move the memory to where other processes see it."""
        self._untyped_storage.share_memory_()
        return self

    def is_shared(self) -> bool:
        return self._untyped_storage is not None and self._untyped_storage.is_shared()

    def clone(self) -> TypedStorage:
        return _over(self._tensor().clone())

    def type(self, dtype: Any = None) -> Any:
        """The name of the storage's type; with a dtype, the values in it."""
        if dtype is None:
            return f"{self.pickle_type.module}.{self.pickle_type.name}"
        if isinstance(dtype, str):
            dtype = storage_type(dtype.removeprefix("torch."))
        return self._to(dtype.dtype if isinstance(dtype, StorageType) else dtype)

    def pickle_storage_type(self) -> str:
        """The name that files give the storage's type."""
        return self.pickle_type.name

    def resize_(self, size: int) -> None:
        """Room for ``size`` elements; those that were there stay."""
        self._untyped_storage.resize_(size * self.dtype.itemsize)
        self._numel = size

    def _to(self, dtype: lampas.dtype) -> TypedStorage:
        return self if dtype == self.dtype else _over(self._tensor().to(dtype))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TypedStorage):
            return NotImplemented
        return self.dtype == other.dtype and self.data_ptr() == other.data_ptr() and len(self) == len(other)

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        head = f"[lampas.storage.TypedStorage(dtype={self.dtype}, device={self.device}) of size {self._numel}]"
        if self._untyped_storage is None:
            return "...\n" + head
        return " " + "\n ".join(str(value) for value in self.tolist()) + "\n" + head

    def __reduce_ex__(self, protocol: int) -> tuple:
        data = storage_bytes(self._untyped_storage)
        if protocol >= 5:
            from pickle import PickleBuffer

            return _from_bytes, (PickleBuffer(data), self.dtype)
        return _from_bytes, (data.tobytes(), self.dtype)

    def __deepcopy__(self, memo: dict) -> TypedStorage:
        return TypedStorage(copied_storage(self._untyped_storage, memo), self.dtype, self._numel)


def _over(tensor: lampas.Tensor) -> TypedStorage:
    return TypedStorage(tensor.untyped_storage(), tensor.dtype)


def _add_conversions() -> None:
    def conversion(name: str, dtype: lampas.dtype) -> None:
        def convert(self: TypedStorage) -> TypedStorage:
            return self._to(dtype)

        convert.__name__, convert.__qualname__ = name, f"TypedStorage.{name}"
        convert.__doc__ = f"The values in {dtype}; this storage if they are."
        setattr(TypedStorage, name, convert)

    for kind, name in _TYPE_NAMES.items():
        if kind != "UntypedStorage" and not kind.startswith("Q"):
            short = kind.removesuffix("Storage").replace("Complex", "complex_").lower()
            conversion(short, getattr(lampas, name))


_add_conversions()

# Views of one storage must meet in one object while they are pickled together: a pickler recognises what it has
# written by identity.
_live: weakref.WeakValueDictionary[tuple[int, str], TypedStorage] = weakref.WeakValueDictionary()


def typed_storage(tensor: lampas.Tensor, dtype: lampas.dtype | None = None) -> TypedStorage:
    """The storage of ``tensor`` with its dtype (or another); one object for all that share memory and dtype."""
    untyped, dtype = tensor.untyped_storage(), dtype or tensor.dtype
    key = (untyped._cdata, str(dtype))
    found = _live.get(key)
    if found is None:
        found = _live[key] = TypedStorage(untyped, dtype)
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


# --- methods of UntypedStorage, whose class is the engine's ---------------------------------------------------------


def _bytes_of(storage: lampas.UntypedStorage) -> lampas.Tensor:
    return lampas.empty((0,), dtype=lampas.uint8, device=storage.device).set_(storage)


def _share_memory_(self: lampas.UntypedStorage) -> lampas.UntypedStorage:
    """Move the bytes, and so all tensors on them, to where other processes see them."""
    from lampas.multiprocessing import shared

    if self.device.type == "cpu":
        shared.share(self)
    return self


def _is_shared(self: lampas.UntypedStorage) -> bool:
    """Whether other processes can see these bytes."""
    import sys

    shared = sys.modules.get("lampas.multiprocessing.shared")  # nothing is shared before it is there
    return shared is not None and shared.is_shared(self)


def _cuda(self: lampas.UntypedStorage, device: Any = None, non_blocking: bool = False) -> lampas.UntypedStorage:
    return _bytes_of(self).cuda(device).untyped_storage()


def _get(self: lampas.UntypedStorage, index: Any) -> Any:
    """A byte as an int, or a slice as a storage over the same memory."""
    if not isinstance(index, slice):
        return storage_bytes(self)[index]
    begin, end, step = index.indices(self.nbytes())
    if step != 1:
        raise RuntimeError(f"Trying to slice with a step of {step}, but only a step of 1 is supported")
    if end <= begin:
        return lampas.UntypedStorage(0)
    return lampas.frombuffer(self, dtype=lampas.uint8, offset=begin, count=end - begin).untyped_storage()


def _set(self: lampas.UntypedStorage, index: Any, value: Any) -> None:
    _bytes_of(self)[index] = _bytes_of(value) if isinstance(value, lampas.UntypedStorage) else value


def _copy_(self: lampas.UntypedStorage, source: Any, non_blocking: bool | None = None) -> lampas.UntypedStorage:
    source = source.untyped() if isinstance(source, TypedStorage) else source
    _bytes_of(self).copy_(_bytes_of(source))
    return self


def _fill_(self: lampas.UntypedStorage, value: int) -> lampas.UntypedStorage:
    _bytes_of(self).fill_(value)
    return self


def _from_file(filename: Any, shared: bool = False, nbytes: int = 0) -> lampas.UntypedStorage:
    """The first ``nbytes`` of a file as memory; with ``shared`` changes go into the file, which is made longer if
    needed."""
    import mmap
    import os

    with open(filename, "a+b" if shared else "rb") as file:
        if shared and os.fstat(file.fileno()).st_size < nbytes:
            file.truncate(nbytes)
    with open(filename, "r+b" if shared else "rb") as file:
        if nbytes == 0:
            return lampas.UntypedStorage(0)
        if os.fstat(file.fileno()).st_size < nbytes:
            raise RuntimeError(f"{filename} has fewer than {nbytes} bytes")
        region = mmap.mmap(file.fileno(), nbytes, access=mmap.ACCESS_WRITE if shared else mmap.ACCESS_COPY)
    return lampas.frombuffer(region, dtype=lampas.uint8).untyped_storage()


def install() -> None:
    """Put what is written in Python on the engine's class of storages."""
    methods = {
        "share_memory_": _share_memory_,
        "is_shared": _is_shared,
        "is_cuda": property(lambda self: False),
        "cpu": lambda self: self,
        "cuda": _cuda,
        "clone": lambda self: _bytes_of(self).clone().untyped_storage(),
        "copy_": _copy_,
        "fill_": _fill_,
        "tolist": lambda self: list(storage_bytes(self)) if self.nbytes() else [],
        "element_size": lambda self: 1,
        "__getitem__": _get,
        "__setitem__": _set,
        "from_file": staticmethod(_from_file),
    }
    for name, method in methods.items():
        if callable(method):
            method.__name__, method.__qualname__ = name, f"UntypedStorage.{name}"
        setattr(lampas.UntypedStorage, name, method)


def __getattr__(name: str) -> Any:
    if name in _TYPE_NAMES:
        return storage_type(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
