"""What a run leaves behind: JSON with every sample, Markdown, pictures; and how two runs compare."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import charts, sizes, tables
from .limits import Limits
from .machine import Machine
from .rows import Row, geometric_mean

CHANGED = 0.05  # a smaller change is the machine's
MEANS = [("torch", "PyTorch", 2.0), ("compile", "torch.compile", 1.2)]


@dataclass
class Report:
    """Everything about a run."""

    kind: str  # "workloads", "sizes", "scaling" or "memory"
    machine: Machine
    versions: dict[str, str]
    keys: list[str]  # the libraries
    rounds: int
    threads: int
    load: list[float]
    limits: Limits | None
    rows: Sequence[Row]

    def columns(self) -> list[tables.Column]:
        """The table's columns."""
        if self.kind == "memory":
            return tables.memory_columns(self.keys)
        if self.kind == "sizes":
            return tables.point_columns(self.keys)
        if self.kind == "scaling":
            return tables.scaling_columns(self.keys, self.threads)
        return tables.workload_columns(self.keys)

    def means(self) -> dict[str, float]:
        """The geometric means over the workloads' ratios, by the library they compare with."""
        means = {key: geometric_mean(self.rows, key) for key, _, _ in MEANS} if self.kind == "workloads" else {}
        return {key: mean for key, mean in means.items() if mean}

    def circumstances(self) -> str:
        """How it was measured."""
        rounds = f"best of {self.rounds} rounds in turn, " if self.kind != "memory" else ""
        return f"{rounds}{self.threads} threads each, {self.machine.date}"

    def version_text(self) -> str:
        """lampas 0.1.0, PyTorch 2.13.0"""
        numbers = {key: version.split("+lampas")[-1].split("+")[0] for key, version in self.versions.items()}
        return ", ".join(f"{tables.TITLES[key]} {number}" for key, number in numbers.items())

    def to_json(self) -> dict[str, Any]:
        """For json.dumps."""
        return {
            "kind": self.kind,
            "machine": asdict(self.machine),
            "versions": self.versions,
            "rounds": self.rounds,
            "threads": self.threads,
            "load": self.load,
            "limits": self.limits.to_json() if self.limits else None,
            "geometric_mean": self.means(),
            "rows": [row.to_json() for row in self.rows],
        }


# ---- sentences ----


def summary(report: Report) -> list[str]:
    """What stands under the table."""
    lines = []
    for key, title, goal in MEANS:
        if mean := report.means().get(key):
            lines.append(f"Geometric mean against {title}: {mean:.2f}× (goal: at least {goal:g}).")
    missed = [row.name for row in report.rows if row.met is False]
    if report.kind in ("workloads", "memory") and missed:
        lines.append(f"Goals not met: {', '.join(missed)}.")
    if report.limits:
        lines.append(report.limits.text())
    if report.kind == "memory":
        lines += memory_summary(report.rows)
    if report.kind == "sizes":
        measured = sum(row.ratio() is not None for row in report.rows)
        lines.append(f"Points where PyTorch is faster: {len(slower_points(report.rows))} of {measured}.")
    return lines


def memory_summary(rows: Sequence[Row]) -> list[str]:
    """What the columns mean, the growth with random shapes, and the bounded caches."""
    lines = [
        "Peaks are above what the process occupied after the import; `whole` includes that; `later` is the peak above "
        "what it occupied after ten steps."
    ]
    for key, side in rows[-1].sides.items() if rows else ():
        if "growth" in side.extra:
            grown, (early, last) = side.extra["growth"], side.extra["between"]
            text = f"memory changes by {grown:+.1%} from step {early} to step {last} (goal: less than +5%)"
            lines.append(f"Random shapes, {tables.TITLES[key]}: {text}.")
        if side.extra.get("caches"):
            kept = ", ".join(f"{name} {tables.size(value)}" for name, value in side.extra["caches"].items())
            lines.append(f"{tables.TITLES[key]} says about its caches after them: {kept}.")
    return lines


def slower_points(rows: Sequence[Row]) -> list[Row]:
    """The rows where PyTorch is faster, the worst first."""
    slower = [(ratio, row) for row in rows if (ratio := row.ratio()) is not None and ratio < 1]
    return [row for _, row in sorted(slower, key=lambda pair: pair[0])]


# ---- files ----


def markdown(report: Report) -> str:
    """Circumstances, table, summary."""
    where = report.machine
    points = [row for row in report.rows if isinstance(row, sizes.Point)]
    lines = [
        f"{where.text()}; {where.system}; Python {where.python}; {report.version_text()}; {report.circumstances()}; "
        f"load {report.load[0]:.1f} before and {report.load[1]:.1f} after.",
        "",
        tables.curve_markdown(points) if points else tables.markdown(report.columns(), report.rows),
    ]
    for sentence in summary(report):
        lines += [sentence, ""]
    if report.kind == "sizes":
        slower = slower_points(report.rows)
        if slower:
            lines += [tables.markdown(report.columns(), slower)]
    return "\n".join(lines).rstrip() + "\n"


def bar_chart(report: Report) -> charts.BarChart:
    """The picture of a table of workloads or of memory."""
    rows = [row for row in report.rows if row.ratio() and row.measures in ("step", "memory")]
    bars = [
        charts.Bar(
            row.name,
            row.ratio() or 1.0,
            tables.best(row, "lampas"),
            tables.best(row, "torch"),
            row.ratio("torch", of="compile"),
        )
        for row in rows
    ]
    what = (
        "how many times as fast" if report.kind == "workloads" else "how many times as little memory, beyond the import"
    )
    mean = report.means().get("torch")
    average = f"geometric mean {mean:.2f}×; " if mean else ""
    return charts.BarChart(
        title=f"lampas and PyTorch: {what}",
        subtitle=f"{average}{report.machine.text()}",
        footnote=f"{report.version_text()}; {report.circumstances()}; logarithmic scale",
        bars=bars,
        marker="torch.compile" if any(bar.marker for bar in bars) else "",
    )


def curve_chart(report: Report, points: Sequence[sizes.Point]) -> charts.CurveChart:
    """The picture of the scaling curve."""
    curves = []
    for name, layout in dict.fromkeys((point.op, point.layout) for point in points):
        line = [point for point in points if (point.op, point.layout) == (name, layout)]
        op = sizes.OPS[name]
        label = "" if op.name == op.title or op.title not in op.name else f"{op.name.split('_')[-1]} dimension"
        xs, ys = [point.size for point in line], [point.ratio() for point in line]
        curves.append(charts.Curve(op.title, label, layout != sizes.LAYOUTS[0], xs, ys))
    return charts.CurveChart(
        title="lampas and PyTorch: how many times as fast, by number of elements",
        subtitle=f"{report.machine.text()}; float32; below the line PyTorch is faster",
        footnote=f"{report.version_text()}; {report.circumstances()}",
        curves=curves,
    )


def draw(report: Report, files: Path) -> list[Path]:
    """Writes the report's picture, if it has one, as files.png and files.svg."""
    points = [row for row in report.rows if isinstance(row, sizes.Point) and row.ratio()]
    if report.kind == "sizes" and points:
        charts.draw_curves(curve_chart(report, points), files)
    elif report.kind in ("workloads", "memory") and (chart := bar_chart(report)).bars:
        charts.draw_bars(chart, files)
    else:
        return []
    return [files.with_suffix(suffix) for suffix in (".png", ".svg")]


def write_json(report: Report, file: Path) -> Path:
    """Writes everything, every sample included."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(report.to_json(), indent=1) + "\n")
    return file


def publish(report: Report, files: Path) -> list[Path]:
    """Writes what people read, files.md and the picture; what was written."""
    files.parent.mkdir(parents=True, exist_ok=True)
    table = files.with_suffix(".md")
    table.write_text(markdown(report))
    return [table, *draw(report, files)]


# ---- two runs ----


def compare(before: dict[str, Any], report: Report) -> list[str]:
    """Lines that hold this run against an earlier one's JSON. ValueError if it measured something else."""
    if before.get("kind") != report.kind:
        raise ValueError(f"it holds {before.get('kind', 'something else')!r}, this run measured {report.kind!r}")
    earlier = {row["name"]: row for row in before["rows"]}
    width = max([20] + [len(row.name) + 2 for row in report.rows])
    columns = ("before", "now", "change", "ratio before", "ratio now")
    lines = ["".ljust(width) + "".join(column.rjust(14) for column in columns)]
    changes = []
    for row in report.rows:
        past = earlier.get(row.name)
        key = next((key for key in row.sides if key == "lampas" or key == f"lampas {report.threads}"), "")
        then, now = past["sides"].get(key, {}).get("best") if past else None, row.best(key)
        if past is None or not then or not now:
            continue
        changes.append(now / then)
        mark = "" if abs(now / then - 1) < CHANGED else "  slower" if now > then else "  faster"
        if row.measures in ("memory", "size"):
            mark = mark.replace("slower", "more").replace("faster", "less")
        values = [tables.quantity(then, row.measures), tables.quantity(now, row.measures), f"{now / then - 1:+.1%}"]
        values += [tables.times(past.get("ratio")), tables.times(row.ratio())]
        lines.append(row.name.ljust(width) + "".join(value.rjust(14) for value in values) + mark)
    if not changes:
        raise ValueError("it has nothing that this run measured")
    where = [before["machine"].get("cpu"), before.get("threads")], [report.machine.cpu, report.threads]
    if where[0] != where[1]:
        lines.append(f"Not the same conditions: {where[0][0]}, {where[0][1]} threads before.")
    mean = statistics.geometric_mean(changes)
    lines.append(f"All together, now takes {mean:.2f} of what before took.")
    return lines
