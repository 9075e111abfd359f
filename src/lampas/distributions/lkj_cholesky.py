"""Cholesky factors of random correlation matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import lampas
from lampas import Tensor
from lampas.distributions import constraints
from lampas.distributions.beta import Beta
from lampas.distributions.distribution import Distribution
from lampas.distributions.utils import broadcast_all

__all__ = ["LKJCholesky"]

Shape = Sequence[int]


class LKJCholesky(Distribution):
    """Lower Cholesky factors of correlation matrices M with density proportional to ``det(M)^(concentration - 1)``.

    With concentration 1 all correlation matrices are as likely. Samples are made row by row, by the onion method
    (D. Lewandowski, D. Kurowicka, H. Joe, "Generating random correlation matrices based on vines and extended onion
    method", J. Multivariate Analysis 100(9), 2009).

    Raises:
        ValueError: ``dim`` is below 2.

    >>> LKJCholesky(3, 0.5).sample().shape
    torch.Size([3, 3])
    """

    arg_constraints = {"concentration": constraints.positive}
    support = constraints.corr_cholesky

    def __init__(self, dim: int, concentration: Any = 1.0, validate_args: bool | None = None) -> None:
        if dim < 2:
            raise ValueError(f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}.")
        self.dim = dim
        (self.concentration,) = broadcast_all(concentration)
        c = self.concentration
        # The squared length of each row's part before the diagonal; the first row has none, its entry is not used.
        # The paper has steps / 2 + 0.5, which differs from the third row on: PyTorch's numbers for one seed are kept.
        steps = lampas.arange(dim - 1, dtype=c.dtype, device=c.device)
        steps = lampas.cat([steps.new_zeros((1,)), steps])
        self._beta = Beta(steps + 0.5, (c + 0.5 * (dim - 2)).unsqueeze(-1) - 0.5 * steps)
        super().__init__(c.shape, (dim, dim), validate_args)

    def _expand_into(self, new: Any, batch_shape: lampas.Size) -> None:
        super()._expand_into(new, batch_shape)
        new._beta = self._beta.expand((*batch_shape, self.dim))

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        c = self.concentration
        with lampas.no_grad():
            lengths = self._beta.sample(sample_shape).unsqueeze(-1)
            shape = self._extended_shape(sample_shape)
            normal = lampas.randn(shape, dtype=c.dtype, device=c.device).tril(-1)
            directions = normal / normal.norm(dim=-1, keepdim=True)
            directions[..., 0, :].fill_(0.0)
            rows = lengths.sqrt() * directions
            rest = 1 - (rows**2).sum(dim=-1)
            return rows + rest.clamp(min=lampas.finfo(rows.dtype).tiny).sqrt().diag_embed()

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density over the entries below the diagonal."""
        self._checked(value)
        n, c = self.dim, self.concentration
        diagonal = value.diagonal(dim1=-1, dim2=-2)[..., 1:]
        powers = 2 * (c - 1).unsqueeze(-1) + n - lampas.arange(2, n + 1, device=c.device)
        unnormalized = (powers * diagonal.log()).sum(dim=-1)
        alpha = c + 0.5 * (n - 1)
        gammas = lampas.mvlgamma(alpha - 0.5, n - 1) - lampas.lgamma(alpha) * (n - 1)
        return unnormalized - (0.5 * (n - 1) * math.log(math.pi) + gammas)
