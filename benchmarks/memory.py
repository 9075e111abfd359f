"""Memory: the peak of every workload in a process of its own, and 1,000 steps with random shapes.

Counted is what the process itself occupies (VmRSS, and its peak VmHWM), so the allocator's cache, generated code and
everything else is included. What importing the library takes is measured apart.
"""

import importlib
import random
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .models import gpt
from .processes import Library, run_job
from .rows import Row, Side
from .timing import prepare_step, run_once
from .workloads import WORKLOADS

ALLOWED = 1.1  # times PyTorch's peak
WARM_UP = 10  # steps
STEPS, EARLY = 1000, 200  # memory is compared between these steps
WINDOW = 20  # steps whose median counts
ALLOWED_GROWTH = 0.05


# ---- in the worker ----


def occupied(field: str) -> int:
    """VmRSS or VmHWM of this process, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {field}")


def forget_peak() -> None:
    """Sets VmHWM to the present VmRSS, where the system allows it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def after_import(torch: Any) -> int:
    """What the process occupies when the parts that workloads use are imported, in both libraries the same ones."""
    import numpy  # noqa: F401

    for part in ("nn.functional", "optim", "utils.data"):
        importlib.import_module(f"{torch.__name__}.{part}")
    forget_peak()
    return occupied("VmRSS")


def caches(torch: Any) -> dict[str, int]:
    """The bytes that the engine keeps and their bounds, as far as it says."""
    if torch.__name__ != "lampas":
        return {}
    parts = {"memory": torch._C._memory_stats(), **torch._C._caches()}
    return {
        f"{name.replace('_', ' ')} {key}": value
        for name, stats in parts.items()
        for key, value in stats.items()
        if "bytes" in key
    }


def measure(torch: Any, name: str, seconds: float) -> dict[str, Any]:
    """The job "memory": the peak of a workload above what the import took."""
    base = after_import(torch)
    step = prepare_step(torch, name)
    for _ in range(WARM_UP):
        run_once(step)
    warm, count, end = occupied("VmRSS"), 0, time.perf_counter() + seconds
    while count < WARM_UP or time.perf_counter() < end:
        run_once(step)
        count += 1
    peak = occupied("VmHWM")
    # A workload may well run in what the import left behind; a page is then as good as nothing.
    extra = {"import": base, "peak": peak, "after_warm_up": max(0, peak - warm), "caches": caches(torch)}
    return {"samples": [max(peak - base, 4096)], "extra": extra}


def random_model(torch: Any) -> tuple[list[Any], Callable[[random.Random], Any]]:
    """A convolutional, a recurrent and an attention model; and the loss of all three on a batch of random shapes."""
    nn = torch.nn
    layers = [nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)]
    layers += [nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10)]
    images, sequences = nn.Sequential(*layers), nn.LSTM(32, 64, batch_first=True)
    text = gpt(torch, blocks=1, width=64, heads=2, length=64, symbols=100)
    parameters = [p for model in (images, sequences, text) for p in model.parameters()]

    def loss_of(shapes: random.Random) -> Any:
        batch, height, width, length = (shapes.randint(*bounds) for bounds in [(1, 16), (8, 48), (8, 48), (1, 64)])
        loss = images(torch.rand(batch, 3, height, width)).square().mean()
        loss = loss + sequences(torch.rand(batch, length, 32))[0].square().mean()
        return loss + text(torch.randint(0, 100, (batch, length))).square().mean()

    return parameters, loss_of


def random_shapes(torch: Any, steps: int = STEPS) -> dict[str, Any]:
    """The job "shapes": what the process occupies after every training step, each on a batch of other shapes."""
    base = after_import(torch)
    parameters, loss_of = random_model(torch)
    optimizer = torch.optim.Adam(parameters, lr=1e-3)
    shapes = random.Random(0)
    trace = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss_of(shapes).backward()
        optimizer.step()
        trace.append(occupied("VmRSS"))
    peak = occupied("VmHWM")
    extra = {"import": base, "peak": peak, "trace": trace[9::10], "caches": caches(torch)}
    early = steps * EARLY // STEPS
    extra |= {"growth": growth(trace, early), "between": [early, steps]}
    return {"samples": [peak - base], "extra": extra}


def growth(trace: list[int], early: int) -> float:
    """The part by which the end of a trace is above its early step, each the median of some steps before it."""
    window = min(WINDOW, early)
    return statistics.median(trace[-window:]) / statistics.median(trace[early - window : early]) - 1


# ---- all workloads ----


def whole_ratio(row: Row) -> float | None:
    """Our process's whole peak, imports included, as a part of PyTorch's."""
    peaks = [row.sides[key].extra.get("peak") if key in row.sides else None for key in ("lampas", "torch")]
    return peaks[0] / peaks[1] if peaks[0] and peaks[1] else None


def run_row(title: str, about: str, job: str, libraries: list[Library], **arguments: Any) -> Row:
    """One process for every library."""
    row = Row(title, about, "memory", {library.key: Side() for library in libraries}, 1 / ALLOWED)
    for library in libraries:
        row.sides[library.key].add(run_job(library, job, **arguments))
    return row


def run(
    names: list[str], libraries: list[Library], threads: int, seconds: float, steps: int, show: Callable[[Row], None]
) -> Iterator[Row]:
    """The peak of every workload named, then the random shapes."""
    for name in names:
        workload = WORKLOADS[name]
        if workload.prepare is None:
            continue
        row = run_row(name, workload.about, "memory", libraries, name=name, threads=threads, seconds=seconds)
        show(row)
        yield row
    about = f"{steps:,} training steps of a convolutional, a recurrent and an attention model on random shapes"
    row = run_row("random_shapes", about, "shapes", libraries, threads=threads, steps=steps)
    show(row)
    yield row
