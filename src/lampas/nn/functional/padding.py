"""Values put around a tensor."""

from __future__ import annotations

from collections.abc import Sequence

import lampas
from lampas._autocast import to_dtype

__all__ = ["pad"]


def pad(input: lampas.Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> lampas.Tensor:
    """Put values around ``input``, the last dimension first: ``pad = (left, right, top, bottom, ...)``.

    Args:
        mode: ``"constant"`` (of ``value``, 0 by default), ``"reflect"``, ``"replicate"`` or ``"circular"``.
        pad: negative numbers cut off instead.

    >>> F.pad(lampas.ones(2), (1, 0))
    tensor([0., 1., 1.])
    """
    if mode in ("reflect", "replicate") and lampas._C._autocast_enabled():
        input = to_dtype(input, "float32")
    return lampas._C.nn.pad(input, pad, mode, value)
