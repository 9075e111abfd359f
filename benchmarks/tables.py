"""Tables, as text while the measuring goes on and as Markdown in the end, from the same columns."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from . import memory, scaling
from .rows import Row
from .sizes import Point

UNITS = [("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9)]
TITLES = {"lampas": "lampas", "torch": "PyTorch", "compile": "torch.compile"}


def seconds(value: float | None) -> str:
    """11.1 µs"""
    if value is None:
        return ""
    unit, scale = next((unit, scale) for unit, scale in UNITS if value >= scale or unit == "ns")
    number = value / scale
    return f"{number:.0f} {unit}" if number >= 100 else f"{number:.3g} {unit}"


def size(value: float | None) -> str:
    """52 MB"""
    if value is None:
        return ""
    return f"{value / 1e6:.0f} MB" if value >= 1e7 else f"{value / 1e6:.1f} MB"


def quantity(value: float | None, measures: str) -> str:
    """A value in the unit of its row."""
    return size(value) if measures in ("size", "memory") else seconds(value)


def times(value: float | None) -> str:
    """15.3×"""
    if value is None:
        return ""
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{digits}f}×"


def percent(value: float | None) -> str:
    """45%"""
    if value is None:
        return ""
    return f"{value:.0%}" if abs(value) >= 0.095 or value == 0 else f"{value:.1%}" if abs(value) >= 5e-4 else "~0%"


def yes_or_no(value: bool | None) -> str:
    """Empty for None."""
    return {True: "yes", False: "no", None: ""}[value]


def best(row: Row, key: str) -> str:
    """A library's cell: its best, or why there is none."""
    side = row.sides.get(key)
    if side is None or side.skipped:
        return "-"
    return "failed" if side.error else quantity(side.best, row.measures)


def goal(row: Row) -> str:
    """≥ 3.5×, ≤ 300 ns"""
    parts = [f"≥ {row.goal:g}×"] if row.goal else []
    return ", ".join(parts + ([f"≤ {quantity(row.at_most, row.measures)}"] if row.at_most else []))


@dataclass(frozen=True)
class Column:
    """A title, a width in text, and what stands in the row."""

    title: str
    width: int
    cell: Callable[[Row], str]
    bold: bool = False  # in Markdown
    in_text: bool = True
    in_markdown: bool = True


def name_column(width: int = 20) -> Column:
    """The row's name."""
    return Column("", width, lambda row: row.name)


def side_columns(keys: Iterable[str]) -> list[Column]:
    """Each library's best."""
    return [best_column(TITLES[key], key, max(10, len(TITLES[key]) + 2)) for key in keys]


def best_column(title: str, key: str, width: int) -> Column:
    """The best of one side."""
    return Column(title, width, lambda row: best(row, key))


def workload_columns(keys: Sequence[str]) -> list[Column]:
    """The columns for these libraries."""
    columns = [name_column(), Column("what", 0, lambda row: row.about, in_text=False), *side_columns(keys)]
    columns.append(Column("ratio", 9, lambda row: times(row.ratio()), bold=True))
    if "compile" in keys:
        columns.append(Column("to compile", 12, lambda row: times(row.ratio("compile"))))
    columns += [
        Column("limit", 10, lambda row: seconds(row.limit)),
        Column("of limit", 10, lambda row: percent(row.share)),
        Column("goal", 18, goal),
        Column("met", 5, lambda row: yes_or_no(row.met)),
        Column("noise", 7, lambda row: percent(row.noise) if row.measures != "size" else "", in_markdown=False),
    ]
    return columns


def memory_columns(keys: Sequence[str]) -> list[Column]:
    """Peaks above the import, whole peaks, and what was added after the warm-up."""

    def extra(key: str, name: str) -> Callable[[Row], str]:
        return lambda row: size(row.sides[key].extra.get(name)) if key in row.sides else ""

    def part(row: Row) -> str:
        ratio = row.ratio()
        return percent(1 / ratio if ratio else None)

    columns = [name_column(), Column("what", 0, lambda row: row.about, in_text=False), *side_columns(keys)]
    columns += [Column("part", 7, part, bold=True), Column("≤ 110%", 8, lambda row: yes_or_no(row.met))]
    for key in keys:
        columns.append(Column(f"whole: {TITLES[key]}", 17, extra(key, "peak")))
    columns.append(Column("part", 7, lambda row: percent(memory.whole_ratio(row))))
    for key in keys:
        columns.append(Column(f"later: {TITLES[key]}", 17, extra(key, "after_warm_up")))
    return columns


def point_columns(keys: Sequence[str]) -> list[Column]:
    """A point of the scaling curve."""
    shape = Column("shape", 24, lambda row: row.about)
    return [name_column(32), shape, *side_columns(keys), Column("ratio", 9, lambda row: times(row.ratio()), bold=True)]


def scaling_columns(keys: Sequence[str], threads: int) -> list[Column]:
    """Times with one thread and with all, and the speed-up."""

    def gain(key: str) -> Column:
        return Column("gain", 8, lambda row: times(scaling.speed_up(row, key, threads)), bold=True)

    columns = [name_column()]
    for key in keys:
        for count in (1, threads):
            columns.append(best_column(f"{TITLES[key]}, {count}", scaling.side_name(key, count), 12))
        columns.append(gain(key))
    columns.append(Column("goal", 10, goal))
    columns.append(Column("met", 5, lambda row: yes_or_no(scaling_met(row, threads))))
    return columns


def scaling_met(row: Row, threads: int) -> bool | None:
    """Whether our speed-up is as large as it should be."""
    gain = scaling.speed_up(row, "lampas", threads)
    return None if gain is None or not row.goal else gain >= row.goal


# ---- the two forms ----


def text_line(columns: Sequence[Column], row: Row | None = None) -> str:
    """The row, or the titles without one."""
    shown = [column for column in columns if column.in_text]
    values = [column.cell(row) if row else column.title for column in shown]
    pairs = list(zip(values, shown, strict=True))
    return values[0].ljust(shown[0].width) + "".join(f" {value}".rjust(column.width) for value, column in pairs[1:])


def remarks(row: Row) -> list[str]:
    """What a cell has no room for."""
    lines = [f"    {key}: {side.error or side.skipped}" for key, side in row.sides.items() if side.done]
    return lines + ([f"    {row.mismatch}"] if row.mismatch else [])


def markdown(columns: Sequence[Column], rows: Iterable[Row]) -> str:
    """The whole table."""
    shown = [column for column in columns if column.in_markdown]
    lines = ["| " + " | ".join(column.title for column in shown) + " |"]
    lines.append("|" + "|".join("---" if column.title in ("", "what", "shape") else "--:" for column in shown) + "|")
    for row in rows:
        cells = []
        for index, column in enumerate(shown):
            value = column.cell(row)
            if value and index == 0:
                value = f"`{value}`"
            cells.append(f"**{value}**" if value and column.bold else value)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def curve_markdown(points: Sequence[Point]) -> str:
    """The ratios of all ops: a line for each op and layout, a column for each size."""
    counts = sorted({point.size for point in points})
    lines = ["| | | " + " | ".join(f"{count:,}" for count in counts) + " |", "|---|---|" + "--:|" * len(counts)]
    for op, layout in dict.fromkeys((point.op, point.layout) for point in points):
        ratios = {point.size: point.ratio() for point in points if (point.op, point.layout) == (op, layout)}
        cells = " | ".join(times(ratios.get(count)) for count in counts)
        lines.append(f"| `{op}` | {layout} | {cells} |")
    return "\n".join(lines) + "\n"


def curve_text(title: str, sizes: Sequence[int], lines: Mapping[str, Sequence[float | None]]) -> str:
    """The ratios of an op: one line for each layout, one column for each size."""
    text = title.ljust(14) + "".join(f"{count:.0e}".replace("e+0", "e").rjust(8) for count in sizes)
    for layout, ratios in lines.items():
        text += "\n" + f"  {layout}".ljust(14) + "".join((times(ratio) or "-").rjust(8) for ratio in ratios)
    return text
