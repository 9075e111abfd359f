"""CIFAR10 and CIFAR100: pickled NumPy arrays."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from typing import Any

from lampas.vision.datasets.utils import check_integrity, download_and_extract_archive
from lampas.vision.datasets.vision import VisionDataset
from lampas.vision.utils import image_from_array

__all__ = ["CIFAR10", "CIFAR100"]


class _Unpickler(pickle.Unpickler):
    """Reads arrays, numbers, strings and containers of them; a pickle that asks for anything else is refused."""

    def find_class(self, module: str, name: str) -> Any:
        import codecs

        import numpy as np

        where = module.replace("numpy._core", "numpy.core")
        if (where, name) == ("numpy.core.multiarray", "_reconstruct"):
            return np.ndarray.__reduce__(np.empty(0))[0]
        if where == "numpy" and name in ("ndarray", "dtype"):
            return getattr(np, name)
        if (where, name) == ("numpy.core.numeric", "_frombuffer"):
            return np.empty(1).__reduce_ex__(5)[0]
        if (where, name) == ("_codecs", "encode"):
            return codecs.encode
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no such file needs")


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            entry = _Unpickler(file, encoding="latin1").load()
        if not isinstance(entry, dict):
            raise pickle.UnpicklingError(f"it holds a {type(entry).__name__}, not a dict")
        return entry
    except FileNotFoundError:
        raise
    except Exception as error:  # a damaged pickle raises whatever it stumbles over
        raise RuntimeError(f"{path} cannot be read: {error}. Delete it and fetch it again.") from error


class CIFAR10(VisionDataset):
    """60,000 photographs of ten kinds of things, 32 by 32; an item is (PIL image of mode RGB, int).

    Args:
        root: the folder in which ``cifar-10-batches-py`` is or shall be.
        train: the 50,000 for training, or else the 10,000 for testing.
        transform, target_transform: called with the image, with the label.
        download: fetch the archive if the files are not there.

    Attributes:
        data: NumPy array, uint8 of shape (N, 32, 32, 3). targets: list of int. classes: the names of the labels.

    Raises:
        RuntimeError: files are missing or damaged, or cannot be downloaded.

    Source: Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.

    >>> image, label = CIFAR10("data", download=True)[0]
    """

    base_folder = "cifar-10-batches-py"
    url = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    filename = "cifar-10-python.tar.gz"
    tgz_md5 = "c58f30108f718f92721af3b95e74349a"
    train_list = [
        ["data_batch_1", "c99cafc152244af753f735de768cd75f"],
        ["data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"],
        ["data_batch_3", "54ebc095f3ab1f0389bbae665268c751"],
        ["data_batch_4", "634d18415352ddfa80567beed471001a"],
        ["data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"],
    ]
    test_list = [["test_batch", "40351d587109b95175f43aff81a1287e"]]
    meta = {"filename": "batches.meta", "key": "label_names", "md5": "5ff9c542aee3614f3951f8cda6e48888"}

    def __init__(
        self,
        root: str | os.PathLike[str],
        train: bool = True,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        if download:
            self.download()
        bad = self._missing()
        if bad:
            raise RuntimeError(
                f"Dataset not found or corrupted: {', '.join(bad)} missing in {self._folder} or with another checksum. "
                "Pass download=True to download it."
            )
        self._load_meta()
        self._load_data()

    @property
    def _folder(self) -> str:
        return os.path.join(self.root, self.base_folder)

    def _load_data(self) -> None:
        import numpy as np

        pictures, self.targets = [], []
        for name, _ in self.train_list if self.train else self.test_list:
            path = os.path.join(self._folder, name)
            entry = _read(path)
            try:
                pictures.append(np.asarray(entry["data"], np.uint8).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
                self.targets.extend(entry["labels"] if "labels" in entry else entry["fine_labels"])
            except (KeyError, TypeError, ValueError) as error:
                raise RuntimeError(f"{path} does not hold pictures and labels: {error!r}. Fetch it again.") from None
        self.data: Any = np.concatenate(pictures)
        if len(self.data) != len(self.targets):
            raise RuntimeError(f"{self._folder} has {len(self.data)} pictures and {len(self.targets)} labels")

    def _load_meta(self) -> None:
        path = os.path.join(self._folder, self.meta["filename"])
        if not check_integrity(path, self.meta["md5"]):
            raise RuntimeError(
                f"Dataset metadata file not found or corrupted: {path}. Pass download=True to download it."
            )
        self.classes = _read(path)[self.meta["key"]]
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._transformed(image_from_array(self.data[index], "RGB"), self.targets[index])

    def __len__(self) -> int:
        return len(self.data)

    def _missing(self) -> list[str]:
        files = self.train_list + self.test_list
        return [name for name, md5 in files if not check_integrity(os.path.join(self._folder, name), md5)]

    def _check_integrity(self) -> bool:
        return not self._missing()

    def download(self) -> None:
        """Fetch and unpack the archive, unless all files are there."""
        if not self._check_integrity():
            download_and_extract_archive(self.url, self.root, filename=self.filename, md5=self.tgz_md5)

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train is True else 'Test'}"


class CIFAR100(CIFAR10):
    """The hundred classes beside `CIFAR10`'s ten, in ``cifar-100-python``; the labels are the fine ones."""

    base_folder = "cifar-100-python"
    url = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
    filename = "cifar-100-python.tar.gz"
    tgz_md5 = "eb9058c3a382ffc7106e4002c42a8d85"
    train_list = [["train", "16019d7e3df5f24257cddd939b257f8d"]]
    test_list = [["test", "f0ef6b0ae62326f3e7ffdfab6717acfc"]]
    meta = {"filename": "meta", "key": "fine_label_names", "md5": "7973b15100ade9c7d40fb424638fde48"}
