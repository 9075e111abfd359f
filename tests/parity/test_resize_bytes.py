"""Images of bytes at other sizes: the same bytes as PyTorch's kernels for them."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
import lampas  # noqa: E402


@pytest.mark.parametrize("channels", [1, 3, 4, 5])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("options", [{}, {"antialias": True}, {"align_corners": True}], ids=str)
def test_same_bytes(channels, mode, options):
    rng = np.random.default_rng(0)
    goals = [{"size": s} for s in ((5, 5), (14, 18), (7, 11), (13, 9), (70, 3), (2, 31))]
    goals += [{"scale_factor": s} for s in (1.2, 0.7, (1.04, 2.0), 2.5, (1.5, 0.99))]
    for size in ((7, 9), (32, 20), (40, 60)):
        pixels = rng.integers(0, 256, (2, channels, *size), dtype=np.uint8)
        for last in (False, True):
            for goal in goals:
                mine, other = (
                    t.nn.functional.interpolate(
                        t.from_numpy(pixels).contiguous(memory_format=t.channels_last if last else t.contiguous_format),
                        mode=mode,
                        **goal,
                        **options,
                    ).numpy()
                    for t in (lampas, torch)
                )
                np.testing.assert_array_equal(mine, other, err_msg=str((size, last, goal)))
