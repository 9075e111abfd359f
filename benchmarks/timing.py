"""Timing a step inside a worker."""

import time
import timeit
from dataclasses import dataclass, field
from typing import Any

from .workloads import WORKLOADS, Compile, Step, plain

SAMPLE = 0.01  # a sample lasts at least this long, in seconds, so that the clock's own cost does not count
WARM_UP = 3


@dataclass
class Prepared:
    """A step that is ready to be timed, and what there is to say about it: its checksum, or why there is none."""

    step: Step | None = None
    about: dict[str, Any] = field(default_factory=dict)
    sample_seconds: float = SAMPLE

    def samples(self, seconds: float) -> dict[str, Any]:
        """The job "sample"."""
        assert self.step is not None, "nothing is prepared"
        return {"samples": sample(self.step, seconds, self.sample_seconds)}


def checksum(torch: Any, result: Any) -> float | None:
    """One number that tells different results apart."""
    if isinstance(result, torch.Tensor):
        return result.detach().double().abs().mean().item()
    return None if result is None else float(result)


def run_once(step: Step) -> Any:
    """The result of a step."""
    if callable(step):
        return step()
    statement, names = step
    return eval(statement, dict(names))


def sample(step: Step, seconds: float, sample_seconds: float = SAMPLE) -> list[float]:
    """Seconds that a step takes, several times over, after a quarter of the time for warming up."""
    if callable(step):
        timer = timeit.Timer(step)
    else:
        statement, names = step
        unpack = "; ".join(f"{name} = names[{name!r}]" for name in names)
        timer = timeit.Timer(statement, unpack, globals={"names": names})
    end = time.perf_counter() + seconds / 4
    repeats = 0
    while repeats < WARM_UP or time.perf_counter() < end:
        last = timer.timeit(1)
        repeats += 1
        if last > seconds:  # nothing is gained by warming up what takes this long
            break
    # timeit keeps the garbage collector off while it measures.
    trial = max(1, repeats // 100)
    number = max(1, round(sample_seconds / (timer.timeit(trial) / trial)))
    samples: list[float] = []
    end = time.perf_counter() + seconds
    while len(samples) < 3 or time.perf_counter() < end:
        samples.append(timer.timeit(number) / number)
    return samples


def prepare_step(torch: Any, name: str, compile: Compile = plain) -> Step:
    """A workload's step."""
    prepare = WORKLOADS[name].prepare
    assert prepare is not None, f"{name} has no step"
    return prepare(torch, compile)


def compiled_step(torch: Any, name: str) -> Step | None:
    """A workload's step with `torch.compile` around what it may compile; None if there is nothing."""
    calls = []

    def compile(function: Any) -> Any:
        calls.append(function)
        return torch.compile(function)

    step = prepare_step(torch, name, compile)
    if not callable(step):
        statement, names = step
        function = eval(f"lambda {', '.join(names)}: {statement}", dict(names))
        return f"compiled({', '.join(names)})", {"compiled": compile(function), **names}
    return step if calls else None


def prepare_workload(torch: Any, name: str, compile: bool = False) -> Prepared:
    """The job "workload": its step, and the checksum of its first result."""
    step = compiled_step(torch, name) if compile else prepare_step(torch, name)
    if step is None:
        return Prepared(about={"skipped": "there is nothing to compile"})
    return Prepared(step, {"checksum": checksum(torch, run_once(step))})
