"""Modules that quantization makes: fused, with fake quantization, quantized."""

from __future__ import annotations

from typing import Any

__all__ = ["intrinsic", "qat", "quantizable", "quantized"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        import importlib

        return importlib.import_module(f"lampas.ao.nn.{name}")
    raise AttributeError(f"module 'lampas.ao.nn' has no attribute {name!r}")
