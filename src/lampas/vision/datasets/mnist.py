"""MNIST and the data sets made in its likeness: small grey pictures of characters in IDX files."""

from __future__ import annotations

import os
import shutil
import string
import warnings
from collections.abc import Callable
from typing import Any
from urllib.error import URLError

import lampas
from lampas.vision.datasets.idx import read_idx
from lampas.vision.datasets.utils import (
    download_and_extract_archive,
    extract_archive,
    verify_str_arg,
)
from lampas.vision.datasets.vision import VisionDataset
from lampas.vision.utils import image_from_array

__all__ = [
    "EMNIST",
    "FashionMNIST",
    "KMNIST",
    "MNIST",
    "QMNIST",
    "read_image_file",
    "read_label_file",
    "read_sn3_pascalvincent_tensor",
]

_DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def read_sn3_pascalvincent_tensor(path: str, strict: bool = True) -> lampas.Tensor:
    """The tensor in an IDX file, see `read_idx`; a file of the wrong length is an error, `strict` or not."""
    return read_idx(path)


def _read_bytes(path: str, ndim: int) -> lampas.Tensor:
    data = read_idx(path)
    if data.dtype != lampas.uint8:
        raise TypeError(f"{path} should hold numbers of dtype uint8, and holds {data.dtype}")
    if data.ndim != ndim:
        raise ValueError(f"{path} should have {ndim} dimension{'s' * (ndim > 1)}, and has shape {tuple(data.shape)}")
    return data


def read_label_file(path: str) -> lampas.Tensor:
    """The labels in an IDX file of one dimension, as int64."""
    return _read_bytes(path, 1).long()


def read_image_file(path: str) -> lampas.Tensor:
    """The pictures in an IDX file of three dimensions, uint8 of shape (N, H, W)."""
    return _read_bytes(path, 3)


class MNIST(VisionDataset):
    """70,000 pictures of handwritten digits, 28 by 28; an item is (PIL image of mode L, int).

    The files are those of the published set, plain or still compressed, in ``root/MNIST/raw``.

    Args:
        root: the folder in which ``MNIST/raw`` is or shall be.
        train: the 60,000 for training, or else the 10,000 for testing.
        transform, target_transform: called with the image, with the label.
        download: fetch the files that are not there yet.

    Attributes:
        data: uint8 of shape (N, 28, 28). targets: int64 of shape (N,). classes: the names of the labels.

    Raises:
        RuntimeError: the files are not there, are damaged, or cannot be downloaded.

    Source: LeCun, Bottou, Bengio, Haffner, Gradient-based learning applied to document recognition, 1998.

    >>> image, label = MNIST("data", download=True)[0]
    """

    mirrors = ["https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"]
    resources: Any = [
        ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
        ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
        ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
    ]
    training_file = "training.pt"
    test_file = "test.pt"
    classes = [f"{i} - {name}" for i, name in enumerate(_DIGITS)]

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
        if self._check_legacy_exist():
            self.data, self.targets = self._load_legacy_data()
            return
        if download:
            self.download()
        if not self._check_exists():
            missing = [name for name in self._needed() if not self._present(name)]
            raise RuntimeError(
                f"Dataset not found: {self.raw_folder} lacks {', '.join(missing)}. "
                "Pass download=True to download it, or put the files there, plain or compressed."
            )
        self.data, self.targets = self._load_data()
        if len(self.data) != len(self.targets):
            raise RuntimeError(
                f"{self.images_file} has {len(self.data)} pictures and {self.labels_file} has {len(self.targets)} "
                "labels: they do not belong together. Delete both and fetch them again."
            )

    def _needed(self) -> list[str]:
        """The names of all files that must be there, without the endings of compression."""
        return [os.path.splitext(os.path.basename(name))[0] for name, _ in self.resources]

    def _present(self, name: str) -> str | None:
        """Where the file is, plain or compressed."""
        path = os.path.join(self.raw_folder, name)
        return next((path + end for end in ("", ".gz", ".xz", ".bz2") if os.path.isfile(path + end)), None)

    def _file(self, kind: str) -> str:
        """The name of this split's file of "images" or "labels"."""
        return f"{'train' if self.train else 't10k'}-{kind}-idx{3 if kind == 'images' else 1}-ubyte"

    def _path(self, kind: str) -> str:
        name = self._file(kind)
        return self._present(name) or os.path.join(self.raw_folder, name)

    @property
    def images_file(self) -> str:
        """The file that the pictures are read from."""
        return self._path("images")

    @property
    def labels_file(self) -> str:
        """The file that the labels are read from."""
        return self._path("labels")

    def _check_exists(self) -> bool:
        return all(self._present(name) for name in self._needed())

    def _extracted(self) -> bool:
        return all(os.path.isfile(os.path.join(self.raw_folder, name)) for name in self._needed())

    # Long ago torchvision kept the tensors as .pt files in `processed`; such folders are still about.
    def _check_legacy_exist(self) -> bool:
        files = (self.training_file, self.test_file)
        return all(os.path.isfile(os.path.join(self.processed_folder, file)) for file in files)

    def _load_legacy_data(self) -> Any:
        file = self.training_file if self.train else self.test_file
        return lampas.load(os.path.join(self.processed_folder, file), weights_only=True)

    def _load_data(self) -> tuple[lampas.Tensor, lampas.Tensor]:
        return read_image_file(self.images_file), read_label_file(self.labels_file)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = image_from_array(self.data[index].numpy(), "L")
        target: Any = int(self.targets[index])
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return image, target

    def __len__(self) -> int:
        return len(self.data)

    @property
    def raw_folder(self) -> str:
        return os.path.join(self.root, type(self).__name__, "raw")

    @property
    def processed_folder(self) -> str:
        return os.path.join(self.root, type(self).__name__, "processed")

    @property
    def class_to_idx(self) -> dict[str, int]:
        """From the name of a class to its label."""
        return {name: i for i, name in enumerate(self.classes)}

    def _old_name(self, old: str, new: str) -> Any:
        warnings.warn(f"{old} has been renamed {new}", stacklevel=3)
        return getattr(self, new)

    @property
    def train_data(self) -> lampas.Tensor:
        return self._old_name("train_data", "data")

    @property
    def test_data(self) -> lampas.Tensor:
        return self._old_name("test_data", "data")

    @property
    def train_labels(self) -> lampas.Tensor:
        return self._old_name("train_labels", "targets")

    @property
    def test_labels(self) -> lampas.Tensor:
        return self._old_name("test_labels", "targets")

    def download(self) -> None:
        """Fetch what is not there, from the first mirror that has it; ``RuntimeError`` where none has."""
        if self._extracted():
            return
        os.makedirs(self.raw_folder, exist_ok=True)
        for filename, md5 in self.resources:
            failures = []
            for mirror in self.mirrors:
                try:
                    download_and_extract_archive(f"{mirror}{filename}", self.raw_folder, filename=filename, md5=md5)
                    break
                except (RuntimeError, URLError) as error:
                    failures.append(f"  {mirror}: {error}")
            else:
                raise RuntimeError(f"Error downloading {filename}; tried\n" + "\n".join(failures))

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train is True else 'Test'}"


class FashionMNIST(MNIST):
    """MNIST's sizes and formats with ten kinds of clothes, in ``root/FashionMNIST/raw``; see `MNIST`.

    Source: Xiao, Rasul, Vollgraf, Fashion-MNIST, arXiv:1708.07747.
    """

    mirrors = ["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"]
    resources = [
        ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
        ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
        ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
    ]
    classes = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]


class KMNIST(MNIST):
    """MNIST's sizes and formats with ten characters of old Japanese script, in ``root/KMNIST/raw``; see `MNIST`.

    Source: Clanuwat and others, Deep Learning for Classical Japanese Literature, arXiv:1812.01718.
    """

    mirrors = ["http://codh.rois.ac.jp/kmnist/dataset/kmnist/"]
    resources = [
        ("train-images-idx3-ubyte.gz", "bdb82020997e1d708af4cf47b453dcf7"),
        ("train-labels-idx1-ubyte.gz", "e144d726b3acfaa3e44228e80efcd344"),
        ("t10k-images-idx3-ubyte.gz", "5c965bf0a639b31b8f53240b1b52f4d7"),
        ("t10k-labels-idx1-ubyte.gz", "7320c461ea6c1c855c0b718fb2a4b134"),
    ]
    classes = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]


class EMNIST(MNIST):
    """Letters and digits in MNIST's formats, in ``root/EMNIST/raw``; see `MNIST` for the other arguments.

    Args:
        split: ``"byclass"``, ``"bymerge"``, ``"balanced"``, ``"letters"``, ``"digits"`` or ``"mnist"``.

    The pictures lie on their side, as published: rows and columns are exchanged.

    Source: Cohen, Afshar, Tapson, van Schaik, EMNIST, arXiv:1702.05373.
    """

    url = "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip"
    md5 = "58c8d27c78d21e728a6bc7b3cc06412e"
    splits = ("byclass", "bymerge", "balanced", "letters", "digits", "mnist")
    # letters whose small and capital forms look alike count as one class
    _merged_classes = set("cijklmopsuvwxyz")
    _all_classes = set(string.digits + string.ascii_letters)
    classes_split_dict = {
        "byclass": sorted(_all_classes),
        "bymerge": sorted(_all_classes - _merged_classes),
        "balanced": sorted(_all_classes - _merged_classes),
        "letters": ["N/A", *string.ascii_lowercase],
        "digits": list(string.digits),
        "mnist": list(string.digits),
    }

    def __init__(self, root: str | os.PathLike[str], split: str, **kwargs: Any) -> None:
        self.split = verify_str_arg(split, "split", self.splits)
        self.training_file = f"training_{split}.pt"
        self.test_file = f"test_{split}.pt"
        super().__init__(root, **kwargs)
        self.classes = self.classes_split_dict[self.split]

    def _file(self, kind: str) -> str:
        end = "images-idx3-ubyte" if kind == "images" else "labels-idx1-ubyte"
        return f"emnist-{self.split}-{'train' if self.train else 'test'}-{end}"

    def _needed(self) -> list[str]:
        return [self._file("images"), self._file("labels")]

    def download(self) -> None:
        """Fetch the one archive of all splits, where this split is not there."""
        if self._extracted():
            return
        os.makedirs(self.raw_folder, exist_ok=True)
        download_and_extract_archive(self.url, self.raw_folder, md5=self.md5)
        inner = os.path.join(self.raw_folder, "gzip")
        for name in sorted(os.listdir(inner)):
            if name.endswith(".gz"):
                extract_archive(os.path.join(inner, name), self.raw_folder)
        shutil.rmtree(inner)


_QMNIST = "https://raw.githubusercontent.com/facebookresearch/qmnist/master/"


class QMNIST(MNIST):
    """MNIST again from its sources, with 60,000 pictures for testing and what is known of each; see `MNIST`.

    Args:
        what: ``"train"``, ``"test"``, ``"test10k"`` (those of MNIST), ``"test50k"`` (the others) or ``"nist"`` (all).
        compat: targets are labels; otherwise int64 tensors of eight numbers, the label first.
        train: chooses between "train" and "test" where ``what`` is not given.

    Source: Yadav, Bottou, Cold Case: the Lost MNIST Digits, arXiv:1905.10498.
    """

    subsets = {"train": "train", "test": "test", "test10k": "test", "test50k": "test", "nist": "nist"}
    resources = {
        "train": [
            (_QMNIST + "qmnist-train-images-idx3-ubyte.gz", "ed72d4157d28c017586c42bc6afe6370"),
            (_QMNIST + "qmnist-train-labels-idx2-int.gz", "0058f8dd561b90ffdd0f734c6a30e5e4"),
        ],
        "test": [
            (_QMNIST + "qmnist-test-images-idx3-ubyte.gz", "1394631089c404de565df7b7aeaf9412"),
            (_QMNIST + "qmnist-test-labels-idx2-int.gz", "5b5b05890a5e13444e108efe57b788aa"),
        ],
        "nist": [
            (_QMNIST + "xnist-images-idx3-ubyte.xz", "7f124b3b8ab81486c9d8c2749c17f834"),
            (_QMNIST + "xnist-labels-idx2-int.xz", "5ed0e788978e45d4a8bd4b7caec3d79d"),
        ],
    }

    def __init__(
        self,
        root: str | os.PathLike[str],
        what: str | None = None,
        compat: bool = True,
        train: bool = True,
        **kwargs: Any,
    ) -> None:
        if what is None:
            what = "train" if train else "test"
        self.what = verify_str_arg(what, "what", tuple(self.subsets))
        self.compat = compat
        self.data_file = self.training_file = self.test_file = f"{what}.pt"
        super().__init__(root, train, **kwargs)

    def _resources(self) -> list[tuple[str, str]]:
        return self.resources[self.subsets[self.what]]

    def _needed(self) -> list[str]:
        return [os.path.splitext(os.path.basename(url))[0] for url, _ in self._resources()]

    def _file(self, kind: str) -> str:
        return self._needed()[0 if kind == "images" else 1]

    def _load_data(self) -> tuple[lampas.Tensor, lampas.Tensor]:
        data, targets = read_image_file(self.images_file), read_idx(self.labels_file).long()
        if targets.ndim != 2:
            raise ValueError(f"{self.labels_file} should have 2 dimensions, and has shape {tuple(targets.shape)}")
        part = {"test10k": slice(None, 10000), "test50k": slice(10000, None)}.get(self.what)
        if part is not None:
            data, targets = data[part].clone(), targets[part].clone()
        return data, targets

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        target = self.targets[index]
        return self._transformed(
            image_from_array(self.data[index].numpy(), "L"), int(target[0]) if self.compat else target
        )

    def download(self) -> None:
        """Fetch the two files of what has been asked for, where they are not there."""
        if self._extracted():
            return
        os.makedirs(self.raw_folder, exist_ok=True)
        for url, md5 in self._resources():
            download_and_extract_archive(url, self.raw_folder, md5=md5)

    def extra_repr(self) -> str:
        return f"Split: {self.what}"
