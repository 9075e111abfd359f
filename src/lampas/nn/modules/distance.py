"""Distances and similarities of vectors."""

from __future__ import annotations

import lampas

from .. import functional as F
from .module import Module

__all__ = ["CosineSimilarity", "PairwiseDistance"]


class PairwiseDistance(Module):
    """``||x1 - x2 + eps||_p`` over the last dimension.

    Example::

        >>> nn.PairwiseDistance()(lampas.zeros(1, 2), lampas.tensor([[3.0, 4.0]]))
        tensor([5.0000])
    """

    __constants__ = ["norm", "eps", "keepdim"]

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm = p
        self.eps = eps
        self.keepdim = keepdim

    def forward(self, x1: lampas.Tensor, x2: lampas.Tensor) -> lampas.Tensor:
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)


class CosineSimilarity(Module):
    """``x1 . x2 / (max(||x1||, eps) max(||x2||, eps))`` along ``dim``.

    Example::

        >>> nn.CosineSimilarity()(lampas.ones(1, 2), lampas.ones(1, 2))
        tensor([1.0000])
    """

    __constants__ = ["dim", "eps"]

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim = dim
        self.eps = eps

    def forward(self, x1: lampas.Tensor, x2: lampas.Tensor) -> lampas.Tensor:
        return F.cosine_similarity(x1, x2, self.dim, self.eps)
