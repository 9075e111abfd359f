"""NNPACK, kernels for phones: not used by lampas."""

from lampas._absent import is_available

__all__ = ["is_available"]
