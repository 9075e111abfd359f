"""Inverses, determinants and linear equations."""

from __future__ import annotations

from typing import Any

import lampas
from lampas._declared import array, declared

from ._common import H, LinAlgError, batched, by_numpy, check_matrix, check_square, eye_like, linalg_op
from .factor import _parts, lu_factor_ex, permutation

__all__ = ["det", "inv", "inv_ex", "lstsq", "lu_solve", "pinv", "slogdet", "solve", "solve_ex", "solve_triangular"]


def _singular(name: str, error: Any, *tensors: lampas.Tensor) -> RuntimeError:
    """What to raise after NumPy refused: it does not say which matrix, LU does."""
    info = lu_factor_ex(tensors[0].detach())[2]
    first = int((info.flatten() != 0).to(lampas.int64).argmax()) if info.numel() else 0
    where = f"(Batch element {first}): " if info.dim() else ""
    if name == "linalg.inv":
        return LinAlgError(
            f"linalg.inv: {where}The diagonal element {int(info.flatten()[first])} is zero, the inversion could not be "
            "completed because the input matrix is singular."
        )
    return LinAlgError(f"{name}: {where}The solver failed because the input matrix is singular.")


# --- inverse --------------------------------------------------------------------------------------------------------


def _inv_values(A: lampas.Tensor, name: str) -> lampas.Tensor:
    import numpy as np

    try:
        return by_numpy(np.linalg.inv, A)
    except np.linalg.LinAlgError as error:
        raise _singular(name, error, A) from None


_inv = declared("LinalgInvExBackward0", _inv_values, lambda x, y, g, name: -(H(y[0]) @ g[0] @ H(y[0])))


@linalg_op("inv(Tensor A) -> Tensor")
def inv(A: lampas.Tensor) -> lampas.Tensor:
    """The inverse of a square matrix, or of each of a batch.

    Raises:
        LinAlgError: a matrix is singular.

    >>> lampas.linalg.inv(lampas.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    check_square("linalg.inv", A)
    return _inv(A, name="linalg.inv")


@linalg_op("inv_ex(Tensor A, *, bool check_errors=False) -> (Tensor inverse, Tensor info)")
def inv_ex(A: lampas.Tensor, check_errors: bool) -> tuple[lampas.Tensor, lampas.Tensor]:
    """:func:`inv`, and for each matrix 0 or the place of the zero that stopped it (its inverse is then NaN)."""
    check_square("linalg.inv_ex", A)
    info = lu_factor_ex(A.detach())[2]
    if check_errors and bool((info != 0).any()):
        raise _singular("linalg.inv", None, A)
    bad = (info != 0).unsqueeze(-1).unsqueeze(-1)
    safe = lampas.where(bad, eye_like(A), A)
    return lampas.where(bad, float("nan"), _inv(safe, name="linalg.inv")), info


# --- equations ------------------------------------------------------------------------------------------------------


def _solve_values(A: lampas.Tensor, B: lampas.Tensor) -> lampas.Tensor:
    import numpy as np

    try:
        return by_numpy(np.linalg.solve, A, B)
    except np.linalg.LinAlgError as error:
        raise _singular("torch.linalg.solve", error, A) from None


def _solve_gradient(x: Any, y: Any, g: Any) -> tuple[lampas.Tensor, lampas.Tensor]:
    gB = _solve(H(x[0]), g[0])
    return -(gB @ H(y[0])), gB


_solve = declared("LinalgSolveExBackward0", _solve_values, _solve_gradient)


def _same_dtype(name: str, A: lampas.Tensor, B: lampas.Tensor) -> None:
    if A.dtype != B.dtype:
        raise RuntimeError(
            f"{name}: Expected A and B to have the same dtype, but found A of type {A.dtype} and B of type "
            f"{B.dtype} instead"
        )


def _is_vector(A: lampas.Tensor, B: lampas.Tensor) -> bool:
    return B.dim() == 1 or (B.dim() == A.dim() - 1 and B.shape == A.shape[:-1])


def _expanded(name: str, A: lampas.Tensor, B: lampas.Tensor, left: bool) -> tuple[lampas.Tensor, lampas.Tensor]:
    if A.size(-1) != B.size(-2 if left else -1):
        raise RuntimeError(
            f"{name}: Incompatible shapes of A and B for the equation {'AX = B' if left else 'XA = B'} "
            f"({A.size(-2)}x{A.size(-1)} and {B.size(-2)}x{B.size(-1)})"
        )
    batch = lampas.broadcast_shapes(A.shape[:-2], B.shape[:-2])
    return A.expand(*batch, *A.shape[-2:]), B.expand(*batch, *B.shape[-2:])


@linalg_op("solve(Tensor A, Tensor B, *, bool left=True) -> Tensor")
def solve(A: lampas.Tensor, B: lampas.Tensor, left: bool) -> lampas.Tensor:
    """X with ``A X = B`` (``X A = B`` if not left), of square A; B is a vector, a matrix, or a batch of them.

    Raises:
        LinAlgError: A is singular.

    >>> lampas.linalg.solve(lampas.tensor([[2.0, 0.0], [0.0, 4.0]]), lampas.tensor([2.0, 2.0]))
    tensor([1.0000, 0.5000])
    """
    check_square("linalg.solve", A)
    _same_dtype("linalg.solve", A, B)
    if B.dim() == 0:
        raise RuntimeError("linalg.solve: B must have at least 1 dimension, got 0")
    vector = _is_vector(A, B)
    if vector and not left:
        raise RuntimeError("linalg.solve: Vector broadcasting of the left hand side is not supported for left=False.")
    right = B.unsqueeze(-1) if vector else B
    A, right = _expanded("linalg.solve", A, right, left)
    if not left:
        return _solve(A.transpose(-2, -1), right.transpose(-2, -1)).transpose(-2, -1)
    X = _solve(A, right)
    return X.squeeze(-1) if vector else X


@linalg_op("solve_ex(Tensor A, Tensor B, *, bool left=True, bool check_errors=False) -> (Tensor result, Tensor info)")
def solve_ex(A: lampas.Tensor, B: lampas.Tensor, left: bool, check_errors: bool) -> tuple[lampas.Tensor, lampas.Tensor]:
    """:func:`solve`, and for each matrix 0 or the place of the zero that stopped it (its solution is then NaN)."""
    check_square("linalg.solve", A)
    info = lu_factor_ex(A.detach())[2]
    if check_errors or not bool((info != 0).any()):
        return solve(A, B, left=left), info
    bad = (info != 0).unsqueeze(-1).unsqueeze(-1)
    X = solve(lampas.where(bad, eye_like(A), A), B, left=left)
    where = bad.squeeze(-1) if _is_vector(A, B) else bad
    return lampas.where(where, float("nan"), X), info


def _triangular_values(A: lampas.Tensor, B: lampas.Tensor, upper: bool, unit: bool) -> lampas.Tensor:
    import numpy as np
    import scipy.linalg

    trsm = scipy.linalg.get_blas_funcs("trsm", (array(A), array(B)))  # no test for zeros: they give infinities

    def one(a: Any, b: Any) -> tuple:
        return (trsm(1.0, a, b, lower=not upper, diag=unit) if b.size else np.zeros_like(b),)

    return batched(one, 1, A, B)[0]


def _triangular_gradient(x: Any, y: Any, g: Any, upper: bool, unit: bool) -> tuple[lampas.Tensor, lampas.Tensor]:
    gB = _triangular(H(x[0]), g[0], upper=not upper, unit=unit)
    gA = -(gB @ H(y[0]))
    return (gA.triu(int(unit)) if upper else gA.tril(-int(unit))), gB


_triangular = declared("LinalgSolveTriangularBackward0", _triangular_values, _triangular_gradient)


@linalg_op("solve_triangular(Tensor A, Tensor B, *, bool upper, bool left=True, bool unitriangular=False) -> Tensor")
def solve_triangular(A: lampas.Tensor, B: lampas.Tensor, upper: bool, left: bool, unitriangular: bool) -> lampas.Tensor:
    """X with ``A X = B`` (``X A = B`` if not left), of a triangular A; its other triangle is not read, nor its
    diagonal if ``unitriangular``. A zero on the diagonal gives infinities.
    """
    check_square("linalg.solve_triangular", A)
    check_matrix("linalg.solve_triangular", B, "B")
    _same_dtype("linalg.solve_triangular", A, B)
    A, B = _expanded("linalg.solve_triangular", A, B, left)
    if not left:
        flipped = _triangular(A.transpose(-2, -1), B.transpose(-2, -1), upper=not upper, unit=unitriangular)
        return flipped.transpose(-2, -1)
    return _triangular(A, B, upper=upper, unit=unitriangular)


@linalg_op("lu_solve(Tensor LU, Tensor pivots, Tensor B, *, bool left=True, bool adjoint=False) -> Tensor")
def lu_solve(LU: lampas.Tensor, pivots: lampas.Tensor, B: lampas.Tensor, left: bool, adjoint: bool) -> lampas.Tensor:
    """X with ``A X = B`` (``X A = B`` if not left; A^H for A if ``adjoint``), from :func:`lu_factor` of A."""
    check_square("torch.linalg.lu_solve", LU, "LU")
    if not left:  # X A = B is A^H X^H = B^H
        return H(lu_solve(LU, pivots, H(B), adjoint=not adjoint))
    L, U = _parts(LU)
    order = permutation(pivots, LU.size(-2))
    batch = lampas.broadcast_shapes(LU.shape[:-2], B.shape[:-2])
    B = B.expand(*batch, *B.shape[-2:])
    order = order.expand(*batch, order.size(-1)).unsqueeze(-1).expand(B.shape)
    if adjoint:
        X = solve_triangular(H(U), B, upper=False)
        X = solve_triangular(H(L), X, upper=True, unitriangular=True)
        return X.gather(-2, order.argsort(-2))
    return solve_triangular(U, solve_triangular(L, B.gather(-2, order), upper=False, unitriangular=True), upper=True)


# --- determinants ---------------------------------------------------------------------------------------------------


def _det_values(A: lampas.Tensor) -> lampas.Tensor:
    import numpy as np

    return by_numpy(lambda a: np.asarray(np.linalg.det(a)), A)


def _det_gradient(x: Any, y: Any, g: Any) -> lampas.Tensor:
    A, d = x[0], y[0]
    column = g[0].unsqueeze(-1).unsqueeze(-1)
    if bool((d.detach() != 0).all()):
        return column * d.conj().unsqueeze(-1).unsqueeze(-1) * H(_inv(A, name="linalg.det"))
    # Of singular matrices: the conjugate of the adjugate, from the singular values.
    U, S, Vh = lampas.linalg.svd(A)
    n = S.size(-1)
    others = lampas.where(lampas.eye(n, dtype=lampas.bool), 1.0, S.unsqueeze(-2).expand(*S.shape, n)).prod(-1)
    sign = (_det(U) * _det(Vh)).conj().unsqueeze(-1).unsqueeze(-1)
    return column * sign * ((U * others.unsqueeze(-2)) @ Vh)


_det = declared("LinalgDetBackward0", _det_values, _det_gradient)


@linalg_op("det(Tensor A) -> Tensor")
def det(A: lampas.Tensor) -> lampas.Tensor:
    """The determinant of a square matrix, or of each of a batch.

    >>> lampas.linalg.det(lampas.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor(-2.)
    """
    check_square("linalg.det", A)
    return _det(A)


def _slogdet_values(A: lampas.Tensor) -> tuple[lampas.Tensor, lampas.Tensor]:
    import numpy as np

    return by_numpy(lambda a: tuple(np.asarray(r) for r in np.linalg.slogdet(a)), A)


def _slogdet_gradient(x: Any, y: Any, g: Any) -> lampas.Tensor:
    A, sign, (gsign, glog) = x[0], y[0], g
    factor: Any = 0 if glog is None else glog
    if A.is_complex() and gsign is not None:
        angle = (gsign.conj() * sign).imag
        factor = factor + lampas.complex(lampas.zeros_like(angle), -angle)
    if not isinstance(factor, lampas.Tensor):
        return lampas.zeros_like(A)
    return factor.unsqueeze(-1).unsqueeze(-1) * H(_inv(A, name="linalg.slogdet"))


_slogdet = declared("LinalgSlogdetBackward0", _slogdet_values, _slogdet_gradient)


@linalg_op("slogdet(Tensor A) -> (Tensor sign, Tensor logabsdet)")
def slogdet(A: lampas.Tensor) -> tuple[lampas.Tensor, lampas.Tensor]:
    """The determinant's sign (of modulus 1 if complex) and the logarithm of its modulus; 0 and -inf if singular."""
    check_square("linalg.slogdet", A)
    return _slogdet(A)


# --- least squares --------------------------------------------------------------------------------------------------


def _cut(A: lampas.Tensor, largest: Any, atol: Any, rtol: Any) -> Any:
    """Singular values up to here count as zero."""
    if rtol is None:
        eps = lampas.finfo(A.dtype).eps * max(A.shape[-2:])
        none_given = atol is None or (not isinstance(atol, lampas.Tensor) and atol == 0)
        rtol = eps if none_given else (lampas.where(atol > 0, 0.0, eps) if isinstance(atol, lampas.Tensor) else 0.0)
    atol = 0.0 if atol is None else atol
    atol = atol.unsqueeze(-1) if isinstance(atol, lampas.Tensor) and atol.dim() else atol
    rtol = rtol.unsqueeze(-1) if isinstance(rtol, lampas.Tensor) and rtol.dim() else rtol
    bound = largest * rtol
    return lampas.maximum(bound, lampas.zeros_like(bound) + atol)


def _pinv_values(A: lampas.Tensor, atol: Any, rtol: Any, hermitian: bool) -> lampas.Tensor:
    if 0 in A.shape[-2:]:
        return lampas.zeros((*A.shape[:-2], A.size(-1), A.size(-2)), dtype=A.dtype)
    if hermitian:
        L, U = lampas.linalg.eigh(A)
        size = L.abs()
        keep = size > _cut(A, size.amax(-1, True), atol, rtol)
        inverse = lampas.where(keep, lampas.where(keep, L, 1.0).reciprocal(), 0.0).to(A.dtype)
        return (U * inverse.unsqueeze(-2)) @ H(U)
    U, S, Vh = lampas.linalg.svd(A, full_matrices=False)
    keep = _cut(A, S[..., :1], atol, rtol) < S
    inverse = lampas.where(keep, lampas.where(keep, S, 1.0).reciprocal(), 0.0).to(A.dtype)
    return (H(Vh) * inverse.unsqueeze(-2)) @ H(U)


def _pinv_slope(A: lampas.Tensor, P: lampas.Tensor, g: lampas.Tensor) -> lampas.Tensor:
    """G. H. Golub and V. Pereyra, The differentiation of pseudo-inverses, 1973."""
    Ph, gh = H(P), H(g)
    rest_left = gh - A @ (P @ gh)
    rest_right = gh - (gh @ P) @ A
    return rest_left @ (P @ Ph) + (Ph @ P) @ rest_right - Ph @ g @ Ph


_pinv = declared(
    "LinalgPinvBackward0", _pinv_values, lambda x, y, g, atol, rtol, hermitian: _pinv_slope(x[0], y[0], g[0])
)


@linalg_op(
    "pinv(Tensor A, float|Tensor? rcond=None, bool hermitian=False, *, float|Tensor? atol=None,"
    " float|Tensor? rtol=None) -> Tensor"
)
def pinv(A: lampas.Tensor, rcond: Any, hermitian: bool, atol: Any, rtol: Any) -> lampas.Tensor:
    """The pseudo-inverse (Moore, Penrose): singular values up to ``max(atol, rtol * largest)`` count as zero.

    ``rtol`` is ``max(m, n) * eps`` unless given (0 when ``atol`` is); ``rcond`` is its older name.
    """
    check_matrix("linalg.pinv", A)
    if hermitian:
        check_square("linalg.pinv", A)
    return _pinv(A, atol=atol, rtol=rcond if rtol is None else rtol, hermitian=hermitian)


def _lstsq_values(A: lampas.Tensor, B: lampas.Tensor, rcond: float, driver: str) -> tuple[lampas.Tensor, ...]:
    import numpy as np
    import scipy.linalg

    routine = driver if driver in ("gelsd", "gelss") else "gelsy"

    def one(a: Any, b: Any) -> tuple:
        x, _, rank, values = scipy.linalg.lstsq(a, b, cond=rcond, lapack_driver=routine)
        values = np.zeros(0, dtype=np.abs(a[:0]).dtype) if values is None else values
        return x, np.int64(rank), values

    return batched(one, 3, A, B)


def _lstsq_gradient(x: Any, y: Any, g: Any, rcond: float, driver: str) -> tuple[lampas.Tensor, lampas.Tensor]:
    A, B = x
    if g[0] is None:
        return lampas.zeros_like(A), lampas.zeros_like(B)
    P = pinv(A)
    return _pinv_slope(A, P, g[0] @ H(B)), H(P) @ g[0]


_lstsq = declared("LinalgLstsqBackward0", _lstsq_values, _lstsq_gradient)
_DRIVERS = ("gels", "gelsy", "gelsd", "gelss")


@linalg_op(
    "lstsq(Tensor A, Tensor B, float? rcond=None, *, str? driver=None)"
    " -> (Tensor solution, Tensor residuals, Tensor rank, Tensor singular_values)"
)
def lstsq(A: lampas.Tensor, B: lampas.Tensor, rcond: float | None, driver: str | None) -> tuple[lampas.Tensor, ...]:
    """X that makes ``|A X - B|`` smallest, and of these the smallest.

    Args:
        rcond: singular values up to this part of the largest count as zero; ``max(m, n) * eps``.
        driver: "gelsy" (QR with pivoting, the default), "gels" (A has full rank), "gelsd" or "gelss" (SVD).

    The residuals are there for m > n and full rank, but for "gelsy"; the rank, but for "gels"; singular values for
    "gelsd" and "gelss".
    """
    check_matrix("torch.linalg.lstsq", A, "input")
    _same_dtype("torch.linalg.lstsq", A, B)
    driver = "gelsy" if driver is None else driver
    if driver not in _DRIVERS:
        raise RuntimeError(
            f"torch.linalg.lstsq: parameter `driver` should be one of {', '.join(_DRIVERS)}, but got {driver}"
        )
    vector = B.dim() == A.dim() - 1 and (B.dim() == 1 or B.shape == A.shape[:-1])
    right = B.unsqueeze(-1) if vector else B
    if right.dim() < 2 or right.size(-2) != A.size(-2):
        raise RuntimeError(
            f"torch.linalg.lstsq: input.size(-2) should match other.size(-2), got {list(A.shape)} and {list(B.shape)}"
        )
    batch = lampas.broadcast_shapes(A.shape[:-2], right.shape[:-2])
    A, right = A.expand(*batch, *A.shape[-2:]), right.expand(*batch, *right.shape[-2:])
    m, n = A.shape[-2:]
    if rcond is None:
        rcond = lampas.finfo(A.dtype).eps * max(m, n)
    X, rank, values = _lstsq(A, right, rcond=rcond, driver=driver)
    full = m > n and (driver == "gels" or (driver != "gelsy" and bool((rank == n).all())))
    rest = right - A @ X
    residuals = (rest * rest.conj()).real.sum(-2) if rest.is_complex() else (rest * rest).sum(-2)
    none = values.new_empty(0)
    return (
        X.squeeze(-1) if vector else X,
        residuals if full else none,
        rank if driver != "gels" else rank.new_empty(0),
        values if driver in ("gelsd", "gelss") else none,
    )
