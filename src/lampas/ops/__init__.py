"""The ops that PyTorch keeps outside its functions: ``torch.ops.quantized``."""

from __future__ import annotations

from typing import Any

__all__ = ["load_library", "quantized"]


def load_library(path: str) -> None:
    """Always an error: a library of compiled PyTorch ops cannot run on another engine."""
    raise OSError(f"{path}: lampas cannot load a library of PyTorch's compiled ops; it needs the source in Python")


def __getattr__(name: str) -> Any:
    if name == "quantized":
        import importlib

        return importlib.import_module("lampas.ops.quantized")
    raise AttributeError(
        f"torch.ops.{name} is not there: lampas has torch.ops.quantized; other ops are called by their functions, "
        "such as torch.add for torch.ops.aten.add"
    )
