"""Where PyTorch keeps the class of compiled modules."""

from __future__ import annotations

from lampas._compiled_module import OptimizedModule

__all__ = ["OptimizedModule"]
