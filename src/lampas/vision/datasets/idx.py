"""The IDX format of MNIST and its kin: arrays of numbers behind a header of big-endian sizes.

Two zero bytes, a byte for the type, a byte for the number of dimensions, a 32-bit size for each, then the numbers.
"""

from __future__ import annotations

import math
import os
from typing import Any, NoReturn

import lampas

__all__ = ["read_idx"]

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def _damaged(path: Any, what: str) -> NoReturn:
    raise RuntimeError(f"{os.fspath(path)} is not a whole IDX file: {what}. Delete it and fetch it again.")


def _contents(path: str | os.PathLike[str]) -> bytearray:
    suffix = os.path.splitext(path)[1]
    if suffix not in (".gz", ".bz2", ".xz"):
        with open(path, "rb") as file:
            data = bytearray(os.fstat(file.fileno()).st_size)
            del data[file.readinto(data) :]
            return data + file.read()  # what is not a plain file has no size beforehand
    from lampas.vision.datasets.utils import open_compressed

    with open_compressed(path) as file:
        return bytearray(file.read())


def read_idx(path: str | os.PathLike[str]) -> lampas.Tensor:
    """The tensor in an IDX file, which may be compressed (.gz, .bz2, .xz).

    Returns:
        A tensor of dtype uint8, int8, int16, int32, float32 or float64, with the shape that the file says.

    Raises:
        RuntimeError: the file is no IDX file, or was cut short, or holds more than its header says.

    >>> read_idx("data/MNIST/raw/t10k-labels-idx1-ubyte").dtype
    lampas.uint8
    """
    import numpy as np

    data = _contents(path)
    if len(data) < 4:
        _damaged(path, f"it has {len(data)} bytes, the header needs 4")
    if data[:2] != b"\0\0" or data[2] not in _TYPES or data[3] == 0:
        _damaged(path, f"it begins with the bytes {bytes(data[:4]).hex(' ')}, which say no type or no dimensions")
    start = 4 + 4 * data[3]
    if len(data) < start:
        _damaged(path, f"the header says {data[3]} dimensions and ends before their sizes")
    shape = [int.from_bytes(data[i : i + 4], "big") for i in range(4, start, 4)]
    dtype = np.dtype(_TYPES[data[2]])
    want, have = math.prod(shape) * dtype.itemsize, len(data) - start
    if want != have:
        _damaged(path, f"the header says shape {tuple(shape)}, which is {want} bytes of data, and {have} follow it")
    if len(shape) > 64:
        _damaged(path, f"the header says {len(shape)} dimensions, a tensor has at most 64")
    array = np.frombuffer(data, dtype, offset=start).reshape(shape)
    return lampas.from_numpy(array.astype(dtype.newbyteorder("="), copy=False))
