"""Dimensions of sparse tensors moved, chosen, joined."""

from __future__ import annotations

from typing import Any

import lampas
from lampas import Tensor
from lampas._sparse.graph import made, values_of
from lampas._sparse.handlers import handles
from lampas._sparse.pattern import CooPattern
from lampas._sparse.tensor import SparseTensor, dense_only

__all__ = ["item"]


def _normal(dim: int, count: int) -> int:
    if not -count <= dim < count:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-count}, {count - 1}], but got {dim})")
    return dim % count


@handles("permute")
def permute(input: Any, *dims: Any, node: str = "PermuteBackward0") -> Any:
    order = list(dims[0]) if len(dims) == 1 and not isinstance(dims[0], int) else list(dims)
    order = [_normal(d, input.dim()) for d in order]
    if sorted(order) != list(range(input.dim())):
        raise RuntimeError(f"permute: {order} does not name each of the {input.dim()} dimensions once")
    pattern, sparse_dim = input._pattern, input.sparse_dim()
    if any(d >= sparse_dim for d in order[:sparse_dim]):
        raise RuntimeError(
            f"a sparse tensor's first {sparse_dim} dimensions are sparse, the others dense: the order {order} would "
            "exchange one of each kind; call to_dense() first"
        )
    values = values_of(input)
    inner = [d - sparse_dim + 1 for d in order[sparse_dim:]]
    if inner != sorted(inner):
        values = values.permute(0, *inner)
    same = order[:sparse_dim] == sorted(order[:sparse_dim])
    indices = pattern.indices if same else pattern.indices[order[:sparse_dim]]
    size = [pattern.size[d] for d in order]
    coalesced = pattern.coalesced and (same or pattern.nnz < 2)
    return made(CooPattern(indices, size, coalesced), values, node)


@handles("transpose", "swapaxes", "swapdims")
def transpose(input: Any, dim0: int, dim1: int, *, node: str = "TransposeBackward0") -> Any:
    order = list(range(input.dim()))
    a, b = _normal(dim0, input.dim()), _normal(dim1, input.dim())
    order[a], order[b] = order[b], order[a]
    return permute(input, order, node=node)


@handles("t")
def t(input: Any) -> Any:
    if input.dim() > 2 or input.dense_dim():
        raise RuntimeError(
            f"t() expects a tensor with <= 2 sparse and 0 dense dimensions, but got {input.sparse_dim()} sparse and "
            f"{input.dense_dim()} dense dimensions"
        )
    return input if input.dim() < 2 else transpose(input, 0, 1, node="TBackward0")


@handles("t_", "transpose_")
def transpose_(input: Any, dim0: int = 0, dim1: int = 1) -> Any:
    turned = transpose(input, dim0, dim1)
    return input._become(turned._pattern, turned._held)


@handles("unsqueeze")
def unsqueeze(input: Any, dim: int) -> Any:
    at = _normal(dim, input.dim() + 1)
    pattern, values = input._pattern, values_of(input)
    size = [*pattern.size[:at], 1, *pattern.size[at:]]
    if at > pattern.sparse_dim:
        return made(CooPattern(pattern.indices, size, pattern.coalesced), values.unsqueeze(at - pattern.sparse_dim + 1))
    zeros = pattern.indices.new_zeros((1, pattern.nnz))
    indices = lampas.cat([pattern.indices[:at], zeros, pattern.indices[at:]])
    return made(CooPattern(indices, size, pattern.coalesced), values, "UnsqueezeBackward0")


def _entries(input: Any, which: Tensor, dim: int, at: Tensor, length: int, coalesced: bool) -> Any:
    """The entries ``which``, which stand at ``at`` of a dimension that now has this length."""
    pattern = input._pattern
    rows = list(pattern.indices.index_select(1, which))
    rows[dim] = at
    size = [*pattern.size[:dim], length, *pattern.size[dim + 1 :]]
    values = values_of(input).index_select(0, which)
    return made(CooPattern(lampas.stack(rows), size, coalesced), values, "IndexSelectBackward0")


@handles("select")
def select(input: Any, dim: int, index: int) -> Any:
    if input.dim() == 0:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    dim, index = _normal(dim, input.dim()), int(index)
    pattern = input._pattern
    length = pattern.size[dim]
    if not -length <= index < length:
        raise IndexError(
            f"select(): index {index} out of range for tensor of size {list(pattern.size)} at dimension {dim}"
        )
    index %= length
    size = [*pattern.size[:dim], *pattern.size[dim + 1 :]]
    values, sparse_dim = values_of(input), pattern.sparse_dim
    if dim >= sparse_dim:
        kept = values.select(dim - sparse_dim + 1, index)
        return made(CooPattern(pattern.indices, size, pattern.coalesced), kept, "SelectBackward0")
    which = (pattern.indices[dim] == index).nonzero().squeeze(1)
    values = values.index_select(0, which)
    if sparse_dim == 1:
        return values.sum(0) if values.dtype != lampas.bool else values.any(0)
    rows = [d for d in range(sparse_dim) if d != dim]
    indices = pattern.indices[rows].index_select(1, which)
    return made(CooPattern(indices, size, pattern.coalesced), values, "SelectBackward0")


@handles("index_select")
def index_select(input: Any, dim: int, index: Tensor) -> Any:
    dim = _normal(dim, input.dim())
    pattern = input._pattern
    if dim >= pattern.sparse_dim:
        values = values_of(input).index_select(dim - pattern.sparse_dim + 1, index)
        size = [*pattern.size[:dim], index.shape[0], *pattern.size[dim + 1 :]]
        return made(CooPattern(pattern.indices, size, pattern.coalesced), values, "IndexSelectBackward0")
    length = pattern.size[dim]
    if index.numel() and not -length <= int(index.min()) <= int(index.max()) < length:
        raise IndexError(f"index_select(): index out of range for dimension {dim} of size {length}")
    index = lampas.where(index < 0, index + length, index)
    there, order = pattern.indices[dim].sort(stable=True)
    starts = lampas.searchsorted(there, index)
    counts = lampas.searchsorted(there, index, right=True) - starts
    at = lampas.repeat_interleave(lampas.arange(index.shape[0]), counts)
    before = counts.cumsum(0) - counts
    which = order[lampas.arange(at.shape[0]) - before[at] + starts[at]]
    result = _entries(input, which, dim, at, index.shape[0], False)
    return result.coalesce() if pattern.coalesced else result


@handles("narrow_copy")
def narrow_copy(input: Any, dim: int, start: int, length: int) -> Any:
    dim = _normal(dim, input.dim())
    pattern = input._pattern
    if not 0 <= start <= start + length <= pattern.size[dim]:
        raise RuntimeError(
            f"narrow_copy: start {start} and length {length} exceed dimension {dim} of size {pattern.size[dim]}"
        )
    if dim >= pattern.sparse_dim:
        values = values_of(input).narrow(dim - pattern.sparse_dim + 1, start, length)
        size = [*pattern.size[:dim], length, *pattern.size[dim + 1 :]]
        return made(CooPattern(pattern.indices, size, pattern.coalesced), values.clone())
    at = pattern.indices[dim]
    which = ((at >= start) & (at < start + length)).nonzero().squeeze(1)
    return _entries(input, which, dim, at[which] - start, length, pattern.coalesced)


@handles("unbind")
def unbind(input: Any, dim: int = 0) -> tuple:
    return tuple(select(input, dim, i) for i in range(input.shape[dim]))


def item(input: Any, index: Any) -> Any:
    """``input[index]`` for whole numbers, full slices and ``...``."""
    parts = index if isinstance(index, tuple) else (index,)
    count = sum(p is not Ellipsis for p in parts)
    if count > input.dim():
        raise IndexError(f"too many indices for tensor of dimension {input.dim()}")
    if Ellipsis in parts:
        at = parts.index(Ellipsis)
        parts = (*parts[:at], *[slice(None)] * (input.dim() - count), *parts[at + 1 :])
    dim = 0
    for part in parts:
        if isinstance(part, slice) and part == slice(None):
            dim += 1
        elif isinstance(part, int) and not isinstance(part, bool):
            input = select(input, dim, part) if isinstance(input, SparseTensor) else input.select(dim, part)
        else:
            raise dense_only("indexing with anything but whole numbers: __getitem__", lampas.sparse_coo)
    return input


@handles("cat", "concat", "concatenate")
def cat(tensors: Any, dim: int = 0) -> Any:
    tensors = list(tensors)
    for x in tensors:
        if not isinstance(x, SparseTensor):
            raise RuntimeError("cat: either all tensors must be sparse or none; call to_dense() or to_sparse() first")
    first = tensors[0]
    dim = _normal(dim, first.dim())
    sparse_dim, rank = first.sparse_dim(), first.dim()
    for x in tensors:
        fits = x.dim() == rank and all(x.shape[d] == first.shape[d] for d in range(rank) if d != dim)
        if not fits or x.sparse_dim() != sparse_dim:
            raise RuntimeError(
                f"cat: shapes {list(first.shape)} and {list(x.shape)} must agree but in dimension {dim}, and the "
                "numbers of sparse dimensions must be equal"
            )
    size = list(first.shape)
    size[dim] = sum(x.shape[dim] for x in tensors)
    indices, values, start = [], [], 0
    for x in tensors:
        at, held = x._pattern.indices, values_of(x)
        if dim < sparse_dim:
            at = at.clone()
            at[dim] += start
        else:
            inner = dim - sparse_dim + 1
            before, after = list(held.shape), list(held.shape)
            before[inner], after[inner] = start, size[dim] - start - x.shape[dim]
            held = lampas.cat([held.new_zeros(before), held, held.new_zeros(after)], inner)
        indices.append(at)
        values.append(held)
        start += x.shape[dim]
    ordered = dim == 0 < sparse_dim and all(x.is_coalesced() for x in tensors)
    return made(CooPattern(lampas.cat(indices, 1), size, ordered), lampas.cat(values), "CatBackward0")


@handles("stack")
def stack(tensors: Any, dim: int = 0) -> Any:
    return cat([unsqueeze(x, dim) if isinstance(x, SparseTensor) else x for x in tensors], dim)
