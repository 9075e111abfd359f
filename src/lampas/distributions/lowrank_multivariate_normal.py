"""Multivariate normal distributions with a covariance of low rank and a diagonal."""

from __future__ import annotations

import math
from collections.abc import Sequence

import lampas
from lampas import Tensor
from lampas.distributions import constraints
from lampas.distributions.distribution import Distribution
from lampas.distributions.multivariate_normal import _batch_mahalanobis, _batch_mv, _log_diagonal
from lampas.distributions.utils import _standard_normal, lazy_property

__all__ = ["LowRankMultivariateNormal"]

Shape = Sequence[int]


def _batch_capacitance_tril(factor: Tensor, diagonal: Tensor) -> Tensor:
    """The Cholesky factor of ``I + W^T D^-1 W``."""
    inner = (factor.mT / diagonal.unsqueeze(-2)) @ factor
    return lampas.linalg.cholesky(inner + lampas.eye(factor.shape[-1], dtype=inner.dtype, device=inner.device))


def _batch_lowrank_logdet(diagonal: Tensor, capacitance: Tensor) -> Tensor:
    """``log det (W W^T + D)``, by the matrix determinant lemma."""
    return 2 * _log_diagonal(capacitance) + diagonal.log().sum(-1)


def _batch_lowrank_mahalanobis(factor: Tensor, diagonal: Tensor, x: Tensor, capacitance: Tensor) -> Tensor:
    """``x^T (W W^T + D)^-1 x``, by Woodbury's identity."""
    projected = _batch_mv(factor.mT / diagonal.unsqueeze(-2), x)
    return (x.pow(2) / diagonal).sum(-1) - _batch_mahalanobis(capacitance, projected)


class LowRankMultivariateNormal(Distribution):
    """The normal distribution of vectors with covariance ``W W^T + D``.

    Args:
        loc: the mean, (..., n).
        cov_factor: W, (..., n, m); costs grow with m, not with n.
        cov_diag: the diagonal of D, (..., n), positive.

    Raises:
        ValueError: shapes do not fit.

    >>> d = LowRankMultivariateNormal(lampas.zeros(2), lampas.ones(2, 1), lampas.ones(2))
    >>> d.variance
    tensor([2., 2.])
    """

    arg_constraints = {
        "loc": constraints.real_vector,
        "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, loc: Tensor, cov_factor: Tensor, cov_diag: Tensor, validate_args: bool | None = None) -> None:
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        n = loc.shape[-1]
        if cov_factor.dim() < 2:
            raise ValueError("cov_factor must be at least two-dimensional, with optional leading batch dimensions")
        if cov_factor.shape[-2] != n:
            raise ValueError(f"cov_factor must be a batch of matrices with shape {n} x m, got {cov_factor.shape}")
        if cov_diag.shape[-1:] != loc.shape[-1:]:
            raise ValueError(f"cov_diag must be a batch of vectors with shape {loc.shape[-1:]}, got {cov_diag.shape}")
        try:
            batch = lampas.broadcast_shapes(loc.shape[:-1], cov_factor.shape[:-2], cov_diag.shape[:-1])
        except RuntimeError as error:
            raise ValueError(
                f"Incompatible batch shapes: loc {loc.shape}, cov_factor {cov_factor.shape}, cov_diag {cov_diag.shape}"
            ) from error
        self.loc = loc.expand((*batch, n))
        self.cov_factor = cov_factor.expand((*batch, *cov_factor.shape[-2:]))
        self.cov_diag = cov_diag.expand((*batch, n))
        self._unbroadcasted_cov_factor, self._unbroadcasted_cov_diag = cov_factor, cov_diag
        try:
            self._capacitance_tril = _batch_capacitance_tril(cov_factor, cov_diag)
        except RuntimeError as error:
            raise ValueError("cov_diag is not positive, so the covariance is not positive definite") from error
        super().__init__(batch, (n,), validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @lazy_property
    def variance(self) -> Tensor:
        found = self._unbroadcasted_cov_factor.pow(2).sum(-1) + self._unbroadcasted_cov_diag
        return found.expand(self._batch_shape + self._event_shape)

    def _matrix(self, values: Tensor) -> Tensor:
        return values.expand(self._batch_shape + self._event_shape * 2)

    @lazy_property
    def scale_tril(self) -> Tensor:
        """The covariance's lower Cholesky factor: ``D^(1/2)`` times that of ``I + V V^T``, ``V = D^(-1/2) W``."""
        root = self._unbroadcasted_cov_diag.sqrt().unsqueeze(-1)
        scaled = self._unbroadcasted_cov_factor / root
        inner = scaled @ scaled.mT + lampas.eye(self._event_shape[0], dtype=root.dtype, device=root.device)
        return self._matrix(root * lampas.linalg.cholesky(inner))

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """The covariance."""
        factor = self._unbroadcasted_cov_factor
        return self._matrix(factor @ factor.mT + lampas.diag_embed(self._unbroadcasted_cov_diag))

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """The covariance's inverse, by Woodbury's identity."""
        diagonal = self._unbroadcasted_cov_diag
        scaled = self._unbroadcasted_cov_factor.mT / diagonal.unsqueeze(-2)
        solved = lampas.linalg.solve_triangular(self._capacitance_tril, scaled, upper=False)
        return self._matrix(lampas.diag_embed(diagonal.reciprocal()) - solved.mT @ solved)

    def rsample(self, sample_shape: Shape = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        options = self.loc.dtype, self.loc.device
        along = _standard_normal((*shape[:-1], self.cov_factor.shape[-1]), *options)
        own = _standard_normal(shape, *options)
        return self.loc + _batch_mv(self._unbroadcasted_cov_factor, along) + self._unbroadcasted_cov_diag.sqrt() * own

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        factor, diagonal, capacitance = (
            self._unbroadcasted_cov_factor,
            self._unbroadcasted_cov_diag,
            self._capacitance_tril,
        )
        distance = _batch_lowrank_mahalanobis(factor, diagonal, value - self.loc, capacitance)
        volume = _batch_lowrank_logdet(diagonal, capacitance)
        return -0.5 * (self._event_shape[0] * math.log(2 * math.pi) + volume + distance)

    def entropy(self) -> Tensor:
        volume = _batch_lowrank_logdet(self._unbroadcasted_cov_diag, self._capacitance_tril)
        entropy = 0.5 * (self._event_shape[0] * (1 + math.log(2 * math.pi)) + volume)
        return entropy.expand(self._batch_shape)
