"""Operations on images that are tensors [..., C, H, W]; the names and arguments are those of `_pil_kernels`."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import lampas
from lampas import Tensor

from ._geometry import (
    InterpolationMode,
    affine_output_size,
    inverse_affine_matrix,
    pad_sides,
    perspective_coefficients,
)

_Fill = float | Sequence[float] | None

_MAX_VALUES = {"uint8": 255, "int8": 127, "uint16": 65535, "int16": 32767, "int32": 2**31 - 1, "int64": 2**63 - 1}


@functools.cache
def max_value(dtype: lampas.dtype) -> int:
    """What white is in images of this dtype."""
    return _MAX_VALUES.get(str(dtype).rpartition(".")[2], 1)


def check_image(img: Any) -> None:
    if not isinstance(img, Tensor):
        raise TypeError(f"a tensor is expected, got {type(img)}")
    if img.ndim < 2:
        raise TypeError(f"an image has at least 2 dimensions (..., C, H, W), got a tensor of shape {tuple(img.shape)}")


def check_channels(img: Tensor, permitted: tuple[int, ...] = (1, 3)) -> None:
    channels = get_dimensions(img)[0]
    if channels not in permitted:
        raise TypeError(f"the image must have {' or '.join(map(str, permitted))} channels, got {channels}")


def _check_3d(img: Tensor) -> None:
    if img.ndim < 3:
        raise TypeError(f"an image must have at least 3 dimensions (..., C, H, W), got shape {tuple(img.shape)}")


def get_dimensions(img: Tensor) -> list[int]:
    check_image(img)
    shape = img.shape
    return [1 if img.ndim == 2 else shape[-3], shape[-2], shape[-1]]


def _batched(img: Tensor, work: Callable[[Tensor], Tensor]) -> Tensor:
    """`work` is given (N, C, H, W)."""
    shape = tuple(img.shape)
    keep = 2 if img.ndim == 2 else 3
    out = work(img.reshape(math.prod(shape[:-keep]), *get_dimensions(img)))
    return out.reshape(shape[:-keep] + tuple(out.shape[-keep:]))


def _in_float(img: Tensor, work: Callable[[Tensor], Tensor]) -> Tensor:
    """`work` is given (N, C, H, W) in float32 or float64; results for integer images are rounded."""
    dtype = img.dtype
    compute = dtype if dtype in (lampas.float32, lampas.float64) else lampas.float32
    out = _batched(img.to(compute), work)
    if dtype == compute:
        return out
    if not dtype.is_floating_point and dtype != lampas.bool:
        out = out.round_()
    return out.to(dtype)


# ---- values ----


def convert_image_dtype(image: Tensor, dtype: lampas.dtype = lampas.float32) -> Tensor:
    source = image.dtype
    if source == dtype:
        return image
    if source.is_floating_point:
        if dtype.is_floating_point:
            return image.to(dtype)
        unsafe = (source == lampas.float32 and dtype in (lampas.int32, lampas.int64)) or (
            source == lampas.float64 and dtype == lampas.int64
        )
        if unsafe:
            raise RuntimeError(
                f"an image of {source} cannot become {dtype} safely: its largest number is not a {source}"
            )
        # intervals of one width for each integer, 1.0 in the last
        return image.mul(float(max_value(dtype)) + 1.0 - 1e-3).to(dtype)
    white_in, white_out = max_value(source), max_value(dtype)
    if dtype.is_floating_point:
        return image.to(dtype).div_(white_in)
    if white_in > white_out:
        return lampas.div(image, (white_in + 1) // (white_out + 1), rounding_mode="floor").to(dtype)
    return image.to(dtype).mul_((white_out + 1) // (white_in + 1))


@functools.lru_cache(maxsize=64)
def _column(values: tuple[float, ...], dtype: lampas.dtype, device: lampas.device) -> tuple[Tensor, bool]:
    """The values beside C of (C, H, W), and whether one of them is zero."""
    with lampas.inference_mode(False):  # it is used again, perhaps where gradients are recorded
        column = lampas.tensor(values, dtype=dtype, device=device)
        return column.view(-1, 1, 1), bool((column == 0).any())


def _as_column(values: Any, dtype: lampas.dtype, device: lampas.device) -> tuple[Tensor, bool]:
    if isinstance(values, Tensor):
        column = values.to(dtype=dtype, device=device)
        return column.view(-1, 1, 1) if column.ndim == 1 else column, bool((column == 0).any())
    return _column(tuple(map(float, values)), dtype, device)


def normalize(tensor: Tensor, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> Tensor:
    dtype = tensor.dtype
    if not dtype.is_floating_point:
        raise TypeError(
            f"normalize needs a tensor of floats, got {dtype}: convert it first, with ToTensor() or ConvertImageDtype()"
        )
    if tensor.ndim < 3:
        raise ValueError(f"normalize needs an image of size (..., C, H, W), got {tuple(tensor.shape)}")
    device = tensor.device
    center = _as_column(mean, dtype, device)[0]
    spread, zero = _as_column(std, dtype, device)
    if zero:
        raise ValueError(f"std = {std} has a zero once it is {dtype}: one would divide by zero")
    try:
        out = tensor if inplace else tensor.sub(center)
        if inplace:
            out.sub_(center)
        elif out.shape != tensor.shape:
            raise RuntimeError(f"the result would have shape {tuple(out.shape)}")
        return out.div_(spread)
    except RuntimeError as error:
        raise RuntimeError(
            f"mean has {center.numel()} and std {spread.numel()} values, the image of shape {tuple(tensor.shape)} has "
            f"{tensor.shape[-3]} channels: give one value for each channel ({error})"
        ) from None


def invert(img: Tensor) -> Tensor:
    check_image(img)
    _check_3d(img)
    check_channels(img)
    return max_value(img.dtype) - img


def posterize(img: Tensor, bits: int) -> Tensor:
    check_image(img)
    _check_3d(img)
    if img.dtype != lampas.uint8:
        raise TypeError(f"only uint8 images can be posterized, got {img.dtype}")
    check_channels(img)
    return img & (256 - (1 << (8 - bits)))


def solarize(img: Tensor, threshold: float) -> Tensor:
    check_image(img)
    _check_3d(img)
    check_channels(img)
    if threshold > max_value(img.dtype):
        raise TypeError(f"threshold {threshold} is above {max_value(img.dtype)}, the largest value of {img.dtype}")
    return lampas.where(img >= threshold, invert(img), img)


def autocontrast(img: Tensor) -> Tensor:
    check_image(img)
    _check_3d(img)
    check_channels(img)
    bound = max_value(img.dtype)
    dtype = img.dtype if img.is_floating_point() else lampas.float32
    low = img.amin(dim=(-2, -1), keepdim=True).to(dtype)
    high = img.amax(dim=(-2, -1), keepdim=True).to(dtype)
    scale = bound / (high - low)
    flat = ~lampas.isfinite(scale)
    low, scale = low.masked_fill(flat, 0), scale.masked_fill(flat, 1)
    return ((img - low) * scale).clamp_(0, bound).to(img.dtype)


def equalize(img: Tensor) -> Tensor:
    check_image(img)
    if img.ndim < 3:
        raise TypeError(f"an image must have at least 3 dimensions (..., C, H, W), got shape {tuple(img.shape)}")
    if img.dtype != lampas.uint8:
        raise TypeError(f"only uint8 images can be equalized, got {img.dtype}")
    check_channels(img)
    if img.numel() == 0:
        return img
    planes = img.flatten(end_dim=-3).flatten(1).to(lampas.int64)
    count = planes.shape[0]
    numbered = planes + lampas.arange(count, device=img.device).mul_(256).unsqueeze(1)
    histogram = lampas.bincount(numbered.flatten(), minlength=256 * count).view(count, 256)
    brightest = histogram.gather(1, planes.amax(1, keepdim=True))
    step = (planes.shape[1] - brightest) // 255
    table = (histogram.cumsum(1) - histogram + step // 2) // step.clamp(min=1)
    # planes with too few pixels off the brightest stay as they are
    table = lampas.where(step == 0, lampas.arange(256, device=img.device), table.clamp_(0, 255)).to(lampas.uint8)
    return table.flatten()[numbered].view(img.shape)


def blend(img1: Tensor, img2: Tensor | float, ratio: float) -> Tensor:
    """``ratio * img1 + (1 - ratio) * img2``, kept within the range of images."""
    ratio = float(ratio)
    mixed = ratio * img1 + (1.0 - ratio) * img2
    return mixed.clamp_(0, max_value(img1.dtype)).to(img1.dtype)


def _check_factor(name: str, factor: float) -> None:
    if factor < 0:
        raise ValueError(f"{name} ({factor}) must not be negative")


def rgb_to_grayscale(img: Tensor, num_output_channels: int = 1) -> Tensor:
    _check_3d(img)
    check_channels(img)
    if num_output_channels not in (1, 3):
        raise ValueError(f"num_output_channels should be 1 or 3, got {num_output_channels}")
    if img.shape[-3] == 1:
        return img.clone()
    r, g, b = img.unbind(dim=-3)
    grey = (0.2989 * r + 0.587 * g + 0.114 * b).to(img.dtype).unsqueeze(-3)
    return grey.expand(img.shape) if num_output_channels == 3 else grey


def adjust_brightness(img: Tensor, brightness_factor: float) -> Tensor:
    _check_factor("brightness_factor", brightness_factor)
    check_image(img)
    check_channels(img)
    return blend(img, 0.0, brightness_factor)


def adjust_contrast(img: Tensor, contrast_factor: float) -> Tensor:
    _check_factor("contrast_factor", contrast_factor)
    check_image(img)
    check_channels(img)
    dtype = img.dtype if img.is_floating_point() else lampas.float32
    grey = rgb_to_grayscale(img) if get_dimensions(img)[0] == 3 else img
    over = (-3, -2, -1) if img.ndim > 2 else (-2, -1)
    return blend(img, grey.to(dtype).mean(dim=over, keepdim=True), contrast_factor)


def adjust_saturation(img: Tensor, saturation_factor: float) -> Tensor:
    _check_factor("saturation_factor", saturation_factor)
    check_image(img)
    check_channels(img)
    if get_dimensions(img)[0] == 1:
        return img
    return blend(img, rgb_to_grayscale(img), saturation_factor)


def adjust_gamma(img: Tensor, gamma: float, gain: float = 1) -> Tensor:
    check_image(img)
    check_channels(img)
    if gamma < 0:
        raise ValueError(f"gamma ({gamma}) must not be negative")
    dtype = img.dtype
    values = img if img.is_floating_point() else convert_image_dtype(img, lampas.float32)
    return convert_image_dtype((gain * values**gamma).clamp_(0, 1), dtype)


def adjust_hue(img: Tensor, hue_factor: float) -> Tensor:
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"hue_factor ({hue_factor}) is not in [-0.5, 0.5]")
    check_image(img)
    check_channels(img)
    if get_dimensions(img)[0] == 1:
        return img
    values = img if img.is_floating_point() else convert_image_dtype(img, lampas.float32)
    hue, saturation, value = _rgb_to_hsv(values)
    return convert_image_dtype(_hsv_to_rgb((hue + hue_factor) % 1.0, saturation, value), img.dtype)


def _rgb_to_hsv(img: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    r, g, b = img.unbind(dim=-3)
    high, low = img.amax(dim=-3), img.amin(dim=-3)
    grey = high == low
    chroma = high - low
    # grey pixels have neither hue nor saturation: divide by one there
    saturation = chroma / high.masked_fill(grey, 1.0)
    divisor = chroma.masked_fill(grey, 1.0)
    to_r, to_g, to_b = (high - r) / divisor, (high - g) / divisor, (high - b) / divisor
    hue = (high == r) * (to_b - to_g)
    hue = hue + ((high == g) & (high != r)) * (2.0 + to_r - to_b)
    hue = hue + ((high != g) & (high != r)) * (4.0 + to_g - to_r)
    return lampas.fmod(hue / 6.0 + 1.0, 1.0), saturation, high


def _hsv_to_rgb(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    sector = lampas.floor(hue * 6.0)
    f = hue * 6.0 - sector
    p = (value * (1.0 - saturation)).clamp_(0.0, 1.0)
    q = (value * (1.0 - saturation * f)).clamp_(0.0, 1.0)
    t = (value * (1.0 - saturation * (1.0 - f))).clamp_(0.0, 1.0)
    index = (sector.to(lampas.int64) % 6).unsqueeze(-3)
    channels = [(value, q, p, p, t, value), (t, value, value, q, p, p), (p, p, t, value, value, q)]
    return lampas.cat([lampas.stack(of, dim=-3).gather(-3, index) for of in channels], dim=-3)


# ---- neighbourhoods ----


def _filtered(img: Tensor, rows: Tensor | None, columns: Tensor | None, both: Tensor | None = None) -> Tensor:
    """Each channel of (N, C, H, W) correlated with the weights; no padding."""
    channels = img.shape[-3]
    for weights in (
        both,
        None if rows is None else rows.view(1, -1),
        None if columns is None else columns.view(-1, 1),
    ):
        if weights is not None:
            kernel = weights.to(img.dtype).expand(channels, 1, *weights.shape)
            img = lampas.nn.functional.conv2d(img, kernel, groups=channels)
    return img


def gaussian_kernel(size: int, sigma: float, dtype: lampas.dtype = lampas.float32) -> Tensor:
    half = (size - 1) * 0.5
    weights = lampas.exp(-0.5 * (lampas.linspace(-half, half, size, dtype=dtype) / sigma) ** 2)
    return weights / weights.sum()


def gaussian_blur(img: Tensor, kernel_size: Sequence[int], sigma: Sequence[float]) -> Tensor:
    check_image(img)
    dtype = img.dtype if img.is_floating_point() else lampas.float32
    kernel_x = gaussian_kernel(kernel_size[0], sigma[0], dtype).to(img.device)
    kernel_y = gaussian_kernel(kernel_size[1], sigma[1], dtype).to(img.device)
    right, down = kernel_size[0] // 2, kernel_size[1] // 2

    def blur(batch: Tensor) -> Tensor:
        padded = lampas.nn.functional.pad(batch, [right, right, down, down], mode="reflect")
        return _filtered(padded, kernel_x, kernel_y)

    return _in_float(img, blur)


def adjust_sharpness(img: Tensor, sharpness_factor: float) -> Tensor:
    _check_factor("sharpness_factor", sharpness_factor)
    check_image(img)
    check_channels(img)
    if img.shape[-1] <= 2 or img.shape[-2] <= 2:
        return img
    weights = lampas.ones(3, 3, device=img.device)
    weights[1, 1] = 5.0
    weights /= weights.sum()

    def smooth(batch: Tensor) -> Tensor:
        # the border has no neighbours and stays as it is
        result = batch.clone()
        result[..., 1:-1, 1:-1] = _filtered(batch, None, None, weights)
        return result

    return blend(img, _in_float(img, smooth), sharpness_factor)


# ---- places ----


def hflip(img: Tensor) -> Tensor:
    check_image(img)
    return img.flip(-1)


def vflip(img: Tensor) -> Tensor:
    check_image(img)
    return img.flip(-2)


def crop(img: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    """A view; what lies outside of the image is 0."""
    _, h, w = get_dimensions(img)
    bottom, right = top + height, left + width
    inside = img[..., max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    if top >= 0 and left >= 0 and bottom <= h and right <= w:
        return inside
    sides = [
        max(min(right, 0) - left, 0),
        max(right - max(w, left), 0),
        max(min(bottom, 0) - top, 0),
        max(bottom - max(h, top), 0),
    ]
    return lampas.nn.functional.pad(inside, sides, mode="constant", value=0.0)


def pad(img: Tensor, padding: int | Sequence[int], fill: float | None = 0, padding_mode: str = "constant") -> Tensor:
    check_image(img)
    left, top, right, bottom = pad_sides(padding)
    if padding_mode == "symmetric":
        return _pad_symmetric(img, left, top, right, bottom)
    sides = [left, right, top, bottom]
    if padding_mode == "constant":
        if fill is None:
            fill = 0
        if isinstance(fill, (tuple, list)):
            if len(fill) != 1:
                raise TypeError(f"a tensor is padded with one number, got fill={fill!r}")
            fill = fill[0]
        if not isinstance(fill, (int, float)):
            raise TypeError(f"a tensor is padded with one number, got fill={fill!r}")
        return lampas.nn.functional.pad(img, sides, mode="constant", value=fill)
    if padding_mode not in ("edge", "reflect"):
        raise ValueError(f"padding_mode should be constant, edge, reflect or symmetric, got {padding_mode!r}")
    mode = "replicate" if padding_mode == "edge" else "reflect"
    return _batched(img, lambda batch: lampas.nn.functional.pad(batch, sides, mode=mode))


def _pad_symmetric(img: Tensor, left: int, top: int, right: int, bottom: int) -> Tensor:
    for dim, before, after in ((-1, left, right), (-2, top, bottom)):
        if before == after == 0:
            continue
        if before < 0 or after < 0:
            # a negative padding is a crop
            cut = max(-before, 0)
            img = img.narrow(dim, cut, img.shape[dim] - cut - max(-after, 0))
            before, after = max(before, 0), max(after, 0)
        size = img.shape[dim]
        if max(before, after) > size:
            raise IndexError(f"symmetric padding by {max(before, after)} is more than the image's {size} pixels there")
        index = lampas.arange(-before, size + after, device=img.device)
        index = lampas.where(index < 0, -index - 1, index)
        img = img.index_select(dim, lampas.where(index >= size, 2 * size - 1 - index, index))
    return img


def resize(
    img: Tensor,
    size: Sequence[int],
    interpolation: InterpolationMode = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Tensor:
    check_image(img)
    mode = interpolation.value
    interpolate = lampas.nn.functional.interpolate
    if mode in ("nearest", "nearest-exact"):
        return _batched(img, lambda batch: interpolate(batch, size=list(size), mode=mode))
    if mode not in ("bilinear", "bicubic"):
        raise NotImplementedError(f"tensors cannot be resized with {interpolation}: take BILINEAR, or a PIL image")

    def scale(batch: Tensor) -> Tensor:
        out = interpolate(batch, size=list(size), mode=mode, align_corners=False, antialias=bool(antialias))
        integers = mode == "bicubic" and not img.is_floating_point()
        return out.clamp_(0, max_value(img.dtype)) if integers else out  # cubics overshoot

    return _in_float(img, scale)


def _sampled(img: Tensor, grid: Tensor, interpolation: InterpolationMode, fill: _Fill) -> Tensor:
    """The pixels of each channel at the places of `grid` (1, H, W, 2); `fill` where it leads outside."""
    mode = interpolation.value

    def sample(batch: Tensor) -> Tensor:
        places = grid.to(batch.dtype).expand(len(batch), -1, -1, -1)
        if fill is not None:
            # a channel of ones tells how much of each result comes from inside
            ones = batch.new_ones(len(batch), 1, *batch.shape[-2:])
            batch = lampas.cat([batch, ones], dim=1)
        out = lampas.nn.functional.grid_sample(batch, places, mode=mode, padding_mode="zeros", align_corners=False)
        if fill is None:
            return out
        out, inside = out[:, :-1], out[:, -1:]
        values = [float(fill)] if isinstance(fill, (int, float)) else [float(x) for x in fill]
        ground = lampas.tensor(values, dtype=out.dtype, device=out.device).view(1, -1, 1, 1)
        if mode == "nearest":
            return lampas.where(inside < 0.5, ground, out)
        return out * inside + (1.0 - inside) * ground

    return _in_float(img, sample)


def _check_sampling(
    img: Tensor, interpolation: InterpolationMode, fill: _Fill, modes: tuple[str, ...] = ("nearest", "bilinear")
) -> None:
    check_image(img)
    channels = get_dimensions(img)[0]
    if fill is not None and not isinstance(fill, (int, float)) and len(fill) not in (1, channels):
        raise ValueError(f"fill has {len(fill)} values for the image's {channels} channels: give one or as many")
    if interpolation.value not in modes:
        raise ValueError(
            f"interpolation mode {interpolation.value!r} is not there for tensors: take {' or '.join(map(repr, modes))}"
        )


def _grid_type(img: Tensor) -> dict[str, Any]:
    return {"dtype": img.dtype if img.is_floating_point() else lampas.float32, "device": img.device}


def _places(width: int, height: int, shift_x: float, shift_y: float, options: dict[str, Any]) -> Tensor:
    """(1, height * width, 3): x, y and 1 of each pixel's centre."""
    base = lampas.ones(1, height, width, 3, **options)
    base[..., 0].copy_(lampas.linspace(shift_x + 0.5, shift_x + width - 0.5, width, **options))
    base[..., 1].copy_(lampas.linspace(shift_y + 0.5, shift_y + height - 0.5, height, **options).unsqueeze(-1))
    return base.view(1, height * width, 3)


def affine_grid(
    matrix: Sequence[float], width: int, height: int, out_width: int, out_height: int, options: dict[str, Any]
) -> Tensor:
    base = _places(out_width, out_height, -out_width * 0.5, -out_height * 0.5, options)
    theta = lampas.tensor(matrix, **options).view(1, 2, 3).transpose(1, 2)
    theta = theta / lampas.tensor([0.5 * width, 0.5 * height], **options)
    return base.bmm(theta).view(1, out_height, out_width, 2)


def warp(
    img: Tensor,
    matrix: Sequence[float],
    interpolation: InterpolationMode = InterpolationMode.NEAREST,
    fill: _Fill = None,
    size: tuple[int, int] | None = None,
) -> Tensor:
    """The image at the places that the inverse matrix gives, with the origin in its middle; `size`: (width, height)."""
    _check_sampling(img, interpolation, fill)
    _, height, width = get_dimensions(img)
    out_width, out_height = (width, height) if size is None else size
    grid = affine_grid(matrix, width, height, out_width, out_height, _grid_type(img))
    return _sampled(img, grid, interpolation, fill)


def _from_middle(img: Tensor, center: Sequence[float] | None) -> list[float]:
    if center is None:
        return [0.0, 0.0]
    _, height, width = get_dimensions(img)
    return [center[0] - width * 0.5, center[1] - height * 0.5]


def affine(
    img: Tensor,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: Sequence[float],
    interpolation: InterpolationMode = InterpolationMode.NEAREST,
    fill: _Fill = None,
    center: Sequence[float] | None = None,
) -> Tensor:
    matrix = inverse_affine_matrix(_from_middle(img, center), angle, [float(t) for t in translate], scale, shear)
    return warp(img, matrix, interpolation, fill)


def rotate(
    img: Tensor,
    angle: float,
    interpolation: InterpolationMode = InterpolationMode.NEAREST,
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: _Fill = None,
) -> Tensor:
    # counter-clockwise here, clockwise in the matrix
    matrix = inverse_affine_matrix(_from_middle(img, center), -angle, [0.0, 0.0], 1.0, [0.0, 0.0])
    _, height, width = get_dimensions(img)
    return warp(img, matrix, interpolation, fill, affine_output_size(matrix, width, height) if expand else None)


def perspective(
    img: Tensor,
    startpoints: Sequence[Sequence[int]],
    endpoints: Sequence[Sequence[int]],
    interpolation: InterpolationMode = InterpolationMode.BILINEAR,
    fill: _Fill = None,
) -> Tensor:
    return perspective_by(img, perspective_coefficients(startpoints, endpoints), interpolation, fill)


def perspective_by(
    img: Tensor,
    coefficients: Sequence[float],
    interpolation: InterpolationMode = InterpolationMode.BILINEAR,
    fill: _Fill = None,
) -> Tensor:
    _check_sampling(img, interpolation, fill)
    if len(coefficients) != 8:
        raise ValueError(f"a perspective has 8 coefficients, got {len(coefficients)}")
    _, height, width = get_dimensions(img)
    options = _grid_type(img)
    a, b, c, d, e, f, g, h = coefficients
    base = _places(width, height, 0.0, 0.0, options)
    above = lampas.tensor([[a, b, c], [d, e, f]], **options).T / lampas.tensor([0.5 * width, 0.5 * height], **options)
    below = lampas.tensor([[g, h, 1.0], [g, h, 1.0]], **options).T
    grid = (base.bmm(above.unsqueeze(0)) / base.bmm(below.unsqueeze(0))).sub_(1.0)
    return _sampled(img, grid.view(1, height, width, 2), interpolation, fill)


def elastic_transform(
    img: Tensor,
    displacement: Tensor,
    interpolation: InterpolationMode = InterpolationMode.BILINEAR,
    fill: _Fill = None,
) -> Tensor:
    _check_sampling(img, interpolation, fill, ("nearest", "bilinear"))
    _, height, width = get_dimensions(img)
    options = _grid_type(img)
    identity = lampas.empty(1, height, width, 2, **options)
    identity[..., 0].copy_(lampas.linspace((1 - width) / width, (width - 1) / width, width, **options))
    identity[..., 1].copy_(lampas.linspace((1 - height) / height, (height - 1) / height, height, **options)[:, None])
    return _sampled(img, identity + displacement.to(img.device), interpolation, fill)


def erase(img: Tensor, i: int, j: int, h: int, w: int, v: Tensor, inplace: bool = False) -> Tensor:
    if not inplace:
        img = img.clone()
    img[..., i : i + h, j : j + w] = v
    return img
