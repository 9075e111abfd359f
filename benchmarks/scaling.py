"""What threads bring: large work with all threads against one, and small work, which they must not slow down."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from .processes import Library
from .rows import Row, Side
from .sizes import LAYOUTS
from .turns import Contender, contests
from .workloads import WORKLOADS

TOLERANCE = 0.95  # the part of its speed that small work may seem to lose: below this it is no longer the clock


@dataclass(frozen=True)
class Case:
    """A workload, or an op at a size, and the least speed-up expected."""

    name: str
    goal: float
    size: int = 0

    @property
    def title(self) -> str:
        """What tables call it."""
        return f"{self.name}, {self.size:,}" if self.size else self.name

    def job(self) -> tuple[str, dict[str, Any]]:
        """What a worker is to do."""
        if not self.size:
            return "workload", {"name": self.name}
        return "point", {"op": self.name, "size": self.size, "layout": LAYOUTS[0]}


LARGE = [Case("conv3x3", 1.7), Case("matmul_1024", 1.7)]
SMALL = [Case(name, TOLERANCE) for name in ("micro_add", "micro_autograd", "tiny_mlp", "tutorial_loop")]
SMALL += [Case(op, TOLERANCE, size) for op in ("add", "sum", "softmax", "max_pool") for size in (1000, 10_000, 100_000)]
CASES = LARGE + SMALL


def side_name(key: str, threads: int) -> str:
    """The side of a row that holds a library's time with so many threads."""
    return f"{key} {threads}"


def speed_up(row: Row, key: str, threads: int) -> float | None:
    """How many times as fast a library is with all threads as with one."""
    return row.ratio(over=side_name(key, 1), of=side_name(key, threads))


def run_case(case: Case, libraries: list[Library], rounds: int, threads: int, seconds: float) -> Row:
    """Measures every library with one thread and with all."""
    contenders = {side_name(side.key, count): Contender(side, count) for side in libraries for count in (1, threads)}
    about = f"{case.size:,} elements" if case.size else WORKLOADS[case.name].about
    row = Row(case.title, about, "step", {name: Side() for name in contenders}, case.goal)
    job, arguments = case.job()
    for contest in contests(contenders, rounds):
        contest.measure(row.sides, seconds, job, **arguments)
    return row


def run(
    libraries: list[Library], rounds: int, threads: int, seconds: float, show: Callable[[Row], None]
) -> Iterator[Row]:
    """Measures all cases and shows each as it is done."""
    for case in CASES:
        row = run_case(case, libraries, rounds, threads, seconds)
        show(row)
        yield row
