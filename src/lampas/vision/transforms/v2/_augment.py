"""Transforms that destroy or mix: erasing, compression, MixUp, CutMix."""

from __future__ import annotations

import math
import numbers
import warnings
from collections.abc import Sequence
from typing import Any, cast

import lampas
from lampas import Tensor
from lampas.vision import tv_tensors
from lampas.vision.transforms.v2 import functional as F
from lampas.vision.transforms.v2._arguments import check_sequence
from lampas.vision.transforms.v2._crops import random_shapes, warn_of_passing
from lampas.vision.transforms.v2._query import has_any, labels_of, query_chw, query_size
from lampas.vision.transforms.v2._transform import RandomApplied, Transform, integer, single
from lampas.vision.transforms.v2._tree import flatten, unflatten
from lampas.vision.transforms.v2.functional._dispatch import is_pure_tensor
from lampas.vision.tv_tensors._pixels import is_pil_image

_PIXELS = (tv_tensors.Image, tv_tensors.Video)


class RandomErasing(RandomApplied):
    """With probability p, a rectangle of random size and place overwritten.

    Args:
        scale: range of the rectangle's area, where the image's is 1. ratio: range of height / width.
        value: what is written: a number, one per channel, or ``"random"``, normal random numbers.
        inplace: write into the tensor that is given.

    Raises:
        TypeError, ValueError: another value, or ranges that are none.

    Source: Zhong et al., Random Erasing Data Augmentation, 2017.
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: Any = 0.0,
        inplace: bool = False,
    ) -> None:
        super().__init__(p=p)
        if not isinstance(value, (numbers.Number, str, tuple, list)):
            raise TypeError(f"Argument value should be either a number or str or a sequence, got {type(value)}")
        if isinstance(value, str) and value != "random":
            raise ValueError(f"If value is str, it should be 'random', got {value!r}")
        for name, span in (("Scale", scale), ("Ratio", ratio)):
            if not isinstance(span, Sequence):
                raise TypeError(f"{name} should be a sequence, got {span}")
        if scale[0] > scale[1] or ratio[0] > ratio[1]:
            warnings.warn("Scale and ratio should be of kind (min, max)", stacklevel=2)
        if scale[0] < 0 or scale[1] > 1:
            raise ValueError(f"Scale should be between 0 and 1, got {scale}")
        self.scale = scale
        self.ratio = ratio
        self.value: list[float] | None = None
        if not isinstance(value, str):
            values: Sequence[Any] = value if isinstance(value, (list, tuple)) else [value]
            self.value = [float(v) for v in values]
        self.inplace = inplace
        self._log_ratio = lampas.log(lampas.tensor(self.ratio))

    def _call_kernel(self, functional: Any, inpt: Any, *args: Any, **kwargs: Any) -> Any:
        warn_of_passing(self, inpt)
        return super()._call_kernel(functional, inpt, *args, **kwargs)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        channels, height, width = query_chw(flat_inputs)
        if self.value is not None and len(self.value) not in (1, channels):
            raise ValueError(
                "If value is a sequence, it should have either a single value or "
                f"{channels} (number of inpt channels), got {len(self.value)}"
            )
        for h, w in random_shapes(height * width, self.scale, self._log_ratio):
            if h < height and w < width:
                if self.value is None:
                    v = lampas.empty([channels, h, w], dtype=lampas.float32).normal_()
                else:
                    v = lampas.tensor(self.value)[:, None, None]
                return {"i": integer(0, height - h + 1), "j": integer(0, width - w + 1), "h": h, "w": w, "v": v}
        return {"i": 0, "j": 0, "h": height, "w": width, "v": None}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if params["v"] is None:
            return inpt
        return self._call_kernel(F.erase, inpt, **params, inplace=self.inplace)


class JPEG(Transform):
    """What JPEG leaves of the image.

    Args:
        quality: from 1, the worst, to 100, or a range of these to choose from.

    Raises:
        TypeError, ValueError: another quality.
    """

    def __init__(self, quality: int | Sequence[int]) -> None:
        super().__init__()
        if isinstance(quality, bool):
            raise TypeError(f"quality can't be bool, got {quality}")
        if isinstance(quality, int):
            quality = [quality, quality]
        else:
            check_sequence(quality, "quality", (2,))
        if not (all(isinstance(q, int) for q in quality) and 1 <= quality[0] <= quality[1] <= 100):
            raise ValueError(f"quality must be an integer from 1 to 100, got quality ={quality!r}")
        self.quality = quality

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"quality": integer(self.quality[0], self.quality[1] + 1)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(F.jpeg, inpt, quality=params["quality"])


def _beta(alpha: float) -> float:
    """A random number from 0 to 1, as often above as below one half; near one half if alpha is large."""
    return lampas._sample_dirichlet(lampas.tensor([[alpha, alpha]]))[0, 0].item()


class _Mixing(Transform):
    """Each image of a batch mixed with the one before it, and so the labels, which become probabilities."""

    def __init__(self, *, alpha: float = 1.0, num_classes: int | None = None, labels_getter: Any = "default") -> None:
        super().__init__()
        self.alpha = float(alpha)
        if not self.alpha > 0:
            raise ValueError(f"alpha, of the Beta distribution, must be positive, got {alpha}")
        self.num_classes = num_classes
        self._labels_getter = labels_of(labels_getter)

    def forward(self, *inputs: Any) -> Any:
        sample = single(inputs)
        flat, spec = flatten(sample)
        wanted = self._needs_transform_list(flat)
        refused = (is_pil_image, tv_tensors.BoundingBoxes, tv_tensors.Mask, tv_tensors.KeyPoints)
        if has_any(flat, *refused):
            raise ValueError(
                f"{type(self).__name__}() does not support PIL images, bounding boxes, keypoints and masks."
            )
        labels = self._checked_labels(self._labels_getter(sample))
        chosen = [value for value, needed in zip(flat, wanted, strict=True) if needed]
        params = {"labels": labels, "batch_size": labels.shape[0], **self.make_params(chosen)}
        pairs = zip(flat, wanted, strict=True)
        return unflatten([self.transform(v, params) if needed or v is labels else v for v, needed in pairs], spec)

    def _checked_labels(self, labels: Any) -> Tensor:
        if not isinstance(labels, Tensor):
            raise ValueError(f"The labels must be a tensor, but got {type(labels)} instead.")
        if labels.ndim not in (1, 2):
            raise ValueError(
                "labels should be index based with shape (batch_size,) or probability based with shape "
                f"(batch_size, num_classes), but got a tensor of shape {labels.shape} instead."
            )
        if labels.ndim == 2 and self.num_classes not in (None, labels.shape[-1]):
            raise ValueError(
                "When passing 2D labels, the number of elements in last dimension must match num_classes: "
                f"{labels.shape[-1]} != {self.num_classes}. You can leave num_classes to None."
            )
        if labels.ndim == 1 and self.num_classes is None:
            raise ValueError("num_classes must be passed if the labels are index-based (1D)")
        return labels

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if inpt is params["labels"]:
            return self._mixed_labels(inpt, params["share"])
        if not isinstance(inpt, _PIXELS) and not is_pure_tensor(inpt):
            return inpt
        dims = 5 if isinstance(inpt, tv_tensors.Video) else 4
        if inpt.ndim != dims:
            raise ValueError(f"Expected a batched input with {dims} dims, but got {inpt.ndim} dimensions instead.")
        if inpt.shape[0] != params["batch_size"]:
            raise ValueError(
                "The batch size of the image or video does not match the batch size of the labels: "
                f"{inpt.shape[0]} != {params['batch_size']}."
            )
        output = self._mixed(inpt.as_subclass(Tensor), params)
        return tv_tensors.wrap(output, like=inpt) if isinstance(inpt, _PIXELS) else output

    def _mixed(self, batch: Tensor, params: dict[str, Any]) -> Tensor:
        raise NotImplementedError

    def _mixed_labels(self, label: Tensor, share: float) -> Tensor:
        if label.ndim == 1:
            label = lampas.nn.functional.one_hot(label, num_classes=cast("int", self.num_classes))
        if not label.dtype.is_floating_point:
            label = label.float()
        return _mix(label, share)


def _mix(batch: Tensor, share: float) -> Tensor:
    return batch.roll(1, 0).mul_(1.0 - share).add_(batch.mul(share))


class MixUp(_Mixing):
    """Weighted means of the images of a batch and the ones before them, and of their labels.

    Args:
        alpha: of the Beta distribution that the weight has.
        num_classes: how many classes there are; needed where labels are numbers of classes.
        labels_getter: ``"default"``: the sample is (images, labels), or its dict has a key with "label"; or what is
            called with the sample and gives the labels.

    Raises:
        ValueError: when called: labels of the wrong shape, no batch, or what cannot be mixed.

    Source: Zhang et al., mixup: Beyond Empirical Risk Minimization, 2017.

    >>> images, labels = MixUp(num_classes=10)(lampas.rand(4, 3, 8, 8), lampas.tensor([1, 0, 2, 3]))
    """

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"share": _beta(self.alpha)}

    def _mixed(self, batch: Tensor, params: dict[str, Any]) -> Tensor:
        return _mix(batch, params["share"])


class CutMix(_Mixing):
    """A rectangle in each image of a batch from the one before it; labels are mixed by its area.

    Args:
        alpha: of the Beta distribution that the area of the rest has.
        num_classes, labels_getter: as for `MixUp`.

    Raises:
        ValueError: as for `MixUp`.

    Source: Yun et al., CutMix, 2019.
    """

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        rest = _beta(self.alpha)
        height, width = query_size(flat_inputs)
        x, y = integer(0, width), integer(0, height)
        half = 0.5 * math.sqrt(1.0 - rest)
        half_width, half_height = int(half * width), int(half * height)
        x1, x2 = max(x - half_width, 0), min(x + half_width, width)
        y1, y2 = max(y - half_height, 0), min(y + half_height, height)
        return {"box": (x1, y1, x2, y2), "share": float(1.0 - (x2 - x1) * (y2 - y1) / (width * height))}

    def _mixed(self, batch: Tensor, params: dict[str, Any]) -> Tensor:
        x1, y1, x2, y2 = params["box"]
        output = batch.clone()
        output[..., y1:y2, x1:x2] = batch.roll(1, 0)[..., y1:y2, x1:x2]
        return output
