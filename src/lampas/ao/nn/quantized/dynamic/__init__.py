"""Layers with quantized weights that quantize their input in each call; they take and give floating point tensors."""

from .modules import *  # noqa: F403
from .modules import __all__ as __all__
