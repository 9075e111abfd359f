"""Padding layers: one base, thin names."""

from __future__ import annotations

import lampas

from .. import functional as F
from .module import Module
from .utils import _ntuple

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


class _PadNd(Module):
    __constants__ = ["padding"]
    _dims: int
    _mode: str

    def __init__(self, padding: int | tuple[int, ...]) -> None:
        super().__init__()
        self.padding = _ntuple(2 * self._dims)(padding)

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _CircularPadNd(_PadNd):
    _mode = "circular"

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        if input.dim() not in (self._dims + 1, self._dims + 2):
            raise ValueError(f"expected {self._dims + 1}D or {self._dims + 2}D input (got {input.dim()}D input)")
        return super().forward(input)


class _ConstantPadNd(_PadNd):
    __constants__ = ["padding", "value"]
    _mode = "constant"

    def __init__(self, padding: int | tuple[int, ...], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class _ZeroPadNd(_ConstantPadNd):
    def __init__(self, padding: int | tuple[int, ...]) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ReflectionPadNd(_PadNd):
    _mode = "reflect"


class _ReplicationPadNd(_PadNd):
    _mode = "replicate"


class CircularPad1d(_CircularPadNd):
    """Continues ``(N, C, L)`` from its other end.

    Example::

        >>> nn.CircularPad1d(1)(lampas.arange(3.0).view(1, 1, 3))
        tensor([[[2., 0., 1., 2., 0.]]])
    """

    _dims = 1


class CircularPad2d(_CircularPadNd):
    """Continues ``(N, C, H, W)`` from its other ends: ``padding = (left, right, top, bottom)``."""

    _dims = 2


class CircularPad3d(_CircularPadNd):
    """Continues ``(N, C, D, H, W)`` from its other ends: ``padding = (left, right, top, bottom, front, back)``."""

    _dims = 3


class ConstantPad1d(_ConstantPadNd):
    """Puts ``value`` around ``(N, C, L)``.

    Example::

        >>> nn.ConstantPad1d((1, 0), 9.0)(lampas.zeros(1, 1, 2))
        tensor([[[9., 0., 0.]]])
    """

    _dims = 1


class ConstantPad2d(_ConstantPadNd):
    """Puts ``value`` around ``(N, C, H, W)``: ``padding = (left, right, top, bottom)``."""

    _dims = 2


class ConstantPad3d(_ConstantPadNd):
    """Puts ``value`` around ``(N, C, D, H, W)``: ``padding = (left, right, top, bottom, front, back)``."""

    _dims = 3


class ReflectionPad1d(_ReflectionPadNd):
    """Mirrors ``(N, C, L)`` at its ends, which are not repeated.

    Example::

        >>> nn.ReflectionPad1d(1)(lampas.arange(3.0).view(1, 1, 3))
        tensor([[[1., 0., 1., 2., 1.]]])
    """

    _dims = 1


class ReflectionPad2d(_ReflectionPadNd):
    """Mirrors ``(N, C, H, W)`` at its edges: ``padding = (left, right, top, bottom)``."""

    _dims = 2


class ReflectionPad3d(_ReflectionPadNd):
    """Mirrors ``(N, C, D, H, W)`` at its faces: ``padding = (left, right, top, bottom, front, back)``."""

    _dims = 3


class ReplicationPad1d(_ReplicationPadNd):
    """Repeats the end values of ``(N, C, L)``.

    Example::

        >>> nn.ReplicationPad1d(1)(lampas.arange(3.0).view(1, 1, 3))
        tensor([[[0., 0., 1., 2., 2.]]])
    """

    _dims = 1


class ReplicationPad2d(_ReplicationPadNd):
    """Repeats the edge values of ``(N, C, H, W)``: ``padding = (left, right, top, bottom)``."""

    _dims = 2


class ReplicationPad3d(_ReplicationPadNd):
    """Repeats the face values of ``(N, C, D, H, W)``: ``padding = (left, right, top, bottom, front, back)``."""

    _dims = 3


class ZeroPad1d(_ZeroPadNd):
    """Puts zeros around ``(N, C, L)``.

    Example::

        >>> nn.ZeroPad1d(1)(lampas.ones(1, 1, 1))
        tensor([[[0., 1., 0.]]])
    """

    _dims = 1


class ZeroPad2d(_ZeroPadNd):
    """Puts zeros around ``(N, C, H, W)``: ``padding = (left, right, top, bottom)``."""

    _dims = 2


class ZeroPad3d(_ZeroPadNd):
    """Puts zeros around ``(N, C, D, H, W)``: ``padding = (left, right, top, bottom, front, back)``."""

    _dims = 3
