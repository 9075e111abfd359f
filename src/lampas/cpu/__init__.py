"""The CPU as a device: the questions that programs ask of every device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lampas._absent import StreamContext
from lampas.cpu import amp

__all__ = [
    "Event", "Stream", "StreamContext", "amp", "current_device", "current_stream", "device_count", "is_available",
    "is_initialized", "set_device", "stream", "synchronize",
]  # fmt: skip


class Stream:
    """The one order in which the CPU works: accepted where a device's stream is, and does nothing."""

    def __init__(self, priority: int = -1) -> None:
        self.priority = priority

    def wait_stream(self, stream: Any) -> None:
        """Returns at once: the other stream's work is done."""

    def record_event(self) -> None:
        """Nothing to record: what was called has been done."""


class Event:
    """A moment in the CPU's work: accepted where a device's event is; it has passed when `record` returns."""

    def query(self) -> bool:
        """Whether the moment has passed: yes."""
        return True

    def record(self, stream: Any = None) -> None:
        """Nothing to record: what was called has been done."""

    def synchronize(self) -> None:
        """Returns at once."""

    def wait(self, stream: Any = None) -> None:
        """Returns at once."""


_stream = Stream()


def is_available() -> bool:
    """Whether there is a CPU: yes."""
    return True


def is_initialized() -> bool:
    """Whether the CPU is ready: yes."""
    return True


def device_count() -> int:
    """The number of CPU devices: 1."""
    return 1


def current_device() -> str:
    """The name of the device in use: "cpu"."""
    return "cpu"


def set_device(device: Any) -> None:
    """There is one CPU; nothing changes."""


def synchronize(device: Any = None) -> None:
    """Returns at once: what was called has been done."""


def current_stream(device: Any = None) -> Stream:
    """The stream in use."""
    return _stream


@contextmanager
def stream(stream: Stream | None) -> Iterator[None]:
    """A region that uses the stream: nothing changes."""
    yield
