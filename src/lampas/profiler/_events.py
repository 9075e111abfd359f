"""What was seen while profiling: single events, sums of them, and the tables they are printed as."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["DeviceType", "EventList", "FunctionEvent", "FunctionEventAvg", "Interval"]


class DeviceType(enum.Enum):
    """Where an event took place."""

    CPU = 0
    CUDA = 1


class Interval:
    """When an event began and ended, in microseconds since the profiler's start."""

    def __init__(self, start: float, end: float) -> None:
        self.start, self.end = start, end

    def elapsed_us(self) -> float:
        """How long it took, in microseconds."""
        return self.end - self.start

    def __repr__(self) -> str:
        return f"Interval(start={self.start:.3f}, end={self.end:.3f})"


def _time(us: float) -> str:
    if us >= 1e6:
        return f"{us / 1e6:.3f}s"
    return f"{us / 1e3:.3f}ms" if us >= 1e3 else f"{us:.3f}us"


def _share(part: float, whole: float) -> str:
    return f"{part * 100 / whole:.2f}%" if whole else "NaN"


def _memory(n: int) -> str:
    for unit, size in (("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)):
        if abs(n) >= size:
            return f"{n / size:.2f} {unit}"
    return f"{n} B"


class _Times:
    """Attributes of events that follow from others; those of devices are 0."""

    count: int
    cpu_time_total: float
    self_cpu_time_total: float
    device_time = device_time_total = self_device_time_total = 0.0
    cuda_time = cuda_time_total = self_cuda_time_total = 0.0
    device_memory_usage = self_device_memory_usage = cuda_memory_usage = self_cuda_memory_usage = 0
    device_type = DeviceType.CPU
    use_device = None
    node_id = -1
    is_async = is_remote = is_legacy = False

    @property
    def cpu_time(self) -> float:
        """The mean time of a call, in microseconds."""
        return self.cpu_time_total / self.count if self.count else 0.0

    @property
    def cpu_time_str(self) -> str:
        """`cpu_time` with its unit."""
        return _time(self.cpu_time)

    @property
    def cpu_time_total_str(self) -> str:
        """The time of all calls with its unit."""
        return _time(self.cpu_time_total)

    @property
    def self_cpu_time_total_str(self) -> str:
        """The time of all calls without what they called, with its unit."""
        return _time(self.self_cpu_time_total)


class FunctionEvent(_Times):
    """One call of an op, one step of the backward pass, or one region that the program named."""

    count = 1

    def __init__(self, id: int, name: str, start: float, scope: int = 0, thread: int = 1) -> None:
        self.id, self.name, self.scope, self.thread = id, name, scope, thread
        self.key = self.trace_name = name
        self.time_range = Interval(start, start)
        self.cpu_children: list[FunctionEvent] = []
        self.cpu_parent: FunctionEvent | None = None
        self.input_shapes: list = []
        self.stack: list[str] = []
        self.flops = 0
        self.cpu_memory_usage = 0
        self.is_user_annotation = scope == 7
        self.sequence_nr = -1

    @property
    def cpu_time_total(self) -> float:
        """How long it took, in microseconds."""
        return self.time_range.elapsed_us()

    @property
    def self_cpu_time_total(self) -> float:
        """How long it took without what it called, in microseconds."""
        return self.cpu_time_total - sum(child.cpu_time_total for child in self.cpu_children)

    @property
    def self_cpu_memory_usage(self) -> int:
        """Bytes it allocated less those it freed, without what it called."""
        return self.cpu_memory_usage - sum(child.cpu_memory_usage for child in self.cpu_children)

    def __repr__(self) -> str:
        return (
            f"<FunctionEvent id={self.id} name={self.name} cpu_time={self.cpu_time_str} "
            f"start_us={self.time_range.start:.3f} end_us={self.time_range.end:.3f} "
            f"cpu_children={[child.id for child in self.cpu_children]} input_shapes={self.input_shapes} "
            f"cpu_memory_usage={self.cpu_memory_usage}>"
        )


class FunctionEventAvg(_Times):
    """The sum of events that have a name (and shapes, or a stack) in common."""

    def __init__(self) -> None:
        self.key: str | None = None
        self.count = 0
        self.cpu_time_total = self.self_cpu_time_total = 0.0
        self.cpu_memory_usage = self.self_cpu_memory_usage = 0
        self.input_shapes: Any = None
        self.stack: list[str] | None = None
        self.scope: int | None = None
        self.flops = 0
        self.cpu_children: list[FunctionEvent] | None = None
        self.cpu_parent: FunctionEvent | None = None
        self.is_user_annotation = False

    def add(self, other: FunctionEvent | FunctionEventAvg) -> FunctionEventAvg:
        """This sum with another event in it."""
        if self.key is None:
            self.key, self.input_shapes, self.stack = other.key, other.input_shapes, other.stack
            self.scope, self.cpu_parent, self.cpu_children = other.scope, other.cpu_parent, other.cpu_children
            self.is_user_annotation = other.is_user_annotation
        self.count += other.count
        self.cpu_time_total += other.cpu_time_total
        self.self_cpu_time_total += other.self_cpu_time_total
        self.cpu_memory_usage += other.cpu_memory_usage
        self.self_cpu_memory_usage += other.self_cpu_memory_usage
        self.flops += other.flops
        return self

    __iadd__ = add

    def __repr__(self) -> str:
        return (
            f"<FunctionEventAvg key={self.key} self_cpu_time={self.self_cpu_time_total_str} "
            f"cpu_time={self.cpu_time_str}  self_cuda_time=0.000us cuda_time=0.000us "
            f"input_shapes={self.input_shapes} cpu_memory_usage={self.cpu_memory_usage} cuda_memory_usage=0>"
        )


class EventList(list):
    """Events, or sums of them; printed as a table."""

    def __init__(
        self,
        events: Iterable[Any] = (),
        profile_memory: bool = False,
        with_flops: bool = False,
        by_shape: bool = False,
        stack_depth: int = 0,
    ) -> None:
        super().__init__(events)
        self._memory, self._flops, self._by_shape, self._stack_depth = profile_memory, with_flops, by_shape, stack_depth

    @property
    def self_cpu_time_total(self) -> float:
        """The time of everything in the list, in microseconds."""
        return sum(event.self_cpu_time_total for event in self)

    def total_average(self) -> FunctionEventAvg:
        """All events as one, named "Total"."""
        total = FunctionEventAvg()
        for event in self:
            total.add(event)
        total.key, total.input_shapes = "Total", []
        return total

    def key_averages(
        self, group_by_input_shapes: bool = False, group_by_stack_n: int = 0, group_by_overload_name: bool = False
    ) -> EventList:
        """The events summed by name, and by the shapes of inputs or the first lines of the stack where asked."""
        sums: dict[tuple, FunctionEventAvg] = {}
        for event in self:
            key: tuple = (event.key, event.is_user_annotation)
            if group_by_input_shapes:
                key += (str(event.input_shapes),)
            if group_by_stack_n > 0:
                key += tuple(event.stack[:group_by_stack_n])
            sums.setdefault(key, FunctionEventAvg()).add(event)
        for one in sums.values():
            one.stack = (one.stack or [])[:group_by_stack_n]
            if not group_by_input_shapes:
                one.input_shapes = ""
        return EventList(sums.values(), self._memory, self._flops, group_by_input_shapes, group_by_stack_n)

    def _columns(self, events: list, max_shapes: int, max_source: int) -> list[tuple[str, int, Callable[[Any], str]]]:
        """Title, width and text of each column after the name."""
        whole = self.self_cpu_time_total
        columns: list[tuple[str, int, Callable[[Any], str]]] = [
            ("Self CPU %", 12, lambda e: _share(e.self_cpu_time_total, whole)),
            ("Self CPU", 12, lambda e: e.self_cpu_time_total_str),
            ("CPU total %", 12, lambda e: _share(e.cpu_time_total, whole)),
            ("CPU total", 12, lambda e: e.cpu_time_total_str),
            ("CPU time avg", 12, lambda e: e.cpu_time_str),
        ]
        if self._memory:
            columns.append(("CPU Mem", 12, lambda e: _memory(e.cpu_memory_usage)))
            columns.append(("Self CPU Mem", 12, lambda e: _memory(e.self_cpu_memory_usage)))
        columns.append(("# of Calls", 12, lambda e: str(e.count)))
        if any(event.input_shapes for event in events):
            longest = max(len(str(event.input_shapes)) for event in events)
            columns.append(
                ("Input Shapes", min(longest + 4, max_shapes), lambda e: _cut(str(e.input_shapes), max_shapes))
            )
        if any(event.stack for event in events):
            longest = max(len(frame) for event in events for frame in event.stack or [""])
            columns.append(
                (
                    "Source Location",
                    min(longest, max_source) + 4,
                    lambda e: _cut_front(e.stack[0], max_source) if e.stack else "",
                )
            )
        if self._flops:
            most = max((event.flops for event in events), default=0)
            power = next((p for p in (15, 12, 9, 6, 3) if most >= 10**p), 0)
            unit = {15: "P", 12: "T", 9: "G", 6: "M", 3: "K", 0: ""}[power]
            columns.append((f"Total {unit}FLOPs", 12, lambda e: f"{e.flops / 10**power:.3f}" if e.flops > 0 else "--"))
        return columns

    def table(
        self,
        sort_by: str | None = None,
        row_limit: int = 100,
        max_src_column_width: int = 75,
        max_name_column_width: int = 55,
        max_shapes_column_width: int = 80,
        header: str | None = None,
        top_level_events_only: bool = False,
        time_unit: str | None = None,
    ) -> str:
        """The events as a table.

        Args:
            sort_by: an attribute of the events, the largest first: ``"cpu_time_total"``, ``"self_cpu_time_total"``,
                ``"cpu_memory_usage"``, ``"count"`` and so on; without, in the order they were seen.
            row_limit: how many rows at most; -1 for all.
            max_src_column_width, max_name_column_width, max_shapes_column_width: longer texts are cut.
            header: a line above.
            top_level_events_only: leave out what was called within something else.
            time_unit: "s", "ms" or "us" for every time; by default each has the one that suits it.

        Raises:
            AttributeError: events have no attribute ``sort_by``.
        """
        events = list(self)
        if not events:
            return ""
        if sort_by is not None:
            for event in events:
                getattr(event, sort_by)
            events.sort(key=lambda event: getattr(event, sort_by), reverse=True)
        name_width = min(max(len(event.key) for event in events) + 4, max_name_column_width)
        columns = self._columns(events, max_shapes_column_width, max_src_column_width)
        columns.insert(0, ("Name", name_width, lambda e: _cut(e.key, max_name_column_width)))
        rule = "".join("-" * width + "  " for _, width, _ in columns)
        lines = ["=" * (len(rule) - 2), header] if header is not None else []
        lines += [rule, "".join(f"{title:>{width}}  " for title, width, _ in columns), rule]
        shown = 0
        for event in events:
            if shown == row_limit:
                break
            if top_level_events_only and event.cpu_parent is not None:
                continue
            shown += 1
            lines.append("".join(f"{text(event):>{width}}  " for _, width, text in columns))
        lines += [rule, f"Self CPU time total: {_in_unit(self.self_cpu_time_total, time_unit)}", ""]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.table()

    def export_chrome_trace(self, path: str) -> None:
        """Writes single events as a trace that chrome://tracing and Perfetto show; see `lampas.profiler.profile`."""
        from lampas.profiler._trace import write_trace

        write_trace(self, path, {})


def _in_unit(us: float, unit: str | None) -> str:
    if unit is None:
        return _time(us)
    return f"{us / {'s': 1e6, 'ms': 1e3, 'us': 1.0}[unit]:.3f}{unit}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."


def _cut_front(text: str, width: int) -> str:
    return text if len(text) <= width else "..." + text[3 - width :]
