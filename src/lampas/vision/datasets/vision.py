"""What all data sets of images share: a root folder, transforms, and the way they print."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from lampas.utils.data import Dataset

__all__ = ["StandardTransform", "VisionDataset"]


def _labelled(label: str, transform: Any) -> list[str]:
    """The lines of a transform's repr behind a label, the later ones indented to stand under the first."""
    first, *rest = repr(transform).splitlines() or [""]
    return [label + first, *(" " * len(label) + line for line in rest)]


class StandardTransform:
    """One transform of (input, target) made of one for each; either may be None.

    >>> StandardTransform(str, lambda t: t + 1)(3, 4)
    ('3', 5)
    """

    def __init__(
        self, transform: Callable[..., Any] | None = None, target_transform: Callable[..., Any] | None = None
    ) -> None:
        self.transform = transform
        self.target_transform = target_transform

    def __call__(self, input: Any, target: Any) -> tuple[Any, Any]:
        if self.transform is not None:
            input = self.transform(input)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return input, target

    def _format_transform_repr(self, transform: Callable[..., Any], head: str) -> list[str]:
        return _labelled(head, transform)

    def __repr__(self) -> str:
        lines = [type(self).__name__]
        if self.transform is not None:
            lines += self._format_transform_repr(self.transform, "Transform: ")
        if self.target_transform is not None:
            lines += self._format_transform_repr(self.target_transform, "Target transform: ")
        return "\n".join(lines)


class VisionDataset(Dataset):
    """The base of data sets of images. A subclass gives ``__getitem__`` and ``__len__``.

    Args:
        root: the folder the data is in; ``~`` is the home directory.
        transforms: called with (image, target), gives both; excludes the next two.
        transform: called with the image.
        target_transform: called with the target.

    Raises:
        ValueError: where ``transforms`` comes together with one of the others.
    """

    _repr_indent = 4

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        transforms: Callable[..., Any] | None = None,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
    ) -> None:
        separate = transform is not None or target_transform is not None
        if transforms is not None and separate:
            raise ValueError(
                "got transforms together with transform or target_transform: give the joint one or the separate ones"
            )
        self.root: Any = os.path.expanduser(root) if isinstance(root, str) else root
        self.transform = transform
        self.target_transform = target_transform
        self.transforms = StandardTransform(transform, target_transform) if separate else transforms

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not say what its items are: define __getitem__")

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} does not say how many items it has: define __len__")

    def _transformed(self, image: Any, target: Any) -> tuple[Any, Any]:
        """An item after the separate transforms, read anew each time: programs replace them."""
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return image, target

    def _format_transform_repr(self, transform: Callable[..., Any], head: str) -> list[str]:
        return _labelled(head, transform)

    def extra_repr(self) -> str:
        """Further lines of the printed form."""
        return ""

    def __repr__(self) -> str:
        lines = [f"Number of datapoints: {len(self)}"]
        if self.root is not None:
            lines.append(f"Root location: {self.root}")
        lines += self.extra_repr().splitlines()
        if getattr(self, "transforms", None) is not None:
            # the lines after the first are not indented: torchvision prints it so
            lines.append(repr(self.transforms))
        return "\n".join([f"Dataset {type(self).__name__}", *(" " * self._repr_indent + line for line in lines)])
