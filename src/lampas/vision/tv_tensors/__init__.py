"""Tensors that know what they show: images, videos, masks, boxes, points. `transforms.v2` treats each its own way."""

from __future__ import annotations

from typing import Any

import lampas
from lampas.vision.tv_tensors._base import TVTensor, set_return_type
from lampas.vision.tv_tensors._coordinates import (
    BoundingBoxes,
    BoundingBoxFormat,
    KeyPoints,
    is_rotated_bounding_format,
)
from lampas.vision.tv_tensors._pixels import Image, Mask, Video

__all__ = [
    "BoundingBoxFormat",
    "BoundingBoxes",
    "Image",
    "KeyPoints",
    "Mask",
    "TVTensor",
    "Video",
    "is_rotated_bounding_format",
    "set_return_type",
    "wrap",
]


def wrap(wrappee: lampas.Tensor, *, like: TVTensor, **kwargs: Any) -> TVTensor:
    """``wrappee`` as what ``like`` is, sharing its memory.

    Args:
        wrappee: a tensor.
        like: gives the class, and what comes with it (a format, a canvas).
        kwargs: replaces some of what comes with it, such as ``canvas_size``.

    >>> boxes = BoundingBoxes([[0, 0, 2, 2]], format="XYXY", canvas_size=(4, 4))
    >>> wrap(boxes + 1, like=boxes).format
    <BoundingBoxFormat.XYXY: 'XYXY'>
    """
    own = getattr(type(like), "wrap", None)
    return wrappee.as_subclass(type(like)) if own is None else own(wrappee, like, **kwargs)
