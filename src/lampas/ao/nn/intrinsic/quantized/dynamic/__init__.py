"""Fused modules that quantize their input in each call."""

from .modules import *  # noqa: F403
from .modules import __all__ as __all__
