"""The multivariate normal distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import lampas
from lampas import Tensor
from lampas.distributions import constraints
from lampas.distributions.distribution import Distribution
from lampas.distributions.utils import _standard_normal, lazy_property

__all__ = ["MultivariateNormal"]

Shape = Sequence[int]


def _batch_mv(matrices: Tensor, vectors: Tensor) -> Tensor:
    """Matrices times vectors, batches of both."""
    return lampas.matmul(matrices, vectors.unsqueeze(-1)).squeeze(-1)


def _batch_mahalanobis(factor: Tensor, x: Tensor) -> Tensor:
    """``x^T (L L^T)^-1 x`` of lower triangular L.

    The axes of x by which its batch is larger than L's become columns, so that each L is solved with once.
    """
    n = factor.shape[-1]
    batch = lampas.broadcast_shapes(factor.shape[:-2], x.shape[:-1])
    x = x.expand((*batch, n))
    factor_batch = (1,) * (len(batch) - factor.dim() + 2) + tuple(factor.shape[:-2])
    shared = [i for i, size in enumerate(factor_batch) if size == 1]
    own = [i for i, size in enumerate(factor_batch) if size != 1]
    order = own + shared
    columns = math.prod(batch[i] for i in shared)
    x = x.permute(*order, len(batch)).reshape(-1, columns, n).mT
    solved = lampas.linalg.solve_triangular(factor.reshape(-1, n, n), x, upper=False)
    squares = solved.pow(2).sum(-2).reshape([batch[i] for i in order])
    return squares.permute([order.index(i) for i in range(len(batch))])


def _precision_to_scale_tril(precision: Tensor) -> Tensor:
    """The lower Cholesky factor of a matrix's inverse, from the factor of the matrix turned by 180 degrees."""
    turned = lampas.linalg.cholesky(lampas.flip(precision, (-2, -1)))
    upper = lampas.flip(turned, (-2, -1)).mT
    identity = lampas.eye(precision.shape[-1], dtype=precision.dtype, device=precision.device)
    return lampas.linalg.solve_triangular(upper, identity, upper=False)


def _log_diagonal(factor: Tensor) -> Tensor:
    """Half the logarithm of ``det L L^T``."""
    return factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)


class MultivariateNormal(Distribution):
    """The normal distribution of vectors with mean ``loc`` and one of three matrices.

    Args:
        loc: (..., n).
        covariance_matrix: (..., n, n), positive definite.
        precision_matrix: its inverse.
        scale_tril: its lower Cholesky factor, the quickest of the three.

    Raises:
        ValueError: not exactly one matrix is given, or one has too few axes.

    >>> MultivariateNormal(lampas.zeros(2), lampas.eye(2)).log_prob(lampas.zeros(2))
    tensor(-1.8379)
    """

    arg_constraints = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self,
        loc: Tensor,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        name, matrix = _one_matrix(covariance_matrix, precision_matrix, scale_tril, ValueError)
        if matrix.dim() < 2:
            noun = "scale_tril matrix" if name == "scale_tril" else name
            raise ValueError(f"{noun} must be at least two-dimensional, with optional leading batch dimensions")
        batch = lampas.broadcast_shapes(matrix.shape[:-2], loc.shape[:-1])
        self.loc = loc.expand((*batch, loc.shape[-1]))
        self.__dict__[name] = matrix.expand((*batch, *matrix.shape[-2:]))
        super().__init__(batch, self.loc.shape[-1:], validate_args=validate_args)
        self._unbroadcasted_scale_tril = _factor(name, matrix)

    @lazy_property
    def scale_tril(self) -> Tensor:
        """The covariance's lower Cholesky factor."""
        return self._unbroadcasted_scale_tril.expand(self._batch_shape + self._event_shape * 2)

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """The covariance."""
        factor = self._unbroadcasted_scale_tril
        return (factor @ factor.mT).expand(self._batch_shape + self._event_shape * 2)

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """The covariance's inverse."""
        return lampas.cholesky_inverse(self._unbroadcasted_scale_tril).expand(self._batch_shape + self._event_shape * 2)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        squares = self._unbroadcasted_scale_tril.pow(2).sum(-1)
        return squares.expand(self._batch_shape + self._event_shape)

    def rsample(self, sample_shape: Shape = ()) -> Tensor:
        noise = _standard_normal(self._extended_shape(sample_shape), self.loc.dtype, self.loc.device)
        return self.loc + _batch_mv(self._unbroadcasted_scale_tril, noise)

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        factor = self._unbroadcasted_scale_tril
        distance = _batch_mahalanobis(factor, value - self.loc)
        return -0.5 * (self._event_shape[0] * math.log(2 * math.pi) + distance) - _log_diagonal(factor)

    def entropy(self) -> Tensor:
        entropy = 0.5 * self._event_shape[0] * (1 + math.log(2 * math.pi))
        return (entropy + _log_diagonal(self._unbroadcasted_scale_tril)).expand(self._batch_shape)


def _one_matrix(covariance: Any, precision: Any, factor: Any, error: type[Exception]) -> tuple[str, Tensor]:
    """The name and value of the one matrix that was given."""
    given = {"covariance_matrix": covariance, "precision_matrix": precision, "scale_tril": factor}
    found = [(name, value) for name, value in given.items() if value is not None]
    if len(found) != 1:
        raise error(
            "Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified, got "
            + (" and ".join(name for name, _ in found) or "none")
        )
    return found[0]


def _factor(name: str, matrix: Tensor) -> Tensor:
    """The covariance's lower Cholesky factor, from any of the three matrices."""
    if name == "scale_tril":
        return matrix
    return lampas.linalg.cholesky(matrix) if name == "covariance_matrix" else _precision_to_scale_tril(matrix)
