"""Sorting by short keys: every length and spread of the values takes the right one of its ways."""

from __future__ import annotations

import numpy as np
import pytest

import lampas

LIMIT = np.iinfo(np.int64)
SPREADS = {
    "all alike": (7, 8),
    "a digit": (-60, 60),
    "two digits": (0, 1 << 15),
    "more than 32 bits": (-(1 << 39), 1 << 39),
    "too long for one word": (LIMIT.min // 2, LIMIT.max // 2),
    "all there are": (LIMIT.min, LIMIT.max),
}
LENGTHS = [1, 2, 63, 64, 90, 200, 1499, 1500, 5000, 1 << 17]  # short, by comparing; few and many digits; in parts


def check(x: np.ndarray, descending: bool = False, axis: int = -1) -> None:
    values, positions = lampas.sort(lampas.from_numpy(x), dim=axis, descending=descending, stable=True)
    if descending:
        by = np.flip(np.argsort(np.flip(x, axis), axis=axis, kind="stable"), axis)
        expected = x.shape[axis] - 1 - by
    else:
        expected = np.argsort(x, axis=axis, kind="stable")
    np.testing.assert_array_equal(positions.numpy(), expected)
    np.testing.assert_array_equal(values.numpy(), np.take_along_axis(x, expected, axis))


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("spread", SPREADS)
def test_whole_numbers(spread, n, descending):
    low, high = SPREADS[spread]
    x = np.random.default_rng(n).integers(low, high, n)
    if spread == "all there are" and n > 2:
        x[:2] = LIMIT.max, LIMIT.min
    check(x, descending)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", LENGTHS)
def test_floats_with_both_zeros_infinities_and_nan(n, dtype):
    numbers = np.random.default_rng(n)
    x = numbers.choice([0.0, -0.0, 1.5, -1.5, np.inf, -np.inf, np.nan], n)
    x = np.where(numbers.random(n) < 0.5, x, numbers.normal(size=n) * 10.0 ** numbers.integers(-30, 30, n))
    check(x.astype(dtype))


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32"])
def test_small_types_over_their_whole_range(dtype):
    info = np.iinfo(dtype)
    check(np.random.default_rng(0).integers(info.min, info.max, (3, 700), endpoint=True).astype(dtype))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_rows_that_are_strided(axis):
    x = np.random.default_rng(1).integers(-5, 1 << 40, (70, 80, 90))
    check(x, axis=axis)
    check(x.transpose(2, 0, 1), True, axis)


@pytest.mark.parametrize("k", [1, 3, 40])
def test_order_statistics_of_numbers_far_apart(k):
    x = np.random.default_rng(2).permutation(np.arange(100) * (LIMIT.max // 50) + LIMIT.min)  # wraps: all different
    t, in_order = lampas.from_numpy(x), np.sort(x)
    assert lampas.topk(t, k)[0].tolist() == in_order[::-1][:k].tolist()
    assert lampas.topk(t, k, largest=False)[0].tolist() == in_order[:k].tolist()
    assert lampas.kthvalue(t, k)[0].item() == in_order[k - 1]
    assert lampas.median(t)[()].item() == in_order[49]


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "uint8"])
@pytest.mark.parametrize("n, k", [(64, 1), (1000, 5), (1000, 15), (4099, 64)])
def test_a_few_of_many_are_the_first_of_all(n, k, dtype, largest):
    numbers = np.random.default_rng(n)
    x = numbers.integers(0, 200, (3, n)).astype(dtype)  # many are alike
    if dtype.startswith("float"):
        x = np.where(numbers.random(x.shape) < 0.01, numbers.choice([np.nan, np.inf, -np.inf, -0.0], x.shape), x)
        x = x.astype(dtype)
        x[2] = np.nan
    t = lampas.from_numpy(x)
    values, positions = lampas.topk(t, k, largest=largest)
    in_order, order = lampas.sort(t, descending=largest, stable=True)
    np.testing.assert_array_equal(values.numpy(), in_order[:, :k].numpy())
    np.testing.assert_array_equal(positions.numpy(), order[:, :k].numpy())
    columns = lampas.topk(t.t(), k, 0, largest)[0]
    np.testing.assert_array_equal(columns.numpy(), in_order[:, :k].t().numpy())
