"""Does one job with one library, in a process of its own: python -m benchmarks.worker LIBRARY JOB ARGUMENTS.

ARGUMENTS are JSON; the result is one line of JSON. `processes.py` starts it; by hand it is good for a profiler:

    .venv/bin/python -m benchmarks.worker lampas step '{"name": "gpt_train", "threads": 2, "seconds": 5}'
"""

import sys
import time

start = time.perf_counter()
torch = __import__(sys.argv[1])  # before any other import, so that the library pays for all it needs
import_seconds = time.perf_counter() - start

import json  # noqa: E402
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


JOBS: dict[str, Callable[..., dict[str, Any]]] = {
    "import": import_time,
    "size": package_size,
    "step": timing.measure,
    "limits": limits.measure,
    "points": sizes.measure,
    "memory": memory.measure,
    "shapes": memory.random_shapes,
}


def main() -> None:
    """Runs the job named on the command line and prints its result."""
    arguments = json.loads(sys.argv[3])
    threads = arguments.pop("threads", None)
    if threads is not None:
        torch.set_num_threads(threads)
        torch.manual_seed(0)
    result = JOBS[sys.argv[2]](torch, **arguments)
    print(json.dumps({**result, "version": str(getattr(torch, "__version__", "?"))}))


if __name__ == "__main__":
    main()
