"""tv_tensors made of pixels."""

from __future__ import annotations

from typing import Any

import lampas
from lampas import Tensor
from lampas.vision.tv_tensors._base import TVTensor

__all__ = ["Image", "Mask", "Video", "is_pil_image"]


def is_pil_image(value: Any) -> bool:
    """Whether it is one of Pillow's images, found out without importing Pillow."""
    return any(kind.__name__ == "Image" and kind.__module__ == "PIL.Image" for kind in type(value).__mro__)


class _Pixels(TVTensor):
    def __new__(
        cls,
        data: Any,
        *,
        dtype: lampas.dtype | None = None,
        device: Any = None,
        requires_grad: bool | None = None,
    ) -> Any:
        if is_pil_image(data):
            from lampas.vision.transforms.functional import pil_to_tensor

            data = pil_to_tensor(data)
        tensor = cls._to_tensor(data, dtype=dtype, device=device, requires_grad=requires_grad)
        return cls._checked(tensor).as_subclass(cls)

    @classmethod
    def _checked(cls, tensor: Tensor) -> Tensor:
        return tensor


class Image(_Pixels):
    """An image, or a batch: shape (..., C, H, W).

    Args:
        data: a tensor, whose memory is shared, what `lampas.as_tensor` takes, or a PIL image. (H, W) becomes (1, H, W).
        dtype, device, requires_grad: as for `lampas.tensor`; those of ``data`` when left out.

    Raises:
        ValueError: ``data`` has fewer than two dimensions.

    >>> Image(lampas.zeros(4, 5)).shape
    torch.Size([1, 4, 5])
    """

    @classmethod
    def _checked(cls, tensor: Tensor) -> Tensor:
        if tensor.ndim < 2:
            raise ValueError(f"Tensor must be 2D or higher, got {tensor.ndim}D tensor: an image is (..., C, H, W)")
        return tensor.unsqueeze(0) if tensor.ndim == 2 else tensor

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return self._make_repr()


class Video(_Pixels):
    """A video, or a batch: shape (..., T, C, H, W), with arguments as for `Image`.

    Raises:
        ValueError: ``data`` has fewer than four dimensions.

    >>> Video(lampas.zeros(8, 3, 4, 5)).shape
    torch.Size([8, 3, 4, 5])
    """

    def __new__(
        cls,
        data: Any,
        *,
        dtype: lampas.dtype | None = None,
        device: Any = None,
        requires_grad: bool | None = None,
    ) -> Video:
        tensor = cls._to_tensor(data, dtype=dtype, device=device, requires_grad=requires_grad)
        if tensor.ndim < 4:
            raise ValueError(f"Tensor must be 4D or higher, got {tensor.ndim}D tensor: a video is (..., T, C, H, W)")
        return tensor.as_subclass(cls)

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return self._make_repr()


class Mask(_Pixels):
    """Masks of segmentation or detection: shape (..., H, W), with arguments as for `Image`.

    >>> Mask([[0, 1], [1, 0]]).sum().item()
    2
    """
