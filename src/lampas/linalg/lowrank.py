"""Singular values and principal components of large matrices from random samples of their range."""

from __future__ import annotations

import lampas

from ._common import H
from .factor import qr, svd

__all__ = ["pca_lowrank", "svd_lowrank"]


def _range_of(A: lampas.Tensor, q: int, niter: int) -> lampas.Tensor:
    """q orthonormal columns that nearly span what `A` maps to; each iteration brings them nearer."""
    Q = qr(A @ lampas.randn(A.shape[-1], q, dtype=A.dtype, device=A.device)).Q
    for _ in range(niter):
        Q = qr(A @ qr(H(A) @ Q).Q).Q
    return Q


def svd_lowrank(
    A: lampas.Tensor, q: int | None = 6, niter: int | None = 2, M: lampas.Tensor | None = None
) -> tuple[lampas.Tensor, lampas.Tensor, lampas.Tensor]:
    """``(U, S, V)`` such that ``U diag(S) V^H`` is close to the best approximation of rank `q` of ``A`` (or ``A - M``).

    Algorithms 4.4 and 5.1 of Halko, Martinsson, Tropp, "Finding structure with randomness" (2009). The random numbers
    are those of the default generator.

    Args:
        A: ``(..., m, n)``.
        q: columns that are sampled; somewhat more than the rank wanted.
        niter: power iterations; more are needed where the singular values fall slowly.
        M: is subtracted from `A`, to which it is broadcast.

    >>> lampas.svd_lowrank(lampas.ones(4, 3), q=1)[1]
    tensor([3.4641])
    """
    q, niter = 6 if q is None else q, 2 if niter is None else niter
    if M is not None:
        A = A - M
    wide = A.shape[-2] < A.shape[-1]
    if wide:
        A = H(A)
    Q = _range_of(A, q, niter)
    U, S, Vh = svd(H(Q) @ A, full_matrices=False)
    U, V = Q @ U, H(Vh)
    return (V, S, U) if wide else (U, S, V)


def pca_lowrank(
    A: lampas.Tensor, q: int | None = None, center: bool = True, niter: int = 2
) -> tuple[lampas.Tensor, lampas.Tensor, lampas.Tensor]:
    """Principal components of `m` samples of `n` variables: :func:`svd_lowrank` of `A` less the means of its columns.

    The columns of ``V`` are the principal directions; ``A @ V[:, :k]`` projects onto the first k;
    ``S ** 2 / (m - 1)`` are their variances.

    Args:
        A: ``(..., m, n)``.
        q: how many components, at most ``min(m, n)``; 6 or ``min(m, n)`` by default, whichever is less.
        center: whether the means are subtracted; False if they are 0 already.
        niter: as of :func:`svd_lowrank`.

    Raises:
        ValueError: q or niter out of range.

    >>> lampas.pca_lowrank(lampas.tensor([[0.0, 0.0], [3.0, 4.0]]), q=1)[1]
    tensor([3.5355])
    """
    smaller = min(A.shape[-2:])
    q = min(6, smaller) if q is None else q
    if not 0 <= q <= smaller:
        raise ValueError(f"q(={q}) must be non-negative integer and not greater than min(m, n)={smaller}")
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    return svd_lowrank(A - A.mean(-2, keepdim=True) if center else A, q, niter)
