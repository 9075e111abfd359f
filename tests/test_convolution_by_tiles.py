"""3 x 3 convolutions that are computed by tiles of results with fewer multiplications."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lampas
import lampas.nn.functional as F

LARGE = 100_000_000  # multiplications from which on training computes them so; without gradients a fourth


def passes(
    x: np.ndarray, w: np.ndarray, b: np.ndarray, padding: tuple[int, int], dtype: lampas.dtype
) -> list[np.ndarray]:
    """The result and the gradients of input, weights and bias for a fixed gradient of the result."""
    leaves = [lampas.tensor(v, dtype=dtype, requires_grad=True) for v in (x, w, b)]
    y = F.conv2d(*leaves, padding=padding)
    g = np.random.default_rng(0).integers(-4, 5, y.shape) / 4
    y.backward(lampas.tensor(g, dtype=dtype))
    return [v.double().numpy() for v in (y.detach(), *(leaf.grad for leaf in leaves))]


def operands(n: int, c: int, k: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(n * 1000 + c)
    return draw.standard_normal((n, c, height, width)), draw.standard_normal((k, c, 3, 3)), draw.standard_normal(k)


@settings(deadline=None, max_examples=15)
@given(
    c=st.integers(32, 100),
    k=st.integers(32, 100),
    height=st.integers(7, 40),
    width=st.integers(7, 40),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
)
def test_like_double_precision(c: int, k: int, height: int, width: int, padding: tuple[int, int]) -> None:
    results = (height + 2 * padding[0] - 2) * (width + 2 * padding[1] - 2)
    x, w, b = operands(LARGE // (9 * c * k * results) + 1, c, k, height, width)
    for found, exact in zip(*(passes(x, w, b, padding, d) for d in (lampas.float32, lampas.float64)), strict=True):
        # a few roundings of sums whose terms are as large as the result's typical size
        np.testing.assert_allclose(found, exact, rtol=0, atol=2e-6 * np.abs(exact).max())


@pytest.mark.parametrize("threads", [1, 2, 3, 5])
@pytest.mark.parametrize("shape", [(12, 500, 540, 4, 5), (24, 65, 81, 21, 22)], ids=["few tiles", "many tiles"])
def test_small_integers_are_exact(shape: tuple[int, ...], threads: int) -> None:
    n, c, k, height, width = shape
    draw = np.random.default_rng(5)
    x, w, b = draw.integers(-3, 4, (n, c, height, width)), draw.integers(-3, 4, (k, c, 3, 3)), draw.integers(-3, 4, k)
    before = lampas.get_num_threads()
    lampas.set_num_threads(threads)
    try:
        results = [passes(x, w, b, (1, 1), d) for d in (lampas.float32, lampas.float64)]
    finally:
        lampas.set_num_threads(before)
    for found, exact in zip(*results, strict=True):
        np.testing.assert_array_equal(found, exact)


@pytest.mark.parametrize(("row", "column"), [(7, 8), (8, 7), (0, 15)])
@pytest.mark.parametrize(("stride", "dtype"), [(1, "float32"), (2, "float32"), (2, "bfloat16")])
def test_nan_reaches_what_sees_it(stride: int, dtype: str, row: int, column: int) -> None:
    x, w, b = (lampas.tensor(v, dtype=getattr(lampas, dtype)) for v in operands(36 * stride, 32, 40, 16, 16))
    x[1, 3, row, column] = np.nan
    y = F.conv2d(x, w, b, stride=stride, padding=1)
    seen = np.zeros((y.shape[0], y.shape[1], 16, 16), dtype=bool)
    seen[1, :, max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2] = True
    np.testing.assert_array_equal(y.isnan().numpy(), seen[:, :, ::stride, ::stride])


@settings(deadline=None, max_examples=10)
@given(
    c=st.integers(32, 100),
    k=st.integers(32, 100),
    height=st.integers(7, 50),
    width=st.integers(7, 50),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
)
def test_stride_2_like_double_precision(c: int, k: int, height: int, width: int, padding: tuple[int, int]) -> None:
    results = ((height + 2 * padding[0] - 1) // 2) * ((width + 2 * padding[1] - 1) // 2)
    rounded = [lampas.tensor(v).float() for v in operands(LARGE // 4 // (9 * c * k * results) + 1, c, k, height, width)]
    found = F.conv2d(*rounded, padding=padding, stride=2).numpy()
    exact = F.conv2d(*(v.double() for v in rounded), padding=padding, stride=2).numpy()
    np.testing.assert_allclose(found, exact, rtol=0, atol=2e-6 * np.abs(exact).max())


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_stride_2_of_small_integers_is_exact(threads: int) -> None:
    draw = np.random.default_rng(6)
    x, w = draw.integers(-3, 4, (24, 65, 21, 22)), draw.integers(-3, 4, (81, 65, 3, 3))
    before = lampas.get_num_threads()
    lampas.set_num_threads(threads)
    try:
        found, exact = (
            F.conv2d(lampas.tensor(x, dtype=d), lampas.tensor(w, dtype=d), stride=2, padding=1)
            for d in (lampas.float32, lampas.float64)
        )
    finally:
        lampas.set_num_threads(before)
    np.testing.assert_array_equal(found.numpy(), exact.numpy())


def test_relu_after_it_keeps_nan() -> None:
    x, _, _ = operands(36, 32, 40, 16, 16)
    x[0, 0, 0, 0] = np.nan
    network = lampas.nn.Sequential(lampas.nn.Conv2d(32, 40, 3, padding=1), lampas.nn.ReLU())
    with lampas.no_grad():
        y = network(lampas.tensor(x, dtype=lampas.float32))
        plain = network[0](lampas.tensor(x, dtype=lampas.float32))
    assert y[0, :, :2, :2].isnan().all()
    np.testing.assert_array_equal(y[1].numpy(), plain[1].clamp_min(0).numpy())


def test_weights_written_in_place_are_seen() -> None:
    x, w, _ = (lampas.tensor(v, dtype=lampas.float32) for v in operands(24, 32, 64, 16, 16))
    first = F.conv2d(x, w, padding=1)
    w.mul_(2)
    np.testing.assert_array_equal(F.conv2d(x, w, padding=1).numpy(), (first * 2).numpy())
    w.numpy()[:] = 0
    assert not F.conv2d(x, w, padding=1).any()


def in_bfloat16(
    x: np.ndarray, w: np.ndarray, b: np.ndarray, padding: int = 1, stride: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """The result without gradients, and what double precision gives for the same rounded operands."""
    rounded = [lampas.tensor(v, dtype=lampas.bfloat16) for v in (x, w, b)]
    found = F.conv2d(*rounded, padding=padding, stride=stride)
    assert found.dtype == lampas.bfloat16
    return found.double().numpy(), F.conv2d(*(v.double() for v in rounded), padding=padding, stride=stride).numpy()


def assert_near(found: np.ndarray, exact: np.ndarray, stride: int = 1) -> None:
    """Within what the rounding of transformed numbers to 8 bits makes of results of the size of `exact`."""
    size = np.sqrt((exact**2).mean())
    mean, most = (0.0065, 0.05) if stride == 1 else (0.0036, 0.025)
    assert np.sqrt(((found - exact) ** 2).mean()) < mean * size
    assert np.abs(found - exact).max() < most * size


@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("shape", [(12, 500, 540, 5, 6), (24, 66, 82, 21, 22)], ids=["few tiles", "many tiles"])
def test_bfloat16_is_the_same_on_any_number_of_threads(shape: tuple[int, ...], stride: int, padding: int) -> None:
    x, w, b = operands(*shape)
    before = lampas.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 3):
            lampas.set_num_threads(threads)
            results.append(in_bfloat16(np.maximum(x, 0), w, b, padding, stride))
    finally:
        lampas.set_num_threads(before)
    assert_near(*results[0], stride)
    for found, _ in results[1:]:
        np.testing.assert_array_equal(found, results[0][0])


@settings(deadline=None, max_examples=15)
@given(
    c=st.integers(16, 60),
    k=st.integers(16, 60),
    height=st.integers(7, 40),
    width=st.integers(7, 40),
    stride=st.integers(1, 2),
)
def test_bfloat16_like_double_precision(c: int, k: int, height: int, width: int, stride: int) -> None:
    n = LARGE // 4 * stride**2 // (9 * 4 * c * k * height * width) + 1
    x, w, b = operands(n, 2 * c, 2 * k, height, width)
    assert_near(*in_bfloat16(np.maximum(x, 0), w, b, stride=stride), stride)


def test_a_network_in_bfloat16_answers_as_the_direct_algorithm_does() -> None:
    """Its error is that of the rounding between layers, of which there is more."""
    lampas.manual_seed(0)
    layers = [lampas.nn.Conv2d(3, 64, 3, padding=1, bias=False)]
    for _ in range(6):
        layers += [lampas.nn.BatchNorm2d(64), lampas.nn.ReLU(), lampas.nn.Conv2d(64, 64, 3, padding=1, bias=False)]
    network = lampas.nn.Sequential(*layers).eval()
    x = lampas.randn(2, 3, 32, 32)

    def error(gradients: bool) -> float:
        with lampas.set_grad_enabled(gradients), lampas.autocast("cpu", dtype=lampas.bfloat16):
            found = network(x).detach().double()
        return float((found - exact).square().mean().sqrt() / exact.std())

    with lampas.no_grad():
        exact = network.double()(x.double())
    network.float()
    assert error(False) < 2 * error(True)  # with gradients the direct algorithm is taken


def test_training_in_bfloat16_takes_the_direct_algorithm() -> None:
    x, w, b = operands(24, 64, 64, 24, 24)
    rounded = [lampas.tensor(v, dtype=lampas.bfloat16) for v in (x, w, b)]
    exact = F.conv2d(*(v.double() for v in rounded), padding=1)
    rounded[1].requires_grad_()
    found = F.conv2d(*rounded, padding=1).detach()
    # sums in float32, rounded once: never the second number away
    gap = (found.double() - exact).abs() / exact.abs().clamp_min(1e-2)
    assert float(gap.max()) < 2**-8
