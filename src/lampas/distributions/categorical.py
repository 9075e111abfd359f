"""The categorical distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import lampas
from lampas import Tensor
from lampas.distributions import constraints
from lampas.distributions._probs_or_logits import ProbsOrLogits
from lampas.distributions.distribution import Distribution

__all__ = ["Categorical"]

Shape = Sequence[int]


class Categorical(ProbsOrLogits, Distribution):
    """An index 0 to K - 1, with weights ``probs`` or their logarithms ``logits`` along the last axis.

    Weights need not be normalised; the attributes are.

    Raises:
        ValueError: both or none of ``probs`` and ``logits`` are given, or what is given has no axis.

    >>> Categorical(lampas.tensor([1.0, 3.0])).log_prob(lampas.tensor(1))
    tensor(-0.2877)
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    has_enumerate_support = True
    _binary = False

    def __init__(
        self, probs: Tensor | None = None, logits: Tensor | None = None, validate_args: bool | None = None
    ) -> None:
        given = self._normalized(probs, logits)
        self._num_events = given.shape[-1]
        super().__init__(given.shape[:-1], validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:
        return constraints.integer_interval(0, self._num_events - 1)

    @property
    def mean(self) -> Tensor:
        """NaN: indices have no mean."""
        return lampas.full(self._extended_shape(), math.nan, dtype=self.probs.dtype, device=self.probs.device)

    @property
    def mode(self) -> Tensor:
        return self.probs.argmax(dim=-1)

    @property
    def variance(self) -> Tensor:
        """NaN: indices have no variance."""
        return self.mean

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        count = lampas.Size(sample_shape).numel()
        with lampas.no_grad():
            drawn = lampas.multinomial(self.probs.reshape(-1, self._num_events), count, True)
            return drawn.T.reshape(self._extended_shape(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        self._checked(value)
        index = value.long().unsqueeze(-1)
        index, log_probs = lampas.broadcast_tensors(index, self.logits)
        return log_probs.gather(-1, index[..., :1]).squeeze(-1)

    def entropy(self) -> Tensor:
        logits = self.logits.clamp(min=lampas.finfo(self.logits.dtype).min)  # a weight of 0 adds 0, not NaN
        return -(logits * self.probs).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        values = lampas.arange(self._num_events, dtype=lampas.long, device=self._param.device)
        values = values.view((-1,) + (1,) * len(self._batch_shape))
        return values.expand((-1, *self._batch_shape)) if expand else values
