"""Remainders of floats in vectors, bit by bit as libm's, and quotients too large for them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lampas

SPECIAL = [0.0, -0.0, 1, -1, 3.5, 2, -2, 0.1, np.inf, -np.inf, np.nan, 5e-324, 1e-45, 1e30, -1e30, 1.7e308]


def tensors(a, b, dtype):
    with np.errstate(over="ignore"):
        return np.asarray(a).astype(dtype), np.asarray(b).astype(dtype)


def agree(found, expected):
    same = (found == expected) & (np.signbit(found) == np.signbit(expected))
    return bool((same | (np.isnan(found) & np.isnan(expected))).all())


def check(a, b):
    x, y = lampas.from_numpy(a), lampas.from_numpy(b)
    with np.errstate(all="ignore"):
        assert agree(lampas.fmod(x, y).numpy(), np.fmod(a, b))
        mod = np.mod(a, b)
        assert np.array_equal(lampas.remainder(x, y).numpy(), mod, equal_nan=True)
        whole = np.where(b == 0, a / b, np.floor_divide(a, b))
        assert np.array_equal(lampas.floor_divide(x, y).numpy(), whole, equal_nan=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_special_numbers(dtype):
    a, b = np.meshgrid(SPECIAL, SPECIAL)
    check(*tensors(a.ravel(), b.ravel(), dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1, 1e3, 1e7, 1e20])
def test_sizes(dtype, size):
    random = np.random.default_rng(0)
    check(*tensors(random.standard_normal(20_001) * size, random.standard_normal(20_001), dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_quotients_next_to_whole_numbers(dtype):
    random = np.random.default_rng(0)
    b = random.uniform(0.01, 3, 20_001).astype(dtype) * random.choice([1, -1], 20_001).astype(dtype)
    a = b * random.integers(-100_000, 100_000, 20_001).astype(dtype)
    check(a, b)
    check(np.nextafter(a, dtype(0)), b)
    check(np.nextafter(a, dtype(np.inf)), b)


@given(st.lists(st.tuples(st.floats(width=32), st.floats(width=32)), min_size=1, max_size=40))
def test_any_numbers(pairs):
    check(*tensors(*zip(*pairs), np.float32))


def test_with_a_number_and_in_place():
    a = np.linspace(-50, 50, 1001, dtype=np.float32)
    x = lampas.from_numpy(a.copy())
    assert np.array_equal((x % 0.75).numpy(), np.mod(a, np.float32(0.75)))
    assert np.array_equal((7.5 % x[:500]).numpy(), np.mod(np.float32(7.5), a[:500]))
    x.fmod_(lampas.from_numpy(a[::-1].copy()))
    with np.errstate(invalid="ignore"):
        assert agree(x.numpy(), np.fmod(a, a[::-1]))
