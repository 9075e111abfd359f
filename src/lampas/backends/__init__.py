"""The names of `torch.backends`: what this build computes with, and switches that programs set.

oneDNN and OpenMP are always there. Switches that concern other libraries keep what they are given and change nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

__all__ = [
    "cpu", "cuda", "cudnn", "cusparselt", "kleidiai", "mha", "miopen", "mkl", "mkldnn", "mps", "nnpack", "openmp",
    "opt_einsum", "quantized",
]  # fmt: skip

fp32_precision = "none"


def flags_frozen() -> bool:
    """Whether switches can no longer be set directly: never."""
    return False


def __getattr__(name: str) -> Any:
    if name in __all__:
        return importlib.import_module(f"lampas.backends.{name}")
    raise AttributeError(f"module 'lampas.backends' has no attribute {name!r}")
