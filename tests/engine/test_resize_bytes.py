"""Images of bytes at other sizes: along x, then along y, each result rounded to a byte."""

import numpy as np
import pytest

import lampas

F = lampas.nn.functional


def one_pass(pixels, size, mode, antialias):
    """The float op along the last dimension, rounded."""
    rows = lampas.from_numpy(pixels.astype(np.float64))[None, None]
    goal = (pixels.shape[0], size)
    values = F.interpolate(rows, size=goal, mode=mode, antialias=antialias)[0, 0].numpy()
    return values


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("size", [(5, 9), (40, 50), (20, 31), (3, 200), (300, 2)])
def test_two_rounded_steps(mode, antialias, size):
    pixels = np.random.default_rng(1).integers(0, 256, (20, 40), dtype=np.uint8)
    pixels[:4] = 255 * (pixels[:4] > 127)  # sharp edges overshoot
    found = F.interpolate(lampas.from_numpy(pixels)[None, None], size=size, mode=mode, antialias=antialias)[0, 0]
    assert found.dtype == lampas.uint8
    step = np.floor(one_pass(pixels, size[1], mode, antialias).clip(0, 255) + 0.5)
    both = one_pass(step.T.copy(), size[0], mode, antialias).clip(0, 255).T
    # weights have 16 bits, so a byte in doubt may be the next one
    assert np.abs(found.numpy() - both).max() < 1.6
    assert (np.floor(both + 0.5) == found.numpy()).mean() > 0.9


def test_constant_images_stay():
    for value in (0, 1, 128, 255):
        x = lampas.full((2, 5, 17, 23), value, dtype=lampas.uint8)
        for mode in ("bilinear", "bicubic"):
            for antialias in (False, True):
                y = F.interpolate(x, size=(9, 60), mode=mode, antialias=antialias)
                assert y.shape == (2, 5, 9, 60) and (y == value).all()


def test_many_terms():
    x = lampas.from_numpy(np.random.default_rng(0).integers(0, 256, (1, 1, 600, 500), dtype=np.uint8))
    y = F.interpolate(x, size=(2, 2), mode="bilinear", antialias=True)
    assert (y.float() - x.float().mean()).abs().max() < 12


def test_same_size_is_a_copy():
    x = lampas.randint(0, 256, (1, 3, 4, 5), dtype=lampas.uint8)
    y = F.interpolate(x, size=(4, 5), mode="bicubic")
    assert lampas.equal(x, y) and y.data_ptr() != x.data_ptr()
