"""The loader: batches of a dataset, fetched here or by worker processes."""

from __future__ import annotations

import itertools
import math
import os
import time
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import GenericAlias
from typing import TYPE_CHECKING, Any, NoReturn

import lampas
from lampas.utils.data._utils.collate import default_collate, default_convert
from lampas.utils.data._utils.fetch import _GatherFetcher, create_fetcher
from lampas.utils.data._utils.worker import (
    IterationEnd,
    Resume,
    WorkerError,
    WorkerTask,
    get_worker_info,
    worker_main,
)
from lampas.utils.data.dataset import Dataset, IterableDataset
from lampas.utils.data.sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler, _random_seed

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext

__all__ = ["DataLoader", "default_collate", "default_convert", "get_worker_info"]

# Seconds workers are given to end by themselves, and tasks one may have in its connection at a time.
_SHUTDOWN_SECONDS = 5.0
_MAX_IN_FLIGHT = 4


class _InfiniteConstantSampler(Sampler):
    """Stands for the indices of an iterable dataset."""

    def __iter__(self) -> Iterator[None]:
        return itertools.repeat(None)


class DataLoader:
    """Iterates over the batches of a dataset.

    Args:
        dataset: a `Dataset` (samples by index) or an `IterableDataset` (a stream).
        batch_size: samples in a batch; None for samples as they are.
        shuffle: whether to draw a new order for every epoch.
        sampler: the order of the indices, in place of `shuffle`.
        batch_sampler: lists of indices, in place of `batch_size`, `shuffle`, `sampler` and `drop_last`.
        num_workers: processes that fetch ahead; 0 fetches here.
        collate_fn: makes a batch from a list of samples; `default_collate` stacks tensors.
        pin_memory: accepted; there is no accelerator whose transfers it would speed up.
        drop_last: whether to leave out a last batch that is not full.
        timeout: seconds to wait for a worker's batch; 0 for ever.
        worker_init_fn: called with the worker's number in each worker, after seeding.
        multiprocessing_context: how workers are started: ``"fork"``, ``"spawn"``, ``"forkserver"`` or a context.
        generator: where the order and the workers' seeds are drawn from; the default generator if None.
        prefetch_factor: batches each worker fetches ahead; 2 if None.
        persistent_workers: whether workers stay for the next epoch.
        pin_memory_device: deprecated.
        in_order: whether batches come in the order of the sampler; otherwise as soon as they are ready.

    Raises:
        ValueError: options that exclude each other, or a negative number.
        RuntimeError: while iterating, if a worker died or took longer than `timeout`. An exception in a worker is
            raised here with its type and its traceback.

    Example:
        >>> for x, y in DataLoader(TensorDataset(images, labels), batch_size=64, shuffle=True):
        ...     train(x, y)
    """

    __class_getitem__ = classmethod(GenericAlias)  # type: ignore[var-annotated]
    _initialized = False
    _multiprocessing_context = None
    _fixed = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler | Iterable | None = None,
        batch_sampler: Sampler | Iterable | None = None,
        num_workers: int = 0,
        collate_fn: Callable | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: str | BaseContext | None = None,
        generator: lampas.Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        if num_workers < 0:
            raise ValueError(
                f"num_workers should be non-negative, got {num_workers}; 0 loads without worker processes."
            )
        if timeout < 0:
            raise ValueError(f"timeout should be non-negative, got {timeout}")
        if num_workers == 0 and prefetch_factor is not None:
            raise ValueError("prefetch_factor is for worker processes: set num_workers > 0 or leave it None.")
        if num_workers > 0 and prefetch_factor is None:
            prefetch_factor = 2
        if prefetch_factor is not None and prefetch_factor < 1:
            raise ValueError(f"prefetch_factor should be positive, got {prefetch_factor}")
        if persistent_workers and num_workers == 0:
            raise ValueError("persistent_workers needs num_workers > 0")

        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.in_order = in_order

        self._iterable = isinstance(dataset, IterableDataset)
        if self._iterable:
            for name, value in (("shuffle", shuffle or None), ("sampler", sampler), ("batch_sampler", batch_sampler)):
                if value is not None:
                    raise ValueError(
                        f"DataLoader with IterableDataset: the dataset decides the order, but got {name}={value}"
                    )
        if sampler is not None and shuffle:
            raise ValueError("sampler is mutually exclusive with shuffle: a sampler decides the order itself")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError("batch_sampler is mutually exclusive with batch_size, shuffle, sampler, and drop_last")
            batch_size, drop_last = None, False
        elif batch_size is None and drop_last:
            raise ValueError("batch_size=None disables batching and is mutually exclusive with drop_last")
        if sampler is None:
            if self._iterable:
                sampler = _InfiniteConstantSampler()
            elif shuffle:
                sampler = RandomSampler(dataset, generator=generator)
            else:
                sampler = SequentialSampler(dataset)
        if batch_size is not None and batch_sampler is None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)

        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.generator = generator
        if collate_fn is None:
            collate_fn = default_collate if self._auto_collation else default_convert
        self.collate_fn = collate_fn
        self.persistent_workers = persistent_workers
        self._initialized = True
        self._IterableDataset_len_called: int | None = None
        self._iterator: _BaseDataLoaderIter | None = None
        self.check_worker_number_rationality()

    def __setattr__(self, name: str, value: object) -> None:
        if self._initialized and name in self._fixed:
            raise ValueError(
                f"{name} attribute should not be set after {type(self).__name__} is initialized; make a new loader"
            )
        super().__setattr__(name, value)

    @property
    def multiprocessing_context(self) -> Any:
        """How worker processes are started."""
        return self._multiprocessing_context

    @multiprocessing_context.setter
    def multiprocessing_context(self, context: str | BaseContext | None) -> None:
        if context is not None:
            import multiprocessing

            if self.num_workers == 0:
                raise ValueError(
                    "multiprocessing_context is for worker processes: set num_workers > 0 or leave it None"
                )
            if isinstance(context, str):
                methods = multiprocessing.get_all_start_methods()
                if context not in methods:
                    raise ValueError(f"multiprocessing_context should be one of {methods}, but got {context!r}")
                context = multiprocessing.get_context(context)
            if not isinstance(context, multiprocessing.context.BaseContext):
                raise TypeError(f"multiprocessing_context should be a start method or a context, but got {context!r}")
        self._multiprocessing_context = context

    @property
    def _auto_collation(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _index_sampler(self):
        return self.batch_sampler if self._auto_collation else self.sampler

    def __iter__(self) -> Iterator:
        if self.num_workers == 0:
            return _SingleProcessDataLoaderIter(self)
        if not self.persistent_workers:
            return _MultiProcessingDataLoaderIter(self)
        if self._iterator is None or not self._iterator._end.alive:
            self._iterator = _MultiProcessingDataLoaderIter(self)
        else:
            self._iterator._reset(self)
        return self._iterator

    def __len__(self) -> int:
        if not self._iterable:
            return len(self._index_sampler)
        length = self._IterableDataset_len_called = len(self.dataset)
        if self.batch_size is not None:
            length = length // self.batch_size if self.drop_last else math.ceil(length / self.batch_size)
        return length

    def check_worker_number_rationality(self) -> None:
        """Warns if there are more workers than processors."""
        if not self.num_workers:
            return
        processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        if processors is not None and self.num_workers > processors:
            warnings.warn(
                f"This DataLoader will create {self.num_workers} worker processes on {processors} processors, which "
                "can be slower than fewer; lower num_workers if it is.",
                stacklevel=3,
            )


class _BaseDataLoaderIter:
    def __init__(self, loader: DataLoader) -> None:
        self._loader = loader
        self._dataset = loader.dataset
        self._index_sampler = loader._index_sampler
        if loader.pin_memory:
            warnings.warn("pin_memory=True has no effect: no accelerator is found.", stacklevel=4)
        self._sampler_iter = iter(self._index_sampler)
        # Drawn after the iterator is made and before its first index, as PyTorch does: seeds give the same epochs.
        self._base_seed = _random_seed(loader.generator)
        self._num_yielded = 0

    def __iter__(self) -> _BaseDataLoaderIter:
        return self

    def __len__(self) -> int:
        return len(self._index_sampler)

    def __getstate__(self) -> NoReturn:
        raise NotImplementedError(f"{type(self).__name__} cannot be pickled; pickle the DataLoader")

    def _next_data(self):
        raise NotImplementedError

    def __next__(self) -> Any:
        data = self._next_data()
        self._num_yielded += 1
        expected = self._loader._IterableDataset_len_called
        if expected is not None and self._num_yielded > expected:
            self._warn_length(expected)
        return data

    def _warn_length(self, expected: int) -> None:
        loader = self._loader
        if not loader._iterable:
            return
        text = (
            f"Length of IterableDataset {loader.dataset} was reported to be {expected} (when accessing "
            f"len(dataloader)), but {self._num_yielded} samples have been fetched."
        )
        if loader.num_workers > 0:
            text += " With several workers each must yield its own part only: see get_worker_info()."
        warnings.warn(text, stacklevel=3)


def _tensor_batches(draws: Iterable[lampas.Tensor], batch_size: int, drop_last: bool) -> Iterator[lampas.Tensor]:
    """What a BatchSampler makes of a sampler's draws, without going through Python integers."""
    rest = None
    for indices in draws:
        if rest is not None and len(rest) > 0:
            indices = lampas.cat([rest, indices])
        whole = len(indices) - len(indices) % batch_size
        for begin in range(0, whole, batch_size):
            yield indices[begin : begin + batch_size]
        rest = indices[whole:]
    if rest is not None and len(rest) > 0 and not drop_last:
        yield rest


def _slices(count: int, batch_size: int, drop_last: bool) -> Iterator[slice]:
    for begin in range(0, count - batch_size + 1 if drop_last else count, batch_size):
        yield slice(begin, begin + batch_size)


class _SingleProcessDataLoaderIter(_BaseDataLoaderIter):
    def __init__(self, loader: DataLoader) -> None:
        super().__init__(loader)
        if loader.timeout != 0:
            raise AssertionError(f"timeout={loader.timeout} is for worker processes: set num_workers > 0 or timeout=0")
        fetcher = create_fetcher(
            loader._iterable, loader.dataset, loader._auto_collation, loader.collate_fn, loader.drop_last
        )
        self._fetch = fetcher.fetch
        batches = loader.batch_sampler
        if isinstance(fetcher, _GatherFetcher) and type(batches) is BatchSampler:
            sampler = batches.sampler
            if type(sampler) is RandomSampler and not sampler.replacement:
                self._sampler_iter = _tensor_batches(sampler._draws(), batches.batch_size, batches.drop_last)
            elif type(sampler) is SequentialSampler:
                self._sampler_iter = _slices(len(sampler), batches.batch_size, batches.drop_last)

    def _next_data(self):
        return self._fetch(next(self._sampler_iter))


def _end_workers(pid: int, workers: list, channels: list) -> None:
    """Ends worker processes, by force if they do not end by themselves. Only for the process that started them."""
    if os.getpid() != pid:
        return
    for channel in channels:
        channel.shutdown()
    deadline = time.monotonic() + _SHUTDOWN_SECONDS
    for stop in (None, "terminate", "kill"):
        for worker in workers:
            if stop is not None and worker.is_alive():
                getattr(worker, stop)()
        for worker in workers:
            worker.join(max(0.0, deadline - time.monotonic()))
        deadline = time.monotonic() + 1.0
    for channel in channels:
        channel.close()


class _MultiProcessingDataLoaderIter(_BaseDataLoaderIter):
    """Batches from worker processes, each of which has a connection of its own.

    Tasks are numbered and given to the workers in turn. A worker answers its tasks in order, so in order means reading
    from the worker whose task comes next.
    """

    def __init__(self, loader: DataLoader) -> None:
        super().__init__(loader)
        context = loader.multiprocessing_context or lampas.multiprocessing
        from lampas.utils.data._utils.channel import Channel

        self._workers: list = []
        self._channels: list = []
        # Made first: should a later worker fail to start, those before it are ended too. Runs at exit as well.
        self._end = weakref.finalize(self, _end_workers, os.getpid(), self._workers, self._channels)
        for i in range(loader.num_workers):
            here, there = context.Pipe(duplex=True)
            task = WorkerTask(
                worker_id=i,
                num_workers=loader.num_workers,
                base_seed=self._base_seed,
                dataset=loader.dataset,
                iterable=loader._iterable,
                auto_collation=loader._auto_collation,
                collate_fn=loader.collate_fn,
                drop_last=loader.drop_last,
                init_fn=loader.worker_init_fn,
            )
            worker = context.Process(target=worker_main, args=(Channel(there), task), daemon=True)
            worker.start()
            there.close()
            self._workers.append(worker)
            self._channels.append(Channel(here))
        self._begin_epoch()

    def _begin_epoch(self) -> None:
        count = self._loader.num_workers
        self._send_number = self._next_number = 0
        self._worker_of: dict[int, int] = {}
        self._active = [True] * count
        self._waiting: list[deque] = [deque() for _ in range(count)]
        self._in_flight = [0] * count
        self._turns = itertools.cycle(range(count))
        for _ in range((self._loader.prefetch_factor or 0) * count):
            self._give_task()

    def _reset(self, loader: DataLoader) -> None:
        """Begins another epoch with the same workers."""
        self._sampler_iter = iter(self._index_sampler)
        self._num_yielded = 0
        for i in range(len(self._workers)):
            self._send(i, Resume())
            # Answers that are still on their way belong to the epoch before.
            while not isinstance(self._receive(i)[1], Resume):
                pass
        self._begin_epoch()

    def _send(self, worker: int, message: object) -> None:
        try:
            self._channels[worker].send(message)
        except OSError:
            raise self._death_of(worker) from None

    def _give_task(self) -> None:
        try:
            index = next(self._sampler_iter)
        except StopIteration:
            return
        loader = self._loader
        share = (loader.prefetch_factor or 0) * loader.num_workers // max(1, sum(self._active))
        for worker in itertools.islice(self._turns, loader.num_workers):
            open_tasks = self._in_flight[worker] + len(self._waiting[worker])
            if self._active[worker] and (loader.in_order or open_tasks < share):
                break
        else:
            return
        self._worker_of[self._send_number] = worker
        self._waiting[worker].append((self._send_number, index))
        self._send_number += 1
        self._fill(worker)

    def _fill(self, worker: int) -> None:
        while self._waiting[worker] and self._in_flight[worker] < _MAX_IN_FLIGHT:
            self._in_flight[worker] += 1
            self._send(worker, self._waiting[worker].popleft())

    def _receive(self, worker: int | None) -> tuple[int, Any]:
        """The next message of a worker, or of any: (worker, message)."""
        from multiprocessing.connection import wait

        candidates = [worker] if worker is not None else [i for i, active in enumerate(self._active) if active]
        connections = {self._channels[i].connection: i for i in candidates}
        sentinels = {self._workers[i].sentinel: i for i in candidates}
        timeout = self._loader.timeout
        ready = wait([*connections, *sentinels], timeout if timeout > 0 else None)
        if not ready:
            raise RuntimeError(
                f"DataLoader timed out after {timeout} seconds waiting for a worker; "
                "raise `timeout`, or look at what the dataset does"
            )
        # What a worker sent before it died comes first.
        for connection in ready:
            if connection in connections:
                worker = connections[connection]
                try:
                    return worker, self._channels[worker].receive()
                except (EOFError, OSError):
                    raise self._death_of(worker) from None
        raise self._death_of(sentinels[ready[0]])

    def _death_of(self, worker: int) -> RuntimeError:
        from lampas.multiprocessing.spawn import signal_name

        process = self._workers[worker]
        process.join(_SHUTDOWN_SECONDS)
        pid, code = process.pid, process.exitcode
        name = signal_name(code)
        if name is None:
            how = f"exited unexpectedly with code {code}"
        else:
            how = f"was killed by signal {name}"
            if name in ("SIGKILL", "SIGBUS"):
                how += "; out of memory is the usual cause: lower num_workers or the batch size"
            elif name == "SIGSEGV":
                how += "; some library the dataset uses crashed: try num_workers=0"
        self._end()
        return RuntimeError(f"DataLoader worker {worker} (pid {pid}) {how}.")

    def _next_data(self):
        loader = self._loader
        if not self._end.alive:
            raise StopIteration
        while True:
            while self._next_number < self._send_number:
                worker = self._worker_of.get(self._next_number)
                if worker is not None and self._active[worker]:
                    break
                # Given out already, or a task of a worker whose dataset has ended.
                self._worker_of.pop(self._next_number, None)
                self._next_number += 1
            else:
                if not loader.persistent_workers:
                    self._end()
                raise StopIteration
            worker, (number, data) = self._receive(worker if loader.in_order else None)
            del self._worker_of[number]
            self._in_flight[worker] -= 1
            ended = isinstance(data, IterationEnd)
            if ended:
                self._active[worker] = False
                self._waiting[worker].clear()
                if not loader.persistent_workers:
                    self._send(worker, None)
            else:
                self._fill(worker)
            self._give_task()
            if ended:
                continue
            if isinstance(data, WorkerError):
                data.reraise()
            return data
