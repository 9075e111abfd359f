"""Matrix products with sparse factors.

A product of coordinates with a dense matrix takes the row of the dense factor that each entry names, times the entry's
value, and adds it to the result's row. Its two gradients are a product of the same kind and sampled inner products.
"""

from __future__ import annotations

from typing import Any

import lampas
from lampas import _C, Tensor
from lampas._sparse.graph import made, named, values_of
from lampas._sparse.handlers import handles, sparse
from lampas._sparse.pattern import CooPattern, merged
from lampas._sparse.tensor import SparseTensor
from lampas.autograd.function import Function

__all__ = ["addmm", "product", "sampled", "sparse_product"]

_CHUNK = 1 << 18  # elements of a dense factor's rows in hand at once


def _parts(nnz: int, width: int) -> Any:
    step = max(1, _CHUNK // max(1, width))
    return (slice(start, min(start + step, nnz)) for start in range(0, nnz, step))


class _Product(Function):
    """``values`` at ``indices`` (an m x k matrix) times a dense k x n one."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, dense: Tensor, indices: Tensor, rows: int) -> Tensor:
        ctx.save_for_backward(values, dense)
        ctx.indices = indices
        result = lampas.zeros((rows, dense.shape[1]), dtype=dense.dtype, device=dense.device)
        for part in _parts(values.shape[0], dense.shape[1]):
            at = indices[:, part]
            terms = dense.index_select(0, at[1]) * values[part].unsqueeze(1)
            result.index_put_((at[0],), terms, accumulate=True)
        return result

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple:
        values, dense = ctx.saved_tensors
        at = ctx.indices
        g_values = _Sampled.apply(g, dense.conj(), at) if ctx.needs_input_grad[0] else None
        g_dense = _Product.apply(values.conj(), g, at.flip(0), dense.shape[0]) if ctx.needs_input_grad[1] else None
        return g_values, g_dense, None, None


class _Sampled(Function):
    """The elements of ``a @ b.T`` at ``indices``."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, indices: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        ctx.indices = indices
        result = lampas.empty(indices.shape[1], dtype=a.dtype, device=a.device)
        for part in _parts(indices.shape[1], a.shape[1]):
            at = indices[:, part]
            result[part] = (a.index_select(0, at[0]) * b.index_select(0, at[1])).sum(1)
        return result

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple:
        a, b = ctx.saved_tensors
        at = ctx.indices
        g_a = _Product.apply(g, b.conj(), at, a.shape[0]) if ctx.needs_input_grad[0] else None
        g_b = _Product.apply(g, a.conj(), at.flip(0), b.shape[0]) if ctx.needs_input_grad[1] else None
        return g_a, g_b, None


def product(values: Tensor, indices: Tensor, rows: int, dense: Tensor, node: str = "MmBackward0") -> Tensor:
    """The matrix of ``values`` at ``indices`` with so many rows, times a dense matrix."""
    return named(_Product, node).apply(values, dense, indices, rows)


def sampled(a: Tensor, b: Tensor, indices: Tensor) -> Tensor:
    """The elements of ``a @ b.T`` at ``indices``, without making the others."""
    return _Sampled.apply(a, b, indices)


def _matrix(s: Any, name: str) -> Any:
    if s.sparse_dim() != 2 or s.dense_dim():
        raise RuntimeError(
            f"{name}: a sparse factor must be a matrix with two sparse dimensions, got shape {list(s.shape)} with "
            f"{s.sparse_dim()} sparse dimensions"
        )
    return s


def _in_region(*factors: Any) -> tuple:
    """Factors as an autocast region wants them."""
    if not _C._autocast_enabled():
        return factors
    from lampas._autocast import to_dtype

    return tuple(to_dtype(x, "lower") for x in factors)


def _check(a: Tensor, b: Tensor, name: str) -> None:
    if a.dtype != b.dtype:
        raise RuntimeError(f"{name}: expected both factors to have the same dtype, got {a.dtype} and {b.dtype}")
    inner = b.shape[0] if b.dim() == 1 else b.shape[-2]
    if a.shape[-1] != inner:
        raise RuntimeError(
            f"{name}: the factors' shapes {list(a.shape)} and {list(b.shape)} do not fit: {a.shape[-1]} columns meet "
            f"{inner} rows"
        )


def sparse_product(a: Any, b: Any, node: str = "SparseSparseMatmulBackward0") -> Any:
    """The product of two sparse matrices, sparse: every entry of ``a`` meets the entries of one row of ``b``."""
    _check(_matrix(a, "mm"), _matrix(b, "mm"), "mm")
    a, b = a.coalesce(), b.coalesce()
    (rows, inner), (b_rows, b_columns) = a._pattern.indices, b._pattern.indices
    ends = lampas.searchsorted(b_rows, inner, right=True)
    starts = lampas.searchsorted(b_rows, inner)
    counts = ends - starts
    left = lampas.repeat_interleave(lampas.arange(rows.shape[0]), counts)
    before = counts.cumsum(0) - counts
    right = lampas.arange(left.shape[0]) - before[left] + starts[left]
    size = (a.shape[0], b.shape[1])
    values = values_of(a).index_select(0, left) * values_of(b).index_select(0, right)
    indices, values = merged(lampas.stack([rows[left], b_columns[right]]), values, size)
    return made(CooPattern(indices, size, True), values, node)


@handles("mm", "spmm", "dsmm")
def mm(input: Any, mat2: Any, *, node: str = "MmBackward0") -> Any:
    for name, x in (("input", input), ("mat2", mat2)):
        if x.dim() != 2:
            raise RuntimeError(f"mm: {name} must be a matrix, got {x.dim()} dimensions")
    if isinstance(input, SparseTensor) and isinstance(mat2, SparseTensor):
        return sparse_product(input, mat2)
    input, mat2 = _in_region(input, mat2)
    _check(input, mat2, "mm")
    if isinstance(input, SparseTensor):
        pattern = _matrix(input, "mm")._pattern
        return product(values_of(input), pattern.indices, pattern.size[0], mat2, node)
    pattern = _matrix(mat2, "mm")._pattern
    return product(values_of(mat2), pattern.indices.flip(0), pattern.size[1], input.t(), node).t()


@handles("mv")
def mv(input: Any, vec: Any) -> Tensor:
    if isinstance(vec, SparseTensor) or vec.dim() != 1 or input.dim() != 2:
        raise RuntimeError(
            f"mv: a sparse matrix and a dense vector are needed, got shapes {list(input.shape)} and {list(vec.shape)}"
        )
    return mm(input, vec.unsqueeze(1), node="MvBackward0").squeeze(1)


@handles("bmm")
def bmm(input: Any, mat2: Any) -> Tensor:
    input, mat2 = _in_region(input, mat2)
    s = sparse(input, "bmm")
    if s.dim() != 3 or s.dense_dim() or mat2.dim() != 3 or isinstance(mat2, SparseTensor):
        raise RuntimeError(
            "bmm: a sparse and a dense batch of matrices are needed, got shapes "
            f"{list(s.shape)} with {s.dense_dim()} dense dimensions and {list(mat2.shape)}"
        )
    if s.shape[0] != mat2.shape[0]:
        raise RuntimeError(f"bmm: batches of {s.shape[0]} and of {mat2.shape[0]} matrices do not fit")
    _check(s, mat2, "bmm")
    batch, rows, inner = s.shape
    which, at, column = s._pattern.indices
    indices = lampas.stack([which * rows + at, which * inner + column])
    flat = product(values_of(s), indices, batch * rows, mat2.reshape(batch * inner, -1), "BmmBackward0")
    return flat.view(batch, rows, -1)


@handles("matmul", "__matmul__", "__rmatmul__")
def matmul(input: Any, other: Any) -> Any:
    if input.dim() == 2 and other.dim() == 2:
        return mm(input, other)
    if isinstance(input, SparseTensor):
        if input.dim() == 2 and other.dim() == 1:
            return mv(input, other)
        if input.dim() == 3 and other.dim() == 3:
            return bmm(input, other)
    elif isinstance(other, SparseTensor) and other.dim() == 2 and input.dim():
        flat = mm(input.reshape(-1, input.shape[-1]), other)
        return flat.reshape(*input.shape[:-1], other.shape[1])
    raise RuntimeError(
        f"matmul with a sparse factor is not defined for the shapes {list(input.shape)} and {list(other.shape)}: "
        "call to_dense() first"
    )


@handles("addmm")
def addmm(input: Any, mat1: Any, mat2: Any, *, beta: Any = 1, alpha: Any = 1, node: str = "AddmmBackward0") -> Any:
    (input,) = _in_region(input)
    result = mm(mat1, mat2, node=node)
    return input * beta + result * alpha


@handles("addmm_")
def addmm_(input: Any, mat1: Any, mat2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    return input.mul_(beta).add_(mm(mat1, mat2), alpha=alpha)


@handles("linear")
def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    result = matmul(input, transposed(weight)) if isinstance(weight, SparseTensor) else mm(input, weight.t())
    return result if bias is None else result + bias


def transposed(s: Any) -> Any:
    return s.transpose(0, 1)


@handles("smm")
def smm(input: Any, mat2: Any) -> Any:
    """A sparse times a dense matrix, the result in sparse form."""
    return mm(input, mat2).to_sparse()


@handles("hspmm", "hsmm")
def hspmm(mat1: Any, mat2: Any) -> Any:
    """A sparse times a dense matrix; the result keeps the rows that have entries."""
    s = _matrix(sparse(mat1, "hspmm"), "hspmm").coalesce()
    _check(s, mat2, "hspmm")
    rows, columns = s._pattern.indices
    kept, slots = lampas.unique(rows, return_inverse=True)
    values = product(values_of(s), lampas.stack([slots, columns]), kept.shape[0], mat2)
    return made(CooPattern(kept.unsqueeze(0), (s.shape[0], mat2.shape[1]), True), values)


@handles("sspaddmm")
def sspaddmm(input: Any, mat1: Any, mat2: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """``beta * input + alpha * (mat1 @ mat2)`` with a sparse input and a sparse result."""
    return sparse(input, "sspaddmm") * beta + smm(mat1, mat2) * alpha
