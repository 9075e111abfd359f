"""Image files, against Pillow and bytes written here."""

import io as stdio
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import lampas
from lampas.vision import io

RNG = np.random.default_rng(1)
RGB = RNG.integers(0, 256, (3, 9, 7), dtype=np.uint8)


def encoded(image, format, **options):
    buffer = stdio.BytesIO()
    image.save(buffer, format, **options)
    return lampas.frombuffer(bytearray(buffer.getvalue()), dtype=lampas.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_png_both_ways(tmp_path, channels):
    pixels = lampas.from_numpy(RGB[:channels])
    io.write_png(pixels, tmp_path / "a.png", compression_level=9)
    assert np.array_equal(
        np.asarray(Image.open(tmp_path / "a.png")).reshape(9, 7, -1), RGB[:channels].transpose(1, 2, 0)
    )
    for read in (io.read_image, io.decode_image):
        assert lampas.equal(read(str(tmp_path / "a.png")), pixels)
    assert lampas.equal(io.decode_png(io.read_file(tmp_path / "a.png")), pixels)
    assert os.listdir(tmp_path) == ["a.png"]


@pytest.mark.parametrize("mode, want", [("L", 1), ("LA", 2), ("RGB", 3), ("RGBA", 4), ("1", 1), ("P", 3)])
def test_modes(mode, want):
    source = Image.fromarray(RGB.transpose(1, 2, 0)).convert(mode)
    data = encoded(source, "PNG")
    assert io.decode_image(data).shape == (want, 9, 7)
    for name, channels in (("GRAY", 1), ("GRAY_ALPHA", 2), ("RGB", 3), ("RGB_ALPHA", 4), ("rgba", 4)):
        got = io.decode_image(data, mode=name)
        pil = source.convert({1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels])
        assert np.array_equal(got.permute(1, 2, 0).numpy(), np.asarray(pil).reshape(9, 7, channels))
    assert io.ImageReadMode.RGBA is io.ImageReadMode.RGB_ALPHA


def test_sixteen_bits():
    values = np.arange(0, 65536, 1024, dtype=np.uint16).reshape(8, 8)
    got = io.decode_png(encoded(Image.fromarray(values), "PNG"))
    assert got.dtype == lampas.int32 and np.array_equal(got[0].numpy(), values)


def test_jpeg():
    smooth = np.stack([np.add.outer(np.arange(32), np.arange(32)) * k for k in (1, 2, 3)]).astype(np.uint8)
    data = io.encode_jpeg(lampas.from_numpy(smooth), quality=90)
    want = np.asarray(Image.open(stdio.BytesIO(data.numpy().tobytes()))).transpose(2, 0, 1)
    assert np.array_equal(io.decode_jpeg(data).numpy(), want)
    assert np.abs(want.astype(int) - smooth).mean() < 4
    assert [t.shape[0] for t in io.decode_jpeg([data, data], mode="GRAY")] == [1, 1]
    assert len(io.encode_jpeg([lampas.from_numpy(smooth)] * 2)) == 2


def test_exif():
    image, exif = Image.new("L", (5, 3)), Image.Exif()
    exif[274] = 6
    data = encoded(image, "JPEG", exif=exif)
    assert io.decode_image(data).shape == (1, 3, 5)
    assert io.decode_image(data, apply_exif_orientation=True).shape == (1, 5, 3)


def test_gif_and_webp():
    frames = [Image.new("RGB", (4, 2), c) for c in ("red", "blue")]
    got = io.decode_gif(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert got.shape == (2, 3, 2, 4) and got[1, :, 0, 0].tolist() == [0, 0, 255]
    assert io.decode_image(encoded(frames[0], "GIF")).shape == (3, 2, 4)
    got = io.decode_webp(encoded(Image.fromarray(RGB.transpose(1, 2, 0)), "WEBP", lossless=True))
    assert np.array_equal(got.numpy(), RGB)


def test_files(tmp_path):
    data = lampas.arange(200, dtype=lampas.uint8)
    io.write_file(tmp_path / "a", data[::2])
    assert (tmp_path / "a").read_bytes() == bytes(range(0, 200, 2))
    (tmp_path / "b").write_bytes(b"")
    for path, says in ((tmp_path / "b", "is empty"), (tmp_path / "c", "No such file")):
        with pytest.raises(RuntimeError, match=says):
            io.read_file(path)
    with pytest.raises(RuntimeError, match=r"float32"):
        io.write_file(tmp_path / "a", lampas.ones(3))
    with pytest.raises(RuntimeError, match=r"does not exist"):
        io.write_file(tmp_path / "no" / "a", data)


def test_errors():
    image = lampas.zeros(3, 4, 4, dtype=lampas.uint8)
    for bad, says in ((image.float(), "dtype uint8"), (image[:2], "1 or 3 channels"), (image[0], "got \\(4, 4\\)")):
        for encode in (io.encode_png, io.encode_jpeg):
            with pytest.raises(RuntimeError, match=says):
                encode(bad)
    with pytest.raises(RuntimeError, match=r"0 to 9, got 10"):
        io.encode_png(image, 10)
    with pytest.raises(ValueError, match=r"1 to 100, got 0"):
        io.encode_jpeg(image, 0)
    with pytest.raises(RuntimeError, match=r"cannot be decoded"):
        io.decode_png(io.encode_png(lampas.from_numpy(RGB))[:100])
    with pytest.raises(RuntimeError, match=r"\(jpeg\)"):
        io.decode_jpeg(io.encode_png(image))
    with pytest.raises(ValueError, match=r"empty"):
        io.decode_jpeg([])


@given(st.integers(0, 400), st.binary(min_size=1, max_size=4))
def test_damaged_png(place, patch):
    data = bytearray(io.encode_png(lampas.from_numpy(RGB)).numpy().tobytes())
    data[place : place + len(patch)] = patch
    try:
        assert io.decode_image(lampas.frombuffer(data, dtype=lampas.uint8)).ndim == 3
    except RuntimeError as error:
        assert "cannot be decoded" in str(error)
