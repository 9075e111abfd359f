"""The base of all transforms: which parts of a sample are transformed, with random numbers drawn once for all."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

import lampas
from lampas import Tensor, nn
from lampas.vision import tv_tensors
from lampas.vision.transforms.v2._query import check_type, has_any
from lampas.vision.transforms.v2._tree import flatten, unflatten
from lampas.vision.transforms.v2.functional._dispatch import find_kernel, is_pure_tensor
from lampas.vision.tv_tensors._pixels import is_pil_image

__all__ = ["Transform"]


def single(inputs: tuple[Any, ...]) -> Any:
    """The inputs of a call as one sample."""
    return inputs if len(inputs) > 1 else inputs[0]


def uniform(low: Any, high: Any) -> float:
    """A random number from the default generator."""
    return lampas.empty(1).uniform_(float(low), float(high)).item()


def integer(low: int, high: int) -> int:
    """A random integer from low to high, exclusive, from the default generator."""
    return int(lampas.randint(low, high, (1,)))


class Transform(nn.Module):
    """The base of transforms; make subclasses of it for your own.

    Called with a sample, or several, of any structure of lists, tuples and dicts, it hands on the same structure with
    the images, videos, masks, boxes and points in it transformed. A plain tensor counts as an image if the sample has
    no other image or video, and only the first one.

    A subclass has ``transform(inpt, params)``, which gives the new value for one part of the sample, and may have
    ``make_params(flat_inputs)``, called once per sample, which draws the random numbers as a dict; and
    ``check_inputs(flat_inputs)``, which raises an error for samples it cannot take.

    >>> class Darken(Transform):
    ...     def make_params(self, flat_inputs):
    ...         return {"factor": lampas.rand(1).item()}
    ...     def transform(self, inpt, params):
    ...         return functional.adjust_brightness(inpt, params["factor"])
    """

    # what is transformed: classes, and functions that tell
    _transformed_types: tuple[type | Callable[[Any], bool], ...] = (Tensor, is_pil_image)

    def __init__(self) -> None:
        super().__init__()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__module__.startswith(__package__ or "?"):
            from lampas.vision import transforms as v1

            get_params = getattr(getattr(v1, cls.__name__, None), "get_params", None)
            if get_params is not None:
                cls.get_params = staticmethod(get_params)

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """Raise an error if such a sample cannot be transformed."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """What `transform` needs and is the same for the whole sample."""
        return {}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """One part of the sample, transformed."""
        raise NotImplementedError(f"{type(self).__name__} needs a method transform(inpt, params)")

    def _call_kernel(self, functional: Callable[..., Any], inpt: Any, *args: Any, **kwargs: Any) -> Any:
        kernel = find_kernel(functional, type(inpt))
        return inpt if kernel is None else kernel(inpt, *args, **kwargs)

    def forward(self, *inputs: Any) -> Any:
        """Transforms the sample; override `transform` instead."""
        sample = single(inputs)
        flat, spec = flatten(sample)
        self.check_inputs(flat)
        if not self._happens():
            return sample
        wanted = self._needs_transform_list(flat)
        params = self.make_params([value for value, needed in zip(flat, wanted, strict=True) if needed])
        pairs = zip(flat, wanted, strict=True)
        return unflatten([self.transform(value, params) if needed else value for value, needed in pairs], spec)

    def _happens(self) -> bool:
        return True

    def _needs_transform_list(self, flat_inputs: list[Any]) -> list[bool]:
        pure_is_image = not has_any(flat_inputs, tv_tensors.Image, tv_tensors.Video, is_pil_image)
        wanted = []
        for value in flat_inputs:
            needed = check_type(value, self._transformed_types)
            if needed and is_pure_tensor(value):
                needed, pure_is_image = pure_is_image, False
            wanted.append(needed)
        return wanted

    def extra_repr(self) -> str:
        kinds = (bool, int, float, str, tuple, list, enum.Enum)
        shown = (item for item in self.__dict__.items() if not item[0].startswith("_") and item[0] != "training")
        return ", ".join(f"{name}={value}" for name, value in shown if isinstance(value, kinds))


class RandomApplied(Transform):
    """A transform that happens with probability ``p``."""

    def __init__(self, p: float = 0.5) -> None:
        check_probability(p)
        super().__init__()
        self.p = p

    def _happens(self) -> bool:
        return bool(lampas.rand(1) < self.p)


def check_probability(p: float) -> None:
    """``ValueError`` unless it is from 0 to 1."""
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"`p` should be a floating point value in the interval [0.0, 1.0], got {p}.")
