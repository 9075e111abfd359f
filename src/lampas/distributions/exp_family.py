"""Exponential families: entropy and divergence from the derivatives of the log-normaliser."""

from __future__ import annotations

from typing import Any

import lampas
from lampas import Tensor
from lampas.distributions.distribution import Distribution

__all__ = ["ExponentialFamily"]


class ExponentialFamily(Distribution):
    """Distributions with density ``exp(<t(x), theta> - F(theta) + k(x))``.

    A subclass gives the natural parameters theta (``_natural_params``), the log-normaliser F (``_log_normalizer``)
    and the expectation of the carrier measure k (``_mean_carrier_measure``). The entropy follows from the gradient
    of F (F. Nielsen, R. Nock, "Entropies and cross-entropies of exponential families", ICIP 2010).
    """

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        raise self._missing("_natural_params")

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        raise self._missing("_log_normalizer")

    @property
    def _mean_carrier_measure(self) -> Any:
        raise self._missing("_mean_carrier_measure")

    def entropy(self) -> Tensor:
        """The entropy, ``F(theta) - <theta, grad F(theta)> - E[k]``."""
        with lampas.enable_grad():
            natural = [p.detach().requires_grad_() for p in self._natural_params]
            normalizer = self._log_normalizer(*natural)
            slopes = lampas.autograd.grad(normalizer.sum(), natural, create_graph=True)
        result = normalizer - self._mean_carrier_measure
        for theta, slope in zip(natural, slopes, strict=True):
            product = theta * slope
            result = result - product.reshape((*self._batch_shape, -1)).sum(-1)
        return result
