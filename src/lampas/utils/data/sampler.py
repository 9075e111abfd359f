"""Samplers: the order in which a loader asks for samples.

They draw the numbers PyTorch's samplers draw, from the same generator and in the same order, and like these only when
iteration begins.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence, Sized
from types import GenericAlias

import lampas

__all__ = [
    "BatchSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
]


def _random_seed(generator: lampas.Generator | None = None) -> int:
    return int(lampas.empty((), dtype=lampas.int64).random_(generator=generator).item())


class Sampler:
    """An iterable of indices, or of lists of indices; subclasses define ``__iter__`` and as a rule ``__len__``."""

    __class_getitem__ = classmethod(GenericAlias)  # type: ignore[var-annotated]

    def __iter__(self) -> Iterator:
        raise NotImplementedError(f"{type(self).__name__} is a Sampler and should define __iter__.")


class SequentialSampler(Sampler):
    """0, 1, 2, ... up to the length of `data_source`."""

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler):
    """A random permutation of the indices, or with `replacement` indices drawn independently.

    Args:
        data_source: whose length bounds the indices.
        replacement: whether an index may come more than once.
        num_samples: how many to draw; the dataset's length if None. More than that without replacement: several
            permutations in a row.
        generator: where to draw from; if None, a generator of its own, seeded from the default one.

    Raises:
        TypeError: `replacement` is no bool.
        ValueError: nothing to draw.
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: lampas.Generator | None = None,
    ) -> None:
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if not isinstance(replacement, bool):
            raise TypeError(f"replacement should be a boolean value, but got replacement={replacement}")
        if not isinstance(self.num_samples, int) or self.num_samples <= 0:
            raise ValueError(
                f"num_samples should be a positive integer value, but got num_samples={self.num_samples}"
                + (" (the dataset is empty)" if num_samples is None else "")
            )

    @property
    def num_samples(self) -> int:
        """How many indices are drawn; follows the dataset's length if it was not given."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def _draws(self) -> Iterator[lampas.Tensor]:
        """The indices, some at a time."""
        n, count, generator = len(self.data_source), self.num_samples, self.generator
        if generator is None:
            generator = lampas.Generator()
            generator.manual_seed(_random_seed())
        if self.replacement:
            for size in (*[32] * (count // 32), count % 32):
                yield lampas.randint(high=n, size=(size,), dtype=lampas.int64, generator=generator)
        else:
            for _ in range(count // n):
                yield lampas.randperm(n, generator=generator)
            # Drawn even where nothing of it is used, as PyTorch does: a given generator stays in step.
            yield lampas.randperm(n, generator=generator)[: count % n]

    def __iter__(self) -> Iterator[int]:
        for indices in self._draws():
            yield from indices.tolist()

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler):
    """A random permutation of given indices."""

    def __init__(self, indices: Sequence[int], generator: lampas.Generator | None = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        for i in lampas.randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[i]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler):
    """Indices drawn with given probabilities.

    Args:
        weights: one for each index; their sum need not be 1.
        num_samples: how many to draw.
        replacement: whether an index may come more than once.
        generator: where to draw from; the default generator if None.

    Raises:
        ValueError: `num_samples` is no positive integer, `replacement` no bool, or `weights` not one-dimensional.
    """

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: lampas.Generator | None = None,
    ) -> None:
        if not isinstance(num_samples, int) or isinstance(num_samples, bool) or num_samples <= 0:
            raise ValueError(f"num_samples should be a positive integer value, but got num_samples={num_samples}")
        if not isinstance(replacement, bool):
            raise ValueError(f"replacement should be a boolean value, but got replacement={replacement}")
        self.weights = lampas.as_tensor(weights, dtype=lampas.float64)
        if self.weights.dim() != 1:
            raise ValueError(f"weights should be a 1d sequence but have shape {tuple(self.weights.shape)}")
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        drawn = lampas.multinomial(self.weights, self.num_samples, self.replacement, generator=self.generator)
        yield from drawn.tolist()

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler):
    """Groups the indices of a sampler into lists of `batch_size`; the last one is shorter, or left out.

    Raises:
        ValueError: `batch_size` is no positive integer, or `drop_last` no bool.

    Example:
        >>> list(BatchSampler(range(5), batch_size=2, drop_last=False))
        [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Sampler | Iterable[int], batch_size: int, drop_last: bool) -> None:
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size <= 0:
            raise ValueError(f"batch_size should be a positive integer value, but got batch_size={batch_size}")
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last should be a boolean value, but got drop_last={drop_last}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        n = len(self.sampler)  # type: ignore[arg-type]
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)
