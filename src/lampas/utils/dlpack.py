"""Tensors shared with other libraries, without a copy."""

from __future__ import annotations

import enum
from typing import Any

import lampas
from lampas import _C

__all__ = ["DLDeviceType", "from_dlpack", "to_dlpack"]


class DLDeviceType(enum.IntEnum):
    """Kinds of devices in the DLPack standard."""

    kDLCPU = 1
    kDLCUDA = 2
    kDLCUDAHost = 3
    kDLOpenCL = 4
    kDLVulkan = 7
    kDLMetal = 8
    kDLVPI = 9
    kDLROCM = 10
    kDLROCMHost = 11
    kDLExtDev = 12
    kDLCUDAManaged = 13
    kDLOneAPI = 14
    kDLWebGPU = 15
    kDLHexagon = 16
    kDLMAIA = 17


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> lampas.Tensor:
    """A tensor with the memory of another library's array.

    Args:
        ext_tensor: an array with ``__dlpack__``, or a capsule, which can be used once.
        device: the CPU, or nothing.
        copy: whether the memory may, or must, be copied.

    Raises:
        RuntimeError: a capsule that was used before.
        BufferError: ``device`` is another one than the CPU.
    """
    if device is not None and lampas.device(device).type != "cpu":
        raise BufferError(f"from_dlpack(device={device!r}): lampas has tensors on the CPU only")
    try:
        tensor = _C.from_dlpack(ext_tensor)
    except ValueError as error:
        raise RuntimeError("from_dlpack received an invalid capsule: one can be used only once") from error
    return tensor.clone() if copy else tensor


def to_dlpack(tensor: lampas.Tensor) -> Any:
    """A capsule that another library's ``from_dlpack`` makes an array of, once, with the same memory."""
    return tensor.__dlpack__()
