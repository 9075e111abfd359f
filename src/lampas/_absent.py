"""Devices that programs ask for and this machine has not: questions are answered, uses are refused.

The answers that are the same for every such device stand here; `lampas.cuda`, `lampas.xpu` and `lampas.mtia` take
them over and add refusals of their own (:func:`refusals`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Literal, NoReturn

import lampas

__all__ = [
    "device_count", "empty_cache", "get_arch_list", "get_rng_state_all", "is_available", "is_bf16_supported",
    "is_initialized", "manual_seed", "manual_seed_all", "max_memory_allocated", "max_memory_reserved",
    "memory_allocated", "memory_reserved", "memory_stats", "memory_stats_as_nested_dict",
    "reset_accumulated_memory_stats", "reset_peak_memory_stats", "seed", "seed_all", "set_rng_state",
    "set_rng_state_all", "set_stream",
]  # fmt: skip


def is_available() -> bool:
    """Whether such a device can be used: no."""
    return False


def is_initialized() -> bool:
    """Whether the device's runtime is loaded: no."""
    return False


def device_count() -> int:
    """The number of such devices: 0."""
    return 0


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether the device computes in bfloat16: there is none."""
    return False


def get_arch_list() -> list[str]:
    """The architectures kernels were made for: none."""
    return []


def manual_seed(seed: int) -> None:
    """Accepted for programs that seed every device: there is nothing to seed (ValueError: no number)."""
    int(seed)


def manual_seed_all(seed: int) -> None:
    """As `manual_seed`."""
    int(seed)


def seed() -> None:
    """Accepted for programs that seed every device: there is nothing to seed."""


def seed_all() -> None:
    """As `seed`."""


def get_rng_state_all() -> list[lampas.Tensor]:
    """The states of the devices' generators: none."""
    return []


def set_rng_state(new_state: lampas.Tensor, device: Any = None) -> None:
    """Accepted for checkpoints that hold such a state: there is no generator to set."""


def set_rng_state_all(new_states: Iterable[lampas.Tensor]) -> None:
    """As `set_rng_state`."""


def set_stream(stream: Any) -> None:
    """Accepted: there are no streams to choose from."""


def empty_cache() -> None:
    """Nothing is cached on a device that is not there."""


def memory_allocated(device: Any = None) -> int:
    """Bytes held on a device: 0."""
    return 0


def max_memory_allocated(device: Any = None) -> int:
    """The most bytes held on a device: 0."""
    return 0


def memory_reserved(device: Any = None) -> int:
    """Bytes cached on a device: 0."""
    return 0


def max_memory_reserved(device: Any = None) -> int:
    """The most bytes cached on a device: 0."""
    return 0


def memory_stats(device: Any = None) -> OrderedDict[str, Any]:
    """What a device's allocator counted: nothing."""
    return OrderedDict()


def memory_stats_as_nested_dict(device: Any = None) -> dict[str, Any]:
    """What a device's allocator counted: nothing."""
    return {}


def reset_peak_memory_stats(device: Any = None) -> None:
    """There are no peaks to forget."""


def reset_accumulated_memory_stats(device: Any = None) -> None:
    """There are no counts to forget."""


def refusals(module: str, reason: str, names: str, kind: type[Exception] = AssertionError) -> dict[str, Callable]:
    """Functions of the names given, separated by spaces, that raise `kind` with `reason`."""

    def refusal(name: str) -> Callable:
        def refuse(*args: Any, **kwargs: Any) -> NoReturn:
            raise kind(f"{name}(): {reason}")

        refuse.__name__ = refuse.__qualname__ = name
        refuse.__module__ = module
        refuse.__doc__ = f"Refused with {kind.__name__}: {reason}."
        return refuse

    return {name: refusal(name) for name in names.split()}


def absent_class(module: str, name: str, reason: str, doc: str) -> type:
    """A class for ``isinstance`` and annotations that cannot be instantiated (RuntimeError)."""

    def refuse(cls: type, *args: Any, **kwargs: Any) -> NoReturn:
        raise RuntimeError(f"{name}(): {reason}")

    return type(name, (), {"__new__": refuse, "__doc__": doc, "__module__": module})


class StreamContext:
    """A region that uses a stream: with None, the only one there can be, nothing changes."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return None


class DeviceRegion:
    """A region in which a device of one kind is the current one; a negative index or None means no change.

    Raises:
        ValueError: a device of another kind.
        RuntimeError: on entering, an index that is not negative: there is no such device.
    """

    kind = "cuda"

    def __init__(self, device: Any) -> None:
        self.idx = self._index(device)

    @classmethod
    def _index(cls, device: Any) -> int:
        if device is None or isinstance(device, int):
            return -1 if device is None else device
        device = lampas.device(device)
        if device.type != cls.kind:
            raise ValueError(f"Expected a {cls.kind} device, but got: {device}")
        return -1 if device.index is None else device.index

    def __enter__(self) -> None:
        if self.idx >= 0:
            raise RuntimeError(f"there is no device {self.kind}:{self.idx}: {self.kind}.is_available() is False")

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> Literal[False]:
        return False
