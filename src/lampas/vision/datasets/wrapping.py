"""Data sets whose items are made ready for `transforms.v2`."""

from __future__ import annotations

import copy
from collections.abc import Collection
from typing import Any

from lampas.vision.datasets.cifar import CIFAR10
from lampas.vision.datasets.folder import DatasetFolder
from lampas.vision.datasets.mnist import MNIST
from lampas.vision.datasets.vision import VisionDataset

__all__ = ["wrap_dataset_for_transforms_v2"]

# their items are an image and a class, which transforms take as they are
_CLASSIFICATION = (CIFAR10, DatasetFolder, MNIST)
_TRANSFORMS = ("transform", "target_transform", "transforms")


class _Wrapped:
    """In front of a data set's class: hands out its items, transformed as a whole."""

    def __init__(self, dataset: Any, target_keys: Any) -> None:
        self._dataset = dataset
        self._target_keys = target_keys
        for name in _TRANSFORMS:
            setattr(self, name, getattr(dataset, name))
            setattr(dataset, name, None)

    def __getattr__(self, name: str) -> Any:
        if name == "_dataset":  # asked for while an object is copied
            raise AttributeError(name)
        return getattr(self._dataset, name)

    def __getitem__(self, index: int) -> Any:
        sample = self._dataset[index]
        return sample if self.transforms is None else self.transforms(*sample)

    def __len__(self) -> int:
        return len(self._dataset)

    def __reduce__(self) -> tuple:
        dataset = copy.copy(self._dataset)
        for name in _TRANSFORMS:
            setattr(dataset, name, getattr(self, name))
        return wrap_dataset_for_transforms_v2, (dataset, self._target_keys)


def wrap_dataset_for_transforms_v2(dataset: Any, target_keys: Collection[str] | str | None = None) -> Any:
    """The data set, with items as `transforms.v2` wants them; also an instance of its class.

    The items of data sets for classification are so already; what changes is that ``transforms`` sees both parts of an
    item at once.

    Args:
        dataset: a `VisionDataset`; its own transforms are taken away from it.
        target_keys: which parts of a target are kept; None, for data sets for classification.

    Raises:
        ValueError: ``target_keys`` is of another kind, or the data set has no such keys.
        TypeError: ``dataset`` is no `VisionDataset`, or its items are not known.

    >>> dataset = wrap_dataset_for_transforms_v2(CIFAR10("data"))
    """
    keys_fit = target_keys is None or (
        isinstance(target_keys, Collection)
        and (target_keys == "all" or not isinstance(target_keys, str))
        and all(isinstance(key, str) for key in target_keys)
    )
    if not keys_fit:
        raise ValueError(
            "`target_keys` can be None, 'all', or a collection of strings denoting the keys to be returned, "
            f"but got {target_keys}"
        )
    kind = type(dataset)
    if not isinstance(dataset, VisionDataset):
        raise TypeError(
            f"This wrapper is meant for subclasses of `VisionDataset`, but got a '{kind.__name__}' instead: make its "
            "items tv_tensors yourself."
        )
    if not isinstance(dataset, _CLASSIFICATION):
        raise TypeError(f"No wrapper exists for dataset class {kind.__name__}. Please wrap the output yourself.")
    if target_keys is not None:
        raise ValueError(f"`target_keys` is for data sets whose targets are dicts, which {kind.__name__}'s are not.")
    return type(f"Wrapped{kind.__name__}", (_Wrapped, kind), {})(dataset, target_keys)
