"""Fused modules on quantized tensors."""

from . import dynamic as dynamic
from .modules import *  # noqa: F403
from .modules import __all__ as __all__
