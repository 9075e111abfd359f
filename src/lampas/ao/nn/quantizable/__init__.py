"""Recurrent layers and attention made of parts that can be observed and quantized."""

from .modules import *  # noqa: F403
from .modules import __all__ as __all__
