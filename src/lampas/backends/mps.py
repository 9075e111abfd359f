"""Apple's GPUs: not used by lampas."""

from lampas._absent import is_available

__all__ = ["is_available", "is_built"]


def is_built() -> bool:
    """Whether this build could use it: no."""
    return False
