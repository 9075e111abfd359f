"""Image files to tensors and back. The codecs are Pillow's."""

from __future__ import annotations

import os
from enum import Enum
from io import BytesIO
from typing import Any

import lampas
from lampas import Tensor
from lampas.vision.utils import image_from_tensor, pillow, tensor_from_image

__all__ = [
    "ImageReadMode",
    "decode_avif",
    "decode_gif",
    "decode_image",
    "decode_jpeg",
    "decode_png",
    "decode_webp",
    "encode_jpeg",
    "encode_png",
    "read_file",
    "read_image",
    "write_file",
    "write_jpeg",
    "write_png",
]

_Path = str | os.PathLike[str]


class ImageReadMode(Enum):
    """What an image is converted to while it is read; a ``mode`` may also be given as string, ``"RGB"``."""

    UNCHANGED = 0
    GRAY = 1
    GRAY_ALPHA = 2
    RGB = 3
    RGB_ALPHA = 4
    RGBA = RGB_ALPHA


_Mode = ImageReadMode | str
_PIL_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def read_file(path: _Path) -> Tensor:
    """The bytes of a file as uint8 tensor of one dimension; ``RuntimeError`` where there is none, or it is empty.

    >>> read_file("cat.png")[1:4]
    tensor([80, 78, 71], dtype=torch.uint8)
    """
    try:
        with open(path, "rb") as file:
            data = bytearray(file.read())
    except OSError as error:
        raise RuntimeError(str(error)) from error
    if not data:
        raise RuntimeError(f"expected a file with contents, and {os.fspath(path)} is empty")
    return lampas.frombuffer(data, dtype=lampas.uint8)


def _check_bytes(data: Any) -> Tensor:
    if not isinstance(data, Tensor):
        raise TypeError(f"expected a tensor with the bytes of a file, got {type(data)}")
    if data.dtype != lampas.uint8 or data.ndim != 1:
        raise RuntimeError(
            f"the bytes of a file are a uint8 tensor of one dimension, got {data.dtype} of shape {tuple(data.shape)}"
        )
    return data


def write_file(filename: _Path, data: Tensor) -> None:
    """Write the bytes in a uint8 tensor of one dimension to a file, which is replaced in one step."""
    from lampas.serialization.files import open_writing

    contents = _check_bytes(data).contiguous().numpy()
    try:
        with open_writing(filename) as file:
            file.write(contents)
    except OSError as error:
        raise RuntimeError(f"cannot write {os.fspath(filename)}: {error}") from error


def _target_mode(image: Any, mode: ImageReadMode) -> str:
    """The Pillow mode that an opened image is converted to."""
    if mode is not ImageReadMode.UNCHANGED:
        return _PIL_MODES[mode.value]
    if image.mode in ("L", "LA", "RGB", "RGBA", "CMYK", "I;16"):
        return image.mode
    if image.mode == "1":
        return "L"
    if image.mode.startswith("I"):  # 16 bits of grey in Pillow's other modes for them
        return "I;16"
    alpha = image.mode in ("PA", "La", "RGBa") or "transparency" in image.info
    return "RGBA" if alpha else "RGB"


def _decode(data: Any, mode: _Mode, exif: bool, formats: tuple[str, ...]) -> Tensor:
    if isinstance(mode, str):
        mode = ImageReadMode[mode.upper()]
    contents = _check_bytes(data).contiguous().numpy().tobytes()
    if not contents:
        raise RuntimeError("expected the bytes of an image, got an empty tensor")
    pil = pillow("Image")
    try:
        with pil.open(BytesIO(contents), formats=formats) as image:
            if image.format == "GIF":
                return _frames(image)
            if image.format == "JPEG" and mode is ImageReadMode.GRAY:
                image.draft("L", image.size)  # the file stores brightness apart: nothing is computed from RGB
            image.load()
            if exif:
                image = pillow("ImageOps").exif_transpose(image)
            target = _target_mode(image, mode)
            return tensor_from_image(image if image.mode == target else image.convert(target))
    except Exception as error:  # damaged files make Pillow's readers stumble in many ways
        known = ", ".join(format.lower() for format in formats)
        raise RuntimeError(f"the bytes cannot be decoded as an image ({known}): {error}") from error


def _frames(image: Any) -> Tensor:
    frames = []
    for i in range(getattr(image, "n_frames", 1)):
        image.seek(i)
        frames.append(tensor_from_image(image.convert("RGB")))
    return frames[0] if len(frames) == 1 else lampas.stack(frames)


def decode_image(
    input: Tensor | _Path, mode: _Mode = ImageReadMode.UNCHANGED, apply_exif_orientation: bool = False
) -> Tensor:
    """The pixels of a JPEG, PNG, GIF or WebP image.

    Args:
        input: the bytes of the file as uint8 tensor of one dimension, or its path.
        mode: convert to this; see `ImageReadMode`.
        apply_exif_orientation: turn the image as its EXIF data says.

    Returns:
        uint8 of shape (C, H, W), int32 (0 to 65535) for 16-bit grey PNG; an animated GIF gives (N, 3, H, W).

    Raises:
        RuntimeError: no such file, no such image, or a damaged one.

    >>> decode_image("cat.jpg", mode="RGB").shape
    lampas.Size([3, 480, 640])
    """
    data = input if isinstance(input, Tensor) else read_file(input)
    return _decode(data, mode, apply_exif_orientation, ("JPEG", "PNG", "GIF", "WEBP"))


def read_image(path: _Path, mode: _Mode = ImageReadMode.UNCHANGED, apply_exif_orientation: bool = False) -> Tensor:
    """The pixels of an image file; see `decode_image`, which takes a path, too."""
    return decode_image(read_file(path), mode, apply_exif_orientation)


def decode_png(input: Tensor, mode: _Mode = ImageReadMode.UNCHANGED, apply_exif_orientation: bool = False) -> Tensor:
    """The pixels of a PNG image from its bytes; see `decode_image`."""
    return _decode(input, mode, apply_exif_orientation, ("PNG",))


def decode_jpeg(
    input: Tensor | list[Tensor],
    mode: _Mode = ImageReadMode.UNCHANGED,
    device: Any = "cpu",
    apply_exif_orientation: bool = False,
) -> Any:
    """The pixels of a JPEG image, or of each in a list, from the bytes; see `decode_image`."""
    if isinstance(input, list):
        if not input:
            raise ValueError("the list of images to decode is empty")
        if not all(isinstance(item, Tensor) for item in input):
            raise ValueError("the list of images to decode must hold tensors only")
        return [decode_jpeg(item, mode, device, apply_exif_orientation) for item in input]
    return _decode(input, mode, apply_exif_orientation, ("JPEG",)).to(device)


def decode_gif(input: Tensor) -> Tensor:
    """The pixels of a GIF image from its bytes: (3, H, W), or (N, 3, H, W) where it has N pictures."""
    return _decode(input, ImageReadMode.RGB, False, ("GIF",))


def decode_webp(input: Tensor, mode: _Mode = ImageReadMode.UNCHANGED) -> Tensor:
    """The pixels of a WebP image from its bytes; see `decode_image`."""
    return _decode(input, mode, False, ("WEBP",))


def decode_avif(input: Tensor, mode: _Mode = ImageReadMode.UNCHANGED) -> Tensor:
    """The pixels of an AVIF image from its bytes, where the Pillow that is installed reads them; see `decode_image`."""
    return _decode(input, mode, False, ("AVIF",))


def _encode(image: Any, **options: Any) -> Tensor:
    if not isinstance(image, Tensor):
        raise TypeError(f"expected an image as tensor, got {type(image)}")
    if image.dtype != lampas.uint8:
        raise RuntimeError(f"an image to encode must be of dtype uint8, got {image.dtype}: scale it to 0..255 first")
    if image.ndim != 3 or image.shape[0] not in (1, 3):
        raise RuntimeError(f"an image to encode must be (C, H, W) with 1 or 3 channels, got {tuple(image.shape)}")
    if 0 in image.shape:
        raise RuntimeError(f"an image to encode must have pixels, got {tuple(image.shape)}")
    buffer = BytesIO()
    image_from_tensor(image).save(buffer, **options)
    return lampas.frombuffer(bytearray(buffer.getbuffer()), dtype=lampas.uint8)


def encode_png(input: Tensor, compression_level: int = 6) -> Tensor:
    """The bytes of a PNG file of an image.

    Args:
        input: uint8 of shape (C, H, W), 1 or 3 channels.
        compression_level: from 0, large and fast, to 9.

    Raises:
        RuntimeError: not such an image, not such a level.

    >>> decode_png(encode_png(lampas.zeros(3, 4, 4, dtype=lampas.uint8))).shape
    lampas.Size([3, 4, 4])
    """
    if not 0 <= compression_level <= 9:
        raise RuntimeError(f"the compression level of PNG is from 0 to 9, got {compression_level}")
    return _encode(input, format="PNG", compress_level=compression_level)


def encode_jpeg(input: Tensor | list[Tensor], quality: int = 75) -> Any:
    """The bytes of a JPEG file of an image, or of each in a list.

    Args:
        input: uint8 of shape (C, H, W), 1 or 3 channels.
        quality: from 1 to 100.

    Raises:
        ValueError: not such a quality, or an empty list. RuntimeError: not such an image.

    >>> encode_jpeg(lampas.zeros(3, 4, 4, dtype=lampas.uint8)).dtype
    lampas.uint8
    """
    if not 1 <= quality <= 100:
        raise ValueError(f"the quality of JPEG is from 1 to 100, got {quality}")
    if isinstance(input, list):
        if not input:
            raise ValueError("the list of images to encode is empty")
        return [encode_jpeg(item, quality) for item in input]
    return _encode(input, format="JPEG", quality=quality)


def write_png(input: Tensor, filename: _Path, compression_level: int = 6) -> None:
    """Write an image to a PNG file, which is replaced in one step; see `encode_png`."""
    write_file(filename, encode_png(input, compression_level))


def write_jpeg(input: Tensor, filename: _Path, quality: int = 75) -> None:
    """Write an image to a JPEG file, which is replaced in one step; see `encode_jpeg`."""
    write_file(filename, encode_jpeg(input, quality))
