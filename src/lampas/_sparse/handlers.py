"""What the ops do with sparse tensors. An op without an entry here is refused, with what to do instead."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

import lampas
from lampas import Tensor
from lampas._sparse.graph import made, values_of
from lampas._sparse.pattern import CooPattern, gathered, merged, scattered
from lampas._sparse.tensor import AnySparse, SparseTensor, dense_only

__all__ = ["LINEAR", "MIXED", "ZERO_TO_ZERO", "answer", "handles"]

_handlers: dict[str, Callable[..., Any]] = {}
_loaded: list[bool] = []


def handles(*names: str) -> Callable[[Callable], Callable]:
    """The decorated function answers the ops of these names; it is given coordinate tensors."""

    def enter(function: Callable) -> Callable:
        for name in names:
            _handlers[name] = function
        return function

    return enter


def answer(func: Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> Any:
    """The result of an op one of whose arguments is sparse."""
    if not _loaded:
        for part in ("products", "reductions", "indexing"):
            importlib.import_module(f"lampas._sparse.{part}")
        _loaded.append(True)
    name = func.__name__
    if name in _FACTS:
        return Tensor.__torch_function__(func, (), args, kwargs)
    layout = next((layout for layout in map(_compressed_layout, (*args, *kwargs.values())) if layout is not None), None)
    if layout is not None:
        from lampas._sparse.compressed import answer_compressed

        return answer_compressed(name, _handlers.get(name), layout, args, kwargs)
    handler = _handlers.get(name)
    first = args[0] if args else kwargs.get("input")
    if handler is None or not (name in MIXED or isinstance(first, SparseTensor)):
        raise dense_only(name, lampas.sparse_coo)
    return handler(*args, **kwargs)


# Ops whose sparse argument need not be the first, and which look for themselves.
MIXED = {
    "add", "add_", "sub", "sub_", "subtract", "subtract_", "rsub", "mul", "multiply", "div", "divide", "true_divide",
    "floor_divide", "pow", "copy_", "sparse_mask", "mm", "spmm", "dsmm", "mv", "matmul", "__matmul__", "__rmatmul__",
    "addmm", "addmm_", "linear", "cat", "concat", "concatenate", "stack", "smm", "hspmm", "hsmm", "bmm", "sspaddmm",
    "vector_norm", "linalg_vector_norm",
}  # fmt: skip


def _compressed_layout(value: Any) -> Any:
    if isinstance(value, AnySparse) and not isinstance(value, SparseTensor):
        return value.layout
    return None


# Answered by what the engine knows of a sparse tensor.
_FACTS = frozenset(
    [
        "size",
        "dim",
        "ndimension",
        "numel",
        "nelement",
        "stride",
        "storage_offset",
        "element_size",
        "get_device",
        "is_floating_point",
        "is_complex",
        "is_inference",
        "is_same_size",
        "is_contiguous",
        "is_signed",
        "register_hook",
        "retain_grad",
        "backward",
        "requires_grad_",
        "is_set_to",
        "register_post_accumulate_grad_hook",
        "__setattr__",
        "_is_view",
        "is_tensor",
    ]
)


def sparse(x: Any, name: str) -> Any:
    """``x``, which the op ``name`` needs to be a coordinate tensor."""
    if not isinstance(x, SparseTensor):
        layout = x.layout if isinstance(x, Tensor) else type(x).__name__
        raise NotImplementedError(f"{name}() of a sparse tensor is not defined where a tensor of layout {layout} is "
                                  "given here: call to_sparse() on it, or to_dense() on the other")  # fmt: skip
    return x


def is_number(x: Any) -> bool:
    return not isinstance(x, AnySparse) and (
        isinstance(x, (int, float, complex)) or (isinstance(x, Tensor) and x.dim() == 0)
    )


def written(s: Any, result: Any) -> Any:
    """The result of an in-place op, in the tensor it was called on."""
    if lampas.is_grad_enabled() and (s.requires_grad or result.requires_grad):
        raise RuntimeError(
            "a sparse tensor that requires grad, or is given what requires grad, cannot be changed in place: use the "
            "form that returns a new tensor, or no_grad()"
        )
    if not (isinstance(s, SparseTensor) and isinstance(result, SparseTensor)) or result.shape != s.shape:
        raise RuntimeError(
            f"the result, of shape {list(result.shape)} and layout {result.layout}, does not fit the sparse tensor of "
            f"shape {list(s.shape)} it should be written into"
        )
    if not lampas.can_cast(result.dtype, s.dtype):
        raise RuntimeError(f"result type {result.dtype} can't be cast to the desired output type {s.dtype}")
    s._pattern, s._held = result._pattern, result._held.to(s.dtype)
    return s


# --- copies and conversions -----------------------------------------------------------------------------------------


@handles("clone")
def clone(input: Any, *, memory_format: Any = None) -> Any:
    return made(input._pattern, values_of(input).clone(), "CloneBackward0")


@handles("detach", "alias")
def detach(input: Any) -> Any:
    return input.data


@handles("detach_")
def detach_(input: Any) -> Any:
    if input.grad_fn is not None:
        raise RuntimeError("detach_() of a sparse tensor with a history: use detach(), which gives a new tensor")
    return input.requires_grad_(False)


@handles("contiguous", "cpu", "pin_memory", "positive", "resolve_conj", "resolve_neg")
def unchanged(input: Any, *args: Any, **kwargs: Any) -> Any:
    return input


@handles("to")
def to(input: Any, *args: Any, **kwargs: Any) -> Any:
    args = tuple(v._held if isinstance(v, AnySparse) else v for v in args)
    if isinstance(kwargs.get("other"), AnySparse):
        kwargs = {**kwargs, "other": kwargs["other"]._held}
    values = values_of(input)
    moved = values.to(*args, **kwargs)
    return input if moved is values else made(input._pattern, moved, "ToCopyBackward0")


def _named_cast(name: str) -> None:
    dtypes = {"float": lampas.float32, "double": lampas.float64, "half": lampas.float16, "long": lampas.int64,
              "int": lampas.int32, "short": lampas.int16, "char": lampas.int8, "byte": lampas.uint8}  # fmt: skip
    dtype = dtypes.get(name) or getattr(lampas, name)
    handles(name)(lambda input, memory_format=None: to(input, dtype))


for _name in [
    "float",
    "double",
    "half",
    "bfloat16",
    "long",
    "int",
    "short",
    "char",
    "byte",
    "bool",
    "cfloat",
    "cdouble",
]:
    _named_cast(_name)


@handles("type_as")
def type_as(input: Any, other: Tensor) -> Any:
    return to(input, other.dtype)


def nothing(size: Any, sparse_dim: int, dtype: Any, device: Any = None) -> Any:
    """A coordinate tensor without entries."""
    indices = lampas.zeros((sparse_dim, 0), dtype=lampas.int64)
    return CooPattern(indices, size, True).hold(lampas.zeros((0, *size[sparse_dim:]), dtype=dtype, device=device))


@handles("zeros_like", "empty_like")
def zeros_like(input: Any, *, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False,
               pin_memory: bool = False, memory_format: Any = None) -> Any:  # fmt: skip
    if layout == lampas.strided:
        return lampas.zeros(input.shape, dtype=dtype or input.dtype, device=device, requires_grad=requires_grad)
    empty = nothing(input._pattern.size, input.sparse_dim(), dtype or input.dtype, device)
    return empty.requires_grad_(requires_grad)


@handles("new_zeros", "new_empty")
def new_zeros(input: Any, *size: Any, dtype: Any = None, requires_grad: bool = False, **place: Any) -> Any:
    size = size[0] if len(size) == 1 and not isinstance(size[0], int) else size
    return nothing(tuple(size), len(size), dtype or input.dtype).requires_grad_(requires_grad)


@handles("zero_")
def zero_(input: Any) -> Any:
    return written(input, nothing(input._pattern.size, input.sparse_dim(), input.dtype))


@handles("copy_")
def copy_(input: Any, src: Any, non_blocking: bool = False) -> Any:
    if not isinstance(input, SparseTensor) or not isinstance(src, SparseTensor):
        raise RuntimeError(
            "copy_() between dense and sparse tensors is not defined: call to_dense() or to_sparse() on one of them; "
            f"found layouts {input.layout} and {src.layout}"
        )
    return written(input, clone(src))


@handles("sparse_mask")
def sparse_mask(input: Any, mask: Any, accumulate_matches: bool = False) -> Any:
    if not isinstance(mask, SparseTensor):
        raise NotImplementedError(f"sparse_mask() needs a sparse mask, got a tensor of layout {mask.layout}")
    if input.shape != mask.shape:
        raise RuntimeError(
            f"sparse_mask(): operands have incompatible sizes; self has size {list(input.shape)} but mask has size "
            f"{list(mask.shape)}"
        )
    pattern = mask._pattern
    values = pattern.picked(input) if isinstance(input, SparseTensor) else gathered(input, pattern.indices)
    return made(pattern, values, "SparseMaskBackward0")


# --- functions of one value that leave zero where it is -------------------------------------------------------------

LINEAR = ["neg", "negative", "conj", "conj_physical", "deg2rad", "rad2deg"]
ZERO_TO_ZERO = [
    "abs",
    "absolute",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctanh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "ceil",
    "erf",
    "erfinv",
    "expm1",
    "fix",
    "floor",
    "frac",
    "isinf",
    "isnan",
    "isneginf",
    "isposinf",
    "log1p",
    "nan_to_num",
    "relu",
    "round",
    "sgn",
    "sign",
    "signbit",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "tan",
    "tanh",
    "trunc",
    "angle",
]


def _of_values(name: str, merges: bool, inplace: bool, input: Any, *args: Any, **kwargs: Any) -> Any:
    input = sparse(input, name)
    source = input.coalesce() if merges else input
    function = getattr(lampas, name, None) or getattr(Tensor, name)
    result = made(source._pattern, function(values_of(source), *args, **kwargs), f"{name.capitalize()}Backward0")
    return written(input, result) if inplace else result


for _name in (*LINEAR, *ZERO_TO_ZERO):
    handles(_name)(functools.partial(_of_values, _name, _name in ZERO_TO_ZERO, False))
    handles(_name + "_")(functools.partial(_of_values, _name, _name in ZERO_TO_ZERO, True))


@handles("pow")
def pow(input: Any, exponent: Any) -> Any:
    if not is_number(exponent) or not isinstance(input, SparseTensor):
        raise NotImplementedError("pow() with sparse tensors needs a sparse base and a number as exponent")
    if exponent == 0:
        raise RuntimeError("pow(): a sparse tensor to the power 0 would be dense; call to_dense() first")
    source = input.coalesce()
    return made(source._pattern, values_of(source).pow(exponent), "PowBackward0")


@handles("is_nonzero")
def is_nonzero(input: Any) -> bool:
    return bool(input)


# --- sums -----------------------------------------------------------------------------------------------------------


def _check_alike(a: Any, b: Any, name: str) -> None:
    if a.shape != b.shape:
        raise RuntimeError(
            f"{name}: expected sizes of 'self' and 'other' to match, but {list(a.shape)} != {list(b.shape)}"
        )
    if a.sparse_dim() != b.sparse_dim():
        raise RuntimeError(
            f"{name}: expected 'self' and 'other' to have same density, but 'self' has {a.sparse_dim()} sparse "
            f"dimensions while 'other' has {b.sparse_dim()} sparse dimensions"
        )


def _scaled(values: Tensor, alpha: Any) -> Tensor:
    return values if alpha == 1 else values * alpha


@handles("add")
def add(input: Any, other: Any, *, alpha: Any = 1, node: str = "AddBackward0") -> Any:
    if not isinstance(other, SparseTensor):
        raise RuntimeError(
            "add(sparse, dense) is not defined, the result would be dense: write dense + sparse, or to_dense() first"
        )
    if not isinstance(input, SparseTensor):
        if not isinstance(input, Tensor):
            raise RuntimeError(f"the sum of {input} and a sparse tensor would be dense: call to_dense() first")
        if input.shape != other.shape:
            raise RuntimeError(
                f"add: a dense and a sparse tensor must have the same shape, got {list(input.shape)} and "
                f"{list(other.shape)}: there is no broadcasting here"
            )
        dtype = lampas.result_type(input, other._held)
        if lampas.is_grad_enabled() and (input.requires_grad or other.requires_grad):
            return input + _scaled(other, alpha).to_dense()
        total = input.to(dtype, copy=True)
        if not total.is_contiguous():
            total = total.contiguous()
        return scattered(total, other._pattern.indices, _scaled(other._held, alpha).to(dtype))
    _check_alike(input, other, "add")
    ours, theirs = input._pattern, other._pattern
    a, b = values_of(input), _scaled(values_of(other), alpha)
    if ours.same_places(theirs):
        return made(ours if ours.coalesced else theirs, a + b, node)
    dtype = lampas.result_type(a, b)
    indices = lampas.cat([ours.indices, theirs.indices], 1)
    values = lampas.cat([a.to(dtype), b.to(dtype)])
    coalesced = ours.coalesced and theirs.coalesced
    if coalesced:
        indices, values = merged(indices, values, ours.sparse_size)
    return made(CooPattern(indices, ours.size, coalesced), values, node)


@handles("sub", "subtract")
def sub(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    if isinstance(other, SparseTensor) and not isinstance(input, SparseTensor):
        return add(input, other, alpha=-alpha)
    if not isinstance(other, SparseTensor):
        raise RuntimeError(
            "sub(sparse, dense) is not defined, the result would be dense: call to_dense() on the sparse tensor first"
        )
    return add(input, other, alpha=-alpha, node="SubBackward0")


@handles("rsub")
def rsub(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    if not isinstance(other, Tensor):
        raise RuntimeError(f"a number minus a sparse tensor would be dense (got {other}): call to_dense() first")
    return sub(other, input, alpha=alpha)


@handles("add_")
def add_(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    if isinstance(input, SparseTensor):
        return written(input, add(input, other, alpha=alpha))
    if input.shape != other.shape:
        raise RuntimeError(
            f"add_: a dense tensor of shape {list(input.shape)} cannot take a sparse one of shape {list(other.shape)}"
        )
    if other.requires_grad and lampas.is_grad_enabled():
        return input.add_(other.to_dense(), alpha=alpha)
    if not lampas.can_cast(other.dtype, input.dtype):
        raise RuntimeError(f"result type {other.dtype} can't be cast to the desired output type {input.dtype}")
    return scattered(input, other._pattern.indices, _scaled(other._held, alpha).to(input.dtype))


@handles("sub_", "subtract_")
def sub_(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    if isinstance(input, SparseTensor):
        return written(input, sub(input, other, alpha=alpha))
    return add_(input, other, alpha=-alpha)


# --- products of elements -------------------------------------------------------------------------------------------


def _by_number(input: Any, values: Tensor, node: str) -> Any:
    return made(input._pattern, values, node)


@handles("mul", "multiply")
def mul(input: Any, other: Any) -> Any:
    if not isinstance(input, SparseTensor):
        input, other = other, input
    if is_number(other):
        return _by_number(input, values_of(input) * other, "MulBackward0")
    if not isinstance(other, Tensor):
        raise TypeError(f"mul(): a sparse tensor cannot be multiplied by {type(other).__name__}")
    if not isinstance(other, SparseTensor):
        pattern = input._pattern
        try:
            spread = other.expand(pattern.size)
        except RuntimeError:
            raise RuntimeError(
                f"mul: a dense factor of shape {list(other.shape)} does not broadcast to the sparse tensor's shape "
                f"{list(pattern.size)}"
            ) from None
        factors = spread[tuple(pattern.indices)] if pattern.sparse_dim else spread
        return made(pattern, values_of(input) * factors, "MulBackward0")
    if input.shape != other.shape:
        raise RuntimeError(
            f"mul: expected 'self' and 'other' to have same sizes, but {list(input.shape)} != {list(other.shape)}"
        )
    _check_alike(input, other, "mul")
    if input._pattern.coalesced and input._pattern is other._pattern:
        return made(input._pattern, values_of(input) * values_of(other), "MulBackward0")
    a, b = input.coalesce(), other.coalesce()
    if a._nnz() > b._nnz():
        a, b = b, a
    return made(a._pattern, values_of(a) * a._pattern.picked(b), "MulBackward0")


@handles("div", "divide", "true_divide")
def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Any:
    if not isinstance(input, SparseTensor):
        raise RuntimeError("div(dense, sparse) would divide by zero: call to_dense() on the divisor first")
    if not is_number(other):
        shape = list(other.shape) if isinstance(other, Tensor) else type(other).__name__
        raise RuntimeError(
            f"Sparse division requires a scalar or zero-dim dense tensor divisor (got {shape}); call to_dense() first"
        )
    source = input if rounding_mode is None else input.coalesce()
    return _by_number(source, lampas.div(values_of(source), other, rounding_mode=rounding_mode), "DivBackward0")


@handles("floor_divide")
def floor_divide(input: Any, other: Any) -> Any:
    return div(input, other, rounding_mode="floor")


def _scaling(function: Callable) -> Callable:
    def in_place(input: Any, other: Any, **kwargs: Any) -> Any:
        result = function(input, other, **kwargs)
        same = isinstance(input, SparseTensor) and result._pattern is input._pattern and not result.requires_grad
        if same and not input.requires_grad and result.dtype == input.dtype:
            input._held.copy_(result._held)  # those who share the values see it
            return input
        return written(input, result)

    return in_place


for _name, _function in {
    "mul": mul, "multiply": mul, "div": div, "divide": div, "true_divide": div, "floor_divide": floor_divide,
}.items():  # fmt: skip
    handles(_name + "_")(_scaling(_function))


@handles("is_coalesced")
def is_coalesced(input: Any) -> bool:
    return input.is_coalesced()
