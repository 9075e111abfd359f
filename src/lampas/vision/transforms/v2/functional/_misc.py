"""What needs no geometry and no colours: types, normalising, blur, noise, erasing, compression, frames."""

# What `functional` decorates only declares: there are no bodies.
# mypy: disable-error-code="empty-body"

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lampas
from lampas import Tensor
from lampas.vision import tv_tensors
from lampas.vision.transforms import _tensor_kernels
from lampas.vision.transforms.v2.functional._dispatch import (
    PIL,
    for_images,
    for_pictures,
    for_videos,
    functional,
    kernel,
)
from lampas.vision.transforms.v2.functional._geometry import _of
from lampas.vision.transforms.v2.functional._type_conversion import pil_to_tensor, to_pil_image

# --- types ----------------------------------------------------------------------------------------------------------


@functional
def to_dtype(inpt: Tensor, dtype: lampas.dtype = lampas.float32, scale: bool = False) -> Tensor:
    """Numbers of another type; with ``scale``, images and videos keep their look: uint8 255 becomes float32 1.0."""


@for_images(to_dtype)
def to_dtype_image(image: Tensor, dtype: lampas.dtype = lampas.float32, scale: bool = False) -> Tensor:
    """`to_dtype` of pixels; ``RuntimeError`` for scaling floats to integers that they cannot tell apart."""
    if image.dtype == dtype:
        return image
    if not scale:
        return image.to(dtype)
    if dtype.is_floating_point and not image.is_floating_point():
        return image.to(dtype).mul_(1.0 / _tensor_kernels.max_value(image.dtype))
    return _tensor_kernels.convert_image_dtype(image, dtype)


to_dtype_video = for_videos(to_dtype, to_dtype_image)


def convert_image_dtype(image: Tensor, dtype: lampas.dtype = lampas.float32) -> Tensor:
    """Pixels of another type that look the same: `to_dtype_image` with ``scale=True``."""
    return to_dtype_image(image, dtype=dtype, scale=True)


@kernel(to_dtype, tv_tensors.BoundingBoxes, tv_tensors.KeyPoints, tv_tensors.Mask)
def _to_dtype_only(inpt: Tensor, dtype: lampas.dtype = lampas.float32) -> Tensor:
    return inpt.to(dtype)


# --- values ---------------------------------------------------------------------------------------------------------


@functional
def normalize(inpt: Tensor, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> Tensor:
    """``(value - mean) / std``, with one of each per channel; `Normalize`."""


@for_images(normalize)
def normalize_image(image: Tensor, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> Tensor:
    """`normalize` of floating-point pixels (..., C, H, W)."""
    return _tensor_kernels.normalize(image, mean, std, inplace)


normalize_video = for_videos(normalize, normalize_image)


@functional
def gaussian_blur(inpt: Tensor, kernel_size: Sequence[int], sigma: Sequence[float] | None = None) -> Tensor:
    """Smoothed with a Gaussian; `GaussianBlur`.

    Args:
        kernel_size: an odd number, or [along x, along y].
        sigma: the standard deviation in pixels, or [along x, along y]; made from the size where it is None.
    """


def _odd_pair(kernel_size: Any) -> list[int]:
    pair = [kernel_size] * 2 if isinstance(kernel_size, int) else list(kernel_size)
    if len(pair) != 2:
        raise ValueError(f"If kernel_size is a sequence its length should be 2. Got {len(pair)}")
    if any(size % 2 == 0 or size < 0 for size in pair):
        raise ValueError(f"kernel_size should have odd and positive integers. Got {pair}")
    return pair


def _positive_pair(sigma: Any) -> list[float]:
    if not isinstance(sigma, (int, float, list, tuple)):
        raise TypeError(f"sigma should be either float or sequence of floats. Got {type(sigma)}")
    pair = [float(sigma)] * 2 if isinstance(sigma, (int, float)) else list(sigma) * (2 if len(sigma) == 1 else 1)
    if len(pair) != 2:
        raise ValueError(f"If sigma is a sequence, its length should be 2. Got {len(pair)}")
    if min(pair) <= 0.0:
        raise ValueError(f"sigma should have positive values. Got {pair}")
    return pair


@for_pictures(gaussian_blur)
def gaussian_blur_image(image: Tensor, kernel_size: Sequence[int], sigma: Sequence[float] | None = None) -> Tensor:
    """`gaussian_blur` of pixels (..., C, H, W)."""
    sizes = _odd_pair(kernel_size)
    deviations = [size * 0.15 + 0.35 for size in sizes] if sigma is None else _positive_pair(sigma)
    if isinstance(image, Tensor) and image.numel() == 0:
        return image
    return _of(image).gaussian_blur(image, sizes, deviations)


gaussian_blur_video = for_videos(gaussian_blur, gaussian_blur_image)


@functional
def gaussian_noise(inpt: Tensor, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> Tensor:
    """Each value plus a normal random number; `GaussianNoise`.

    Args:
        mean, sigma: of the noise, where white is 1.
        clip: keep results between black and white.
    """


@for_images(gaussian_noise)
def gaussian_noise_image(image: Tensor, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> Tensor:
    """`gaussian_noise` of floating-point or uint8 pixels."""
    if sigma < 0:
        raise ValueError(f"sigma shouldn't be negative. Got {sigma}")
    if image.is_floating_point():
        out = image + (mean + lampas.randn_like(image) * sigma)
        return out.clamp(0, 1) if clip else out
    if image.dtype != lampas.uint8:
        raise ValueError(f"Input tensor is expected to be in uint8 or float dtype, got dtype={image.dtype}")
    noise = mean * 255 + lampas.randn_like(image, dtype=lampas.float32) * (sigma * 255)
    out = image + noise.to(lampas.int16)
    return (out.clamp(0, 255) if clip else out).to(lampas.uint8)


gaussian_noise_video = for_videos(gaussian_noise, gaussian_noise_image)


@kernel(gaussian_noise, PIL)
def _gaussian_noise_pil(image: Any, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> Any:
    raise ValueError("Gaussian Noise is not implemented for PIL images: make a tensor of it first, with ToImage().")


# --- places ---------------------------------------------------------------------------------------------------------


@functional
def erase(inpt: Tensor, i: int, j: int, h: int, w: int, v: Tensor, inplace: bool = False) -> Tensor:
    """``v`` written over the part of this height and width whose corner is in row i, column j; `RandomErasing`."""


@for_images(erase)
def erase_image(image: Tensor, i: int, j: int, h: int, w: int, v: Tensor, inplace: bool = False) -> Tensor:
    """`erase` of pixels (..., C, H, W)."""
    return _tensor_kernels.erase(image, i, j, h, w, v, inplace)


erase_video = for_videos(erase, erase_image)


@kernel(erase, PIL)
def _erase_pil(image: Any, i: int, j: int, h: int, w: int, v: Tensor, inplace: bool = False) -> Any:
    return to_pil_image(erase_image(pil_to_tensor(image), i, j, h, w, v), mode=image.mode)


@functional
def jpeg(image: Tensor, quality: int) -> Tensor:
    """What JPEG leaves of it at this quality, 1 to 100; `JPEG`."""


@for_images(jpeg)
def jpeg_image(image: Tensor, quality: int) -> Tensor:
    """`jpeg` of uint8 pixels (..., 1 or 3, H, W)."""
    from lampas.vision.io import decode_jpeg, encode_jpeg

    if image.numel() == 0:
        return image.clone()
    flat = image.reshape(-1, *image.shape[-3:])
    return lampas.stack([decode_jpeg(encode_jpeg(one, quality=quality)) for one in flat]).reshape(image.shape)


jpeg_video = for_videos(jpeg, jpeg_image)


@kernel(jpeg, PIL)
def _jpeg_pil(image: Any, quality: int) -> Any:
    import io

    from lampas.vision.utils import pillow

    file = io.BytesIO()
    image.save(file, format="JPEG", quality=quality)
    return pillow("Image").open(file).copy()


@functional
def uniform_temporal_subsample(inpt: Tensor, num_samples: int) -> Tensor:
    """So many frames, equally far apart, from the first to the last; `UniformTemporalSubsample`."""


@kernel(uniform_temporal_subsample, Tensor, tv_tensors.Video)
def uniform_temporal_subsample_video(video: Tensor, num_samples: int) -> Tensor:
    """`uniform_temporal_subsample` of pixels (..., T, C, H, W)."""
    chosen = lampas.linspace(0, video.shape[-4] - 1, num_samples, device=video.device).long()
    return lampas.index_select(video, -4, chosen)
