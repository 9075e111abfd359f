"""Loops over short rows: what repeats itself, what lies in one piece and what must be gathered, across blocks."""

from __future__ import annotations

import numpy as np
import pytest

import lampas

LAST = [1, 2, 3, 4, 5, 7, 63, 64]
PAIRS = [("float32", "float32"), ("float32", "float64"), ("int32", "float32"), ("int8", "int64")]
SHAPES = [(700, 3), (3, 700), (1300, 2), (40, 31, 5), (5, 600, 31), (9, 1, 70), (2, 40), (6, 5, 33)]


def numbers(*shape, dtype="float32"):
    return (np.random.default_rng(sum(shape)).normal(size=shape) * 50).astype(dtype)


@pytest.mark.parametrize("last", LAST)
@pytest.mark.parametrize("types", PAIRS)
def test_broadcast_operands(last, types):
    rows = 3000 // last + 5  # several blocks, the last of them short
    x = numbers(rows, 3, last, dtype=types[0])
    for shape in [(last,), (3, last), (3, 1), (rows, 1, 1), (rows, 1, last), (1, 1, 1), (rows, 3, 1)]:
        v = numbers(*shape, dtype=types[1])
        found = lampas.from_numpy(x) + lampas.from_numpy(v)
        expected = (x.astype(found.numpy().dtype) + v.astype(found.numpy().dtype)).astype(found.numpy().dtype)
        np.testing.assert_array_equal(found.numpy(), expected)
        out = lampas.empty(3, rows, last * 2, dtype=found.dtype)[:, :, ::2].transpose(0, 1)  # gaps, and another order
        lampas.add(lampas.from_numpy(x), lampas.from_numpy(v), out=out)
        np.testing.assert_array_equal(out.numpy(), expected)


@pytest.mark.parametrize("last", LAST)
def test_operands_in_other_orders(last):
    rows = 2500 // last + 3
    x, y = numbers(rows, last + 3), numbers(last, rows)
    a, b = lampas.from_numpy(x), lampas.from_numpy(y)
    expected = x[:, 1 : last + 1] * y.T
    np.testing.assert_array_equal((a[:, 1 : last + 1] * b.t()).numpy(), expected)
    rounded = a.bfloat16()[:, :last]
    assert lampas.equal(rounded * 3, (rounded.float() * 3).bfloat16())
    target = lampas.from_numpy(x.copy())
    target[:, 1 : last + 1] *= b.t()  # written through short rows with gaps
    want = x.copy()
    want[:, 1 : last + 1] = expected
    np.testing.assert_array_equal(target.numpy(), want)


@pytest.mark.parametrize("dtype", ["int8", "int16", "float32", "float64", "complex128"])
@pytest.mark.parametrize("last", LAST)
def test_copies(last, dtype):
    x = numbers(900, 4, last).astype(dtype)
    t = lampas.from_numpy(x)
    for dims in [(0,), (1,), (2,), (0, 2), (0, 1, 2)]:
        np.testing.assert_array_equal(t.flip(dims).numpy(), np.flip(x, dims))
    for d in range(3):
        np.testing.assert_array_equal(t.roll(1, d).numpy(), np.roll(x, 1, d))
        np.testing.assert_array_equal(lampas.cat([t, t], d).numpy(), np.concatenate([x, x], d))
        np.testing.assert_array_equal(lampas.stack([t, t, t], d).numpy(), np.stack([x, x, x], d))
    np.testing.assert_array_equal(t[:, 1:3, : max(1, last - 1)].contiguous().numpy(), x[:, 1:3, : max(1, last - 1)])


@pytest.mark.parametrize("name", ["cumsum", "cumprod"])
@pytest.mark.parametrize("shape", SHAPES)
def test_running_totals(name, shape):
    x = np.random.default_rng(0).choice([-1.0, 1.0, 1.5, 0.75], shape)
    for d in range(len(shape)):
        ours, theirs = getattr(lampas, name), getattr(np, name)
        np.testing.assert_allclose(ours(lampas.from_numpy(x), d).numpy(), theirs(x, d), 1e-12)
        whole = (x > 0).astype("int32")
        np.testing.assert_array_equal(ours(lampas.from_numpy(whole), d).numpy(), theirs(whole, d))
    values, places = lampas.cummax(lampas.from_numpy(x[:, :1]), 1)
    np.testing.assert_array_equal(values.numpy(), x[:, :1])
    assert not places.any()
