"""Changing values: brightness and its kin, greys, histograms, channels."""

# What `functional` decorates only declares: there are no bodies.
# mypy: disable-error-code="empty-body"

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lampas
from lampas import Tensor
from lampas.vision.transforms import _pil_kernels, _tensor_kernels
from lampas.vision.transforms._tensor_kernels import max_value
from lampas.vision.transforms.v2.functional._dispatch import (
    PIL,
    for_images,
    for_pictures,
    for_videos,
    functional,
    kernel,
)
from lampas.vision.transforms.v2.functional._geometry import _of
from lampas.vision.transforms.v2.functional._misc import to_dtype_image
from lampas.vision.transforms.v2.functional._type_conversion import pil_to_tensor, to_pil_image

# --- greys ----------------------------------------------------------------------------------------------------------


@functional
def rgb_to_grayscale(inpt: Tensor, num_output_channels: int = 1) -> Tensor:
    """Luma of ITU-R 601-2, 0.2989 r + 0.587 g + 0.114 b, in one channel or in three equal ones; `Grayscale`."""


to_grayscale = rgb_to_grayscale


@for_pictures(rgb_to_grayscale)
def rgb_to_grayscale_image(image: Tensor, num_output_channels: int = 1) -> Tensor:
    """`rgb_to_grayscale` of pixels (..., 1 or 3, H, W); ``ValueError`` for other counts than 1 or 3."""
    if num_output_channels not in (1, 3):
        raise ValueError(f"num_output_channels must be 1 or 3, got {num_output_channels}.")
    if isinstance(image, Tensor) and image.shape[-3] == 1 and num_output_channels == 3:
        return lampas.cat([image] * 3, dim=-3)
    return _of(image).rgb_to_grayscale(image, num_output_channels)


@functional
def grayscale_to_rgb(inpt: Tensor) -> Tensor:
    """Three equal channels for one; what has three or more stays as it is. `RGB`."""


@for_images(grayscale_to_rgb)
def grayscale_to_rgb_image(image: Tensor) -> Tensor:
    """`grayscale_to_rgb` of pixels (..., C, H, W)."""
    return image if image.shape[-3] >= 3 else rgb_to_grayscale_image(image, 3)


@kernel(grayscale_to_rgb, PIL)
def _grayscale_to_rgb_pil(image: Any) -> Any:
    return image.convert(mode="RGB")


# --- brightness and its kin -----------------------------------------------------------------------------------------


@functional
def adjust_brightness(inpt: Tensor, brightness_factor: float) -> Tensor:
    """Values times a factor ≥ 0: 0 gives black, 1 the image, 2 twice its brightness."""


@for_pictures(adjust_brightness)
def adjust_brightness_image(image: Tensor, brightness_factor: float) -> Tensor:
    """`adjust_brightness` of pixels (..., 1 or 3, H, W)."""
    return _of(image).adjust_brightness(image, brightness_factor)


adjust_brightness_video = for_videos(adjust_brightness, adjust_brightness_image)


@functional
def adjust_saturation(inpt: Tensor, saturation_factor: float) -> Tensor:
    """Distance from grey times a factor ≥ 0: 0 gives grey, 1 the image."""


@for_pictures(adjust_saturation)
def adjust_saturation_image(image: Tensor, saturation_factor: float) -> Tensor:
    """`adjust_saturation` of pixels (..., 1 or 3, H, W)."""
    return _of(image).adjust_saturation(image, saturation_factor)


adjust_saturation_video = for_videos(adjust_saturation, adjust_saturation_image)


@functional
def adjust_contrast(inpt: Tensor, contrast_factor: float) -> Tensor:
    """Distance from the mean grey times a factor ≥ 0: 0 gives that grey, 1 the image."""


@for_pictures(adjust_contrast)
def adjust_contrast_image(image: Tensor, contrast_factor: float) -> Tensor:
    """`adjust_contrast` of pixels (..., 1 or 3, H, W)."""
    return _of(image).adjust_contrast(image, contrast_factor)


adjust_contrast_video = for_videos(adjust_contrast, adjust_contrast_image)


@functional
def adjust_sharpness(inpt: Tensor, sharpness_factor: float) -> Tensor:
    """Distance from the smoothed image times a factor ≥ 0: 0 gives that one, 1 the image."""


@for_pictures(adjust_sharpness)
def adjust_sharpness_image(image: Tensor, sharpness_factor: float) -> Tensor:
    """`adjust_sharpness` of pixels (..., 1 or 3, H, W)."""
    return _of(image).adjust_sharpness(image, sharpness_factor)


adjust_sharpness_video = for_videos(adjust_sharpness, adjust_sharpness_image)


@functional
def adjust_hue(inpt: Tensor, hue_factor: float) -> Tensor:
    """Colours turned round the circle of hues, by -0.5 to 0.5 of it."""


@for_pictures(adjust_hue)
def adjust_hue_image(image: Tensor, hue_factor: float) -> Tensor:
    """`adjust_hue` of pixels (..., 1 or 3, H, W)."""
    return _of(image).adjust_hue(image, hue_factor)


adjust_hue_video = for_videos(adjust_hue, adjust_hue_image)


@functional
def adjust_gamma(inpt: Tensor, gamma: float, gain: float = 1) -> Tensor:
    """``gain * value ** gamma``, of values from 0 to 1: above 1 dark parts get darker, below they get lighter."""


@for_pictures(adjust_gamma)
def adjust_gamma_image(image: Tensor, gamma: float, gain: float = 1.0) -> Tensor:
    """`adjust_gamma` of pixels (..., 1 or 3, H, W)."""
    return _of(image).adjust_gamma(image, gamma, gain)


adjust_gamma_video = for_videos(adjust_gamma, adjust_gamma_image)


# --- histograms -----------------------------------------------------------------------------------------------------


def _bits(dtype: lampas.dtype) -> int:
    return max_value(dtype).bit_length()


@functional
def posterize(inpt: Tensor, bits: int) -> Tensor:
    """Only the highest bits of each value are kept, 0 to 8 of them; `RandomPosterize`."""


@for_images(posterize)
def posterize_image(image: Tensor, bits: int) -> Tensor:
    """`posterize` of pixels; floats get 2^bits levels."""
    if not isinstance(bits, int) or not 0 <= bits <= 8:
        raise TypeError(f"bits must be a positive integer in the range [0, 8], got {bits} instead.")
    if image.is_floating_point():
        levels = 1 << bits
        return image.mul(levels).floor_().clamp_(0, levels - 1).mul_(1.0 / levels)
    lost = _bits(image.dtype) - bits
    return image if lost <= 0 else image & (((1 << bits) - 1) << lost)


posterize_video = for_videos(posterize, posterize_image)
kernel(posterize, PIL)(_pil_kernels.posterize)


@functional
def solarize(inpt: Tensor, threshold: float) -> Tensor:
    """Values from the threshold on inverted; `RandomSolarize`."""


@for_images(solarize)
def solarize_image(image: Tensor, threshold: float) -> Tensor:
    """`solarize` of pixels; ``TypeError`` for a threshold that the dtype's images do not reach."""
    if threshold > max_value(image.dtype):
        raise TypeError(f"Threshold should be less or equal the maximum value of the dtype, but got {threshold}")
    return lampas.where(image >= threshold, invert_image(image), image)


solarize_video = for_videos(solarize, solarize_image)
kernel(solarize, PIL)(_pil_kernels.solarize)


@functional
def autocontrast(inpt: Tensor) -> Tensor:
    """Each channel stretched from black to white; `RandomAutocontrast`."""


@for_images(autocontrast)
def autocontrast_image(image: Tensor) -> Tensor:
    """`autocontrast` of pixels (..., 1 or 3, H, W); channels of one value stay as they are."""
    _tensor_kernels.check_channels(image)
    if image.numel() == 0:
        return image
    bound = max_value(image.dtype)
    values = image if image.is_floating_point() else image.to(lampas.float32)
    low, high = values.amin(dim=(-2, -1), keepdim=True), values.amax(dim=(-2, -1), keepdim=True)
    flat = low == high
    scale = ((high - low) * (1.0 / bound)).masked_fill(flat, 1.0)
    return values.sub(low.masked_fill(flat, 0.0)).div_(scale).clamp_(0, bound).to(image.dtype)


autocontrast_video = for_videos(autocontrast, autocontrast_image)
kernel(autocontrast, PIL)(_pil_kernels.autocontrast)


@functional
def equalize(inpt: Tensor) -> Tensor:
    """Each channel's values spread so that all are about equally frequent; `RandomEqualize`."""


@for_images(equalize)
def equalize_image(image: Tensor) -> Tensor:
    """`equalize` of pixels (..., C, H, W), in 256 steps."""
    if image.numel() == 0:
        return image
    planes = to_dtype_image(image, lampas.uint8, scale=True).reshape(-1, 1, *image.shape[-2:])
    return to_dtype_image(_tensor_kernels.equalize(planes).reshape(image.shape), image.dtype, scale=True)


equalize_video = for_videos(equalize, equalize_image)
kernel(equalize, PIL)(_pil_kernels.equalize)


@functional
def invert(inpt: Tensor) -> Tensor:
    """The negative; `RandomInvert`."""


@for_images(invert)
def invert_image(image: Tensor) -> Tensor:
    """`invert` of pixels."""
    return max_value(image.dtype) - image


invert_video = for_videos(invert, invert_image)
kernel(invert, PIL)(_pil_kernels.invert)


@functional
def permute_channels(inpt: Tensor, permutation: Sequence[int]) -> Tensor:
    """Channels in another order: the first of the result is number ``permutation[0]``; `RandomChannelPermutation`."""


@for_images(permute_channels)
def permute_channels_image(image: Tensor, permutation: Sequence[int]) -> Tensor:
    """`permute_channels` of pixels (..., C, H, W)."""
    if len(permutation) != image.shape[-3]:
        raise ValueError(
            f"Length of permutation does not match number of channels: {len(permutation)} != {image.shape[-3]}"
        )
    order = lampas.as_tensor(permutation, dtype=lampas.int64, device=image.device)
    return image if image.numel() == 0 else image.index_select(-3, order)


permute_channels_video = for_videos(permute_channels, permute_channels_image)


@kernel(permute_channels, PIL)
def _permute_channels_pil(image: Any, permutation: Sequence[int]) -> Any:
    return to_pil_image(permute_channels_image(pil_to_tensor(image), permutation))
