"""Student's t distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import lampas
from lampas import Tensor
from lampas.distributions import constraints
from lampas.distributions.chi2 import Chi2
from lampas.distributions.distribution import Distribution
from lampas.distributions.utils import _standard_normal, broadcast_all

__all__ = ["StudentT"]

Shape = Sequence[int]


class StudentT(Distribution):
    """Student's t distribution with ``df`` degrees of freedom, shifted by ``loc`` and stretched by ``scale``.

    >>> StudentT(3.0).variance
    tensor(3.)
    """

    arg_constraints = {"df": constraints.positive, "loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True

    def __init__(self, df: Any, loc: Any = 0.0, scale: Any = 1.0, validate_args: bool | None = None) -> None:
        self.df, self.loc, self.scale = broadcast_all(df, loc, scale)
        self._chi2 = Chi2(self.df)
        super().__init__(self.df.shape, validate_args=validate_args)

    def _expand_into(self, new: Any, batch_shape: lampas.Size) -> None:
        super()._expand_into(new, batch_shape)
        new._chi2 = self._chi2.expand(batch_shape)

    @property
    def mean(self) -> Tensor:
        """NaN up to 1 degree of freedom."""
        return lampas.where(self.df <= 1, math.nan, self.loc)

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        """Infinite up to 2 degrees of freedom, NaN up to 1."""
        finite = self.scale.pow(2) * self.df / (self.df - 2)
        return lampas.where(self.df > 2, finite, lampas.where(self.df > 1, math.inf, math.nan).to(finite.dtype))

    def rsample(self, sample_shape: Shape = ()) -> Tensor:
        normal = _standard_normal(self._extended_shape(sample_shape), self.df.dtype, self.df.device)
        return self.loc + self.scale * normal * lampas.rsqrt(self._chi2.rsample(sample_shape) / self.df)

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        y = (value - self.loc) / self.scale
        return -0.5 * (self.df + 1) * lampas.log1p(y**2 / self.df) - self._log_norm()

    def _log_norm(self) -> Tensor:
        half = 0.5 * self.df
        gammas = lampas.lgamma(half) - lampas.lgamma(half + 0.5)
        return self.scale.log() + 0.5 * self.df.log() + 0.5 * math.log(math.pi) + gammas

    def entropy(self) -> Tensor:
        half = 0.5 * (self.df + 1)
        return half * (lampas.digamma(half) - lampas.digamma(0.5 * self.df)) + self._log_norm()
