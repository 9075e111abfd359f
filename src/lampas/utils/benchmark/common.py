"""What was measured, and how it is printed."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import lampas

__all__ = [
    "Measurement",
    "TaskSpec",
    "ordered_unique",
    "select_unit",
    "set_torch_threads",
    "trim_sigfig",
    "unit_to_english",
]

_MOST_FIGURES = 4
_LEAST_INTERVAL = 25e-9  # no time is known better than this
_SPREAD_TO_WARN = 0.1
_SPREAD_TO_WARN_LOUDLY = 0.25
_UNITS = {"ns": ("nanosecond", 1e-9), "us": ("microsecond", 1e-6), "ms": ("millisecond", 1e-3), "s": ("second", 1.0)}


def _indented(text: str) -> str:
    return "".join(f"  {line}" if line.strip() else line for line in text.splitlines(True))


@dataclasses.dataclass(init=True, repr=False, eq=True, frozen=True)
class TaskSpec:
    """What is timed: the statement, its setup, and the texts that name it."""

    stmt: str
    setup: str
    global_setup: str = ""
    label: str | None = None
    sub_label: str | None = None
    description: str | None = None
    env: str | None = None
    num_threads: int = 1

    @property
    def title(self) -> str:
        """The label, or else the statement."""
        if self.label is not None:
            return self.label + (f": {self.sub_label}" if self.sub_label else "")
        if "\n" not in self.stmt:
            return self.stmt + (f": {self.sub_label}" if self.sub_label else "")
        return f"stmt:{f' ({self.sub_label})' if self.sub_label else ''}\n{_indented(self.stmt)}"

    def setup_str(self) -> str:
        """The setup as a paragraph; nothing where there is none."""
        if not self.setup or self.setup == "pass":
            return ""
        if "\n" in self.setup:
            return f"setup:\n{_indented(self.setup)}"
        return f"setup: {self.setup}"

    def summarize(self) -> str:
        """The paragraph above the numbers."""
        parts = [self.title, self.description or "", self.setup_str()]
        result = "\n".join(part for part in parts if part)
        if "\n" in self.stmt or "\n" in self.setup:
            parts = [part for part in parts if part]
            result = "\n".join(part + "\n" if "\n" in part else part for part in parts)
        return result


@dataclasses.dataclass(init=True, repr=False)
class Measurement:
    """Times of one statement.

    Args:
        number_per_run: how often the statement ran for each time.
        raw_times: seconds of each run.
        task_spec: what was timed.
        metadata: anything the program wants to keep with it.
    """

    number_per_run: int
    raw_times: list[float]
    task_spec: TaskSpec
    metadata: dict[Any, Any] | None = None

    def __getattr__(self, name: str) -> Any:
        # The texts of the task are read here as well.
        if not name.startswith("_") and name in TaskSpec.__dataclass_fields__:
            return getattr(self.task_spec, name)
        raise AttributeError(f"'Measurement' object has no attribute {name!r}")

    @property
    def times(self) -> list[float]:
        """Seconds of a single execution, for each run."""
        return [t / self.number_per_run for t in self.raw_times]

    def _checked(self) -> list[float]:
        if not self.raw_times:
            raise AssertionError("a Measurement without times has no statistics")
        return sorted(self.times)

    def _quantile(self, q: float) -> float:
        times = self._checked()
        place = q * (len(times) - 1)
        low = math.floor(place)
        high = min(low + 1, len(times) - 1)
        return times[low] + (place - low) * (times[high] - times[low])

    @property
    def median(self) -> float:
        """The median time, in seconds."""
        return self._quantile(0.5)

    @property
    def mean(self) -> float:
        """The mean time, in seconds."""
        return statistics.fmean(self._checked())

    @property
    def iqr(self) -> float:
        """How far apart the first and the third quartile are, in seconds."""
        return self._quantile(0.75) - self._quantile(0.25)

    @property
    def significant_figures(self) -> int:
        """How many figures of the median mean something, by a rough estimate of its error; 1 to 4."""
        times = self._checked()
        middle = times[len(times) // 4 : math.ceil(3 * len(times) / 4)]
        interval = max(1.645 * statistics.pstdev(middle) / math.sqrt(len(middle)), _LEAST_INTERVAL)
        return min(max(math.floor(math.log10(self.median / interval)), 1), _MOST_FIGURES)

    @property
    def has_warnings(self) -> bool:
        """Whether the times differ so much that something disturbed them."""
        return bool(self._warning)

    @property
    def _warning(self) -> str:
        if len(self.raw_times) < 2 or self.iqr / self.median < _SPREAD_TO_WARN:
            return ""
        spread = self.iqr / self.median
        remark = (
            "This suggests significant environmental influence."
            if spread >= _SPREAD_TO_WARN_LOUDLY
            else "This could indicate system fluctuation."
        )
        return f"  WARNING: Interquartile range is {spread * 100:.1f}% of the median measurement.\n           {remark}"

    def meets_confidence(self, threshold: float = _SPREAD_TO_WARN) -> bool:
        """Whether the spread is below this share of the median."""
        return self.iqr / self.median < threshold

    @property
    def title(self) -> str:
        """What was timed."""
        return self.task_spec.title

    @property
    def as_row_name(self) -> str:
        """What stands before its row in a comparison."""
        return self.sub_label or self.stmt or "[Unknown]"

    def __repr__(self) -> str:
        return f"{object.__repr__(self)}\n{self}"

    def __str__(self) -> str:
        unit, scale = select_unit(self.median)
        count, number = len(self.raw_times), self.number_per_run
        lines = [self.task_spec.summarize()]
        if count == 1:
            lines.append(f"  {self.median / scale:.2f} {unit}")
        else:
            lines.append(f"  Median: {self.median / scale:.2f} {unit}")
        if count >= 4:
            low, high = self._quantile(0.25) / scale, self._quantile(0.75) / scale
            lines.append(f"  IQR:    {self.iqr / scale:.2f} {unit} ({low:.2f} to {high:.2f})")
        threads = f"{self.num_threads} thread{'s' if self.num_threads > 1 else ''}"
        if count == 1:
            lines.append(f"  1 measurement, {number} runs , {threads}")
        else:
            lines.append(f"  {count} measurements, {number} runs per measurement, {threads}")
        if self._warning:
            lines.append(self._warning)
        return "\n".join(lines)

    @staticmethod
    def merge(measurements: Iterable[Measurement]) -> list[Measurement]:
        """One measurement for each task, with the times of all that measured it."""
        groups: dict[TaskSpec, list[float]] = {}
        for one in measurements:
            groups.setdefault(one.task_spec, []).extend(one.times)
        return [Measurement(1, times, task) for task, times in groups.items()]


def select_unit(t: float) -> tuple[str, float]:
    """The unit in which a time of ``t`` seconds is at least 1, and its size in seconds.

    >>> select_unit(1e-5)
    ('us', 1e-06)
    """
    for name in ("s", "ms", "us"):
        if t >= _UNITS[name][1]:
            return name, _UNITS[name][1]
    return "ns", 1e-9


def unit_to_english(u: str) -> str:
    """The name of a unit (KeyError: not a unit of time)."""
    return _UNITS[u][0]


def trim_sigfig(x: float, n: int) -> float:
    """``x`` rounded to ``n`` significant figures."""
    if x == 0:
        return 0.0
    scale = 10.0 ** (math.ceil(math.log10(abs(x))) - n)
    return round(x / scale) * scale


def ordered_unique(elements: Iterable[Hashable]) -> list[Any]:
    """Each element once, in the order in which they come first."""
    return list(dict.fromkeys(elements))


@contextmanager
def set_torch_threads(n: int) -> Iterator[None]:
    """A region in which ops use ``n`` threads."""
    before = lampas.get_num_threads()
    try:
        lampas.set_num_threads(n)
        yield
    finally:
        lampas.set_num_threads(before)
