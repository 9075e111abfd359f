"""The worker process of a loader."""

from __future__ import annotations

import os
import random
import signal
import sys
import traceback
from dataclasses import dataclass
from typing import Any

import lampas
from lampas.utils.data._utils.fetch import create_fetcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from lampas.utils.data._utils.channel import Channel
    from lampas.utils.data.dataset import Dataset

__all__ = ["WorkerInfo", "get_worker_info", "worker_main"]

# Seconds after which a waiting worker looks whether its parent is still there.
_WATCH_INTERVAL = 5.0


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """What a worker process knows of itself.

    Attributes:
        id: its number, from 0.
        num_workers: how many there are.
        seed: what its random generators were seeded with.
        dataset: its copy of the dataset.
    """

    id: int
    num_workers: int
    seed: int
    dataset: Dataset


_worker_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """In a worker process of a `DataLoader` its `WorkerInfo`, elsewhere None.

    Example:
        >>> info = get_worker_info()
        >>> share = range(n) if info is None else range(info.id, n, info.num_workers)
    """
    return _worker_info


class _Text(str):
    """Text that a KeyError, which prints the repr of its argument, prints as it is."""

    def __repr__(self) -> str:
        return str(self)


class WorkerError:
    """An exception on its way to the loader, with its traceback as text."""

    def __init__(self, worker_id: int) -> None:
        self.kind: Any
        self.kind, error, _ = sys.exc_info()
        self.text = "".join(traceback.format_exception(error))
        self.where = f"in DataLoader worker process {worker_id}"

    def reraise(self) -> None:
        """Raises an exception of the same type, whose message holds the worker's traceback."""
        message = f"Caught {self.kind.__name__} {self.where}.\nOriginal {self.text}"
        if issubclass(self.kind, StopIteration):
            # Would end the loop over the loader as if all were well.
            raise RuntimeError(message)
        try:
            error = self.kind(_Text(message) if issubclass(self.kind, KeyError) else message)
        except Exception:
            # Its constructor takes other arguments.
            raise RuntimeError(message) from None
        raise error


@dataclass(frozen=True, slots=True)
class IterationEnd:
    """A worker's iterable dataset has ended."""


@dataclass(frozen=True, slots=True)
class Resume:
    """Begins a new epoch in a worker that stays; the worker answers with the same."""


@dataclass(slots=True)
class WorkerTask:
    """All a worker needs."""

    worker_id: int
    num_workers: int
    base_seed: int
    dataset: Dataset
    iterable: bool
    auto_collation: bool
    collate_fn: Callable
    drop_last: bool
    init_fn: Callable[[int], None] | None

    def fetcher(self):
        return create_fetcher(self.iterable, self.dataset, self.auto_collation, self.collate_fn, self.drop_last)


def _seed_everything(base_seed: int, worker_id: int) -> int:
    seed = base_seed + worker_id
    random.seed(seed)
    lampas.manual_seed(seed)
    if "numpy" in sys.modules:
        numpy = sys.modules["numpy"]
        entropy = [worker_id, base_seed & 0xFFFFFFFF, base_seed >> 32, 0]
        numpy.random.seed(numpy.random.SeedSequence(entropy).generate_state(4))
    return seed


def _send(channel: Channel, index: int, data: object, worker_id: int) -> None:
    try:
        channel.send((index, data))
    except OSError:
        raise
    except Exception:
        # The batch, or the type of an exception, cannot be pickled.
        error = WorkerError(worker_id)
        if isinstance(data, WorkerError):
            error.kind, error.text = RuntimeError, data.text
        elif error.kind.__module__ not in ("builtins", "_pickle", "pickle"):
            error.kind = RuntimeError
        channel.send((index, error))


def worker_main(channel: Channel, task: WorkerTask) -> None:
    """Answers each ``(number, indices)`` with ``(number, batch)`` until told to stop or the loader is gone."""
    global _worker_info
    # Ctrl-C reaches the whole process group. The loader ends its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()
    lampas.set_num_threads(1)
    seed = _seed_everything(task.base_seed, task.worker_id)
    _worker_info = WorkerInfo(task.worker_id, task.num_workers, seed, task.dataset)
    fetcher: Any = None
    error: WorkerError | None = None
    data: Any
    ended = False
    try:
        if task.init_fn is not None:
            task.init_fn(task.worker_id)
        fetcher = task.fetcher()
    except Exception:
        error = WorkerError(task.worker_id)
    try:
        while True:
            if not channel.connection.poll(_WATCH_INTERVAL):
                if os.getppid() != parent:
                    return
                continue
            message = channel.receive()
            if message is None:
                return
            if isinstance(message, Resume):
                channel.send(message)
                ended = False
                try:
                    fetcher = task.fetcher()
                except Exception:
                    error = WorkerError(task.worker_id)
                continue
            if ended:
                continue
            number, indices = message
            if error is not None:
                data, error = error, None
            else:
                try:
                    data = fetcher.fetch(indices)
                except StopIteration:
                    if task.iterable:
                        data, ended = IterationEnd(), True
                    else:
                        data = WorkerError(task.worker_id)
                except Exception:
                    data = WorkerError(task.worker_id)
            _send(channel, number, data, task.worker_id)
            del message, indices, data
    except (EOFError, OSError):
        pass  # The loader is gone.
