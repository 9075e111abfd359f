"""SVHN: house numbers in street views, in MATLAB files."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from lampas.vision.datasets.utils import check_integrity, download_url, verify_str_arg
from lampas.vision.datasets.vision import VisionDataset
from lampas.vision.utils import image_from_array

__all__ = ["SVHN"]

_URL = "http://ufldl.stanford.edu/housenumbers/"


class SVHN(VisionDataset):
    """Photographed digits, 32 by 32 in colour; an item is (PIL image of mode RGB, int), the label of 0 being 0.

    Args:
        root: the folder with ``train_32x32.mat`` and its like.
        split: ``"train"`` (73,257), ``"test"`` (26,032) or ``"extra"`` (531,131).
        transform, target_transform: called with the image, with the label.
        download: fetch the file if it is not there.

    Attributes:
        data: NumPy array, uint8 of shape (N, 3, 32, 32). labels: NumPy array, int64 of shape (N,).

    Raises:
        ValueError: no such split.
        RuntimeError: the file is missing or damaged, or cannot be downloaded.

    Source: Netzer and others, Reading Digits in Natural Images with Unsupervised Feature Learning, 2011.

    >>> image, label = SVHN("data", split="test", download=True)[0]
    """

    split_list = {
        "train": [_URL + "train_32x32.mat", "train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373"],
        "test": [_URL + "test_32x32.mat", "test_32x32.mat", "eb5a983be6a315427106f1b164d9cef3"],
        "extra": [_URL + "extra_32x32.mat", "extra_32x32.mat", "a93ce644f1a588dc4d68dda5feec44a7"],
    }

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str = "train",
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = verify_str_arg(split, "split", tuple(self.split_list))
        self.url, self.filename, self.file_md5 = self.split_list[split]
        if download:
            self.download()
        path = os.path.join(self.root, self.filename)
        if not self._check_integrity():
            raise RuntimeError(
                f"Dataset not found or corrupted: {path} is missing or has another checksum. "
                "Pass download=True to download it."
            )
        import numpy as np
        import scipy.io

        try:
            arrays = scipy.io.loadmat(path)
            self.data: Any = arrays["X"].transpose(3, 2, 0, 1)
            self.labels = arrays["y"].astype(np.int64).reshape(-1)
        except Exception as error:  # a damaged file raises whatever the reader stumbles over
            raise RuntimeError(f"{path} cannot be read: {error!r}. Delete it and fetch it again.") from error
        self.labels[self.labels == 10] = 0  # the files call the digit 0 a ten, which is no index of ten classes

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = image_from_array(self.data[index].transpose(1, 2, 0), "RGB")
        return self._transformed(image, int(self.labels[index]))

    def __len__(self) -> int:
        return len(self.data)

    def _check_integrity(self) -> bool:
        return check_integrity(os.path.join(self.root, self.filename), self.file_md5)

    def download(self) -> None:
        """Fetch the file of the split, unless it is there."""
        download_url(self.url, self.root, self.filename, self.file_md5)

    def extra_repr(self) -> str:
        return f"Split: {self.split}"
