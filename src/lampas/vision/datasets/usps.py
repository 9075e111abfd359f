"""USPS: digits from envelopes, in the text format of LIBSVM."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any

from lampas.vision.datasets.utils import download_url, open_compressed
from lampas.vision.datasets.vision import VisionDataset
from lampas.vision.utils import image_from_array

__all__ = ["USPS"]

_URL = "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/"


class USPS(VisionDataset):
    """9,298 pictures of digits, 16 by 16; an item is (PIL image of mode L, int).

    Args:
        root: the folder with ``usps.bz2`` and ``usps.t.bz2``.
        train: the 7,291 for training, or else the 2,007 for testing.
        transform, target_transform: called with the image, with the label.
        download: fetch the file if it is not there.

    Raises:
        FileNotFoundError: the file is not there and ``download`` is False.
        RuntimeError: the file is damaged.

    Source: Hull, A Database for Handwritten Text Recognition Research, 1994.

    >>> image, label = USPS("data", download=True)[0]
    """

    split_list = {
        "train": [_URL + "usps.bz2", "usps.bz2", "ec16c51db3855ca6c91edd34d0e9b197"],
        "test": [_URL + "usps.t.bz2", "usps.t.bz2", "8ea070ee2aca1ac39742fdd1ef5ed118"],
    }

    def __init__(
        self,
        root: str | os.PathLike[str],
        train: bool = True,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        url, filename, md5 = self.split_list["train" if train else "test"]
        path = os.path.join(self.root, filename)
        if download and not os.path.exists(path):
            download_url(url, self.root, filename, md5=md5)
        if not os.path.exists(path):
            raise FileNotFoundError(errno.ENOENT, "Dataset not found (pass download=True to download it)", path)
        self.data, self.targets = _read(path)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._transformed(image_from_array(self.data[index], "L"), int(self.targets[index]))

    def __len__(self) -> int:
        return len(self.data)


def _read(path: str) -> tuple[Any, list[int]]:
    """Pictures (uint8, N by 16 by 16) and labels from lines of ``label 1:value 2:value ...``, values from -1 to 1."""
    import numpy as np

    with open_compressed(path) as file:
        lines = [line.split() for line in file.read().splitlines() if line.strip()]
    try:
        labels = [int(float(fields[0])) - 1 for fields in lines]
        values = np.array([[float(field.rpartition(b":")[2]) for field in fields[1:]] for fields in lines], np.float32)
        return ((values.reshape(-1, 16, 16) + 1) / 2 * 255).astype(np.uint8), labels
    except ValueError as error:
        raise RuntimeError(f"{path} is not a file of USPS: {error}. Delete it and fetch it again.") from None
