"""Where tensors become quantized in a model, and where they become floating point again."""

from __future__ import annotations

from typing import Any

import lampas.nn as nn

__all__ = ["DeQuantStub", "QuantStub", "QuantWrapper"]


class _Stub(nn.Module):
    def __init__(self, qconfig: Any = None) -> None:
        super().__init__()
        if qconfig:
            self.qconfig = qconfig

    def forward(self, x: Any) -> Any:
        return x


class QuantStub(_Stub):
    """Marks where tensors become quantized: passes them on, is observed by `prepare`, replaced in `convert`.

    Args:
        qconfig: this stub's own; its parent's if not given.
    """


class DeQuantStub(_Stub):
    """Marks where tensors become floating point again: passes them on, becomes ``DeQuantize`` in `convert`."""


class QuantWrapper(nn.Module):
    """A module between a `QuantStub` and a `DeQuantStub`.

    >>> QuantWrapper(nn.Linear(2, 2))
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        qconfig = getattr(module, "qconfig", None)
        self.add_module("quant", QuantStub(qconfig))
        self.add_module("dequant", DeQuantStub(qconfig))
        self.add_module("module", module)
        self.train(module.training)

    def forward(self, X: Any) -> Any:
        return self.dequant(self.module(self.quant(X)))
