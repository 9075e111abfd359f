"""The scaling curve: twelve ops from 10 to 10^8 elements, contiguous and strided, in both libraries.

A process of each library measures one op at all its sizes; at every point they take turns.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .costs import F32
from .processes import Library
from .rows import Row, Side
from .timing import Prepared, checksum, run_once
from .turns import Contender, contests

LAYOUTS = ("contiguous", "strided")
SAMPLE = 0.002  # seconds that a sample lasts at least: there are many points
CHECKED = 10**6  # results of up to so many elements are compared


@dataclass(frozen=True)
class Op:
    """One curve: a statement over a matrix (or a batch of images) `a`, and `b` alike if it has two operands."""

    name: str
    title: str  # of its picture; the two means share one
    statement: str
    operands: int = 1
    images: bool = False


OPS = {
    op.name: op
    for op in [
        Op("add", "add", "a + b", operands=2),
        Op("mul", "mul", "a * b", operands=2),
        Op("relu", "relu", "relu(a)"),
        Op("gelu", "gelu", "gelu(a)"),
        Op("exp", "exp", "exp(a)"),
        Op("sum", "sum", "sum(a)"),
        Op("mean_last", "mean", "mean(a, -1)"),
        Op("mean_first", "mean", "mean(a, 0)"),
        Op("softmax", "softmax", "softmax(a, -1)"),
        Op("layer_norm", "layer_norm", "layer_norm(a, width, weight, bias)"),
        Op("transpose", "transpose-copy", "a.t().contiguous()"),
        Op("cat", "cat", "cat((a, b))", operands=2),
        Op("max_pool", "max pooling", "max_pool2d(a, 2)", images=True),
    ]
}


def select_ops(names: str | None) -> list[Op]:
    """The ops of a comma-separated list ("mean" means both); all without one. ValueError for what is not there."""
    if not names:
        return list(OPS.values())
    chosen: list[Op] = []
    for name in names.split(","):
        found = [op for op in OPS.values() if name.strip() in (op.name, op.title)]
        if not found:
            raise ValueError(f"there is no op {name.strip()!r}; there are: {', '.join(OPS)}")
        chosen += [op for op in found if op not in chosen]
    return chosen


def powers(smallest: int, largest: int, steps: int) -> list[int]:
    """Sizes from one power of ten to another, with 1, 2 or 3 of them in each."""
    leads = {1: (1,), 2: (1, 3), 3: (1, 2, 5)}[steps]
    sizes, power = [], 1
    while power <= largest:
        sizes += [lead * power for lead in leads if smallest <= lead * power <= largest]
        power *= 10
    return sizes


def shape_of(size: int, images: bool) -> tuple[int, ...]:
    """A matrix about as high as wide, or images of 10 × 10, from 10^6 on of 100 × 100, with that many elements."""
    lead, power = int(str(size)[0]), len(str(size)) - 1
    if not images:
        return 10 ** (power // 2), lead * 10 ** (power - power // 2)
    if power < 2:
        return 1, 1, 2, 5 * lead
    side = 1 if power < 6 else 2
    rest = power - 2 * side
    return 10 ** (rest // 2), 10 ** (rest - rest // 2), 10**side, lead * 10**side


@dataclass
class Point(Row):
    """A row of the curve."""

    op: str = ""
    layout: str = ""
    size: int = 0


# ---- in the worker ----


def lay_out(torch: Any, shape: tuple[int, ...], layout: str) -> Any:
    """Random numbers of this shape; strided means every second element of the last dimension of something wider."""
    if layout == "contiguous":
        return torch.rand(shape).sub_(0.5)
    return torch.rand(*shape[:-1], 2 * shape[-1]).sub_(0.5)[..., ::2]


def missing_memory(op: Op, size: int) -> str:
    """What to say if the machine has too little memory free for this size."""
    needed = size * F32 * (2 * op.operands + 2)
    meminfo = Path("/proc/meminfo")
    if not meminfo.exists():
        return ""
    (line,) = (line for line in meminfo.read_text().splitlines() if line.startswith("MemAvailable"))
    available = int(line.split()[1]) * 1024
    if needed <= 0.8 * available:
        return ""
    return f"needs {needed / 2**30:.1f} GiB of memory, {available / 2**30:.1f} GiB are free"


def prepare_point(torch: Any, op: str, size: int, layout: str) -> Prepared:
    """The job "point": an op at a size in a layout."""
    chosen = OPS[op]
    F = torch.nn.functional
    if reason := missing_memory(chosen, size):
        return Prepared(about={"skipped": reason})
    shape = shape_of(size, chosen.images)
    names = {name: lay_out(torch, shape, layout) for name in "ab"[: chosen.operands]}
    names |= {name: getattr(torch, name) for name in ("relu", "exp", "sum", "mean", "softmax", "cat")}
    names |= {"gelu": F.gelu, "layer_norm": F.layer_norm, "max_pool2d": F.max_pool2d}
    names |= {"width": shape[-1:], "weight": torch.ones(shape[-1]), "bias": torch.zeros(shape[-1])}
    step = chosen.statement, names
    about = {"checksum": checksum(torch, run_once(step))} if size <= CHECKED else {}
    return Prepared(step, about, SAMPLE)


# ---- all points ----


def points_of(op: Op, sizes: list[int], libraries: list[Library]) -> dict[tuple[int, str], Point]:
    """Points without samples, for every size and layout."""
    points = {}
    for size in sizes:
        for layout in LAYOUTS:
            shape = " × ".join(map(str, shape_of(size, op.images)))
            sides = {library.key: Side() for library in libraries}
            name = f"{op.name} {layout} {size}"
            points[size, layout] = Point(name, shape, "step", sides, 1.0, op=op.name, layout=layout, size=size)
    return points


def run_op(
    op: Op, sizes: list[int], libraries: list[Library], rounds: int, threads: int, seconds: float
) -> list[Point]:
    """Measures an op at all sizes."""
    points = points_of(op, sizes, libraries)
    contenders = {library.key: Contender(library, threads) for library in libraries}
    for contest in contests(contenders, rounds):
        for (size, layout), point in points.items():
            contest.measure(point.sides, seconds, "point", op=op.name, size=size, layout=layout)
    return list(points.values())


def run(
    ops: list[Op],
    sizes: list[int],
    libraries: list[Library],
    rounds: int,
    threads: int,
    seconds: float,
    show: Callable[[Op, list[Point]], None],
) -> Iterator[Point]:
    """Measures all ops and shows each as it is done."""
    for op in ops:
        points = run_op(op, sizes, libraries, rounds, threads, seconds)
        show(op, points)
        yield from points
