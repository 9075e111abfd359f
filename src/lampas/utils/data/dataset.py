"""Datasets: by index (`Dataset`) or as a stream (`IterableDataset`), and datasets made of others."""

from __future__ import annotations

import bisect
import itertools
import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from types import GenericAlias
from typing import TYPE_CHECKING, Any

import lampas

__all__ = [
    "ChainDataset",
    "ConcatDataset",
    "Dataset",
    "IterableDataset",
    "StackDataset",
    "Subset",
    "TensorDataset",
    "random_split",
]


class Dataset:
    """Samples by index: subclasses define ``__getitem__``, and ``__len__`` for the samplers that need it.

    A dataset may define ``__getitems__(indices) -> list`` too, if it can fetch a batch faster than one by one.

    Example:
        >>> class Squares(Dataset):
        ...     def __len__(self): return 10
        ...     def __getitem__(self, i): return i * i
    """

    # Datasets are written Dataset[Sample] in annotations and as base classes.
    __class_getitem__ = classmethod(GenericAlias)  # type: ignore[var-annotated]

    if TYPE_CHECKING:
        # Not every dataset has a length; the functions that ask for it are for those that do.
        def __len__(self) -> int: ...

    def __getitem__(self, index: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} is a Dataset and should define __getitem__.")

    def __add__(self, other: Dataset) -> ConcatDataset:
        return ConcatDataset([self, other])


class IterableDataset(Dataset):
    """Samples as a stream: subclasses define ``__iter__``.

    Every worker of a `DataLoader` iterates a copy of its own; ``get_worker_info()`` tells which part is whose.

    Example:
        >>> class Numbers(IterableDataset):
        ...     def __iter__(self) -> Iterator: return iter(range(10))
    """

    def __iter__(self) -> Iterator:
        raise NotImplementedError(f"{type(self).__name__} is an IterableDataset and should define __iter__.")

    def __add__(self, other: Dataset) -> ChainDataset:
        return ChainDataset([self, other])


class TensorDataset(Dataset):
    """Rows of tensors: sample i is ``(tensors[0][i], tensors[1][i], ...)``.

    With the default collate function a `DataLoader` gathers a whole batch at once.

    Raises:
        AssertionError: the tensors differ in their first dimension.

    Example:
        >>> data = TensorDataset(images, labels)
        >>> image, label = data[0]
    """

    def __init__(self, *tensors: lampas.Tensor) -> None:
        if any(tensor.size(0) != tensors[0].size(0) for tensor in tensors):
            sizes = [tensor.size(0) for tensor in tensors]
            raise AssertionError(f"Size mismatch between tensors: their first dimensions are {sizes}")
        self.tensors = tensors

    def __getitem__(self, index: int | slice | lampas.Tensor) -> tuple[lampas.Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self) -> int:
        return self.tensors[0].size(0)


def _fetch_many(dataset: Dataset, indices: Sequence) -> list:
    """The samples at `indices`, at once if the dataset can."""
    if callable(getattr(dataset, "__getitems__", None)):
        items = dataset.__getitems__(indices)
        if len(items) != len(indices):
            raise ValueError(
                f"{type(dataset).__name__}.__getitems__ gave {len(items)} samples for {len(indices)} indices"
            )
        return items
    return [dataset[i] for i in indices]


class StackDataset(Dataset):
    """Datasets side by side: sample i is a tuple of their samples i, or a dictionary if they are given by name.

    Raises:
        ValueError: no datasets, datasets of different lengths, or some by name and some not.

    Example:
        >>> data = StackDataset(image=images, text=texts)
        >>> data[0]["image"]
    """

    def __init__(self, *args: Dataset, **kwargs: Dataset) -> None:
        if args and kwargs:
            raise ValueError("StackDataset takes datasets either by position (samples are tuples) or by name, not both")
        if not args and not kwargs:
            raise ValueError("At least one dataset should be passed")
        self.datasets: tuple[Dataset, ...] | dict[str, Dataset] = args or kwargs
        lengths = [len(dataset) for dataset in (args or kwargs.values())]
        self._length = lengths[0]
        if any(length != self._length for length in lengths):
            raise ValueError(f"Size mismatch between datasets: their lengths are {lengths}")

    def __getitem__(self, index: Any) -> Any:
        if isinstance(self.datasets, dict):
            return {name: dataset[index] for name, dataset in self.datasets.items()}
        return tuple(dataset[index] for dataset in self.datasets)

    def __getitems__(self, indices: list) -> list:
        named = isinstance(self.datasets, dict)
        datasets = self.datasets.values() if isinstance(self.datasets, dict) else self.datasets
        columns = [_fetch_many(d, indices) for d in datasets]
        rows = zip(*columns, strict=True)
        return [dict(zip(self.datasets, row, strict=True)) for row in rows] if named else list(rows)

    def __len__(self) -> int:
        return self._length


class ConcatDataset(Dataset):
    """Datasets one after another.

    Raises:
        AssertionError: no datasets, or an iterable one (chain those with `ChainDataset`).

    Example:
        >>> data = ConcatDataset([old, new])
        >>> len(data) == len(old) + len(new)
    """

    @staticmethod
    def cumsum(sequence: Iterable) -> list[int]:
        """The summed lengths of the first, the first two, ... of `sequence`."""
        return list(itertools.accumulate(len(element) for element in sequence))

    def __init__(self, datasets: Iterable[Dataset]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("datasets should not be an empty iterable")
        if any(isinstance(dataset, IterableDataset) for dataset in self.datasets):
            raise AssertionError("ConcatDataset does not support IterableDataset; use ChainDataset")
        self.cumulative_sizes = self.cumsum(self.datasets)

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, idx: int) -> Any:
        if idx < 0:
            if -idx > len(self):
                raise ValueError(f"absolute value of index {idx} should not exceed dataset length {len(self)}")
            idx += len(self)
        i = bisect.bisect_right(self.cumulative_sizes, idx)
        return self.datasets[i][idx - (self.cumulative_sizes[i - 1] if i else 0)]


class ChainDataset(IterableDataset):
    """Iterable datasets one after another.

    Raises:
        AssertionError: when iterating or measuring, if one of them is not iterable.

    Example:
        >>> stream = ChainDataset([first, second])
        >>> next(iter(stream))
    """

    def __init__(self, datasets: Iterable[Dataset]) -> None:
        self.datasets = datasets

    def _checked(self):
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise AssertionError(f"ChainDataset only supports IterableDataset, not {type(dataset).__name__}")
            yield dataset

    def __iter__(self) -> Iterator:
        for dataset in self._checked():
            yield from dataset

    def __len__(self) -> int:
        return sum(len(dataset) for dataset in self._checked())


class Subset(Dataset):
    """The samples of a dataset at given indices.

    Raises:
        NotImplementedError: a subclass overrides ``__getitem__`` alone; a `DataLoader` would not call it.

    Example:
        >>> first = Subset(data, range(100))
        >>> len(first)
        100
    """

    def __init__(self, dataset: Dataset, indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices
        cls = type(self)
        if cls.__getitem__ is not Subset.__getitem__ and cls.__getitems__ is Subset.__getitems__:
            raise NotImplementedError(
                f"{cls.__name__} overrides __getitem__ but not __getitems__, which DataLoader calls; add\n"
                "def __getitems__(self, indices):\n    return [self[i] for i in indices]"
            )

    def __getitem__(self, idx: Any) -> Any:
        if isinstance(idx, list):
            return self.dataset[[self.indices[i] for i in idx]]
        return self.dataset[self.indices[idx]]

    def __getitems__(self, indices: list[int]) -> list:
        chosen = [self.indices[i] for i in indices]
        if callable(getattr(self.dataset, "__getitems__", None)):
            return self.dataset.__getitems__(chosen)
        return [self.dataset[i] for i in chosen]

    def __len__(self) -> int:
        return len(self.indices)


def random_split(
    dataset: Dataset, lengths: Sequence[int | float], generator: lampas.Generator | None = None
) -> list[Subset]:
    """Splits a dataset at random into parts that do not overlap.

    Args:
        dataset: what to split.
        lengths: the parts' lengths, or fractions whose sum is 1 (samples left over by rounding down go to the first
            parts in turn).
        generator: where the permutation is drawn from; the default generator if None.

    Raises:
        ValueError: the lengths do not add up to the dataset's, or a fraction lies outside [0, 1].

    Example:
        >>> train, test = random_split(data, [0.8, 0.2], generator=lampas.Generator().manual_seed(0))
        >>> len(train) + len(test) == len(data)
    """
    total = len(dataset)
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        for i, fraction in enumerate(lengths):
            if not 0 <= fraction <= 1:
                raise ValueError(f"Fraction at index {i} is not between 0 and 1: {fraction}")
        counts = [math.floor(total * fraction) for fraction in lengths]
        for i in range(total - sum(counts)):
            counts[i % len(counts)] += 1
        for i, count in enumerate(counts):
            if count == 0:
                warnings.warn(f"Length of split at index {i} is 0: the fraction {lengths[i]} of {total}", stacklevel=2)
        lengths = counts
    if sum(lengths) != total:
        raise ValueError(
            f"Sum of input lengths does not equal the length of the input dataset: {sum(lengths)} and {total}"
        )
    indices = lampas.randperm(total, generator=generator).tolist()
    ends = itertools.accumulate(lengths)
    return [Subset(dataset, indices[end - length : end]) for end, length in zip(ends, lengths, strict=True)]
