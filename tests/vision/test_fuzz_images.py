"""Readers of IDX files and of images meet damaged and hostile files: RuntimeError only, and little memory."""

import contextlib
import gzip
import io
import struct
import warnings
import zlib

import pytest

import lampas
from lampas.vision import io as images
from lampas.vision.datasets.idx import read_idx

hypothesis = pytest.importorskip("hypothesis")
Image = pytest.importorskip("PIL.Image")
from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

quick = settings(
    max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)


@pytest.fixture(scope="module", autouse=True)
def memory():
    resource = pytest.importorskip("resource")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 800_000  # kilobytes


@st.composite
def damage(draw, goods):
    data = bytearray(draw(st.sampled_from(goods)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        kind = draw(st.sampled_from(["byte", "cut", "remove", "insert", "copy", "number"]))
        if kind == "byte" and data:
            data[at] = draw(st.integers(0, 255))
        elif kind == "cut":
            del data[at:]
        elif kind == "remove":
            del data[at : at + draw(st.integers(1, 40))]
        elif kind == "insert":
            data[at:at] = draw(st.binary(min_size=1, max_size=12))
        elif kind == "copy":
            data[at:at] = data[at : at + draw(st.integers(1, 60))]
        else:
            data[at : at + 4] = struct.pack(">I", draw(st.sampled_from([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])))
    return bytes(data)


# --- IDX ------------------------------------------------------------------------------------------------------------

IDX = [
    struct.pack(">4B3I", 0, 0, 8, 3, 2, 3, 4) + bytes(range(24)),
    struct.pack(">4BI3d", 0, 0, 0x0E, 1, 3, 1, 2, 3),
    struct.pack(">4B2I", 0, 0, 0x0B, 2, 0, 5),
]


class TestIdx:
    @quick
    @given(damage(IDX), st.sampled_from(["", ".gz"]))
    def test_damaged(self, tmp_path_factory, content, suffix):
        path = tmp_path_factory.getbasetemp() / f"idx{suffix}"
        path.write_bytes(gzip.compress(content, 1) if suffix else content)
        with contextlib.suppress(RuntimeError):
            assert read_idx(path).numel() <= len(content)

    @quick
    @given(damage([gzip.compress(content) for content in IDX]))
    def test_damaged_compression(self, tmp_path_factory, content):
        path = tmp_path_factory.getbasetemp() / "damaged.gz"
        path.write_bytes(content)
        with contextlib.suppress(RuntimeError):
            read_idx(path)

    @quick
    @given(st.integers(0, 255), st.lists(st.sampled_from([0, 1, 2, 255, 2**31, 2**32 - 1]), max_size=255))
    def test_sizes(self, tmp_path_factory, kind, shape):
        path = tmp_path_factory.getbasetemp() / "sizes"
        path.write_bytes(struct.pack(f">4B{len(shape)}I", 0, 0, kind, len(shape), *shape) + b"\0" * 16)
        with contextlib.suppress(RuntimeError):
            assert read_idx(path).numel() <= 16


# --- images ---------------------------------------------------------------------------------------------------------


def encoded(mode, kind, size=(7, 5), **options):
    buffer = io.BytesIO()
    image = Image.new(mode, size)
    image.putdata([tuple((7 * i + c) % 256 for c in range(len(image.getbands()))) for i in range(size[0] * size[1])])
    image.save(buffer, kind, **options)
    return buffer.getvalue()


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    PNG = [encoded(mode, "PNG") for mode in ("RGB", "RGBA", "LA")]
    OTHERS = [encoded("RGB", "JPEG"), encoded("RGB", "GIF"), encoded("RGB", "WEBP")]


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, color, data, interlace=0, extra=b""):
    head = chunk(b"IHDR", struct.pack(">2I5B", width, height, depth, color, 0, 0, interlace))
    return b"\x89PNG\r\n\x1a\n" + head + extra + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def attempt(content, **options):
    if not content:
        return
    data = lampas.frombuffer(bytearray(content), dtype=lampas.uint8)
    with warnings.catch_warnings(), contextlib.suppress(RuntimeError):
        warnings.simplefilter("ignore")
        found = images.decode_image(data, **options)
        assert found.dtype in (lampas.uint8, lampas.int32) and found.ndim in (3, 4)


class TestImages:
    @quick
    @given(damage(PNG), st.sampled_from(["UNCHANGED", "RGB", "GRAY"]))
    def test_damaged_png(self, content, mode):
        attempt(content, mode=mode)

    @quick
    @given(damage(OTHERS))
    def test_damaged_others(self, content):
        attempt(content, apply_exif_orientation=True)

    @quick
    @given(
        st.sampled_from([0, 1, 3, 4000, 2**31 - 1, 2**31, 2**32 - 1]),
        st.sampled_from([0, 1, 3, 4000, 2**31 - 1, 2**31, 2**32 - 1]),
        st.sampled_from([1, 2, 4, 8, 16, 3, 255]),
        st.integers(0, 7),
        st.binary(max_size=60),
        st.integers(0, 2),
        st.sampled_from([b"", chunk(b"PLTE", b"\0\1\2" * 3), chunk(b"tRNS", b"\0" * 3), chunk(b"iCCP", b"x\0\0x")]),
    )
    def test_hostile_png(self, width, height, depth, color, data, interlace, extra):
        attempt(png(width, height, depth, color, data, interlace, extra))

    def test_the_maker_makes_images(self):
        content = png(2, 1, 8, 2, b"\0" + bytes(range(6)))
        data = lampas.frombuffer(bytearray(content), dtype=lampas.uint8)
        assert images.decode_image(data).flatten(1).tolist() == [[0, 3], [1, 4], [2, 5]]

    def test_file_that_claims_too_much(self, tmp_path):
        """A few bytes that stand for ten thousand million pixels."""
        (tmp_path / "a.png").write_bytes(png(100_000, 100_000, 8, 6, b"\0"))
        with pytest.raises(RuntimeError, match="cannot be decoded"):
            images.read_image(str(tmp_path / "a.png"))
        (tmp_path / "b.png").write_bytes(png(1, 1, 8, 0, b"\0\7", extra=chunk(b"zTXt", b"k\0\0" + BOMB)))
        with contextlib.suppress(RuntimeError):
            images.read_image(str(tmp_path / "b.png"))


BOMB = zlib.compress(b"\0" * (1 << 26), 9)
