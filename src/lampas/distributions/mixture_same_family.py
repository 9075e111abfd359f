"""Mixtures of distributions of one family."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lampas
from lampas import Tensor
from lampas.distributions import constraints
from lampas.distributions.categorical import Categorical
from lampas.distributions.constraints import MixtureSameFamilyConstraint
from lampas.distributions.distribution import Distribution

__all__ = ["MixtureSameFamily"]

Shape = Sequence[int]


class MixtureSameFamily(Distribution):
    """A draw from one of K distributions, the one a categorical distribution chooses.

    Args:
        mixture_distribution: the weights, a :class:`Categorical`.
        component_distribution: the components along its last batch axis.

    Raises:
        ValueError: other types, or the batches do not fit.

    >>> m = MixtureSameFamily(Categorical(lampas.ones(2)), Normal(lampas.tensor([-1.0, 1.0]), 1.0))
    >>> m.variance
    tensor(2.)
    """

    arg_constraints: Any = {}
    has_rsample = False

    def __init__(
        self, mixture_distribution: Any, component_distribution: Any, validate_args: bool | None = None
    ) -> None:
        if not isinstance(mixture_distribution, Categorical):
            raise ValueError(
                "The Mixture distribution needs to be an instance of torch.distributions.Categorical, got "
                f"{type(mixture_distribution).__name__}"
            )
        if not isinstance(component_distribution, Distribution):
            raise ValueError(
                "The Component distribution needs to be an instance of torch.distributions.Distribution, got "
                f"{type(component_distribution).__name__}"
            )
        mixture, outer = mixture_distribution.batch_shape, component_distribution.batch_shape[:-1]
        if any(a != b and 1 not in (a, b) for a, b in zip(reversed(mixture), reversed(outer), strict=False)):
            raise ValueError(
                f"`mixture_distribution.batch_shape` ({mixture}) is not compatible with "
                f"`component_distribution.batch_shape` ({outer})"
            )
        weights, components = mixture_distribution.logits.shape[-1], component_distribution.batch_shape[-1]
        if weights != components:
            raise ValueError(
                f"`mixture_distribution component` ({weights}) does not equal "
                f"`component_distribution.batch_shape[-1]` ({components})"
            )
        self._mixture_distribution, self._component_distribution = mixture_distribution, component_distribution
        self._num_component = components
        self._event_ndims = len(component_distribution.event_shape)
        super().__init__(outer, component_distribution.event_shape, validate_args=validate_args)

    def _expand_into(self, new: Any, batch_shape: lampas.Size) -> None:
        super()._expand_into(new, batch_shape)
        new._component_distribution = self._component_distribution.expand((*batch_shape, self._num_component))
        new._mixture_distribution = self._mixture_distribution.expand(batch_shape)

    @constraints.dependent_property
    def support(self) -> Any:
        return MixtureSameFamilyConstraint(self._component_distribution.support)

    @property
    def mixture_distribution(self) -> Any:
        """The weights' distribution."""
        return self._mixture_distribution

    @property
    def component_distribution(self) -> Any:
        """The components."""
        return self._component_distribution

    def _weighted(self, values: Tensor) -> Tensor:
        """The mean of the components' values, by weight."""
        probs = self._mixture_distribution.probs
        probs = probs.reshape(probs.shape + (1,) * self._event_ndims)
        return (probs * values).sum(dim=-1 - self._event_ndims)

    @property
    def mean(self) -> Tensor:
        return self._weighted(self._component_distribution.mean)

    @property
    def variance(self) -> Tensor:
        """The components' mean variance and the variance of their means."""
        apart = self._component_distribution.mean - self.mean.unsqueeze(-1 - self._event_ndims)
        return self._weighted(self._component_distribution.variance) + self._weighted(apart.pow(2))

    def cdf(self, x: Tensor) -> Tensor:
        values = self._component_distribution.cdf(x.unsqueeze(-1 - self._event_ndims))
        return (values * self._mixture_distribution.probs).sum(dim=-1)

    def log_prob(self, x: Tensor) -> Tensor:
        self._checked(x)
        log_probs = self._component_distribution.log_prob(x.unsqueeze(-1 - self._event_ndims))
        weights = lampas.log_softmax(self._mixture_distribution.logits, dim=-1)
        return lampas.logsumexp(log_probs + weights, dim=-1)

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        with lampas.no_grad():
            axis = len(sample_shape) + len(self._batch_shape)
            chosen = self._mixture_distribution.expand(self._batch_shape).sample(sample_shape)
            drawn = self._component_distribution.sample(sample_shape)
            chosen = chosen.reshape(chosen.shape + (1,) * (self._event_ndims + 1))
            chosen = chosen.expand(chosen.shape[: axis + 1] + self._event_shape)
            return drawn.gather(axis, chosen).squeeze(axis)

    def __repr__(self) -> str:
        return f"MixtureSameFamily(\n  {self._mixture_distribution},\n  {self._component_distribution})"
