"""Functions that pickles call to put tensors together again.

Their names and arguments are part of PyTorch's file format; every argument may come from a hostile file.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import lampas
from lampas.storage import TypedStorage

_MAX_DIMS = 64


def _checked_geometry(offset: Any, size: Any, stride: Any) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
    size, stride = tuple(size), tuple(stride)
    if not all(type(n) is int for n in (offset, *size, *stride)):
        raise RuntimeError("a saved tensor's offset, size and stride must be integers: the file is damaged")
    if len(size) != len(stride) or len(size) > _MAX_DIMS:
        raise RuntimeError(
            f"a saved tensor has {len(size)} sizes and {len(stride)} strides (equal counts up to {_MAX_DIMS} "
            "expected): "
            "the file is damaged"
        )
    if offset < 0 or any(n < 0 for n in size) or any(n < 0 for n in stride):
        raise RuntimeError(
            f"a saved tensor has a negative offset, size or stride (offset {offset}, size {size}, stride {stride}): "
            "the file is damaged"
        )
    return offset, size, stride


def _reach(offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> int:
    """How many elements a storage must have for this geometry."""
    if 0 in size:
        return 0
    return offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True)) + 1


def _rebuild(storage: TypedStorage, offset: int, size: Any, stride: Any, dtype: Any) -> lampas.Tensor:
    if not isinstance(storage, TypedStorage):
        raise RuntimeError(f"a saved tensor needs a storage, got {type(storage).__name__}: the file is damaged")
    offset, size, stride = _checked_geometry(offset, size, stride)
    need, have = _reach(offset, size, stride) * dtype.itemsize, storage.nbytes()
    if need > have:
        raise RuntimeError(
            f"a saved tensor of size {size}, stride {stride}, offset {offset} and dtype {dtype} needs a storage of "
            f"{need} bytes, but its storage has {have}: it is out of bounds, the file is damaged"
        )
    if storage.untyped() is None:
        return lampas.empty_strided(size, stride, dtype=dtype, device="meta")
    return lampas.empty((0,), dtype=dtype).set_(storage.untyped(), offset, size, stride)


def _rebuild_tensor(storage: TypedStorage, storage_offset: int, size: Any, stride: Any) -> lampas.Tensor:
    return _rebuild(storage, storage_offset, size, stride, getattr(storage, "dtype", None))


def _rebuild_tensor_v2(
    storage: TypedStorage,
    storage_offset: int,
    size: Any,
    stride: Any,
    requires_grad: bool,
    backward_hooks: Any,
    metadata: Any = None,
) -> lampas.Tensor:
    tensor = _rebuild_tensor(storage, storage_offset, size, stride)
    return _finished(tensor, requires_grad, metadata)


def _rebuild_tensor_v3(
    storage: TypedStorage,
    storage_offset: int,
    size: Any,
    stride: Any,
    requires_grad: bool,
    backward_hooks: Any,
    dtype: lampas.dtype,
    metadata: Any = None,
) -> lampas.Tensor:
    _expect_dtype(dtype)
    return _finished(_rebuild(storage, storage_offset, size, stride, dtype), requires_grad, metadata)


def _finished(tensor: lampas.Tensor, requires_grad: bool, metadata: Any) -> lampas.Tensor:
    # PyTorch marks lazily conjugated or negated tensors here; their storage holds the unconjugated values.
    if isinstance(metadata, dict) and (metadata.get("conj") or metadata.get("neg")):
        # On the memory and not on the tensor, which may be an expanded view of any size.
        size, stride = tuple(tensor.shape), tensor.stride()
        values = tensor.as_strided((_reach(0, size, stride),), (1,))
        if metadata.get("conj"):
            values = values.conj().resolve_conj()
        if metadata.get("neg"):
            values = -values
        tensor = values.as_strided(size, stride, 0)
    if requires_grad:
        tensor.requires_grad_()
    return tensor


def _expect_dtype(dtype: Any) -> None:
    if not isinstance(dtype, lampas.dtype):
        raise RuntimeError(f"a saved tensor needs a dtype, got {type(dtype).__name__}: the file is damaged")


def _rebuild_qtensor(
    storage: TypedStorage,
    storage_offset: int,
    size: Any,
    stride: Any,
    quantizer_params: tuple,
    requires_grad: bool,
    backward_hooks: Any,
) -> lampas.Tensor:
    from lampas._quantized.tensor import QuantizedTensor, quantizer_from, stored_dtype

    integers = _rebuild(storage, storage_offset, size, stride, stored_dtype(getattr(storage, "dtype", None), "load"))
    return QuantizedTensor.wrap(integers, quantizer_from(quantizer_params, tuple(integers.shape)))


def _rebuild_sparse_tensor(layout: Any, data: Any) -> lampas.Tensor:
    data = tuple(data) if isinstance(data, (tuple, list)) else ()
    tensor: lampas.Tensor
    if layout == lampas.sparse_coo and len(data) in (3, 4):
        from lampas._sparse import create

        tensor, check = create.rebuilt(data[0], data[1], data[2], data[3] if len(data) == 4 else False)
    elif layout != lampas.sparse_coo and len(data) == 4:
        from lampas._sparse import compressed

        tensor, check = compressed.rebuilt(layout, *data)
    else:
        raise RuntimeError(f"a saved sparse tensor has the layout {layout} and {len(data)} parts: the file is damaged")
    from lampas.serialization.settings import skipping_data

    if not skipping_data() and not any(t.is_meta for t in data[:2]):
        if _postponed:
            _postponed[-1].append(check)
        else:
            check()
    return tensor


# For each file being read whose numbers come after its pickle: what to check once they are there.
_postponed: list[list[Callable[[], None]]] = []


@contextlib.contextmanager
def numbers_come_later() -> Iterator[None]:
    """Inside, tensors are put together before their numbers are read; sparse ones are checked at the end."""
    checks: list[Callable[[], None]] = []
    _postponed.append(checks)
    try:
        yield
    finally:
        _postponed.pop()
    for check in checks:
        check()


def _rebuild_meta_tensor_no_storage(dtype: lampas.dtype, size: Any, stride: Any, requires_grad: bool) -> lampas.Tensor:
    _expect_dtype(dtype)
    _, size, stride = _checked_geometry(0, size, stride)
    return _finished(lampas.empty_strided(size, stride, dtype=dtype, device="meta"), requires_grad, None)


def _rebuild_parameter(data: lampas.Tensor, requires_grad: bool, backward_hooks: Any) -> lampas.nn.Parameter:
    if not isinstance(data, lampas.Tensor):
        raise RuntimeError(f"a saved parameter needs a tensor, got {type(data).__name__}: the file is damaged")
    return lampas.nn.Parameter(data, bool(requires_grad))


def _rebuild_parameter_with_state(
    data: lampas.Tensor, requires_grad: bool, backward_hooks: Any, state: Any
) -> lampas.nn.Parameter:
    return _set_state(_rebuild_parameter(data, requires_grad, backward_hooks), state)


def _rebuild_from_type_v2(func: Any, new_type: type, args: tuple, state: Any) -> lampas.Tensor:
    """A tensor of a subclass, or one that carries attributes."""
    if not (isinstance(new_type, type) and issubclass(new_type, lampas.Tensor)):
        raise RuntimeError(f"a saved tensor needs a subclass of Tensor as its type, got {new_type!r}")
    tensor = func(*args)
    if type(tensor) is not new_type:
        tensor = tensor.as_subclass(new_type)
    own = getattr(new_type, "__setstate__", None)
    if own is not None and own is not getattr(lampas.Tensor, "__setstate__", None):
        own(tensor, state)
        return tensor
    return _set_state(tensor, state)


def _set_state(obj: Any, state: Any) -> Any:
    attributes, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
    for name, value in {**(attributes or {}), **(slots or {})}.items():
        if not isinstance(name, str) or name.startswith("__"):
            raise RuntimeError(f"a saved tensor sets the attribute {name!r}: the file is damaged")
        setattr(obj, name, value)
    return obj


def _state_of(obj: Any) -> Any:
    """The attributes a user put on a tensor, in the form that ``_set_state`` takes; ``None`` where there are none."""
    attributes = dict(getattr(obj, "__dict__", None) or {})
    slots = {}
    for kind in type(obj).__mro__:
        if kind is lampas.Tensor:
            break
        names = kind.__dict__.get("__slots__", ())
        for name in (names,) if isinstance(names, str) else names:
            if name not in ("__dict__", "__weakref__") and hasattr(obj, name):
                slots[name] = getattr(obj, name)
    if slots:
        return attributes, slots
    return attributes or None


def _dtype(name: str) -> lampas.dtype:
    found: Any = getattr(lampas, name.removeprefix("torch."), None)
    _expect_dtype(found)
    return found


def _get_layout(name: str) -> Any:
    found = getattr(lampas, str(name).removeprefix("torch."), None)
    if found is None or str(found) != name:
        raise RuntimeError(f"the file names the tensor layout {name!r}, which lampas does not have")
    return found


def _load_from_bytes(data: bytes) -> Any:
    """A storage inside a plain pickle made by PyTorch: a whole file of the old format."""
    import io

    from lampas.serialization import load

    return load(io.BytesIO(data), weights_only=True)


def no_hooks() -> OrderedDict:
    """What stands in a pickle where hooks stood once: they are not saved."""
    return OrderedDict()
