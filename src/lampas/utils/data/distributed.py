"""The sampler of distributed training."""

from __future__ import annotations

import math
from collections.abc import Iterator

import lampas
from lampas.utils.data.dataset import Dataset
from lampas.utils.data.sampler import Sampler

__all__ = ["DistributedSampler"]


class DistributedSampler(Sampler):
    """The share of a dataset's indices that belongs to one process of several.

    All processes shuffle alike, by `seed` plus the epoch, and take every ``num_replicas``-th index. If the length is
    not divisible, the first indices come again at the end, or with `drop_last` the last ones are left out.

    Args:
        dataset: whose indices are shared out.
        num_replicas: number of processes; those of `lampas.distributed` if None.
        rank: number of this process; that of `lampas.distributed` if None.
        shuffle: whether to shuffle.
        seed: the same in all processes.
        drop_last: see above.

    Raises:
        ValueError: `rank` outside [0, num_replicas).

    Example:
        >>> sampler = DistributedSampler(data, num_replicas=4, rank=0)
        >>> sampler.set_epoch(epoch)  # before each epoch, or all have the same order
    """

    def __init__(
        self,
        dataset: Dataset,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None or rank is None:
            import lampas.distributed as dist

            if not dist.is_available():
                raise RuntimeError("lampas.distributed is not available here: give num_replicas and rank")
            num_replicas = dist.get_world_size() if num_replicas is None else num_replicas
            rank = dist.get_rank() if rank is None else rank
        if rank >= num_replicas or rank < 0:
            raise ValueError(f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]")
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.drop_last = drop_last
        n = len(dataset)
        if drop_last and n % num_replicas != 0:
            self.num_samples = math.ceil((n - num_replicas) / num_replicas)
        else:
            self.num_samples = math.ceil(n / num_replicas)
        self.total_size = self.num_samples * num_replicas
        self.shuffle = shuffle
        self.seed = seed

    def __iter__(self) -> Iterator[int]:
        n = len(self.dataset)
        if self.shuffle:
            generator = lampas.Generator()
            generator.manual_seed(self.seed + self.epoch)
            indices = lampas.randperm(n, generator=generator).tolist()
        else:
            indices = list(range(n))
        if len(indices) < self.total_size:
            indices = (indices * math.ceil(self.total_size / n))[: self.total_size]
        return iter(indices[self.rank : self.total_size : self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch, which changes the shuffle; call it in all processes before iterating."""
        self.epoch = epoch
