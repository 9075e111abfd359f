"""lampas.vision.transforms.v2 and tv_tensors beside torchvision's: the same seed, the same sample, the same result."""

import inspect
import sys
import types

import numpy as np
import pytest

torch = pytest.importorskip("torch")
# a build of PyTorch without torchvision's compiled operators: what is compared here needs none
sys.modules.setdefault("torchvision._meta_registrations", types.ModuleType("torchvision._meta_registrations"))
torchvision = pytest.importorskip("torchvision")
PIL_Image = pytest.importorskip("PIL.Image")
from torchvision import tv_tensors as their_tensors  # noqa: E402
from torchvision.transforms import v2 as theirs  # noqa: E402

import lampas  # noqa: E402
from lampas.vision import tv_tensors as our_tensors  # noqa: E402
from lampas.vision.transforms import v2 as ours  # noqa: E402

H, W = 37, 50
rng = np.random.default_rng(0)
PIXELS = rng.integers(0, 256, (3, H, W), dtype=np.uint8)
MASK = rng.integers(0, 5, (H, W), dtype=np.uint8)
BOXES = np.array([[5.0, 4.0, 30.0, 22.0], [10.5, 12.0, 20.25, 30.5], [0.0, 0.0, 49.0, 36.0]], np.float32)
ROTATED = np.array([[15.0, 14.0, 12.0, 8.0, 30.0], [20.0, 18.0, 10.0, 15.0, -70.0]], np.float32)
POINTS = np.array([[3.0, 4.0], [40.5, 30.25], [25.0, 0.0]], np.float32)


class Side:
    """One of the two libraries."""

    def __init__(self, base, tensors, v2):
        self.base, self.tensors, self.v2, self.F = base, tensors, v2, v2.functional

    def tensor(self, array):
        return self.base.from_numpy(array.copy())

    def boxes(self, array=BOXES, format="XYXY", **options):
        return self.tensors.BoundingBoxes(self.tensor(array), format=format, canvas_size=(H, W), **options)

    def make(self, kind):
        t = self.tensors
        return {
            "uint8": lambda: self.tensor(PIXELS),
            "float": lambda: self.tensor((PIXELS / np.float32(255)).astype(np.float32)),
            "image": lambda: t.Image(self.tensor(PIXELS)),
            "grey": lambda: t.Image(self.tensor(PIXELS[:1])),
            "video": lambda: t.Video(self.tensor(np.stack([PIXELS, PIXELS[::-1]]))),
            "pil": lambda: PIL_Image.fromarray(PIXELS.transpose(1, 2, 0).copy()),
            "mask": lambda: t.Mask(self.tensor(MASK)),
            "boxes": self.boxes,
            "xywh": lambda: self.boxes(np.concatenate([BOXES[:, :2], BOXES[:, 2:] - BOXES[:, :2]], 1), "XYWH"),
            "integer boxes": lambda: self.boxes(BOXES.astype(np.int64), "CXCYWH"),
            "rotated": lambda: self.boxes(ROTATED, "CXCYWHR"),
            "rotated, hard": lambda: self.boxes(ROTATED, "XYWHR", clamping_mode="hard"),
            "corners": lambda: self.F.convert_bounding_box_format(
                self.boxes(ROTATED, "CXCYWHR"), new_format="XYXYXYXY"
            ),
            "points": lambda: t.KeyPoints(self.tensor(POINTS), canvas_size=(H, W)),
            "nested": lambda: {
                "image": t.Image(self.tensor(PIXELS)),
                "target": [{"boxes": self.boxes(), "masks": t.Mask(self.tensor(np.stack([MASK] * 3)))}, "name", 3],
                "points": (t.KeyPoints(self.tensor(POINTS), canvas_size=(H, W)), None),
                "labels": self.base.tensor([1, 2, 3]),
            },
        }[kind]()


US, THEM = Side(lampas, our_tensors, ours), Side(torch, their_tensors, theirs)


def compare(mine, other, tolerance, share=0.0):
    """Structure, classes, dtypes, what is carried, and numbers.

    Values of pixels that are whole numbers may be off by the tolerance, and this share of them by more.
    """
    if isinstance(other, (list, tuple)):
        assert type(mine) is type(other) and len(mine) == len(other)
        for a, b in zip(mine, other, strict=True):
            compare(a, b, tolerance, share)
    elif isinstance(other, dict):
        assert list(mine) == list(other)
        for key in other:
            compare(mine[key], other[key], tolerance, share)
    elif isinstance(other, torch.Tensor):
        assert type(mine).__name__ == type(other).__name__
        assert str(mine.dtype) == str(other.dtype) and tuple(mine.shape) == tuple(other.shape)
        for name in ("canvas_size", "clamping_mode"):
            assert getattr(mine, name, None) == getattr(other, name, None)
        assert getattr(getattr(mine, "format", None), "name", None) == getattr(
            getattr(other, "format", None), "name", None
        )
        a, b = mine.as_subclass(lampas.Tensor).numpy(), other.as_subclass(torch.Tensor).numpy()
        if a.dtype.kind in "ui":
            assert (np.abs(a.astype(int) - b.astype(int)) > tolerance).mean() <= share
        else:
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-4)
    elif isinstance(other, PIL_Image.Image):
        assert mine.mode == other.mode and mine.size == other.size
        difference = np.abs(np.asarray(mine).astype(int) - np.asarray(other).astype(int))
        assert (difference > tolerance).mean() <= share
    else:
        assert mine == other


def run(name, options, kind, seed):
    results = []
    for side in (US, THEM):
        given = options(side) if callable(options) else options
        args = given if isinstance(given, tuple) else ()
        transform = getattr(side.v2, name)(*args, **(given if isinstance(given, dict) else {}))
        side.base.manual_seed(seed)
        try:
            results.append((transform(side.make(kind)), side.base.rand(1).item(), repr(transform)))
        except Exception as error:
            results.append((type(error), None, None))
    return results


def same(name, options, kind, tolerance=0, seeds=(0, 1), share=0.0):
    for seed in seeds:
        (mine, state, text), (other, their_state, their_text) = run(name, options, kind, seed)
        if isinstance(other, type) or isinstance(mine, type):
            assert mine is other
            continue
        compare(mine, other, tolerance, share)
        assert state == their_state, "another number of random numbers was drawn"
        assert text == their_text.replace("torchvision", "lampas.vision")


KINDS = [
    "uint8",
    "float",
    "image",
    "grey",
    "video",
    "pil",
    "mask",
    "boxes",
    "xywh",
    "integer boxes",
    "points",
    "nested",
]
TURNED = ["rotated", "rotated, hard", "corners"]

PLACES = [
    ("RandomHorizontalFlip", {"p": 1.0}),
    ("RandomHorizontalFlip", {"p": 0.5}),
    ("RandomVerticalFlip", {"p": 1.0}),
    ("Resize", {"size": 20}),
    ("Resize", {"size": [60, 30], "antialias": True}),
    ("Resize", {"size": (20, 70), "interpolation": "bicubic"}),
    ("Resize", {"size": None, "max_size": 33, "interpolation": "nearest"}),
    ("Resize", {"size": [21], "max_size": 26, "interpolation": 0}),
    ("CenterCrop", {"size": 20}),
    ("CenterCrop", {"size": (45, 30)}),
    ("RandomResizedCrop", {"size": (16, 24)}),
    ("RandomResizedCrop", {"size": 8, "scale": (0.9, 1.0), "ratio": (3.0, 4.0)}),
    ("RandomCrop", {"size": 20}),
    ("RandomCrop", {"size": (37, 60), "pad_if_needed": True, "fill": 3}),
    ("RandomCrop", {"size": (30, 30), "padding": [1, 2, 3, 4], "padding_mode": "constant"}),
    ("RandomCrop", {"size": 100}),
    ("Pad", {"padding": 3}),
    ("Pad", {"padding": [1, 2], "fill": (1, 2, 3)}),
    ("Pad", {"padding": [1, 2, 3, 4], "padding_mode": "edge"}),
    ("Pad", {"padding": 4, "padding_mode": "reflect"}),
    ("Pad", {"padding": 4, "padding_mode": "symmetric"}),
    ("RandomZoomOut", {"p": 1.0, "fill": 7}),
    ("ScaleJitter", {"target_size": (40, 30)}),
    ("RandomShortestSize", {"min_size": [10, 20, 30], "max_size": 35}),
    ("RandomResize", {"min_size": 10, "max_size": 40}),
]
WARPS = [
    ("RandomRotation", {"degrees": 45}),
    ("RandomRotation", {"degrees": (90, 90), "expand": True}),
    ("RandomRotation", {"degrees": (180, 180)}),
    ("RandomRotation", {"degrees": 30, "expand": True, "fill": 9, "interpolation": "bilinear"}),
    ("RandomRotation", {"degrees": 30, "center": [5, 6]}),
    ("RandomAffine", {"degrees": 20, "translate": (0.1, 0.2), "scale": (0.5, 1.5), "shear": 10}),
    ("RandomAffine", {"degrees": 0, "shear": (-5, 5, -8, 8), "interpolation": "bilinear", "fill": 4}),
    ("RandomPerspective", {"p": 1.0}),
    ("RandomPerspective", {"p": 1.0, "distortion_scale": 0.2, "interpolation": "nearest", "fill": 2}),
    ("ElasticTransform", {}),
    ("ElasticTransform", {"alpha": [20.0, 60.0], "sigma": [3.0, 4.0], "interpolation": "nearest", "fill": 1}),
]
VALUES = [
    ("ColorJitter", {"brightness": 0.5, "contrast": (0.3, 1.7), "saturation": 0.6}),
    ("ColorJitter", {"hue": 0.4}),
    ("ColorJitter", {"brightness": 0.5, "contrast": 0.5, "saturation": 0.5, "hue": 0.5}),
    ("RandomPhotometricDistort", {}),
    ("RandomPhotometricDistort", {"p": 1.0}),
    ("RandomChannelPermutation", {}),
    ("Grayscale", {}),
    ("Grayscale", {"num_output_channels": 3}),
    ("RandomGrayscale", {"p": 1.0}),
    ("RGB", {}),
    ("RandomEqualize", {"p": 1.0}),
    ("RandomInvert", {"p": 1.0}),
    ("RandomAutocontrast", {"p": 1.0}),
    ("RandomPosterize", {"bits": 3, "p": 1.0}),
    ("RandomSolarize", {"threshold": 0.5, "p": 1.0}),
    ("RandomAdjustSharpness", {"sharpness_factor": 2.0, "p": 1.0}),
    ("RandomAdjustSharpness", {"sharpness_factor": 0.3}),
    ("GaussianBlur", {"kernel_size": (5, 3)}),
    ("GaussianBlur", {"kernel_size": 7, "sigma": 1.5}),
    ("GaussianNoise", {"mean": 0.1, "sigma": 0.2}),
    ("RandomErasing", {"p": 1.0}),
    ("RandomErasing", {"p": 1.0, "value": "random", "scale": (0.1, 0.2)}),
    ("RandomErasing", {"p": 0.5, "value": (1, 2, 3)}),
    ("Identity", {}),
    ("ToImage", {}),
    ("ToPureTensor", {}),
    ("PILToTensor", {}),
    ("ToPILImage", {}),
    ("ClampBoundingBoxes", {}),
    ("ClampKeyPoints", {}),
    ("UniformTemporalSubsample", {"num_samples": 3}),
    ("Normalize", {"mean": [0.4, 0.5, 0.6], "std": [0.1, 0.2, 0.3]}),
    ("ToDtype", lambda side: {"dtype": side.base.float32, "scale": True}),
    ("ToDtype", lambda side: {"dtype": side.base.float64}),
    ("ToDtype", lambda side: {"dtype": side.base.uint8, "scale": True}),
    ("ToDtype", lambda side: {"dtype": {side.tensors.Mask: side.base.int64, "others": None}}),
    ("ConvertImageDtype", lambda side: {"dtype": side.base.float32}),
]


def listed(cases):
    return [pytest.param(*case, id=f"{case[0]}-{i}") for i, case in enumerate(cases)]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "options"), listed(PLACES))
def test_places(name, options, kind):
    same(name, options, kind, tolerance=1 if "ize" in name or name == "ScaleJitter" else 0)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "options"), listed(WARPS))
def test_warps(name, options, kind):
    same(name, options, kind, tolerance=1)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "options"), listed(VALUES))
def test_values(name, options, kind):
    # several adjustments of whole numbers in a row, each of which may be one off
    same(name, options, kind, tolerance={"ColorJitter": 4, "RandomPhotometricDistort": 4}.get(name, 1))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["pil", "boxes"])
def test_jpeg_of_pillow(kind):
    same("JPEG", {"quality": (20, 80)}, kind)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", TURNED)
@pytest.mark.parametrize(("name", "options"), listed(PLACES + WARPS))
def test_rotated_boxes(name, options, kind):
    same(name, options, kind)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["uint8", "image", "pil", "video", "boxes", "nested"])
@pytest.mark.parametrize("name", ["AutoAugment", "RandAugment", "TrivialAugmentWide", "AugMix"])
def test_policies(name, kind):
    same(name, {}, kind, tolerance=2, seeds=range(12), share=0.01)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("policy", ["IMAGENET", "CIFAR10", "SVHN"])
def test_policies_of_auto_augment(policy):
    options = lambda side: {"policy": side.v2.AutoAugmentPolicy[policy]}  # noqa: E731
    same("AutoAugment", options, "image", tolerance=2, seeds=range(40), share=0.02)


@pytest.mark.parametrize("kind", ["uint8", "image", "pil", "nested", "points"])
@pytest.mark.filterwarnings("ignore")
def test_several_crops(kind):
    same("FiveCrop", {"size": (20, 10)}, kind)
    same("TenCrop", {"size": 12, "vertical_flip": True}, kind)


def test_containers():
    def parts(v2):
        return [v2.RandomHorizontalFlip(), v2.RandomCrop(20), v2.Pad(2), v2.RandomInvert()]

    for name, options in [("Compose", {}), ("RandomApply", {"p": 0.4}), ("RandomOrder", {})]:
        same(name, lambda side, o=options: {"transforms": parts(side.v2), **o}, "nested", seeds=range(6))
    same("RandomChoice", lambda s: {"transforms": parts(s.v2), "p": [1, 2, 3, 4]}, "image", seeds=range(6))


def test_iou_crop_and_sanitizing():
    for seed in range(15):
        same("RandomIoUCrop", {}, "nested", seeds=[seed])
    same("RandomIoUCrop", {}, "image")
    same("SanitizeBoundingBoxes", {}, "nested")
    same("SanitizeBoundingBoxes", {"min_size": 15, "labels_getter": None}, "xywh")
    same("SanitizeBoundingBoxes", {"min_area": 100.0, "labels_getter": None}, "rotated")
    same("SanitizeKeyPoints", {}, "nested")
    same("SanitizeKeyPoints", {}, "points")


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
@pytest.mark.parametrize("name", ["MixUp", "CutMix"])
def test_mixing(name, alpha):
    batch = rng.random((4, 3, 8, 9)).astype(np.float32)
    for seed in range(8):
        results = []
        for side in (US, THEM):
            transform = getattr(side.v2, name)(alpha=alpha, num_classes=5)
            side.base.manual_seed(seed)
            results.append(transform(side.tensor(batch), side.base.tensor([0, 3, 1, 4])) + (side.base.rand(2),))
        compare(*results, 0)


FORMATS = [["XYXY", "XYWH", "CXCYWH"], ["XYWHR", "CXCYWHR", "XYXYXYXY"]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize(("old", "new"), [(a, b) for group in FORMATS for a in group for b in group])
def test_formats(old, new, dtype):
    width = {"XYWHR": 5, "CXCYWHR": 5, "XYXYXYXY": 8}.get(old, 4)
    if width > 4 and dtype is np.int64:
        pytest.skip("rotated boxes are not integers")
    array = (rng.random((20, width)) * 30).astype(dtype)
    mine = US.F.convert_bounding_box_format(US.tensor(array), old, new)
    compare(mine, THEM.F.convert_bounding_box_format(THEM.tensor(array), old, new), 0)


@pytest.mark.parametrize("mode", ["soft", "hard", None])
@pytest.mark.parametrize("format", ["XYXY", "CXCYWH", "XYWHR", "XYXYXYXY"])
def test_clamping(format, mode):
    base = rng.random((200, 5)) * [60, 50, 30, 30, 360] - [5, 5, 0, 0, 180]
    results = []
    for side in (US, THEM):
        boxes = side.tensor(base.astype(np.float32))
        if format in ("XYXY", "CXCYWH"):
            boxes = side.F.convert_bounding_box_format(boxes[:, :4], "XYWH", format)
        else:
            boxes = side.F.convert_bounding_box_format(boxes, "CXCYWHR", format)
        boxes = side.tensors.BoundingBoxes(boxes, format=format, canvas_size=(H, W), clamping_mode=mode)
        results.append(side.v2.ClampBoundingBoxes()(boxes))
    assert np.isnan(results[0].numpy()).sum() == np.isnan(results[1].numpy()).sum()
    mine, other = (np.nan_to_num(r.numpy()) for r in results)
    # degenerate rectangles depend on rounding
    assert (np.abs(mine - other).max(axis=1) < 1e-2).mean() > 0.98


@pytest.mark.parametrize("kind", ["image", "mask", "boxes", "rotated", "points", "video"])
def test_reprs(kind):
    mine, other = (repr(side.make(kind)) for side in (US, THEM))
    assert mine == other


def test_operations_keep_or_lose_the_class():
    for kind in ("image", "boxes", "points"):
        outcome = []
        for side in (US, THEM):
            x = side.make(kind)
            names = []
            for inside in ("Tensor", "TVTensor"):
                with side.tensors.set_return_type(inside):
                    y = x.clone()
                    y += 1
                    values = [
                        x + 1,
                        x.clone(),
                        x.to(side.base.float64),
                        x.detach(),
                        x[0],
                        x.float().requires_grad_(),
                        y,
                    ]
                    values += [side.base.stack([x, x]), *x.split(1), x.sum()]
                    names.append([type(v).__name__ for v in values])
            outcome.append(names)
        assert outcome[0] == outcome[1]


def signature(function):
    """Names, kinds, and those defaults that are plain values."""
    plain = (bool, int, float, str, tuple, type(None))
    return [
        (p.name, p.kind, p.default if isinstance(p.default, plain) else p.default is p.empty)
        for p in inspect.signature(function).parameters.values()
    ]


def test_names_and_signatures():
    for mine, other in ((ours, theirs), (ours.functional, theirs.functional), (our_tensors, their_tensors)):
        public = [n for n in vars(other) if not n.startswith("_") and not inspect.ismodule(getattr(other, n))]
        assert [n for n in public if not hasattr(mine, n)] == []
        for name in public:
            their = getattr(other, name)
            if (isinstance(their, type) and issubclass(their, (torch.Tensor, Exception))) or name.startswith(
                "InterpolationM"
            ):
                continue
            if name in ("AutoAugmentPolicy", "BoundingBoxFormat", "Any"):
                continue
            parameters = [signature(getattr(mine, name)), signature(their)]
            assert parameters[0] == parameters[1], name
