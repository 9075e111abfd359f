"""Matrix products by the way their operands lie, where the engine turns or repacks them: against float64."""

from __future__ import annotations

import numpy as np
import pytest

import lampas

LAYOUTS = ["NN", "NT", "TN", "TT"]
# Around the bounds: few rows, columns that no block of 8, 16 or 32 divides, distances of whole kilobytes, one thread's
# share smaller than the other's.
SIZES = [(12, 700, 100), (13, 700, 100), (40, 100, 300), (64, 65, 200), (200, 260, 33), (520, 96, 40), (16, 1024, 70)]


def matrix(rows, columns, turned, seed):
    """A matrix in the middle of a larger one, by rows or by columns."""
    shape = (columns, rows) if turned else (rows, columns)
    whole = np.random.default_rng(seed).normal(size=(shape[0] + 2, shape[1] + 3)).astype(np.float32)
    part = lampas.from_numpy(whole)[1:-1, 2:-1]
    return (part.t(), whole[1:-1, 2:-1].T) if turned else (part, whole[1:-1, 2:-1])


@pytest.fixture(params=[1, 2, 3])
def threads(request):
    before = lampas.get_num_threads()
    lampas.set_num_threads(request.param)
    yield request.param
    lampas.set_num_threads(before)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", SIZES)
def test_products(layout, size, threads):
    m, n, k = size
    (a, x), (b, y) = matrix(m, k, layout[0] == "T", m), matrix(k, n, layout[1] == "T", n)
    expected = x.astype(np.float64) @ y.astype(np.float64)
    close = {"rtol": 0, "atol": 4e-7 * np.sqrt(k) * np.abs(expected).max()}
    np.testing.assert_allclose((a @ b).numpy(), expected, **close)
    row = np.random.default_rng(k).normal(size=n).astype(np.float32)
    found = lampas.addmm(lampas.from_numpy(row), a, b, beta=0.5, alpha=2)
    np.testing.assert_allclose(found.numpy(), 0.5 * row + 2 * expected, rtol=0, atol=2 * close["atol"])
    full = np.random.default_rng(m).normal(size=(m, n)).astype(np.float32)
    found = lampas.from_numpy(full.copy()).addmm_(a, b)
    np.testing.assert_allclose(found.numpy(), full + expected, **close)
    if layout == "NT":
        found = lampas.nn.functional.linear(a, b.t(), lampas.from_numpy(row))
        np.testing.assert_allclose(found.numpy(), row + expected, **close)
