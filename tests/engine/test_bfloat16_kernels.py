"""Kernels on bfloat16 that need no buffers: every bit pattern, every tail, against the same computed in float32."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import lampas
from lampas import Tensor
from lampas.nn import functional as F

EVERY = np.arange(1 << 16, dtype=np.uint16)


def from_bits(bits: np.ndarray) -> Tensor:
    return lampas.from_numpy(bits.astype(np.int16)).view(lampas.bfloat16)


def bits_of(x: Tensor) -> np.ndarray:
    """The patterns, all of NaN as one."""
    bits = x.contiguous().view(lampas.int16).numpy().view(np.uint16)
    return np.where((bits & 0x7FFF) > 0x7F80, 0x7FC0, bits)


def floats(bits: np.ndarray) -> np.ndarray:
    return (bits.astype(np.uint32) << 16).view(np.float32)


def rounded(x: np.ndarray) -> np.ndarray:
    """The patterns of float32 numbers rounded to nearest, ties to even."""
    u = x.astype(np.float32).view(np.uint32).astype(np.uint64)
    up = ((u + 0x7FFF + ((u >> 16) & 1)) >> 16).astype(np.uint16)
    return np.where(np.isnan(x), 0x7FC0, up)


def test_every_pattern_becomes_its_float_and_back() -> None:
    x = from_bits(EVERY)
    np.testing.assert_array_equal(x.float().numpy(), floats(EVERY))
    np.testing.assert_array_equal(bits_of(x.float().bfloat16()), bits_of(x))


def test_rounding_to_nearest_even() -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 1 << 32, 100_003, dtype=np.uint32)
    x[: 1 << 15] = (x[: 1 << 15] & 0xFFFF0000) | 0x8000  # exactly between two
    x = x.view(np.float32)
    np.testing.assert_array_equal(bits_of(lampas.from_numpy(x).bfloat16()), rounded(x))


@pytest.mark.parametrize("length", [1, 7, 15, 16, 17, 31, 33, 100])
def test_conversions_of_every_length(length: int) -> None:
    x = np.random.default_rng(length).standard_normal(length).astype(np.float32)
    for dtype in (lampas.bfloat16, lampas.float16):
        y = lampas.from_numpy(x).to(dtype)
        back = y.float().numpy()
        np.testing.assert_allclose(back, x, rtol=2**-8)
        np.testing.assert_array_equal([float(v) for v in y], back)


@pytest.mark.parametrize("in_place", [False, True])
def test_relu_of_every_pattern(in_place: bool) -> None:
    x = floats(EVERY)
    with np.errstate(invalid="ignore"):
        want = rounded(np.where(x < 0, 0, x + np.float32(0)))
    t = from_bits(EVERY)
    np.testing.assert_array_equal(bits_of(F.relu_(t) if in_place else F.relu(t)), want)


OPS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "sub, broadcast": lambda a, b: a - b[:1],
    "div by a number of float32's precision": lambda a, b: a / 1.2345678,
    "lerp": lambda a, b: lampas.lerp(a, b, 0.3),
    "leaky_relu": lambda a, b: F.leaky_relu(a, 0.12345678),
    "every second": lambda a, b: a[::2] * b[::2],
    "tanh": lambda a, b: lampas.tanh(a),
    "exp of every second": lambda a, b: lampas.exp(a[::2]),
    "silu of one": lambda a, b: F.silu(a[:1].expand(100)),
    "atan2": lampas.atan2,
    "atan2, broadcast": lambda a, b: lampas.atan2(a[:1], b),
    "hypot, broadcast": lambda a, b: lampas.hypot(a, b[:1]),
    "elu": lambda a, b: F.elu(a, 1.2345678),
}


@pytest.mark.parametrize("name", OPS)
def test_an_op_is_float32s_rounded_once(name: str) -> None:
    rng = np.random.default_rng(1)
    a, b = (from_bits(rng.integers(0, 1 << 16, 70_001, dtype=np.uint16)) for _ in range(2))
    want = OPS[name](a.float(), b.float()).numpy()
    np.testing.assert_array_equal(bits_of(OPS[name](a, b)), rounded(want))


@pytest.mark.parametrize("name", OPS)
def test_ordinary_numbers_of_every_length(name: str) -> None:
    rng = np.random.default_rng(2)
    for length in (2, 15, 31, 32, 33, 64, 65, 95, 511, 514, 1100):
        a, b = (lampas.from_numpy(rng.uniform(0.5, 2, length)).bfloat16() for _ in range(2))
        want = OPS[name](a.float(), b.float()).numpy()
        np.testing.assert_array_equal(bits_of(OPS[name](a, b)), rounded(want))


def test_in_place_as_apart() -> None:
    x = lampas.from_numpy(np.random.default_rng(3).standard_normal(1001)).bfloat16()
    for change in ("exp", "neg", "square", "sigmoid"):
        np.testing.assert_array_equal(bits_of(getattr(x.clone(), change + "_")()), bits_of(getattr(x, change)()))
    np.testing.assert_array_equal(bits_of(x.clone().mul_(x)), bits_of(x * x))


@pytest.mark.parametrize("dtype", [lampas.bfloat16, lampas.float16, lampas.float32, lampas.float64])
@pytest.mark.parametrize("channels", [1, 3, 16, 17, 32, 37, 64, 160])
def test_batch_norm_of_any_number_of_channels(dtype: lampas.dtype, channels: int) -> None:
    lampas.manual_seed(channels)
    x = lampas.randn(3, channels, 9, 11).to(dtype)
    images = x.contiguous(memory_format=lampas.channels_last)
    statistics = [lampas.rand(channels, dtype=lampas.float64) + 0.5 for _ in range(4)]
    mean, variance, weight, bias = (s.numpy().reshape(1, -1, 1, 1) for s in statistics)
    want = (x.double().numpy() - mean) / np.sqrt(variance + 1e-5) * weight + bias
    parameters = [s if dtype == lampas.float64 else s.float() for s in statistics]
    for images in (x, x.contiguous(memory_format=lampas.channels_last)):
        y = F.batch_norm(images, *parameters)
        assert y.dtype == dtype
        bound = {lampas.bfloat16: 2**-8, lampas.float16: 2**-11, lampas.float32: 1e-5, lampas.float64: 1e-13}[dtype]
        np.testing.assert_allclose(y.double().numpy(), want, rtol=bound, atol=1e-5 if bound > 1e-12 else 1e-13)


@pytest.mark.parametrize("dtype", [lampas.bfloat16, lampas.float16, lampas.float32, lampas.float64])
@pytest.mark.parametrize("channels", [1, 5, 16, 33])
@pytest.mark.parametrize("arguments", [(2,), (3, 2, 1), (3, 1, 1, 2), ((2, 5), (3, 1), (1, 2))], ids=str)
def test_max_pooling_with_nan_and_infinities(dtype: lampas.dtype, channels: int, arguments: tuple) -> None:
    rng = np.random.default_rng(channels)
    numbers = rng.standard_normal((2, channels, 12, 13))
    for special in (np.nan, -np.nan, np.inf, -np.inf):
        numbers[rng.random(numbers.shape) < 0.02] = special
    x = lampas.from_numpy(numbers).to(dtype)
    want = F.max_pool2d(x.double(), *arguments)
    for images in (x, x.contiguous(memory_format=lampas.channels_last)):
        found, places = F.max_pool2d(images, *arguments, return_indices=True)
        np.testing.assert_array_equal(F.max_pool2d(images, *arguments).double().numpy(), want.numpy())
        np.testing.assert_array_equal(found.double().numpy(), want.numpy())
        picked = x.double().flatten(2).gather(2, places.flatten(2)).view_as(want)
        np.testing.assert_array_equal(picked.numpy(), want.numpy())


def test_max_pooling_by_hand() -> None:
    x = lampas.tensor([[1, 5, 2, -1], [3, 4, 8, 0], [7, 6, float("nan"), 2], [0, 9, 1, 1]], dtype=lampas.bfloat16)
    y, places = F.max_pool2d(x[None, None], 2, return_indices=True)
    np.testing.assert_array_equal(y[0, 0].float().numpy(), [[5, 8], [9, np.nan]])
    assert places[0, 0].tolist() == [[1, 6], [13, 10]]
