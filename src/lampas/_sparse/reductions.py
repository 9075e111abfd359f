"""Sums, norms and softmax of sparse tensors."""

from __future__ import annotations

import math
from typing import Any

import lampas
from lampas import Tensor
from lampas._sparse.graph import made, values_of
from lampas._sparse.handlers import handles
from lampas._sparse.pattern import CooPattern, keys_of, merged
from lampas._sparse.tensor import dense_only

__all__ = ["softmax", "sum"]


def normal_dims(dim: Any, count: int) -> list[int]:
    dims = [dim] if isinstance(dim, int) else list(dim)
    for d in dims:
        if not -count <= d < max(count, 1):
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-count}, {count - 1}], but got {d})"
            )
    dims = [d % count if count else 0 for d in dims]
    if len(set(dims)) != len(dims):
        raise RuntimeError(f"dim {dims[-1]} appears multiple times in the list of dims")
    return sorted(dims)


@handles("sum")
def sum(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    if dim is not None:
        input = input.coalesce()
    values, pattern = values_of(input), input._pattern
    if dtype is None and not (input.is_floating_point() or input.is_complex()):
        dtype = lampas.int64
    if dtype is not None:
        values = values.to(dtype)
    if dim is None or (not isinstance(dim, int) and len(dim) == 0):
        total = values.sum()
        return total.reshape([1] * input.dim()) if keepdim else total
    dims = normal_dims(dim, input.dim())
    sparse_dim = pattern.sparse_dim
    inner = [d - sparse_dim + 1 for d in dims if d >= sparse_dim]
    outer = [d for d in dims if d < sparse_dim]
    if inner:
        values = values.sum(inner, keepdim=keepdim)
    size = [1 if d in dims else n for d, n in enumerate(pattern.size) if keepdim or d not in dims]
    if len(outer) == sparse_dim:
        return values.sum(0).reshape(size)
    kept = [d for d in range(sparse_dim) if d not in outer]
    if outer:
        sizes = [pattern.size[d] for d in kept]
        at, values = merged(pattern.indices[kept], values, sizes)
        if keepdim:
            rows = iter(at)
            at = lampas.stack([at.new_zeros(at.shape[1]) if d in outer else next(rows) for d in range(sparse_dim)])
    else:
        at = pattern.indices
    return made(CooPattern(at, size, True), values, "SparseSumBackward0")


@handles("any")
def any(input: Any, dim: Any = None, keepdim: bool = False) -> Tensor:
    if dim is not None:
        raise dense_only("any(dim=...)", input.layout)
    return input.coalesce()._held.any()


@handles("norm", "native_norm")
def norm(input: Any, p: Any = 2, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Tensor:
    """The norm of all elements; the zeros that are not kept count for nothing where p is positive."""
    order = 2.0 if p in (None, "fro") else p
    if dim is not None and normal_dims(dim, input.dim()) == list(range(input.dim())):
        dim = None
    if dim is not None or keepdim or isinstance(order, str) or not float(order) > 0:
        raise NotImplementedError(
            f"the norm of a sparse tensor is defined over all elements and for positive orders, got p={p}, dim={dim}, "
            f"keepdim={keepdim}: call to_dense() first"
        )
    values = values_of(input.coalesce())
    if values.numel() == 0:
        return lampas.zeros((), dtype=dtype or values.abs().dtype)
    return lampas.linalg.vector_norm(values, float(order), dtype=dtype)


@handles("vector_norm", "linalg_vector_norm")
def vector_norm(x: Any, ord: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    return norm(x, ord, dim, keepdim, dtype)


def softmax(input: Any, dim: int, dtype: Any, log: bool) -> Any:
    """Softmax over the entries that are kept: the others count as minus infinity."""
    if dtype is not None:
        input = input.to(dtype)
    (dim,) = normal_dims(dim, input.dim())
    source = input.coalesce()
    values, pattern = values_of(source), source._pattern
    node = "SparseLogSoftmaxBackward0" if log else "SparseSoftmaxBackward0"
    if dim >= pattern.sparse_dim:
        inner = dim - pattern.sparse_dim + 1
        values = values.log_softmax(inner) if log else values.softmax(inner)
        return made(pattern, values, node)
    if source._nnz() == 0:
        return made(pattern, values * 1, node)
    others = [d for d in range(pattern.sparse_dim) if d != dim]
    keys = keys_of(pattern.indices[others], [pattern.size[d] for d in others])
    groups, slots = lampas.unique(keys, return_inverse=True)
    shape = (groups.shape[0], *values.shape[1:])
    places = slots.view(-1, *[1] * (values.dim() - 1)).expand(values.shape)
    lowest = lampas.full(shape, -math.inf, dtype=values.dtype)
    top = lowest.scatter_reduce(0, places, values.detach(), "amax").index_select(0, slots)
    shifted = values - top
    powers = shifted.exp()
    sums = lampas.zeros(shape, dtype=values.dtype).index_put((slots,), powers, accumulate=True)
    sums = sums.index_select(0, slots)
    return made(pattern, shifted - sums.log() if log else powers / sums, node)
