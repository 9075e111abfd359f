"""Measure one workload with one library, in a process of its own: worker.py LIBRARY WORKLOAD THREADS SECONDS.

Prints one line of JSON. benchmarks/run.py starts it; by hand it is good for a profiler.
"""

import sys
import time

library, name, threads, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
start = time.perf_counter()
torch = __import__(library)  # before any other import, so that the library pays for all it needs
import_seconds = time.perf_counter() - start

import json  # noqa: E402
import resource  # noqa: E402
import timeit  # noqa: E402
from pathlib import Path  # noqa: E402

from workloads import WORKLOADS  # noqa: E402

SAMPLE = 0.01  # a sample lasts at least this long, in seconds, so that the clock's own cost does not count
WARM_UP = 3


def package_size():
    folder = Path(torch.__file__).parent
    files = (path for path in folder.rglob("*") if "__pycache__" not in path.parts)
    return sum(path.stat().st_size for path in files if path.is_file() and not path.is_symlink())


def checksum(result):
    if isinstance(result, torch.Tensor):
        return result.detach().double().abs().mean().item()
    return None if result is None else float(result)


def measure(workload):
    torch.manual_seed(0)
    torch.set_num_threads(threads)
    step = workload.prepare(torch)
    if callable(step):
        check = checksum(step())
        timer = timeit.Timer(step)
    else:
        statement, names = step
        check = checksum(eval(statement, dict(names)))
        unpack = "; ".join(f"{name} = names[{name!r}]" for name in names)
        timer = timeit.Timer(statement, unpack, globals={"names": names})
    end = time.perf_counter() + seconds / 4
    repeats = 0
    while repeats < WARM_UP or time.perf_counter() < end:
        timer.timeit(1)
        repeats += 1
    # timeit keeps the garbage collector off while it measures.
    number = max(1, round(SAMPLE / timer.timeit(max(1, repeats // 100)) * max(1, repeats // 100)))
    samples = []
    end = time.perf_counter() + seconds
    while len(samples) < 3 or time.perf_counter() < end:
        samples.append(timer.timeit(number) / number)
    return samples, check


def main():
    workload, check = WORKLOADS[name], None
    if workload.measures == "import":
        samples = [import_seconds]
    elif workload.measures == "size":
        samples = [package_size()]
    else:
        samples, check = measure(workload)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts in KB
    version = getattr(torch, "__version__", "?")
    print(json.dumps({"samples": samples, "checksum": check, "peak_memory": peak, "version": str(version)}))


if __name__ == "__main__":
    main()
