"""Transforms of samples: what they find in them, what they draw, how they print, and what they refuse."""

import pickle
import subprocess
import sys
from collections import OrderedDict, defaultdict, deque, namedtuple

import numpy as np
import pytest

import lampas
from lampas import nn
from lampas.vision import datasets, tv_tensors
from lampas.vision.transforms import v2
from lampas.vision.tv_tensors import BoundingBoxes, Image, KeyPoints, Mask, Video

H, W = 12, 16


def image(channels=3):
    return Image(lampas.randint(0, 256, (channels, H, W), dtype=lampas.uint8))


def boxes(*values, format="XYXY"):
    return BoundingBoxes(lampas.tensor([*values], dtype=lampas.float32), format=format, canvas_size=(H, W))


def sample():
    return {
        "image": image(),
        "target": {"boxes": boxes([1, 2, 5, 6], [3, 3, 3, 9]), "labels": lampas.tensor([1, 2])},
        "masks": Mask(lampas.ones(2, H, W, dtype=lampas.uint8)),
        "points": [KeyPoints([[1.0, 2.0], [20.0, 3.0]], canvas_size=(H, W)), "a name", None],
    }


def test_a_program_finds_it_as_torchvision():
    code = """
import lampas; lampas.alias()
import torch, torchvision.transforms.v2 as T
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F
import torchvision.transforms.v2.functional as G
assert v2 is T and F is G
x = T.Compose([T.Resize((4, 4)), T.ToDtype(torch.float32, scale=True)])(tv_tensors.Image(torch.zeros(3, 8, 8)))
print(type(x).__name__, tuple(x.shape), x.dtype)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "Image (3, 4, 4) torch.float32\n"


# --- samples --------------------------------------------------------------------------------------------------------


def test_a_nested_sample_keeps_its_structure():
    given = sample()
    got = v2.RandomHorizontalFlip(p=1.0)(given)
    assert lampas.equal(got["image"], given["image"].flip(-1)) and type(got["image"]) is Image
    assert got["target"]["boxes"].tolist() == [[W - 5, 2, W - 1, 6], [W - 3, 3, W - 3, 9]]
    assert got["target"]["labels"] is given["target"]["labels"]
    assert got["points"][0].tolist() == [[W - 2, 2], [W - 21, 3]] and got["points"][1:] == ["a name", None]
    assert type(got["points"]) is list and list(got) == list(given)


Pair = namedtuple("Pair", "first second")


@pytest.mark.parametrize(
    "tree",
    [
        3,
        [],
        [1, (2, {"a": 3}), Pair(4, [5])],
        OrderedDict(b=1, a=[2]),
        defaultdict(list, {"x": 1}),
        deque([1, 2], maxlen=3),
        {1: None, "k": {2, 3}},
    ],
)
def test_containers_of_values(tree):
    got = v2.Identity()(tree)
    assert got == tree and type(got) is type(tree)
    if isinstance(tree, defaultdict):
        assert got.default_factory is list
    if isinstance(tree, deque):
        assert got.maxlen == 3


def test_one_plain_tensor_is_an_image_unless_there_is_an_image():
    invert = v2.RandomInvert(p=1.0)
    a, b = invert(lampas.zeros(3, 2, 2), lampas.zeros(3, 2, 2))
    assert a.min() == 1 and b.max() == 0
    a, b, c = invert(lampas.zeros(3, 2, 2), Image(lampas.zeros(3, 2, 2)), Image(lampas.zeros(3, 2, 2)))
    assert a.max() == 0 and b.min() == 1 and c.min() == 1
    assert type(invert(lampas.zeros(3, 2, 2))) is lampas.Tensor


def test_random_numbers_are_drawn_once_for_all_parts():
    lampas.manual_seed(0)
    pixels = lampas.arange(H * W).reshape(1, H, W)
    crop = v2.RandomCrop(5)
    for _ in range(5):
        a, b = crop(Image(pixels), Mask(pixels))
        assert lampas.equal(a, b.as_subclass(lampas.Tensor))


def test_transforms_of_ones_own():
    class Add(v2.Transform):
        def __init__(self, most, name="add"):
            super().__init__()
            self.most = most
            self.name = name
            self.hidden = object()

        def make_params(self, flat_inputs):
            self.seen = len(flat_inputs)
            return {"amount": self.most}

        def transform(self, inpt, params):
            return inpt + params["amount"]

    add = Add(2)
    assert add({"x": lampas.zeros(1, 1, 1), "y": "text"})["x"].item() == 2 and add.seen == 1
    assert repr(Add(2)) == "Add(most=2, name=add)"
    with pytest.raises(NotImplementedError, match="transform"):
        v2.Transform()(lampas.zeros(1, 1, 1))


def test_queries():
    flat = [image(), boxes([0, 0, 1, 1]), "text", lampas.zeros(2)]
    assert v2.query_size(flat[:3]) == (H, W) and v2.query_chw(flat[:3]) == (3, H, W)
    assert v2.has_any(flat, Mask, str) and not v2.has_any(flat, Mask) and v2.has_all(flat, Image, str)
    assert not v2.has_all(flat, Image, Mask) and v2.check_type("a", (int, lambda v: v == "a"))
    assert v2.get_bounding_boxes(flat) is flat[1]
    for call, error, message in [
        (lambda: v2.get_keypoints(flat), ValueError, "No keypoints"),
        (lambda: v2.get_bounding_boxes([]), ValueError, "No bounding boxes"),
        (lambda: v2.query_chw(["a"]), TypeError, "No image or video"),
        (lambda: v2.query_size(["a"]), TypeError, "No image, video, mask"),
        (lambda: v2.query_size([image(), Mask(lampas.zeros(2, 3))]), ValueError, r"\(2, 3\), \(12, 16\)"),
        (lambda: v2.query_chw([image(), image(1)]), ValueError, "multiple CxHxW"),
    ]:
        with pytest.raises(error, match=message):
            call()


# --- containers -----------------------------------------------------------------------------------------------------


def test_containers():
    plus, times = lambda x: x + 1, lambda x: x * 2
    assert v2.Compose([plus, times])(3) == 8 and v2.RandomApply([plus, times], p=1.0)(3) == 8
    assert v2.RandomApply([plus], p=0.0)(3) == 3 and v2.RandomApply(nn.ModuleList([v2.Identity()]), p=1.0)(4) == 4
    assert v2.Compose([lambda a, b: (b, a)])(1, 2) == (2, 1)
    lampas.manual_seed(0)
    assert {v2.RandomOrder([plus, times])(3) for _ in range(20)} == {7, 8}
    assert {v2.RandomChoice([plus, times], p=[0, 1])(3) for _ in range(20)} == {6}


def test_reprs():
    compose = v2.Compose([v2.Resize(4), v2.ToDtype(lampas.float32, scale=True)])
    assert repr(compose) == (
        "Compose(\n      Resize(size=[4], interpolation=bilinear, antialias=True)\n      ToDtype(scale=True)\n)"
    )
    interpolation = v2.InterpolationMode.NEAREST
    for transform, text in [
        (
            v2.RandomCrop(4, padding=1),
            "size=(4, 4), padding=[1, 1, 1, 1], pad_if_needed=False, fill=0, padding_mode=cons",
        ),
        (
            v2.RandomRotation(3, interpolation),
            "degrees=[-3.0, 3.0], interpolation=InterpolationMode.NEAREST, expand=Fa",
        ),
        (v2.Lambda(len, str), "len, types=['str']"),
        (v2.RandomErasing(), "p=0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=[0.0], inplace=False"),
        (v2.Normalize((0.5,), (0.1,)), "mean=[0.5], std=[0.1], inplace=False"),
        (v2.RandomHorizontalFlip(), "p=0.5"),
        (v2.AutoAugment(), "interpolation=nearest, policy=AutoAugmentPolicy.IMAGENET"),
    ]:
        assert repr(transform).startswith(f"{type(transform).__name__}({text}")


def test_transforms_can_be_pickled():
    for transform in (v2.RandomCrop(4), v2.Compose([v2.ColorJitter(0.5), v2.MixUp(num_classes=3)]), v2.AugMix()):
        assert repr(pickle.loads(pickle.dumps(transform))) == repr(transform)


# --- single transforms ----------------------------------------------------------------------------------------------


def test_random_crop_pads_what_is_too_small():
    got = v2.RandomCrop((20, 10), pad_if_needed=True, fill={Image: 7, Mask: 9, "others": 0})(
        Image(lampas.zeros(1, H, W)), Mask(lampas.zeros(H, W)), boxes([1, 2, 3, 4])
    )
    assert [tuple(v.shape[-2:]) for v in got[:2]] == [(20, 10)] * 2 and got[2].canvas_size == (20, 10)
    assert set(got[0].unique().tolist()) == {0, 7} and set(got[1].unique().tolist()) == {0, 9}
    with pytest.raises(ValueError, match=r"\(20, 10\) is larger than padded input image size \(14, 18\)"):
        v2.RandomCrop((20, 10), padding=1)(image())


def test_resized_crops_stay_in_their_ranges():
    lampas.manual_seed(0)
    crop = v2.RandomResizedCrop(4, scale=(0.3, 0.6), ratio=(0.5, 2.0))
    for _ in range(50):
        p = crop.make_params([lampas.zeros(3, 100, 120)])
        assert 0 <= p["top"] <= 100 - p["height"] and 0 <= p["left"] <= 120 - p["width"]
        assert 0.27 < p["height"] * p["width"] / 12000 < 0.63 and 0.48 < p["width"] / p["height"] < 2.1


def test_erasing():
    lampas.manual_seed(0)
    got = v2.RandomErasing(p=1.0, value=(1, 2, 3))(lampas.zeros(3, 20, 20))
    assert [set(c.unique().tolist()) for c in got] == [{0, 1}, {0, 2}, {0, 3}]
    assert 0.01 < (got[0] == 1).float().mean() < 0.4
    with pytest.warns(UserWarning, match=r"passing through inputs of type tv_tensors\.Mask"):
        v2.RandomErasing(p=1.0)(image(), Mask(lampas.zeros(H, W)))


def test_iou_crops_keep_what_overlaps():
    lampas.manual_seed(0)
    crop = v2.RandomIoUCrop(sampler_options=[0.3])
    for _ in range(10):
        picture, found = crop(image(), boxes([1, 1, 9, 9], [10, 6, 15, 11]))
        assert tuple(picture.shape[-2:]) == tuple(found.canvas_size) and found.any()
    with pytest.raises(TypeError, match="requires input sample to contain"):
        crop(image())


def test_sanitizing_takes_labels_and_masks_along():
    got = v2.SanitizeBoundingBoxes()(sample() | {"labels": lampas.tensor([5, 6])})
    assert len(got["target"]["boxes"]) == len(got["masks"]) == 1 and got["labels"].tolist() == [5]
    assert type(got["masks"]) is Mask and type(got["target"]["boxes"]) is BoundingBoxes
    assert v2.SanitizeKeyPoints()(sample())["points"][0].tolist() == [[1, 2]]
    both = v2.SanitizeBoundingBoxes(labels_getter=lambda s: (s["a"], s["b"]))
    got = both({"boxes": boxes([0, 0, 2, 2], [0, 0, 0, 0]), "a": lampas.tensor([1, 2]), "b": lampas.ones(2, 3)})
    assert got["a"].tolist() == [1] and got["b"].shape == (1, 3)


def test_mixing():
    lampas.manual_seed(0)
    batch, labels = lampas.rand(4, 3, H, W), lampas.tensor([0, 1, 2, 0])
    for name in ("MixUp", "CutMix"):
        mixed, shares = getattr(v2, name)(num_classes=3)(batch, labels)
        np.testing.assert_allclose(shares.sum(1), [1] * 4, rtol=1e-6)
        share = shares[1, 1].item()  # of the image itself
        if name == "MixUp":
            np.testing.assert_allclose(mixed, batch * share + batch.roll(1, 0) * (1 - share), atol=1e-6)
        else:
            own = (mixed == batch).all(1)[0].float().mean().item()
            assert abs(own - share) < 1e-6
    soft = lampas.tensor([[0.5, 0.5]] * 4)
    assert v2.MixUp()({"images": Image(batch), "labels": soft})["labels"].tolist() == soft.tolist()


def test_beta_has_the_right_moments():
    from lampas.vision.transforms.v2._augment import _beta

    lampas.manual_seed(0)
    for alpha in (0.3, 1.0, 4.0):
        drawn = np.array([_beta(alpha) for _ in range(3000)])
        assert abs(drawn.mean() - 0.5) < 0.03 and abs(drawn.var() - 1 / (4 * (2 * alpha + 1))) < 0.01


def test_types():
    got = v2.ToDtype({Image: lampas.float32, Mask: lampas.int64, "others": None}, scale=True)(sample())
    assert got["image"].max() <= 1 and got["masks"].dtype == lampas.int64 and got["target"]["labels"].tolist() == [1, 2]
    with pytest.raises(ValueError, match="No dtype was specified for type"):
        v2.ToDtype({Mask: lampas.int64})(image())
    with pytest.warns(UserWarning, match="no scaling will be done"):
        v2.ToDtype({Image: None}, scale=True)(image())
    with pytest.warns(UserWarning, match=r"will \*not\* be transformed"):
        v2.ToDtype({Image: lampas.float32, lampas.Tensor: lampas.float32})
    assert type(v2.ToPureTensor()(sample())["masks"]) is lampas.Tensor
    assert type(v2.ToImage()(np.zeros((2, 3, 3), np.uint8))) is Image
    with pytest.warns(UserWarning, match="deprecated"):
        assert v2.ToTensor()(np.full((2, 3, 3), 255, np.uint8)).max() == 1


def test_pillow():
    pillow = pytest.importorskip("PIL.Image")
    picture = pillow.fromarray(np.arange(H * W * 3, dtype=np.uint8).reshape(H, W, 3))
    got = v2.Compose([v2.Resize(6), v2.RandomHorizontalFlip(p=1.0), v2.ToImage()])({"x": picture})["x"]
    assert type(got) is Image and got.shape == (3, 6, 8)
    back = v2.ToPILImage()(got)
    assert back.size == (8, 6) and np.array_equal(np.asarray(back).transpose(2, 0, 1), got.numpy())
    with pytest.raises(TypeError, match=r"Normalize\(\) does not support PIL images"):
        v2.Normalize([0.5], [0.5])(picture)
    with pytest.warns(UserWarning, match="antialias is ignored"):
        v2.Resize(4, antialias=False)(picture)
    with pytest.raises(ValueError, match="not implemented for PIL images"):
        v2.GaussianNoise()(picture)


def test_whitening():
    matrix, mean = lampas.eye(12) * 2, lampas.ones(12)
    got = v2.LinearTransformation(matrix, mean)(Image(lampas.arange(24.0).reshape(2, 3, 2, 2)))
    assert type(got) is Image and got.flatten().tolist() == [2 * (i - 1) for i in range(24)]


def test_frames():
    video = Video(lampas.arange(10).reshape(10, 1, 1, 1))
    assert v2.UniformTemporalSubsample(4)(video).flatten().tolist() == [0, 3, 6, 9]


@pytest.mark.parametrize("name", ["AutoAugment", "RandAugment", "TrivialAugmentWide", "AugMix"])
def test_policies(name):
    lampas.manual_seed(0)
    policy = getattr(v2, name)()
    for given in (image(), Video(lampas.randint(0, 256, (2, 3, H, W), dtype=lampas.uint8))):
        for _ in range(20):
            got = policy([given, "text"])[0]
            assert type(got) is type(given) and got.shape == given.shape and got.dtype == given.dtype
    with pytest.raises(TypeError, match="Inputs of type BoundingBoxes are not supported"):
        policy(image(), boxes([0, 0, 1, 1]))
    with pytest.raises(TypeError, match="Found no image"):
        policy("text")
    with pytest.raises(TypeError, match="found 2"):
        policy(image(), image())


@pytest.mark.parametrize(
    ("error", "make", "message"),
    [
        (TypeError, lambda: v2.Compose(3), "sequence of callables"),
        (ValueError, lambda: v2.Compose([]), "at least one transform"),
        (TypeError, lambda: v2.RandomApply(3), "ModuleList"),
        (ValueError, lambda: v2.RandomApply([len], p=2), r"interval \[0.0, 1.0\], got 2"),
        (ValueError, lambda: v2.RandomChoice([len], p=[1, 2]), "2 != 1"),
        (ValueError, lambda: v2.RandomInvert(p=-1), r"interval \[0.0, 1.0\]"),
        (ValueError, lambda: v2.Resize([1, 2, 3]), r"but got \[1, 2, 3\] instead"),
        (ValueError, lambda: v2.Resize(None), "max_size must be an integer"),
        (ValueError, lambda: v2.CenterCrop([1, 2, 3]), r"two dimensions \(h, w\)"),
        (TypeError, lambda: v2.RandomResizedCrop(3, scale=1), "Scale should be a sequence of two floats"),
        (ValueError, lambda: v2.Pad([1, 2, 3]), "1, 2, or 4 element"),
        (ValueError, lambda: v2.Pad(1, padding_mode="round"), "either constant, edge, reflect or symmetric"),
        (TypeError, lambda: v2.Pad(1, fill="red"), "inappropriate fill"),
        (ValueError, lambda: v2.RandomZoomOut(side_range=(0.5, 2)), "Invalid side range"),
        (TypeError, lambda: v2.RandomZoomOut(side_range=2), "sequence of length 2"),
        (ValueError, lambda: v2.RandomRotation(-1), "must be positive"),
        (ValueError, lambda: v2.RandomRotation([1, 2, 3]), "degrees should be a sequence of length 2"),
        (ValueError, lambda: v2.RandomAffine(1, translate=(0, 2)), "between 0 and 1"),
        (ValueError, lambda: v2.RandomAffine(1, scale=(0, 2)), "should be positive"),
        (ValueError, lambda: v2.RandomAffine(1, shear=(1, 2, 3)), "length 2 or 4"),
        (ValueError, lambda: v2.RandomPerspective(2), "between 0 and 1"),
        (TypeError, lambda: v2.ElasticTransform(alpha=None), "alpha should be a number or a sequence"),
        (ValueError, lambda: v2.ElasticTransform(sigma=[1, 2, 3]), "length should be 1 or 2"),
        (ValueError, lambda: v2.ElasticTransform(sigma=["1"]), "sequence of numbers"),
        (ValueError, lambda: v2.ColorJitter(brightness=-1), "non negative"),
        (TypeError, lambda: v2.ColorJitter(contrast="1"), "single number or a sequence with length 2"),
        (ValueError, lambda: v2.ColorJitter(hue=0.6), r"between \(-0.5, 0.5\)"),
        (TypeError, lambda: v2.RandomErasing(value=None), "number or str or a sequence"),
        (ValueError, lambda: v2.RandomErasing(value="noise"), "should be 'random'"),
        (ValueError, lambda: v2.RandomErasing(scale=(0, 2)), "between 0 and 1"),
        (TypeError, lambda: v2.RandomErasing(ratio=2), "Ratio should be a sequence"),
        (ValueError, lambda: v2.RandomErasing(p=1, value=(1, 2))(image()), "single value or 3"),
        (TypeError, lambda: v2.JPEG(True), "can't be bool"),
        (ValueError, lambda: v2.JPEG((50, 120)), "from 1 to 100"),
        (ValueError, lambda: v2.GaussianBlur(4), "odd and positive"),
        (ValueError, lambda: v2.GaussianBlur(3, (2, 1)), r"of the form \(min, max\)"),
        (ValueError, lambda: v2.ToDtype("float"), "dict or a torch.dtype"),
        (ValueError, lambda: v2.SetClampingMode("firm"), "got firm"),
        (ValueError, lambda: v2.SanitizeBoundingBoxes(min_size=0), "min_size must be >= 1"),
        (ValueError, lambda: v2.SanitizeBoundingBoxes(min_area=0), "min_area must be >= 1"),
        (ValueError, lambda: v2.SanitizeBoundingBoxes(labels_getter=3), "'default', a callable, or None"),
        (ValueError, lambda: v2.SanitizeBoundingBoxes()("text"), "dictionary or a two-tuple"),
        (ValueError, lambda: v2.SanitizeBoundingBoxes()({"boxes": 1}), "where the labels are"),
        (ValueError, lambda: v2.SanitizeBoundingBoxes()({"labels": 1}), "must be a tensor or None"),
        (
            ValueError,
            lambda: v2.SanitizeBoundingBoxes()({"b": boxes([0, 0, 1, 1]), "labels": lampas.zeros(2)}),
            "must match the number of labels",
        ),
        (ValueError, lambda: v2.MixUp(alpha=0), "must be positive"),
        (ValueError, lambda: v2.MixUp()(lampas.zeros(2, 3, 4, 4), lampas.zeros(2)), "num_classes must be passed"),
        (ValueError, lambda: v2.MixUp(num_classes=2)(lampas.zeros(3, 4, 4), lampas.zeros(3)), "batched input with 4"),
        (ValueError, lambda: v2.CutMix(num_classes=2)(lampas.zeros(2, 3, 4, 4), lampas.zeros(3)), "2 != 3"),
        (ValueError, lambda: v2.CutMix()(lampas.zeros(2, 3, 4, 4), lampas.zeros(1, 1, 1)), "labels should be index"),
        (ValueError, lambda: v2.CutMix(num_classes=3)(lampas.zeros(2, 3, 4, 4), lampas.zeros(2, 2)), "2 != 3"),
        (ValueError, lambda: v2.MixUp()({"x": boxes([0, 0, 1, 1]), "labels": lampas.zeros(2)}), "does not support PIL"),
        (
            ValueError,
            lambda: v2.MixUp(labels_getter=lambda s: 3)(lampas.zeros(2, 3, 4, 4)),
            "must be a tensor, but got",
        ),
        (ValueError, lambda: v2.AutoAugment("imagenet"), "not recognized"),
        (ValueError, lambda: v2.RandAugment(num_ops=-1), "non-negative integer"),
        (ValueError, lambda: v2.AugMix(severity=11), r"between \[1, 10\]. Got 11"),
        (TypeError, lambda: v2.FiveCrop(3)(boxes([0, 0, 1, 1])), r"not supported by FiveCrop\(\)"),
        (ValueError, lambda: v2.LinearTransformation(lampas.zeros(2, 3), lampas.zeros(2)), "should be square"),
        (ValueError, lambda: v2.LinearTransformation(lampas.eye(2), lampas.zeros(3)), "same length 3"),
        (ValueError, lambda: v2.LinearTransformation(lampas.eye(2), lampas.zeros(2).double()), "same dtype"),
        (ValueError, lambda: v2.LinearTransformation(lampas.eye(2), lampas.zeros(2))(image()), r"\[3 x 12 x 16\] != 2"),
    ],
)
def test_errors(error, make, message):
    with pytest.raises(error, match=message):
        make()


def test_boxes_and_points_themselves():
    some = boxes([1, 2, 30, 40])
    assert v2.ConvertBoundingBoxFormat("xywh")(some).tolist() == [[1, 2, 29, 38]]
    assert v2.ClampBoundingBoxes()(some).tolist() == [[1, 2, W, H]]
    assert v2.ClampBoundingBoxes()(v2.SetClampingMode(None)(some)).tolist() == some.tolist()
    assert v2.ClampKeyPoints()(KeyPoints([[99, -1]], canvas_size=(H, W))).tolist() == [[W - 1, 0]]


# --- data sets ------------------------------------------------------------------------------------------------------


def test_wrapped_data_sets(tmp_path):
    pillow = pytest.importorskip("PIL.Image")
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        pillow.new("RGB", (6, 5)).save(tmp_path / name / "one.png")
    folder = datasets.ImageFolder(str(tmp_path), transform=v2.ToImage(), target_transform=lambda label: label + 10)
    wrapped = datasets.wrap_dataset_for_transforms_v2(folder)
    assert isinstance(wrapped, datasets.ImageFolder) and type(wrapped).__name__ == "WrappedImageFolder"
    assert len(wrapped) == 2 and wrapped.classes == ["cat", "dog"]
    assert type(wrapped[1][0]) is Image and wrapped[1][1] == 11
    joint = datasets.ImageFolder(str(tmp_path))
    joint.transforms = v2.Compose([v2.ToImage(), v2.Resize(3)])
    wrapped = pickle.loads(pickle.dumps(datasets.wrap_dataset_for_transforms_v2(joint)))
    assert wrapped[0][0].shape == (3, 3, 3) and wrapped[0][1] == 0
    with pytest.raises(ValueError, match="data sets whose targets are dicts"):
        datasets.wrap_dataset_for_transforms_v2(joint, target_keys=["boxes"])
    with pytest.raises(ValueError, match="None, 'all', or a collection of strings"):
        datasets.wrap_dataset_for_transforms_v2(joint, target_keys="boxes")
    with pytest.raises(TypeError, match="meant for subclasses of `VisionDataset`"):
        datasets.wrap_dataset_for_transforms_v2([1, 2])
    with pytest.raises(TypeError, match="No wrapper exists for dataset class FakeData"):
        datasets.wrap_dataset_for_transforms_v2(datasets.FakeData(2))


def test_samples_are_collated():
    from lampas.utils.data import default_collate

    batch = default_collate([(image(), 1), (image(), 2)])
    assert batch[0].shape == (2, 3, H, W) and isinstance(tv_tensors.Image(batch[0]), Image)
