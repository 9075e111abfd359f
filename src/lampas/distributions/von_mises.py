"""The von Mises distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import lampas
from lampas import Tensor
from lampas.distributions import constraints
from lampas.distributions.distribution import Distribution
from lampas.distributions.utils import broadcast_all, lazy_property

__all__ = ["VonMises"]

Shape = Sequence[int]


class VonMises(Distribution):
    """Angles around ``loc``, density ``exp(concentration cos(x - loc)) / (2 pi I0(concentration))``.

    Samples lie in [-pi, pi) and are found by rejection, in double precision (D. J. Best, N. I. Fisher, "Efficient
    simulation of the von Mises distribution", Applied Statistics 28(2), 1979).

    >>> VonMises(lampas.tensor(0.0), lampas.tensor(1.0)).mean
    tensor(0.)
    """

    arg_constraints = {"loc": constraints.real, "concentration": constraints.positive}
    support = constraints.real
    has_rsample = False

    def __init__(self, loc: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.loc, self.concentration = broadcast_all(loc, concentration)
        super().__init__(self.loc.shape, lampas.Size(), validate_args)

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        k = self.concentration
        log_i0 = lampas.special.i0e(k).log() + k
        return k * lampas.cos(value - self.loc) - math.log(2 * math.pi) - log_i0

    @lazy_property
    def _proposal(self) -> Tensor:
        """The parameter r of the wrapped Cauchy distribution that proposes; its series where k is small."""
        k = self.concentration.detach().double()
        tau = 1 + (1 + 4 * k**2).sqrt()
        rho = (tau - (2 * tau).sqrt()) / (2 * k)
        return lampas.where(k < 1e-5, 1 / k + k, (1 + rho**2) / (2 * rho))

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        with lampas.no_grad():
            loc, k = self.loc.double().expand(shape), self.concentration.double().expand(shape)
            r = self._proposal.expand(shape)
            angle = lampas.empty(shape, dtype=lampas.float64, device=loc.device)
            done = lampas.zeros(shape, dtype=lampas.bool, device=loc.device)
            while not done.all():
                u1, u2, u3 = lampas.rand((3, *shape), dtype=lampas.float64, device=loc.device).unbind()
                z = lampas.cos(math.pi * u1)
                f = (1 + r * z) / (r + z)
                c = k * (r - f)
                accept = ((c * (2 - c) - u2) > 0) | ((c / u2).log() + 1 - c >= 0)
                if accept.any():
                    angle = lampas.where(accept, (u3 - 0.5).sign() * f.acos(), angle)
                    done = done | accept
            return ((angle + math.pi + loc) % (2 * math.pi) - math.pi).to(self.loc.dtype)

    @property
    def mean(self) -> Tensor:
        """The circular mean."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @lazy_property
    def variance(self) -> Tensor:
        """The circular variance, ``1 - I1(concentration) / I0(concentration)``."""
        return 1 - lampas.special.i1e(self.concentration) / lampas.special.i0e(self.concentration)
