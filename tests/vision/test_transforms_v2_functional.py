"""Kernels against what can be known otherwise: geometry by hand, NumPy, and pixels moved the same way as points."""

import subprocess
import sys

import numpy as np
import pytest

import lampas
from lampas.vision.transforms.v2 import functional as F
from lampas.vision.tv_tensors import BoundingBoxes, Image, KeyPoints, Mask, TVTensor, Video

H, W = 20, 30


def boxes(values, format="XYXY", **options):
    return BoundingBoxes(lampas.tensor(values), format=format, canvas_size=(H, W), **options)


def points(*values):
    return KeyPoints(lampas.tensor([*values], dtype=lampas.float32), canvas_size=(H, W))


def test_importing_needs_neither_numpy_nor_pillow():
    code = "import sys, lampas.vision.transforms.v2; print([m for m in ('numpy', 'PIL') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


# --- dispatch -------------------------------------------------------------------------------------------------------


def test_what_has_no_kernel_is_refused():
    with pytest.raises(TypeError, match=r"F\.adjust_hue supports inputs of type Tensor, Image.*but got .*Mask"):
        F.adjust_hue(Mask([[1]]), 0.1)
    with pytest.raises(TypeError, match="but got <class 'str'>"):
        F.resize("image", [2])
    with pytest.raises(TypeError, match="size"):
        F.resize(lampas.zeros(1, 2, 2))
    with pytest.raises(TypeError, match="colour"):
        F.resize(lampas.zeros(1, 2, 2), [2], colour=3)


def test_arguments_by_position_and_by_name():
    image = lampas.rand(3, 4, 4)
    expected = F.pad(image, [1, 2], 3.0, "constant")
    assert lampas.equal(F.pad(inpt=image, padding=[1, 2], fill=3.0), expected)
    assert lampas.equal(F.pad_video(video=image, padding=[1, 2], fill=3.0), expected)


def test_kernels_of_ones_own():
    class Labels(TVTensor):
        pass

    @F.register_kernel("horizontal_flip", Labels)
    def flip(inpt, *args, **kwargs):
        return inpt.as_subclass(lampas.Tensor).neg().as_subclass(Labels)

    labels = lampas.tensor([1]).as_subclass(Labels)
    assert F.hflip(labels).tolist() == [-1] and type(F.hflip(labels)) is Labels
    with pytest.raises(TypeError, match=r"F\.vertical_flip supports"):
        F.vertical_flip(labels)
    for functional, kind, message in [
        (F.horizontal_flip, Labels, "already has a kernel"),
        ("no_such", Labels, "Could not find functional with name 'no_such'"),
        (len, Labels, "on functionals of transforms.v2.functional"),
        (F.resize, lampas.Tensor, "subclasses of TVTensor"),
        (F.resize, Image, "builtin"),
    ]:
        with pytest.raises(ValueError, match=message):
            F.register_kernel(functional, kind)


def test_meta():
    video = Video(lampas.zeros(4, 3, H, W))
    assert F.get_size(video) == F.get_size(boxes([[0, 0, 1, 1]])) == F.get_size(points([0, 0])) == [H, W]
    assert F.get_dimensions(video) == [3, H, W] and F.get_num_frames(video) == 4
    assert F.get_dimensions(lampas.zeros(H, W)) == [1, H, W] and F.get_num_channels(lampas.zeros(H, W)) == 1
    with pytest.raises(TypeError, match="at least two dimensions, but got 1"):
        F.get_size(lampas.zeros(3))


# --- boxes ----------------------------------------------------------------------------------------------------------


def test_formats_by_hand():
    same = {
        "XYXY": [[2.0, 4.0, 8.0, 16.0]],
        "XYWH": [[2.0, 4.0, 6.0, 12.0]],
        "CXCYWH": [[5.0, 10.0, 6.0, 12.0]],
    }
    for old, values in same.items():
        for new, expected in same.items():
            assert F.convert_bounding_box_format(boxes(values, old), new_format=new).tolist() == expected
    turned = boxes([[10.0, 10.0, 6.0, 4.0, 90.0]], "CXCYWHR")
    corners = F.convert_bounding_box_format(turned, new_format="XYXYXYXY")
    # a quarter turn counter-clockwise: what was the top left corner is at the bottom left
    np.testing.assert_allclose(corners.numpy(), [[8, 13, 8, 7, 12, 7, 12, 13]], atol=1e-5)
    np.testing.assert_allclose(F.convert_bounding_box_format(corners, new_format="CXCYWHR"), turned, atol=1e-4)


def test_formats_in_place():
    values = lampas.tensor([[2.0, 4.0, 6.0, 12.0]])
    assert F.convert_bounding_box_format(values, "XYWH", "XYXY", inplace=True) is values
    assert values.tolist() == [[2, 4, 8, 16]]


@pytest.mark.parametrize(
    ("error", "call", "message"),
    [
        (TypeError, lambda: F.convert_bounding_box_format(boxes([[0, 0, 1, 1]])), "new_format"),
        (ValueError, lambda: F.convert_bounding_box_format(lampas.zeros(1, 4), new_format="XYWH"), "old_format"),
        (
            ValueError,
            lambda: F.convert_bounding_box_format(boxes([[0, 0, 1, 1]]), "XYXY", "XYWH"),
            "must not be passed",
        ),
        (
            ValueError,
            lambda: F.convert_bounding_box_format(lampas.zeros(1, 4), "XYXY", "XYWHR"),
            "rotated and unrotated",
        ),
        (TypeError, lambda: F.convert_bounding_box_format(Mask([1]), new_format="XYWH"), "plain tensor or a bounding"),
        (ValueError, lambda: F.clamp_bounding_boxes(lampas.zeros(1, 4)), "have to be passed"),
        (ValueError, lambda: F.clamp_bounding_boxes(boxes([[0, 0, 1, 1]]), format="XYXY"), "must not be passed"),
        (ValueError, lambda: F.clamp_bounding_boxes(boxes([[0, 0, 1, 1]]), clamping_mode="firm"), "got firm"),
        (TypeError, lambda: F.clamp_bounding_boxes(Mask([1])), "plain tensor or a bounding"),
        (ValueError, lambda: F.clamp_keypoints(lampas.zeros(1, 2)), "`canvas_size` has to be passed"),
        (ValueError, lambda: F.clamp_keypoints(points([1, 2]), canvas_size=(1, 1)), "must not be passed"),
        (TypeError, lambda: F.clamp_keypoints(Mask([1])), "plain tensor or a keypoints"),
        (ValueError, lambda: F.sanitize_bounding_boxes(lampas.zeros(1, 4)), "cannot be None if"),
        (ValueError, lambda: F.sanitize_bounding_boxes(Mask([1])), "instance or a pure tensor"),
        (ValueError, lambda: F.sanitize_bounding_boxes(boxes([[0, 0, 1, 1]]), format="XYXY"), "must be None when"),
        (ValueError, lambda: F.sanitize_keypoints(lampas.zeros(1, 2)), "cannot be None if"),
        (ValueError, lambda: F.sanitize_keypoints(Mask([1])), "instance or a pure tensor"),
        (ValueError, lambda: F.sanitize_keypoints(points([1, 2]), canvas_size=(1, 1)), "must be None when"),
        (ValueError, lambda: F.pad(boxes([[0, 0, 1, 1]]), 1, padding_mode="edge"), "'edge' is not supported with boun"),
        (ValueError, lambda: F.pad(points([1, 2]), 1, padding_mode="edge"), "'edge' is not supported with KeyPoints"),
        (ValueError, lambda: F.pad(Mask(lampas.zeros(2, 2)), 1, fill=[1, 2]), "Non-scalar fill value"),
        (ValueError, lambda: F.pad(lampas.zeros(1, 2, 2), 1, padding_mode="round"), "but got `'round'`"),
        (ValueError, lambda: F.pad(lampas.zeros(2, 2, 2), 1, [1, 2], "edge"), "'edge' is not supported if fill"),
        (TypeError, lambda: F.pad(lampas.zeros(1, 2, 2), "1"), "integer or tuple or list"),
        (
            ValueError,
            lambda: F.resize(lampas.zeros(1, 2, 2), [3], interpolation="cubic"),
            "'cubic'. There are: nearest",
        ),
        (ValueError, lambda: F.resize(lampas.zeros(1, 2, 2), [3], interpolation=None), "Pillow integer constant"),
        (ValueError, lambda: F.resize(lampas.zeros(1, 2, 2), None), "max_size must be an integer when size is None"),
        (ValueError, lambda: F.resize(lampas.zeros(1, 2, 2), [3, 3], max_size=9), "max_size should only be passed"),
        (ValueError, lambda: F.five_crop(lampas.zeros(1, 2, 2), [1, 2, 3]), "only two dimensions"),
        (ValueError, lambda: F.five_crop(lampas.zeros(1, 2, 2), 3), r"3 is bigger than input size \(2, 2\)"),
        (TypeError, lambda: F.affine(lampas.zeros(1, 2, 2), "1", [0, 0], 1.0, 0), "angle should be int or float"),
        (TypeError, lambda: F.affine(points([1, 2]), 1, 0, 1.0, 0), "translate should be a sequence"),
        (ValueError, lambda: F.affine(points([1, 2]), 1, [0], 1.0, 0), "translate should be a sequence of length 2"),
        (ValueError, lambda: F.affine(points([1, 2]), 1, [0, 0], 0.0, 0), "scale should be positive"),
        (TypeError, lambda: F.affine(points([1, 2]), 1, [0, 0], 1.0, "0"), "Shear should be either"),
        (ValueError, lambda: F.affine(points([1, 2]), 1, [0, 0], 1.0, [1, 2, 3]), "Shear should be a sequence"),
        (TypeError, lambda: F.affine(points([1, 2]), 1, [0, 0], 1.0, 0, center=3), "center should be a sequence"),
        (ValueError, lambda: F.perspective(points([1, 2]), None, None), "Either the startpoints"),
        (ValueError, lambda: F.perspective(points([1, 2]), None, None, coefficients=[1]), "8 float values, got 1"),
        (ValueError, lambda: F.perspective(points([1, 2]), [], [], coefficients=[1]), "concurrently"),
        (RuntimeError, lambda: F.perspective(points([1, 2]), None, None, coefficients=[0] * 8), "can not be inverted"),
        (TypeError, lambda: F.elastic(points([1, 2]), 3), "displacement should be a Tensor"),
        (ValueError, lambda: F.elastic(points([1, 2]), lampas.zeros(1, 2, 2, 2)), r"should be \(1, 20, 30, 2\)"),
        (ValueError, lambda: F.gaussian_noise(lampas.zeros(1, 2, 2), sigma=-1), "sigma shouldn't be negative"),
        (ValueError, lambda: F.gaussian_noise(lampas.zeros(1, 2, 2).int()), "uint8 or float dtype"),
        (ValueError, lambda: F.gaussian_blur(lampas.zeros(1, 9, 9), [2, 3]), "odd and positive"),
        (ValueError, lambda: F.gaussian_blur(lampas.zeros(1, 9, 9), [3, 3, 3]), "length should be 2. Got 3"),
        (TypeError, lambda: F.gaussian_blur(lampas.zeros(1, 9, 9), 3, "1"), "float or sequence of floats"),
        (ValueError, lambda: F.gaussian_blur(lampas.zeros(1, 9, 9), 3, [1, 2, 3]), "length should be 2. Got 3"),
        (ValueError, lambda: F.gaussian_blur(lampas.zeros(1, 9, 9), 3, 0.0), "positive values"),
        (ValueError, lambda: F.rgb_to_grayscale(lampas.zeros(3, 2, 2), 2), "must be 1 or 3, got 2"),
        (TypeError, lambda: F.posterize(lampas.zeros(3, 2, 2), 9), r"in the range \[0, 8\], got 9"),
        (TypeError, lambda: F.solarize(lampas.zeros(3, 2, 2), 2), "maximum value of the dtype, but got 2"),
        (ValueError, lambda: F.permute_channels(lampas.zeros(3, 2, 2), [0, 1]), "2 != 3"),
        (TypeError, lambda: F.to_image("image"), "pure Tensor, a numpy array, or a PIL image"),
    ],
)
def test_errors(error, call, message):
    with pytest.raises(error, match=message):
        call()


def test_clamping():
    outside = boxes([[-5, -6, 10, 40], [25, 2, 99, 3]])
    assert F.clamp_bounding_boxes(outside).tolist() == [[0, 0, 10, 20], [25, 2, 30, 3]]
    assert F.clamp_bounding_boxes(outside, clamping_mode=None).tolist() == outside.tolist()
    assert F.clamp_keypoints(points([-3, 5], [99, 99])).tolist() == [[0, 5], [W - 1, H - 1]]
    # a square on its corner, a part of it outside on the left
    turned = F.convert_bounding_box_format(boxes([[1.0, 10.0, 8.0, 8.0, 45.0]], "CXCYWHR"), new_format="XYXYXYXY")
    lefts = [
        F.clamp_bounding_boxes(turned, clamping_mode=mode)[:, 0::2].min().item() for mode in (None, "soft", "hard")
    ]
    assert lefts[0] <= lefts[1] <= lefts[2] and lefts[0] < 0 <= lefts[2] + 1e-3


def test_sanitizing():
    some = boxes([[1, 1, 5, 5], [1, 1, 1, 5], [-1, 0, 5, 5], [1, 1, 31, 5], [2, 2, 4, 4]])
    kept, valid = F.sanitize_bounding_boxes(some, min_area=5)
    assert valid.tolist() == [True, False, False, False, False] and type(kept) is BoundingBoxes
    kept, valid = F.sanitize_keypoints(points([0, 0], [W, 3], [5, -1], [W - 1, H - 1]))
    assert valid.tolist() == [True, False, False, True] and len(kept) == 2
    groups = lampas.tensor([[[0, 0], [5, 5]], [[0, 0], [99, 5]]])
    assert F.sanitize_keypoints(groups, canvas_size=(H, W))[1].tolist() == [True, False]


# --- points move with pixels ----------------------------------------------------------------------------------------


def marked(x, y):
    """An image that is white around one pixel, and that pixel."""
    pixels = lampas.zeros(1, H, W)
    pixels[0, y - 1 : y + 2, x - 1 : x + 2] = 1
    return Image(pixels), points([x, y]), boxes([[x - 1.0, y - 1.0, x + 2.0, y + 2.0]])


def middle(image):
    weights = image.as_subclass(lampas.Tensor)[0].double()
    y, x = lampas.meshgrid(lampas.arange(weights.shape[0]), lampas.arange(weights.shape[1]), indexing="ij")
    return [(x * weights).sum() / weights.sum(), (y * weights).sum() / weights.sum()]


MOVES = {
    "horizontal_flip": (lambda v: F.horizontal_flip(v), 0),
    "vertical_flip": (lambda v: F.vertical_flip(v), 0),
    "pad": (lambda v: F.pad(v, [1, 2, 3, 4]), 0),
    "crop": (lambda v: F.crop(v, 3, 4, 12, 20), 0),
    "center_crop": (lambda v: F.center_crop(v, [15, 24]), 0),
    "resize": (lambda v: F.resize(v, [40, 90]), 1.1),
    "resized_crop": (lambda v: F.resized_crop(v, 2, 3, 16, 24, [32, 48]), 0.6),
    "affine": (lambda v: F.affine(v, 20, [2, -1], 1.2, [5.0, 3.0]), 0.8),
    "rotate": (lambda v: F.rotate(v, 30), 0.7),
    "rotate, expand": (lambda v: F.rotate(v, 30, expand=True), 1.0),
    "perspective": (lambda v: F.perspective(v, [[0, 0], [29, 0], [29, 19], [0, 19]],
                                            [[2, 1], [28, 2], [27, 18], [1, 17]]), 0.6),
}  # fmt: skip


@pytest.mark.parametrize("name", MOVES)
def test_pixels_points_and_boxes_move_alike(name):
    move, slack = MOVES[name]
    image, point, box = (move(v) for v in marked(12, 9))
    assert type(image) is Image and type(point) is KeyPoints and type(box) is BoundingBoxes
    assert tuple(point.canvas_size) == tuple(box.canvas_size)
    # enlarged canvases are rounded apart
    np.testing.assert_allclose(image.shape[-2:], box.canvas_size, atol=1 if "expand" in name else 0)
    found = np.array(middle(image))
    np.testing.assert_allclose(point.numpy()[0], found, atol=slack + 0.01)
    x1, y1, x2, y2 = box.numpy()[0]
    # boxes have edges, points have pixels: half a pixel apart
    np.testing.assert_allclose([(x1 + x2) / 2 - 0.5, (y1 + y2) / 2 - 0.5], found, atol=slack + 0.01)


def test_masks_move_like_images_and_keep_their_values():
    mask = Mask(lampas.randint(0, 9, (H, W), dtype=lampas.uint8))
    for move, _ in MOVES.values():
        moved = move(mask)
        assert type(moved) is Mask and moved.ndim == 2 and moved.max() < 9 and moved.dtype == lampas.uint8
    assert lampas.equal(F.rotate(mask, 90, expand=True), lampas.rot90(mask))


@pytest.mark.parametrize("dtype", ["int64", "int16", "bool", "float16"])
def test_masks_of_other_types_are_resized(dtype):
    mask = Mask(lampas.tensor([[0, 1], [1, 0]]).to(getattr(lampas, dtype)))
    larger = F.resize(mask, [4, 4])
    assert larger.dtype == mask.dtype
    assert lampas.equal(larger.as_subclass(lampas.Tensor), mask.repeat_interleave(2, 0).repeat_interleave(2, 1))


def test_elastic():
    still = lampas.zeros(1, H, W, 2)
    image, point, _ = marked(12, 9)
    np.testing.assert_allclose(F.elastic(image, still), image, atol=1e-5)
    np.testing.assert_allclose(F.elastic(point, still), point, atol=1e-5)
    shift = still.clone()
    shift[..., 0] = 2 * 3 / W  # three pixels to the right is where each pixel comes from
    np.testing.assert_allclose(middle(F.elastic(image, shift)), [9, 9], atol=1e-3)
    np.testing.assert_allclose(F.elastic(point, shift), [[9, 9]], atol=1e-3)


def test_videos_are_their_frames():
    video = Video(lampas.randint(0, 256, (3, 3, H, W), dtype=lampas.uint8))
    for move in (*(m for m, _ in MOVES.values()), F.autocontrast, F.equalize, F.invert):
        moved = move(video)
        assert type(moved) is Video
        frames = [move(Image(frame)) for frame in video.as_subclass(lampas.Tensor)]
        assert lampas.equal(moved, lampas.stack(frames))
    chosen = F.uniform_temporal_subsample(Video(lampas.arange(9).reshape(9, 1, 1, 1)), 3)
    assert chosen.flatten().tolist() == [0, 4, 8]


# --- values ---------------------------------------------------------------------------------------------------------


def test_types():
    pixels = lampas.tensor([[[0, 51, 255]]], dtype=lampas.uint8)
    np.testing.assert_allclose(F.to_dtype(pixels, lampas.float32, scale=True), [[[0, 0.2, 1]]], rtol=1e-6)
    assert F.to_dtype(pixels, lampas.float32).tolist() == [[[0, 51, 255]]]
    assert F.to_dtype(pixels, lampas.int16, scale=True).tolist() == [[[0, 51 << 7, 255 << 7]]]
    assert F.convert_image_dtype(lampas.tensor([0.0, 0.999, 1.0]), lampas.uint8).tolist() == [0, 255, 255]
    with pytest.raises(RuntimeError, match="safely"):
        F.to_dtype(lampas.zeros(1), lampas.int64, scale=True)
    assert F.to_dtype(boxes([[0, 0, 1, 1]]), lampas.float32, scale=True).tolist() == [[0, 0, 1, 1]]


def test_values_by_hand():
    pixels = lampas.tensor([[[0, 64, 128, 255]]], dtype=lampas.uint8)
    assert F.invert(pixels).tolist() == [[[255, 191, 127, 0]]]
    assert F.posterize(pixels, 1).tolist() == [[[0, 0, 128, 128]]]
    assert F.posterize(pixels / 255, 1).tolist() == [[[0, 0, 0.5, 0.5]]]
    assert F.solarize(pixels, 100).tolist() == [[[0, 64, 127, 0]]]
    assert F.autocontrast(pixels // 2 + 10).tolist() == [[[0, 64, 128, 254]]]
    assert F.adjust_brightness(pixels, 2.0).tolist() == [[[0, 128, 255, 255]]]
    assert F.permute_channels(lampas.arange(3.0).reshape(3, 1, 1), [2, 0, 1]).flatten().tolist() == [2, 0, 1]
    assert F.grayscale_to_rgb(pixels).shape == (3, 1, 4)
    erased = F.erase(pixels, 0, 1, 1, 2, lampas.tensor([7.0])[:, None, None])
    assert erased.tolist() == [[[0, 7, 7, 255]]] and pixels[0, 0, 1] == 64
    bordered = F.pad(lampas.zeros(2, 1, 1), 1, fill=[1.0, 2.0])
    assert bordered.sum() == 24 and bordered[:, 1, 1].tolist() == [0, 0]


def test_blur_keeps_the_mean_of_what_is_inside():
    dot = lampas.zeros(1, 15, 15)
    dot[0, 7, 7] = 1
    blurred = F.gaussian_blur(dot, [7, 5], [1.5, 1.0])
    weights = np.exp(-0.5 * (np.arange(-3, 4) / 1.5) ** 2)
    np.testing.assert_allclose(blurred.sum(), 1, atol=1e-6)
    np.testing.assert_allclose(blurred[0].sum(0)[4:11], weights / weights.sum(), atol=1e-6)


def test_jpeg_loses_more_at_lower_quality():
    pytest.importorskip("PIL")
    image = Image(lampas.randint(0, 256, (3, 16, 16), dtype=lampas.uint8))
    loss = [(F.jpeg(image, q).float() - image.float()).abs().mean() for q in (5, 50, 95)]
    assert loss[0] > loss[1] > loss[2] and type(F.jpeg(image, 50)) is Image
    assert F.jpeg(Video(lampas.zeros(2, 3, 8, 8, dtype=lampas.uint8)), 50).shape == (2, 3, 8, 8)


def test_to_image():
    array = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert np.array_equal(F.to_image(array), array.transpose(2, 0, 1))
    assert F.to_image(array[:, :, 0]).shape == (1, 2, 4)
    assert type(F.to_image(lampas.zeros(3, 2, 2))) is Image
    with pytest.warns(UserWarning, match="to_tensor"):
        assert F.to_tensor(array).max() == 23 / 255
    with pytest.warns(UserWarning, match="get_size"):
        assert F.get_image_size(lampas.zeros(1, 2, 3)) == [3, 2]
