"""Fused modules: neighbours that quantization treats as one."""

from __future__ import annotations

from typing import Any

from .modules import *  # noqa: F403
from .modules import __all__ as _names
from .modules.fused import _FusedModule as _FusedModule

__all__ = list(_names)


def __getattr__(name: str) -> Any:
    if name in ("qat", "quantized"):
        import importlib

        return importlib.import_module(f"lampas.ao.nn.intrinsic.{name}")
    raise AttributeError(f"module 'lampas.ao.nn.intrinsic' has no attribute {name!r}")
