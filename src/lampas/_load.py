"""Loads the compiled engine, and says first how long its waiting threads spin.

GNU OpenMP reads this once, when it is loaded. By default a thread spins for some milliseconds before it sleeps; where
other programs want the cores too, the thread it waits for then gets none (a training step of a small CNN beside two
busy processes: 1500 ms, with 0.1 ms of spinning 35 ms; on free cores the same).
"""

from __future__ import annotations

import os

_SPINS = "10000"

if "GOMP_SPINCOUNT" in os.environ or "OMP_WAIT_POLICY" in os.environ:
    from lampas import _C
else:
    os.environ["GOMP_SPINCOUNT"] = _SPINS
    try:
        from lampas import _C
    finally:
        # Not for the processes that this one starts.
        del os.environ["GOMP_SPINCOUNT"]

__all__ = ["_C"]
