"""lampas.vision's data sets and drawings beside torchvision's."""

import sys
import types

import numpy as np
import pytest

torch = pytest.importorskip("torch")
# a build of PyTorch without torchvision's compiled operators: what is compared here needs none
sys.modules.setdefault("torchvision._meta_registrations", types.ModuleType("torchvision._meta_registrations"))
torchvision = pytest.importorskip("torchvision")

import lampas  # noqa: E402
from lampas.vision import datasets, utils  # noqa: E402


def both(array):
    return lampas.from_numpy(array.copy()), torch.from_numpy(array.copy())


@pytest.fixture(params=["uint8", "float32"])
def images(request):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 40, 50), dtype=np.uint8)
    return both(pixels if request.param == "uint8" else (pixels / 255).astype(np.float32))


def same(name, images, *arrays, tolerance=0.0, **options):
    pairs = [both(a) for a in arrays]
    ours = getattr(utils, name)(images[0], *(p[0] for p in pairs), **options)
    theirs = getattr(torchvision.utils, name)(images[1], *(p[1] for p in pairs), **options)
    assert str(ours.dtype) == str(theirs.dtype) and tuple(ours.shape) == tuple(theirs.shape)
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=0, atol=tolerance)


BOXES = np.array([[2, 3, 20, 30], [10, 10, 45, 35], [0, 0, 5, 5]])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"colors": "red", "width": 3},
        {"fill": True, "colors": ["red", "#00ff00", (1, 2, 3)]},
        {"labels": ["a", "bc", "d"], "fill_labels": True},
        {"labels": ["a", "bc", "d"], "label_colors": "blue"},
        {"labels": ["a", "b", "c"], "fill_labels": True, "label_background_colors": "yellow", "label_colors": "navy"},
    ],
)
def test_boxes(images, options):
    same("draw_bounding_boxes", images, BOXES, **options)


def test_grey_and_slanted_boxes(images):
    same("draw_bounding_boxes", [i[:1] for i in images], BOXES)
    slanted = np.array([[10, 2, 40, 12, 38, 22, 8, 12]])
    same("draw_bounding_boxes", images, slanted, colors="red", width=2)


def test_masks(images):
    masks = np.random.default_rng(1).random((3, 40, 50)) > 0.6
    tolerance = 1e-6 if images[0].dtype == lampas.float32 else 0
    same("draw_segmentation_masks", images, masks, tolerance=tolerance)
    same("draw_segmentation_masks", images, masks[0], alpha=0.3, colors="red", tolerance=tolerance)


def test_keypoints(images):
    points = np.random.default_rng(2).uniform(0, 40, (2, 4, 2))
    same("draw_keypoints", images, points, connectivity=[(0, 1), (2, 3)], colors="red", radius=3)


def test_flow():
    for shape in ((2, 9, 8), (3, 2, 9, 8)):
        same("flow_to_image", both(np.random.default_rng(3).standard_normal(shape).astype(np.float32)), tolerance=1)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"nrow": 3, "padding": 1, "pad_value": 0.3},
        {"normalize": True},
        {"normalize": True, "scale_each": True},
        {"normalize": True, "value_range": (-1, 1)},
    ],
)
@pytest.mark.parametrize("shape", [(7, 3, 5, 6), (4, 1, 5, 6), (1, 3, 5, 6), (3, 5, 6), (5, 6)])
def test_grid(shape, options):
    same("make_grid", both(np.random.default_rng(4).standard_normal(shape).astype(np.float32)), **options)


@pytest.mark.parametrize("size", [(3, 8, 9), (1, 6, 6), (4, 30, 31)])
def test_fake_data(size):
    ours = datasets.FakeData(5, size, 10, random_offset=3)
    theirs = torchvision.datasets.FakeData(5, size, 10, random_offset=3)
    for i in range(5):
        assert ours[i][0].mode == theirs[i][0].mode and ours[i][0].tobytes() == theirs[i][0].tobytes()
        assert ours[i][1] == theirs[i][1]


@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST", "KMNIST", "EMNIST", "QMNIST", "USPS", "CIFAR10", "SVHN"])
def test_what_is_downloaded(name):
    ours, theirs = getattr(datasets, name), getattr(torchvision.datasets, name)
    for fact in ("mirrors", "resources", "classes", "url", "md5", "tgz_md5", "split_list", "train_list", "test_list"):
        assert getattr(ours, fact, None) == getattr(theirs, fact, None), fact
    for fact in ("meta", "subsets", "splits", "classes_split_dict", "base_folder", "filename"):
        assert getattr(ours, fact, None) == getattr(theirs, fact, None), fact


def test_repr():
    class T:
        def __repr__(self):
            return "T(\n  1\n)"

    for options in ({}, {"transform": T()}, {"transform": T(), "target_transform": T()}):
        assert repr(datasets.FakeData(**options)) == repr(torchvision.datasets.FakeData(**options))
