"""The version, and what this build has of the things that programs ask for."""

from __future__ import annotations

import re
from typing import Any

from lampas import _C

__all__ = ["TorchVersion", "__version__", "cuda", "debug", "git_version", "hip", "lampas", "rocm", "xpu"]


class TorchVersion(str):
    """A version that is compared by its numbers, with strings and tuples: '2.13.0' comes after '2.9' and (2, 9)."""

    __slots__ = ()

    @staticmethod
    def _release(version: Any) -> tuple[int, ...] | None:
        if isinstance(version, str):
            release = re.match(r"\s*v?(\d+(?:\.\d+)*)", version)
            version = release[1].split(".") if release else ()
        try:
            numbers = [int(part) for part in version]
        except (TypeError, ValueError):
            return None
        while numbers and numbers[-1] == 0:  # 2.0 is 2
            numbers.pop()
        return tuple(numbers)

    def _compared(self, other: Any, compare: Any) -> Any:
        theirs = self._release(other)
        return NotImplemented if theirs is None else compare(self._release(self), theirs)

    def __lt__(self, other: Any) -> Any:
        return self._compared(other, tuple.__lt__)

    def __le__(self, other: Any) -> Any:
        return self._compared(other, tuple.__le__)

    def __gt__(self, other: Any) -> Any:
        return self._compared(other, tuple.__gt__)

    def __ge__(self, other: Any) -> Any:
        return self._compared(other, tuple.__ge__)

    def __eq__(self, other: Any) -> Any:
        return str.__eq__(self, other) if isinstance(other, str) else self._compared(other, tuple.__eq__)

    def __hash__(self) -> int:
        return str.__hash__(self)


lampas = _C.__version__
# Of the PyTorch whose names these are, which is what programs ask for, with lampas's own behind it.
__version__ = TorchVersion(f"2.13.0+lampas{lampas}")
cuda = hip = rocm = xpu = None
debug = False
git_version = "unknown"
