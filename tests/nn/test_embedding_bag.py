"""embedding_bag against sums, means and maxima of NumPy, and its gradients against finite differences."""

from __future__ import annotations

import numpy as np
import pytest

import lampas
import lampas.nn.functional as F

ROWS = 9
LENGTHS = [3, 0, 1, 5, 2, 0]


def bags(padding=None):
    draw = np.random.default_rng(4)
    found = [draw.integers(0, ROWS, n) for n in LENGTHS]
    indices = np.concatenate(found)
    offsets = np.cumsum([0, *LENGTHS[:-1]])
    return indices, offsets, [[r for r in bag if r != padding] for bag in found]


def reduced(table, rows, mode):
    if not len(rows):
        return np.zeros(table.shape[1])
    return {"sum": np.sum, "mean": np.mean, "max": np.max}[mode](table[rows], axis=0)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("width", [1, 7, 300])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize("padding", [None, 4])
def test_results(mode, width, dtype, padding):
    indices, offsets, kept = bags(padding)
    table = lampas.randn(ROWS, width, 2).to(getattr(lampas, dtype))[:, :, 1]  # columns apart
    found = F.embedding_bag(lampas.tensor(indices), table, lampas.tensor(offsets), mode=mode, padding_idx=padding)
    assert found.dtype == table.dtype
    expected = np.stack([reduced(table.double().numpy(), rows, mode) for rows in kept])
    tolerance = {"float32": 1e-6, "float64": 1e-14, "float16": 4e-3, "bfloat16": 3e-2}[dtype]
    np.testing.assert_allclose(found.double().numpy(), expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_many_bags(mode, threads):
    before = lampas.get_num_threads()
    lampas.set_num_threads(threads)
    try:
        table = lampas.randn(500, 70, requires_grad=True)
        index = lampas.randint(0, 500, (200, 30))
        y = F.embedding_bag(index, table, mode=mode)
        (y * y).sum().backward()
    finally:
        lampas.set_num_threads(before)
    rows = table.detach().numpy()[index.numpy()]
    gathered = {"sum": rows.sum(1), "mean": rows.mean(1), "max": rows.max(1)}[mode]
    np.testing.assert_allclose(y.detach().numpy(), gathered, atol=1e-5)
    expected = np.zeros((500, 70))
    if mode == "max":
        np.add.at(expected, (np.take_along_axis(index.numpy(), rows.argmax(1), 1), np.arange(70)[None]), 2 * gathered)
    else:
        share = 2 * gathered / (30 if mode == "mean" else 1)
        np.add.at(expected, index.numpy(), share[:, None])
    np.testing.assert_allclose(table.grad.numpy(), expected, atol=1e-4)


@pytest.mark.parametrize("padding", [None, -2])
@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("last", [False, True])
def test_gradients(mode, padding, last):
    indices, offsets, _ = bags()
    offsets = lampas.tensor([*offsets[:-1], len(indices) - 1] if last else offsets)  # the last index is in no bag
    table = lampas.randn(ROWS, 3, dtype=lampas.float64, requires_grad=True)
    options = {"mode": mode, "padding_idx": padding, "include_last_offset": last}

    def call(*given):
        return F.embedding_bag(
            lampas.tensor(indices), given[0], offsets, **options, per_sample_weights=(*given, None)[1]
        )

    inputs = (table, lampas.rand(len(indices), dtype=lampas.float64, requires_grad=True)) if mode == "sum" else (table,)
    assert lampas.autograd.gradcheck(call, inputs)
    assert lampas.autograd.gradgradcheck(call, inputs)


def test_gradients_by_frequency():
    table = lampas.ones(4, 2, requires_grad=True)
    F.embedding_bag(lampas.tensor([[0, 1], [1, 1]]), table, mode="sum", scale_grad_by_freq=True).sum().backward()
    assert table.grad.tolist() == [[1, 1], [1, 1], [0, 0], [0, 0]]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_gradients_of_short_floats(dtype):
    table = lampas.ones(4, 2, dtype=getattr(lampas, dtype), requires_grad=True)
    F.embedding_bag(lampas.tensor([[0, 1], [1, 1]]), table).sum().backward()
    assert table.grad.dtype == table.dtype
    assert table.grad.tolist() == [[0.5, 0.5], [1.5, 1.5], [0, 0], [0, 0]]


def test_what_else_is_returned():
    table, index = lampas.eye(4), lampas.tensor([3, 1, 1, 0])
    y, owner, size, largest = lampas.embedding_bag(table, index, lampas.tensor([0, 3, 3]), False, 2)
    assert y.tolist() == [[0, 1, 0, 1], [0, 0, 0, 0], [1, 0, 0, 0]]
    assert (owner.tolist(), size.tolist()) == ([0, 0, 0, 2], [3, 0, 1])
    assert largest.tolist() == [[3, 1, 3, 3], [0, 0, 0, 0], [0, 0, 0, 0]]  # the first of equal ones


def test_nothing_to_reduce():
    table = lampas.ones(3, 2, requires_grad=True)
    none = lampas.zeros(0, dtype=lampas.int64)
    y = F.embedding_bag(none, table, none)
    assert y.shape == (0, 2)
    y = F.embedding_bag(none, table, lampas.tensor([0, 0]), mode="max")
    y.sum().backward()
    assert y.tolist() == [[0, 0], [0, 0]] and table.grad.abs().sum() == 0


def test_errors():
    table, index = lampas.ones(3, 2), lampas.tensor([0, 3])
    with pytest.raises(IndexError, match="index 3 is out of bounds for dimension 0 with size 3"):
        F.embedding_bag(index, table, lampas.tensor([0]))
    with pytest.raises(RuntimeError, match=r"Half, BFloat16, Float, Double; but got torch\.int64"):
        F.embedding_bag(lampas.tensor([0]), table.long(), lampas.tensor([0]))
    with pytest.raises(RuntimeError, match=r"offsets must not decrease, got 2 before 1"):
        F.embedding_bag(lampas.tensor([0, 1, 2]), table, lampas.tensor([0, 2, 1]))
