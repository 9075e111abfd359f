"""Where a program's time goes: its ops, and its Python functions."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any

from lampas import _C

__all__ = ["profiled"]

_ROWS = 20


class _OpTimes:
    """Seconds and calls of every op the program's main thread calls, seen as a function mode."""

    def __init__(self) -> None:
        self.calls: dict[str, int] = {}
        self.seconds: dict[str, float] = {}

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        start = time.perf_counter()
        try:
            return func(*args, **(kwargs or {}))
        finally:
            spent = time.perf_counter() - start
            name = getattr(func, "__name__", str(func))
            self.calls[name] = self.calls.get(name, 0) + 1
            self.seconds[name] = self.seconds.get(name, 0.0) + spent


def _table(title: str, header: tuple[str, ...], rows: list[tuple]) -> list[str]:
    lines = ["", title, f"{header[0]:>10} {header[1]:>7} {header[2]:>10} {header[3]:>12}  {header[4]}", "-" * 78]
    for seconds, share, calls, each, name in rows:
        lines.append(f"{seconds * 1e3:>10,.1f} {share:>6.1%} {calls:>10,} {each * 1e6:>12,.1f}  {name}")
    return lines


def _place(file: str, line: int, name: str) -> str:
    if file == "~":
        return name.strip("<>")
    package = os.path.dirname(os.path.abspath(__file__))
    if file.startswith(package):
        return f"{name} (lampas{file[len(package) :]}:{line})"
    short = os.path.relpath(file) if os.path.isabs(file) else file
    return f"{name} ({short if len(short) < len(file) else file}:{line})"


def _report(wall: float, ops: _OpTimes, profiler: Any) -> str:
    import pstats

    in_ops = sum(ops.seconds.values())
    order = sorted(ops.seconds, key=lambda name: -ops.seconds[name])
    rows: list[tuple] = [
        (ops.seconds[n], ops.seconds[n] / wall, ops.calls[n], ops.seconds[n] / ops.calls[n], n) for n in order[:_ROWS]
    ]
    lines = ["", f"{wall:.3f} s in all, {in_ops:.3f} s of it in {sum(ops.calls.values()):,} calls of ops"]
    header = ("total ms", "share", "calls", "us per call")
    title = "Ops, by total time (the backward pass is the function run_backward or backward below)"
    lines += _table(title, (*header, "op"), rows)

    stats = pstats.Stats(profiler, stream=sys.stderr).stats
    ours = (os.path.abspath(__file__), os.path.join(os.path.dirname(os.path.abspath(__file__)), "__main__.py"))
    functions: list[tuple[Any, ...]] = [
        (total, within, calls, _place(*place))
        for place, (_, calls, total, within, _) in stats.items()
        if place[0] not in ours and not place[0].startswith("<frozen") and "_lsprof.Profiler" not in place[2]
    ]
    for which, index in (("own time", 0), ("time with all they call", 1)):
        functions.sort(key=lambda row: -row[index])
        rows = [(row[index], row[index] / wall, row[2], row[index] / row[2], row[3]) for row in functions[:_ROWS]]
        lines += _table(f"Functions, by {which}", (*header, "function"), rows)
    return "\n".join(lines)


def profiled(program: Callable[[], Any]) -> Callable[[], Any]:
    """The program, and afterwards, however it ends, tables on stderr of where its time went.

    The share is of the whole running time. Times of functions include what watching them costs, so a Python function
    called very often looks somewhat slower than it is.
    """
    import cProfile

    def run() -> Any:
        ops, profiler = _OpTimes(), cProfile.Profile()
        start = time.perf_counter()
        _C._push_on_torch_function_stack(ops)
        profiler.enable()
        try:
            return program()
        finally:
            profiler.disable()
            _C._pop_torch_function_stack()
            wall = time.perf_counter() - start
            sys.stdout.flush()
            print(_report(wall, ops, profiler), file=sys.stderr)

    return run
