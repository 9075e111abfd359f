"""Transforms of types and of values as numbers."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import lampas
from lampas import Tensor
from lampas.vision import tv_tensors
from lampas.vision.transforms import functional as _v1
from lampas.vision.transforms._conversion import is_array
from lampas.vision.transforms.v2 import _arguments as arguments
from lampas.vision.transforms.v2 import functional as F
from lampas.vision.transforms.v2._query import has_any
from lampas.vision.transforms.v2._transform import Transform, uniform
from lampas.vision.transforms.v2.functional._dispatch import is_pure_tensor
from lampas.vision.tv_tensors._pixels import is_pil_image

_PIXELS = (tv_tensors.Image, tv_tensors.Video)


class Identity(Transform):
    """Everything as it is."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return inpt


class Lambda(Transform):
    """A function, applied to each part of the sample, or to those of the classes given.

    >>> Lambda(lambda image: image / 2, tv_tensors.Image)
    """

    _transformed_types = (object,)

    def __init__(self, lambd: Callable[[Any], Any], *types: type) -> None:
        super().__init__()
        self.lambd = lambd
        self.types = types or self._transformed_types

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self.lambd(inpt) if isinstance(inpt, self.types) else inpt

    def extra_repr(self) -> str:
        name = getattr(self.lambd, "__name__", None)
        return ", ".join([*([name] if name else []), f"types={[kind.__name__ for kind in self.types]}"])


class _WithoutPil(Transform):
    def check_inputs(self, flat_inputs: list[Any]) -> None:
        if has_any(flat_inputs, is_pil_image):
            raise TypeError(f"{type(self).__name__}() does not support PIL images: put ToImage() before it.")


class LinearTransformation(_WithoutPil):
    """``(pixels - mean_vector) @ transformation_matrix``, of images as vectors; for whitening, for instance.

    Args:
        transformation_matrix: (D, D), where D is C·H·W. mean_vector: (D,).

    Raises:
        ValueError: shapes, dtypes or devices do not fit; or, when called, the image's do not.
    """

    _transformed_types = (is_pure_tensor, *_PIXELS)

    def __init__(self, transformation_matrix: Tensor, mean_vector: Tensor) -> None:
        super().__init__()
        size = tuple(transformation_matrix.shape)
        if size[0] != size[1]:
            raise ValueError(f"transformation_matrix should be square. Got {size} rectangular matrix.")
        if mean_vector.shape[0] != size[0]:
            raise ValueError(
                f"mean_vector should have the same length {mean_vector.shape[0]} as any one of the dimensions of the "
                f"transformation_matrix [{size}]"
            )
        for name, what in (("device", "be on the same device"), ("dtype", "have the same dtype")):
            pair = getattr(transformation_matrix, name), getattr(mean_vector, name)
            if pair[0] != pair[1]:
                raise ValueError(f"Input tensors should {what}. Got {pair[0]} and {pair[1]}")
        self.transformation_matrix = transformation_matrix
        self.mean_vector = mean_vector

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        channels, height, width = inpt.shape[-3:]
        length = self.transformation_matrix.shape[0]
        if channels * height * width != length:
            raise ValueError(
                "Input tensor and transformation matrix have incompatible shape."
                f"[{channels} x {height} x {width}] != {length}"
            )
        if inpt.device.type != self.mean_vector.device.type:
            raise ValueError(
                "Input tensor should be on the same device as transformation matrix and mean vector. "
                f"Got {inpt.device} vs {self.mean_vector.device}"
            )
        flat = inpt.as_subclass(Tensor).reshape(-1, length) - self.mean_vector
        output = (flat @ self.transformation_matrix.to(flat.dtype)).reshape(inpt.shape)
        return tv_tensors.wrap(output, like=inpt) if isinstance(inpt, _PIXELS) else output


class Normalize(_WithoutPil):
    """``(value - mean) / std``, with one of each per channel; images must be floating-point.

    Args:
        inplace: write into the tensor that is given.

    Raises:
        TypeError: when called: integers, or a PIL image. ValueError: a zero in ``std``.

    >>> Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        super().__init__()
        self.mean = list(mean)
        self.std = list(std)
        self.inplace = inplace

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(F.normalize, inpt, mean=self.mean, std=self.std, inplace=self.inplace)


class GaussianBlur(Transform):
    """Smoothed with a Gaussian of random deviation.

    Args:
        kernel_size: an odd number, or one along y and one along x.
        sigma: the deviation's range, or the deviation.

    Raises:
        ValueError: sizes that are even or not positive, deviations that are not positive.
    """

    def __init__(self, kernel_size: int | Sequence[int], sigma: float | Sequence[float] = (0.1, 2.0)) -> None:
        super().__init__()
        message = "Kernel size should be a tuple/list of two integers"
        self.kernel_size = arguments.size_pair(kernel_size, message)
        if any(size <= 0 or size % 2 == 0 for size in self.kernel_size):
            raise ValueError(f"Kernel size value should be an odd and positive number, got {kernel_size}.")
        self.sigma = arguments.pair_of_floats(sigma, "sigma")
        if not 0.0 < self.sigma[0] <= self.sigma[1]:
            raise ValueError(f"sigma values should be positive and of the form (min, max). Got {self.sigma}")

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"sigma": [uniform(*self.sigma)] * 2}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(F.gaussian_blur, inpt, self.kernel_size, **params)


class GaussianNoise(Transform):
    """Each value plus a normal random number, of this mean and deviation, where white is 1.

    Args:
        clip: keep results between black and white.

    Raises:
        ValueError: when called: a negative sigma, PIL images, integers other than uint8.
    """

    def __init__(self, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> None:
        super().__init__()
        self.mean = mean
        self.sigma = sigma
        self.clip = clip

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(F.gaussian_noise, inpt, mean=self.mean, sigma=self.sigma, clip=self.clip)


# --- types ----------------------------------------------------------------------------------------------------------


class ToDtype(Transform):
    """Numbers of another type.

    Args:
        dtype: for images and videos alone; or a dict of dtypes by class, with ``"others"`` for the rest, where None
            leaves things as they are.
        scale: images and videos keep their look: uint8 255 becomes float32 1.0.

    Raises:
        ValueError: dtype is neither; or, when called, the dict has none for a class.

    >>> ToDtype(lampas.float32, scale=True)
    """

    _transformed_types = (Tensor,)

    def __init__(self, dtype: lampas.dtype | dict[Any, lampas.dtype | None], scale: bool = False) -> None:
        super().__init__()
        if not isinstance(dtype, (dict, lampas.dtype)):
            raise ValueError(f"dtype must be a dict or a torch.dtype, got {type(dtype)} instead")
        if isinstance(dtype, dict) and Tensor in dtype and any(kind in dtype for kind in _PIXELS):
            warnings.warn(
                "Got `dtype` values for `torch.Tensor` and either `tv_tensors.Image` or `tv_tensors.Video`. "
                "Note that a plain `torch.Tensor` will *not* be transformed by this (or any other transformation) "
                "in case a `tv_tensors.Image` or `tv_tensors.Video` is present in the input.",
                stacklevel=2,
            )
        self.dtype = dtype
        self.scale = scale

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        has_look = is_pure_tensor(inpt) or isinstance(inpt, _PIXELS)
        if not isinstance(self.dtype, dict):
            return self._call_kernel(F.to_dtype, inpt, dtype=self.dtype, scale=self.scale) if has_look else inpt
        key = type(inpt) if type(inpt) in self.dtype else "others"
        if key not in self.dtype:
            raise ValueError(
                f"No dtype was specified for type {type(inpt)}. If you only need to convert the dtype of images or "
                "videos, you can just pass e.g. dtype=torch.float32. If you're passing a dict as dtype, "
                'you can use "others" as a catch-all key '
                'e.g. dtype={tv_tensors.Mask: torch.int64, "others": None} to pass-through the rest of the inputs.'
            )
        dtype = self.dtype[key]
        if dtype is None:
            if self.scale and has_look:
                warnings.warn(
                    "scale was set to True but no dtype was specified for images or videos: no scaling will be done.",
                    stacklevel=2,
                )
            return inpt
        return self._call_kernel(F.to_dtype, inpt, dtype=dtype, scale=self.scale)


class ConvertImageDtype(Transform):
    """Images and videos of another type that look the same; `ToDtype` with ``scale=True`` does it, too."""

    def __init__(self, dtype: lampas.dtype = lampas.float32) -> None:
        super().__init__()
        self.dtype = dtype

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(F.to_dtype, inpt, dtype=self.dtype, scale=True)


class PILToTensor(Transform):
    """Tensors (C, H, W) of PIL images, with the values they have."""

    _transformed_types = (is_pil_image,)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Tensor:
        return F.pil_to_tensor(inpt)


class ToImage(Transform):
    """`Image`s of plain tensors, PIL images and NumPy arrays (H, W, C), with the values they have."""

    _transformed_types = (is_pure_tensor, is_pil_image, is_array)

    def transform(self, inpt: Any, params: dict[str, Any]) -> tv_tensors.Image:
        return F.to_image(inpt)


class ToPILImage(Transform):
    """PIL images of tensors (C, H, W) and NumPy arrays (H, W, C), of this mode, or of the one that fits."""

    _transformed_types = (is_pure_tensor, tv_tensors.Image, is_array)

    def __init__(self, mode: str | None = None) -> None:
        super().__init__()
        self.mode = mode

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.to_pil_image(inpt, mode=self.mode)


class ToPureTensor(Transform):
    """Plain tensors of all tv_tensors, which forget what they showed."""

    _transformed_types = (tv_tensors.TVTensor,)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Tensor:
        return inpt.as_subclass(Tensor)


class ToTensor(Transform):
    """Deprecated: float tensors from 0 to 1 of PIL images and arrays; use `ToImage`, then `ToDtype` with a scale."""

    _transformed_types = (is_pil_image, is_array)

    def __init__(self) -> None:
        warnings.warn(
            "The transform `ToTensor()` is deprecated and will be removed in a future release. "
            "Instead, please use `v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])`."
            "Output is equivalent up to float precision.",
            stacklevel=2,
        )
        super().__init__()

    def transform(self, inpt: Any, params: dict[str, Any]) -> Tensor:
        return _v1.to_tensor(inpt)


class UniformTemporalSubsample(Transform):
    """So many frames of videos (..., T, C, H, W), equally far apart, from the first to the last."""

    _transformed_types = (Tensor,)

    def __init__(self, num_samples: int) -> None:
        super().__init__()
        self.num_samples = num_samples

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(F.uniform_temporal_subsample, inpt, self.num_samples)
