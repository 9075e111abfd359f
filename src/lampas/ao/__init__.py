"""Architecture optimization: quantization and the modules it makes."""

from __future__ import annotations

from typing import Any

__all__ = ["nn", "quantization"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        import importlib

        return importlib.import_module(f"lampas.ao.{name}")
    raise AttributeError(f"module 'lampas.ao' has no attribute {name!r}")
