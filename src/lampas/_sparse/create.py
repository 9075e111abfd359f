"""Sparse tensors made of indices and values, of dense tensors, and of other sparse ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import lampas
from lampas import Tensor
from lampas._sparse.graph import made
from lampas._sparse.handlers import nothing
from lampas._sparse.pattern import CooPattern, gathered, increasing, keys_of
from lampas._sparse.tensor import SparseTensor

__all__ = ["sparse_coo_tensor"]


def index_tensor(given: Any, device: Any) -> Tensor:
    if not isinstance(given, Tensor):
        given = lampas.tensor(given, device=device)
    if given.is_complex() or given.dtype == lampas.bool:
        raise RuntimeError(f"indices must be whole numbers, got a tensor of {given.dtype}")
    return given.detach().to(lampas.int64)


def value_tensor(given: Any, dtype: Any, device: Any) -> Tensor:
    if isinstance(given, Tensor):
        return given.to(device or given.device, dtype or given.dtype)
    return lampas.tensor(given, dtype=dtype, device=device)


def check_size(size: Any, function: str) -> tuple[int, ...]:
    size = tuple(int(n) for n in size)
    for n in size:
        if n < 0:
            raise RuntimeError(f"{function}: a size cannot be negative, got {list(size)}")
    if math.prod(size) >= 1 << 63:
        raise RuntimeError(f"{function}: the size {list(size)} has more elements than an integer of 64 bits can count")
    return size


def checked_pattern(indices: Tensor, values: Tensor, size: Any, coalesced: bool) -> CooPattern:
    """The pattern of these coordinates, where the shapes fit; see :func:`check_places` for the numbers."""
    if indices.dim() != 2:
        raise RuntimeError(f"indices must be sparse_dim x nnz, but got: {list(indices.shape)}")
    sparse_dim, nnz = indices.shape
    if values.dim() == 0 or values.shape[0] != nnz:
        count = values.shape[0] if values.dim() else "a single number"
        raise RuntimeError(
            f"indices and values must have same nnz, but got nnz from indices: {nnz}, nnz from values: {count}"
        )
    if size is None:
        if nnz == 0 and sparse_dim:
            raise RuntimeError("a sparse tensor without entries does not tell its size by its indices: give size=")
        highest = indices.amax(1).tolist() if sparse_dim else ()
        size = (*(max(0, n + 1) for n in highest), *values.shape[1:])
    size = check_size(size, "sparse_coo_tensor")
    if len(size) != sparse_dim + values.dim() - 1:
        raise RuntimeError(
            f"'len(size) == sparse_dim + dense_dim' is not satisfied: len(size) = {len(size)}, sparse_dim = "
            f"{sparse_dim}, dense_dim = {values.dim() - 1}"
        )
    if tuple(values.shape[1:]) != size[sparse_dim:]:
        raise RuntimeError(f"values has incorrect size, expected {[nnz, *size[sparse_dim:]]}, got {list(values.shape)}")
    return CooPattern(indices, size, coalesced or nnz < 2)


def check_places(pattern: CooPattern) -> None:
    """Refuse indices outside the size, and a wrong claim that they are in order."""
    if pattern.nnz and pattern.sparse_dim:
        lowest, highest = pattern.indices.amin(1).tolist(), pattern.indices.amax(1).tolist()
        for d, (low, high, size) in enumerate(zip(lowest, highest, pattern.sparse_size, strict=True)):
            if low < 0:
                raise RuntimeError(f"found negative index {low} for dim {d}")
            if high >= size:
                raise RuntimeError(
                    f"size is inconsistent with indices: for dim {d}, size is {size} but found index {high}"
                )
    if pattern.coalesced and not increasing(keys_of(pattern.indices, pattern.sparse_size)):
        raise RuntimeError("cannot set is_coalesced to true if indices correspond to uncoalesced COO tensor")


def finished(made: Any, requires_grad: bool) -> Any:
    return made.requires_grad_() if requires_grad and not made.requires_grad else made


def sparse_coo_tensor(
    indices: Any,
    values: Any = None,
    size: Any = None,
    *,
    dtype: lampas.dtype | None = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    check_invariants: bool | None = None,
    is_coalesced: bool | None = None,
) -> SparseTensor:
    """A sparse tensor in coordinate format; ``sparse_coo_tensor(size)`` gives one without entries.

    Args:
        indices: ``(sparse_dim, nnz)``, the coordinates of each entry in the first ``sparse_dim`` dimensions.
        values: ``(nnz, *dense dimensions)``; differentiable. Entries of one place count together.
        size: the shape; the smallest that fits where it is left out.
        check_invariants: accepted; indices are always checked.
        is_coalesced: says that the indices are in order and differ; a wrong claim is an error.

    Raises:
        RuntimeError: indices that are negative or outside ``size``, or shapes that do not fit together.

    >>> lampas.sparse_coo_tensor([[0, 1], [2, 0]], [3.0, 4.0], (2, 3)).to_dense()
    tensor([[0., 0., 3.],
            [4., 0., 0.]])
    """
    if values is None:
        if size is not None:
            raise TypeError("sparse_coo_tensor() got a size and indices, but no values")
        size = check_size(indices, "sparse_coo_tensor")
        empty = nothing(size, len(size), dtype or lampas.get_default_dtype(), device)
        return finished(empty, requires_grad)
    held = value_tensor(values, dtype, device)
    pattern = checked_pattern(index_tensor(indices, device), held, size, bool(is_coalesced))
    check_places(pattern)
    return finished(made(pattern, held), requires_grad)


def _of_dense(dense: Tensor, sparse_dim: int, node: str) -> SparseTensor:
    rest = dense.detach()
    if sparse_dim < dense.dim():
        rest = (rest != 0).flatten(sparse_dim).any(-1)
    where = rest.nonzero().t().contiguous()
    return made(CooPattern(where, dense.shape, True), gathered(dense, where), node)


def to_sparse(
    dense: Tensor, sparse_dim: Any = None, *, layout: Any = None, blocksize: Any = None, dense_dim: int | None = None
) -> Any:
    """What ``Tensor.to_sparse`` does with a dense tensor."""
    if layout is not None and layout != lampas.sparse_coo:
        from lampas._sparse.compressed import compressed_of_dense

        if layout == lampas.strided:
            return dense
        return compressed_of_dense(dense, layout, blocksize, dense_dim)
    if blocksize is not None:
        raise RuntimeError("to_sparse: blocksize is for the layouts torch.sparse_bsr and torch.sparse_bsc")
    if dense_dim is not None:
        sparse_dim = dense.dim() - dense_dim
    if sparse_dim is None:
        return _of_dense(dense, dense.dim(), "ToSparseBackward1")
    lowest = 1 if dense.dim() else 0
    if not lowest <= sparse_dim <= dense.dim():
        raise RuntimeError(
            f"dense_to_sparse: sparse_dim argument must be in [{lowest},{dense.dim()}] range, but {sparse_dim} is given"
        )
    return _of_dense(dense, sparse_dim, "ToSparseBackward0")


def resparsed(s: SparseTensor, sparse_dim: Any, layout: Any, blocksize: Any, dense_dim: int | None) -> Any:
    """What ``to_sparse`` does with a coordinate tensor."""
    if layout is None or layout == lampas.sparse_coo:
        if sparse_dim in (None, s.sparse_dim()):
            return s
        raise RuntimeError(
            f"to_sparse: a tensor with {s.sparse_dim()} sparse dimensions becomes one with {sparse_dim} by way of "
            "to_dense() alone"
        )
    if layout == lampas.strided:
        return s.to_dense()
    from lampas._sparse.compressed import compressed_of_coo, compressed_of_dense

    if layout in (lampas.sparse_csr, lampas.sparse_csc) and s.sparse_dim() == 2 and not s.dense_dim():
        return compressed_of_coo(s, layout)
    return compressed_of_dense(s.to_dense(), layout, blocksize, dense_dim)


def rebuilt(indices: Any, values: Any, size: Any, coalesced: Any) -> tuple[SparseTensor, Callable[[], None]]:
    """A coordinate tensor from a file, and the check of its numbers, which may stand further down in the file."""
    if not isinstance(indices, Tensor) or not isinstance(values, Tensor) or indices.dtype != lampas.int64:
        raise RuntimeError("a saved sparse tensor needs tensors of int64 indices and values: the file is damaged")
    if not isinstance(size, tuple) or not all(type(n) is int for n in size):
        raise RuntimeError("a saved sparse tensor needs a size of whole numbers: the file is damaged")
    pattern = checked_pattern(indices, values, size, bool(coalesced))
    return made(pattern, values), lambda: check_places(pattern)
