"""The Wishart distribution."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import lampas
from lampas import Tensor
from lampas.distributions import constraints
from lampas.distributions.chi2 import Chi2
from lampas.distributions.exp_family import ExponentialFamily
from lampas.distributions.multivariate_normal import _factor, _log_diagonal, _one_matrix
from lampas.distributions.utils import lazy_property

__all__ = ["Wishart"]

Shape = Sequence[int]


class Wishart(ExponentialFamily):
    """Sums of ``df`` outer products of normal vectors with the given covariance: positive definite matrices.

    Samples are made by Bartlett's decomposition (S. Sawyer, "Wishart distributions and inverse-Wishart sampling",
    2007).

    Args:
        df: degrees of freedom, a number or tensor, above the number of rows less 1.
        covariance_matrix, precision_matrix, scale_tril: exactly one, as for :class:`MultivariateNormal`.

    Raises:
        ValueError: a matrix has too few axes, or ``df`` is too small.
        AssertionError: not exactly one matrix is given.

    >>> Wishart(3.0, lampas.eye(2)).mean
    tensor([[3., 0.],
            [0., 3.]])
    """

    support = constraints.positive_definite
    has_rsample = True
    _mean_carrier_measure = 0

    @property
    def arg_constraints(self) -> dict[str, Any]:
        return {
            "covariance_matrix": constraints.positive_definite,
            "precision_matrix": constraints.positive_definite,
            "scale_tril": constraints.lower_cholesky,
            "df": constraints.greater_than(self._event_shape[-1] - 1),
        }

    def __init__(
        self,
        df: Any,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        name, matrix = _one_matrix(covariance_matrix, precision_matrix, scale_tril, AssertionError)
        if matrix.dim() < 2:
            raise ValueError(f"{name} must be at least two-dimensional, with optional leading batch dimensions")
        given = df if isinstance(df, Tensor) else lampas.tensor(df, dtype=matrix.dtype, device=matrix.device)
        batch = lampas.broadcast_shapes(matrix.shape[:-2], given.shape)
        rows = matrix.shape[-1]
        self.df = given.expand(batch)
        self.__dict__[name] = matrix.expand((*batch, *matrix.shape[-2:]))
        if self.df.le(rows - 1).any():
            raise ValueError(f"Value of df={df} expected to be greater than ndim - 1 = {rows - 1}.")
        super().__init__(batch, matrix.shape[-2:], validate_args=validate_args)
        if self.df.lt(rows).any():
            warnings.warn(
                "Low df values detected. Singular samples are highly likely to occur for ndim - 1 < df < ndim.",
                stacklevel=2,
            )
        self._unbroadcasted_scale_tril = _factor(name, matrix)
        self._dist_chi2 = self._diagonals(self.df)

    def _diagonals(self, df: Tensor) -> Chi2:
        """The distributions of the squared diagonal of the factor of a sample."""
        rows = self._event_shape[-1]
        fewer = lampas.arange(rows, dtype=df.dtype, device=df.device).expand((*df.shape, rows))
        return Chi2(df=df.unsqueeze(-1) - fewer)

    def _expand_into(self, new: Any, batch_shape: lampas.Size) -> None:
        super()._expand_into(new, batch_shape)
        new._dist_chi2 = new._diagonals(new.df)

    def _matrix(self, values: Tensor) -> Tensor:
        return values.expand(self._batch_shape + self._event_shape)

    @lazy_property
    def scale_tril(self) -> Tensor:
        """The covariance's lower Cholesky factor."""
        return self._matrix(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """The covariance of the normal vectors."""
        return self._matrix(self._unbroadcasted_scale_tril @ self._unbroadcasted_scale_tril.mT)

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """The covariance's inverse."""
        return self._matrix(lampas.cholesky_inverse(self._unbroadcasted_scale_tril))

    @property
    def mean(self) -> Tensor:
        return self.df.view((*self._batch_shape, 1, 1)) * self.covariance_matrix

    @property
    def mode(self) -> Tensor:
        """NaN up to as many degrees of freedom as there are rows, and one more."""
        factor = self.df - self.covariance_matrix.shape[-1] - 1
        factor = lampas.where(factor <= 0, math.nan, factor)
        return factor.view((*self._batch_shape, 1, 1)) * self.covariance_matrix

    @property
    def variance(self) -> Tensor:
        v = self.covariance_matrix
        diagonal = v.diagonal(dim1=-2, dim2=-1)
        squares = v.pow(2) + diagonal.unsqueeze(-1) * diagonal.unsqueeze(-2)
        return self.df.view((*self._batch_shape, 1, 1)) * squares

    def _bartlett_sampling(self, sample_shape: Shape = ()) -> Tensor:
        rows = self._event_shape[-1]
        tiny = lampas.finfo(self.df.dtype).eps
        noise = self._dist_chi2.rsample(sample_shape).sqrt().clamp(min=tiny).diag_embed(dim1=-2, dim2=-1)
        i, j = lampas.tril_indices(rows, rows, offset=-1)
        shape = lampas.Size(sample_shape) + self._batch_shape + (rows * (rows - 1) // 2,)
        noise[..., i, j] = lampas.randn(shape, dtype=noise.dtype, device=noise.device)
        factor = self._unbroadcasted_scale_tril @ noise
        return factor @ factor.mT

    def rsample(self, sample_shape: Shape = (), max_try_correction: int | None = None) -> Tensor:
        """Samples; singular ones are drawn anew, ``max_try_correction`` times at most (by default 10)."""
        shape = lampas.Size(sample_shape)
        with lampas.no_grad():
            self._bartlett_sampling(shape)  # PyTorch puts its first draw aside; one seed gives its numbers
        sample = self._bartlett_sampling(shape)
        for _ in range(10 if max_try_correction is None else max_try_correction):
            singular = self.support.check(sample.detach()).logical_not()
            if not singular.any():
                break
            warnings.warn("Singular sample detected.", stacklevel=2)
            sample = lampas.where(singular[..., None, None], self._bartlett_sampling(shape), sample)
        return sample

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        nu, p, factor = self.df, self._event_shape[-1], self._unbroadcasted_scale_tril
        solved = lampas.cholesky_solve(value, factor)
        return (
            -nu * (p * math.log(2) / 2 + _log_diagonal(factor))
            - lampas.mvlgamma(nu / 2, p=p)
            + (nu - p - 1) / 2 * lampas.linalg.slogdet(value).logabsdet
            - solved.diagonal(dim1=-2, dim2=-1).sum(dim=-1) / 2
        )

    def entropy(self) -> Tensor:
        nu, p = self.df, self._event_shape[-1]
        return (
            (p + 1) * (p * math.log(2) / 2 + _log_diagonal(self._unbroadcasted_scale_tril))
            + lampas.mvlgamma(nu / 2, p=p)
            - (nu - p - 1) / 2 * _mvdigamma(nu / 2, p)
            + nu * p / 2
        )

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return -self.precision_matrix / 2, (self.df - self._event_shape[-1] - 1) / 2

    def _log_normalizer(self, x: Tensor, y: Tensor) -> Tensor:
        p = self._event_shape[-1]
        half = y + (p + 1) / 2
        return half * (-lampas.linalg.slogdet(-2 * x).logabsdet + p * math.log(2)) + lampas.mvlgamma(half, p=p)


def _mvdigamma(x: Tensor, p: int) -> Tensor:
    """The derivative of the multivariate log-gamma function of p dimensions."""
    halves = lampas.arange(p, dtype=x.dtype, device=x.device) / 2
    return lampas.digamma(x.unsqueeze(-1) - halves.expand((*x.shape, p))).sum(-1)
