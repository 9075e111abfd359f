"""Workers: which Python has a library, and one job in a process of its own."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT = 900  # seconds
ERROR = re.compile(r"[\w.]*(Error|Exception|Unsupported|Interrupt|Killed)\b")


@dataclass(frozen=True)
class Library:
    """One side of a comparison: the name of its column, its module and the Python that has it."""

    key: str  # "lampas", "torch" or "compile"
    module: str
    python: Path


def run_job(library: Library, job: str, **arguments: Any) -> dict[str, Any]:
    """The job's result, or {"error": the worker's last words}."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    if arguments.get("threads"):
        for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            environment[variable] = str(arguments["threads"])
    command = [str(library.python), "-m", "benchmarks.worker", library.module, job, json.dumps(arguments)]
    try:
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        return {"error": f"took longer than {TIMEOUT // 60} minutes"}
    if done.returncode != 0:
        return {"error": last_words(done.stderr, done.returncode)}
    return json.loads(done.stdout.splitlines()[-1])


def last_words(stderr: str, status: int) -> str:
    """The line that says what went wrong."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if ERROR.match(line)]
    return (errors or lines or [f"exit status {status}"])[-1]


def find_python(given: str | None, folder: str, module: str) -> Path | None:
    """The Python that has a module: the one given, ./dev's environment, or else none, and the reason is printed."""
    python = Path(given) if given else ROOT / folder / "bin" / "python"
    try:
        found = subprocess.run([str(python), "-c", f"import {module}"], capture_output=True, text=True)
    except OSError as error:
        problem = f"{python}: {error.strerror}"
    else:
        if found.returncode == 0:
            return python.absolute()
        problem = f"{python}: {last_words(found.stderr, found.returncode)}"
    print(f"{module} cannot be measured ({problem})", file=sys.stderr)
    return None


def find_libraries(lampas: str | None, torch: str | None, compile: bool) -> list[Library]:
    """What can be measured, in the order of the columns."""
    wanted = [("lampas", "lampas", ".venv", lampas), ("torch", "torch", ".venv-torch", torch)]
    found = [(key, module, find_python(given, folder, module)) for key, module, folder, given in wanted]
    libraries = [Library(key, module, python) for key, module, python in found if python]
    if compile:
        libraries += [Library("compile", "torch", side.python) for side in libraries if side.key == "torch"]
    return libraries
