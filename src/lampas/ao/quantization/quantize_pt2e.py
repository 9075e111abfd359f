"""Quantization of an exported program: not available, each name says what to use instead."""

from ._graph_modes import (
    convert_pt2e,
    prepare_pt2e,
    prepare_qat_pt2e,
)

__all__ = [
    "convert_pt2e",
    "prepare_pt2e",
    "prepare_qat_pt2e",
]
