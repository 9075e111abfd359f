"""Transforms as objects: what they draw, what they print, what they refuse."""

import pickle
import random
import subprocess
import sys

import pytest

Image = pytest.importorskip("PIL.Image")

import lampas  # noqa: E402
from lampas import nn  # noqa: E402
from lampas.vision import transforms as T  # noqa: E402


@pytest.fixture(autouse=True)
def seed():
    lampas.manual_seed(0)
    random.seed(0)


def picture(*shape):
    return lampas.randint(0, 256, shape or (3, 20, 30), dtype=lampas.uint8)


def drawn(transform, image, times=200):
    """What a transform makes of an image, and how often."""
    results = {}
    for _ in range(times):
        key = tuple(transform(image).flatten().tolist())
        results[key] = results.get(key, 0) + 1
    return results


def test_the_usual_pipeline():
    pipeline = T.Compose(
        [
            T.Resize(24),
            T.RandomCrop(20),
            T.RandomHorizontalFlip(),
            T.ToTensor(),
            T.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    out = pipeline(Image.new("RGB", (40, 30), (255, 0, 128)))
    assert out.shape == (3, 20, 20) and out.dtype == lampas.float32
    for channel, value, mean, std in zip(out, (1, 0, 128 / 255), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)):
        assert channel.unique().tolist() == pytest.approx([(value - mean) / std], abs=1e-5)


def test_modules_work_in_sequential_and_survive_pickling():
    model = nn.Sequential(T.CenterCrop(8), T.ConvertImageDtype(lampas.float32), T.Normalize([0.5], [0.5]))
    x = picture()
    copy = pickle.loads(pickle.dumps(model))
    assert lampas.equal(model(x), copy(x)) and model(x).shape == (3, 8, 8)
    assert repr(pickle.loads(pickle.dumps(T.Compose([T.ToTensor(), T.AutoAugment()])))).startswith("Compose(\n    ToT")


def test_names_under_torchvision(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "from torchvision import transforms\n"
        "import torchvision.transforms as T\n"
        "import torchvision.transforms.functional as F\n"
        "from torchvision.transforms import Compose, InterpolationMode\n"
        "from torchvision.transforms.functional import to_tensor\n"
        "from torchvision.transforms.autoaugment import RandAugment\n"
        "print(transforms is T, T.functional is F, Compose is T.Compose, RandAugment is T.RandAugment)\n"
    )
    done = subprocess.run([sys.executable, "-m", "lampas", str(program)], capture_output=True, text=True)
    assert done.stdout == "True True True True\n", done.stderr


def test_probabilities():
    x = lampas.arange(12).view(1, 3, 4).to(lampas.uint8)
    for transform, part in [
        (T.RandomHorizontalFlip(0.25), 0.25),
        (T.RandomVerticalFlip(), 0.5),
        (T.RandomInvert(0.75), 0.75),
        (T.RandomApply([T.RandomInvert(1), T.Lambda(lambda x: x + 1)], 0.4), 0.4),
        (T.RandomPosterize(2, 0.5), 0.5),
        (T.RandomSolarize(5, 0.5), 0.5),
        (T.RandomAutocontrast(0.3), 0.3),
        (T.RandomErasing(0.6, value="random"), 0.6),
    ]:
        results = drawn(transform, x, 400)
        assert 1 - results[tuple(range(12))] / 400 == pytest.approx(part, abs=0.08), transform
    always = lampas.equal(T.RandomHorizontalFlip(1.0)(x), x.flip(-1))
    assert always and T.RandomHorizontalFlip(0.0)(x) is x


def test_python_draws_choice_and_order():
    transforms = [T.Lambda(lambda x, k=k: x * 10 + k) for k in range(3)]
    assert {T.RandomChoice(transforms)(0) for _ in range(50)} == {0, 1, 2}
    assert {T.RandomChoice(transforms, p=[0, 1, 0])(0) for _ in range(50)} == {1}
    assert len({T.RandomOrder(transforms)(0) for _ in range(100)}) == 6


def test_crops_are_parts():
    x = picture(1, 8, 9)
    parts = {tuple(x[0, i : i + 5, j : j + 6].flatten().tolist()) for i in range(4) for j in range(4)}
    assert set(drawn(T.RandomCrop((5, 6)), x)) == parts
    assert T.RandomCrop(8, padding=2)(x).shape == (1, 8, 8)
    assert T.RandomCrop(20, pad_if_needed=True)(x).shape == (1, 20, 20)


def test_resized_crops_stay_in_their_bounds():
    x = picture()
    for _ in range(200):
        i, j, h, w = T.RandomResizedCrop.get_params(x, [0.2, 0.5], [0.5, 2.0])
        assert 0 <= i <= 20 - h and 0 <= j <= 30 - w
        assert 0.14 < h * w / 600 < 0.57 and 0.4 < w / h < 2.4
    # nothing fits: the largest of these proportions, in the middle
    assert T.RandomResizedCrop.get_params(x, [4.0, 4.0], [0.5, 1.0]) == (0, 5, 20, 20)
    assert T.RandomResizedCrop.get_params(x, [4.0, 4.0], [2.0, 3.0]) == (2, 0, 15, 30)


def test_rotation_and_affine_draw_within_bounds():
    angles = [T.RandomRotation.get_params([-10, 20]) for _ in range(300)]
    assert -10 <= min(angles) < -8 and 18 < max(angles) <= 20
    for _ in range(100):
        angle, (x, y), scale, shear = T.RandomAffine.get_params([5, 6], (0.1, 0.2), (0.5, 2), [1, 2, 3, 4], [100, 50])
        assert 5 <= angle <= 6 and abs(x) <= 10 and abs(y) <= 10 and 0.5 <= scale <= 2
        assert 1 <= shear[0] <= 2 and 3 <= shear[1] <= 4


def test_perspective_moves_corners_inwards():
    for _ in range(50):
        start, end = T.RandomPerspective.get_params(40, 20, 0.5)
        assert start == [[0, 0], [39, 0], [39, 19], [0, 19]]
        for (x, y), (u, v) in zip(start, end):
            assert abs(x - u) <= 11 and abs(y - v) <= 6 and 0 <= u < 40 and 0 <= v < 20


def test_jitter():
    x = picture() / 255
    order, *factors = T.ColorJitter.get_params((0.5, 1.5), None, (0.9, 0.9), None)
    assert sorted(order.tolist()) == [0, 1, 2, 3] and 0.5 <= factors[0] <= 1.5
    assert factors[1] is None and factors[2] == pytest.approx(0.9) and factors[3] is None
    assert lampas.equal(T.ColorJitter()(x), x)
    darker = T.ColorJitter(brightness=(0.5, 0.5))(x)
    assert lampas.allclose(darker, x / 2)


def test_erasing():
    x = lampas.ones(3, 40, 40)
    erased = T.RandomErasing(1.0, scale=(0.25, 0.25), ratio=(1.0, 1.0), value=(1, 2, 3))(x)
    assert [(channel == k).sum().item() for k, channel in zip((2, 3), erased[1:])] == [400, 400]
    assert x.unique().tolist() == [1.0]
    assert T.RandomErasing(1.0, inplace=True)(x) is x and (x == 0).any()
    assert T.RandomErasing(1.0, scale=(1, 1), ratio=(9, 9))(x).shape == x.shape


def test_elastic_noise_is_smooth():
    rough = T.ElasticTransform.get_params([10.0, 10.0], [0.0, 0.0], [30, 40])
    smooth = T.ElasticTransform.get_params([10.0, 10.0], [4.0, 4.0], [30, 40])
    assert rough.shape == smooth.shape == (1, 30, 40, 2)
    step = [(d[:, :, 1:] - d[:, :, :-1]).abs().mean().item() for d in (rough, smooth)]
    assert step[1] < step[0] / 20
    assert T.ElasticTransform(sigma=2)(picture()).shape == (3, 20, 30)


def test_linear_transformation():
    transform = T.LinearTransformation(lampas.eye(6) * 2, lampas.ones(6))
    x = lampas.arange(6.0).view(1, 2, 3)
    assert lampas.equal(transform(x), (x - 1) * 2)


def test_automatic_augmentation_keeps_kind_and_size():
    x = picture()
    image = T.ToPILImage()(x)
    for transform in [
        *map(T.AutoAugment, T.AutoAugmentPolicy),
        T.RandAugment(4, 30),
        T.TrivialAugmentWide(),
        T.AugMix(10),
    ]:
        for _ in range(15):
            out = transform(x)
            assert out.shape == x.shape and out.dtype == lampas.uint8
            assert transform(image).size == (30, 20)


def test_no_strength_is_no_change():
    x = picture()
    for name in ("ShearX", "TranslateY", "Rotate", "Brightness", "Color", "Contrast", "Sharpness", "Identity"):
        assert lampas.equal(T.RandAugment()._apply_op(x, name, 0.0), x), name
    space = T.RandAugment()._augmentation_space(31, (20, 30))
    assert space["Posterize"][0][[0, -1]].tolist() == [8, 4] and space["Rotate"][0][-1].item() == 30.0


def test_dirichlet_weights():
    from lampas.vision.transforms.autoaugment import _dirichlet

    weights = _dirichlet(0.5, 400, 4)
    assert lampas.allclose(weights.sum(1), lampas.ones(400)) and (weights >= 0).all()
    # of a symmetric one: mean 1/n, variance (n - 1) / (n² (n a + 1))
    assert weights.mean(0).tolist() == pytest.approx([0.25] * 4, abs=0.04)
    assert weights.var().item() == pytest.approx(3 / (16 * 3), rel=0.15)


REPRS = {
    "T.Compose([T.ToTensor(), T.Normalize((0.5,), (0.5,))])": (
        "Compose(\n    ToTensor()\n    Normalize(mean=(0.5,), std=(0.5,))\n)"
    ),
    "T.Resize(3)": "Resize(size=3, interpolation=bilinear, max_size=None, antialias=True)",
    "T.RandomApply([T.ToTensor()], p=0.3)": "RandomApply(\n    p=0.3\n    ToTensor()\n)",
    "T.RandomChoice([T.ToTensor()])": "RandomChoice(\n    ToTensor()\n)(p=None)",
    "T.RandomCrop(3)": "RandomCrop(size=(3, 3), padding=None)",
    "T.RandomResizedCrop(3)": (
        "RandomResizedCrop(size=(3, 3), scale=(0.08, 1.0), ratio=(0.75, 1.3333), interpolation=bilinear, "
        "antialias=True)"
    ),
    "T.ColorJitter(0.5)": "ColorJitter(brightness=(0.5, 1.5), contrast=None, saturation=None, hue=None)",
    "T.RandomRotation(10)": "RandomRotation(degrees=[-10.0, 10.0], interpolation=nearest, expand=False, fill=0)",
    "T.RandomAffine(10, scale=(0.5, 1))": "RandomAffine(degrees=[-10.0, 10.0], scale=(0.5, 1))",
    "T.RandomPosterize(3)": "RandomPosterize(bits=3,p=0.5)",
    "T.ToPILImage('RGB')": "ToPILImage(mode=RGB)",
    "T.AutoAugment()": "AutoAugment(policy=AutoAugmentPolicy.IMAGENET, fill=None)",
}


@pytest.mark.parametrize("text", REPRS)
def test_repr(text):
    assert repr(eval(text)) == REPRS[text]


ERRORS = [
    ("T.Resize((1, 2, 3))", ValueError, "1 or 2 values"),
    ("T.Resize(4.5)", TypeError, "int or a sequence of ints"),
    ("T.CenterCrop((1, 2, 3))", ValueError, "one number or two"),
    ("T.Pad('a')", TypeError, "padding should be an int"),
    ("T.Pad(1, fill='a')", TypeError, "fill should be a number"),
    ("T.Pad(1, padding_mode='x')", ValueError, "got 'x'"),
    ("T.Lambda(3)", TypeError, "takes a function, got 3 of type int"),
    ("T.RandomChoice(3)", TypeError, "transforms should be a sequence"),
    ("T.RandomChoice([1], p=3)", TypeError, "p should be a sequence"),
    ("T.RandomOrder(3)", TypeError, "transforms should be a sequence"),
    ("T.RandomCrop(50)(x)", ValueError, r"\(50, 50\) is larger than the image, \(8, 9\): pass pad_if_needed"),
    ("T.RandomResizedCrop(3, scale=3)", TypeError, "scale should be a sequence"),
    ("T.LinearTransformation(lampas.zeros(2, 3), lampas.zeros(3))", ValueError, "should be square"),
    ("T.LinearTransformation(lampas.zeros(2, 2), lampas.zeros(3))", ValueError, "mean_vector has length 3"),
    ("T.LinearTransformation(lampas.eye(2), lampas.zeros(2))(x)", ValueError, "has 216 values"),
    ("T.ColorJitter(-1)", ValueError, "brightness as a single number must not be negative"),
    ("T.ColorJitter((2, 1))", ValueError, r"within \(0.0, inf\), got \(2.0, 1.0\)"),
    ("T.ColorJitter(hue=1)", ValueError, r"hue should be \(low, high\) within \(-0.5, 0.5\)"),
    ("T.ColorJitter('a')", TypeError, "brightness should be a number or a tuple"),
    ("T.RandomRotation(-1)", ValueError, "must not be negative"),
    ("T.RandomRotation('a')", ValueError, "sequence of length 2"),
    ("T.RandomRotation(1, center=3)", TypeError, "center should be a sequence of length 2"),
    ("T.RandomRotation(1, fill={})", TypeError, "fill should be a number or a sequence"),
    ("T.RandomAffine(10, translate=(2, 0))", ValueError, "between 0 and 1, got"),
    ("T.RandomAffine(10, scale=(-1, 2))", ValueError, "scale should be positive"),
    ("T.RandomAffine(10, shear=(1, 2, 3))", ValueError, "length 2 or 4, got 3"),
    ("T.RandomErasing(value='x')", ValueError, "or 'random', got 'x'"),
    ("T.RandomErasing(value={})", TypeError, "or 'random', got {}"),
    ("T.RandomErasing(scale=(0.5, 2))", ValueError, "between 0 and 1, got"),
    ("T.RandomErasing(p=2)", ValueError, "between 0 and 1, got 2"),
    ("T.RandomErasing(p=1)(Image.new('L', (3, 3)))", TypeError, "put it after ToTensor"),
    ("T.RandomErasing(p=1, value=(1, 2))(x)", ValueError, "2 numbers for the image's 3 channels"),
    ("T.GaussianBlur(4)", ValueError, "odd and positive, got 4"),
    ("T.GaussianBlur((1, 2, 3))", ValueError, "an int or two"),
    ("T.GaussianBlur(3, sigma=(2, 1))", ValueError, r"\(low, high\) in this order"),
    ("T.GaussianBlur(3, sigma='a')", ValueError, "a number or two"),
    ("T.ElasticTransform([1, 2, 3])", ValueError, "should have two elements"),
    ("T.ElasticTransform(['a', 'b'])", TypeError, "a number or two"),
    ("T.ElasticTransform({})", TypeError, "a number or two"),
    ("T.ElasticTransform(1.0, 1.0, fill='s')", TypeError, "fill should be a number"),
    ("T.AugMix(severity=11)", ValueError, "1 to 10, got 11"),
    ("T.AutoAugment('x')", ValueError, "'x' is not recognized: take one of AutoAugmentPolicy.IMAGENET"),
    ("T.ToTensor()(x)", TypeError, "PIL image or a NumPy array"),
]


@pytest.mark.parametrize("text, error, message", ERRORS)
def test_errors(text, error, message):
    with pytest.raises(error, match=message):
        eval(text, globals(), {"x": lampas.zeros(3, 8, 9)})


def test_bounds_the_wrong_way_round_are_a_warning():
    with pytest.warns(UserWarning, match=r"should be \(min, max\)"):
        T.RandomResizedCrop(3, scale=(2, 1))
