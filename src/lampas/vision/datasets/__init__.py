"""Ready-made data sets, in the folders and file formats that torchvision keeps them in."""

from __future__ import annotations

from lampas.vision.datasets.cifar import CIFAR10, CIFAR100
from lampas.vision.datasets.fakedata import FakeData
from lampas.vision.datasets.folder import DatasetFolder, ImageFolder
from lampas.vision.datasets.mnist import EMNIST, KMNIST, MNIST, QMNIST, FashionMNIST
from lampas.vision.datasets.svhn import SVHN
from lampas.vision.datasets.usps import USPS
from lampas.vision.datasets.vision import StandardTransform, VisionDataset
from lampas.vision.datasets.wrapping import wrap_dataset_for_transforms_v2

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "DatasetFolder",
    "EMNIST",
    "FakeData",
    "FashionMNIST",
    "ImageFolder",
    "KMNIST",
    "MNIST",
    "QMNIST",
    "SVHN",
    "StandardTransform",
    "USPS",
    "VisionDataset",
    "wrap_dataset_for_transforms_v2",
]
