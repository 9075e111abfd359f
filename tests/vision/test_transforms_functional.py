"""Operations on images, against Pillow, NumPy and numbers worked out by hand."""

import subprocess
import sys

import numpy as np
import pytest

Image = pytest.importorskip("PIL.Image")
ImageOps = pytest.importorskip("PIL.ImageOps")

import lampas  # noqa: E402
from lampas.vision.transforms import InterpolationMode  # noqa: E402
from lampas.vision.transforms import functional as F  # noqa: E402

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)


@pytest.fixture
def image():
    return Image.fromarray(PIXELS)


@pytest.fixture
def tensor():
    return lampas.from_numpy(PIXELS.transpose(2, 0, 1).copy())


def last(tensor):
    return tensor.permute(1, 2, 0).numpy()


def test_importing_needs_neither_pillow_nor_numpy():
    code = "import sys, lampas.vision.transforms; print(any(m in sys.modules for m in ('PIL', 'numpy')))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_to_tensor(image):
    result = F.to_tensor(image)
    assert result.shape == (3, 20, 30) and result.dtype == lampas.float32 and result.is_contiguous()
    np.testing.assert_array_equal(last(result), PIXELS.astype(np.float32) / 255)
    grey = image.convert("L")
    np.testing.assert_array_equal(F.to_tensor(grey)[0].numpy(), np.asarray(grey, np.float32) / 255)
    np.testing.assert_array_equal(F.to_tensor(image.crop((1, 2, 8, 9))).numpy(), result[:, 2:9, 1:8].numpy())
    assert F.to_tensor(Image.new("1", (3, 2), 1)).tolist() == [[[1.0] * 3] * 2]
    assert F.to_tensor(Image.new("I", (1, 1), 70000)).tolist() == [[[70000]]]
    assert F.to_tensor(np.full((2, 3), 0.25)).tolist() == [[[0.25] * 3] * 2]
    assert F.to_tensor(PIXELS).shape == (3, 20, 30)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "CMYK"])
@pytest.mark.parametrize("size", [(0, 3), (30, 20), (150, 100)])
def test_small_and_large_images(mode, size):
    image = Image.frombytes(mode, size, RNG.bytes(len(Image.new(mode, size).tobytes())))
    expected = np.asarray(image).reshape(size[1], size[0], len(mode)).transpose(2, 0, 1)
    assert np.array_equal(F.pil_to_tensor(image).numpy(), expected)
    assert np.array_equal(F.to_tensor(image).numpy(), expected.astype(np.float32) / 255)


def test_files_are_read_when_they_are_needed(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "image.png")
    with Image.open(tmp_path / "image.png") as image:
        assert np.array_equal(last(F.pil_to_tensor(image)), PIXELS)
    frames = [Image.fromarray(PIXELS), Image.fromarray(255 - PIXELS)]
    frames[0].save(tmp_path / "image.gif", save_all=True, append_images=frames[1:])
    with Image.open(tmp_path / "image.gif") as image:
        image.seek(1)
        assert np.array_equal(F.to_tensor(image).mul(255).round().numpy(), F.pil_to_tensor(image.copy()).numpy())


def test_to_tensor_follows_the_default_dtype(image):
    lampas.set_default_dtype(lampas.float64)
    try:
        assert F.to_tensor(image).dtype == lampas.float64
    finally:
        lampas.set_default_dtype(lampas.float32)


def test_tensors_and_images_share_no_memory(image, tensor):
    pixels = F.pil_to_tensor(image)
    pixels.zero_()
    assert np.array_equal(np.asarray(image), PIXELS)
    grey = F.to_pil_image(tensor[:1])
    tensor.zero_()
    assert np.array_equal(np.asarray(grey), PIXELS[:, :, 0])
    array = np.zeros((2, 2))
    F.to_tensor(array).fill_(3)
    assert not array.any()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I", "F"])
def test_there_and_back(image, mode):
    source = image.convert("RGB" if mode == "1" else mode).convert(mode)
    pixels = F.pil_to_tensor(source)
    if mode == "1":
        assert pixels.dtype == lampas.bool and pixels.sum().item() == np.asarray(source).sum()
    else:
        assert np.array_equal(np.asarray(F.to_pil_image(pixels, mode)), np.asarray(source))


def test_floats_to_pil():
    assert F.to_pil_image(lampas.tensor([[0.0, 0.5, 1.0]])).tobytes() == bytes([0, 127, 255])


def test_convert_image_dtype(tensor):
    floats = F.convert_image_dtype(tensor)
    assert lampas.equal(F.convert_image_dtype(floats, lampas.uint8), tensor)
    assert F.convert_image_dtype(lampas.tensor([0.0, 1.0]), lampas.uint8).tolist() == [0, 255]
    assert F.convert_image_dtype(tensor, lampas.int16).max().item() <= 32767
    assert lampas.equal(F.convert_image_dtype(F.convert_image_dtype(tensor, lampas.int16), lampas.uint8), tensor)


def test_normalize(tensor):
    values = tensor.float()
    out = F.normalize(values, [1.0, 2.0, 3.0], [4.0, 5.0, 6.0])
    expected = (PIXELS.astype(np.float32) - np.float32([1, 2, 3])) / np.float32([4, 5, 6])
    np.testing.assert_allclose(last(out), expected, rtol=1e-6)
    same = F.normalize(values, (1.0, 2.0, 3.0), lampas.tensor([4.0, 5.0, 6.0]), inplace=True)
    assert same is values and lampas.equal(values, out)


def test_normalize_takes_any_numbers():
    x = lampas.rand(2, 3, 3)
    with lampas.inference_mode():
        expected = F.normalize(x, [0.125, 0.25], [0.5, 4])
    for mean in (np.array([0.125, 0.25]), lampas.tensor([0.125, 0.25]), [lampas.tensor(0.125), lampas.tensor(0.25)]):
        assert lampas.equal(F.normalize(x, mean, np.float32([0.5, 4])), expected)
    x.requires_grad_()
    F.normalize(x, [0.125, 0.25], [0.5, 4]).sum().backward()
    assert x.grad[:, 0, 0].tolist() == [2.0, 0.25]


def test_sizes(image, tensor):
    for x in (image, tensor):
        assert F.get_dimensions(x) == [3, 20, 30]
        assert F.get_image_size(x) == [30, 20] and F.get_image_num_channels(x) == 3


def test_flips_and_crops(image, tensor):
    assert np.array_equal(last(F.hflip(tensor)), PIXELS[:, ::-1])
    assert np.array_equal(np.asarray(F.vflip(image)), PIXELS[::-1])
    for x in (image, tensor):
        pixels = np.asarray(F.crop(x, 2, 3, 4, 5)) if x is image else last(F.crop(x, 2, 3, 4, 5))
        assert np.array_equal(pixels, PIXELS[2:6, 3:8])
    around = last(F.crop(tensor, -1, 28, 3, 4))
    assert not around[0].any() and not around[:, 2:].any() and np.array_equal(around[1:, :2], PIXELS[:2, 28:])
    assert F.crop(tensor, -9, -9, 3, 3).tolist() == [[[0] * 3] * 3] * 3
    five = F.five_crop(tensor, [4, 6])
    assert np.array_equal(last(five[3]), PIXELS[16:, 24:]) and np.array_equal(last(five[4]), PIXELS[8:12, 12:18])
    assert np.array_equal(last(F.ten_crop(tensor, [4, 6])[5]), PIXELS[:4, ::-1][:, :6])
    assert F.center_crop(tensor, 40).shape == (3, 40, 40)
    assert np.array_equal(last(F.center_crop(tensor, 40))[10:30, 5:35], PIXELS)


@pytest.mark.parametrize("mode, numpy_mode", [("edge", "edge"), ("reflect", "reflect"), ("symmetric", "symmetric")])
def test_pad(image, tensor, mode, numpy_mode):
    expected = np.pad(PIXELS, ((2, 4), (1, 3), (0, 0)), mode=numpy_mode)
    assert np.array_equal(last(F.pad(tensor, [1, 2, 3, 4], padding_mode=mode)), expected)
    assert np.array_equal(np.asarray(F.pad(image, [1, 2, 3, 4], padding_mode=mode)), expected)


def test_pad_constant(image, tensor):
    assert np.array_equal(last(F.pad(tensor, 1, 7)), np.pad(PIXELS, ((1, 1), (1, 1), (0, 0)), constant_values=7))
    padded = F.pad(image, (1, 2), (1, 2, 3))
    assert padded.size == (32, 24) and padded.getpixel((0, 0)) == (1, 2, 3)
    palette = Image.new("P", (2, 2))
    palette.putpalette([9, 8, 7] * 256)
    assert F.pad(palette, 1).convert("RGB").getpixel((0, 0)) == (9, 8, 7)


def test_resize_sizes(image, tensor):
    for x in (image, tensor):
        assert F.get_image_size(F.resize(x, 10)) == [15, 10]
        assert F.get_image_size(F.resize(x, [7, 9])) == [9, 7]
        assert F.get_image_size(F.resize(x, 15, max_size=18)) == [18, 12]
        assert F.resize(x, [20, 30]) is x
    assert F.resize(tensor[None, None], [4, 4]).shape == (1, 1, 3, 4, 4)


@pytest.mark.parametrize("mode", [InterpolationMode.BILINEAR, InterpolationMode.BICUBIC])
@pytest.mark.parametrize("size", [[11, 13], [50, 41]])
def test_tensors_are_resized_like_images(mode, size):
    """Pillow computes with integers, also between rows and columns: a difference of 1 is rounding."""
    pixels = PIXELS // 4 + 96  # so that no cubic leaves the range
    ours = last(F.resize(lampas.from_numpy(pixels.transpose(2, 0, 1).copy()), size, mode)).astype(int)
    theirs = np.asarray(F.resize(Image.fromarray(pixels), size, mode)).astype(int)
    assert np.abs(ours - theirs).max() <= 1


def test_right_angles(image, tensor):
    assert np.array_equal(last(F.rotate(tensor, 180)), PIXELS[::-1, ::-1])
    square = tensor[:, :, :20]
    assert np.array_equal(last(F.rotate(square, 90)), np.rot90(PIXELS[:, :20]))
    assert np.array_equal(np.asarray(F.rotate(image, 90, expand=True)), np.rot90(PIXELS))
    assert F.get_dimensions(F.rotate(tensor, 45, expand=True))[1:] == [36, 36]


def test_affine(image, tensor):
    moved = last(F.affine(tensor, 0, [3, 2], 1.0, 0.0, fill=[9]))
    assert np.array_equal(moved[2:, 3:], PIXELS[:-2, :-3]) and (moved[:2] == 9).all() and (moved[:, :3] == 9).all()
    assert np.array_equal(np.asarray(F.affine(image, 0, [3, 2], 1.0, 0.0, fill=9)), moved)
    doubled = last(F.affine(tensor, 0, [0, 0], 2.0, 0.0))
    assert np.array_equal(doubled, np.repeat(np.repeat(PIXELS[5:15, 7:23], 2, 0), 2, 1)[:, 1:31])


def test_perspective(image, tensor):
    corners = [[0, 0], [29, 0], [29, 19], [0, 19]]
    assert np.array_equal(last(F.perspective(tensor, corners, corners, InterpolationMode.NEAREST)), PIXELS)
    moved = [[x + 4, y + 1] for x, y in corners]
    shifted = last(F.perspective(tensor, corners, moved, InterpolationMode.NEAREST, fill=5))
    assert np.array_equal(shifted[1:, 4:], PIXELS[:-1, :-4]) and (shifted[0] == 5).all()
    by_pillow = np.asarray(F.perspective(image, corners, moved, InterpolationMode.NEAREST, fill=5))
    assert np.array_equal(by_pillow, shifted)


def test_elastic(image, tensor):
    still = lampas.zeros(1, 20, 30, 2)
    assert np.array_equal(last(F.elastic_transform(tensor, still)), PIXELS)
    still[..., 0] = 2 / 30  # one pixel to the right
    for moved in (last(F.elastic_transform(tensor, still, fill=4)), F.elastic_transform(image, still, fill=4)):
        assert np.array_equal(np.asarray(moved)[:, :-1], PIXELS[:, 1:])
        assert (np.asarray(moved)[:, -1] == 4).all()


def test_erase(tensor):
    erased = F.erase(tensor, 1, 2, 3, 4, lampas.tensor([7, 8, 9])[:, None, None])
    assert (last(erased)[1:4, 2:6] == [7, 8, 9]).all() and last(erased)[0, 0].tolist() == PIXELS[0, 0].tolist()
    assert np.array_equal(last(tensor), PIXELS)
    assert F.erase(tensor, 0, 0, 1, 1, lampas.tensor(0), inplace=True) is tensor


def test_brightness_and_its_kin(tensor):
    floats = tensor / 255
    np.testing.assert_allclose(F.adjust_brightness(floats, 0.5).numpy(), floats.numpy() / 2, rtol=1e-6)
    assert F.adjust_brightness(tensor, 1000).unique().tolist() == [0, 255]
    for adjust in (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_sharpness):
        assert lampas.equal(adjust(tensor, 1), tensor)
    grey = last(floats) @ np.array([0.2989, 0.587, 0.114])
    flat = F.adjust_contrast(floats, 0)
    np.testing.assert_allclose(flat.numpy(), np.full((3, 20, 30), grey.mean()), rtol=1e-5)
    np.testing.assert_allclose(F.adjust_saturation(floats, 0)[1].numpy(), grey, rtol=1e-5)
    np.testing.assert_allclose(F.adjust_gamma(floats, 2, 0.5).numpy(), floats.numpy() ** 2 / 2, rtol=1e-5)


def test_hue():
    red = lampas.tensor([255, 0, 0], dtype=lampas.uint8).view(3, 1, 1)
    assert F.adjust_hue(red, 1 / 3).flatten().tolist() == [0, 255, 0]
    assert F.adjust_hue(red, -1 / 3).flatten().tolist() == [0, 0, 255]
    grey = lampas.full((3, 2, 2), 0.25)
    assert lampas.equal(F.adjust_hue(grey, 0.3), grey)


def test_hues_are_colorsys():
    import colorsys

    colors = RNG.random((3, 1, 50))
    turned = F.adjust_hue(lampas.from_numpy(colors), 0.2)
    for color, result in zip(colors[:, 0].T, turned[:, 0].T.tolist()):
        h, s, v = colorsys.rgb_to_hsv(*color)
        np.testing.assert_allclose(result, colorsys.hsv_to_rgb((h + 0.2) % 1, s, v), atol=1e-6)


@pytest.mark.parametrize(
    "name, args", [("invert", ()), ("posterize", (3,)), ("solarize", (100,)), ("equalize", ()), ("autocontrast", ())]
)
def test_values_are_pillows(image, tensor, name, args):
    expected = np.asarray(getattr(ImageOps, name)(image, *args))
    assert np.array_equal(np.asarray(getattr(F, name)(image, *args)), expected)
    difference = last(getattr(F, name)(tensor, *args)).astype(int) - expected
    assert np.abs(difference).max() <= (name == "autocontrast")


def test_equalize_of_few_colours():
    few = lampas.tensor([[[3, 3, 200]]], dtype=lampas.uint8)
    assert lampas.equal(F.equalize(few), few)


def test_grey(image, tensor):
    assert np.array_equal(np.asarray(F.to_grayscale(image)), np.asarray(image.convert("L")))
    three = np.asarray(F.rgb_to_grayscale(image, 3))
    assert (three == three[:, :, :1]).all()
    ours = F.rgb_to_grayscale(tensor)
    assert ours.shape == (1, 20, 30)
    assert np.abs(ours[0].numpy().astype(int) - np.asarray(image.convert("L"))).max() <= 1


def test_blur_is_a_gaussian():
    point = lampas.zeros(1, 9, 9, dtype=lampas.float64)
    point[0, 4, 4] = 1
    bell = np.exp(-0.5 * (np.arange(-2, 3) / 1.5) ** 2)
    bell /= bell.sum()
    blurred = F.gaussian_blur(point, [5, 3], [1.5, 0.0001])[0].numpy()
    np.testing.assert_allclose(blurred[4, 2:7], bell, atol=1e-12)
    assert blurred[3].max() < 1e-12
    flat = lampas.full((3, 8, 8), 77, dtype=lampas.uint8)
    assert lampas.equal(F.gaussian_blur(flat, 5), flat)
    assert F.gaussian_blur(Image.new("L", (9, 9), 8), 3).getpixel((0, 0)) == 8


def test_gradients_pass():
    image = lampas.rand(3, 6, 6, dtype=lampas.float64, requires_grad=True)
    out = F.gaussian_blur(F.rotate(F.normalize(image, [0.5] * 3, [0.5] * 3), 20.0, InterpolationMode.BILINEAR), 3)
    out.sum().backward()
    assert image.grad.abs().sum() > 0


ERRORS = [
    (lambda x, p: F.to_tensor(x), TypeError, "takes a PIL image or a NumPy array"),
    (lambda x, p: F.to_tensor(np.zeros((1, 2, 3, 4))), ValueError, r"got shape \(1, 2, 3, 4\)"),
    (lambda x, p: F.pil_to_tensor(x), TypeError, "takes a PIL image, got"),
    (lambda x, p: F.to_pil_image("a"), TypeError, "takes a tensor or a NumPy array"),
    (lambda x, p: F.to_pil_image(lampas.zeros(5, 2, 2)), ValueError, "1 to 4 channels, got 5"),
    (lambda x, p: F.to_pil_image(lampas.zeros(1, 1, 2, 2)), ValueError, r"2 or 3 dimensions"),
    (lambda x, p: F.to_pil_image(np.zeros(3)), ValueError, r"2 or 3 dimensions"),
    (lambda x, p: F.to_pil_image(lampas.zeros(2, 2, dtype=lampas.int64)), TypeError, "got int64"),
    (lambda x, p: F.to_pil_image(x, "L"), ValueError, "take RGB or YCbCr or HSV"),
    (lambda x, p: F.convert_image_dtype(p), TypeError, "should be a tensor"),
    (lambda x, p: F.convert_image_dtype(x, lampas.int32), RuntimeError, "cannot become torch.int32 safely"),
    (lambda x, p: F.normalize(p, [1], [1]), TypeError, "should be a tensor.*ToTensor"),
    (lambda x, p: F.normalize(x.to(lampas.uint8), [1], [1]), TypeError, "got torch.uint8: convert it first"),
    (lambda x, p: F.normalize(x, [1], [0]), ValueError, "divide by zero"),
    (lambda x, p: F.normalize(x[0], [1], [1]), ValueError, r"size \(..., C, H, W\)"),
    (lambda x, p: F.normalize(x, [1, 1], [1, 1]), RuntimeError, "mean has 2 and std 2 values.* has 3 channels"),
    (lambda x, p: F.normalize(x[:1], [1, 1, 1], [1]), RuntimeError, "mean has 3 and std 1 values.* has 1 channels"),
    (lambda x, p: F.hflip(3), TypeError, "should be a tensor or a PIL image, got <class 'int'>"),
    (lambda x, p: F.hflip(x[0, 0]), TypeError, "at least 2 dimensions"),
    (lambda x, p: F.center_crop(x, [1, 2, 3]), ValueError, "one number or two"),
    (lambda x, p: F.five_crop(x, 20), ValueError, r"\(20, 20\) is larger than the image, \(8, 9\)"),
    (lambda x, p: F.resize(x, "4"), TypeError, "size must be an int"),
    (lambda x, p: F.resize(x, [1, 2, 3]), ValueError, "1 or 2 elements"),
    (lambda x, p: F.resize(x, [4, 4], max_size=9), ValueError, "max_size needs a size that is one number"),
    (lambda x, p: F.resize(x, 4, max_size=3), ValueError, "max_size = 3 must be greater"),
    (lambda x, p: F.resize(x, 4, "bilinear"), TypeError, "should be an InterpolationMode.*'bilinear'"),
    (lambda x, p: F.resize(x, 4, 9), KeyError, "0 to 5"),
    (lambda x, p: F.resize(x, 4, InterpolationMode.LANCZOS), NotImplementedError, "tensors cannot be resized with"),
    (lambda x, p: F.pad(x, 1.5), TypeError, "padding should be an int"),
    (lambda x, p: F.pad(x, [1, 2, 3]), ValueError, "1, 2 or 4 elements"),
    (lambda x, p: F.pad(x, 1, "red"), TypeError, "fill should be a number"),
    (lambda x, p: F.pad(x, 1, (1, 2, 3)), TypeError, "padded with one number"),
    (lambda x, p: F.pad(p, 1, (1, 2)), ValueError, "fill has 2 values for the image's 3 channels"),
    (lambda x, p: F.pad(x, 1, 0, 3), TypeError, "padding_mode should be a string"),
    (lambda x, p: F.pad(x, 1, 0, "mirror"), ValueError, "constant, edge, reflect or symmetric, got 'mirror'"),
    (lambda x, p: F.pad(x, 12, 0, "symmetric"), IndexError, "more than the image's 9 pixels"),
    (lambda x, p: F.rotate(x, "a"), TypeError, "angle should be a number"),
    (lambda x, p: F.rotate(x, 3, center=3), TypeError, "center should be a list or tuple"),
    (lambda x, p: F.rotate(x, 3, InterpolationMode.BICUBIC), ValueError, "take 'nearest' or 'bilinear'"),
    (lambda x, p: F.rotate(x, 3, fill=[1, 2]), ValueError, "fill has 2 values for the image's 3 channels"),
    (lambda x, p: F.rotate(p, 3, fill="red"), TypeError, "fill should be a number"),
    (lambda x, p: F.affine(x, "a", [0, 0], 1, 0), TypeError, "angle should be a number"),
    (lambda x, p: F.affine(x, 3, 3, 1, 0), TypeError, "translate should be a list"),
    (lambda x, p: F.affine(x, 3, [1, 2, 3], 1, 0), ValueError, "translate should have two elements"),
    (lambda x, p: F.affine(x, 3, [0, 0], 0, 0), ValueError, "scale should be positive"),
    (lambda x, p: F.affine(x, 3, [0, 0], 1, "a"), TypeError, "shear should be a number"),
    (lambda x, p: F.affine(x, 3, [0, 0], 1, [1, 2, 3]), ValueError, "shear should have two elements"),
    (lambda x, p: F.perspective(x, [[0, 0]] * 3, [[0, 0]] * 4), ValueError, "got 3 and 4"),
    (lambda x, p: F.elastic_transform(x, 3), TypeError, "displacement should be a tensor"),
    (lambda x, p: F.elastic_transform(x, x), ValueError, r"shape \(1, 8, 9, 2\).*got \(3, 8, 9\)"),
    (lambda x, p: F.erase(p, 1, 1, 1, 1, x), TypeError, "should be a tensor"),
    (lambda x, p: F.to_grayscale(x), TypeError, "rgb_to_grayscale takes tensors"),
    (lambda x, p: F.rgb_to_grayscale(x, 2), ValueError, "1 or 3, got 2"),
    (lambda x, p: F.rgb_to_grayscale(p, 2), ValueError, "1 or 3, got 2"),
    (lambda x, p: F.rgb_to_grayscale(x[:2]), TypeError, "1 or 3 channels, got 2"),
    (lambda x, p: F.invert(x[0]), TypeError, "at least 3 dimensions"),
    (lambda x, p: F.posterize(x, 9), ValueError, "0 to 8, got 9"),
    (lambda x, p: F.posterize(x, 3), TypeError, "only uint8 images can be posterized"),
    (lambda x, p: F.equalize(x), TypeError, "only uint8 images can be equalized"),
    (lambda x, p: F.solarize(x, 2), TypeError, "threshold 2 is above 1"),
    (lambda x, p: F.adjust_brightness(x, -1), ValueError, r"brightness_factor \(-1\) must not be negative"),
    (lambda x, p: F.adjust_hue(x, 0.6), ValueError, r"not in \[-0.5, 0.5\]"),
    (lambda x, p: F.adjust_hue(p, 0.6), ValueError, r"not in \[-0.5, 0.5\]"),
    (lambda x, p: F.adjust_gamma(x, -1), ValueError, "must not be negative"),
    (lambda x, p: F.adjust_gamma(p, -1), ValueError, "must not be negative"),
    (lambda x, p: F.gaussian_blur(x, "3"), TypeError, "kernel_size should be a number or a sequence of two"),
    (lambda x, p: F.gaussian_blur(x, [3, 3, 3]), ValueError, "kernel_size should have two elements"),
    (lambda x, p: F.gaussian_blur(x, 4), ValueError, "odd and positive"),
    (lambda x, p: F.gaussian_blur(x, 3, 0.0), ValueError, "sigma should be positive"),
]


@pytest.mark.parametrize("call, error, message", ERRORS)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call(lampas.zeros(3, 8, 9), Image.new("RGB", (9, 8)))


def test_antialias_of_images_is_not_for_choosing(image):
    with pytest.warns(UserWarning, match="always resized with antialiasing"):
        F.resize(image, 5, antialias=False)
