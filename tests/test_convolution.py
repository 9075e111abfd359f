"""Convolution networks whose activations lie channels last in memory, though their strides say otherwise."""

from __future__ import annotations

import numpy as np
import pytest

import lampas
import lampas.nn.functional as F
from lampas import Tensor


def by_hand(x: np.ndarray, w: np.ndarray, stride: int, padding: int) -> np.ndarray:
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
    return np.einsum("nchwij,ocij->nohw", windows, w)


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape)


@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (2, 1), (3, 2)])
@pytest.mark.parametrize("dtype", [lampas.float32, lampas.float64])
def test_conv2d_is_a_sum_over_windows(stride: int, padding: int, dtype: lampas.dtype) -> None:
    x, w = random(2, 3, 9, 8), random(16, 3, 3, 3)
    y = F.conv2d(lampas.tensor(x, dtype=dtype), lampas.tensor(w, dtype=dtype), None, stride, padding)
    np.testing.assert_allclose(y.numpy(), by_hand(x, w, stride, padding), rtol=1e-4, atol=1e-4)


# What may stand between two convolutions; float32 lies channels last, float64 plain.
STEPS = {
    "relu": F.relu,
    "relu_": lambda y: F.relu(y * 1.5, inplace=True),
    "add": lambda y: y + y * 0.5,
    "add plain": lambda y: y + lampas.ones(y.shape, dtype=y.dtype).cumsum(1),
    "plain add": lambda y: lampas.ones(y.shape, dtype=y.dtype).cumsum(1) + y,
    "add_": lambda y: (y * 1).add_(lampas.ones(y.shape, dtype=y.dtype).cumsum(2)),
    "into plain": lambda y: lampas.ones(y.shape, dtype=y.dtype).cumsum(1).mul_(y.detach()) + y,
    "per channel": lambda y: y * lampas.arange(y.shape[1], dtype=y.dtype).view(-1, 1, 1),
    "per row": lambda y: y * lampas.arange(y.shape[3], dtype=y.dtype),
    "gate": lambda y: y * y.mean((2, 3), keepdim=True),
    "batch norm": lambda y: F.batch_norm(y, None, None, training=True),
    "group norm": lambda y: F.group_norm(y, 4),
    "max pool": lambda y: F.max_pool2d(y, 3, 1, 1),
    "avg pool": lambda y: F.avg_pool2d(y, 3, 1, 1),
    "conv": lambda y: F.conv2d(y, lampas.ones(16, 16, 1, 1, dtype=y.dtype) * 0.1),
    "view": lambda y: y.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2),
    "slice": lambda y: lampas.cat([y[:, :3], y[:, 3:]], 1),
    "write": lambda y: (y * 1).index_fill_(1, lampas.tensor([1]), 2.0),
    "channels_last": lambda y: y.contiguous(memory_format=lampas.channels_last),
    "where": lambda y: lampas.where(y > 0, y, -0.1 * y),
    "dtype": lambda y: y.double().to(y.dtype),
    "clone": lambda y: y.clone(),
}


@pytest.mark.parametrize("second", STEPS)
@pytest.mark.parametrize("first", STEPS)
def test_order_in_memory_is_never_seen(first: str, second: str) -> None:
    def run(dtype: lampas.dtype) -> list[Tensor]:
        x = lampas.tensor(random(2, 3, 7, 6), dtype=dtype, requires_grad=True)
        w = lampas.tensor(random(16, 3, 3, 3), dtype=dtype, requires_grad=True)
        y = STEPS[second](STEPS[first](F.conv2d(x, w, None, 1, 1)))
        (y * lampas.linspace(-1, 1, y.numel(), dtype=dtype).view(y.shape)).sum().backward()
        return [y.detach(), x.grad, w.grad]

    for single, double in zip(run(lampas.float32), run(lampas.float64)):
        scale = float(double.abs().max()) + 1
        np.testing.assert_allclose(single.numpy(), double.numpy(), rtol=2e-3, atol=1e-4 * scale)


def test_results_have_plain_strides() -> None:
    y = F.conv2d(lampas.randn(2, 3, 7, 6), lampas.randn(16, 3, 3, 3), padding=1)
    assert y.stride() == (672, 42, 6, 1) and y.is_contiguous()
    assert y.flatten(1).shape == (2, 672)
    x = lampas.randn(2, 3, 7, 6).contiguous(memory_format=lampas.channels_last)
    assert F.conv2d(x, lampas.randn(16, 3, 3, 3), padding=1).stride() == (672, 1, 96, 16)


@pytest.mark.parametrize(
    "change",
    [
        lambda w: w.mul_(2),
        lambda w: w.data.mul_(2),
        lambda w: np.multiply(w.numpy(), 2, out=w.numpy()),
        lambda w: w[0].mul_(2),
        lambda w: w.copy_(w * 2),
    ],
)
def test_changed_weights_are_noticed(change: object) -> None:
    x, w = lampas.randn(2, 16, 7, 6), lampas.randn(16, 16, 3, 3)
    before = F.conv2d(x, w).clone()
    F.conv2d(x, w)
    change(w)
    after = F.conv2d(x, w)
    np.testing.assert_allclose(after.numpy()[:, 0], 2 * before.numpy()[:, 0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: F.conv2d(lampas.rand(2, 4, 7, 6), lampas.rand(6, 3, 3, 2)),
            r"\[6, 3, 3, 2\].*\[2, 4, 7, 6\].*3 channels, but got 4",
        ),
        (lambda: F.conv2d(lampas.rand(2, 4, 1, 1), lampas.rand(6, 4, 3, 2)), r"\(1 x 1\).*\(3 x 2\).*greater"),
        (lambda: F.conv2d(lampas.rand(2, 4, 7, 6), lampas.rand(6, 4, 3, 2), None, 1, -1), "negative padding"),
        (lambda: F.conv2d(lampas.rand(2, 4, 7, 6), lampas.rand(6, 4, 3, 2).double()), "float32.*float64"),
        (lambda: F.conv2d(lampas.rand(4), lampas.rand(6, 4, 3, 2)), r"3D \(unbatched\) or 4D"),
        (lambda: F.conv2d(lampas.rand(2, 4, 7, 6), lampas.rand(6, 4, 3, 2), padding="all"), "'all'"),
        (lambda: F.max_pool2d(lampas.rand(2, 3, 1, 1), 2), r"\(3x1x1\).*\(3x0x0\).*too small"),
        (lambda: F.max_pool2d(lampas.rand(2, 3, 4, 4), 2, padding=2), "half"),
        (lambda: F.batch_norm(lampas.rand(2, 4), lampas.rand(3), lampas.rand(3)), "4 elements not 3"),
        (lambda: F.layer_norm(lampas.rand(3, 4), (5,)), r"\[5\].*\[3, 4\]"),
        (lambda: F.group_norm(lampas.rand(2, 5, 3), 2), "num_groups=2"),
    ],
)
def test_errors_name_what_was_given(call: object, words: str) -> None:
    with pytest.raises(RuntimeError, match=words):
        call()
