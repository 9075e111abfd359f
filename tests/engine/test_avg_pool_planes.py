"""Means of windows over plain planes: few of them (line by line), many (side by side), wide windows, one window."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import lampas
import lampas.nn.functional as F

SHAPES = [(1, 1, 9, 13), (2, 3, 40, 17), (2, 9, 11, 6), (1, 2, 1, 70), (3, 8, 5, 64)]
WINDOWS = [  # kernel, stride, padding, ceil_mode
    (2, 2, 0, False),
    (3, 2, 1, True),
    ((1, 5), (1, 3), (0, 2), False),
    ((5, 1), (2, 1), (2, 0), True),
]

TYPES = [(lampas.float32, 1e-5), (lampas.float64, 1e-12), (lampas.bfloat16, 2e-2)]


def spans(extent: int, kernel: int, stride: int, padding: int, out: int):
    for o in range(out):
        begin = o * stride - padding
        end = min(begin + kernel, extent + padding)
        yield max(begin, 0), min(end, extent), end - begin


def adaptive_spans(extent: int, out: int):
    for o in range(out):
        begin, end = o * extent // out, -(-(o + 1) * extent // out)
        yield begin, end, end - begin


def check(x: np.ndarray, y: lampas.Tensor, t: lampas.Tensor, rows: list, columns: list, divide, rtol: float) -> None:
    """y: the means of t's windows; each is the sum over rows x columns divided by `divide` of the two spans."""
    seed = np.random.default_rng(1).normal(size=y.shape)
    expected, gradient = np.zeros(y.shape), np.zeros(x.shape)
    for (i, r), (j, c) in itertools.product(enumerate(rows), enumerate(columns)):
        by = divide(r, c)
        expected[..., i, j] = x[..., r[0] : r[1], c[0] : c[1]].sum((-2, -1)) / by
        gradient[..., r[0] : r[1], c[0] : c[1]] += seed[..., i : i + 1, j : j + 1] / by
    np.testing.assert_allclose(y.detach().double().numpy(), expected, rtol, rtol)
    y.backward(lampas.from_numpy(seed).to(y.dtype))
    np.testing.assert_allclose(t.grad.double().numpy(), gradient, rtol, rtol)


def leaf(shape, dtype):
    t = lampas.from_numpy(np.random.default_rng(0).normal(size=shape)).to(dtype).requires_grad_()
    return t.detach().double().numpy(), t


@pytest.mark.parametrize("include_pad", [True, False])
@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(
    "dtype, rtol", [(lampas.float32, 1e-5), (lampas.float64, 1e-12), (lampas.bfloat16, 2e-2)], ids=str
)
def test_windows(shape, window, include_pad, dtype, rtol):
    kernel, stride, padding, ceil = window
    k, s, p = ((v, v) if isinstance(v, int) else v for v in (kernel, stride, padding))
    if any(n + 2 * q < m for n, m, q in zip(shape[2:], k, p)):
        pytest.skip("no window fits")
    x, t = leaf(shape, dtype)
    y = F.avg_pool2d(t, kernel, stride, padding, ceil, include_pad)
    rows, columns = (list(spans(shape[2 + d], k[d], s[d], p[d], y.shape[2 + d])) for d in (0, 1))

    def divide(r, c):
        return r[2] * c[2] if include_pad else (r[1] - r[0]) * (c[1] - c[0])

    check(x, y, t, rows, columns, divide, rtol)


@pytest.mark.parametrize("out", [(1, 1), (1, 3), (3, 1), (2, 5), (7, 4)], ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(
    "dtype, rtol", [(lampas.float32, 1e-5), (lampas.float64, 1e-12), (lampas.bfloat16, 2e-2)], ids=str
)
def test_adaptive_windows(shape, out, dtype, rtol):
    x, t = leaf(shape, dtype)
    y = F.adaptive_avg_pool2d(t, out)
    rows, columns = (list(adaptive_spans(shape[2 + d], out[d])) for d in (0, 1))
    check(x, y, t, rows, columns, lambda r, c: r[2] * c[2], rtol)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_one_window_is_the_mean_in_every_order(rank):
    shape = (4, 6, 5, 3, 7)[: rank + 2]
    x, t = leaf(shape, lampas.float64)
    function = getattr(F, f"adaptive_avg_pool{rank}d")
    dims = tuple(range(2, rank + 2))
    np.testing.assert_allclose(function(t, 1).detach().numpy(), x.mean(dims, keepdims=True), 1e-12)
    if rank == 2:
        last = function(t.detach().contiguous(memory_format=lampas.channels_last), 1)
        assert last.stride() == (6, 1, 6, 6)
        np.testing.assert_allclose(last.numpy(), x.mean(dims, keepdims=True), 1e-12)
    function(t, 1).sum().backward()
    np.testing.assert_allclose(t.grad.numpy(), np.full(shape, 1 / np.prod(shape[2:])), 1e-12)
