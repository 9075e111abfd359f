"""Products, powers and exponentials of matrices; tensors taken as matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import lampas
from lampas import _C
from lampas._composites.products import vander as _vander
from lampas._declared import declared
from lampas.functional import chain_matmul, normal_dim

from ._common import H, by_numpy, check_matrix, linalg_op
from .solve import inv, solve

__all__ = [
    "cross", "diagonal", "matmul", "matrix_exp", "matrix_power", "multi_dot", "tensorinv", "tensorsolve", "vander",
    "vecdot",
]  # fmt: skip


@linalg_op("matmul(Tensor input, Tensor other) -> Tensor")
def matmul(input: lampas.Tensor, other: lampas.Tensor) -> lampas.Tensor:
    """See :func:`lampas.matmul`."""
    return lampas.matmul(input, other)


@linalg_op("diagonal(Tensor A, *, int offset=0, int dim1=-2, int dim2=-1) -> Tensor", "function")
def diagonal(A: lampas.Tensor, offset: int, dim1: int, dim2: int) -> lampas.Tensor:
    """A view of the diagonals of matrices, the last two dimensions unless others are named."""
    return A.diagonal(offset, dim1, dim2)


@linalg_op("cross(Tensor input, Tensor other, *, int dim=-1) -> Tensor")
def cross(input: lampas.Tensor, other: lampas.Tensor, dim: int) -> lampas.Tensor:
    """The cross product of vectors of 3 along ``dim``.

    >>> lampas.linalg.cross(lampas.tensor([1.0, 0.0, 0.0]), lampas.tensor([0.0, 1.0, 0.0]))
    tensor([0., 0., 1.])
    """
    if input.dim() != other.dim():
        raise RuntimeError(
            f"linalg.cross: inputs must have the same number of dimensions, got {input.dim()} and {other.dim()}"
        )
    at = normal_dim(dim, input.dim())
    if input.size(at) != 3 or other.size(at) != 3:
        raise RuntimeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. Got {input.size(at)} and {other.size(at)}"
        )
    a, b = lampas.broadcast_tensors(input, other)
    first, second = [1, 2, 0], [2, 0, 1]

    def turned(x: lampas.Tensor, order: list[int]) -> lampas.Tensor:
        return x.index_select(at, lampas.tensor(order))

    return turned(a, first) * turned(b, second) - turned(a, second) * turned(b, first)


@linalg_op("vecdot(Tensor x, Tensor y, *, int dim=-1) -> Tensor")
def vecdot(x: lampas.Tensor, y: lampas.Tensor, dim: int) -> lampas.Tensor:
    """``sum conj(x) y`` along ``dim``, with broadcasting."""
    if not (x.is_floating_point() or x.is_complex()):
        raise RuntimeError(f"linalg.vecdot: Expected a floating point or complex tensor as input. Got {x.dtype}")
    return ((x.conj() if x.is_complex() else x) * y).sum(dim)


@linalg_op("multi_dot(Tensor[] tensors) -> Tensor")
def multi_dot(tensors: Sequence[lampas.Tensor]) -> lampas.Tensor:
    """The product of matrices in the order that costs least; the first and the last may be vectors.

    >>> lampas.linalg.multi_dot([lampas.ones(2, 3), lampas.ones(3, 4), lampas.ones(4)])
    tensor([12., 12.])
    """
    if len(tensors) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(tensors)}")
    row, column = tensors[0].dim() == 1, tensors[-1].dim() == 1
    matrices = list(tensors)
    if row:
        matrices[0] = matrices[0].unsqueeze(0)
    if column:
        matrices[-1] = matrices[-1].unsqueeze(-1)
    for i, m in enumerate(matrices):
        if m.dim() != 2:
            end = i in (0, len(matrices) - 1)
            raise RuntimeError(
                f"multi_dot(): tensor {i} must be {'1D or ' if end else ''}2D but got {tensors[i].dim()}D"
            )
    product = chain_matmul(*matrices)
    shape = [*([] if row else [product.size(0)]), *([] if column else [product.size(1)])]
    return product.reshape(shape)


@linalg_op("matrix_power(Tensor A, int n) -> Tensor")
def matrix_power(A: lampas.Tensor, n: int) -> lampas.Tensor:
    """A multiplied n times with itself, by repeated squaring; its inverse |n| times if n is negative."""
    if A.dim() < 2 or A.size(-1) != A.size(-2):
        raise RuntimeError(
            f"linalg.matrix_power: A must be batches of square matrices, but its shape is {list(A.shape)}"
        )
    if n < 0:
        return matrix_power(inv(A), -n)
    return _C.matrix_power(A, n)


def _exp_values(A: lampas.Tensor) -> lampas.Tensor:
    import numpy as np
    import scipy.linalg

    def each(a: Any) -> Any:
        flat = a.reshape(-1, *a.shape[-2:])
        return np.stack([scipy.linalg.expm(m) for m in flat]).reshape(a.shape) if flat.size else a

    return by_numpy(each, A).to(A.dtype)


def _exp_gradient(x: Any, y: Any, g: Any) -> lampas.Tensor:
    """The exponential of ((A^H, g), (0, A^H)) has the gradient in its upper right corner (Najfeld and Havel, 1995)."""
    n = x[0].size(-1)
    Ah = H(x[0])
    above = lampas.cat([Ah, g[0]], -1)
    below = lampas.cat([lampas.zeros_like(Ah), Ah], -1)
    return _exp(lampas.cat([above, below], -2))[..., :n, n:]


_exp = declared("LinalgMatrixExpBackward0", _exp_values, _exp_gradient)


@linalg_op("matrix_exp(Tensor A) -> Tensor", "function")
def matrix_exp(A: lampas.Tensor) -> lampas.Tensor:
    """``I + A + A^2 / 2! + ...`` of a square matrix, or of each of a batch (Higham's scaling and squaring)."""
    if A.dim() < 2 or A.size(-1) != A.size(-2):
        raise RuntimeError(f"linalg.matrix_exp: A must be batches of square matrices, but its shape is {list(A.shape)}")
    if A.dtype in (lampas.float16, lampas.bfloat16):
        return _exp(A.float()).to(A.dtype)
    check_matrix("linalg.matrix_exp", A)
    return _exp(A)


@linalg_op("tensorinv(Tensor A, int ind=2) -> Tensor")
def tensorinv(A: lampas.Tensor, ind: int) -> lampas.Tensor:
    """The inverse of a tensor taken as a matrix from its last dimensions to its first ``ind``."""
    if ind <= 0:
        raise RuntimeError(f"Expected a strictly positive integer for 'ind', got {ind}")
    left, right = A.shape[:ind], A.shape[ind:]
    if math.prod(left) != math.prod(right):
        raise RuntimeError(
            f"Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got "
            f"{math.prod(right)} != {math.prod(left)}"
        )
    return inv(A.reshape(math.prod(left), -1)).reshape(*right, *left)


@linalg_op("tensorsolve(Tensor A, Tensor B, int[]? dims=None) -> Tensor")
def tensorsolve(A: lampas.Tensor, B: lampas.Tensor, dims: Sequence[int] | None) -> lampas.Tensor:
    """X with ``tensordot(A, X, X.dim()) = B``; ``dims`` of A are moved to its end first."""
    if dims is not None:
        A = A.movedim(list(dims), list(range(A.dim() - len(dims), A.dim())))
    shape = A.shape[B.dim() :]
    if math.prod(shape) != B.numel():
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == prod(self.shape[:other.ndim]), "
            f"but got {math.prod(shape)} != {B.numel()}"
        )
    return solve(A.reshape(B.numel(), -1), B.reshape(-1)).reshape(shape)


@linalg_op("vander(Tensor x, *, int? N=None) -> Tensor", "function")
def vander(x: lampas.Tensor, N: int | None) -> lampas.Tensor:
    """The matrix of the powers 0, 1, ..., N - 1 of each number along the last dimension."""
    if x.dim() == 1:
        return _vander(x, N, increasing=True)
    n = x.size(-1) if N is None else N
    if n < 1:
        raise RuntimeError(f"N must be greater than 1, got {n}")
    ones = lampas.ones((*x.shape, 1), dtype=x.dtype)
    return lampas.cat([ones, x.unsqueeze(-1).expand(*x.shape, n - 1).cumprod(-1)], -1)
