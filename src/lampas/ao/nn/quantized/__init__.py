"""Layers that compute on quantized tensors."""

from __future__ import annotations

from typing import Any

from . import functional as functional
from .modules import *  # noqa: F403
from .modules import __all__ as _names

__all__ = list(_names)


def __getattr__(name: str) -> Any:
    if name == "dynamic":
        import importlib

        return importlib.import_module("lampas.ao.nn.quantized.dynamic")
    raise AttributeError(f"module 'lampas.ao.nn.quantized' has no attribute {name!r}")
