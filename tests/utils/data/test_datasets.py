"""Datasets, samplers and collating."""

import collections

import numpy as np
import pytest

import lampas
from lampas.utils import data


class Numbers(data.Dataset):
    def __init__(self, n, start=0):
        self.n, self.start = n, start

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return self.start + i


class Stream(data.IterableDataset):
    def __init__(self, *values):
        self.values = values

    def __iter__(self):
        return iter(self.values)

    def __len__(self):
        return len(self.values)


def rows():
    return data.TensorDataset(lampas.arange(10.0).reshape(5, 2), lampas.arange(5))


def test_tensor_dataset():
    x, y = rows()[-1]
    assert x.tolist() == [8, 9] and y.item() == 4 and len(rows()) == 5
    with pytest.raises(AssertionError, match=r"first dimensions are \[2, 3\]"):
        data.TensorDataset(lampas.ones(2), lampas.ones(3))


def test_concat():
    both = Numbers(3) + Numbers(2, 10)
    assert [both[i] for i in range(5)] == [0, 1, 2, 10, 11] and both[-1] == 11 and len(both) == 5
    with pytest.raises(ValueError, match="absolute value of index -6"):
        both[-6]
    with pytest.raises(AssertionError, match="empty"):
        data.ConcatDataset([])
    with pytest.raises(AssertionError, match="use ChainDataset"):
        data.ConcatDataset([Stream(1)])


def test_chain():
    both = Stream(1, 2) + Stream(3)
    assert list(both) == [1, 2, 3] and len(both) == 3
    with pytest.raises(AssertionError, match="not Numbers"):
        list(data.ChainDataset([Numbers(2)]))


def test_stack():
    assert data.StackDataset(Numbers(2), Numbers(2, 5))[1] == (1, 6)
    named = data.StackDataset(a=Numbers(2), b=Numbers(2, 5))
    assert named[1] == {"a": 1, "b": 6} and named.__getitems__([1, 0])[1] == {"a": 0, "b": 5} and len(named) == 2
    for args, kwargs, message in [
        ([], {}, "At least one"),
        ([Numbers(2), Numbers(3)], {}, r"their lengths are \[2, 3\]"),
        ([Numbers(2)], {"b": Numbers(2)}, "not both"),
    ]:
        with pytest.raises(ValueError, match=message):
            data.StackDataset(*args, **kwargs)


def test_stack_checks_batches():
    class Short(Numbers):
        def __getitems__(self, indices):
            return [0]

    with pytest.raises(ValueError, match="gave 1 samples for 2 indices"):
        data.StackDataset(Short(3)).__getitems__([0, 1])


def test_subset():
    subset = data.Subset(Numbers(10), [7, 3, 5])
    assert [subset[i] for i in range(3)] == [7, 3, 5] and subset.__getitems__([2, 0]) == [5, 7] and len(subset) == 3

    class Half(data.Subset):
        def __getitem__(self, i):
            return super().__getitem__(i) / 2

    with pytest.raises(NotImplementedError, match="but not __getitems__"):
        Half(Numbers(3), [0])


def test_random_split():
    parts = data.random_split(Numbers(10), [0.55, 0.25, 0.2], generator=lampas.Generator().manual_seed(0))
    assert [len(p) for p in parts] == [6, 2, 2]
    assert sorted(x for p in parts for x in p.indices) == list(range(10))
    assert [len(p) for p in data.random_split(Numbers(10), [3, 7])] == [3, 7]
    with pytest.raises(ValueError, match=r"Sum of input lengths.*9 and 10"):
        data.random_split(Numbers(10), [3, 6])
    with pytest.raises(ValueError, match="Fraction at index 1"):
        data.random_split(Numbers(10), [0.9, -0.4, 0.5])
    with pytest.warns(UserWarning, match="split at index 1 is 0"):
        data.random_split(Numbers(1), [0.9, 0.1])


def test_abstract_classes_say_what_to_define():
    with pytest.raises(NotImplementedError, match="should define __getitem__"):
        data.Dataset()[0]
    with pytest.raises(NotImplementedError, match="should define __iter__"):
        iter(data.IterableDataset())
    with pytest.raises(NotImplementedError, match="should define __iter__"):
        iter(data.Sampler())
    assert issubclass(data.Dataset[int].__origin__, data.Dataset)


def test_random_sampler():
    assert sorted(data.RandomSampler(range(100))) == list(range(100))
    drawn = list(data.RandomSampler(range(10), num_samples=25))
    assert sorted(drawn[:10]) == sorted(drawn[10:20]) == list(range(10)) and len(set(drawn[20:])) == 5
    drawn = list(data.RandomSampler(range(10), replacement=True, num_samples=1000))
    assert len(drawn) == 1000 and np.bincount(drawn).min() > 60
    generator = lampas.Generator()
    orders = [list(data.RandomSampler(range(50), generator=generator.manual_seed(3))) for _ in range(2)]
    assert orders[0] == orders[1]
    with pytest.raises(ValueError, match="the dataset is empty"):
        data.RandomSampler([])
    with pytest.raises(TypeError, match="boolean"):
        data.RandomSampler([1], replacement=1)


def test_weighted_sampler():
    drawn = np.bincount(list(data.WeightedRandomSampler([0.0, 1.0, 3.0], 4000)), minlength=3) / 4000
    np.testing.assert_allclose(drawn, [0, 0.25, 0.75], atol=0.05)
    assert sorted(data.WeightedRandomSampler([1, 1, 1], 3, replacement=False)) == [0, 1, 2]
    with pytest.raises(ValueError, match="num_samples=0"):
        data.WeightedRandomSampler([1], 0)
    with pytest.raises(ValueError, match=r"shape \(1, 2\)"):
        data.WeightedRandomSampler([[1, 2]], 1)


def test_other_samplers():
    assert list(data.SequentialSampler(range(3))) == [0, 1, 2]
    assert sorted(data.SubsetRandomSampler([5, 7, 9])) == [5, 7, 9]
    assert list(data.BatchSampler(range(5), 2, False)) == [[0, 1], [2, 3], [4]]
    assert list(data.BatchSampler(range(5), 2, True)) == [[0, 1], [2, 3]]
    assert [len(data.BatchSampler(range(5), 2, last)) for last in (False, True)] == [3, 2]
    for size, last, message in [(0, False, "batch_size=0"), (True, False, "batch_size=True"), (1, 1, "drop_last=1")]:
        with pytest.raises(ValueError, match=message):
            data.BatchSampler(range(5), size, last)


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("shuffle", [False, True])
def test_distributed_sampler(drop_last, shuffle):
    shares = []
    for rank in range(4):
        sampler = data.DistributedSampler(range(10), 4, rank, shuffle=shuffle, drop_last=drop_last)
        sampler.set_epoch(3)
        shares.append(list(sampler))
        assert len(sampler) == len(shares[-1]) == (2 if drop_last else 3)
    everything = [i for share in shares for i in share]
    assert len(set(everything)) == (8 if drop_last else 10)
    with pytest.raises(ValueError, match="Invalid rank 4"):
        data.DistributedSampler(range(10), 4, 4)


def test_more_replicas_than_samples():
    assert [list(data.DistributedSampler([0], 3, r, shuffle=False)) for r in range(3)] == [[0], [0], [0]]


Point = collections.namedtuple("Point", "x y")


def test_collate_types():
    batch = data.default_collate(
        [
            {"t": lampas.ones(2) * i, "i": i, "f": i / 2, "b": i > 0, "s": str(i), "p": Point(i, [i, 2 * i]), "y": b"z"}
            for i in range(3)
        ]
    )
    assert batch["t"].tolist() == [[0, 0], [1, 1], [2, 2]] and batch["t"].dtype == lampas.float32
    assert batch["i"].tolist() == [0, 1, 2] and batch["i"].dtype == lampas.int64
    assert batch["f"].tolist() == [0, 0.5, 1] and batch["f"].dtype == lampas.float64
    assert batch["b"].dtype == lampas.bool and batch["s"] == ["0", "1", "2"] and batch["y"] == [b"z"] * 3
    assert isinstance(batch["p"], Point) and batch["p"].y[1].tolist() == [0, 2, 4]


def test_collate_numpy():
    batch = data.default_collate([(np.arange(2), np.float32(i), np.int16(i)) for i in range(3)])
    assert [b.dtype for b in batch] == [lampas.int64, lampas.float32, lampas.int16]
    assert batch[0].shape == (3, 2) and batch[2].tolist() == [0, 1, 2]


def test_collate_errors():
    with pytest.raises(TypeError, match="found <class 'object'>"):
        data.default_collate([object()])
    with pytest.raises(TypeError, match="found <U1"):
        data.default_collate([np.array(["a"])])
    with pytest.raises(RuntimeError, match=r"equal size, but their lengths are \[1, 2\]"):
        data.default_collate([[1], [1, 2]])


def test_convert():
    out = data.default_convert({"a": np.zeros(2), "b": [1, (np.float64(2), "x")], "c": np.array(["q"])})
    assert out["a"].dtype == lampas.float64 and out["b"][0] == 1
    assert out["b"][1][0].item() == 2 and out["b"][1][1] == "x" and out["c"].tolist() == ["q"]
