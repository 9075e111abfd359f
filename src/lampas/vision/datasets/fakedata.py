"""Noise in the form of a data set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lampas
from lampas.vision.datasets.vision import VisionDataset
from lampas.vision.utils import image_from_tensor

__all__ = ["FakeData"]


class FakeData(VisionDataset):
    """Random pictures with random labels, the same ones each time: an item is (PIL image, int).

    Args:
        size: how many.
        image_size: channels (1 to 4), height, width.
        num_classes: labels are from 0 to this, exclusive.
        transform, target_transform: called with the image, with the label, a 0-d int64 tensor.
        random_offset: picture i is made from the seed i + random_offset.

    >>> FakeData(size=10, image_size=(3, 8, 8))[0][0].size
    (8, 8)
    """

    def __init__(
        self,
        size: int = 1000,
        image_size: tuple[int, int, int] = (3, 224, 224),
        num_classes: int = 10,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        random_offset: int = 0,
    ) -> None:
        super().__init__(transform=transform, target_transform=target_transform)
        self.size = size
        self.num_classes = num_classes
        self.image_size = image_size
        self.random_offset = random_offset

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if index >= len(self):
            raise IndexError(f"index {index} is out of range: {type(self).__name__} has {len(self)} items")
        generator = lampas.Generator().manual_seed(index + self.random_offset)
        noise = lampas.randn(self.image_size, generator=generator)
        target = lampas.randint(0, self.num_classes, (1,), generator=generator)[0]
        image, target = self._transformed(image_from_tensor(noise.mul(255).byte()), target)
        return image, target.item()

    def __len__(self) -> int:
        return self.size
