"""Where a program's time and memory go, op by op.

>>> from lampas.profiler import ProfilerActivity, profile, record_function
>>> with profile(activities=[ProfilerActivity.CPU]) as prof:
...     with record_function("forward"):
...         model(x).sum().backward()
>>> print(prof.key_averages().table(sort_by="self_cpu_time_total", row_limit=10))
"""

from __future__ import annotations

import enum
import os
import warnings
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any

from lampas.profiler._events import DeviceType, EventList
from lampas.profiler._region import profile as _Region
from lampas.profiler._region import record_function

__all__ = [
    "DeviceType",
    "ProfilerAction",
    "ProfilerActivity",
    "kineto_available",
    "profile",
    "record_function",
    "schedule",
    "supported_activities",
    "tensorboard_trace_handler",
]


class ProfilerActivity(enum.Enum):
    """Kinds of devices whose work can be asked for; there is the CPU."""

    CPU = 0
    XPU = 1
    MTIA = 2
    CUDA = 3
    HPU = 4
    PrivateUse1 = 5


class ProfilerAction(enum.Enum):
    """What a profiler does in a step: nothing, record and throw away, record, record and hand over."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


def supported_activities() -> set[ProfilerActivity]:
    """The kinds of devices that are profiled."""
    return {ProfilerActivity.CPU}


def kineto_available() -> bool:
    """Whether PyTorch's own library for profiling is there: no, the engine is watched by lampas."""
    return False


def schedule(
    *, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0, skip_first_wait: int = 0
) -> Callable[[int], ProfilerAction]:
    """What to do in each step: after ``skip_first`` steps, cycles of ``wait``, ``warmup`` and ``active`` steps.

    Args:
        repeat: the number of cycles; 0 for no end.
        skip_first_wait: 1 to begin the first cycle without its ``wait`` steps.

    Raises:
        AssertionError: a negative number, or no active step.
    """
    given = {"wait": wait, "warmup": warmup, "repeat": repeat, "skip_first": skip_first}
    if min(given.values()) < 0 or active <= 0:
        needs = "".join(f", {name}={value} (need >= 0)" for name, value in given.items())
        raise AssertionError(f"Invalid profiler schedule arguments. Got active={active} (need > 0){needs}.")
    if warmup == 0:
        warnings.warn("Profiler won't be using warmup, this can skew profiler results", UserWarning, stacklevel=2)
    cycle = wait + warmup + active

    def action(step: int) -> ProfilerAction:
        if step < 0:
            raise AssertionError(f"Step must be non-negative. Got {step}.")
        if step < skip_first:
            return ProfilerAction.NONE
        step += -skip_first + (wait if skip_first_wait else 0)
        if repeat > 0 and step >= repeat * cycle:
            return ProfilerAction.NONE
        within = step % cycle
        if within < wait:
            return ProfilerAction.NONE
        if within < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD if within < cycle - 1 else ProfilerAction.RECORD_AND_SAVE

    return action


def tensorboard_trace_handler(
    dir_name: str, worker_name: str | None = None, use_gzip: bool = False
) -> Callable[[profile], None]:
    """For ``on_trace_ready``: writes each trace into a file of its own in a folder, named as TensorBoard's plugin asks.

    Raises:
        RuntimeError: the folder cannot be made.
    """

    def handler(prof: profile) -> None:
        import socket
        import time

        try:
            os.makedirs(dir_name, exist_ok=True)
        except OSError as error:
            raise RuntimeError(f"Can't create directory: {dir_name}") from error
        worker = worker_name or f"{socket.gethostname()}_{os.getpid()}"
        ending = "pt.trace.json.gz" if use_gzip else "pt.trace.json"
        prof.export_chrome_trace(os.path.join(dir_name, f"{worker}.{time.time_ns()}.{ending}"))

    return handler


_RECORDING = (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)


class profile:
    """Notes the ops that a program calls, the steps of its backward passes and its named regions, with their times.

    Use it as a context manager, or call `start` and `stop`. Only the thread that starts it is watched. Times of ops
    include what watching them costs, a few microseconds each.

    Args:
        activities: kinds of devices; the CPU is watched, others are not there (UserWarning).
        schedule: which steps to record, by number; see `schedule`. The program calls `step` after each.
        on_trace_ready: called with this object whenever a recording is complete.
        record_shapes, profile_memory, with_stack, with_flops: what to keep of each op beside its time.
        with_modules, experimental_config, execution_trace_observer, acc_events, more: accepted.
    """

    def __init__(
        self,
        *,
        activities: Iterable[Any] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[[profile], Any] | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_flops: bool = False,
        with_modules: bool = False,
        use_cuda: bool | None = None,
        **more: Any,
    ) -> None:
        if use_cuda is not None:
            warnings.warn("`use_cuda` is deprecated, use `activities` argument instead", FutureWarning, stacklevel=2)
        self.activities = set(activities) if activities else supported_activities()
        if ProfilerActivity.CUDA in self.activities or use_cuda:
            warnings.warn("CUDA is not available, disabling CUDA profiling", UserWarning, stacklevel=2)
        self.schedule = schedule
        self.on_trace_ready = on_trace_ready
        self.step_num = 0
        self.current_action = schedule(0) if schedule else ProfilerAction.RECORD_AND_SAVE
        self._options = {
            "record_shapes": record_shapes,
            "profile_memory": profile_memory,
            "with_stack": with_stack,
            "with_flops": with_flops,
        }
        self.profiler: _Region | None = None
        self._metadata: dict[str, Any] = {}
        self._step_region: record_function | None = None

    # --- recording ---

    def start(self) -> None:
        """Begins with step 0."""
        self._to(self.current_action, ProfilerAction.NONE)
        self._begin_step()

    def stop(self) -> None:
        """Ends the step, and hands over what is recorded."""
        self._end_step()
        if self.profiler is None and self.current_action is ProfilerAction.WARMUP:
            self.profiler = _Region(**self._options)  # type: ignore[arg-type]
            self.profiler.function_events = EventList()
        self._to(ProfilerAction.NONE, self.current_action, final=True)
        self.current_action = ProfilerAction.NONE

    def step(self) -> None:
        """Ends a step and begins the next one."""
        self._end_step()
        before = self.current_action
        self.step_num += 1
        self.current_action = self.schedule(self.step_num) if self.schedule else ProfilerAction.RECORD
        self._to(self.current_action, before)
        self._begin_step()

    def _begin_step(self) -> None:
        if self.schedule is not None and self.current_action in _RECORDING:
            self._step_region = record_function(f"ProfilerStep#{self.step_num}").__enter__()

    def _end_step(self) -> None:
        if self._step_region is not None:
            self._step_region.__exit__(None, None, None)
            self._step_region = None

    def _to(self, action: ProfilerAction, before: ProfilerAction, final: bool = False) -> None:
        """Goes over from what was done in the step before."""
        saved = before is ProfilerAction.RECORD_AND_SAVE and (final or self.schedule is not None)
        interrupted = before is ProfilerAction.RECORD and action not in _RECORDING
        if saved or interrupted:
            assert self.profiler is not None
            self.profiler.__exit__(None, None, None)
            if self.on_trace_ready is not None:
                self.on_trace_ready(self)
        if action in _RECORDING and (saved or before not in _RECORDING):
            self.profiler = _Region(**self._options)  # type: ignore[arg-type]
            self.profiler.__enter__()

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    # --- what was recorded ---

    def _recorded(self, what: str) -> _Region:
        if self.profiler is None or self.profiler.function_events is None:
            raise AssertionError(f"Profiler must be initialized before {what}: nothing is recorded yet")
        return self.profiler

    def key_averages(
        self, group_by_input_shape: bool = False, group_by_stack_n: int = 0, group_by_overload_name: bool = False
    ) -> EventList:
        """The events of the last recording, summed by name, and by shapes or stack where asked.

        Raises:
            AssertionError: nothing is recorded yet.
        """
        return self._recorded("getting key averages").key_averages(group_by_input_shape, group_by_stack_n)

    def events(self) -> EventList:
        """The events of the last recording, one by one (AssertionError: nothing is recorded yet)."""
        return self._recorded("accessing events")._events()

    def export_chrome_trace(self, path: str) -> None:
        """Writes the last recording for chrome://tracing and Perfetto; ``.gz`` paths are compressed."""
        from lampas.profiler._trace import write_trace

        write_trace(self._recorded("exporting chrome trace")._events(), path, {**self._options, **self._metadata})

    def export_stacks(self, path: str, metric: str = "self_cpu_time_total") -> None:
        """Writes each stack with the sum of a metric, for drawings of flames; ``with_stack=True`` is needed."""
        self._recorded("exporting stacks").export_stacks(path, metric)

    def add_metadata(self, key: str, value: str) -> None:
        """A text that goes into the trace."""
        self._metadata[key] = str(value)

    def add_metadata_json(self, key: str, value: str) -> None:
        """JSON that goes into the trace (ValueError: it is none)."""
        import json

        self._metadata[key] = json.loads(value)
