"""Features of regions: a grid of the same size for boxes of any size."""

from __future__ import annotations

import lampas
from lampas import Tensor, nn

__all__ = [
    "PSRoIAlign",
    "PSRoIPool",
    "RoIAlign",
    "RoIPool",
    "ps_roi_align",
    "ps_roi_pool",
    "roi_align",
    "roi_pool",
]

Boxes = Tensor | list[Tensor]


def _rois(boxes: Boxes) -> Tensor:
    """(K, 5): the number of the image, then the box."""
    if isinstance(boxes, list | tuple):
        for b in boxes:
            if b.ndim != 2 or b.shape[1] != 4:
                raise AssertionError(
                    "The shape of the tensor in the boxes list is not correct as List[Tensor[L, 4]]: "
                    f"got {tuple(b.shape)}"
                )
        numbered = [lampas.cat([lampas.full_like(b[:, :1], i), b], dim=1) for i, b in enumerate(boxes)]
        return lampas.cat(numbered, dim=0)
    if boxes.ndim != 2 or boxes.shape[1] != 5:
        raise AssertionError(
            f"The boxes tensor shape is not correct as Tensor[K, 5]: got {tuple(boxes.shape)}; the first column is the "
            "number of the image"
        )
    return boxes


def _pair(size: int | tuple[int, int] | list[int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (size[0], size[-1])


def _between(at: Tensor, length: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """For places along an axis: the cells below and above, and their weights; none further than 1 outside."""
    inside = (at >= -1) & (at <= length)
    at = at.clamp(min=0)
    low = at.long().clamp(max=length - 1)
    high = (low + 1).clamp(max=length - 1)
    above = lampas.where(low >= length - 1, lampas.zeros_like(at), at - low)
    return low, high, (1 - above) * inside, above * inside


def roi_align(
    input: Tensor,
    boxes: Boxes,
    output_size: int | tuple[int, int] | list[int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> Tensor:
    """The mean of bilinear samples in each cell of a grid laid over each box (arXiv:1703.06870).

    Args:
        input: (N, C, H, W).
        boxes: (K, 5), the number of the image and x1, y1, x2, y2; or a list of (L, 4), one for each image.
        output_size: height and width of the grid.
        spatial_scale: from the boxes' units to pixels of `input`.
        sampling_ratio: samples along each side of a cell; 0 or less: as many as the cell has pixels.
        aligned: pixels are at half numbers, as they should be; False: as in the first versions of detectors.

    Returns:
        (K, C, output height, output width).

    Raises:
        AssertionError: `boxes` is neither.
    """
    rois = _rois(boxes)
    out_h, out_w = _pair(output_size)
    n, channels, height, width = input.shape
    result = input.new_zeros((rois.shape[0], channels, out_h, out_w))
    if rois.shape[0] == 0:
        return result
    # gradients of boxes are not defined
    rois = rois.detach().to(input.dtype if input.dtype == lampas.float64 else lampas.float32)
    corners = rois[:, 1:] * spatial_scale - (0.5 if aligned else 0.0)
    sides = corners[:, 2:] - corners[:, :2]
    if not aligned:
        sides = sides.clamp(min=1.0)
    cells = sides / lampas.tensor([out_w, out_h], dtype=sides.dtype)
    samples = (
        cells.ceil().long().clamp(min=0) if sampling_ratio <= 0 else lampas.full_like(cells.long(), sampling_ratio)
    )
    rows = input.permute(0, 2, 3, 1).reshape(n * height * width, channels)
    image = rois[:, 0].long()
    parts, places = [], []
    # boxes with equally many samples at a time
    for kx, ky in {(int(a), int(b)) for a, b in samples.tolist()}:
        chosen = lampas.where((samples[:, 0] == kx) & (samples[:, 1] == ky))[0]
        if kx == 0 or ky == 0:
            continue
        axes = []
        for axis, count, cells_along, length in ((0, kx, out_w, width), (1, ky, out_h, height)):
            at = (lampas.arange(cells_along * count, dtype=sides.dtype) + 0.5) / count
            axes.append(_between(corners[chosen, axis, None] + at * cells[chosen, axis, None], length))
        (x0, x1, wx0, wx1), (y0, y1, wy0, wy1) = axes
        base = (image[chosen] * height)[:, None]
        total: Tensor | None = None
        for y, wy in ((y0, wy0), (y1, wy1)):
            for x, wx in ((x0, wx0), (x1, wx1)):
                index = ((base + y) * width)[:, :, None] + x[:, None, :]
                values = rows.index_select(0, index.reshape(-1)).view(*index.shape, channels)
                part = values * (wy[:, :, None] * wx[:, None, :])[..., None].to(values.dtype)
                total = part if total is None else total + part
        assert total is not None
        cut = total.view(len(chosen), out_h, ky, out_w, kx, channels).mean((2, 4))
        parts.append(cut.permute(0, 3, 1, 2))
        places.append(chosen)
    if not parts:
        return result
    return result.index_copy(0, lampas.cat(places), lampas.cat(parts).to(result.dtype))


def _ranges(start: float, size: float, count: int, length: int) -> list[tuple[int, int]]:
    import math

    step = size / count
    ends = []
    for i in range(count):
        low, high = math.floor(i * step) + start, math.ceil((i + 1) * step) + start
        ends.append((int(min(max(low, 0), length)), int(min(max(high, 0), length))))
    return ends


def _rounded(value: float) -> int:
    import math

    return int(math.copysign(math.floor(abs(value) + 0.5), value))


def roi_pool(
    input: Tensor, boxes: Boxes, output_size: int | tuple[int, int] | list[int], spatial_scale: float = 1.0
) -> Tensor:
    """The greatest value in each cell of a grid of whole pixels laid over each box (arXiv:1504.08083).

    Arguments and result are those of `roi_align`.
    """
    rois = _rois(boxes)
    out_h, out_w = _pair(output_size)
    _, channels, height, width = input.shape
    zero = input.new_zeros(channels)
    made = []
    for image, *box in rois.tolist():
        x1, y1, x2, y2 = (_rounded(value * spatial_scale) for value in box)
        columns = _ranges(x1, max(x2 - x1 + 1, 1), out_w, width)
        features = input[int(image)]
        for top, bottom in _ranges(y1, max(y2 - y1 + 1, 1), out_h, height):
            band = features[:, top:bottom].max(dim=1).values if bottom > top else None
            for left, right in columns:
                made.append(zero if band is None or right <= left else band[:, left:right].max(dim=1).values)
    if not made:
        return input.new_zeros((0, channels, out_h, out_w))
    return lampas.stack(made).view(len(rois), out_h, out_w, channels).permute(0, 3, 1, 2).contiguous()


def _own_channels(full: Tensor, size: tuple[int, int]) -> Tensor:
    """(K, C h w, h, w) to (K, C, h, w): each cell has channels of its own."""
    h, w = size
    k, channels = full.shape[:2]
    split = full.view(k, channels // (h * w), h, w, h, w)
    return lampas.einsum("kcijij->kcij", split).contiguous()


def _check_channels(input: Tensor, size: tuple[int, int]) -> None:
    if input.shape[1] % (size[0] * size[1]) != 0:
        raise RuntimeError(
            f"input channels must be a multiple of pooling height * pooling width ({size[0]} x {size[1]}), got "
            f"{input.shape[1]} channels"
        )


def ps_roi_align(
    input: Tensor,
    boxes: Boxes,
    output_size: int | tuple[int, int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
) -> Tensor:
    """`roi_align` in which each cell of the grid reads channels of its own: (K, C / (h w), h, w)."""
    size = _pair(output_size)
    _check_channels(input, size)
    return _own_channels(roi_align(input, boxes, size, spatial_scale, sampling_ratio, aligned=True), size)


def ps_roi_pool(input: Tensor, boxes: Boxes, output_size: int | tuple[int, int], spatial_scale: float = 1.0) -> Tensor:
    """The mean over each cell of a grid of whole pixels, each cell with channels of its own (arXiv:1605.06409)."""
    import math

    rois = _rois(boxes)
    out_h, out_w = size = _pair(output_size)
    _check_channels(input, size)
    _, channels, height, width = input.shape
    grouped = input.view(input.shape[0], channels // (out_h * out_w), out_h, out_w, height, width)
    zero = input.new_zeros(grouped.shape[1])
    made = []

    def ends(start: float, step: float, count: int, length: int) -> list[tuple[int, int]]:
        cuts = [(math.floor(i * step + start), math.ceil((i + 1) * step + start)) for i in range(count)]
        return [(min(max(low, 0), length), min(max(high, 0), length)) for low, high in cuts]

    for image, *box in rois.tolist():
        x1, y1, x2, y2 = (_rounded(value * spatial_scale) for value in box)
        columns = ends(x1, max(x2 - x1, 1) / out_w, out_w, width)
        for i, (top, bottom) in enumerate(ends(y1, max(y2 - y1, 1) / out_h, out_h, height)):
            for j, (left, right) in enumerate(columns):
                empty = bottom <= top or right <= left
                cell = grouped[int(image), :, i, j, top:bottom, left:right]
                made.append(zero if empty else cell.mean((1, 2)))
    if not made:
        return input.new_zeros((0, grouped.shape[1], out_h, out_w))
    return lampas.stack(made).view(len(rois), out_h, out_w, -1).permute(0, 3, 1, 2).contiguous()


class _RoI(nn.Module):
    _shown: tuple[str, ...] = ("output_size", "spatial_scale")

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)}" for name in self._shown)
        return f"{self.__class__.__name__}({shown})"


class RoIAlign(_RoI):
    """`roi_align` as a module."""

    _shown = ("output_size", "spatial_scale", "sampling_ratio", "aligned")

    def __init__(
        self, output_size: int | tuple[int, int], spatial_scale: float, sampling_ratio: int, aligned: bool = False
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.spatial_scale = spatial_scale
        self.sampling_ratio = sampling_ratio
        self.aligned = aligned

    def forward(self, input: Tensor, rois: Boxes) -> Tensor:
        return roi_align(input, rois, self.output_size, self.spatial_scale, self.sampling_ratio, self.aligned)


class RoIPool(_RoI):
    """`roi_pool` as a module."""

    def __init__(self, output_size: int | tuple[int, int], spatial_scale: float) -> None:
        super().__init__()
        self.output_size = output_size
        self.spatial_scale = spatial_scale

    def forward(self, input: Tensor, rois: Boxes) -> Tensor:
        return roi_pool(input, rois, self.output_size, self.spatial_scale)


class PSRoIAlign(_RoI):
    """`ps_roi_align` as a module."""

    _shown = ("output_size", "spatial_scale", "sampling_ratio")

    def __init__(self, output_size: int, spatial_scale: float, sampling_ratio: int) -> None:
        super().__init__()
        self.output_size = output_size
        self.spatial_scale = spatial_scale
        self.sampling_ratio = sampling_ratio

    def forward(self, input: Tensor, rois: Boxes) -> Tensor:
        return ps_roi_align(input, rois, self.output_size, self.spatial_scale, self.sampling_ratio)


class PSRoIPool(_RoI):
    """`ps_roi_pool` as a module."""

    def __init__(self, output_size: int, spatial_scale: float) -> None:
        super().__init__()
        self.output_size = output_size
        self.spatial_scale = spatial_scale

    def forward(self, input: Tensor, rois: Boxes) -> Tensor:
        return ps_roi_pool(input, rois, self.output_size, self.spatial_scale)
