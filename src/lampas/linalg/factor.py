"""Factorisations: Cholesky, QR, eigenvalues, singular values, LU, LDL."""

from __future__ import annotations

from typing import Any

import lampas
from lampas._declared import array, declared

from ._common import H, LinAlgError, batched, by_numpy, check_matrix, check_square, linalg_op

__all__ = [
    "LinAlgError", "cholesky", "cholesky_ex", "eig", "eigh", "eigvals", "eigvalsh", "householder_product",
    "ldl_factor", "ldl_factor_ex", "ldl_solve", "lu", "lu_factor", "lu_factor_ex", "lu_unpack", "qr", "svd", "svdvals",
]  # fmt: skip


def _recorded(A: lampas.Tensor) -> bool:
    return A.requires_grad and lampas.is_grad_enabled()


def _triangular(A: lampas.Tensor, B: lampas.Tensor, **options: Any) -> lampas.Tensor:
    return lampas.linalg.solve_triangular(A, B, **options)


def fail_at(name: str, info: lampas.Tensor, text: str) -> None:
    """LinAlgError for the first matrix whose ``info`` is not 0; ``{}`` in the text is that number."""
    if info.numel() == 0 or not bool((info != 0).any()):
        return
    at = int((info.flatten() != 0).to(lampas.int64).argmax())
    where = f"(Batch element {at}): " if info.dim() else ""
    raise LinAlgError(f"{name}: {where}{text.format(int(info.flatten()[at]))}")


# --- Cholesky -------------------------------------------------------------------------------------------------------


def _cholesky_values(A: lampas.Tensor) -> tuple[lampas.Tensor, lampas.Tensor]:
    import numpy as np
    import scipy.linalg

    try:
        return by_numpy(np.linalg.cholesky, A), lampas.zeros(A.shape[:-2], dtype=lampas.int32)
    except np.linalg.LinAlgError:
        potrf = scipy.linalg.get_lapack_funcs("potrf", (array(A),))

        def one(a: Any) -> tuple:
            factor, info = potrf(a, lower=True, clean=True)
            return np.tril(factor), np.int32(info)

        return batched(one, 2, A)  # type: ignore[return-value]


def _cholesky_gradient(x: Any, y: Any, g: Any) -> lampas.Tensor:
    """I. Murray, Differentiation of the Cholesky decomposition, 2016."""
    L = y[0]
    phi = (H(L) @ g[0]).tril()
    phi = phi - lampas.diag_embed(phi.diagonal(dim1=-2, dim2=-1)) / 2
    inner = _triangular(H(L), phi, upper=True)
    found = _triangular(L, inner, upper=False, left=False)
    return (found + H(found)) / 2


_cholesky = declared("LinalgCholeskyExBackward0", _cholesky_values, _cholesky_gradient)


@linalg_op("cholesky_ex(Tensor A, *, bool upper=False, bool check_errors=False) -> (Tensor L, Tensor info)")
def cholesky_ex(A: lampas.Tensor, upper: bool, check_errors: bool) -> tuple[lampas.Tensor, lampas.Tensor]:
    """:func:`cholesky`, and for each matrix 0 or the order of the leading minor that is not positive."""
    check_square("linalg.cholesky", A)
    L, info = _cholesky(H(A) if upper else A)
    if check_errors:
        fail_at("linalg.cholesky", info, _NOT_POSITIVE)
    return (H(L) if upper else L), info


_NOT_POSITIVE = (
    "The factorization could not be completed because the input is not positive-definite (the leading minor of order "
    "{} is not positive-definite)."
)


@linalg_op("cholesky(Tensor A, *, bool upper=False) -> Tensor")
def cholesky(A: lampas.Tensor, upper: bool) -> lampas.Tensor:
    """The lower triangular L with ``A = L L^H`` of a positive definite matrix; the upper one with ``A = U^H U``.

    Raises:
        LinAlgError: a matrix is not positive definite.

    >>> lampas.linalg.cholesky(lampas.tensor([[4.0, 2.0], [2.0, 5.0]]))
    tensor([[2., 0.],
            [1., 2.]])
    """
    return cholesky_ex(A, upper=upper, check_errors=True)[0]


# --- QR -------------------------------------------------------------------------------------------------------------


def _qr_values(A: lampas.Tensor, mode: Any) -> tuple[lampas.Tensor, lampas.Tensor]:
    import numpy as np

    return by_numpy(lambda a: tuple(np.linalg.qr(a, mode=mode)), A)


def _qr_gradient(x: Any, y: Any, g: Any, mode: str) -> lampas.Tensor:
    """S. F. Walter and L. Lehmann, Algorithmic differentiation of linear algebra functions, 2018."""
    A, (Q, R), (gQ, gR) = x[0], y, g
    m, n = A.shape[-2:]
    if mode == "complete" and m > n:
        raise RuntimeError(
            "The QR decomposition is not differentiable when mode='complete' and nrows > ncols; use mode='reduced'"
        )
    gQ = lampas.zeros_like(Q) if gQ is None else gQ
    gR = lampas.zeros_like(R) if gR is None else gR
    if m < n:
        rest, gV = A[..., m:], gR[..., m:]
        first = _tall_qr_gradient(Q, R[..., :m], gQ + rest @ H(gV), gR[..., :m])
        return lampas.cat([first, Q @ gV], -1)
    return _tall_qr_gradient(Q, R, gQ, gR)


def _tall_qr_gradient(Q: Any, R: Any, gQ: Any, gR: Any) -> lampas.Tensor:
    M = R @ H(gR) - H(gQ) @ Q
    low = M.tril(-1)
    middle = M.diagonal(dim1=-2, dim2=-1)
    middle = (middle.real if M.is_complex() else middle).to(M.dtype)
    symmetric = low + H(low) + lampas.diag_embed(middle)
    return H(_triangular(R, H(gQ + Q @ symmetric), upper=True))


_qr = declared("LinalgQrBackward0", _qr_values, _qr_gradient)


@linalg_op("qr(Tensor A, str mode='reduced') -> (Tensor Q, Tensor R)")
def qr(A: lampas.Tensor, mode: str) -> tuple[lampas.Tensor, lampas.Tensor]:
    """``A = Q R`` with orthonormal columns in Q and an upper triangular R.

    Args:
        mode: "reduced": Q is m x min(m, n); "complete": m x m; "r": only R, Q is empty.
    """
    check_matrix("linalg.qr", A)
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'"
        )
    if mode == "r":
        if _recorded(A):
            raise RuntimeError(
                "The derivative of linalg.qr depends on Q, which is not computed when mode='r'; use mode='reduced'"
            )
        return A.new_empty(0), _qr(A, mode="reduced")[1]
    return _qr(A, mode=mode)


# --- eigenvalues ----------------------------------------------------------------------------------------------------


def _solver_errors(name: str, function: Any, *tensors: lampas.Tensor) -> Any:
    import numpy as np

    try:
        return by_numpy(function, *tensors)
    except np.linalg.LinAlgError as error:
        raise LinAlgError(f"{name}: the algorithm failed to converge: {error}") from None


def _eigh_values(A: lampas.Tensor, lower: bool) -> tuple[lampas.Tensor, lampas.Tensor]:
    import numpy as np

    return _solver_errors("linalg.eigh", lambda a: tuple(np.linalg.eigh(a, "L" if lower else "U")), A)


def _differences(L: lampas.Tensor) -> lampas.Tensor:
    """``L_j - L_i``, with 1 on the diagonal."""
    E = L.unsqueeze(-2) - L.unsqueeze(-1)
    return E + lampas.eye(L.size(-1), dtype=L.dtype)


def _without_diagonal(x: lampas.Tensor) -> lampas.Tensor:
    return x * (1 - lampas.eye(x.size(-1), dtype=x.dtype))


def _eigh_gradient(x: Any, y: Any, g: Any, lower: bool) -> lampas.Tensor:
    (L, V), (gL, gV) = y, g
    inner = 0 if gL is None else lampas.diag_embed(gL).to(V.dtype)
    if gV is not None:
        inner = inner + _without_diagonal(H(V) @ gV) / _differences(L)
    return V @ inner @ H(V)


_eigh = declared("LinalgEighBackward0", _eigh_values, _eigh_gradient)


def _lower(UPLO: str) -> bool:
    if UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    return UPLO.upper() == "L"


@linalg_op("eigh(Tensor A, str UPLO='L') -> (Tensor eigenvalues, Tensor eigenvectors)")
def eigh(A: lampas.Tensor, UPLO: str) -> tuple[lampas.Tensor, lampas.Tensor]:
    """Real eigenvalues in ascending order, and orthonormal eigenvectors as columns, of a Hermitian matrix of which
    only the lower (``UPLO="L"``) or upper triangle is read.
    """
    check_square("linalg.eigh", A)
    return _eigh(A, lower=_lower(UPLO))


@linalg_op("eigvalsh(Tensor A, str UPLO='L') -> Tensor")
def eigvalsh(A: lampas.Tensor, UPLO: str) -> lampas.Tensor:
    """The eigenvalues of :func:`eigh`."""
    import numpy as np

    check_square("linalg.eigvalsh", A)
    lower = _lower(UPLO)
    if _recorded(A):  # the gradient is made of the vectors
        return _eigh(A, lower=lower)[0]
    return _solver_errors("linalg.eigvalsh", lambda a: np.linalg.eigvalsh(a, "L" if lower else "U"), A)


def _complex_of(A: lampas.Tensor) -> lampas.dtype:
    return lampas.complex128 if A.dtype in (lampas.float64, lampas.complex128) else lampas.complex64


def _eig_values(A: lampas.Tensor) -> tuple[lampas.Tensor, lampas.Tensor]:
    import numpy as np

    L, V = _solver_errors("linalg.eig", lambda a: tuple(np.linalg.eig(a)), A)
    return L.to(_complex_of(A)), V.to(_complex_of(A))


def _eig_gradient(x: Any, y: Any, g: Any) -> lampas.Tensor:
    A, (L, V), (gL, gV) = x[0], y, g
    inner: Any = 0 if gL is None else lampas.diag_embed(gL)
    if gV is not None:
        Vh_gV = H(V) @ gV
        slope = Vh_gV - (H(V) @ V) * Vh_gV.diagonal(dim1=-2, dim2=-1).real.unsqueeze(-2)
        inner = inner + _without_diagonal(slope) / _differences(L).conj()
    found = lampas.linalg.solve(H(V), inner @ H(V))
    return found if A.is_complex() else found.real


_eig = declared("LinalgEigBackward0", _eig_values, _eig_gradient)


@linalg_op("eig(Tensor A) -> (Tensor eigenvalues, Tensor eigenvectors)")
def eig(A: lampas.Tensor) -> tuple[lampas.Tensor, lampas.Tensor]:
    """Complex eigenvalues, in no order, and eigenvectors of length 1 as columns, of a square matrix."""
    check_square("linalg.eig", A)
    return _eig(A)


@linalg_op("eigvals(Tensor A) -> Tensor")
def eigvals(A: lampas.Tensor) -> lampas.Tensor:
    """The eigenvalues of :func:`eig`."""
    import numpy as np

    check_square("linalg.eigvals", A)
    if _recorded(A):
        return _eig(A)[0]
    return _solver_errors("linalg.eigvals", np.linalg.eigvals, A).to(_complex_of(A))


# --- singular values ------------------------------------------------------------------------------------------------


def _svd_values(A: lampas.Tensor, full: bool) -> tuple[lampas.Tensor, lampas.Tensor, lampas.Tensor]:
    import numpy as np

    return _solver_errors("linalg.svd", lambda a: tuple(np.linalg.svd(a, full_matrices=full)), A)


def _svd_gradient(x: Any, y: Any, g: Any, full: bool) -> lampas.Tensor:
    """J. Townsend, Differentiating the singular value decomposition, 2016."""
    (U, S, Vh), (gU, gS, gVh) = y, g
    m, n, k = U.size(-2), Vh.size(-1), S.size(-1)
    U, Vh = U[..., :k], Vh[..., :k, :]
    gU = None if gU is None else gU[..., :k]
    gVh = None if gVh is None else gVh[..., :k, :]
    if gU is None and gVh is None:
        return (U * gS.unsqueeze(-2)) @ Vh
    row, column = S.unsqueeze(-2), S.unsqueeze(-1)
    E = _differences(S * S)
    u: Any = 0 if gU is None else H(U) @ gU
    v: Any = 0 if gVh is None else Vh @ H(gVh)
    u, v = (t if isinstance(t, int) else t - H(t) for t in (u, v))
    inner = (u * row + column * v) / E
    inner = _without_diagonal(inner)
    if gS is not None:
        inner = inner + lampas.diag_embed(gS).to(inner.dtype)
    if U.is_complex() and gU is not None and gVh is not None:
        inner = inner + lampas.diag_embed(u.diagonal(dim1=-2, dim2=-1) / (2 * S))
    found = U @ inner @ Vh
    if gU is not None and m > k:
        found = found + ((gU - U @ (H(U) @ gU)) / row) @ Vh
    if gVh is not None and n > k:
        found = found + U @ ((gVh - (gVh @ H(Vh)) @ Vh) / column)
    return found


_svd = declared("LinalgSvdBackward0", _svd_values, _svd_gradient)


@linalg_op("svd(Tensor A, bool full_matrices=True, *, str? driver=None) -> (Tensor U, Tensor S, Tensor Vh)")
def svd(A: lampas.Tensor, full_matrices: bool, driver: str | None) -> tuple[lampas.Tensor, ...]:
    """``A = U diag(S) Vh`` with orthonormal columns in U and rows in Vh, S in descending order.

    Args:
        full_matrices: U is m x m and Vh n x n; otherwise m x k and k x n, k = min(m, n).
        driver: for CUDA alone: must be None.
    """
    check_matrix("linalg.svd", A)
    if driver is not None:
        raise RuntimeError("torch.linalg.svd: keyword argument `driver=` is only supported on CUDA inputs")
    return _svd(A, full=full_matrices)


@linalg_op("svdvals(Tensor A, *, str? driver=None) -> Tensor")
def svdvals(A: lampas.Tensor, driver: str | None) -> lampas.Tensor:
    """The singular values of :func:`svd`, in descending order."""
    import numpy as np

    check_matrix("linalg.svdvals", A)
    if _recorded(A):
        return _svd(A, full=False)[1]
    return _solver_errors("linalg.svdvals", lambda a: np.linalg.svd(a, compute_uv=False), A)


# --- LU -------------------------------------------------------------------------------------------------------------


def _lu_values(A: lampas.Tensor, pivot: bool) -> tuple[lampas.Tensor, ...]:
    import numpy as np
    import scipy.linalg

    getrf = scipy.linalg.get_lapack_funcs("getrf", (array(A),))

    def one(a: Any) -> tuple:
        if not a.size:
            return a, np.zeros(0, dtype=np.int32), np.int32(0)
        factor, pivots, info = getrf(a)
        return factor, (pivots + 1).astype(np.int32), np.int32(info)

    return batched(one, 3, A)


def permutation(pivots: lampas.Tensor, rows: int) -> lampas.Tensor:
    """The row that each row of ``P^T A`` was in A, from LAPACK's row swaps."""
    import numpy as np

    swaps = array(pivots)
    order = np.broadcast_to(np.arange(rows), (*swaps.shape[:-1], rows)).copy()
    for at, swap in zip(order.reshape(-1, rows), swaps.reshape(-1, swaps.shape[-1])):
        for i, j in enumerate(swap):
            at[i], at[j - 1] = at[j - 1], at[i]
    return lampas.from_numpy(order)


def permutation_matrix(pivots: lampas.Tensor, rows: int, dtype: Any) -> lampas.Tensor:
    """P with ``A = P L U``."""
    return lampas.eye(rows, dtype=dtype)[permutation(pivots, rows)].transpose(-2, -1)


def _parts(LU: lampas.Tensor) -> tuple[lampas.Tensor, lampas.Tensor]:
    m, n = LU.shape[-2:]
    k = min(m, n)
    return LU[..., :k].tril(-1) + lampas.eye(m, k, dtype=LU.dtype), LU[..., :k, :].triu()


def _lu_gradient(x: Any, y: Any, g: Any, pivot: bool) -> lampas.Tensor:
    LU, pivots = y[0], y[1]
    m, n = LU.shape[-2:]
    k = min(m, n)
    L, U = _parts(LU)
    gL, gU = g[0][..., :k].tril(-1), g[0][..., :k, :].triu()
    L1, U1 = L[..., :k, :], U[..., :k]
    low = H(L1) @ gL[..., :k, :]
    high = gU[..., :k] @ H(U1)
    if m < n:
        low = low - gU[..., k:] @ H(U[..., k:])
    if m > n:
        high = high - H(L[..., k:, :]) @ gL[..., k:, :]
    inner = low.tril(-1) + high.triu()
    left = _triangular(H(L1), inner, upper=True, unitriangular=True)
    found = H(_triangular(U1, H(left), upper=True))
    if m < n:
        found = lampas.cat([found, _triangular(H(L1), gU[..., k:], upper=True, unitriangular=True)], -1)
    if m > n:
        found = lampas.cat([found, H(_triangular(U1, H(gL[..., k:, :]), upper=True))], -2)
    return permutation_matrix(pivots, m, LU.dtype) @ found


_lu = declared("LinalgLuFactorExBackward0", _lu_values, _lu_gradient)


def _need_pivots(name: str, pivot: bool) -> None:
    if not pivot:
        raise RuntimeError(f"{name}: LU without pivoting is not implemented on the CPU; leave pivot=True")


@linalg_op(
    "lu_factor_ex(Tensor A, *, bool pivot=True, bool check_errors=False) -> (Tensor LU, Tensor pivots, Tensor info)"
)
def lu_factor_ex(A: lampas.Tensor, pivot: bool, check_errors: bool) -> tuple[lampas.Tensor, ...]:
    """:func:`lu_factor`, and for each matrix 0 or the place of the first zero on U's diagonal."""
    check_matrix("linalg.lu_factor", A)
    _need_pivots("linalg.lu_factor", pivot)
    LU, pivots, info = _lu(A, pivot=pivot)
    if check_errors:
        fail_at(
            "torch.linalg.lu_factor_ex",
            info,
            "U[{0},{0}] is zero and using it on lu_solve would result in a division by zero.",
        )
    return LU, pivots, info


@linalg_op("lu_factor(Tensor A, *, bool pivot=True) -> (Tensor LU, Tensor pivots)")
def lu_factor(A: lampas.Tensor, pivot: bool) -> tuple[lampas.Tensor, lampas.Tensor]:
    """The factors of ``A = P L U`` in one matrix (L below the diagonal, whose own is 1), and the rows swapped, from 1.

    What :func:`lu_solve` takes.
    """
    LU, pivots, _ = lu_factor_ex(A, pivot=pivot)
    return LU, pivots


@linalg_op("lu(Tensor A, *, bool pivot=True) -> (Tensor P, Tensor L, Tensor U)")
def lu(A: lampas.Tensor, pivot: bool) -> tuple[lampas.Tensor, ...]:
    """``A = P L U``: a permutation, a lower triangular matrix with ones on its diagonal, an upper triangular one."""
    LU, pivots = lu_factor(A, pivot=pivot)
    return permutation_matrix(pivots, A.size(-2), A.dtype), *_parts(LU)


def lu_unpack(LU: lampas.Tensor, pivots: lampas.Tensor, data: bool, swaps: bool) -> tuple[lampas.Tensor, ...]:
    """P, L and U out of what :func:`lu_factor` gives; empty where not asked for."""
    none = LU.new_empty(0)
    P = permutation_matrix(pivots, LU.size(-2), LU.dtype) if swaps else none
    L, U = _parts(LU) if data else (none, none)
    return P, L, U


# --- LDL, Householder -----------------------------------------------------------------------------------------------


@linalg_op(
    "ldl_factor_ex(Tensor A, *, bool hermitian=False, bool check_errors=False)"
    " -> (Tensor LD, Tensor pivots, Tensor info)"
)
def ldl_factor_ex(A: lampas.Tensor, hermitian: bool, check_errors: bool) -> tuple[lampas.Tensor, ...]:
    """:func:`ldl_factor`, and for each matrix 0 or the place of the first zero on D's diagonal."""
    import numpy as np
    import scipy.linalg

    check_square("torch.linalg.ldl_factor_ex", A)
    routine = scipy.linalg.get_lapack_funcs("hetrf" if hermitian and A.is_complex() else "sytrf", (array(A),))

    def one(a: Any) -> tuple:
        factor, pivots, info = routine(a, lower=True)
        return np.tril(factor), np.asarray(pivots, dtype=np.int32), np.int32(info)

    LD, pivots, info = batched(one, 3, A.detach())
    if check_errors:
        fail_at(
            "torch.linalg.ldl_factor_ex",
            info,
            "D[{0},{0}] is zero and using it on ldl_solve would result in a division by zero.",
        )
    return LD, pivots, info


@linalg_op("ldl_factor(Tensor A, *, bool hermitian=False) -> (Tensor LD, Tensor pivots)")
def ldl_factor(A: lampas.Tensor, hermitian: bool) -> tuple[lampas.Tensor, lampas.Tensor]:
    """The factors of ``A = L D L^T`` (``L D L^H`` if hermitian) of a symmetric matrix, for :func:`ldl_solve`."""
    LD, pivots, _ = ldl_factor_ex(A, hermitian=hermitian, check_errors=True)
    return LD, pivots


@linalg_op("ldl_solve(Tensor LD, Tensor pivots, Tensor B, *, bool hermitian=False) -> Tensor")
def ldl_solve(LD: lampas.Tensor, pivots: lampas.Tensor, B: lampas.Tensor, hermitian: bool) -> lampas.Tensor:
    """X with ``A X = B``, from :func:`ldl_factor` of A."""
    import scipy.linalg

    check_square("torch.linalg.ldl_solve", LD, "LD")
    if B.dim() < 2:
        raise RuntimeError(f"torch.linalg.ldl_solve: Expected B to have at least 2 dimensions, but it has {B.dim()}")
    batch = lampas.broadcast_shapes(LD.shape[:-2], B.shape[:-2])
    LD, B = LD.expand(*batch, *LD.shape[-2:]), B.expand(*batch, *B.shape[-2:])
    pivots = pivots.expand(*batch, pivots.size(-1))
    routine = scipy.linalg.get_lapack_funcs("hetrs" if hermitian and LD.is_complex() else "sytrs", (array(LD),))
    return batched(lambda a, b, p: (routine(a, p, b, lower=True)[0],), 1, LD, B, pivots)[0]


@linalg_op("householder_product(Tensor input, Tensor tau) -> Tensor")
def householder_product(input: lampas.Tensor, tau: lampas.Tensor) -> lampas.Tensor:
    """The first columns of ``H_1 H_2 ... H_k`` with ``H_i = I - tau_i v_i v_i^H``; v_i is column i of ``input`` below
    its diagonal, with a 1 on it, as LAPACK's geqrf leaves it.
    """
    check_matrix("torch.linalg.householder_product", input, "input")
    m, n = input.shape[-2:]
    if m < n or tau.size(-1) > n:
        raise RuntimeError(
            f"torch.linalg.householder_product: input.shape[-2] ({m}) must be greater than or equal to input.shape[-1] "
            f"({n}), and that to tau.shape[-1] ({tau.size(-1)})"
        )
    return reflected(input, tau, lampas.eye(m, n, dtype=input.dtype), False)


def reflected(input: lampas.Tensor, tau: lampas.Tensor, C: lampas.Tensor, adjoint: bool) -> lampas.Tensor:
    """``H_1 ... H_k C``, or ``(H_1 ... H_k)^H C``."""
    m, k = input.size(-2), tau.size(-1)
    v = input[..., :k].tril(-1) + lampas.eye(m, k, dtype=input.dtype)
    for i in range(k) if adjoint else reversed(range(k)):
        column = v[..., i : i + 1]
        scale = tau[..., i].unsqueeze(-1).unsqueeze(-1)
        C = C - (scale.conj() if adjoint else scale) * (column @ (H(column) @ C))
    return C
