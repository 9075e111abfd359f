"""Kinds of quantization."""

from __future__ import annotations

import enum

__all__ = ["QuantType", "quant_type_to_str"]


class QuantType(enum.IntEnum):
    """When scales of activations are found: in each call, beforehand, while training, or never (weights only)."""

    DYNAMIC = 0
    STATIC = 1
    QAT = 2
    WEIGHT_ONLY = 3


_NAMES = {
    QuantType.STATIC: "static",
    QuantType.DYNAMIC: "dynamic",
    QuantType.QAT: "qat",
    QuantType.WEIGHT_ONLY: "weight_only",
}


def quant_type_to_str(quant_type: QuantType) -> str:
    """The name of a kind, as dictionaries of configuration spell it.

    >>> quant_type_to_str(QuantType.STATIC)
    'static'
    """
    return _NAMES[quant_type]


def _quant_type_from_str(name: str) -> QuantType:
    for quant_type, text in _NAMES.items():
        if text == name:
            return quant_type
    raise ValueError(f"Unknown QuantType name '{name}', expected one of {sorted(_NAMES.values())}")
