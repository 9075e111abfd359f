"""Types for annotations."""

from __future__ import annotations

import builtins
import os
from typing import IO, Any, TypeAlias

from lampas import Size, Tensor, device, dtype, layout
from lampas.storage import TypedStorage, UntypedStorage

__all__ = ["Device", "FileLike", "Number", "Storage"]

# What is accepted as a device, as a number, as a file.
Number: TypeAlias = int | float | bool
Device: TypeAlias = device | str | int | None
FileLike: TypeAlias = str | os.PathLike[str] | IO[bytes]
Storage: TypeAlias = TypedStorage | UntypedStorage

_TensorOrTensors: TypeAlias = Any
_size: TypeAlias = Size | list[int] | tuple[int, ...]
_dtype = dtype
_device = device
_layout = layout
_int = builtins.int
_float = builtins.float
_bool = builtins.bool
_Number = (builtins.int, builtins.float, builtins.bool)
_TensorType = Tensor
