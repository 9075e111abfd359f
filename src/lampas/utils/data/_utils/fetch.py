"""Fetchers: from indices to a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lampas
from lampas.utils.data._utils.collate import default_collate
from lampas.utils.data.dataset import Dataset, Subset, TensorDataset

__all__ = ["create_fetcher"]


class _MapFetcher:
    def __init__(self, dataset: Any, auto_collation: bool, collate_fn: Callable, drop_last: bool) -> None:
        self.dataset = dataset
        self.auto_collation = auto_collation
        self.collate_fn = collate_fn

    def fetch(self, index):
        if not self.auto_collation:
            return self.collate_fn(self.dataset[index])
        if getattr(self.dataset, "__getitems__", None):
            samples = self.dataset.__getitems__(index)
        else:
            samples = [self.dataset[i] for i in index]
        return self.collate_fn(samples)


class _IterableFetcher:
    def __init__(self, dataset: Any, auto_collation: bool, collate_fn: Callable, drop_last: bool) -> None:
        self.samples = iter(dataset)
        self.auto_collation = auto_collation
        self.collate_fn = collate_fn
        self.drop_last = drop_last
        self.ended = False

    def fetch(self, index):
        if self.ended:
            raise StopIteration
        if not self.auto_collation:
            return self.collate_fn(next(self.samples))
        batch = []
        for _ in index:
            try:
                batch.append(next(self.samples))
            except StopIteration:
                self.ended = True
                break
        if not batch or (self.drop_last and len(batch) < len(index)):
            raise StopIteration
        return self.collate_fn(batch)


class _GatherFetcher:
    """Batches of a TensorDataset, or a Subset of one: one gather for each tensor instead of a loop over rows.

    Gives what fetching row by row and the default collate function give.
    """

    def __init__(self, dataset: Dataset) -> None:
        # The rows that nested subsets choose, as one tensor; None for the dataset itself.
        self.rows = None
        while isinstance(dataset, Subset):
            rows = lampas.as_tensor(dataset.indices, dtype=lampas.int64)
            rows = lampas.where(rows < 0, rows + len(dataset.dataset), rows)
            self.rows = rows if self.rows is None else rows.index_select(0, self.rows)
            dataset = dataset.dataset
        self.tensors = dataset.tensors

    def fetch(self, index):
        """The batch at a list, a tensor of numbers >= 0, or a slice."""
        if isinstance(index, slice):
            if self.rows is None:
                return [tensor[index].clone() for tensor in self.tensors]
            index = self.rows[index]
        else:
            if isinstance(index, list):
                size = len(self.tensors[0] if self.rows is None else self.rows)
                index = lampas.tensor([i + size if i < 0 else i for i in index], dtype=lampas.int64)
            if self.rows is not None:
                index = self.rows.index_select(0, index)
        return [tensor.index_select(0, index) for tensor in self.tensors]


def _can_gather(dataset: Dataset, auto_collation: bool, collate_fn: Callable) -> bool:
    if not auto_collation or collate_fn is not default_collate:
        return False
    while type(dataset) is Subset and len(dataset.indices) > 0:
        dataset = dataset.dataset
    return type(dataset) is TensorDataset and all(type(t) is lampas.Tensor and t.dim() > 0 for t in dataset.tensors)


def create_fetcher(
    iterable: bool, dataset: Dataset, auto_collation: bool, collate_fn: Callable, drop_last: bool
) -> _MapFetcher | _IterableFetcher | _GatherFetcher:
    """The fetcher for a dataset; `fetch(index)` gives the batch at a list of indices, or one sample."""
    if iterable:
        return _IterableFetcher(dataset, auto_collation, collate_fn, drop_last)
    if _can_gather(dataset, auto_collation, collate_fn):
        return _GatherFetcher(dataset)
    return _MapFetcher(dataset, auto_collation, collate_fn, drop_last)
