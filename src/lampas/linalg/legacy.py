"""The functions of linear algebra that stand in the top namespace and among the methods of Tensor."""

from __future__ import annotations

from typing import Any

import lampas
from lampas import linalg
from lampas._deprecated import warn_once
from lampas._ops import op

from ._common import H
from .factor import lu_unpack as _unpack
from .factor import reflected

_BOTH = "function method out"


@op("inverse(Tensor input) -> Tensor", _BOTH)
def inverse(input: lampas.Tensor) -> lampas.Tensor:
    """See :func:`lampas.linalg.inv`."""
    return linalg.inv(input)


@op("det(Tensor input) -> Tensor")
def det(input: lampas.Tensor) -> lampas.Tensor:
    """See :func:`lampas.linalg.det`."""
    return linalg.det(input)


@op("slogdet(Tensor input) -> (Tensor sign, Tensor logabsdet)", _BOTH)
def slogdet(input: lampas.Tensor) -> Any:
    """See :func:`lampas.linalg.slogdet`."""
    return linalg.slogdet(input)


@op("logdet(Tensor input) -> Tensor")
def logdet(input: lampas.Tensor) -> lampas.Tensor:
    """The logarithm of the determinant: NaN where that is negative, -inf where it is 0."""
    sign, size = linalg.slogdet(input)
    if input.is_complex():
        return sign.log() + size
    return lampas.where(sign == -1, float("nan"), size)


@op("matrix_exp(Tensor input) -> Tensor")
def matrix_exp(input: lampas.Tensor) -> lampas.Tensor:
    """See :func:`lampas.linalg.matrix_exp`."""
    return linalg.matrix_exp(input)


@op("matrix_power(Tensor input, int n) -> Tensor", _BOTH)
def matrix_power(input: lampas.Tensor, n: int) -> lampas.Tensor:
    """See :func:`lampas.linalg.matrix_power`."""
    return linalg.matrix_power(input, n)


@op("pinverse(Tensor input, float rcond=1e-15) -> Tensor")
def pinverse(input: lampas.Tensor, rcond: float) -> lampas.Tensor:
    """See :func:`lampas.linalg.pinv`."""
    return linalg.pinv(input, rcond)


@op("cross(Tensor input, Tensor other, int? dim=None) -> Tensor", _BOTH)
def cross(input: lampas.Tensor, other: lampas.Tensor, dim: int | None) -> lampas.Tensor:
    """The cross product along ``dim``, or along the first dimension of size 3; see :func:`lampas.linalg.cross`."""
    if dim is None:
        warn_once("torch.cross without dim is deprecated; give dim, or use torch.linalg.cross, whose default is -1.")
        dim = next((d for d, n in enumerate(input.shape) if n == 3), None)
        if dim is None:
            raise RuntimeError(f"no dimension of size 3 in input of shape {list(input.shape)}")
    return linalg.cross(input, other, dim=dim)


@op("cholesky(Tensor input, bool upper=False) -> Tensor", _BOTH)
def cholesky(input: lampas.Tensor, upper: bool) -> lampas.Tensor:
    """See :func:`lampas.linalg.cholesky`."""
    warn_once("torch.cholesky is deprecated; use torch.linalg.cholesky.")
    return linalg.cholesky(input, upper=upper)


@op("cholesky_solve(Tensor input, Tensor input2, bool upper=False) -> Tensor", _BOTH)
def cholesky_solve(input: lampas.Tensor, input2: lampas.Tensor, upper: bool) -> lampas.Tensor:
    """X with ``A X = input``, from the Cholesky factor ``input2`` of A."""
    L = H(input2) if upper else input2
    return linalg.solve_triangular(H(L), linalg.solve_triangular(L, input, upper=False), upper=True)


@op("cholesky_inverse(Tensor input, bool upper=False) -> Tensor", _BOTH)
def cholesky_inverse(input: lampas.Tensor, upper: bool) -> lampas.Tensor:
    """The inverse of A, from its Cholesky factor."""
    return cholesky_solve(lampas.eye(input.size(-1), dtype=input.dtype).expand(input.shape), input, upper)


@op("qr(Tensor input, bool some=True) -> (Tensor Q, Tensor R)", _BOTH)
def qr(input: lampas.Tensor, some: bool) -> Any:
    """See :func:`lampas.linalg.qr`, with mode "reduced" if ``some``, else "complete"."""
    warn_once("torch.qr is deprecated; use torch.linalg.qr.")
    return linalg.qr(input, "reduced" if some else "complete")


@op("svd(Tensor input, bool some=True, bool compute_uv=True) -> (Tensor U, Tensor S, Tensor V)", _BOTH)
def svd(input: lampas.Tensor, some: bool, compute_uv: bool) -> Any:
    """``input = U diag(S) V^H``; see :func:`lampas.linalg.svd`. Zeros for U and V unless ``compute_uv``."""
    if not compute_uv:
        m, n = input.shape[-2:]
        zeros = [lampas.zeros((*input.shape[:-2], size, size), dtype=input.dtype) for size in (m, n)]
        return zeros[0], linalg.svdvals(input), zeros[1]
    U, S, Vh = linalg.svd(input, full_matrices=not some)
    return U, S, H(Vh)


@op("geqrf(Tensor input) -> (Tensor a, Tensor tau)", _BOTH)
def geqrf(input: lampas.Tensor) -> Any:
    """QR as LAPACK leaves it: R in the upper triangle, Householder vectors below; and their factors tau."""
    import numpy as np

    from ._common import by_numpy

    h, tau = by_numpy(lambda a: tuple(np.linalg.qr(a, mode="raw")), input)
    return h.transpose(-2, -1).contiguous(), tau


@op("orgqr(Tensor input, Tensor input2) -> Tensor", _BOTH)
def orgqr(input: lampas.Tensor, input2: lampas.Tensor) -> lampas.Tensor:
    """See :func:`lampas.linalg.householder_product`."""
    return linalg.householder_product(input, input2)


@op("ormqr(Tensor input, Tensor input2, Tensor input3, bool left=True, bool transpose=False) -> Tensor", _BOTH)
def ormqr(
    input: lampas.Tensor, input2: lampas.Tensor, input3: lampas.Tensor, left: bool, transpose: bool
) -> lampas.Tensor:
    """``Q C`` (``C Q`` if not left; Q^H for Q if ``transpose``), Q given as Householder vectors and their factors."""
    if left:
        return reflected(input, input2, input3, transpose)
    return H(reflected(input, input2, H(input3), not transpose))


@op("lu_unpack(Tensor LU_data, Tensor LU_pivots, bool unpack_data=True, bool unpack_pivots=True)"
    " -> (Tensor P, Tensor L, Tensor U)", "function out")  # fmt: skip
def lu_unpack(LU_data: lampas.Tensor, LU_pivots: lampas.Tensor, unpack_data: bool, unpack_pivots: bool) -> Any:
    """P, L and U out of what :func:`lampas.linalg.lu_factor` gives."""
    if LU_pivots.dtype != lampas.int32:
        raise RuntimeError(
            "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 dtype, "
            f"got {LU_pivots.dtype}"
        )
    return _unpack(LU_data, LU_pivots, unpack_data, unpack_pivots)


@op("lu_solve(Tensor input, Tensor LU_data, Tensor LU_pivots) -> Tensor", _BOTH)
def lu_solve(input: lampas.Tensor, LU_data: lampas.Tensor, LU_pivots: lampas.Tensor) -> lampas.Tensor:
    """See :func:`lampas.linalg.lu_solve`."""
    return linalg.lu_solve(LU_data, LU_pivots, input)


@op("lu(Tensor input, bool pivot=True, bool get_infos=False) -> any")
def lu(input: lampas.Tensor, pivot: bool, get_infos: bool) -> Any:
    """The factors in one matrix and the rows swapped, as :func:`lampas.linalg.lu_factor` gives them."""
    warn_once("torch.lu is deprecated; use torch.linalg.lu_factor.")
    LU, pivots, info = linalg.lu_factor_ex(input, pivot=pivot)
    return (LU, pivots, info) if get_infos else (LU, pivots)


@op("triangular_solve(Tensor input, Tensor A, bool upper=True, bool transpose=False, bool unitriangular=False)"
    " -> (Tensor solution, Tensor cloned_coefficient)", _BOTH)  # fmt: skip
def triangular_solve(input: lampas.Tensor, A: lampas.Tensor, upper: bool, transpose: bool, unitriangular: bool) -> Any:
    """X with ``A X = input`` of a triangular A, and A; see :func:`lampas.linalg.solve_triangular`."""
    warn_once("torch.triangular_solve is deprecated; use torch.linalg.solve_triangular.")
    matrix = A.transpose(-2, -1) if transpose else A
    return (
        linalg.solve_triangular(matrix, input, upper=upper != transpose, unitriangular=unitriangular),
        A.clone(),
    )
