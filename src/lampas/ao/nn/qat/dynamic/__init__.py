"""Quantization-aware training of what will be quantized dynamically."""

from .modules import *  # noqa: F403
from .modules import __all__ as __all__
