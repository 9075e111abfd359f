"""What is known of an input without looking at its pixels."""

# What `functional` decorates only declares: there are no bodies.
# mypy: disable-error-code="empty-body"

from __future__ import annotations

from typing import Any

from lampas import Tensor
from lampas.vision import tv_tensors
from lampas.vision.transforms import _pil_kernels
from lampas.vision.transforms.v2.functional._dispatch import PIL, for_videos, functional, kernel


def _last(image: Tensor, count: int) -> list[int]:
    if len(image.shape) < 2:
        raise TypeError(f"Input tensor should have at least two dimensions, but got {len(image.shape)}")
    return list(image.shape[-count:])


def _as_they_are(target: Any) -> Any:
    return kernel(target, Tensor, tv_tensors.Image, wrap=False)


@functional
def get_dimensions(inpt: Tensor) -> list[int]:
    """[channels, height, width] of an image or a video's frames."""


@_as_they_are(get_dimensions)
def get_dimensions_image(image: Tensor) -> list[int]:
    """`get_dimensions` of pixels; (H, W) has one channel."""
    dimensions = _last(image, 3)
    return dimensions if len(dimensions) == 3 else [1, *dimensions]


get_dimensions_video = for_videos(get_dimensions, get_dimensions_image, wrap=False)
kernel(get_dimensions, PIL)(_pil_kernels.get_dimensions)


@functional
def get_num_channels(inpt: Tensor) -> int:
    """The number of channels of an image or a video's frames."""


@_as_they_are(get_num_channels)
def get_num_channels_image(image: Tensor) -> int:
    """`get_num_channels` of pixels; (H, W) has one."""
    return get_dimensions_image(image)[0]


get_num_channels_video = for_videos(get_num_channels, get_num_channels_image, wrap=False)
get_image_num_channels = get_num_channels


@kernel(get_num_channels, PIL)
def _get_num_channels_pil(image: Any) -> int:
    return _pil_kernels.get_dimensions(image)[0]


@functional
def get_size(inpt: Tensor) -> list[int]:
    """[height, width] of an image, a video's frames or masks, or of the canvas of boxes or points."""


@_as_they_are(get_size)
def get_size_image(image: Tensor) -> list[int]:
    """`get_size` of pixels."""
    return _last(image, 2)


get_size_video = for_videos(get_size, get_size_image, wrap=False)


@kernel(get_size, PIL)
def _get_size_pil(image: Any) -> list[int]:
    return _pil_kernels.get_dimensions(image)[1:]


@kernel(get_size, tv_tensors.Mask, wrap=False)
def get_size_mask(mask: Tensor) -> list[int]:
    """`get_size` of masks."""
    return _last(mask, 2)


@kernel(get_size, tv_tensors.BoundingBoxes, wrap=False)
def get_size_bounding_boxes(bounding_box: tv_tensors.BoundingBoxes) -> list[int]:
    """The size of the boxes' canvas."""
    return list(bounding_box.canvas_size)


@kernel(get_size, tv_tensors.KeyPoints, wrap=False)
def get_size_keypoints(keypoints: tv_tensors.KeyPoints) -> list[int]:
    """The size of the points' canvas."""
    return list(keypoints.canvas_size)


@functional
def get_num_frames(inpt: Tensor) -> int:
    """The number of frames of a video (..., T, C, H, W)."""


@kernel(get_num_frames, Tensor, tv_tensors.Video, wrap=False)
def get_num_frames_video(video: Tensor) -> int:
    """`get_num_frames` of pixels."""
    return video.shape[-4]
