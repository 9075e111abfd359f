"""Workers: which Python has a library, and jobs in a process of its own."""

import contextlib
import json
import os
import re
import select
import subprocess
import sys
import tempfile
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


class Worker:
    """A process that does jobs with a library, one after another; it starts with the first and ends with `close`."""

    def __init__(self, library: Library, threads: int | None = None):
        self.library = library
        self.threads = threads
        self.failed = ""
        self._process: subprocess.Popen[str] | None = None
        self._complaints = tempfile.TemporaryFile("w+")  # noqa: SIM115 - until `close`

    def _start(self) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
        if self.threads:
            for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
                environment[variable] = str(self.threads)
        command = [str(self.library.python), "-m", "benchmarks.worker", self.library.module]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self._complaints}
        return subprocess.Popen(command, env=environment, cwd=ROOT, text=True, **pipes)

    def ask(self, job: str, **arguments: Any) -> dict[str, Any]:
        """The job's result, or {"error": the worker's last words} if it fails or has failed before."""
        if self.failed:
            return {"error": self.failed}
        process = self._process = self._process or self._start()
        assert process.stdin and process.stdout
        with contextlib.suppress(BrokenPipeError):  # its last words say why
            print(json.dumps({"job": job, "threads": self.threads, **arguments}), file=process.stdin, flush=True)
        if not select.select([process.stdout], [], [], TIMEOUT)[0]:
            self.failed = f"took longer than {TIMEOUT // 60} minutes"
        elif answer := process.stdout.readline():
            return json.loads(answer)
        else:
            status = process.wait()
            self._complaints.seek(0)
            self.failed = last_words(self._complaints.read(), status)
        return {"error": self.failed}

    def close(self) -> None:
        """Ends the process."""
        if self._process:
            if self.failed:
                self._process.kill()
            with contextlib.suppress(BrokenPipeError):
                self._process.communicate()
        self._complaints.close()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def run_job(library: Library, job: str, threads: int | None = None, **arguments: Any) -> dict[str, Any]:
    """The result of one job in a process of its own, or {"error": the worker's last words}."""
    with Worker(library, threads) as worker:
        return worker.ask(job, **arguments)


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
