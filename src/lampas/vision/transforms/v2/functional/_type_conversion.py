"""Between PIL images, arrays and tensors."""

from __future__ import annotations

import warnings
from typing import Any

import lampas
from lampas import Tensor
from lampas.vision import tv_tensors
from lampas.vision.transforms import functional as _v1
from lampas.vision.transforms._conversion import is_array
from lampas.vision.transforms.functional import pil_to_tensor, to_pil_image
from lampas.vision.tv_tensors._pixels import is_pil_image

__all__ = ["get_image_size", "is_array", "pil_to_tensor", "to_image", "to_pil_image", "to_tensor"]


def to_image(inpt: Any) -> tv_tensors.Image:
    """An `Image` of a tensor (..., C, H, W), an array (H, W) or (H, W, C), or a PIL image, with the values they have.

    Raises:
        TypeError: ``inpt`` is something else.
    """
    if is_array(inpt):
        array = inpt.reshape(*inpt.shape, *[1] * (3 - inpt.ndim))
        return tv_tensors.Image(lampas.from_numpy(array).permute(2, 0, 1).contiguous())
    if not isinstance(inpt, Tensor) and not is_pil_image(inpt):
        raise TypeError(
            f"Input can either be a pure Tensor, a numpy array, or a PIL image, but got {type(inpt)} instead."
        )
    return tv_tensors.Image(inpt)


def to_tensor(inpt: Any) -> Tensor:
    """Deprecated: a float tensor of values from 0 to 1; use `to_image`, then `to_dtype` with ``scale=True``."""
    warnings.warn(
        "The function `to_tensor(...)` is deprecated and will be removed in a future release. "
        "Instead, please use `to_image(...)` followed by `to_dtype(..., dtype=torch.float32, scale=True)`.",
        stacklevel=2,
    )
    return _v1.to_tensor(inpt)


def get_image_size(inpt: Any) -> list[int]:
    """Deprecated: [width, height]; use `get_size`, which gives [height, width]."""
    warnings.warn(
        "The function `get_image_size(...)` is deprecated and will be removed in a future release. "
        "Instead, please use `get_size(...)` which returns `[h, w]` instead of `[w, h]`.",
        stacklevel=2,
    )
    return _v1.get_image_size(inpt)
