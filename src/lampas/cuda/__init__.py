"""The names of `torch.cuda` on a machine without a CUDA device: questions are answered, uses are refused clearly."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from typing import Any

from lampas import _C
from lampas._absent import *  # noqa: F403
from lampas._absent import DeviceRegion, StreamContext, absent_class, max_memory_reserved, memory_reserved, refusals

_REASON = "lampas has no CUDA device on this machine: torch.cuda.is_available() is False. Use device='cpu'"
_REFUSED = """
    caching_allocator_alloc caching_allocator_delete can_device_access_peer cudart current_blas_handle current_device
    current_solver_handle current_stream default_stream get_device_capability get_device_name get_device_properties
    get_per_process_memory_fraction get_rng_state get_stream_from_external get_sync_debug_mode init initial_seed
    ipc_collect make_graphed_callables mem_get_info set_per_process_memory_fraction set_sync_debug_mode synchronize
"""
_UNMEASURED = "clock_rate device_memory_used memory_usage power_draw temperature utilization"

globals().update(refusals(__name__, _REASON, _REFUSED))
globals().update(refusals(__name__, _REASON, _UNMEASURED, ModuleNotFoundError))
globals().update(refusals(__name__, _REASON, "graph_pool_handle is_current_stream_capturing", RuntimeError))

_init = _lazy_init = globals()["init"]
OutOfMemoryError = _C.OutOfMemoryError
has_half = True
has_magma = False
default_generators: tuple = ()

Stream = absent_class(__name__, "Stream", _REASON, "An order of work on a CUDA device; there is none.")
Event = absent_class(__name__, "Event", _REASON, "A moment in a stream of a CUDA device; there is none.")
ExternalStream = absent_class(__name__, "ExternalStream", _REASON, "A stream made elsewhere; there is none.")
CUDAGraph = absent_class(__name__, "CUDAGraph", _REASON, "Recorded work of a CUDA device; there is none.")
MemPool = absent_class(__name__, "MemPool", _REASON, "A pool of a CUDA device's memory; there is none.")


class device(DeviceRegion):
    """A region in which this CUDA device is the current one."""


class device_of(device):
    """A region in which the device of a tensor is the current one; for a tensor on the CPU nothing changes."""

    def __init__(self, obj: Any) -> None:
        super().__init__(obj.get_device() if obj.is_cuda else -1)


def set_device(device: Any) -> None:
    """Makes a CUDA device the current one; a negative index changes nothing.

    Raises:
        ValueError: a device of another kind.
        AssertionError: there is no such device.
    """
    if DeviceRegion._index(device) >= 0:
        raise AssertionError(f"set_device({device!r}): {_REASON}")


def stream(stream: Any) -> StreamContext:
    """A region that uses the stream: with None nothing changes."""
    return StreamContext(stream)


def is_tf32_supported() -> bool:
    """Whether a CUDA device computes in TF32: there is none."""
    return False


def get_gencode_flags() -> str:
    """The compiler options kernels were made with: none."""
    return ""


def get_allocator_backend() -> str:
    """The name of the allocator of CUDA memory that would be used: "native"."""
    return "native"


def caching_allocator_enable(value: bool = True) -> None:
    """Accepted: there is no allocator to switch."""


def host_memory_stats() -> OrderedDict[str, Any]:
    """What the allocator of pinned memory counted: nothing."""
    return OrderedDict()


def memory_snapshot(mempool_id: Any = None, include_traces: bool = True) -> list[dict[str, Any]]:
    """The blocks of CUDA memory: none."""
    return []


def memory_summary(device: Any = None, abbreviated: bool = False) -> str:
    """A text on the use of CUDA memory."""
    return "no CUDA device: 0 bytes allocated, 0 bytes reserved"


def list_gpu_processes(device: Any = None) -> str:
    """A text on the processes that use the device."""
    return "no CUDA device: no processes are running"


def _renamed(old: str, new: str) -> None:
    warnings.warn(f"`torch.cuda.{old}` is deprecated; use `torch.cuda.{new}`.", FutureWarning, 3)


def memory_cached(device: Any = None) -> int:
    """The former name of `memory_reserved`."""
    _renamed("memory_cached", "memory_reserved")
    return memory_reserved(device)


def max_memory_cached(device: Any = None) -> int:
    """The former name of `max_memory_reserved`."""
    _renamed("max_memory_cached", "max_memory_reserved")
    return max_memory_reserved(device)


def reset_max_memory_allocated(device: Any = None) -> None:
    """The former name of `reset_peak_memory_stats`."""
    _renamed("reset_max_memory_allocated", "reset_peak_memory_stats")


def reset_max_memory_cached(device: Any = None) -> None:
    """The former name of `reset_peak_memory_stats`."""
    _renamed("reset_max_memory_cached", "reset_peak_memory_stats")


def _is_compiled() -> bool:
    return False


def __getattr__(name: str) -> Any:
    import importlib

    if name in ("amp", "memory", "nvtx", "random"):
        return importlib.import_module(f"lampas.cuda.{name}")
    if name.endswith("Tensor"):
        from lampas._types import cuda_types

        types = cuda_types()
        if name in types:
            globals().update(types)
            return types[name]
    raise AttributeError(f"module 'lampas.cuda' has no attribute {name!r}")
