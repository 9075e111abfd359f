"""Methods of Tensor that are written in Python; :func:`install` puts them on the compiled class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import lampas

__all__ = ["install"]

_methods: dict[str, Any] = {}
_fallbacks: dict[str, Any] = {}


def _method(function: Callable) -> Callable:
    """This function is the Tensor method of its name."""
    _methods[function.__name__] = function
    return function


def _fallback(function: Callable) -> Callable:
    """This function is the Tensor method of its name where the engine has none."""
    _fallbacks[function.__name__] = function
    return function


def install(*, only_missing: bool = False) -> None:
    """Put the methods of this file on ``lampas.Tensor``, and teach :mod:`copyreg` to pickle what belongs to tensors."""
    import copyreg

    from lampas.storage import install as install_storage

    install_storage()
    tensor = lampas.Tensor
    named = [
        *([] if only_missing else _methods.items()),
        *((n, f) for n, f in _fallbacks.items() if not _has(tensor, n)),
    ]
    for name, function in named:
        if callable(function):
            function.__name__, function.__qualname__ = name, f"Tensor.{name}"
        setattr(tensor, name, function)
    copyreg.pickle(lampas.dtype, _pickle_dtype)
    copyreg.pickle(lampas.device, _pickle_device)
    copyreg.pickle(lampas.Size, _pickle_size)


def _has(kind: type, name: str) -> bool:
    return any(name in base.__dict__ for base in kind.__mro__ if base is not object)


def _pickle_dtype(dtype: lampas.dtype) -> tuple:
    from lampas import _utils

    return _utils._dtype, (str(dtype),)


def _pickle_device(device: lampas.device) -> tuple:
    return lampas.device, (device.type,) if device.index is None else (device.type, device.index)


def _pickle_size(size: lampas.Size) -> tuple:
    return lampas.Size, (tuple(size),)


# --- text -----------------------------------------------------------------------------------------------------------


@_method
def __repr__(self: lampas.Tensor, *, tensor_contents: str | None = None) -> str:
    from lampas.printing import tensor_str

    return tensor_str(self, tensor_contents=tensor_contents)


@_method
def __format__(self: lampas.Tensor, spec: str) -> str:
    if self.dim() == 0 and not self.is_meta and type(self) is lampas.Tensor:
        return format(self.item(), spec)
    return object.__format__(self, spec)


@_method
def __dir__(self: lampas.Tensor) -> list[str]:
    return sorted({*dir(type(self)), *getattr(self, "__dict__", ())})


# --- gradients ------------------------------------------------------------------------------------------------------


@_method
def backward(
    self: lampas.Tensor,
    gradient: lampas.Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Compute the gradients of this tensor and add them to ``.grad`` of the leaves it was made from.

    Args:
        gradient: gradient of the final result with respect to this tensor; may be left out for a single element.
        retain_graph: keep what backward needs, so that it can run again; ``create_graph`` when left out.
        create_graph: record the gradients' computation, for gradients of gradients.
        inputs: leaves to compute gradients for; all of them when left out.

    Raises:
        RuntimeError: nothing here requires a gradient, the graph was freed already, or a saved value was changed.

    >>> x = lampas.tensor(3.0, requires_grad=True)
    >>> (x * x).backward(); x.grad
    tensor(6.)
    """
    lampas.autograd.backward(self, gradient, retain_graph, create_graph, inputs=inputs)


# --- NumPy and Python protocols -------------------------------------------------------------------------------------

_methods["__array_priority__"] = 1000  # NumPy leaves mixed operations to us


@_method
def __array__(self: lampas.Tensor, dtype: Any = None, copy: bool | None = None) -> Any:
    array = self.numpy()
    if dtype is not None:
        array = array.astype(dtype, copy=False)
    return array.copy() if copy else array


@_method
def __array_wrap__(self: lampas.Tensor, array: Any, context: Any = None, return_scalar: bool = False) -> lampas.Tensor:
    return lampas.from_numpy(array) if array.ndim else lampas.as_tensor(array)


@_method
def __contains__(self: lampas.Tensor, element: Any) -> bool:
    """Whether some element equals ``element`` (a number, or a tensor that broadcasts)."""
    if isinstance(element, (lampas.Tensor, int, float, bool, complex)):
        return bool((self == element).any().item())
    raise RuntimeError(f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element)}.")


@_method
def __reversed__(self: lampas.Tensor) -> lampas.Tensor:
    return self if self.dim() == 0 else self.flip(0)


def _reflected(name: str, compute: Callable[[lampas.Tensor, Any], Any]) -> None:
    """The operator ``other <op> tensor``; Python tries elsewhere where the other operand does not fit."""

    def operator(self: lampas.Tensor, other: Any) -> lampas.Tensor:
        if not isinstance(other, (lampas.Tensor, int, float, bool, complex)):
            return NotImplemented
        return compute(self, other)

    operator.__name__ = name
    _fallbacks[name] = operator


_reflected("__rsub__", lambda self, other: lampas.rsub(self, other))
_reflected("__rtruediv__", lambda self, other: self.reciprocal() * other)
_reflected("__rdiv__", lambda self, other: self.reciprocal() * other)
_reflected("__rmod__", lambda self, other: lampas.remainder(other, self))
_reflected("__rpow__", lambda self, other: lampas.pow(other, self))
_reflected("__rfloordiv__", lambda self, other: lampas.floor_divide(lampas.as_tensor(other), self))
_reflected("__rmatmul__", lambda self, other: lampas.matmul(other, self))
_reflected("__rlshift__", lambda self, other: lampas.bitwise_left_shift(other, self))
_reflected("__rrshift__", lambda self, other: lampas.bitwise_right_shift(other, self))


# --- copies and pickles ---------------------------------------------------------------------------------------------


def _reduce_plain(self: lampas.Tensor) -> tuple:
    from lampas import _utils
    from lampas.storage import typed_storage

    if self.is_meta:
        kind = (self.dtype, tuple(self.size()), self.stride(), self.requires_grad)
        return _utils._rebuild_meta_tensor_no_storage, kind
    storage = typed_storage(self)
    arguments = (
        storage,
        self.storage_offset(),
        tuple(self.size()),
        self.stride(),
        self.requires_grad,
        _utils.no_hooks(),
    )
    if storage.pickle_type.name == "UntypedStorage":
        return _utils._rebuild_tensor_v3, (*arguments, self.dtype)
    return _utils._rebuild_tensor_v2, arguments


@_method
def __reduce_ex__(self: lampas.Tensor, protocol: int) -> tuple:
    from lampas import _utils

    state = _utils._state_of(self)
    if isinstance(self, lampas.nn.Parameter):
        arguments = (self.data, self.requires_grad, _utils.no_hooks())
        if state is None:
            return _utils._rebuild_parameter, arguments
        return _utils._rebuild_parameter_with_state, (*arguments, state)
    function, arguments = _reduce_plain(self)
    if type(self) is lampas.Tensor and state is None:
        return function, arguments
    return _utils._rebuild_from_type_v2, (function, type(self), arguments, state)


@_method
def __deepcopy__(self: lampas.Tensor, memo: dict[int, Any]) -> lampas.Tensor:
    if id(self) in memo:
        return memo[id(self)]
    if not self.is_leaf:
        raise RuntimeError(
            f"deepcopy: only leaves of the graph can be copied, and this tensor was computed (grad_fn={self.grad_fn}); "
            "copy its values with detach().clone()"
        )
    from copy import deepcopy

    from lampas import _utils
    from lampas.storage import copied_storage

    with lampas.no_grad():
        if self.is_meta:
            copy = lampas.empty_strided(self.size(), self.stride(), dtype=self.dtype, device="meta")
        else:
            copy = lampas.empty((0,), dtype=self.dtype)
            copy.set_(copied_storage(self.untyped_storage(), memo), self.storage_offset(), self.size(), self.stride())
    if isinstance(self, lampas.nn.Parameter):
        copy = lampas.Tensor._make_subclass(type(self), copy, self.requires_grad)
    else:
        if type(self) is not lampas.Tensor:
            copy = copy.as_subclass(type(self))
        copy.requires_grad_(self.requires_grad)
    memo[id(self)] = copy
    if self.grad is not None:
        copy.grad = deepcopy(self.grad, memo)
    state = _utils._state_of(self)
    return copy if state is None else _utils._set_state(copy, deepcopy(state, memo))


@_method
def storage(self: lampas.Tensor) -> Any:
    """The memory of this tensor as a flat row of numbers of its dtype."""
    from lampas._deprecated import warn_once
    from lampas.storage import TypedStorage

    warn_once("TypedStorage is deprecated: use tensor.untyped_storage(), or the tensor itself, for its memory.")
    return TypedStorage(self.untyped_storage(), self.dtype)


# --- quantized tensors: what plain ones answer ----------------------------------------------------------------------


@_method
def dequantize(self: lampas.Tensor) -> lampas.Tensor:
    """The real numbers of a quantized tensor; of any other itself, as float32."""
    return self.to(lampas.float32)


def _only_quantized(name: str) -> None:
    def refuse(self: lampas.Tensor) -> Any:
        from lampas._quantized.tensor import integers_of

        integers_of(self, f"{name}()")

    refuse.__name__ = name
    _methods[name] = refuse


for _name in (
    "int_repr", "q_per_channel_axis", "q_per_channel_scales", "q_per_channel_zero_points", "q_scale", "q_zero_point",
    "qscheme",
):  # fmt: skip
    _only_quantized(_name)

# --- sparse tensors: how dense ones become them, and what they answer ------------------------------------------------


@_method
def to_sparse(
    self: lampas.Tensor,
    sparse_dim: int | None = None,
    *,
    layout: Any = None,
    blocksize: Any = None,
    dense_dim: int | None = None,
) -> lampas.Tensor:
    """This tensor in a sparse layout: coordinates of its nonzero elements where no other layout is named.

    Args:
        sparse_dim: how many dimensions get coordinates; the values have the others. All of them when left out.
        layout: torch.sparse_coo, sparse_csr, sparse_csc, sparse_bsr or sparse_bsc.
        blocksize: of the block layouts.

    >>> lampas.tensor([0.0, 2.0]).to_sparse()
    tensor(indices=tensor([[1]]),
           values=tensor([2.]),
           size=(2,), nnz=1, layout=torch.sparse_coo)
    """
    from lampas._sparse.create import to_sparse

    return to_sparse(self, sparse_dim, layout=layout, blocksize=blocksize, dense_dim=dense_dim)


@_method
def to_sparse_coo(self: lampas.Tensor) -> lampas.Tensor:
    """This tensor as coordinates and values: see :meth:`to_sparse`."""
    return self.to_sparse()


@_method
def to_sparse_csr(self: lampas.Tensor, dense_dim: int | None = None) -> lampas.Tensor:
    """This matrix with compressed rows: see :meth:`to_sparse`."""
    return self.to_sparse(layout=lampas.sparse_csr, dense_dim=dense_dim)


@_method
def to_sparse_csc(self: lampas.Tensor, dense_dim: int | None = None) -> lampas.Tensor:
    """This matrix with compressed columns: see :meth:`to_sparse`."""
    return self.to_sparse(layout=lampas.sparse_csc, dense_dim=dense_dim)


@_method
def to_sparse_bsr(self: lampas.Tensor, blocksize: Any, dense_dim: int | None = None) -> lampas.Tensor:
    """This matrix as blocks with compressed rows: see :meth:`to_sparse`."""
    return self.to_sparse(layout=lampas.sparse_bsr, blocksize=blocksize, dense_dim=dense_dim)


@_method
def to_sparse_bsc(self: lampas.Tensor, blocksize: Any, dense_dim: int | None = None) -> lampas.Tensor:
    """This matrix as blocks with compressed columns: see :meth:`to_sparse`."""
    return self.to_sparse(layout=lampas.sparse_bsc, blocksize=blocksize, dense_dim=dense_dim)


@_method
def sparse_mask(self: lampas.Tensor, mask: lampas.Tensor) -> lampas.Tensor:
    """The elements of this tensor at the places of the entries of a sparse one."""
    from lampas._sparse.handlers import sparse_mask

    return sparse_mask(self, mask)


@_method
def sparse_dim(self: lampas.Tensor) -> int:
    """How many dimensions have coordinates: none, in a dense tensor."""
    return 0


@_method
def dense_dim(self: lampas.Tensor) -> int:
    """How many dimensions have none: all, in a dense tensor."""
    return self.dim()


def _only_sparse(name: str, error: type[Exception]) -> None:
    def refuse(self: lampas.Tensor, *args: Any, **kwargs: Any) -> Any:
        raise error(f"{name}() is for sparse tensors, this one has layout {self.layout}: see to_sparse()")

    _methods[name] = refuse


for _name in (
    "coalesce", "is_coalesced", "indices", "values", "crow_indices", "col_indices", "ccol_indices", "row_indices",
    "sparse_resize_", "sparse_resize_and_clear_",
):  # fmt: skip
    _only_sparse(_name, RuntimeError)
for _name in ("_nnz", "_indices", "_values", "_coalesced_"):
    _only_sparse(_name, NotImplementedError)


def _sparse_product(name: str) -> None:
    def method(self: lampas.Tensor, *args: Any, **kwargs: Any) -> lampas.Tensor:
        from lampas._sparse import functions

        return getattr(functions, name)(self, *args, **kwargs)

    _methods[name] = method


for _name in ("smm", "sspaddmm"):
    _sparse_product(_name)

# --- composites -----------------------------------------------------------------------------------------------------


@_method
def norm(
    self: lampas.Tensor,
    p: float | str | None = "fro",
    dim: int | Sequence[int] | None = None,
    keepdim: bool = False,
    dtype: lampas.dtype | None = None,
) -> lampas.Tensor:
    """See :func:`lampas.norm`."""
    return lampas.norm(self, p, dim, keepdim, dtype=dtype)


@_method
def unique(
    self: lampas.Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """See :func:`lampas.unique`."""
    return lampas.unique(self, sorted, return_inverse, return_counts, dim)


@_method
def unique_consecutive(
    self: lampas.Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """See :func:`lampas.unique_consecutive`."""
    return lampas.unique_consecutive(self, return_inverse, return_counts, dim)


@_method
def unflatten(self: lampas.Tensor, dim: int, sizes: Sequence[int]) -> lampas.Tensor:
    """One dimension seen as several; one of ``sizes`` may be -1.

    >>> lampas.arange(6).unflatten(0, (2, -1)).shape
    torch.Size([2, 3])
    """
    sizes = list(sizes)
    if not sizes:
        raise RuntimeError("unflatten: sizes must be non-empty")
    if self.dim() == 0:
        raise IndexError("unflatten: a tensor without dimensions has none to unflatten")
    at = lampas.functional.normal_dim(dim, self.dim())
    whole = self.size(at)
    if sizes.count(-1) > 1 or any(n < -1 for n in sizes):
        raise RuntimeError(f"unflatten: only one dimension can be inferred (-1) and none can be negative, got {sizes}")
    product = 1
    for n in sizes:
        product *= n if n != -1 else 1
    if -1 in sizes and product and whole % product == 0:
        sizes[sizes.index(-1)] = whole // product
    elif product != whole or -1 in sizes:
        raise RuntimeError(
            f"unflatten: Provided sizes {sizes} don't multiply up to the size of dim {dim} ({whole}) in the input "
            "tensor"
        )
    return self.view((*self.shape[:at], *sizes, *self.shape[at + 1 :]))


@_method
def stft(
    self: lampas.Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: lampas.Tensor | None = None,
    center: bool = True,
    pad_mode: str = "reflect",
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
    align_to_window: bool | None = None,
) -> lampas.Tensor:
    """See :func:`lampas.stft`."""
    return lampas.stft(
        self, n_fft, hop_length, win_length, window, center, pad_mode, normalized, onesided, return_complex,
        align_to_window,
    )  # fmt: skip


@_method
def istft(
    self: lampas.Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: lampas.Tensor | None = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: int | None = None,
    return_complex: bool = False,
) -> lampas.Tensor:
    """See :func:`lampas.istft`."""
    return lampas.istft(
        self, n_fft, hop_length, win_length, window, center, normalized, onesided, length, return_complex
    )


@_method
def is_shared(self: lampas.Tensor) -> bool:
    """Whether other processes see this tensor's memory (``share_memory_`` was called)."""
    return not self.is_meta and self.untyped_storage().is_shared()


@_method
def share_memory_(self: lampas.Tensor) -> lampas.Tensor:
    """Move this tensor's memory, with all views of it, to where other processes see it: those forked later, and those
    that are given the tensor as an argument or through a queue."""
    self.untyped_storage().share_memory_()
    return self


@_fallback
def apply_(self: lampas.Tensor, callable: Callable[[Any], Any]) -> lampas.Tensor:
    """Replace every element by ``callable(element)``, in place; slow, one Python call per element."""
    values = [callable(v) for v in self.flatten().tolist()]
    return self.copy_(lampas.tensor(values, dtype=self.dtype).reshape(self.shape))


@_fallback
def map_(self: lampas.Tensor, other: lampas.Tensor, callable: Callable[[Any, Any], Any]) -> lampas.Tensor:
    """Replace every element by ``callable(element, other's element)``, in place; slow."""
    pairs = zip(self.flatten().tolist(), other.expand(self.shape).flatten().tolist(), strict=True)
    return self.copy_(lampas.tensor([callable(a, b) for a, b in pairs], dtype=self.dtype).reshape(self.shape))


@_method
def module_load(self: lampas.Tensor, other: lampas.Tensor, assign: bool = False) -> lampas.Tensor:
    """What ``load_state_dict`` puts in this tensor's place: ``other`` itself, or this tensor with its values."""
    return other.detach() if assign else self.copy_(other).detach()


@_method
def dim_order(self: lampas.Tensor) -> tuple[int, ...]:
    """The dimensions from the one with the largest step in memory to the smallest.

    >>> lampas.empty(2, 3, 5, 7, memory_format=lampas.channels_last).dim_order()
    (0, 2, 3, 1)
    """
    strides = self.stride()
    return tuple(sorted(range(self.dim()), key=lambda d: -strides[d]))


def _named_tensors(name: str) -> None:
    def refuse(self: lampas.Tensor, *args: Any, **kwargs: Any) -> NoReturn:
        raise RuntimeError(f"Tensor.{name}: dimensions have no names in lampas; address them by their number")

    refuse.__name__ = name
    _fallbacks[name] = refuse


for _name in ("refine_names", "align_to", "align_as", "rename", "rename_"):
    _named_tensors(_name)


# --- dtype and device -----------------------------------------------------------------------------------------------


def _type(self: lampas.Tensor, dtype: Any = None, non_blocking: bool = False, **kwargs: Any) -> Any:
    """The type's name ("torch.FloatTensor"), or a tensor converted to the dtype or type given."""
    from lampas._types import dtype_of_type, type_of_dtype

    if dtype is None:
        return type_of_dtype(self.dtype)
    if isinstance(dtype, str):
        dtype = dtype_of_type(dtype)
    elif dtype is lampas.Tensor:
        dtype = lampas.get_default_dtype()
    elif not isinstance(dtype, lampas.dtype):
        if not hasattr(dtype, "dtype"):
            raise ValueError(f"invalid type: {getattr(dtype, '__name__', dtype)!r}; give a dtype or a tensor type")
        if getattr(dtype, "__module__", "") == "lampas.cuda":
            dtype_of_type(f"cuda.{dtype.__name__}")  # refuses it
        dtype = dtype.dtype
    return self.to(dtype)


_methods["type"] = _type  # under another name here, where `type` is Python's


@_method
def cpu(self: lampas.Tensor, memory_format: Any = None) -> lampas.Tensor:
    """This tensor in the memory of the CPU; itself if it is there."""
    return self.to("cpu")


@_method
def cuda(
    self: lampas.Tensor, device: Any = None, non_blocking: bool = False, memory_format: Any = None
) -> lampas.Tensor:
    """Refused: there is no CUDA device (``RuntimeError``)."""
    return self.to("cuda")


@_method
def xpu(
    self: lampas.Tensor, device: Any = None, non_blocking: bool = False, memory_format: Any = None
) -> lampas.Tensor:
    """Refused: there is no Intel GPU (``AssertionError``)."""
    return lampas.xpu.init()


@_method
def nelement(self: lampas.Tensor) -> int:
    """The number of elements."""
    return self.numel()


@_method
def new_tensor(
    self: lampas.Tensor, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> lampas.Tensor:
    """A new tensor holding a copy of `data`, in this tensor's dtype unless another is given."""
    if isinstance(data, lampas.Tensor):
        from lampas._deprecated import warn

        warn("To copy construct from a tensor, use source.detach().clone() rather than tensor.new_tensor(source).")
        made = data.detach().clone().to(dtype or data.dtype)
    else:
        made = lampas.tensor(data, dtype=dtype or self.dtype, device=device or self.device)
    return made.requires_grad_(requires_grad)


@_method
def new(self: lampas.Tensor, *args: Any, **kwargs: Any) -> lampas.Tensor:
    """A tensor of this dtype: of the sizes given, or holding a copy of one sequence; as ``FloatTensor`` makes them."""
    from lampas._types import legacy_tensor

    return legacy_tensor(self.dtype, *args, **kwargs)


@_method
def resize(self: lampas.Tensor, *sizes: Any) -> lampas.Tensor:
    """Deprecated name of `view`, for a shape of as many elements."""
    from lampas._deprecated import warn

    warn("non-inplace resize is deprecated; use view or reshape.")
    return self.contiguous().view(*sizes)


@_method
def resize_as(self: lampas.Tensor, tensor: lampas.Tensor) -> lampas.Tensor:
    """Deprecated name of `view_as`."""
    from lampas._deprecated import warn

    warn("non-inplace resize_as is deprecated; use view_as or reshape_as.")
    return self.contiguous().view_as(tensor)


def _volatile(self: lampas.Tensor) -> bool:
    from lampas._deprecated import warn

    warn("volatile was removed (it is always False); use `with torch.no_grad():` instead.")
    return False


_methods["volatile"] = property(_volatile, doc="Always False: graphs are not recorded within `no_grad`.")


@_method
def pin_memory(self: lampas.Tensor, device: Any = None) -> lampas.Tensor:
    """This tensor: memory is pinned for the sake of a CUDA device, and there is none."""
    return self


@_method
def is_pinned(self: lampas.Tensor, device: Any = None) -> bool:
    """Whether the memory is pinned: never."""
    return False


# --- other names of what is there -----------------------------------------------------------------------------------

for _name in ("is_ipu", "is_maia", "is_mtia", "is_vulkan", "is_xla"):
    _fallbacks[_name] = property(lambda self: False, doc="Whether it lies in the memory of such a device: never.")


@_fallback
def __complex__(self: lampas.Tensor) -> complex:
    return complex(self.item())


@_fallback
def __nonzero__(self: lampas.Tensor) -> bool:
    return bool(self)


@_fallback
def __long__(self: lampas.Tensor) -> int:
    return int(self)


@_fallback
def __div__(self: lampas.Tensor, other: Any) -> lampas.Tensor:
    return self / other


@_fallback
def __idiv__(self: lampas.Tensor, other: Any) -> lampas.Tensor:
    return self.div_(other)


@_fallback
def const_data_ptr(self: lampas.Tensor) -> int:
    """The address of the first element, for reading."""
    return self.data_ptr()


@_fallback
def to_dense(self: lampas.Tensor, dtype: Any = None, *, masked_grad: bool = True) -> lampas.Tensor:
    """This tensor, which is dense; converted to ``dtype`` if one is given."""
    return self if dtype is None else self.to(dtype)


@_fallback
def storage_type(self: lampas.Tensor) -> Any:
    """The type of the storage: FloatStorage, for instance."""
    from lampas.storage import _type_of

    return _type_of(self.dtype)
