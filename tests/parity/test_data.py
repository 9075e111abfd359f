"""Samplers, splits and loaders against PyTorch's: the same numbers from the same seed."""

import random

import numpy as np
import pytest

import lampas
import lampas.utils.data

torch = pytest.importorskip("torch")
import torch.utils.data  # noqa: E402, F811


def plain(x):
    """Tensors as dtype and values, so that batches of both libraries compare with ==."""
    if isinstance(x, (lampas.Tensor, torch.Tensor)):
        return ("tensor", str(x.dtype).split(".")[1], tuple(x.shape), x.tolist())
    if isinstance(x, dict):
        return {key: plain(value) for key, value in x.items()}
    if isinstance(x, (list, tuple)):
        return (type(x).__name__, *map(plain, x))
    return x


def rows(library, n):
    class Rows(library.utils.data.Dataset):
        def __len__(self):
            return n

        def __getitem__(self, i):
            return {
                "tensor": library.full((3,), float(i)),
                "int": i,
                "float": i / 2,
                "text": str(i),
                "array": np.arange(3) + i,
                "scalar": np.float32(i),
                "nested": (i, [i, library.tensor(i)]),
                "random": (random.random(), library.rand(()), float(np.random.rand())),
            }

    return Rows()


def stream(library, n):
    class Stream(library.utils.data.IterableDataset):
        def __iter__(self):
            info = library.utils.data.get_worker_info()
            return iter(range(n)) if info is None else iter(range(info.id, n, info.num_workers + (info.id == 1)))

    return Stream()


def table(library, n=25):
    return library.utils.data.TensorDataset(library.arange(2.0 * n).reshape(n, 2), library.arange(n))


CASES = {
    "plain": lambda t, m: m.DataLoader(table(t), batch_size=4),
    "shuffle": lambda t, m: m.DataLoader(table(t), batch_size=4, shuffle=True),
    "shuffle, drop_last": lambda t, m: m.DataLoader(table(t), batch_size=4, shuffle=True, drop_last=True),
    "shuffle, generator": lambda t, m: m.DataLoader(
        table(t), batch_size=5, shuffle=True, generator=t.Generator().manual_seed(3)
    ),
    "subset": lambda t, m: m.DataLoader(
        m.Subset(m.Subset(table(t), [3, -1, 7, 8, 9]), [4, 0, -2]), batch_size=2, shuffle=True
    ),
    "split": lambda t, m: [
        list(m.DataLoader(part, batch_size=3, shuffle=True)) for part in m.random_split(table(t), [0.5, 0.3, 0.2])
    ],
    "batch_size=None": lambda t, m: m.DataLoader(table(t), batch_size=None),
    "rows": lambda t, m: m.DataLoader(rows(t, 11), batch_size=4, shuffle=True),
    "rows, workers": lambda t, m: m.DataLoader(rows(t, 11), batch_size=4, shuffle=True, num_workers=2),
    "rows, workers that stay": lambda t, m: m.DataLoader(
        rows(t, 11), batch_size=4, shuffle=True, num_workers=2, persistent_workers=True, prefetch_factor=3
    ),
    "table, workers": lambda t, m: m.DataLoader(table(t), batch_size=4, shuffle=True, num_workers=2),
    "stream": lambda t, m: m.DataLoader(stream(t, 11), batch_size=4),
    "stream, workers": lambda t, m: m.DataLoader(stream(t, 23), batch_size=4, num_workers=2),
    "stream, workers that stay": lambda t, m: m.DataLoader(
        stream(t, 23), batch_size=4, num_workers=2, drop_last=True, persistent_workers=True
    ),
    "replacement": lambda t, m: m.DataLoader(table(t), batch_size=4, sampler=m.RandomSampler(range(25), True, 70)),
    "num_samples": lambda t, m: m.DataLoader(
        table(t), batch_size=4, sampler=m.RandomSampler(range(25), num_samples=70)
    ),
    "weighted": lambda t, m: m.DataLoader(
        table(t), batch_size=4, sampler=m.WeightedRandomSampler([0.1] * 20 + [0.5] * 5, 30)
    ),
    "subset sampler": lambda t, m: m.DataLoader(table(t), batch_size=4, sampler=m.SubsetRandomSampler([1, 2, 5, -3])),
    "batch_sampler": lambda t, m: m.DataLoader(table(t), batch_sampler=[[1, 2], [3]]),
    "distributed": lambda t, m: m.DataLoader(table(t), sampler=m.DistributedSampler(range(25), 4, 1)),
    "distributed, drop_last": lambda t, m: m.DataLoader(
        table(t), sampler=m.DistributedSampler(range(25), 4, 3, drop_last=True, seed=4)
    ),
    "concat": lambda t, m: m.DataLoader(table(t) + table(t), batch_size=7, shuffle=True),
    "stack": lambda t, m: m.DataLoader(m.StackDataset(a=table(t), b=rows(t, 25)), batch_size=7, shuffle=True),
    "chain": lambda t, m: m.DataLoader(m.ChainDataset([stream(t, 3), stream(t, 4)]), batch_size=7),
}


def epochs(library, make):
    for seed in (library.manual_seed, random.seed, np.random.seed):
        seed(0)
    loader, out = make(library, library.utils.data), []
    for _ in range(2):
        out.append(plain(list(loader)))
        # What is left of the default generator.
        out.append(library.rand(2).tolist())
    return out


@pytest.mark.parametrize("name", CASES)
def test_same_batches(name):
    assert epochs(lampas, CASES[name]) == epochs(torch, CASES[name])


def test_shared_generator_stays_in_step():
    results = []
    for library in (lampas, torch):
        generator = library.Generator().manual_seed(1)
        loader = library.utils.data.DataLoader(table(library, 8), batch_size=2, shuffle=True, generator=generator)
        seen = []
        for _, y in loader:
            seen += [y.tolist(), library.rand(1, generator=generator).item()]
        results.append([*seen, library.rand(1, generator=generator).item()])
    assert results[0] == results[1]
