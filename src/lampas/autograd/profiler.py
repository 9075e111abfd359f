"""`profile` and `record_function`: the older names of `lampas.profiler`."""

from __future__ import annotations

from lampas.profiler._region import profile, record_function

__all__ = ["profile", "record_function"]
