"""lampas.vision.models and ops beside torchvision's: the same printed form, state dicts, first numbers and answers."""

import sys
import types

import numpy as np
import pytest

torch = pytest.importorskip("torch")
# a build of PyTorch without torchvision's compiled operators: what is compared here needs none
sys.modules.setdefault("torchvision._meta_registrations", types.ModuleType("torchvision._meta_registrations"))
torchvision = pytest.importorskip("torchvision")

import lampas  # noqa: E402
from lampas.vision import models, ops  # noqa: E402

# one of each family and of each way of making it
NAMES = [
    "alexnet",
    "resnet18",
    "resnet50",
    "resnext50_32x4d",
    "squeezenet1_0",
    "squeezenet1_1",
    "densenet121",
    "googlenet",
    "mobilenet_v2",
    "mobilenet_v3_large",
    "mobilenet_v3_small",
    "shufflenet_v2_x1_0",
    "mnasnet0_75",
    "efficientnet_b1",
    "efficientnet_b5",
    "efficientnet_v2_s",
    "convnext_tiny",
    "swin_t",
    "swin_v2_t",
    "regnet_x_400mf",
    "regnet_y_400mf",
    "vgg11_bn",
    "vit_b_32",
    "lraspp_mobilenet_v3_large",
    "deeplabv3_mobilenet_v3_large",
    "fcn_resnet50",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("ignore:.*init:FutureWarning")
def test_same_model(name):
    segments = name.startswith(("fcn", "deeplab", "lraspp"))
    options = {"weights_backbone": None} if segments else {"num_classes": 7}
    torch.manual_seed(3)
    theirs = torchvision.models.get_model(name, **options)
    lampas.manual_seed(3)
    ours = models.get_model(name, **options)
    assert repr(ours) == repr(theirs)
    state = theirs.state_dict()
    assert list(ours.state_dict()) == list(state)
    for key, value in ours.state_dict().items():
        np.testing.assert_allclose(value.numpy(), state[key].numpy(), rtol=1e-5, atol=1e-7, err_msg=key)
    size = 224 if name.startswith("vit") else 64
    x = np.random.default_rng(0).standard_normal((1, 3, size, size)).astype(np.float32)
    with torch.no_grad(), lampas.no_grad():
        expected, got = theirs.eval()(torch.from_numpy(x)), ours.eval()(lampas.from_numpy(x))
    if segments:
        assert list(got) == list(expected)
        expected, got = expected["out"], got["out"]
    scale = np.abs(expected.numpy()).max()
    np.testing.assert_allclose(got.numpy(), expected.numpy(), rtol=1e-3, atol=1e-4 * scale)


def test_same_weights():
    for name in models.list_models():
        ours, theirs = models.get_model_weights(name), torchvision.models.get_model_weights(name)
        assert [w.name for w in ours] == [w.name for w in theirs]
        assert ours.DEFAULT.name == theirs.DEFAULT.name
        for a, b in zip(ours, theirs, strict=True):
            assert a.url == b.url
            assert repr(a.transforms()) == repr(b.transforms())
            # as text, because some measures are nan
            assert {k: str(v) for k, v in b.meta.items() if k != "_docs"} == {k: str(v) for k, v in a.meta.items()}
        assert torchvision.models.get_model_builder(name).__name__ == models.get_model_builder(name).__name__


@pytest.mark.parametrize("sampling", [2, -1])
@pytest.mark.parametrize("aligned", [False, True])
def test_roi_align(sampling, aligned):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, 12, 10)).astype(np.float32)
    # within the picture: torchvision's form in Python knows no zeros outside, its compiled one does
    corner = rng.uniform(0, 8, (9, 2))
    rois = np.concatenate([rng.integers(0, 2, (9, 1)), corner, corner + rng.uniform(0.1, 5, (9, 2))], 1)
    rois = rois.astype(np.float32)
    theirs = torchvision.ops.roi_align.__globals__["_roi_align"](
        torch.from_numpy(x), torch.from_numpy(rois), 0.7, 3, 4, sampling, aligned
    )
    ours = ops.roi_align(lampas.from_numpy(x), lampas.from_numpy(rois), (3, 4), 0.7, sampling, aligned)
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-4, atol=1e-5)


BOXES = np.array([[0, 0, 10, 10], [5, 5, 20, 12], [2.5, 1, 4, 9]], np.float32)


@pytest.mark.parametrize(
    "call",
    [
        lambda o, b: o.box_iou(b, b + 1),
        lambda o, b: o.generalized_box_iou(b, b + 3),
        lambda o, b: o.distance_box_iou(b, b + 3),
        lambda o, b: o.complete_box_iou(b, b * 1.5),
        lambda o, b: o.generalized_box_iou_loss(b, b + 3, reduction="mean"),
        lambda o, b: o.distance_box_iou_loss(b, b + 3),
        lambda o, b: o.complete_box_iou_loss(b, b * 1.5, reduction="sum"),
        lambda o, b: o.sigmoid_focal_loss(b / 10, (b > 4).float(), gamma=1.5),
        lambda o, b: o.box_convert(b, "xyxy", "cxcywh"),
        lambda o, b: o.box_convert(b, "xywh", "cxcywh"),
        lambda o, b: o.box_area(b.half()),
        lambda o, b: o.box_area(b, fmt="cxcywh"),
        lambda o, b: o.clip_boxes_to_image(b, (8, 9)),
        lambda o, b: o.remove_small_boxes(b, 8.0),
    ],
)
def test_boxes(call):
    expected = call(torchvision.ops, torch.from_numpy(BOXES))
    got = call(ops, lampas.from_numpy(BOXES))
    assert str(got.dtype) == str(expected.dtype)
    np.testing.assert_allclose(got.numpy(), expected.numpy(), rtol=1e-4, atol=1e-5)


def test_random_layers_and_printed_forms():
    for make, shape in (
        (lambda o: o.StochasticDepth(0.5, "row"), (6, 3)),
        (lambda o: o.StochasticDepth(0.5, "batch"), (6, 3)),
        (lambda o: o.DropBlock2d(0.3, 3), (2, 3, 9, 9)),
        (lambda o: o.DropBlock3d(0.3, 3), (1, 2, 5, 6, 7)),
        (lambda o: o.MLP(9, [5, 4], dropout=0.5), (3, 9)),
        (lambda o: o.DeformConv2d(4, 6, 3, groups=2, dilation=2), None),
        (lambda o: o.FeaturePyramidNetwork([4, 8], 6), None),
        (lambda o: o.SqueezeExcitation(8, 2), (1, 8, 3, 3)),
        (lambda o: o.MultiScaleRoIAlign(["0"], 7, 2), None),
        (lambda o: o.Conv3dNormActivation(1, 2), None),
    ):
        torch.manual_seed(5)
        theirs = make(torchvision.ops)
        lampas.manual_seed(5)
        ours = make(ops)
        assert repr(ours) == repr(theirs)
        for (name, p), (other, q) in zip(ours.state_dict().items(), theirs.state_dict().items(), strict=True):
            assert name == other
            np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=1e-6)
        if shape is not None:
            expected, got = theirs(torch.ones(shape)), ours(lampas.ones(shape))
            np.testing.assert_allclose(got.detach().numpy(), expected.detach().numpy(), rtol=1e-5, atol=1e-6)
