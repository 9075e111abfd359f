"""Views as copies (``view_copy`` and its kin), and other forms of what the engine has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lampas
from lampas._ops import op


def _copied(name: str, signature: str, *order: str) -> Any:
    """``<name>_copy``: the view ``name`` in memory of its own."""

    @op(f"{name}_copy({signature}) -> Tensor", "function out")
    def copied(**values: Any) -> lampas.Tensor:
        own = values.pop("input")
        view = getattr(own, name) if hasattr(lampas.Tensor, name) else None
        arguments = [values[k] for k in order]
        result = view(*arguments) if view is not None else getattr(lampas._C, name)(own, *arguments)
        return result.clone(memory_format=lampas.contiguous_format)

    copied.__doc__ = f"{name}_copy({signature}) -> Tensor\n\nWhat ``{name}`` gives, in memory of its own."
    return copied


def _all_copied(name: str, signature: str, *order: str) -> Any:
    @op(f"{name}_copy({signature}) -> Tensor[]", "function")
    def copied(**values: Any) -> tuple[lampas.Tensor, ...]:
        own = values.pop("input")
        return tuple(t.clone() for t in getattr(own, name)(*(values[k] for k in order)))

    copied.__doc__ = f"{name}_copy({signature}) -> Tensor[]\n\nWhat ``{name}`` gives, in memory of its own."
    return copied


alias_copy = _copied("alias", "Tensor input")
as_strided_copy = _copied(
    "as_strided", "Tensor input, int[] size, int[] stride, int? storage_offset=None", "size", "stride", "storage_offset"
)
detach_copy = _copied("detach", "Tensor input")
diagonal_copy = _copied("diagonal", "Tensor input, int offset=0, int dim1=0, int dim2=1", "offset", "dim1", "dim2")
expand_copy = _copied("expand", "Tensor input, int[] size, *, bool implicit=False", "size")
permute_copy = _copied("permute", "Tensor input, int[] dims", "dims")
select_copy = _copied("select", "Tensor input, int dim, int index", "dim", "index")
t_copy = _copied("t", "Tensor input")
transpose_copy = _copied("transpose", "Tensor input, int dim0, int dim1", "dim0", "dim1")
unfold_copy = _copied("unfold", "Tensor input, int dimension, int size, int step", "dimension", "size", "step")
unsqueeze_copy = _copied("unsqueeze", "Tensor input, int dim", "dim")
view_as_complex_copy = _copied("view_as_complex", "Tensor input")
view_as_real_copy = _copied("view_as_real", "Tensor input")
split_copy = _all_copied("split", "Tensor input, int split_size, int dim=0", "split_size", "dim")
split_with_sizes_copy = _all_copied(
    "split_with_sizes", "Tensor input, int[] split_sizes, int dim=0", "split_sizes", "dim"
)
unbind_copy = _all_copied("unbind", "Tensor input, int dim=0", "dim")


@op("squeeze_copy(Tensor input, int[1]? dim=None) -> Tensor", "function out")
def squeeze_copy(input: lampas.Tensor, dim: Any) -> lampas.Tensor:
    """What ``squeeze`` gives, in memory of its own."""
    return (input.squeeze() if dim is None else input.squeeze(dim)).clone()


@op("slice_copy(Tensor input, int dim=0, int? start=None, int? end=None, int step=1) -> Tensor", "function out")
def slice_copy(input: lampas.Tensor, dim: int, start: int | None, end: int | None, step: int) -> lampas.Tensor:
    """``input[start:end:step]`` along a dimension, in memory of its own."""
    where = (slice(None),) * (dim % max(input.dim(), 1)) + (slice(start, end, step),)
    return input[where].clone()


@op("view_copy(Tensor input, any size) -> Tensor", "function out")
def view_copy(input: lampas.Tensor, size: Any) -> lampas.Tensor:
    """What ``view`` gives, in memory of its own; ``size`` may be a dtype."""
    return input.view(size).clone()


@op("narrow_copy(Tensor input, int dim, int start, int length) -> Tensor", "function method out")
def narrow_copy(input: lampas.Tensor, dim: int, start: int, length: int) -> lampas.Tensor:
    """``length`` indices from ``start`` along a dimension, in memory of their own."""
    return input.narrow(dim, start, length).clone()


@op("unsafe_chunk(Tensor input, int chunks, int dim=0) -> Tensor[]")
def unsafe_chunk(input: lampas.Tensor, chunks: int, dim: int) -> Sequence[lampas.Tensor]:
    """What ``chunk`` gives."""
    return input.chunk(chunks, dim)


@op("unsafe_split(Tensor input, int split_size, int dim=0) -> Tensor[]")
def unsafe_split(input: lampas.Tensor, split_size: int, dim: int) -> Sequence[lampas.Tensor]:
    """What ``split`` gives."""
    return input.split(split_size, dim)


@op("unsafe_split_with_sizes(Tensor input, int[] split_sizes, int dim=0) -> Tensor[]")
def unsafe_split_with_sizes(input: lampas.Tensor, split_sizes: Sequence[int], dim: int) -> Sequence[lampas.Tensor]:
    """What ``split_with_sizes`` gives."""
    return input.split(list(split_sizes), dim)


@op("sum_to_size(Tensor input, int[] size) -> Tensor", "method")
def sum_to_size(input: lampas.Tensor, size: Sequence[int]) -> lampas.Tensor:
    """Summed over the dimensions that broadcasting from ``size`` to this shape added or stretched.

    >>> lampas.ones(2, 3).sum_to_size(3)
    tensor([2., 2., 2.])
    """
    size = list(size)
    extra = input.dim() - len(size)
    if extra < 0 or any(n not in (1, m) for n, m in zip(size, input.shape[extra:])):
        raise RuntimeError(f"size {{{size}}} is not expandable to size {{{list(input.shape)}}}.")
    dims = [*range(extra), *(extra + d for d, n in enumerate(size) if n == 1 and input.shape[extra + d] != 1)]
    return (input.sum(dims, keepdim=True) if dims else input).reshape(size)


@op("new_empty_strided(Tensor input, int[] size, int[] stride, *, dtype? dtype=None, any device=None, any layout=None,"
    " bool pin_memory=False, bool requires_grad=False) -> Tensor", "method")  # fmt: skip
def new_empty_strided(
    input: lampas.Tensor, size: Any, stride: Any, dtype: Any, device: Any, layout: Any, pin_memory: bool,
    requires_grad: bool,
) -> lampas.Tensor:  # fmt: skip
    """An uninitialised tensor of this size and these steps, in this tensor's dtype unless another is given."""
    made = lampas.empty_strided(size, stride, dtype=dtype or input.dtype, device=device or input.device)
    return made.requires_grad_(requires_grad)


@op("nonzero_static(Tensor input, *, int size, int fill_value=-1) -> Tensor", "function method out")
def nonzero_static(input: lampas.Tensor, size: int, fill_value: int) -> lampas.Tensor:
    """The first ``size`` rows of ``nonzero``, filled up with ``fill_value``."""
    if size < 0:
        raise RuntimeError(f"nonzero_static: 'size' must be an non-negative integer, got {size}")
    found = input.nonzero()[:size]
    rest = lampas.full((size - found.size(0), found.size(1)), fill_value, dtype=lampas.int64)
    return lampas.cat([found, rest])


@op("empty_permuted(int[] size, int[] physical_layout, *, dtype? dtype=None, any layout=None, any device=None,"
    " bool requires_grad=False, bool pin_memory=False) -> Tensor", "function")  # fmt: skip
def empty_permuted(
    size: Sequence[int], physical_layout: Sequence[int], dtype: Any, layout: Any, device: Any, requires_grad: bool,
    pin_memory: bool,
) -> lampas.Tensor:  # fmt: skip
    """An uninitialised tensor whose dimensions lie in memory in the order given, the outermost first."""
    if sorted(physical_layout) != list(range(len(size))):
        raise RuntimeError(
            f"empty_permuted: physical_layout must be a permutation of the {len(size)} dimensions, "
            f"got {list(physical_layout)}"
        )
    strides, step = [0] * len(size), 1
    for d in reversed(list(physical_layout)):
        strides[d] = step
        step *= max(size[d], 1)
    made = lampas.empty_strided(size, strides, dtype=dtype or lampas.get_default_dtype(), device=device or "cpu")
    return made.requires_grad_(requires_grad)


def asarray(
    obj: Any,
    *,
    dtype: lampas.dtype | None = None,
    device: Any = None,
    copy: bool | None = None,
    requires_grad: bool = False,
) -> lampas.Tensor:
    """A tensor of anything array-like, sharing its memory where that is possible and ``copy`` allows it.

    >>> lampas.asarray([1, 2])
    tensor([1, 2])
    """
    made = obj if isinstance(obj, lampas.Tensor) else lampas.as_tensor(obj)
    wanted = made.to(device=device or made.device, dtype=dtype or made.dtype)
    shares = wanted is made and (isinstance(obj, lampas.Tensor) or hasattr(obj, "__array_interface__"))
    if copy is False and not shares:
        raise ValueError("can't alias arbitrary sequence into a tensor, or convert it, without a copy (copy=False)")
    if copy and shares:
        wanted = wanted.clone()
    if isinstance(obj, lampas.Tensor) and wanted.requires_grad and not requires_grad:
        return wanted.detach()
    return wanted.requires_grad_() if requires_grad and not wanted.requires_grad else wanted
