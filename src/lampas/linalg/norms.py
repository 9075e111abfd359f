"""Norms of vectors and matrices, and what follows from singular values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lampas
from lampas import _C
from lampas.functional import normal_dim

from ._common import check_matrix, check_square, linalg_op
from .factor import eigvalsh, svdvals
from .solve import _cut

__all__ = ["cond", "matrix_norm", "matrix_rank", "norm", "vector_norm"]

vector_norm = _C.linalg.vector_norm
_SIGNATURE = "Number|str? ord={}, int[1]? dim=None, bool keepdim=False, *, dtype? dtype=None"


@linalg_op("matrix_norm(Tensor A, Number|str ord='fro', int[] dim=(-2, -1), bool keepdim=False, *, dtype? dtype=None)"
           " -> Tensor")  # fmt: skip
def matrix_norm(A: lampas.Tensor, ord: Any, dim: Sequence[int], keepdim: bool, dtype: Any) -> lampas.Tensor:
    """A norm of the matrices that two dimensions hold.

    Args:
        ord: "fro" (the root of the sum of squares), "nuc" (the sum of the singular values), inf and -inf (the largest
            and smallest sum of magnitudes of a row), 1 and -1 (of a column), 2 and -2 (the largest and smallest
            singular value).

    >>> lampas.linalg.matrix_norm(lampas.tensor([[3.0, 0.0], [0.0, 4.0]]))
    tensor(5.)
    """
    if A.dim() < 2:
        raise RuntimeError(
            f"linalg.matrix_norm: The input tensor A must have at least 2 dimensions, got shape {list(A.shape)}."
        )
    if not (A.is_floating_point() or A.is_complex()):
        raise RuntimeError(f"linalg.matrix_norm: Expected a floating point or complex tensor as input. Got {A.dtype}")
    if len(dim) != 2:
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {list(dim)}")
    row, column = (normal_dim(d, A.dim()) for d in dim)
    if row == column:
        raise RuntimeError(f"linalg.matrix_norm: dims must be different. Got ({dim[0]}, {dim[1]})")
    x = A if dtype is None else A.to(dtype)
    if ord == "fro":
        return vector_norm(x, 2, [row, column], keepdim)
    size = abs(ord) if not isinstance(ord, str) else None
    if ord == "nuc" or size == 2:
        values = svdvals(x.movedim((row, column), (-2, -1)))
        result = values.sum(-1) if ord == "nuc" else values.amax(-1) if ord > 0 else values.amin(-1)
        if keepdim:
            for d in sorted((row, column)):
                result = result.unsqueeze(d)
        return result
    if size not in (1, float("inf")):
        raise RuntimeError(f"linalg.matrix_norm: Order {ord} not supported.")
    if size == 1:
        row, column = column, row
    sums = x.abs().sum(column, keepdim=keepdim)
    if not keepdim and column < row:
        row -= 1
    return sums.amax(row, keepdim) if ord > 0 else sums.amin(row, keepdim)


@linalg_op(f"norm(Tensor A, {_SIGNATURE.format('None')}) -> Tensor")
def norm(A: lampas.Tensor, ord: Any, dim: Any, keepdim: bool, dtype: Any) -> lampas.Tensor:
    """:func:`vector_norm` or :func:`matrix_norm`, by the number of dimensions; of everything when no ``ord`` is given.

    >>> lampas.linalg.norm(lampas.tensor([3.0, 4.0]))
    tensor(5.)
    """
    if dim is not None:
        dims = [dim] if isinstance(dim, int) else list(dim)
        if len(dims) not in (1, 2):
            raise RuntimeError(f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {dims}")
    else:
        dims = None
        if ord is not None and A.dim() not in (1, 2):
            raise RuntimeError(
                f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {A.dim()}D."
            )
    if ord is not None and ((dims is not None and len(dims) == 2) or (dims is None and A.dim() == 2)):
        return matrix_norm(A, ord, dims or (0, 1), keepdim, dtype=dtype)
    if isinstance(ord, str):
        raise RuntimeError(f"linalg.norm: the norm {ord!r} is one of matrices; give two dimensions")
    return vector_norm(A, 2 if ord is None else ord, dims, keepdim, dtype=dtype)


@linalg_op("cond(Tensor A, Number|str? p=None) -> Tensor")
def cond(A: lampas.Tensor, p: Any) -> lampas.Tensor:
    """The condition number ``|A| |A^-1|`` in the norm ``p`` of :func:`matrix_norm` (2, when not given)."""
    check_matrix("linalg.cond", A)
    if p is None or (not isinstance(p, str) and abs(p) == 2):
        values = svdvals(A)
        low, high = values[..., -1], values[..., 0]
        return low / high if p == -2 else high / low
    check_square(f"linalg.cond({p!r})", A)
    from .solve import inv_ex

    inverse, info = inv_ex(A)
    product = matrix_norm(A, p) * matrix_norm(lampas.nan_to_num(inverse) if bool((info != 0).any()) else inverse, p)
    return lampas.where(info != 0, float("inf"), product)


@linalg_op(
    "matrix_rank(Tensor A, float|Tensor? tol=None, bool hermitian=False, *, float|Tensor? atol=None,"
    " float|Tensor? rtol=None) -> Tensor"
)
def matrix_rank(A: lampas.Tensor, tol: Any, hermitian: bool, atol: Any, rtol: Any) -> lampas.Tensor:
    """How many singular values exceed ``max(atol, rtol * largest)``; ``rtol`` is ``max(m, n) * eps`` unless given."""
    check_matrix("linalg.matrix_rank", A)
    A = A.detach()
    if 0 in A.shape[-2:]:
        return lampas.zeros(A.shape[:-2], dtype=lampas.int64)
    if tol is not None:
        atol, rtol = tol, 0.0
    values = eigvalsh(A).abs() if hermitian else svdvals(A)
    return (values > _cut(A, values.amax(-1, True), atol, rtol)).sum(-1)
