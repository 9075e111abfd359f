"""Time lampas and PyTorch in turn, each in a process of its own, and print how they compare.

    ./dev bench                          every workload that has a goal
    ./dev bench add4 cnn_mnist           these
    ./dev bench all --rounds 9           everything, with more patience

A round measures both libraries, one after the other and never at once, and rounds alternate which goes first. What
counts is each library's best time over all rounds: other programs on the machine only ever make a time longer. Results
go to benchmarks/results, as JSON with every sample and as a Markdown table.
"""

import argparse
import datetime
import json
import math
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

from workloads import WORKLOADS

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
MISMATCH = 1e-2  # first results that differ by more than this share mean that the two do not compute the same


def machine(threads):
    """What the times depend on beside the two libraries."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        fields = dict(line.split(":", 1) for line in cpuinfo.read_text().splitlines() if ":" in line)
        fields = {key.strip(): value.strip() for key, value in fields.items()}
        model = fields.get("model name", model)
        flags = fields.get("flags", "").split()
        vectors = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags]
        model += f" ({', '.join(vectors)})"
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": threads,
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": platform.platform(),
        "python": platform.python_version(),
        "date": datetime.date.today().isoformat(),
    }


def measure(python, library, name, threads, seconds):
    """One worker's result, or {"error": its last words}."""
    environment = {**os.environ}
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        environment[variable] = str(threads)
    command = [str(python), str(HERE / "worker.py"), library, name, str(threads), str(seconds)]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    except subprocess.TimeoutExpired:
        return {"error": "took longer than 10 minutes"}
    if done.returncode != 0:
        words = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        return {"error": words[-1]}
    return json.loads(done.stdout.splitlines()[-1])


def run_workload(workload, pythons, options):
    """All rounds of a workload: for each library its best, its median, all samples and its errors."""
    sides = {library: {"samples": []} for library in pythons}
    rounds = 1 if workload.measures == "size" else options.rounds
    for turn in range(rounds):
        for library in list(pythons)[:: 1 if turn % 2 == 0 else -1]:
            side = sides[library]
            if "error" in side:
                continue
            # A process gives one sample of the import, and the first may have to read the files from disk.
            for _ in range(5 if workload.measures == "import" else 1):
                result = measure(pythons[library], library, workload.name, options.threads, options.seconds)
                side["samples"] += result.pop("samples", [])
                side.update(result)
    for side in sides.values():
        if side["samples"] and "error" not in side:
            side["best"], side["median"] = min(side["samples"]), statistics.median(side["samples"])
    row = {"name": workload.name, "about": workload.about, "measures": workload.measures}
    row |= {"goal": workload.goal, "at_most": workload.at_most, **sides}
    ours, theirs = (sides.get(library, {}) for library in ("lampas", "torch"))
    if "best" in ours and "best" in theirs:
        row["ratio"] = theirs["best"] / ours["best"]
        if ours["checksum"] is not None and theirs["checksum"] is not None:
            row["same"] = math.isclose(ours["checksum"], theirs["checksum"], rel_tol=MISMATCH, abs_tol=1e-6)
    return row


# ---- what is printed ----


def quantity(value, measures):
    if value is None:
        return ""
    if measures == "size":
        return f"{value / 1e6:.0f} MB"
    for unit, size in [("s", 1), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9)]:
        if value >= size or unit == "ns":
            return f"{value / size:.3g} {unit}"


def goal_text(row):
    parts = [f"{row['goal']:g}×"] if row["goal"] else []
    if row["at_most"]:
        parts.append(f"≤ {quantity(row['at_most'], row['measures'])}")
    return ", ".join(parts)


def verdict(row):
    """Whether the goal is met: "yes" or "no"; "" without a goal or without what it takes to say."""
    best = row.get("lampas", {}).get("best")
    met = []
    if row["goal"] and "ratio" in row:
        met.append(row["ratio"] >= row["goal"])
    if row["at_most"] and best is not None:
        met.append(best <= row["at_most"])
    return ("yes" if all(met) else "no") if met else ""


def cells(row):
    def best(library):
        side = row.get(library)
        if side is None:
            return "-"
        return "failed" if "error" in side else quantity(side["best"], row["measures"])

    # How much the usual sample is above the best: large where other programs were using the machine.
    sides = [row[library] for library in ("lampas", "torch") if "best" in row.get(library, {})]
    above = [side["median"] / side["best"] - 1 for side in sides]
    noise = f"{max(above):.0%}" if above and row["measures"] != "size" else ""
    ratio = f"{row['ratio']:.2f}×" if "ratio" in row else ""
    return [row["name"], best("lampas"), best("torch"), ratio, goal_text(row), verdict(row), noise]


HEADER = ["workload", "lampas", "PyTorch", "ratio", "goal", "met", "noise"]
WIDTHS = [20, 10, 10, 9, 16, 5, 7]


def print_cells(values):
    rest = (value.rjust(width) for value, width in zip(values[1:], WIDTHS[1:]))
    print(values[0].ljust(WIDTHS[0]) + "".join(rest), flush=True)


def print_remarks(row):
    for library in ("lampas", "torch"):
        if "error" in row.get(library, {}):
            print(f"    {library}: {row[library]['error']}")
    if row.get("same") is False:
        values = row["lampas"]["checksum"], row["torch"]["checksum"]
        print(f"    the two compute different things: {values[0]:.6g} against {values[1]:.6g}")


def geometric_mean(rows):
    ratios = [row["ratio"] for row in rows if "ratio" in row and row["measures"] == "step"]
    return statistics.geometric_mean(ratios) if ratios else None


def markdown(report):
    where, rows = report["machine"], report["rows"]
    lines = [
        f"{where['cpu']}, {where['cores']} cores, {where['threads']} threads each, {where['memory'] / 2**30:.0f} GiB; "
        f"{where['system']}; Python {where['python']}; "
        + ", ".join(f"{name} {version}" for name, version in report["versions"].items())
        + f"; {where['date']}; best of {report['rounds']} rounds; load {report['load'][0]:.1f} before and "
        f"{report['load'][1]:.1f} after.",
        "",
        "| workload | | lampas | PyTorch | ratio | goal |",
        "|---|---|--:|--:|--:|--:|",
    ]
    for row in rows:
        name, ours, theirs, ratio, goal, _, _ = cells(row)
        lines.append(f"| `{name}` | {row['about']} | {ours} | {theirs} | {ratio and f'**{ratio}**'} | {goal} |")
    mean = geometric_mean(rows)
    if mean:
        lines += ["", f"Geometric mean over the steps: {mean:.2f}×."]
    return "\n".join(lines) + "\n"


# ---- the command line ----


def find_python(given, folder, library):
    """The Python that has a library: the one given, ./dev's environment, or else none."""
    python = Path(given) if given else HERE.parent / folder / "bin" / "python"
    try:
        found = subprocess.run([str(python), "-c", f"import {library}"], capture_output=True, text=True)
    except OSError as error:
        problem = f"{python}: {error.strerror}"
    else:
        if found.returncode == 0:
            return python
        problem = f"{python}: {(found.stderr.strip().splitlines() or ['?'])[-1]}"
    print(f"{library} cannot be measured ({problem})", file=sys.stderr)
    return None


def parse_arguments():
    parser = argparse.ArgumentParser(prog="./dev bench", description="Time lampas and PyTorch in turn.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="workloads (default: those with a goal), or all")
    parser.add_argument("--list", action="store_true", help="say what there is to measure, and measure nothing")
    parser.add_argument("--rounds", type=int, help="times that both are measured (default: 5)")
    parser.add_argument("--threads", type=int, help="threads of each library (default: one a core)")
    parser.add_argument("--quick", action="store_true", help="2 short rounds: an impression, not a result")
    parser.add_argument("--lampas-python", metavar="PATH", help="a Python that has lampas (default: .venv)")
    parser.add_argument("--torch-python", metavar="PATH", help="a Python that has PyTorch (default: .venv-torch)")
    parser.add_argument("--output", type=Path, default=RESULTS, metavar="FOLDER", help="default: benchmarks/results")
    options = parser.parse_args()
    for name in options.names:
        if name not in WORKLOADS and name != "all":
            parser.error(f"there is no workload {name!r}; there are: {', '.join(WORKLOADS)}, all")
    for flag in ("rounds", "threads"):
        value = getattr(options, flag)
        if value is not None and value < 1:
            parser.error(f"--{flag} {value}: must be at least 1")
    options.rounds = options.rounds or (2 if options.quick else 5)
    options.threads = options.threads or len(os.sched_getaffinity(0))
    options.seconds = 0.2 if options.quick else 1.0
    options.whole = not options.quick and (not options.names or "all" in options.names)
    if "all" in options.names:
        options.names = list(WORKLOADS)
    options.names = options.names or [w.name for w in WORKLOADS.values() if w.goal or w.at_most]
    return options


def main():
    options = parse_arguments()
    if options.list:
        for workload in WORKLOADS.values():
            print(f"{workload.name:20} {workload.about}")
        return 0
    pythons = {
        "lampas": find_python(options.lampas_python, ".venv", "lampas"),
        "torch": find_python(options.torch_python, ".venv-torch", "torch"),
    }
    pythons = {library: python for library, python in pythons.items() if python}
    if not pythons:
        return 1

    where = machine(options.threads)
    before = os.getloadavg()[0]
    print(f"{where['cpu']}, {where['cores']} cores; {options.threads} threads each; best of {options.rounds} rounds")
    if before > 0.3 * where["cores"]:
        print(f"Other programs are using this machine (load {before:.1f}): times will be too long, ratios uncertain.")
    print()
    print_cells(HEADER)
    rows = []
    try:
        for name in options.names:
            row = run_workload(WORKLOADS[name], pythons, options)
            print_cells(cells(row))
            print_remarks(row)
            rows.append(row)
    except KeyboardInterrupt:
        print("\ninterrupted; what was measured until now is kept")
        options.whole = False
    mean = geometric_mean(rows)
    if mean:
        print(f"\ngeometric mean over the steps: {mean:.2f}×")

    versions = {library: row[library]["version"] for row in rows for library in pythons if "version" in row[library]}
    report = {"machine": where, "versions": versions, "rounds": options.rounds, "threads": options.threads}
    report |= {"load": [before, os.getloadavg()[0]], "geometric_mean": mean, "rows": rows}
    options.output.mkdir(parents=True, exist_ok=True)
    # A part, or an impression, does not take the place of the last whole measurement.
    file = options.output / ("latest" if options.whole else "partial")
    file.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")
    file.with_suffix(".md").write_text(markdown(report))
    print(f"written: {file}.json, {file}.md")
    return int(any("error" in row[library] for row in rows for library in pythons))


if __name__ == "__main__":
    sys.exit(main())
