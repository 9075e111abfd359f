"""KleidiAI, Arm's kernels: not used by lampas."""

from lampas._absent import is_available

__all__ = ["is_available"]
