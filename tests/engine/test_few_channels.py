"""Colours side by side in each pixel, and in planes of their own: copies between the two orders."""

import numpy as np
import pytest

import lampas

DTYPES = (np.uint8, np.int16, np.float32, np.float64, np.complex128)


@pytest.mark.parametrize("channels", (2, 3, 4, 5))
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", ((1, 1), (3, 5), (37, 41), (160, 170)))
def test_planes_become_pixels_and_planes_again(channels: int, dtype: type, size: tuple[int, int]) -> None:
    planes = np.random.default_rng(0).integers(0, 100, (3, channels, *size)).astype(dtype)
    pixels = lampas.tensor(planes).permute(0, 2, 3, 1).contiguous()
    np.testing.assert_array_equal(pixels.numpy(), planes.transpose(0, 2, 3, 1))
    np.testing.assert_array_equal(pixels.permute(0, 3, 1, 2).contiguous().numpy(), planes)


@pytest.mark.parametrize("channels", (2, 3, 4))
def test_planes_that_lie_apart_or_backwards(channels: int) -> None:
    planes = np.arange(2 * channels * 40 * 60, dtype=np.float32).reshape(2 * channels, 40, 60)
    x = lampas.tensor(planes)
    for view, expected in (
        (x[::2, :, :50], planes[::2, :, :50]),
        (x[:channels].flip(0), planes[:channels][::-1]),
        (x[:channels, 1:, ::2], planes[:channels, 1:, ::2]),
    ):
        np.testing.assert_array_equal(view.permute(1, 2, 0).contiguous().numpy(), expected.transpose(1, 2, 0))


@pytest.mark.parametrize("channels", (1, 2, 3, 4, 5))
@pytest.mark.parametrize("dtype", ("float32", "bfloat16"))
def test_a_convolution_of_few_channels_gives_planes(channels: int, dtype: str) -> None:
    kind = getattr(lampas, dtype)
    x = lampas.arange(2 * channels * 63, dtype=kind).reshape(2, channels, 7, 9) % 16
    picks = lampas.eye(channels, dtype=kind).reshape(channels, channels, 1, 1)
    with lampas.no_grad():
        assert lampas.equal(lampas.nn.functional.conv2d(x, picks), x)
