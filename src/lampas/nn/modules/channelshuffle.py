"""Channels dealt out between groups."""

from __future__ import annotations

import lampas

from .. import functional as F
from .module import Module

__all__ = ["ChannelShuffle"]


class ChannelShuffle(Module):
    """Cuts the channels of ``(N, C, ...)`` into ``groups`` and takes one of each in turn (Zhang et al. 2018).

    Example::

        >>> nn.ChannelShuffle(2)(lampas.arange(4.0).view(1, 4, 1)).flatten()
        tensor([0., 2., 1., 3.])
    """

    __constants__ = ["groups"]

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"
