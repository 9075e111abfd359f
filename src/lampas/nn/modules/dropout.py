"""Dropout layers: active in training, the identity in evaluation."""

from __future__ import annotations

import lampas

from .. import functional as F
from .module import Module

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"]


class _DropoutNd(Module):
    __constants__ = ["p", "inplace"]
    _function: str
    p: float
    inplace: bool

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if p < 0 or p > 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p = p
        self.inplace = inplace

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return getattr(F, self._function)(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_DropoutNd):
    """Sets elements to zero with probability ``p`` and scales the others by ``1 / (1 - p)`` (Srivastava et al. 2014).

    Example::

        >>> nn.Dropout(0.5).eval()(lampas.ones(3))
        tensor([1., 1., 1.])
    """

    _function = "dropout"


class Dropout1d(_DropoutNd):
    """Sets whole channels of ``(N, C, L)`` or ``(C, L)`` to zero with probability ``p``."""

    _function = "dropout1d"


class Dropout2d(_DropoutNd):
    """Sets whole channels of ``(N, C, H, W)`` to zero with probability ``p`` (Tompson et al. 2015)."""

    _function = "dropout2d"


class Dropout3d(_DropoutNd):
    """Sets whole channels of ``(N, C, D, H, W)`` or ``(C, D, H, W)`` to zero with probability ``p``."""

    _function = "dropout3d"


class AlphaDropout(_DropoutNd):
    """Dropout that keeps mean 0 and variance 1, for SELU networks (Klambauer et al. 2017)."""

    _function = "alpha_dropout"


class FeatureAlphaDropout(_DropoutNd):
    """Alpha dropout of whole channels."""

    _function = "feature_alpha_dropout"
