"""From tensors, figures and videos to arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

import lampas

__all__ = ["figure_to_image", "make_grid", "make_np", "to_hwc", "video_frames"]


def make_np(x: Any) -> np.ndarray:
    """A tensor, array or number as an array.

    Raises:
        NotImplementedError: anything else.
    """
    if isinstance(x, np.ndarray):
        return x
    if np.isscalar(x):
        return np.array([x])
    if isinstance(x, lampas.Tensor):
        x = x.detach()
        return (x.float() if x.dtype == lampas.bfloat16 else x).cpu().numpy()
    raise NotImplementedError(f"expected a tensor, an array or a number, but was given a {type(x).__name__}")


def make_grid(images: np.ndarray, ncols: int = 8) -> np.ndarray:
    """Images of shape (N, 1 or 3, H, W) side by side in rows of `ncols`, as one of shape (3, rows·H, columns·W)."""
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise AssertionError(f"expected images of shape (N, 1 or 3, H, W), but got {images.shape}")
    n, _, height, width = images.shape
    ncols = min(n, ncols)
    nrows = -(-n // ncols)
    cells = np.zeros((nrows * ncols, 3, height, width), images.dtype)
    cells[:n] = images
    return cells.reshape(nrows, ncols, 3, height, width).transpose(2, 0, 3, 1, 4).reshape(3, nrows * height, -1)


def to_hwc(array: np.ndarray, dataformats: str) -> np.ndarray:
    """An image, or a batch of them as a grid, with its dimensions in the order height, width, channel.

    Raises:
        AssertionError: `dataformats` names a dimension twice, or does not fit the array.
    """
    if len(set(dataformats)) != len(dataformats):
        raise AssertionError(f"dataformats {dataformats!r} names a dimension twice")
    if array.ndim != len(dataformats):
        raise AssertionError(
            f"dataformats {dataformats!r} names {len(dataformats)} dimensions, but the image's shape is {array.shape}"
        )
    order = dataformats.upper()
    wanted = {4: "NCHW", 3: "HWC", 2: "HW"}.get(len(order), "")
    if set(wanted) != set(order):
        raise AssertionError(f"dataformats must be an order of NCHW, CHW or HW, but is {dataformats!r}")
    array = array.transpose([order.index(name) for name in wanted])
    if wanted == "NCHW":
        return make_grid(array).transpose(1, 2, 0)
    if wanted == "HW":
        array = array[:, :, None]
    return np.repeat(array, 3, 2) if array.shape[2] == 1 else array


def figure_to_image(figures: Any, close: bool = True) -> np.ndarray:
    """A matplotlib figure drawn as uint8 of shape (3, H, W); a list of figures as (N, 3, H, W)."""
    if isinstance(figures, list):
        return np.stack([figure_to_image(figure, close) for figure in figures])
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
    except ImportError as error:
        raise ImportError(
            "add_figure needs the package matplotlib; install it with `pip install matplotlib`"
        ) from error
    canvas = FigureCanvasAgg(figures)
    canvas.draw()
    image = np.asarray(canvas.buffer_rgba())[:, :, :3].copy()
    if close:
        import matplotlib.pyplot

        matplotlib.pyplot.close(figures)
    return image.transpose(2, 0, 1)


def video_frames(videos: np.ndarray) -> np.ndarray:
    """Videos of shape (N, T, C, H, W) as frames (T, H', W', C) that show all of them in a grid of a power of two."""
    if videos.ndim != 5:
        raise ValueError(f"add_video expects the shape (N, T, C, H, W), but got {videos.shape}")
    if videos.dtype == np.uint8:
        videos = videos.astype(np.float32) / 255
    n, t, c, h, w = videos.shape
    rows = 2 ** ((n.bit_length() - 1) // 2)
    padded = 1 << (n - 1).bit_length()
    cells = np.zeros((padded, t, c, h, w), videos.dtype)
    cells[:n] = videos
    grid = cells.reshape(rows, padded // rows, t, c, h, w).transpose(2, 0, 4, 1, 5, 3)
    return grid.reshape(t, rows * h, -1, c)
