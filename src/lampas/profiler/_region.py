"""`record_function`, and `profile` as `lampas.autograd.profiler` has it."""

from __future__ import annotations

import time
import warnings
from contextlib import ContextDecorator
from types import TracebackType
from typing import Any

from lampas.profiler._events import EventList, FunctionEventAvg
from lampas.profiler._recorder import Recorder, annotated

__all__ = ["profile", "record_function"]


class record_function(ContextDecorator):
    """A region, or a decorated function, that a profiler shows under this name.

    >>> with torch.profiler.record_function("forward"):
    ...     y = model(x)
    """

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name, self.args = name, args
        self._ends: list[Any] = []

    def __enter__(self) -> record_function:
        self._ends.append(annotated(self.name))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ends.pop()()


class profile:
    """A region whose ops are noted with their times; afterwards this object holds the events.

    Args:
        enabled: without, nothing is noted.
        record_shapes: keep the shapes of the inputs.
        with_flops: count floating-point operations of products and convolutions.
        profile_memory: note bytes allocated and freed.
        with_stack: keep the lines of Python that led to each op.
        use_cuda, use_device, with_modules, use_kineto, use_cpu, acc_events, more: accepted; devices that are not
            there are not profiled, with a warning.

    Raises:
        RuntimeError: the region is entered twice.
    """

    def __init__(
        self,
        enabled: bool = True,
        *,
        use_cuda: bool = False,
        use_device: str | None = None,
        record_shapes: bool = False,
        with_flops: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_modules: bool = False,
        use_kineto: bool = False,
        use_cpu: bool = True,
        acc_events: bool = False,
        **more: Any,
    ) -> None:
        if use_cuda:
            warnings.warn("`use_cuda` is deprecated, use `use_device='cuda'`", FutureWarning, stacklevel=2)
            use_device = "cuda"
        if enabled and use_device == "cuda":
            warnings.warn("CUDA is not available, disabling CUDA profiling", UserWarning, stacklevel=2)
        self.enabled, self.entered = enabled, False
        self.profile_memory, self.with_flops = profile_memory, with_flops
        self._recorder = Recorder(record_shapes or with_flops, profile_memory, with_stack, with_flops)
        self.function_events: EventList | None = None
        self._begun = self._ended = 0

    def __enter__(self) -> profile:
        if self.enabled:
            if self.entered:
                raise RuntimeError("Profiler context manager is not reentrant")
            self.entered = True
            self._begun = time.time_ns()
            self._recorder.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.enabled:
            self._recorder.stop()
            self._ended = time.time_ns()
            self.function_events = EventList(self._recorder.events, self.profile_memory, self.with_flops)

    def _events(self) -> EventList:
        if self.function_events is None:
            raise RuntimeError("Profiler didn't finish running")
        return self.function_events

    def key_averages(
        self, group_by_input_shape: bool = False, group_by_stack_n: int = 0, group_by_overload_name: bool = False
    ) -> EventList:
        """The events summed by name; see `EventList.key_averages` (RuntimeError: the region has not ended)."""
        return self._events().key_averages(group_by_input_shape, group_by_stack_n)

    def total_average(self) -> FunctionEventAvg:
        """All events as one."""
        return self._events().total_average()

    @property
    def self_cpu_time_total(self) -> float:
        """The time of everything that was noted, in microseconds."""
        return self._events().self_cpu_time_total

    def table(self, *args: Any, **kwargs: Any) -> str:
        """The events as a table; see `EventList.table`."""
        return self._events().table(*args, **kwargs)

    def export_chrome_trace(self, path: str) -> None:
        """Writes the events for chrome://tracing."""
        self._events().export_chrome_trace(path)

    def export_stacks(self, path: str, metric: str = "self_cpu_time_total") -> None:
        """Writes, for each stack, its frames joined with ``;`` and the sum of a metric (``with_stack`` is needed)."""
        if not self._recorder.with_stack:
            raise AssertionError("export_stacks() requires with_stack=True")
        sums: dict[str, float] = {}
        for event in self._events():
            place = ";".join(reversed(event.stack))
            sums[place] = sums.get(place, 0) + getattr(event, metric)
        with open(path, "w") as file:
            file.writelines(f"{place} {int(value)}\n" for place, value in sums.items() if int(value) > 0)

    def __iter__(self) -> Any:
        return iter(self._events())

    def __getitem__(self, index: Any) -> Any:
        return self._events()[index]

    def __len__(self) -> int:
        return len(self._events())

    def __str__(self) -> str:
        return "<unfinished torch.autograd.profile>" if self.function_events is None else str(self.function_events)

    __repr__ = __str__
