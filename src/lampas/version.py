"""The version, and what this build has of the things that programs ask for."""

from lampas import __version__

__all__ = ["__version__", "cuda", "debug", "git_version", "hip", "rocm", "xpu"]

cuda = hip = rocm = xpu = None
debug = False
git_version = "unknown"
