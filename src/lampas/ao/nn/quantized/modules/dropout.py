"""Dropout between quantized layers: nothing."""

from __future__ import annotations

from typing import Any

import lampas.nn as nn

__all__ = ["Dropout"]


class Dropout(nn.Dropout):
    """Passes quantized tensors on; models are quantized for evaluation, where nothing is dropped."""

    def forward(self, input: Any) -> Any:
        return input

    def _get_name(self) -> str:
        return "QuantizedDropout"

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Dropout:
        """The quantized module of a float one."""
        return cls(mod.p, mod.inplace)

    @classmethod
    def from_reference(cls, mod: Any, scale: float, zero_point: int) -> Dropout:
        """The quantized module of a float one."""
        return cls(mod.p, mod.inplace)
