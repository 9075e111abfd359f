"""The command line of ./dev bench."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from . import machine, sizes
from .workloads import WORKLOADS

RESULTS = Path(__file__).resolve().parent / "results"
PUBLISHED = RESULTS.parent.parent / "docs" / "benchmarks"

DESCRIPTION = """Time lampas and PyTorch in turn, each in a process of its own, and print how they compare.

  ./dev bench                             every workload
  ./dev bench micro_add cnn_mnist         these
  ./dev bench --compile --publish         torch.compile as well; the table and charts that README shows
  ./dev bench --sizes --ops add,gelu      the scaling curve of two ops
  ./dev bench --scaling                   one thread against all
  ./dev bench --memory                    peak memory, and 1,000 steps with random shapes
"""


def parser() -> argparse.ArgumentParser:
    """Every option there is."""
    result = argparse.ArgumentParser(
        prog="./dev bench", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument("names", nargs="*", metavar="NAME", help="workloads; all: the extra ones too (see --list)")
    what = result.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", help="say what there is to measure, and measure nothing")
    what.add_argument(
        "--sizes", action="store_true", help="twelve ops from 10 to 10^8 elements; without --ops, --scaling follows"
    )
    what.add_argument("--scaling", action="store_true", help="one thread against all")
    what.add_argument("--memory", action="store_true", help="peak memory in place of time")
    result.add_argument("--ops", metavar="OP,...", help=f"with --sizes: of {', '.join(sizes.OPS)}")
    result.add_argument("--largest", type=float, metavar="N", help="with --sizes: elements (default: 1e8)")
    result.add_argument("--steps", type=int, metavar="N", help="with --sizes: 1, 2 or 3 sizes a power of ten")
    result.add_argument("--compile", action="store_true", help="torch.compile as a third column (needs g++)")
    result.add_argument("--rounds", type=int, help="times that each is measured (default: 5; --sizes, --scaling: 3)")
    result.add_argument("--threads", type=int, help="threads of each library (default: one a core)")
    result.add_argument("--quick", action="store_true", help="2 short rounds: an impression, not a result")
    result.add_argument("--json", type=Path, metavar="FILE", help="write everything there as well")
    result.add_argument("--compare", type=Path, metavar="FILE", help="compare with an earlier run's JSON")
    result.add_argument("--publish", action="store_true", help="write to docs/benchmarks as well")
    result.add_argument("--output", type=Path, default=RESULTS, metavar="FOLDER", help="default: benchmarks/results")
    result.add_argument("--lampas-python", metavar="PATH", help="a Python that has lampas (default: .venv)")
    result.add_argument("--torch-python", metavar="PATH", help="a Python that has PyTorch (default: .venv-torch)")
    return result


def check(options: argparse.Namespace, error: argparse.ArgumentParser) -> None:
    """Ends the program where options make no sense."""
    for name in options.names:
        if name not in WORKLOADS and name != "all":
            error.error(f"there is no workload {name!r}; there are: {', '.join(WORKLOADS)}, all")
    for flag in ("rounds", "threads"):
        value = getattr(options, flag)
        if value is not None and value < 1:
            error.error(f"--{flag} {value}: must be at least 1")
    for flag in ("ops", "largest", "steps"):
        if getattr(options, flag) is not None and not options.sizes:
            error.error(f"--{flag} belongs to --sizes")
    if options.largest is not None and options.largest < 10:
        error.error(f"--largest {options.largest:g}: the curve begins at 10 elements")
    if options.steps not in (None, 1, 2, 3):
        error.error(f"--steps {options.steps}: must be 1, 2 or 3")
    if options.names and (options.sizes or options.scaling):
        error.error("NAMEs are workloads; --sizes takes --ops, --scaling has its own")
    if options.compile and (options.sizes or options.scaling or options.memory):
        error.error("--compile belongs to the workloads' times")
    if options.compare and not options.compare.is_file():
        error.error(f"--compare {options.compare}: there is no such file")


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options, with defaults that depend on each other filled in; ends the program where they make no sense."""
    error = parser()
    options = error.parse_args(arguments)
    check(options, error)
    try:
        options.chosen_ops = sizes.select_ops(options.ops)
    except ValueError as problem:
        error.error(f"--ops: {problem}")
    kinds = ("sizes", "scaling", "memory")
    options.kind = next((kind for kind in kinds if getattr(options, kind)), "workloads")
    usual = 3 if options.kind in ("sizes", "scaling") else 5
    options.rounds = options.rounds or (2 if options.quick else usual)
    options.threads = options.threads or machine.cores()
    options.seconds = 0.2 if options.quick else 1.0
    options.point_seconds = 0.02 if options.quick else 0.1
    options.point_sizes = sizes.powers(10, round(options.largest or 1e8), options.steps or 1)
    # A part, or an impression, does not take the place of the last whole measurement.
    options.whole = not (options.quick or options.ops or options.largest) and options.names in ([], ["all"])
    if options.publish and not options.whole:
        error.error("--publish is for whole measurements")
    if "all" in options.names:
        options.names = list(WORKLOADS)
    options.names = options.names or [workload.name for workload in WORKLOADS.values() if not workload.extra]
    return options
