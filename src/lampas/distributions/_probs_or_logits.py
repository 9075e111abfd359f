"""Parameters given either as probabilities or as logits; the other is computed when asked for."""

from __future__ import annotations

from typing import Any

import lampas
from lampas import Tensor
from lampas.distributions.utils import lazy_property, logits_to_probs, probs_to_logits

__all__ = ["ProbsOrLogits"]


class ProbsOrLogits:
    """Mixin with the attributes ``probs`` and ``logits``, of which ``_given`` names the one that was passed."""

    _binary = True
    _given: str

    def _pick(self, probs: Any, logits: Any) -> Any:
        """The one that was passed (ValueError: both or none); notes which."""
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        self._given = "logits" if probs is None else "probs"
        return logits if probs is None else probs

    @lazy_property
    def logits(self) -> Tensor:
        """Log-odds, or unnormalised logarithms of the probabilities of categories."""
        return probs_to_logits(self.probs, is_binary=self._binary)

    @lazy_property
    def probs(self) -> Tensor:
        """Probabilities."""
        return logits_to_probs(self.logits, is_binary=self._binary)

    @property
    def _param(self) -> Tensor:
        return getattr(self, self._given)

    @property
    def param_shape(self) -> lampas.Size:
        """The shape of ``probs`` and ``logits``."""
        return self._param.size()

    def _new(self, *args: Any, **kwargs: Any) -> Tensor:
        return self._param.new(*args, **kwargs)

    def _normalized(self, probs: Any, logits: Any) -> Tensor:
        """Probabilities or logits of categories along the last axis, kept normalised; returns them."""
        given = self._pick(probs, logits)
        if given.dim() < 1:
            raise ValueError(f"`{self._given}` parameter must be at least one-dimensional.")
        if self._given == "probs":
            given = given / given.sum(-1, keepdim=True)
        else:
            given = given - given.logsumexp(dim=-1, keepdim=True)
        self.__dict__[self._given] = given
        return given
