"""`Timer`: how long a statement takes."""

from __future__ import annotations

import enum
import timeit
from collections.abc import Callable
from typing import Any, NoReturn

import lampas
from lampas.utils.benchmark.common import Measurement, TaskSpec, set_torch_threads

__all__ = ["Language", "Timer", "timer"]

timer = timeit.default_timer


class Language(enum.Enum):
    """The language of a statement; there is a compiler for neither, so only Python can be timed."""

    PYTHON = 0
    CPP = 1


class Timer:
    """Times a statement, after a warm-up, with one thread unless told otherwise.

    Args:
        stmt: what to time.
        setup: what runs before, once for each measurement.
        global_setup: for C++ only.
        timer: a clock, in seconds.
        globals: names that the statement sees; ``torch`` is among them.
        label, sub_label, description, env: texts for the results; rows of a `Compare` have one ``sub_label``,
            columns one ``description``.
        num_threads: how many threads ops use.
        language: Python.

    Raises:
        ValueError: another language, or a ``global_setup``.

    >>> Timer("x @ x", setup="x = torch.ones(64, 64)").blocked_autorange()
    """

    def __init__(
        self,
        stmt: str = "pass",
        setup: str = "pass",
        global_setup: str = "",
        timer: Callable[[], float] = timer,
        globals: dict[str, Any] | None = None,
        label: str | None = None,
        sub_label: str | None = None,
        description: str | None = None,
        env: str | None = None,
        num_threads: int = 1,
        language: Language | str = Language.PYTHON,
    ) -> None:
        if not isinstance(stmt, str):
            raise ValueError("Currently only a `str` stmt is supported.")
        if language not in (Language.PYTHON, "py", "python"):
            raise ValueError(f"Timer(language={language!r}): lampas times Python only")
        if global_setup:
            raise ValueError("global_setup is for C++; put it into setup")
        stmt, setup = _unindented(stmt), _unindented(setup)
        names = {**(globals or {})}
        names.setdefault("torch", lampas)
        names.setdefault("lampas", lampas)
        self._globals = names
        self._clock = timer
        self._task_spec = TaskSpec(stmt, setup, global_setup, label, sub_label, description, env, num_threads)
        self._timer = timeit.Timer(stmt=stmt, setup=setup, timer=timer, globals=names)

    def _run(self, number: int) -> float:
        return max(self._timer.timeit(number), 1e-9)

    def timeit(self, number: int = 1_000_000) -> Measurement:
        """One measurement of ``number`` executions."""
        with set_torch_threads(self._task_spec.num_threads):
            self._run(max(number // 100, 2))
            return Measurement(number, [self._run(number)], self._task_spec)

    def repeat(self, repeat: int = -1, number: int = -1) -> NoReturn:
        """Not there, as in PyTorch (NotImplementedError)."""
        raise NotImplementedError("See `Timer.blocked_autorange.`")

    def autorange(self, callback: Callable[[int, float], NoReturn] | None = None) -> NoReturn:
        """Not there, as in PyTorch (NotImplementedError)."""
        raise NotImplementedError("See `Timer.blocked_autorange.`")

    def _block_size(self, min_run_time: float) -> int:
        """How many executions make a run so long that the clock and the loop cost less than 0.1% of it."""
        overhead = sorted(self._run(0) for _ in range(5))[2]
        self._run(2)
        number = 1
        while True:
            took = self._run(number)
            if overhead / took <= 1e-3 and took >= min_run_time / 1000:
                return number
            if took > min_run_time:
                return number
            number *= 10

    def blocked_autorange(
        self, callback: Callable[[int, float], Any] | None = None, min_run_time: float = 0.2
    ) -> Measurement:
        """As many runs, each of many executions, as fit into ``min_run_time`` seconds.

        ``callback`` is called with the number of executions and the seconds of each run.
        """
        with set_torch_threads(self._task_spec.num_threads):
            number = self._block_size(min_run_time)
            times: list[float] = []
            while not times or sum(times) < min_run_time:
                times.append(self._run(number))
                if callback is not None:
                    callback(number, times[-1])
        return Measurement(number, times, self._task_spec)

    def adaptive_autorange(
        self,
        threshold: float = 0.1,
        *,
        min_run_time: float = 0.01,
        max_run_time: float = 10.0,
        callback: Callable[[int, float], Any] | None = None,
    ) -> Measurement:
        """As `blocked_autorange`, until the quartiles lie closer together than ``threshold`` times the median, or
        ``max_run_time`` seconds are over."""
        with set_torch_threads(self._task_spec.num_threads):
            number = self._block_size(0.05)
            times: list[float] = []
            while True:
                times.append(self._run(number))
                if callback is not None:
                    callback(number, times[-1])
                spent = sum(times)
                if spent >= max_run_time:
                    break
                if spent >= min_run_time and len(times) > 3:
                    if Measurement(number, times, self._task_spec).meets_confidence(threshold):
                        break
        return Measurement(number, times, self._task_spec)


def _unindented(text: str) -> str:
    import textwrap

    return textwrap.dedent(text).strip("\n") if "\n" in text else text
