"""lampas.vision.ops against plain loops and known values."""

import math

import numpy as np
import pytest

import lampas
from lampas import nn
from lampas.vision import ops


def random_boxes(n, seed=0, size=50):
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, size, (n, 2))
    return np.concatenate([corner, corner + rng.uniform(1, size, (n, 2))], 1).astype(np.float32)


def plain_iou(a, b):
    w = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    h = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return w * h / (areas - w * h)


def plain_nms(boxes, scores, threshold):
    kept = []
    for i in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        if all(plain_iou(boxes[i], boxes[j]) <= threshold for j in kept):
            kept.append(i)
    return kept


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.9])
def test_nms(threshold):
    boxes = random_boxes(80)
    scores = np.random.default_rng(1).random(80).astype(np.float32)
    kept = ops.nms(lampas.from_numpy(boxes), lampas.from_numpy(scores), threshold)
    assert kept.dtype == lampas.int64
    assert kept.tolist() == plain_nms(boxes.astype(float), scores, threshold)


def test_nms_of_nothing_and_of_wrong_shapes():
    assert ops.nms(lampas.zeros(0, 4), lampas.zeros(0), 0.5).tolist() == []
    assert ops.batched_nms(lampas.zeros(0, 4), lampas.zeros(0), lampas.zeros(0), 0.5).tolist() == []
    with pytest.raises(RuntimeError, match=r"shape \(N, 4\), got \(2, 3\)"):
        ops.nms(lampas.zeros(2, 3), lampas.zeros(2), 0.5)
    with pytest.raises(RuntimeError, match="same number of elements, got 2 boxes"):
        ops.nms(lampas.zeros(2, 4), lampas.zeros(3), 0.5)
    with pytest.raises(RuntimeError, match="same type"):
        ops.nms(lampas.zeros(2, 4), lampas.zeros(2, dtype=lampas.float64), 0.5)


def test_nms_by_category():
    boxes = random_boxes(60)
    rng = np.random.default_rng(2)
    scores, categories = rng.random(60).astype(np.float32), rng.integers(0, 3, 60)
    expected = []
    for c in range(3):
        members = np.flatnonzero(categories == c)
        expected += list(members[plain_nms(boxes[members].astype(float), scores[members], 0.3)])
    expected.sort(key=lambda i: -scores[i])
    got = ops.batched_nms(*(lampas.from_numpy(a) for a in (boxes, scores, categories)), 0.3)
    assert got.tolist() == expected


def test_box_iou():
    a, b = random_boxes(5), random_boxes(7, seed=3)
    expected = [[plain_iou(x, y) for y in b] for x in a]
    a, b = lampas.from_numpy(a), lampas.from_numpy(b)
    np.testing.assert_allclose(ops.box_iou(a, b).numpy(), expected, rtol=1e-4, atol=1e-6)
    for fmt in ("xywh", "cxcywh"):
        got = ops.box_iou(ops.box_convert(a, "xyxy", fmt), ops.box_convert(b, "xyxy", fmt), fmt=fmt)
        np.testing.assert_allclose(got.numpy(), expected, rtol=1e-4, atol=1e-5)
    same = ops.generalized_box_iou(a, a).diagonal()
    np.testing.assert_allclose(same.numpy(), 1, rtol=1e-5)
    # two unit squares with one square of the same size between them: the hull is 3
    one, far = lampas.tensor([[0.0, 0, 1, 1]]), lampas.tensor([[2.0, 0, 3, 1]])
    assert ops.generalized_box_iou(one, far).item() == pytest.approx(-1 / 3)
    assert ops.distance_box_iou(one, far).item() == pytest.approx(-4 / 10)
    assert ops.complete_box_iou(one, far).item() == pytest.approx(-4 / 10)
    with pytest.raises(ValueError, match="xyxy, xywh or cxcywh"):
        ops.box_iou(one, far, fmt="corners")


def test_box_convert_there_and_back():
    boxes = lampas.from_numpy(random_boxes(6))
    for fmt in ("xywh", "cxcywh"):
        back = ops.box_convert(ops.box_convert(boxes, "xyxy", fmt), fmt, "xyxy")
        np.testing.assert_allclose(back.numpy(), boxes.numpy(), rtol=1e-5, atol=1e-5)
    turned = ops.box_convert(lampas.tensor([[5.0, 5, 4, 2, 90]]), "cxcywhr", "xyxyxyxy")
    assert sorted(turned.view(4, 2).round().tolist()) == [[4, 3], [4, 7], [6, 3], [6, 7]]
    with pytest.raises(ValueError, match="each must be one of"):
        ops.box_convert(boxes, "xyxy", "yxyx")
    with pytest.raises(NotImplementedError, match="rotated"):
        ops.box_convert(boxes, "xyxy", "xywhr")


def test_small_box_functions():
    boxes = lampas.tensor([[-5.0, 2, 30, 8], [1, 1, 2, 9]])
    assert ops.clip_boxes_to_image(boxes, (6, 20)).tolist() == [[0, 2, 20, 6], [1, 1, 2, 6]]
    assert ops.remove_small_boxes(boxes, 2).tolist() == [0]
    assert ops.box_area(boxes).tolist() == [210, 8]
    masks = lampas.zeros(2, 5, 6, dtype=lampas.bool)
    masks[0, 1:4, 2:5] = True
    assert ops.masks_to_boxes(masks).tolist() == [[2, 1, 4, 3], [0, 0, 0, 0]]


def test_losses():
    x, t = lampas.tensor([0.0, 2.0, -1.0]), lampas.tensor([1.0, 0.0, 1.0])
    p = 1 / (1 + np.exp(-x.numpy()))
    right = np.where(t.numpy() == 1, p, 1 - p)
    expected = np.where(t.numpy() == 1, 0.25, 0.75) * (1 - right) ** 2 * -np.log(right)
    np.testing.assert_allclose(ops.sigmoid_focal_loss(x, t).numpy(), expected, rtol=1e-5)
    assert ops.sigmoid_focal_loss(x, t, reduction="sum").item() == pytest.approx(expected.sum(), rel=1e-5)
    boxes, other = lampas.tensor([[0.0, 0, 1, 1]]), lampas.tensor([[2.0, 0, 3, 1]], requires_grad=True)
    assert ops.generalized_box_iou_loss(boxes, other).item() == pytest.approx(4 / 3)
    loss = ops.complete_box_iou_loss(boxes, other, reduction="mean")
    assert loss.item() == pytest.approx(1.4)
    loss.backward()
    assert other.grad[0, 0] > 0
    assert ops.distance_box_iou_loss(boxes[:0], other[:0], reduction="mean").item() == 0
    with pytest.raises(ValueError, match="Supported reduction modes"):
        ops.sigmoid_focal_loss(x, t, reduction="median")
    with pytest.raises(ValueError, match="Invalid alpha value: 2"):
        ops.sigmoid_focal_loss(x, t, alpha=2)


def plain_roi_align(x, roi, size, scale, sampling, aligned):
    height, width = x.shape[1:]
    x1, y1, x2, y2 = (v * scale - (0.5 if aligned else 0) for v in roi)
    w, h = x2 - x1, y2 - y1
    if not aligned:
        w, h = max(w, 1), max(h, 1)
    bh, bw = h / size, w / size
    gh, gw = (sampling, sampling) if sampling > 0 else (math.ceil(bh), math.ceil(bw))

    def at(y, x_):
        if y < -1 or y > height or x_ < -1 or x_ > width:
            return 0
        y, x_ = max(y, 0), max(x_, 0)
        y0, x0 = min(int(y), height - 1), min(int(x_), width - 1)
        y3, x3 = min(y0 + 1, height - 1), min(x0 + 1, width - 1)
        fy, fx = (0 if y0 == height - 1 else y - y0), (0 if x0 == width - 1 else x_ - x0)
        top = (1 - fx) * x[:, y0, x0] + fx * x[:, y0, x3]
        return (1 - fy) * top + fy * ((1 - fx) * x[:, y3, x0] + fx * x[:, y3, x3])

    out = np.zeros((x.shape[0], size, size))
    for i in range(size):
        for j in range(size):
            for a in range(gh):
                for b in range(gw):
                    out[:, i, j] += at(y1 + i * bh + (a + 0.5) * bh / gh, x1 + j * bw + (b + 0.5) * bw / gw)
    return out / (gh * gw)


@pytest.mark.parametrize("sampling", [2, -1])
@pytest.mark.parametrize("aligned", [False, True])
def test_roi_align(sampling, aligned):
    x = np.random.default_rng(0).standard_normal((2, 3, 9, 11))
    rois = np.array([[0, 1, 1, 15, 12], [1, 0, 0, 22, 18], [0, 4.5, 3.25, 6, 20], [1, -3, -3, 4, 4], [0, 5, 5, 5, 5]])
    got = ops.roi_align(lampas.from_numpy(x), lampas.from_numpy(rois), 3, 0.5, sampling, aligned)
    for k, (image, *roi) in enumerate(rois):
        if aligned and sampling < 0 and k == 4:
            continue  # an empty box has no samples
        expected = plain_roi_align(x[int(image)], roi, 3, 0.5, sampling, aligned)
        np.testing.assert_allclose(got[k].numpy(), expected, rtol=1e-5, atol=1e-6)


def test_roi_align_gradient_and_list():
    x = lampas.rand(1, 2, 6, 6, dtype=lampas.float64, requires_grad=True)
    boxes = [lampas.tensor([[0.5, 0.5, 4.2, 5.1], [2, 2, 3, 3]], dtype=lampas.float64)]
    assert lampas.autograd.gradcheck(lambda x: ops.roi_align(x, boxes, (2, 3), sampling_ratio=2), (x,))
    assert ops.RoIAlign(2, 1.0, 2)(x, boxes).shape == (2, 2, 2, 2)
    with pytest.raises(AssertionError, match=r"Tensor\[K, 5\]: got \(2, 4\)"):
        ops.roi_align(x, boxes[0], 2)
    with pytest.raises(AssertionError, match=r"List\[Tensor\[L, 4\]\]"):
        ops.roi_align(x, [lampas.zeros(1, 5)], 2)


def test_roi_pool():
    x = lampas.arange(36.0).view(1, 1, 6, 6)
    got = ops.roi_pool(x, [lampas.tensor([[0.0, 0, 3, 3], [4, 4, 9, 9]])], 2)
    assert got[0, 0].tolist() == [[7, 9], [19, 21]]
    assert got[1, 0].tolist() == [[35, 0], [0, 0]]
    assert ops.RoIPool(2, 1.0)(x, lampas.zeros(0, 5)).shape == (0, 1, 2, 2)


def test_position_sensitive():
    # channel c holds c everywhere: each cell sees its own
    x = lampas.arange(8.0).view(1, 8, 1, 1).expand(1, 8, 6, 6).contiguous()
    boxes = [lampas.tensor([[1.0, 1, 5, 5]])]
    expected = [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]
    assert ops.ps_roi_align(x, boxes, 2, sampling_ratio=2)[0].tolist() == expected
    assert ops.ps_roi_pool(x, boxes, 2)[0].tolist() == expected
    with pytest.raises(RuntimeError, match="multiple of pooling height"):
        ops.ps_roi_align(x, boxes, 3)


@pytest.mark.parametrize("groups", [1, 2])
def test_deformable_convolution(groups):
    lampas.manual_seed(0)
    x = lampas.rand(2, 4, 7, 8, dtype=lampas.float64)
    w = lampas.rand(6, 4 // groups, 3, 3, dtype=lampas.float64)
    how = {"stride": 2, "padding": 1, "dilation": 1}
    plain = nn.functional.conv2d(x, w, groups=groups, **how)
    offset = lampas.zeros(2, 2 * 2 * 9, *plain.shape[2:], dtype=lampas.float64)
    np.testing.assert_allclose(ops.deform_conv2d(x, offset, w, **how).numpy(), plain.numpy(), rtol=1e-9)
    # every sample one row down: the picture shifted up
    offset[:, 0::2] = 1.0
    shifted = nn.functional.conv2d(nn.functional.pad(x, (0, 0, 0, 1))[:, :, 1:], w, groups=groups, stride=2, padding=1)
    got = ops.deform_conv2d(x, offset, w, mask=lampas.full_like(offset[:, ::2], 0.5), **how)
    np.testing.assert_allclose(got[:, :, 1:].numpy(), 0.5 * shifted[:, :, 1:].numpy(), rtol=1e-9)
    with pytest.raises(RuntimeError, match="offset tensor"):
        ops.deform_conv2d(x, offset[:, :3], w, **how)
    assert repr(ops.DeformConv2d(3, 4, 3, padding=1)) == (
        "DeformConv2d(3, 4, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))"
    )


def test_drop_block_and_stochastic_depth():
    lampas.manual_seed(0)
    x = lampas.ones(8, 4, 16, 16)
    y = ops.drop_block2d(x, 0.2, 3)
    assert 0.1 < (y == 0).float().mean() < 0.3
    assert y.mean().item() == pytest.approx(1, abs=1e-4)
    assert ops.drop_block3d(lampas.ones(1, 1, 4, 4, 4), 0.5, 3, training=False).min() == 1
    rows = ops.stochastic_depth(lampas.ones(400, 3), 0.25, "row")
    assert set(rows.flatten().tolist()) == {0.0, lampas.tensor(1 / 0.75).item()}
    assert 0.15 < (rows == 0).float().mean() < 0.35
    with pytest.raises(ValueError, match="between 0 and 1, but got 2"):
        ops.stochastic_depth(x, 2, "row")
    with pytest.raises(ValueError, match="'batch' or 'row', but got all"):
        ops.stochastic_depth(x, 0.5, "all")
    with pytest.raises(ValueError, match=r"4 dimensional\. Got 2"):
        ops.drop_block2d(lampas.ones(2, 2), 0.5, 3)


def test_frozen_batch_norm():
    trained = nn.BatchNorm2d(3).eval()
    trained(lampas.rand(2, 3, 4, 4))
    trained.running_mean.copy_(lampas.tensor([1.0, 2, 3]))
    frozen = ops.FrozenBatchNorm2d(3)
    frozen.load_state_dict(trained.state_dict())
    x = lampas.rand(2, 3, 4, 4)
    np.testing.assert_allclose(frozen(x).numpy(), trained(x).detach().numpy(), rtol=1e-4, atol=1e-5)
    assert list(frozen.parameters()) == []


def test_pyramid():
    fpn = ops.FeaturePyramidNetwork([4, 8], 6, ops.feature_pyramid_network.LastLevelMaxPool())
    levels = fpn({"a": lampas.rand(1, 4, 16, 16), "b": lampas.rand(1, 8, 8, 8)})
    assert {k: tuple(v.shape) for k, v in levels.items()} == {
        "a": (1, 6, 16, 16),
        "b": (1, 6, 8, 8),
        "pool": (1, 6, 4, 4),
    }
    align = ops.MultiScaleRoIAlign(["a", "b"], 3, 2)
    boxes = [lampas.tensor([[0.0, 0, 4, 4], [0, 0, 60, 60]])]
    out = align(levels, boxes, [(64, 64)])
    assert align.scales == [0.25, 0.125]
    expected = ops.roi_align(levels["a"], boxes, 3, 0.25, 2)
    assert lampas.equal(out, expected)
    with pytest.raises(ValueError, match="in_channels=0"):
        ops.FeaturePyramidNetwork([0], 6)


def test_blocks():
    block = ops.Conv2dNormActivation(3, 8, kernel_size=(3, 5), dilation=2, norm_layer=None)
    assert block(lampas.rand(1, 3, 9, 9)).shape == (1, 8, 9, 9)
    assert block[0].bias is not None
    assert ops.Conv3dNormActivation(1, 2)(lampas.rand(2, 1, 4, 4, 4)).shape == (2, 2, 4, 4, 4)
    assert [type(m).__name__ for m in ops.MLP(3, [4, 5], norm_layer=nn.LayerNorm)] == [
        "Linear",
        "LayerNorm",
        "ReLU",
        "Dropout",
        "Linear",
        "Dropout",
    ]
    assert ops.SqueezeExcitation(4, 1)(lampas.rand(2, 4, 3, 3)).shape == (2, 4, 3, 3)
