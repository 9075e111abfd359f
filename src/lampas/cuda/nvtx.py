"""Marks for NVIDIA's profilers: refused, as there is no CUDA device to profile."""

from lampas._absent import refusals

_REASON = "NVTX needs a CUDA device, and there is none; lampas's own profile is `python -m lampas --profile`"
_REFUSED = "mark range range_end range_pop range_push range_start"
globals().update(refusals(__name__, _REASON, _REFUSED, RuntimeError))

__all__ = [*_REFUSED.split()]
