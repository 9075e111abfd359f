"""Pictures out of tensors: grids, files, and drawings on them. Drawing is Pillow's."""

from __future__ import annotations

import errno
import functools
import math
import os
import warnings
from types import ModuleType
from typing import Any, BinaryIO

import lampas
from lampas import Tensor

__all__ = [
    "draw_bounding_boxes",
    "draw_keypoints",
    "draw_segmentation_masks",
    "flow_to_image",
    "make_grid",
    "save_image",
]

_Color = str | tuple[int, int, int]
_Colors = _Color | list[_Color] | None


@functools.cache
def pillow(module: str) -> ModuleType:
    """A module of Pillow, imported when it is first needed."""
    import importlib

    try:
        return importlib.import_module(f"PIL.{module}")
    except ImportError as error:
        raise ImportError(
            f"images are read, written and drawn with Pillow, which cannot be imported ({error}); "
            "install it with `pip install pillow`"
        ) from error


def image_from_array(array: Any, mode: str) -> Any:
    """The PIL image of a uint8 array (H, W) or (H, W, C); it shares a contiguous array's memory until it is changed."""
    shape = array.shape
    data = array if array.flags.c_contiguous else array.tobytes()
    return pillow("Image").frombuffer(mode, (shape[1], shape[0]), data, "raw", mode, 0, 1)


def image_from_tensor(tensor: Tensor) -> Any:
    """The PIL image of a uint8 tensor (C, H, W) with one to four channels."""
    channels = tensor.shape[0]
    if tensor.ndim != 3 or not 1 <= channels <= 4:
        raise ValueError(f"an image needs shape (C, H, W) with 1 to 4 channels, got {tuple(tensor.shape)}")
    array = tensor.detach().cpu().permute(1, 2, 0).contiguous().numpy()
    return image_from_array(array[:, :, 0] if channels == 1 else array, ("L", "LA", "RGB", "RGBA")[channels - 1])


def tensor_from_image(image: Any) -> Tensor:
    """The pixels of a PIL image as (C, H, W); uint8, or int32 where the image has 16 bits."""
    import numpy as np

    array = np.array(image)  # a copy, which may be written to
    if array.dtype.itemsize == 2:
        array = array.astype(np.int32)
    tensor = lampas.from_numpy(array)
    return tensor.unsqueeze(0) if tensor.ndim == 2 else tensor.permute(2, 0, 1).contiguous()


@lampas.no_grad()
def make_grid(
    tensor: Tensor | list[Tensor],
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[float, float] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> Tensor:
    """Many pictures as one, in rows.

    Args:
        tensor: (B, C, H, W), or a list of tensors of one shape. One channel is made three; (H, W) and (C, H, W) count
            as one picture.
        nrow: pictures in a row.
        padding: width of the lines around them.
        normalize: bring values to the range from 0 to 1, from ``value_range`` or else from the least and the largest.
        value_range: what becomes 0 and 1; values outside are clipped.
        scale_each: with the least and the largest of each picture, not of all.
        pad_value: the value of the lines.

    Returns:
        (C, rows * (H + padding) + padding, columns * (W + padding) + padding); a single picture comes back alone.

    Raises:
        TypeError: not a tensor or a list of tensors; ``value_range`` not a tuple.

    >>> make_grid(lampas.rand(10, 3, 8, 8), nrow=5).shape
    lampas.Size([3, 22, 52])
    """
    items = tensor if isinstance(tensor, list) else [tensor]
    for item in items:
        if not isinstance(item, Tensor):
            inside = "a list containing " if items is tensor else ""
            raise TypeError(f"tensor or list of tensors expected, got {inside}{type(item)}")
    batch = lampas.stack(tensor) if isinstance(tensor, list) else tensor
    if batch.ndim == 2:
        batch = batch.unsqueeze(0)
    if batch.ndim == 3:
        batch = batch.unsqueeze(0)
    if batch.ndim == 4 and batch.shape[1] == 1:
        batch = batch.expand(-1, 3, -1, -1)
    if normalize:
        if value_range is not None and not isinstance(value_range, tuple):
            raise TypeError(f"value_range should be a tuple of two numbers (min, max), got {value_range!r}")
        parts = batch if scale_each else [batch]
        scaled = [_to_unit_range(part, value_range) for part in parts]
        batch = lampas.stack(scaled) if scale_each else scaled[0]
    if len(batch) == 1:
        return batch.squeeze(0)
    if batch.ndim != 4:
        raise ValueError(f"make_grid needs pictures as (B, C, H, W), (C, H, W) or (H, W), got {tuple(batch.shape)}")
    count, channels, height, width = batch.shape
    if count == 0:
        raise ZeroDivisionError("make_grid was given no pictures: the batch has size 0")
    columns = min(nrow, count)
    rows = -(-count // columns)
    step_y, step_x = height + padding, width + padding
    grid = batch.new_full((channels, step_y * rows + padding, step_x * columns + padding), pad_value)
    # every picture's place, as a view of the grid that is indexed like the batch
    cells = grid[:, padding:, padding:].unflatten(2, (columns, step_x)).unflatten(1, (rows, step_y))
    cells = cells[:, :, :height, :, :width].permute(1, 3, 0, 2, 4)
    full = count // columns
    if full:
        cells[:full].copy_(batch[: full * columns].unflatten(0, (full, columns)))
    if count > full * columns:
        cells[full, : count - full * columns].copy_(batch[full * columns :])
    return grid


def _to_unit_range(image: Tensor, value_range: tuple[float, float] | None) -> Tensor:
    low, high = value_range if value_range is not None else (float(image.min()), float(image.max()))
    return image.clone().clamp_(min=low, max=high).sub_(low).div_(max(high - low, 1e-5))


@lampas.no_grad()
def save_image(
    tensor: Tensor | list[Tensor],
    fp: str | os.PathLike[str] | BinaryIO,
    format: str | None = None,
    **kwargs: Any,
) -> None:
    """Write a picture, or the grid of many, to a file; values from 0 to 1 become 0 to 255.

    A file is replaced in one step: after a crash it is the old one or the new one.

    Args:
        tensor: what `make_grid` takes.
        fp: a path, or a binary file.
        format: Pillow's name of the format; by default the path's ending says it.
        **kwargs: `make_grid`'s.

    Raises:
        ValueError: the ending says no format. FileNotFoundError: there is no such folder.

    >>> save_image(lampas.rand(16, 3, 32, 32), "samples.png", nrow=4)
    """
    grid = make_grid(tensor, **kwargs)
    pixels = grid.mul(255).add_(0.5).clamp_(0, 255).to("cpu", lampas.uint8)
    image = image_from_tensor(pixels)
    if not isinstance(fp, (str, os.PathLike)):
        image.save(fp, format=format)
        return
    if format is None:
        pil = pillow("Image")
        ending = os.path.splitext(fp)[1].lower()
        format = pil.registered_extensions().get(ending)
        if format is None:
            raise ValueError(f"unknown file extension: {ending!r} of {os.fspath(fp)}; give format=, 'PNG' for instance")
    folder = os.path.dirname(os.fspath(fp)) or "."
    if not os.path.isdir(folder):
        raise FileNotFoundError(errno.ENOENT, "there is no folder for the image, create it first", folder)
    from lampas.serialization.files import open_writing

    with open_writing(fp) as file:
        image.save(file, format=format)


def _to_bytes(image: Tensor) -> Tensor:
    """Floats from 0 to 1 as uint8: 256 intervals of one width, 1.0 in the last."""
    return image.mul(255 + 1.0 - 1e-3).to(lampas.uint8) if image.is_floating_point() else image


def _from_bytes(pixels: Tensor, dtype: lampas.dtype) -> Tensor:
    return pixels.to(dtype).mul_(1 / 255) if dtype.is_floating_point else pixels


def _check_image(image: Any, channels: tuple[int, ...]) -> None:
    if not isinstance(image, Tensor):
        raise TypeError(f"The image must be a tensor, got {type(image)}")
    if image.dtype != lampas.uint8 and not image.is_floating_point():
        raise ValueError(f"The image dtype must be uint8 or float, got {image.dtype}")
    if image.ndim != 3:
        raise ValueError(f"Pass individual images (C, H, W), not batches: got shape {tuple(image.shape)}")
    if image.shape[0] not in channels:
        kinds = "RGB images are" if channels == (3,) else "grayscale and RGB images are"
        raise ValueError(f"Only {kinds} supported, got {image.shape[0]} channels")


def _palette(count: int) -> list[tuple[int, int, int]]:
    # multiples of three large numbers: neighbours differ much
    return [(i * (2**25 - 1) % 255, i * (2**15 - 1) % 255, i * (2**21 - 1) % 255) for i in range(count)]


def _parse_colors(colors: Any, count: int) -> list[tuple[int, ...]]:
    """One RGB triple for each of `count` things."""
    if colors is None:
        return list(_palette(count))
    if isinstance(colors, list):
        if len(colors) < count:
            raise ValueError(f"there must be a color for each of the {count} objects, got {len(colors)}")
        chosen = colors
    elif not isinstance(colors, (tuple, str)):
        raise ValueError(f"colors must be a tuple or a string, or a list of them, got {colors!r}")
    elif isinstance(colors, tuple) and len(colors) != 3:
        raise ValueError(f"a color given as a tuple must be an RGB triple, got {colors!r}")
    else:
        chosen = [colors] * count
    return [pillow("ImageColor").getrgb(color) if isinstance(color, str) else color for color in chosen]


def _dashed(draw: Any, start: tuple[int, int], end: tuple[int, int], color: Any, width: int) -> None:
    length = math.dist(start, end)
    if not length:
        return
    dx, dy = (end[0] - start[0]) / length, (end[1] - start[1]) / length
    for k in range(0, math.ceil(length), 10):
        stop = min(k + 5, length)
        ends = [(start[0] + dx * k, start[1] + dy * k), (start[0] + dx * stop, start[1] + dy * stop)]
        draw.line(ends, color, width)


def _oriented_box(draw: Any, box: list[int], color: Any, fill: Any, width: int) -> None:
    corners = list(zip(box[::2], box[1::2]))
    _dashed(draw, corners[0], corners[1], color, width)  # so that one sees which way is up
    for a, b in zip(corners[1:], corners[2:] + corners[:1]):
        draw.line((a, b), width=width, fill=color)
    draw.polygon(box, fill=fill, outline=None, width=0)


@lampas.no_grad()
def draw_bounding_boxes(
    image: Tensor,
    boxes: Tensor,
    labels: list[str] | None = None,
    colors: _Colors = None,
    fill: bool | None = False,
    width: int = 1,
    font: str | None = None,
    font_size: int | None = None,
    label_colors: _Colors = None,
    label_background_colors: _Colors = None,
    fill_labels: bool = False,
) -> Tensor:
    """A picture with boxes drawn on it.

    Args:
        image: (C, H, W) with 1 or 3 channels; uint8, or floats from 0 to 1.
        boxes: (N, 4), xmin, ymin, xmax, ymax; or (N, 8), the corners of slanted boxes.
        labels: a text for each.
        colors: one color or a list: names that Pillow knows, "#RRGGBB", or RGB triples; a palette by default.
        fill: also fill them, transparently.
        width: of the lines.
        font, font_size: a TrueType file and the size in points; Pillow's own by default.
        label_colors: of the texts; the boxes' by default, black on a background.
        label_background_colors: behind the texts, with ``fill_labels``; the boxes' by default.
        fill_labels: draw a background behind the texts.

    Returns:
        (3, H, W) with the image's dtype.

    Raises:
        TypeError, ValueError: not such an image; corners the wrong way round; another number of labels or colors.

    >>> draw_bounding_boxes(lampas.zeros(3, 9, 9), lampas.tensor([[1, 1, 6, 6]]), colors="red").shape
    lampas.Size([3, 9, 9])
    """
    _check_image(image, (1, 3))
    if boxes.shape[-1] == 4 and bool(((boxes[:, 0] > boxes[:, 2]) | (boxes[:, 1] > boxes[:, 3])).any()):
        raise ValueError("boxes must be (xmin, ymin, xmax, ymax), and in some xmin > xmax or ymin > ymax")
    count = boxes.shape[0]
    if count == 0:
        warnings.warn("boxes doesn't contain any box. No box was drawn")
        return image
    if labels is not None and len(labels) != count:
        raise ValueError(f"there are {count} boxes and {len(labels)} labels: give each box one")
    outlines = _parse_colors(colors, count)
    texts = _parse_colors(label_colors or "black", count) if label_colors or fill_labels else outlines
    grounds = _parse_colors(label_background_colors, count) if fill_labels and label_background_colors else outlines
    fonts = pillow("ImageFont")
    if font is None:
        if font_size is not None:
            warnings.warn("font_size is ignored: it needs font, the file of a TrueType font")
        face = fonts.load_default()
    else:
        face = fonts.truetype(font=font, size=font_size or 10)

    pixels = _to_bytes(image)
    picture = image_from_tensor(pixels.expand(3, -1, -1) if pixels.shape[0] == 1 else pixels)
    draw = pillow("ImageDraw").Draw(picture, "RGBA" if fill else None)
    for i, box in enumerate(boxes.to(lampas.int64).tolist()):
        inner = (*outlines[i], 100) if fill else None
        if len(box) > 4:
            _oriented_box(draw, box, outlines[i], inner, width)
        else:
            draw.rectangle(box, width=width, outline=outlines[i], fill=inner)
        if labels is None or labels[i] is None:
            continue
        corner = (box[0] + width + 1, box[1] + width + 1)
        if fill_labels:
            left, top, right, bottom = draw.textbbox(corner, labels[i], font=face)
            draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), fill=grounds[i])
        draw.text(corner, labels[i], fill=texts[i], font=face)
    return _from_bytes(tensor_from_image(picture), image.dtype)


@lampas.no_grad()
def draw_segmentation_masks(image: Tensor, masks: Tensor, alpha: float = 0.8, colors: _Colors = None) -> Tensor:
    """A picture with masks laid over it in color; where masks overlap it is black.

    Args:
        image: (3, H, W); uint8, or floats from 0 to 1.
        masks: bool, (N, H, W) or (H, W).
        alpha: from 0, nothing to be seen of the masks, to 1, nothing of the image below them.
        colors: see `draw_bounding_boxes`.

    Returns:
        (3, H, W) with the image's dtype.

    Raises:
        TypeError, ValueError: not such an image, not such masks, another number of colors.

    >>> draw_segmentation_masks(lampas.ones(3, 4, 4), lampas.eye(4).bool(), colors="blue").shape
    lampas.Size([3, 4, 4])
    """
    _check_image(image, (3,))
    if masks.ndim == 2:
        masks = masks[None]
    if masks.ndim != 3:
        raise ValueError(f"masks must be of shape (H, W) or (N, H, W), got {tuple(masks.shape)}")
    if masks.dtype != lampas.bool:
        raise ValueError(f"The masks must be of dtype bool, got {masks.dtype}")
    if masks.shape[-2:] != image.shape[-2:]:
        raise ValueError(f"the masks are {tuple(masks.shape[-2:])} and the image is {tuple(image.shape[-2:])} large")
    if len(masks) == 0:
        warnings.warn("masks doesn't contain any mask. No mask was drawn")
        return image
    scale = 255 if image.is_floating_point() else 1
    painted = image.detach()
    for mask, color in zip(masks, _parse_colors(colors, len(masks))):
        value = lampas.tensor([c / scale for c in color] if scale > 1 else color, dtype=image.dtype)
        painted = lampas.where(mask, value[:, None, None], painted)
    painted = painted.masked_fill(masks.sum(dim=0) > 1, 0)
    return (image * (1 - alpha) + painted * alpha).to(image.dtype)


@lampas.no_grad()
def draw_keypoints(
    image: Tensor,
    keypoints: Tensor,
    connectivity: list[tuple[int, int]] | None = None,
    colors: _Color | None = None,
    radius: int = 2,
    width: int = 3,
    visibility: Tensor | None = None,
) -> Tensor:
    """A picture with points drawn on it, and lines between them.

    Args:
        image: (3, H, W); uint8, or floats from 0 to 1.
        keypoints: (N, K, 2), x and y of the K points of N things.
        connectivity: pairs of points, by number, to join with a line.
        colors: the color of all points; white by default.
        radius: of a point. width: of a line.
        visibility: (N, K), false for points that are not drawn, nor lines to them.

    Returns:
        (3, H, W) with the image's dtype.

    Raises:
        TypeError, ValueError: not such an image, not such shapes.

    >>> draw_keypoints(lampas.zeros(3, 9, 9), lampas.tensor([[[2, 2], [6, 6]]]), [(0, 1)]).shape
    lampas.Size([3, 9, 9])
    """
    _check_image(image, (3,))
    if keypoints.ndim != 3:
        raise ValueError(f"keypoints must be of shape (N, K, 2), got {tuple(keypoints.shape)}")
    if visibility is None:
        visibility = lampas.ones(keypoints.shape[:-1], dtype=lampas.bool)
    if visibility.ndim == 3:  # as splitting predictions of (x, y, visible) leaves it
        visibility = visibility.squeeze(-1)
    if visibility.shape != keypoints.shape[:-1]:
        raise ValueError(
            f"visibility must be of shape (N, K) = {tuple(keypoints.shape[:-1])}, got {tuple(visibility.shape)}"
        )
    picture = image_from_tensor(_to_bytes(image))
    draw = pillow("ImageDraw").Draw(picture)
    for points, seen in zip(keypoints.to(lampas.int64).tolist(), visibility.bool().tolist()):
        for (x, y), visible in zip(points, seen):
            if visible:
                draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=colors, outline=None, width=0)
        for a, b in connectivity or ():
            if seen[a] and seen[b]:
                draw.line((tuple(points[a]), tuple(points[b])), width=width)
    return _from_bytes(tensor_from_image(picture), image.dtype)


def _color_wheel() -> Tensor:
    """The 55 colors of directions, (55, 3), from 0 to 255: six ramps, in each of which one of the three changes."""
    red, green, blue = 0, 1, 2
    ramps = [(15, red, green, 1), (6, green, red, -1), (4, green, blue, 1)]
    ramps += [(11, blue, green, -1), (13, blue, red, 1), (6, red, blue, -1)]
    rows = []
    for steps, constant, changing, sign in ramps:
        for i in range(steps):
            row = [0.0, 0.0, 0.0]
            row[constant] = 255.0
            rising = float(255 * i // steps)
            row[changing] = rising if sign > 0 else 255.0 - rising
            rows.append(row)
    return lampas.tensor(rows)


@lampas.no_grad()
def flow_to_image(flow: Tensor) -> Tensor:
    """Optical flow as color: the direction is the hue, the length, relative to the largest, the saturation.

    Args:
        flow: float32, (2, H, W) or (N, 2, H, W).

    Returns:
        uint8, (3, H, W) or (N, 3, H, W).

    Raises:
        ValueError: another dtype or shape.

    Source: Baker and others, A Database and Evaluation Methodology for Optical Flow, 2007.

    >>> flow_to_image(lampas.randn(2, 4, 4)).dtype
    lampas.uint8
    """
    if flow.dtype != lampas.float32:
        raise ValueError(f"Flow should be of dtype float32, got {flow.dtype}")
    if flow.ndim not in (3, 4) or flow.shape[-3] != 2:
        raise ValueError(f"flow should have shape (2, H, W) or (N, 2, H, W), got {tuple(flow.shape)}")
    batch = flow if flow.ndim == 4 else flow[None]
    largest = batch.pow(2).sum(dim=1).sqrt().max()
    batch = batch / (largest + lampas.finfo(lampas.float32).eps)
    wheel = _color_wheel()
    place = (lampas.atan2(-batch[:, 1], -batch[:, 0]) / math.pi + 1) / 2 * (len(wheel) - 1)
    before = place.floor().long()
    weight = (place - before).unsqueeze(-1)
    hue = (1 - weight) * (wheel[before] / 255) + weight * (wheel[(before + 1) % len(wheel)] / 255)
    color = 1 - batch.pow(2).sum(dim=1).sqrt().unsqueeze(-1) * (1 - hue)
    image = (255 * color).floor().to(lampas.uint8).permute(0, 3, 1, 2).contiguous()
    return image if flow.ndim == 4 else image[0]
