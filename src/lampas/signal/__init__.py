"""Signal processing: ``lampas.signal.windows``."""

from lampas.signal import windows as windows

__all__ = ["windows"]
