"""What the engine keeps between calls, prepared kernels and packed weights: hits, staleness, bounds in bytes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import lampas
from lampas import _C
from lampas.nn import functional as F

MB = 1 << 20
DEFAULT = {"primitives": 64 * MB, "packed_weights": 256 * MB}


@pytest.fixture(autouse=True)
def limits() -> Iterator[None]:
    yield
    for name, bytes in DEFAULT.items():
        _C._bound_cache(name, bytes)


def convolve(x: lampas.Tensor, w: lampas.Tensor) -> lampas.Tensor:
    with lampas.no_grad():
        return F.conv2d(x, w, padding=1)


def test_the_caches_and_their_bounds() -> None:
    caches = _C._caches()
    assert {name: cache["limit_bytes"] for name, cache in caches.items()} == DEFAULT
    for cache in caches.values():
        assert 0 <= cache["bytes"] <= cache["limit_bytes"]


def test_a_second_call_finds_everything() -> None:
    x, w = lampas.randn(2, 16, 9, 11), lampas.randn(24, 16, 3, 3)
    convolve(x, w)
    before = _C._caches()
    convolve(x, w)
    after = _C._caches()
    for name in DEFAULT:
        assert after[name]["misses"] == before[name]["misses"]
        assert after[name]["hits"] > before[name]["hits"]


def test_changed_weights_are_packed_anew_into_the_same_entry() -> None:
    x, w = lampas.randn(1, 8, 7, 13), lampas.randn(16, 8, 3, 3)
    first = convolve(x, w)
    before = _C._caches()["packed_weights"]
    w.mul_(2)
    second = convolve(x, w)
    after = _C._caches()["packed_weights"]
    np.testing.assert_allclose(second.numpy(), 2 * first.numpy(), rtol=1e-5, atol=1e-5)
    assert after["misses"] == before["misses"] + 1
    assert (after["entries"], after["bytes"]) == (before["entries"], before["bytes"])


@pytest.mark.parametrize("name", DEFAULT)
def test_a_small_bound_evicts_and_changes_no_result(name: str) -> None:
    inputs = [(lampas.randn(1, 16, 20 + i, 9), lampas.randn(32, 16, 3, 3)) for i in range(12)]
    want = [convolve(x, w).numpy() for x, w in inputs]
    limit = 512 << 10 if name == "primitives" else 50_000
    _C._bound_cache(name, limit)
    before = _C._caches()[name]
    assert before["bytes"] <= limit
    for (x, w), y in zip(inputs * 2, want * 2, strict=True):
        np.testing.assert_array_equal(convolve(x, w).numpy(), y)
        assert _C._caches()[name]["bytes"] <= limit
    assert _C._caches()[name]["evictions"] > before["evictions"]


def test_nothing_is_kept_with_a_bound_of_0() -> None:
    x, w = lampas.randn(1, 16, 6, 31), lampas.randn(32, 16, 3, 3)
    want = convolve(x, w).numpy()
    for name in DEFAULT:
        _C._bound_cache(name, 0)
    np.testing.assert_array_equal(convolve(x, w).numpy(), want)
    for cache in _C._caches().values():
        assert (cache["entries"], cache["bytes"]) == (0, 0)


def test_bad_bounds() -> None:
    with pytest.raises(ValueError, match="number of bytes, 0 or more"):
        _C._bound_cache("primitives", -1)
    with pytest.raises(ValueError, match="there is no cache named weights"):
        _C._bound_cache("weights", 1)
