"""Data sets, on files written here byte by byte."""

import bz2
import gzip
import hashlib
import os
import pathlib
import pickle
import struct

import numpy as np
import pytest
import scipy.io
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import lampas
import lampas.vision
from lampas.vision import datasets
from lampas.vision.datasets import folder, mnist
from lampas.vision.datasets.cifar import CIFAR10, CIFAR100
from lampas.vision.datasets.idx import read_idx

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (5, 28, 28), dtype=np.uint8)
LABELS = np.array([3, 1, 4, 1, 5], np.uint8)


def idx_bytes(array, code=8):
    head = struct.pack(">HBB", 0, code, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


def write_mnist(root, name="MNIST", ending=""):
    raw = root / name / "raw"
    raw.mkdir(parents=True)
    pack = gzip.compress if ending else bytes
    for split, count in (("train", 5), ("t10k", 2)):
        (raw / f"{split}-images-idx3-ubyte{ending}").write_bytes(pack(idx_bytes(IMAGES[:count])))
        (raw / f"{split}-labels-idx1-ubyte{ending}").write_bytes(pack(idx_bytes(LABELS[:count])))
    return raw


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("cls", [datasets.MNIST, datasets.FashionMNIST, datasets.KMNIST])
def test_mnist(tmp_path, cls, ending):
    write_mnist(tmp_path, cls.__name__, ending)
    data = cls(str(tmp_path), transform=np.asarray, target_transform=lambda t: -t)
    assert len(data) == 5 and data.data.dtype == lampas.uint8 and data.targets.dtype == lampas.int64
    for i, (image, target) in enumerate(data):
        assert np.array_equal(image, IMAGES[i]) and target == -int(LABELS[i]) and type(target) is int
    assert len(cls(tmp_path, train=False)) == 2
    assert data.class_to_idx[cls.classes[9]] == 9
    assert repr(cls(tmp_path, train=False)) == (
        f"Dataset {cls.__name__}\n    Number of datapoints: 2\n    Root location: {tmp_path}\n    Split: Test"
    )


def test_mnist_images_do_not_write_into_the_data(tmp_path):
    write_mnist(tmp_path)
    data = datasets.MNIST(tmp_path)
    image = data[0][0]
    assert image.mode == "L" and image.size == (28, 28)
    image.putpixel((0, 0), int(IMAGES[0, 0, 0]) ^ 255)
    assert np.array_equal(data.data.numpy(), IMAGES)
    data.data, data.targets = data.data[2:], data.targets[2:]  # as programs do to take a part
    assert len(data) == 3 and data[0][1] == 4


def test_mnist_loads_in_workers(tmp_path):
    write_mnist(tmp_path)
    data = datasets.MNIST(tmp_path, transform=np.array)
    loader = lampas.utils.data.DataLoader(data, batch_size=5, num_workers=1)
    images, labels = next(iter(loader))
    assert np.array_equal(images.numpy(), IMAGES) and labels.tolist() == LABELS.tolist()


def test_mnist_missing_and_mismatched(tmp_path):
    with pytest.raises(RuntimeError, match=r"Dataset not found.*train-images-idx3-ubyte.*download=True"):
        datasets.MNIST(tmp_path)
    raw = write_mnist(tmp_path)
    (raw / "train-labels-idx1-ubyte").write_bytes(idx_bytes(LABELS[:4]))
    with pytest.raises(RuntimeError, match=r"5 pictures .* 4 labels"):
        datasets.MNIST(tmp_path)
    (raw / "train-labels-idx1-ubyte").write_bytes(idx_bytes(IMAGES))
    with pytest.raises(ValueError, match=r"1 dimension, and has shape"):
        datasets.MNIST(tmp_path)
    (raw / "train-labels-idx1-ubyte").write_bytes(idx_bytes(LABELS.astype(np.int16), 11))
    with pytest.raises(TypeError, match=r"uint8"):
        datasets.MNIST(tmp_path)


def test_old_names_and_old_files(tmp_path):
    write_mnist(tmp_path)
    data = datasets.MNIST(tmp_path)
    for old, new in (("train_data", "data"), ("test_labels", "targets")):
        with pytest.warns(UserWarning, match=f"{old} has been renamed {new}"):
            assert getattr(data, old) is getattr(data, new)
    (tmp_path / "old" / "MNIST" / "processed").mkdir(parents=True)
    for name in ("training.pt", "test.pt"):
        lampas.save((data.data, data.targets), tmp_path / "old" / "MNIST" / "processed" / name)
    assert datasets.MNIST(tmp_path / "old")[4][1] == 5


def test_emnist_and_qmnist(tmp_path):
    raw = tmp_path / "EMNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / "emnist-letters-train-images-idx3-ubyte").write_bytes(idx_bytes(IMAGES))
    (raw / "emnist-letters-train-labels-idx1-ubyte").write_bytes(idx_bytes(LABELS))
    data = datasets.EMNIST(tmp_path, "letters")
    assert data[0][1] == 3 and data.classes[3] == "c" and data.class_to_idx["c"] == 3
    assert len(datasets.EMNIST.classes_split_dict["balanced"]) == 47
    with pytest.raises(ValueError, match=r"Unknown value 'other'"):
        datasets.EMNIST(tmp_path, "other")

    raw = tmp_path / "QMNIST" / "raw"
    raw.mkdir(parents=True)
    full = np.arange(40, dtype=np.int32).reshape(5, 8)
    (raw / "qmnist-train-images-idx3-ubyte").write_bytes(idx_bytes(IMAGES))
    (raw / "qmnist-train-labels-idx2-int").write_bytes(idx_bytes(full, 12))
    assert datasets.QMNIST(tmp_path)[2][1] == 16
    assert datasets.QMNIST(tmp_path, "train", compat=False)[2][1].tolist() == full[2].tolist()


@pytest.mark.parametrize("code, kind", [(8, "u1"), (9, "i1"), (11, "i2"), (12, "i4"), (13, "f4"), (14, "f8")])
def test_idx_types(tmp_path, code, kind):
    array = (RNG.standard_normal((3, 4)) * 50).astype(kind)
    (tmp_path / "a").write_bytes(idx_bytes(array, code))
    got = read_idx(tmp_path / "a")
    assert np.array_equal(got.numpy(), array) and got.numpy().dtype == array.dtype
    assert lampas.equal(mnist.read_sn3_pascalvincent_tensor(str(tmp_path / "a")), got)


@pytest.mark.parametrize(
    "data, says",
    [
        (b"", "it has 0 bytes"),
        (b"\0\0\7\1", "begins with the bytes"),
        (b"<html>not found</html>", "begins with the bytes"),
        (b"\0\0\x08\3\0\0", "ends before their sizes"),
        (idx_bytes(IMAGES)[:-1], "3919 follow it"),
        (idx_bytes(IMAGES) + b"x", "3921 follow it"),
        (b"\0\0\x08\3" + b"\xff" * 12, "is 79228162458924105385300197375 bytes"),
    ],
)
def test_damaged_idx(tmp_path, data, says):
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(RuntimeError, match=f"a is not a whole IDX file: .*{says}.*fetch it again"):
        read_idx(tmp_path / "a")


def test_damaged_gzip(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(idx_bytes(IMAGES))[:-9])
    with pytest.raises(RuntimeError, match=r"fetch it again"):
        read_idx(tmp_path / "a.gz")


@given(st.binary(max_size=40), st.booleans())
def test_idx_of_anything(data, headed):
    import tempfile

    with tempfile.TemporaryDirectory() as where:
        path = os.path.join(where, "a")
        with open(path, "wb") as file:
            file.write((b"\0\0\x08" if headed else b"") + data)
        try:
            read_idx(path)
        except RuntimeError as error:
            assert "not a whole IDX file" in str(error)


def test_usps(tmp_path):
    values = np.linspace(-1, 1, 256)
    line = "7 " + " ".join(f"{i + 1}:{v:.6f}" for i, v in enumerate(values)) + "\n"
    (tmp_path / "usps.bz2").write_bytes(bz2.compress(line.encode() * 2))
    data = datasets.USPS(tmp_path)
    assert len(data) == 2 and data[1][1] == 6
    want = ((np.array([f"{v:.6f}" for v in values], np.float32) + 1) / 2 * 255).astype(np.uint8)
    assert np.array_equal(np.asarray(data[0][0]).ravel(), want)
    with pytest.raises(FileNotFoundError, match=r"download=True"):
        datasets.USPS(tmp_path, train=False)
    (tmp_path / "usps.t.bz2").write_bytes(bz2.compress(b"1 1:x\n"))
    with pytest.raises(RuntimeError, match=r"not a file of USPS"):
        datasets.USPS(tmp_path, train=False)


def cifar(base, root, names, key, meta_key, entry=None):
    """A subclass that expects the checksums of files made here."""
    where = root / base.base_folder
    where.mkdir()
    pictures = RNG.integers(0, 256, (2 * len(names), 3072), dtype=np.uint8)
    files = {n: entry or {"data": pictures[2 * i : 2 * i + 2], key: [i, i + 1]} for i, n in enumerate(names)}
    files[base.meta["filename"]] = {meta_key: ["one", "two"]}
    sums = {}
    for name, content in files.items():
        packed = pickle.dumps(content, protocol=2)
        (where / name).write_bytes(packed)
        sums[name] = hashlib.md5(packed).hexdigest()
    lists = dict(train_list=[[n, sums[n]] for n in names[:-1]], test_list=[[names[-1], sums[names[-1]]]])
    return type("Cifar", (base,), {**lists, "meta": {**base.meta, "md5": sums[base.meta["filename"]]}}), pictures


def test_cifar(tmp_path):
    names = ["data_batch_1", "data_batch_2", "test_batch"]
    cls, pictures = cifar(CIFAR10, tmp_path, names, "labels", "label_names")
    data = cls(tmp_path)
    assert (
        data.data.shape == (4, 32, 32, 3)
        and data.targets == [0, 1, 1, 2]
        and data.class_to_idx
        == {
            "one": 0,
            "two": 1,
        }
    )
    assert np.array_equal(np.asarray(data[3][0]), pictures[3].reshape(3, 32, 32).transpose(1, 2, 0))
    assert data[3][0].mode == "RGB" and data[3][1] == 2 and len(cls(tmp_path, train=False)) == 2
    cls, _ = cifar(CIFAR100, tmp_path, ["train", "test"], "fine_labels", "fine_label_names")
    assert cls(tmp_path, train=False).targets == [1, 2]
    (tmp_path / cls.base_folder / "train").write_bytes(b"x")
    with pytest.raises(RuntimeError, match=r"not found or corrupted: train missing"):
        cls(tmp_path)


def test_cifar_runs_nothing(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "evil"),)

    cls, _ = cifar(CIFAR100, tmp_path, ["train", "test"], "", "fine_label_names", entry={"data": Evil()})
    with pytest.raises(RuntimeError, match=r"asks for posix.mkdir"):
        cls(tmp_path)
    assert not (tmp_path / "evil").exists()


def test_svhn(tmp_path, monkeypatch):
    pictures = RNG.integers(0, 256, (32, 32, 3, 4), dtype=np.uint8)
    path = tmp_path / "train_32x32.mat"
    scipy.io.savemat(path, {"X": pictures, "y": np.array([[10], [1], [9], [10]], np.uint8)})
    with pytest.raises(RuntimeError, match=r"another checksum"):
        datasets.SVHN(tmp_path)
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    monkeypatch.setitem(datasets.SVHN.split_list, "train", ["http://127.0.0.1:9/", path.name, md5])
    data = datasets.SVHN(tmp_path, download=True)
    assert data.labels.tolist() == [0, 1, 9, 0] and data[0][1] == 0
    assert np.array_equal(np.asarray(data[2][0]), pictures[:, :, :, 2])


def test_image_folder(tmp_path):
    for name, color in (("dog/b.png", (1, 2, 3)), ("dog/deep/c.PNG", (4, 5, 6)), ("cat/a.bmp", (7, 8, 9))):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (2, 2), color).save(tmp_path / name)
    (tmp_path / "cat" / "notes.txt").write_text("no picture")
    data = datasets.ImageFolder(tmp_path)
    assert data.classes == ["cat", "dog"] and data.targets == [0, 1, 1] and data.imgs is data.samples
    assert [image.getpixel((0, 0)) for image, _ in (data[0], data[1], data[2])] == [(7, 8, 9), (1, 2, 3), (4, 5, 6)]
    texts = datasets.DatasetFolder(
        tmp_path, lambda p: pathlib.Path(p).read_text(), is_valid_file=lambda p: p.endswith(".txt"), allow_empty=True
    )
    assert len(texts) == 1 and texts[0] == ("no picture", 0)
    with pytest.raises(FileNotFoundError, match=r"classes dog.*Supported extensions are: .txt"):
        datasets.DatasetFolder(tmp_path, open, (".txt",))
    with pytest.raises(ValueError, match=r"both of"):
        folder.make_dataset(tmp_path, None, (".txt",), bool)
    with pytest.raises(ValueError, match=r"neither of"):
        folder.make_dataset(tmp_path)
    with pytest.raises(ValueError, match=r"empty"):
        folder.make_dataset(tmp_path, {}, ".txt")
    with pytest.raises(FileNotFoundError, match=r"class folder"):
        datasets.ImageFolder(tmp_path / "dog" / "deep")


def test_fake_data():
    state = lampas.get_rng_state()
    data = datasets.FakeData(size=3, image_size=(3, 4, 5), num_classes=7, random_offset=2)
    image, target = data[1]
    assert image.size == (5, 4) and 0 <= target < 7 and image.tobytes() == data[1][0].tobytes()
    assert lampas.equal(state, lampas.get_rng_state())
    assert len(list(data)) == 3
    with pytest.raises(IndexError, match=r"has 3 items"):
        data[3]


def test_transforms_and_repr():
    class T:
        def __repr__(self):
            return "T(\n  1\n)"

    with pytest.raises(ValueError, match=r"transforms together with"):
        datasets.VisionDataset(".", transforms=T(), transform=T())
    assert repr(datasets.StandardTransform(T(), T())).splitlines()[:4] == [
        "StandardTransform",
        "Transform: T(",
        "             1",
        "           )",
    ]
    assert datasets.VisionDataset("~").root == os.path.expanduser("~")


def test_backend():
    assert lampas.vision.get_image_backend() == "PIL"
    with pytest.raises(ValueError, match=r"'PIL' or 'accimage'"):
        lampas.vision.set_image_backend("cv2")
    with pytest.raises(AttributeError, match=r"no_such_name"):
        lampas.vision.no_such_name
