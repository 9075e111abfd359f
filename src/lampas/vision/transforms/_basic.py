"""Transforms in a row and at random, between kinds of images, and of values without regard to colour."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import lampas
from lampas import Tensor, nn

from . import _conversion
from . import functional as F

__all__ = [
    "Compose",
    "ConvertImageDtype",
    "Lambda",
    "LinearTransformation",
    "Normalize",
    "PILToTensor",
    "RandomApply",
    "RandomChoice",
    "RandomOrder",
    "ToPILImage",
    "ToTensor",
]


def described(of: Any, **values: Any) -> str:
    """``Name(a=1, b=2)``."""
    return f"{type(of).__name__}({', '.join(f'{name}={value}' for name, value in values.items())})"


def _lines(of: Any, *parts: Any) -> str:
    return "\n    ".join([f"{type(of).__name__}(", *map(str, parts)]) + "\n)"


def _check_sequence(name: str, value: Any) -> None:
    if not isinstance(value, Sequence):
        raise TypeError(f"{name} should be a sequence, got {value!r}")


class Compose:
    """One transform after the other.

    >>> Compose([CenterCrop(4), Normalize((0.5,), (0.5,))])(lampas.rand(1, 8, 8)).shape
    torch.Size([1, 4, 4])
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = transforms

    def __call__(self, img: Any) -> Any:
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        return _lines(self, *self.transforms)


class ToTensor:
    """A PIL image or array (H, W, C) as a tensor (C, H, W); bytes become floats from 0 to 1: `functional.to_tensor`."""

    def __call__(self, pic: Any) -> Tensor:
        return _conversion.to_tensor(pic)

    def __repr__(self) -> str:
        return described(self)


class PILToTensor:
    """The pixels of a PIL image as (C, H, W), unscaled: `functional.pil_to_tensor`."""

    def __call__(self, pic: Any) -> Tensor:
        return F.pil_to_tensor(pic)

    def __repr__(self) -> str:
        return described(self)


class ConvertImageDtype(nn.Module):
    """A tensor in another dtype, with white where white was: `functional.convert_image_dtype`."""

    def __init__(self, dtype: lampas.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def forward(self, image: Tensor) -> Tensor:
        return F.convert_image_dtype(image, self.dtype)


class ToPILImage:
    """A tensor (C, H, W) or array (H, W, C) as a PIL image: `functional.to_pil_image`."""

    def __init__(self, mode: str | None = None) -> None:
        self.mode = mode

    def __call__(self, pic: Any) -> Any:
        return F.to_pil_image(pic, self.mode)

    def __repr__(self) -> str:
        return described(self) if self.mode is None else described(self, mode=self.mode)


class Normalize(nn.Module):
    """``(x - mean) / std``, channel by channel, of a tensor of floats: `functional.normalize`.

    >>> Normalize([0.5], [0.25])(lampas.full((1, 1, 1), 0.75)).item()
    1.0
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        super().__init__()
        self.mean = mean
        self.std = std
        self.inplace = inplace

    def forward(self, tensor: Tensor) -> Tensor:
        return F.normalize(tensor, self.mean, self.std, self.inplace)

    def __repr__(self) -> str:
        return described(self, mean=self.mean, std=self.std)


class Lambda:
    """Any function of one image; ``TypeError`` for what cannot be called."""

    def __init__(self, lambd: Callable[[Any], Any]) -> None:
        if not callable(lambd):
            raise TypeError(f"Lambda takes a function, got {lambd!r} of type {type(lambd).__name__}")
        self.lambd = lambd

    def __call__(self, img: Any) -> Any:
        return self.lambd(img)

    def __repr__(self) -> str:
        return described(self)


class RandomApply(nn.Module):
    """All of the transforms with probability `p`, else none."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]], p: float = 0.5) -> None:
        super().__init__()
        self.transforms = transforms
        self.p = p

    def forward(self, img: Any) -> Any:
        if self.p < lampas.rand(1).item():
            return img
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        return _lines(self, f"p={self.p}", *self.transforms)


class RandomOrder:
    """All of the transforms, in an order that Python's `random` draws."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        _check_sequence("transforms", transforms)
        self.transforms = transforms

    def __call__(self, img: Any) -> Any:
        order = list(range(len(self.transforms)))
        random.shuffle(order)
        for k in order:
            img = self.transforms[k](img)
        return img

    def __repr__(self) -> str:
        return _lines(self, *self.transforms)


class RandomChoice:
    """One of the transforms, which Python's `random` draws, with weights `p` where they are given."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]], p: Sequence[float] | None = None) -> None:
        _check_sequence("transforms", transforms)
        if p is not None:
            _check_sequence("p", p)
        self.transforms = transforms
        self.p = p

    def __call__(self, *args: Any) -> Any:
        return random.choices(self.transforms, weights=self.p)[0](*args)

    def __repr__(self) -> str:
        return f"{_lines(self, *self.transforms)}(p={self.p})"


class LinearTransformation(nn.Module):
    """The pixels as one vector, less the mean, times a matrix: whitening, for instance.

    Args:
        transformation_matrix: (D, D), with D = C·H·W of the images.
        mean_vector: (D,).

    Raises:
        ValueError: shapes or devices that do not fit.
    """

    def __init__(self, transformation_matrix: Tensor, mean_vector: Tensor) -> None:
        super().__init__()
        shape = tuple(transformation_matrix.shape)
        if shape[0] != shape[1]:
            raise ValueError(f"transformation_matrix should be square, got shape {shape}")
        if mean_vector.shape[0] != shape[0]:
            raise ValueError(f"mean_vector has length {mean_vector.shape[0]}, transformation_matrix shape {shape}")
        if transformation_matrix.device != mean_vector.device:
            raise ValueError(
                f"transformation_matrix is on {transformation_matrix.device}, mean_vector on {mean_vector.device}"
            )
        self.transformation_matrix = transformation_matrix
        self.mean_vector = mean_vector

    def forward(self, tensor: Tensor) -> Tensor:
        shape = tensor.shape
        size = shape[-3] * shape[-2] * shape[-1]
        if size != self.transformation_matrix.shape[0]:
            raise ValueError(
                f"an image of shape {tuple(shape)} has {size} values, and transformation_matrix is for "
                f"{self.transformation_matrix.shape[0]}"
            )
        if tensor.device != self.mean_vector.device:
            raise ValueError(f"the image is on {tensor.device}, mean_vector on {self.mean_vector.device}")
        centered = tensor.view(-1, size) - self.mean_vector
        return lampas.mm(centered, self.transformation_matrix).view(shape)

    def __repr__(self) -> str:
        return described(
            self,
            transformation_matrix=self.transformation_matrix.tolist(),
            mean_vector=self.mean_vector.tolist(),
        )
