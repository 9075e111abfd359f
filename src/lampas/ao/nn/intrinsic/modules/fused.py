"""Sequences of modules that become one quantized module."""

from __future__ import annotations

from typing import Any

import lampas.nn as nn
from lampas.nn.utils.parametrize import type_before_parametrizations

__all__ = [
    "BNReLU2d",
    "BNReLU3d",
    "ConvAdd2d",
    "ConvAddReLU2d",
    "ConvBn1d",
    "ConvBn2d",
    "ConvBn3d",
    "ConvBnReLU1d",
    "ConvBnReLU2d",
    "ConvBnReLU3d",
    "ConvReLU1d",
    "ConvReLU2d",
    "ConvReLU3d",
    "LinearBn1d",
    "LinearLeakyReLU",
    "LinearReLU",
    "LinearTanh",
]


class _FusedModule(nn.Sequential):
    """What `prepare` observes, and `convert` replaces, as a whole."""

    _parts: tuple[type, ...] = ()

    def _hold(self, *modules: nn.Module) -> None:
        if any(type_before_parametrizations(m) is not part for m, part in zip(modules, self._parts, strict=True)):
            given = " and ".join(type(module).__name__ for module in modules)
            wanted = " and ".join(part.__name__ for part in self._parts)
            raise AssertionError(f"Incorrect types for input modules: {given}; {type(self).__name__} takes {wanted}")
        super().__init__(*modules)


class _ConvReLU(_FusedModule):
    def __init__(self, conv: Any, relu: Any) -> None:
        self._hold(conv, relu)


class ConvReLU1d(_ConvReLU):
    """`Conv1d`, then `ReLU`."""

    _parts = (nn.Conv1d, nn.ReLU)


class ConvReLU2d(_ConvReLU):
    """`Conv2d`, then `ReLU`."""

    _parts = (nn.Conv2d, nn.ReLU)


class ConvReLU3d(_ConvReLU):
    """`Conv3d`, then `ReLU`."""

    _parts = (nn.Conv3d, nn.ReLU)


class LinearReLU(_FusedModule):
    """`Linear`, then `ReLU`."""

    _parts = (nn.Linear, nn.ReLU)

    def __init__(self, linear: Any, relu: Any) -> None:
        self._hold(linear, relu)


class _ConvBn(_FusedModule):
    def __init__(self, conv: Any, bn: Any) -> None:
        self._hold(conv, bn)


class ConvBn1d(_ConvBn):
    """`Conv1d`, then `BatchNorm1d`."""

    _parts = (nn.Conv1d, nn.BatchNorm1d)


class ConvBn2d(_ConvBn):
    """`Conv2d`, then `BatchNorm2d`."""

    _parts = (nn.Conv2d, nn.BatchNorm2d)


class ConvBn3d(_ConvBn):
    """`Conv3d`, then `BatchNorm3d`."""

    _parts = (nn.Conv3d, nn.BatchNorm3d)


class _ConvBnReLU(_FusedModule):
    def __init__(self, conv: Any, bn: Any, relu: Any) -> None:
        self._hold(conv, bn, relu)


class ConvBnReLU1d(_ConvBnReLU):
    """`Conv1d`, `BatchNorm1d`, then `ReLU`."""

    _parts = (nn.Conv1d, nn.BatchNorm1d, nn.ReLU)


class ConvBnReLU2d(_ConvBnReLU):
    """`Conv2d`, `BatchNorm2d`, then `ReLU`."""

    _parts = (nn.Conv2d, nn.BatchNorm2d, nn.ReLU)


class ConvBnReLU3d(_ConvBnReLU):
    """`Conv3d`, `BatchNorm3d`, then `ReLU`."""

    _parts = (nn.Conv3d, nn.BatchNorm3d, nn.ReLU)


class _BNReLU(_FusedModule):
    def __init__(self, batch_norm: Any, relu: Any) -> None:
        self._hold(batch_norm, relu)


class BNReLU2d(_BNReLU):
    """`BatchNorm2d`, then `ReLU`."""

    _parts = (nn.BatchNorm2d, nn.ReLU)


class BNReLU3d(_BNReLU):
    """`BatchNorm3d`, then `ReLU`."""

    _parts = (nn.BatchNorm3d, nn.ReLU)


class LinearBn1d(_FusedModule):
    """`Linear`, then `BatchNorm1d`."""

    _parts = (nn.Linear, nn.BatchNorm1d)

    def __init__(self, linear: Any, bn: Any) -> None:
        self._hold(linear, bn)


class LinearLeakyReLU(_FusedModule):
    """`Linear`, then `LeakyReLU`."""

    _parts = (nn.Linear, nn.LeakyReLU)

    def __init__(self, linear: Any, leaky_relu: Any) -> None:
        self._hold(linear, leaky_relu)


class LinearTanh(_FusedModule):
    """`Linear`, then `Tanh`."""

    _parts = (nn.Linear, nn.Tanh)

    def __init__(self, linear: Any, tanh: Any) -> None:
        self._hold(linear, tanh)


class ConvAdd2d(_FusedModule):
    """`Conv2d`, then the addition of a second input."""

    def __init__(self, conv: Any, add: Any) -> None:
        super().__init__(conv)
        self.add = add

    def forward(self, x1: Any, x2: Any) -> Any:
        return self.add(self[0](x1), x2)


class ConvAddReLU2d(_FusedModule):
    """`Conv2d`, the addition of a second input, then `ReLU`."""

    def __init__(self, conv: Any, add: Any, relu: Any) -> None:
        super().__init__(conv)
        self.add = add
        self.relu = relu

    def forward(self, x1: Any, x2: Any) -> Any:
        return self.relu(self.add(self[0](x1), x2))
