"""Starting several processes on one function, and hearing of their errors."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import time
import traceback
from collections.abc import Callable

__all__ = [
    "ProcessContext",
    "ProcessException",
    "ProcessExitedException",
    "ProcessRaisedException",
    "SpawnContext",
    "spawn",
    "start_processes",
]


class ProcessException(Exception):
    """A started process failed: which one, by index and process id."""

    def __init__(self, msg: str, error_index: int, pid: int) -> None:
        super().__init__(msg)
        self.msg = msg
        self.error_index = error_index
        self.pid = pid

    def __reduce__(self) -> tuple:
        return type(self), (self.msg, self.error_index, self.pid)


class ProcessRaisedException(ProcessException):
    """A process ended by an exception; the message holds its traceback."""


class ProcessExitedException(ProcessException):
    """A process ended by a signal or with an exit code of its own."""

    def __init__(
        self, msg: str, error_index: int, error_pid: int, exit_code: int, signal_name: str | None = None
    ) -> None:
        super().__init__(msg, error_index, error_pid)
        self.exit_code = exit_code
        self.signal_name = signal_name

    def __reduce__(self) -> tuple:
        return type(self), (self.msg, self.error_index, self.pid, self.exit_code, self.signal_name)


def signal_name(exit_code: int | None) -> str | None:
    """The name of the signal that ended a process, from its exit code; None if none did."""
    if exit_code is None or exit_code >= 0:
        return None
    try:
        return signal.Signals(-exit_code).name
    except ValueError:
        return f"signal {-exit_code}"


def _run(function: Callable, index: int, args: tuple, errors: multiprocessing.connection.Connection) -> None:
    try:
        function(index, *args)
    except KeyboardInterrupt:
        pass  # The parent was interrupted too, and says so.
    except Exception:
        errors.send(traceback.format_exc())
        raise SystemExit(1) from None


class ProcessContext:
    """Running processes; `join` waits for them."""

    def __init__(self, processes: list, errors: list) -> None:
        self.processes = processes
        self._errors = errors

    def pids(self) -> list[int]:
        """The process ids."""
        return [int(process.pid) for process in self.processes]

    def join(self, timeout: float | None = None, grace_period: float | None = None) -> bool:
        """Waits until a process ends; True when all have ended well.

        Args:
            timeout: seconds to wait at most.
            grace_period: seconds the others are given to end by themselves after one failed.

        Raises:
            ProcessRaisedException: a process raised an exception.
            ProcessExitedException: a process was killed or exited by itself.
        """
        alive = [process.sentinel for process in self.processes if process.exitcode is None]
        if alive:
            multiprocessing.connection.wait(alive, timeout=timeout)
        failed = next((i for i, process in enumerate(self.processes) if process.exitcode not in (None, 0)), None)
        if failed is None:
            if any(process.exitcode is None for process in self.processes):
                return False
            for process in self.processes:
                process.join()
            return True
        self._stop(grace_period)
        process, errors = self.processes[failed], self._errors[failed]
        try:
            text = errors.recv() if errors.poll() else None
        except EOFError:
            text = None
        if text is not None:
            raise ProcessRaisedException(
                f"\n\n-- Process {failed} terminated with the following error:\n{text}", failed, process.pid
            )
        name = signal_name(process.exitcode)
        how = f"was killed by {name}" if name else f"exited with code {process.exitcode}"
        raise ProcessExitedException(f"process {failed} {how}", failed, process.pid, process.exitcode, name)

    def _stop(self, grace_period: float | None) -> None:
        deadline = time.monotonic() + (grace_period or 0)
        for process in self.processes:
            process.join(max(0.0, deadline - time.monotonic()))
        for stop in ("terminate", "kill"):
            running = [process for process in self.processes if process.is_alive()]
            for process in running:
                getattr(process, stop)()
            for process in running:
                process.join(5)


SpawnContext = ProcessContext


def start_processes(
    fn: Callable,
    args: tuple = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """Runs ``fn(i, *args)`` in `nprocs` processes, i from 0.

    Args:
        fn: a function at the top of a module.
        args: the arguments after the index.
        nprocs: number of processes.
        join: whether to wait for all; otherwise a `ProcessContext` is returned.
        daemon: whether the processes end with this one.
        start_method: ``"spawn"``, ``"fork"`` or ``"forkserver"``.

    Raises:
        ProcessRaisedException, ProcessExitedException: see `ProcessContext.join`.
    """
    context = multiprocessing.get_context(start_method)
    processes, errors = [], []
    for i in range(nprocs):
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_run, args=(fn, i, args, sender), daemon=daemon)
        process.start()
        sender.close()
        processes.append(process)
        errors.append(receiver)
    running = ProcessContext(processes, errors)
    if not join:
        return running
    while not running.join():
        pass
    return None


def spawn(
    fn: Callable,
    args: tuple = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """Runs ``fn(i, *args)`` in `nprocs` fresh processes; see `start_processes`.

    Example:
        >>> lampas.multiprocessing.spawn(train, args=(config,), nprocs=2)
    """
    return start_processes(fn, args, nprocs, join, daemon, start_method)


def cpu_count() -> int:
    """The processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
