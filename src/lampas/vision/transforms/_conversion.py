"""Between PIL images, NumPy arrays and tensors."""

from __future__ import annotations

import sys
from typing import Any

import lampas
from lampas import Tensor

from ..utils import pillow, tensor_from_image
from ._pil_kernels import is_pil_image

# Modes whose pixels are bytes, and how many each has.
_BYTES = {"L": 1, "P": 1, "LA": 2, "PA": 2, "La": 2, "RGB": 3, "HSV": 3, "YCbCr": 3, "LAB": 3}
_BYTES |= {"RGBA": 4, "RGBa": 4, "RGBX": 4, "CMYK": 4}

# Modes of images made from arrays with so many channels of bytes; the first is the default.
_MODES = {1: ("L",), 2: ("LA",), 3: ("RGB", "YCbCr", "HSV"), 4: ("RGBA", "CMYK", "RGBX")}
_GREY_MODES = {"uint8": "L", "int16": "I;16", "int32": "I", "float32": "F"}


def is_array(value: Any) -> bool:
    """Whether it is a NumPy array; without importing NumPy."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray)


def _bytes_of(pic: Any, channels: int) -> Tensor:
    """The bytes of an image as (C, H, W), a copy."""
    width, height = pic.size
    size = width * height * channels
    if not size:
        return lampas.empty(channels, height, width, dtype=lampas.uint8)
    mode = pic.mode
    if channels == 1:
        return lampas.frombuffer(bytearray(pic.tobytes("raw", mode)), dtype=lampas.uint8).view(1, height, width)
    if size > 16384 and mode in ("RGB", "RGBA"):
        # Pillow writes one channel after the other faster than we change the order
        bands = bytearray().join([pic.tobytes("raw", band) for band in mode])
        return lampas.frombuffer(bands, dtype=lampas.uint8).view(channels, height, width)
    pixels = lampas.frombuffer(bytearray(pic.tobytes()), dtype=lampas.uint8)
    return pixels.view(height, width, channels).permute(2, 0, 1).contiguous()


def to_tensor(pic: Any) -> Tensor:
    if not is_pil_image(pic):
        return _array_to_tensor(pic)
    pic.load()  # some files say only now what mode they are in
    channels = _BYTES.get(pic.mode)
    if channels is not None:
        return _bytes_of(pic, channels).div(255)
    if pic.mode == "1":
        return to_tensor(pic.convert("L"))
    tensor = tensor_from_image(pic)
    return tensor.to(lampas.int16) if pic.mode.startswith("I;16") else tensor


def _array_to_tensor(pic: Any) -> Tensor:
    if not is_array(pic):
        raise TypeError(f"ToTensor takes a PIL image or a NumPy array (H, W) or (H, W, C), got {type(pic)}")
    if pic.ndim not in (2, 3):
        raise ValueError(f"an image as an array has 2 or 3 dimensions, (H, W) or (H, W, C), got shape {pic.shape}")
    import numpy as np

    # a copy in any case: the tensor may be written to
    first = np.array(pic[None] if pic.ndim == 2 else pic.transpose(2, 0, 1), order="C")
    tensor = lampas.from_numpy(first)
    return tensor.div(255) if tensor.dtype == lampas.uint8 else tensor


def pil_to_tensor(pic: Any) -> Tensor:
    if not is_pil_image(pic):
        raise TypeError(f"pil_to_tensor takes a PIL image, got {type(pic)}")
    pic.load()
    if pic.mode == "1":
        return pil_to_tensor(pic.convert("L")) != 0
    channels = _BYTES.get(pic.mode)
    return tensor_from_image(pic) if channels is None else _bytes_of(pic, channels)


def to_pil_image(pic: Any, mode: str | None = None) -> Any:
    if isinstance(pic, Tensor):
        if pic.ndim not in (2, 3):
            raise ValueError(f"an image as a tensor has 2 or 3 dimensions, (H, W) or (C, H, W), got {tuple(pic.shape)}")
        tensor = pic.detach().cpu()
        if tensor.is_floating_point() and mode != "F":
            tensor = tensor.mul(255).to(lampas.uint8)
        array = (tensor.unsqueeze(-1) if tensor.ndim == 2 else tensor.permute(1, 2, 0)).numpy()
    elif is_array(pic):
        if pic.ndim not in (2, 3):
            raise ValueError(f"an image as an array has 2 or 3 dimensions, (H, W) or (H, W, C), got {pic.shape}")
        array = pic[:, :, None] if pic.ndim == 2 else pic
        if array.dtype.kind == "f" and mode != "F":
            array = (array * 255).astype("uint8")
    else:
        raise TypeError(f"to_pil_image takes a tensor or a NumPy array, got {type(pic)}")

    height, width, channels = array.shape
    kind = array.dtype.name
    if channels not in _MODES:
        raise ValueError(f"an image has 1 to 4 channels, got {channels} in shape {tuple(pic.shape)}")
    if kind not in _GREY_MODES or (channels > 1 and kind != "uint8"):
        possible = "uint8, int16, int32 and floats" if channels == 1 else "uint8 and floats"
        raise TypeError(f"images with {channels} channels are made of {possible}, got {kind}")
    permitted = _MODES[channels] if channels > 1 else (_GREY_MODES[kind],)
    if mode is None:
        mode = permitted[0]
    elif mode not in permitted:
        raise ValueError(f"mode {mode!r} does not fit {channels} channels of {kind}: take {' or '.join(permitted)}")
    return pillow("Image").frombytes(mode, (width, height), array.tobytes())
