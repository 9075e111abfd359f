"""The Dirichlet distribution."""

from __future__ import annotations

from collections.abc import Sequence

import lampas
from lampas import Tensor
from lampas.distributions import constraints
from lampas.distributions.exp_family import ExponentialFamily

__all__ = ["Dirichlet"]

Shape = Sequence[int]


class Dirichlet(ExponentialFamily):
    """The Dirichlet distribution on the simplex, density proportional to ``prod x_i^(concentration_i - 1)``.

    Raises:
        ValueError: ``concentration`` has no axis.

    >>> Dirichlet(lampas.tensor([1.0, 3.0])).mean
    tensor([0.2500, 0.7500])
    """

    arg_constraints = {"concentration": constraints.independent(constraints.positive, 1)}
    support = constraints.simplex
    has_rsample = True

    def __init__(self, concentration: Tensor, validate_args: bool | None = None) -> None:
        if concentration.dim() < 1:
            raise ValueError("`concentration` parameter must be at least one-dimensional.")
        self.concentration = concentration
        super().__init__(concentration.shape[:-1], concentration.shape[-1:], validate_args=validate_args)

    def rsample(self, sample_shape: Shape = ()) -> Tensor:
        return lampas._sample_dirichlet(self.concentration.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        a = self.concentration
        return lampas.xlogy(a - 1, value).sum(-1) + lampas.lgamma(a.sum(-1)) - lampas.lgamma(a).sum(-1)

    @property
    def mean(self) -> Tensor:
        return self.concentration / self.concentration.sum(-1, True)

    @property
    def mode(self) -> Tensor:
        """Where the density is largest; the first corner where it is infinite in all of them."""
        above = (self.concentration - 1).clamp(min=0)
        mode = above / above.sum(-1, True)
        corner = lampas.zeros_like(mode)
        corner[..., 0] = 1
        return lampas.where((self.concentration < 1).all(-1, True), corner, mode)

    @property
    def variance(self) -> Tensor:
        total = self.concentration.sum(-1, True)
        return self.concentration * (total - self.concentration) / (total.pow(2) * (total + 1))

    def entropy(self) -> Tensor:
        a, k = self.concentration, self.concentration.size(-1)
        total = a.sum(-1)
        log_beta = lampas.lgamma(a).sum(-1) - lampas.lgamma(total)
        return log_beta - (k - total) * lampas.digamma(total) - ((a - 1) * lampas.digamma(a)).sum(-1)

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (self.concentration,)

    def _log_normalizer(self, x: Tensor) -> Tensor:
        return x.lgamma().sum(-1) - lampas.lgamma(x.sum(-1))
