"""Does jobs with one library, in a process of its own: python -m benchmarks.worker LIBRARY [JOB ARGUMENTS ...].

Without a JOB the standard input has a job in each line, as `processes.py` sends them. Arguments are JSON, and so is
each result, one line of it. By hand it is good for a profiler:

    .venv/bin/python -m benchmarks.worker lampas workload '{"name": "gpt_train", "threads": 2}' sample '{"seconds": 5}'
"""

import sys
import time

start = time.perf_counter()
torch = __import__(sys.argv[1])  # before any other import, so that the library pays for all it needs
import_seconds = time.perf_counter() - start

import json  # noqa: E402
import os  # noqa: E402
from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from . import limits, memory, sizes, timing  # noqa: E402


def import_time(torch: Any) -> dict[str, Any]:
    """Seconds that the import took; one sample is all that a process can give."""
    return {"samples": [import_seconds]}


def package_size(torch: Any) -> dict[str, Any]:
    """Bytes of the installed package."""
    files = (path for path in Path(torch.__file__).parent.rglob("*") if "__pycache__" not in path.parts)
    return {"samples": [sum(path.stat().st_size for path in files if path.is_file() and not path.is_symlink())]}


PREPARATIONS: dict[str, Callable[..., timing.Prepared]] = {
    "workload": timing.prepare_workload,
    "point": sizes.prepare_point,
}
JOBS: dict[str, Callable[..., dict[str, Any]]] = {
    "import": import_time,
    "size": package_size,
    "limits": limits.measure,
    "memory": memory.measure,
    "shapes": memory.random_shapes,
}


class Jobs:
    """Does jobs; what one prepares, "sample" times, until the next one prepares something else."""

    def __init__(self) -> None:
        self.prepared = timing.Prepared()

    def do(self, job: str, threads: int | None = None, **arguments: Any) -> dict[str, Any]:
        """The job's result."""
        if job == "sample":
            return self.prepared.samples(**arguments)
        if threads is not None:
            torch.set_num_threads(threads)
            torch.manual_seed(0)
        if job not in PREPARATIONS:
            return JOBS[job](torch, **arguments)
        self.prepared = timing.Prepared()  # frees the memory of what was prepared before
        self.prepared = PREPARATIONS[job](torch, **arguments)
        return self.prepared.about


def main() -> None:
    """Does what the command line says, else what the lines of the standard input say."""
    jobs, answers = Jobs(), os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    given = sys.argv[2:]
    if given:
        wanted = [{"job": job, **json.loads(arguments)} for job, arguments in zip(given[::2], given[1::2], strict=True)]
    for request in wanted if given else map(json.loads, sys.stdin):
        result = jobs.do(**request)
        print(json.dumps({**result, "version": str(getattr(torch, "__version__", "?"))}), file=answers, flush=True)


if __name__ == "__main__":
    main()
