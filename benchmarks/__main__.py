"""Time lampas and PyTorch in turn, each in a process of its own, and print how they compare: ./dev bench --help.

In a round all libraries measure in short turns, never at once. What counts is each library's best over all rounds:
other programs on the machine only ever make a time longer. Results go to benchmarks/results, as JSON with every sample,
as a Markdown table and as a picture (PNG and SVG).

`workloads.py` says what is measured, `worker.py` measures it, `turns.py` says when, `limits.py` finds the machine's
limits, `sizes.py`, `scaling.py` and `memory.py` are the other measurements; `rows.py`, `tables.py`, `charts.py` and
`reports.py` are what becomes of the numbers.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator

from . import arguments, limits, memory, reports, scaling, sizes, tables
from .machine import this_machine
from .processes import Library, find_libraries, run_job
from .reports import Report
from .rows import Row, Side
from .turns import Contender, contests
from .workloads import WORKLOADS, Workload

BUSY = 0.3  # load per core above which times are not to be trusted


def measure_workload(workload: Workload, libraries: list[Library], options: argparse.Namespace) -> Row:
    """All rounds of a workload."""
    sides = {library.key: Side() for library in libraries}
    row = Row(
        workload.name, workload.about, workload.measures, sides, workload.goal, workload.at_most, not workload.extra
    )
    if workload.measures == "step":
        compiled = {"compile": {"compile": True}}
        contenders = {side.key: Contender(side, options.threads, compiled.get(side.key, {})) for side in libraries}
        for contest in contests(contenders, options.rounds):
            contest.measure(sides, options.seconds, "workload", name=workload.name)
        return row
    # A process gives one sample of the import, and the first may have to read the files from disk.
    if "compile" in sides:
        sides["compile"].skipped = "there is nothing to compile"
    for _ in range(5 * options.rounds if workload.measures == "import" else 1):
        for library in libraries:
            if not sides[library.key].done:
                sides[library.key].add(run_job(library, workload.measures))
    return row


def measure_limits(libraries: list[Library], options: argparse.Namespace) -> limits.Limits | None:
    """The machine's limits, the better of what the libraries reach; None if no workload is held against them."""
    if not any(WORKLOADS[name].cost for name in options.names):
        return None
    uncompiled = [library for library in libraries if library.key != "compile"]
    results = [run_job(side, "limits", threads=options.threads, seconds=options.seconds / 5) for side in uncompiled]
    return limits.combined(result for result in results if "error" not in result)


def show_row(columns: list[tables.Column]) -> Callable[[Row], None]:
    """What prints a row and its remarks."""
    print(tables.text_line(columns), flush=True)

    def show(row: Row) -> None:
        print("\n".join([tables.text_line(columns, row), *tables.remarks(row)]), flush=True)

    return show


def measure_workloads(report: Report, libraries: list[Library], options: argparse.Namespace) -> None:
    """The table of times; limits are measured before and after, and the better counts."""
    found = measure_limits(libraries, options)
    show = show_row(report.columns())
    for name in options.names:
        row = measure_workload(WORKLOADS[name], libraries, options)
        set_limit(row, found)
        show(row)
        report.rows = [*report.rows, row]
    later = None if options.quick else measure_limits(libraries, options)
    report.limits = limits.combined(part.to_json() for part in (found, later) if part)
    for row in report.rows:
        set_limit(row, report.limits)


def set_limit(row: Row, found: limits.Limits | None) -> None:
    """Says in the row what the machine could reach."""
    cost = WORKLOADS[row.name].cost
    row.limit = found.seconds(cost) if found and cost else None


def show_op(op: sizes.Op, points: list[sizes.Point]) -> None:
    """Prints the ratios of an op's points, and what went wrong."""
    counts = sorted({point.size for point in points})
    by_layout = {layout: [point.ratio() for point in points if point.layout == layout] for layout in sizes.LAYOUTS}
    print(tables.curve_text(op.name, counts, by_layout), flush=True)
    said = {remark: None for point in points for remark in tables.remarks(point)}
    print("\n".join(said), end="\n" if said else "", flush=True)


def measure_others(report: Report, libraries: list[Library], options: argparse.Namespace) -> None:
    """The scaling curve, the threads or the memory."""
    rounds, threads, seconds = options.rounds, options.threads, options.seconds
    rows: Iterator[Row]
    if report.kind == "sizes":
        ops, counts = options.chosen_ops, options.point_sizes
        rows = sizes.run(ops, counts, libraries, rounds, threads, options.point_seconds, show_op)
    elif report.kind == "scaling":
        rows = scaling.run(libraries, rounds, threads, seconds / 2, show_row(report.columns()))
    else:
        steps = 100 if options.quick else memory.STEPS
        rows = memory.run(options.names, libraries, threads, seconds, steps, show_row(report.columns()))
    for row in rows:
        report.rows = [*report.rows, row]


def finish(report: Report, options: argparse.Namespace, whole: bool) -> None:
    """Prints the summary, writes the files, compares."""
    report.load[1] = os.getloadavg()[0]
    for row in report.rows:
        report.versions |= {key: s.version for key, s in row.sides.items() if s.version and key in ("lampas", "torch")}
    print()
    for line in reports.summary(report):
        print(line)
    if report.kind == "sizes":
        for row in reports.slower_points(report.rows):
            print(tables.text_line(report.columns(), row))
    name = report.kind if whole else f"{report.kind}-partial"
    written = [reports.write_json(report, options.output / f"{name}.json")]
    written += reports.publish(report, options.output / name)
    if options.publish and whole:
        written += reports.publish(report, arguments.PUBLISHED / report.kind)
    if options.json and report.kind == options.kind:
        written.append(reports.write_json(report, options.json))
    print("written: " + ", ".join(map(str, written)))


def run(kind: str, libraries: list[Library], options: argparse.Namespace) -> Report:
    """One measurement, from the heading to the files."""
    where = this_machine()
    load = os.getloadavg()[0]
    keys = [library.key for library in libraries]
    report = Report(kind, where, {}, keys, options.rounds, options.threads, [load, load], None, [])
    print(f"{where.text()}; {report.circumstances()}")
    if load > BUSY * where.cores:
        print(f"Other programs are using this machine (load {load:.1f}): times will be too long, ratios uncertain.")
    print()
    whole = options.whole
    try:
        (measure_workloads if kind == "workloads" else measure_others)(report, libraries, options)
    except KeyboardInterrupt:
        print("\ninterrupted; what was measured until now is kept")
        whole = False
    finish(report, options, whole)
    return report


def main() -> int:
    """The exit status: 1 if something could not be measured, except by torch.compile."""
    options = arguments.parse()
    if options.list:
        for workload in WORKLOADS.values():
            print(f"{workload.name:20} {workload.about}{' (extra)' if workload.extra else ''}")
        return 0
    earlier = json.loads(options.compare.read_text()) if options.compare else None
    libraries = find_libraries(options.lampas_python, options.torch_python, options.compile)
    if not libraries:
        return 1
    report = run(options.kind, libraries, options)
    done = [report]
    if options.kind == "sizes" and not options.ops:
        done.append(run("scaling", libraries, options))
    if earlier is not None:
        try:
            print("\n" + "\n".join(reports.compare(earlier, report)))
        except ValueError as problem:
            print(f"cannot compare with {options.compare}: {problem}", file=sys.stderr)
            return 1
    sides = [item for part in done for row in part.rows for item in row.sides.items()]
    return int(any(side.error for key, side in sides if key != "compile"))


if __name__ == "__main__":
    sys.exit(main())
