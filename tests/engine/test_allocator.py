"""The caching allocator: reuse, its bound, giving memory back, and what happens when there is none."""

from __future__ import annotations

import gc

import pytest

import lampas
from lampas import _C

MB = 1 << 20
TEN_TB = 10 * 2**40


def stats():
    gc.collect()
    return _C._memory_stats()


@pytest.fixture
def clean():
    """The cache emptied before and after, its bound restored."""
    limit = stats()["cache_limit_bytes"]
    _C._empty_cache()
    yield
    _C._set_cache_limit(limit)
    _C._empty_cache()


def in_use():
    return stats()["allocated_bytes"]


def test_a_freed_block_is_reused(clean):
    x = lampas.empty(4 * MB, dtype=lampas.uint8)
    address = x.data_ptr()
    del x
    before = stats()["reused"]
    y = lampas.empty(4 * MB, dtype=lampas.uint8)
    assert y.data_ptr() == address
    assert stats()["reused"] == before + 1


def test_bytes_in_use_follow_the_tensors(clean):
    start = in_use()
    x = lampas.zeros(3 * MB, dtype=lampas.uint8)
    held = in_use() - start
    assert 3 * MB <= held <= 3 * MB * 9 / 8 + 1024, "no class may lose more than an eighth"
    view = x[10:20]
    del x
    assert in_use() - start >= 3 * MB, "a view keeps the storage alive"
    del view
    assert in_use() == start
    assert stats()["cached_bytes"] >= 3 * MB


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 1023, 1024, 1025, 4095, 4096, 4097, 100_000, MB, MB + 1, 9 * MB])
def test_every_size_is_aligned_writable_and_given_back(size):
    start = in_use()
    x = lampas.full((size,), 7, dtype=lampas.uint8)
    assert x.data_ptr() % 64 == 0
    assert int(x.sum()) == 7 * size
    del x
    assert in_use() == start


def test_many_sizes_do_not_overlap():
    sizes = [1, 5, 64, 100, 700, 1024, 1030, 3000, 70_000, 300_000]
    tensors = [lampas.full((n,), i % 251, dtype=lampas.uint8) for i, n in enumerate(sizes * 20)]
    for i, t in enumerate(tensors):
        assert bool((t == i % 251).all()), f"tensor {i} was overwritten"


def test_the_cache_is_bounded(clean):
    _C._set_cache_limit(8 * MB)
    tensors = [lampas.empty(3 * MB, dtype=lampas.uint8) for _ in range(6)]
    tensors.append(lampas.empty(20 * MB, dtype=lampas.uint8))
    del tensors
    after = stats()
    assert after["cache_limit_bytes"] == 8 * MB
    small = 2 * MB  # small blocks are carved from slabs which are never given back
    assert after["cached_bytes"] <= 8 * MB + small


def test_no_cache_at_all(clean):
    _C._set_cache_limit(0)
    x = lampas.empty(3 * MB, dtype=lampas.uint8)
    before = stats()["cached_bytes"]
    del x
    assert stats()["cached_bytes"] - before < MB


def test_lowering_the_bound_gives_memory_back(clean):
    tensors = [lampas.empty(3 * MB, dtype=lampas.uint8) for _ in range(4)]
    del tensors
    full = stats()["cached_bytes"]
    _C._set_cache_limit(4 * MB)
    assert stats()["cached_bytes"] <= full - 8 * MB


@pytest.mark.parametrize("bad", [-1, "much", 1.5])
def test_bad_bounds(bad):
    before = stats()["cache_limit_bytes"]
    with pytest.raises(ValueError, match="number of bytes"):
        _C._set_cache_limit(bad)
    assert stats()["cache_limit_bytes"] == before


def test_empty_cache(clean):
    x = lampas.empty(16 * MB, dtype=lampas.uint8)
    kept = lampas.full((MB,), 3, dtype=lampas.uint8)
    del x
    full = stats()["cached_bytes"]
    _C._empty_cache()
    assert stats()["cached_bytes"] <= full - 16 * MB
    assert bool((kept == 3).all())


def test_peak(clean):
    _C._reset_peak_memory()
    start = stats()
    x = lampas.empty(32 * MB, dtype=lampas.uint8)
    del x
    after = stats()
    assert after["peak_bytes"] - start["peak_bytes"] >= 32 * MB
    assert after["peak_bytes"] >= after["allocated_bytes"]
    _C._reset_peak_memory()
    assert stats()["peak_bytes"] < after["peak_bytes"]


ASK = {
    "empty": lambda: lampas.empty(TEN_TB, dtype=lampas.uint8),
    "zeros": lambda: lampas.zeros(TEN_TB // 4),
    "ones": lambda: lampas.ones(10, 2**40, dtype=lampas.int8),
    "full": lambda: lampas.full((TEN_TB // 8,), 1.0, dtype=lampas.float64),
    "arange": lambda: lampas.arange(TEN_TB // 8),
    "randn": lambda: lampas.randn(TEN_TB // 4),
    "contiguous": lambda: lampas.ones(1).expand(TEN_TB // 4).contiguous(),
    "add": lambda: lampas.ones(1).expand(TEN_TB // 4) + 1,
    "outer": lambda: lampas.ones(2**21, 1) * lampas.ones(1, TEN_TB // 4 // 2**21),
    "matmul": lambda: lampas.ones(2**21, 1) @ lampas.ones(1, TEN_TB // 4 // 2**21),
    "repeat": lambda: lampas.ones(1024).repeat(TEN_TB // 4096),
    "eye": lambda: lampas.eye(2**21, TEN_TB // 4 // 2**21),
}


@pytest.mark.parametrize("name", ASK)
def test_ten_terabytes(name):
    before = in_use()
    with pytest.raises(lampas.OutOfMemoryError) as caught:
        ASK[name]()
    message = str(caught.value)
    assert "out of memory" in message
    assert str(TEN_TB) in message, "the message names the bytes asked for"
    assert isinstance(caught.value, RuntimeError)
    del caught
    assert in_use() == before
    assert (lampas.ones(3) + 1).tolist() == [2, 2, 2], "everything works afterwards"


def test_more_bytes_than_a_number_holds():
    for make in (
        lambda: lampas.empty(2**62, 2**10),
        lambda: lampas.zeros(2**61),
        lambda: lampas.empty(2**60, 2**3, 2**3),
    ):
        with pytest.raises(RuntimeError):
            make()


def test_a_failed_resize_keeps_the_tensor():
    x = lampas.arange(5)
    with pytest.raises(lampas.OutOfMemoryError):
        x.resize_(TEN_TB)
    assert x.shape == (5,)
    assert x.tolist() == [0, 1, 2, 3, 4]


def work():
    x = lampas.randn(64, 64, requires_grad=True)
    y = (x @ x.t()).relu().softmax(1)
    z = y[1:, ::2].sum() + (x * 2).exp().mean()
    z.backward(retain_graph=True)
    lampas.autograd.grad(z, [x], create_graph=True)[0].sum().backward()
    x.grad = None
    lampas.cat([x.detach(), x.detach()]).sort(1).values.tolist()


def errors():
    x = lampas.randn(8, 8, requires_grad=True)
    attempts = [
        lambda: x + lampas.ones(3),
        lambda: x @ lampas.ones(3, 3),
        lambda: x.view(3),
        lambda: x.add_(1),
        lambda: x[9],
        lambda: lampas.cat([x, lampas.ones(2, 3)]),
        lambda: x.sum(5),
        lambda: x.backward(),
        lambda: lampas.empty(TEN_TB),
        lambda: lampas.tensor([[1.0, 2.0], [3.0]]),
        lambda: lampas.zeros(-1),
        lambda: x.reshape(7, 7),
        lambda: x.item(),
        lambda: x.detach().gather(0, lampas.tensor([[99]])),
    ]
    for attempt in attempts:
        with pytest.raises((RuntimeError, IndexError, ValueError, TypeError)):
            attempt()
    y = (x * x).sum()
    y.backward()
    with pytest.raises(RuntimeError):
        y.backward()


@pytest.mark.parametrize("job", [work, errors])
def test_nothing_is_leaked(job):
    for _ in range(3):
        job()  # what is cached once (kernels, interned objects) is not a leak
    before = in_use()
    for _ in range(10):
        job()
    assert in_use() == before
