"""What a flat sample contains."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lampas.vision import tv_tensors
from lampas.vision.transforms.v2.functional import get_dimensions, get_size
from lampas.vision.transforms.v2.functional._dispatch import is_image, is_pure_tensor

__all__ = ["check_type", "get_bounding_boxes", "get_keypoints", "has_all", "has_any", "query_chw", "query_size"]

_Check = type | Callable[[Any], bool]
_ON_CANVAS = (tv_tensors.Mask, tv_tensors.BoundingBoxes, tv_tensors.KeyPoints)


def check_type(obj: Any, types_or_checks: tuple[_Check, ...]) -> bool:
    """Whether it is of one of these classes, or one of these functions says yes."""
    return any(isinstance(obj, c) if isinstance(c, type) else c(obj) for c in types_or_checks)


def has_any(flat_inputs: list[Any], *types_or_checks: _Check) -> bool:
    """Whether `check_type` is true of some input."""
    return any(check_type(value, types_or_checks) for value in flat_inputs)


def has_all(flat_inputs: list[Any], *types_or_checks: _Check) -> bool:
    """Whether each class, or function, has an input it is true of."""
    return all(any(check_type(value, (check,)) for value in flat_inputs) for check in types_or_checks)


def _first(flat_inputs: list[Any], kind: type, what: str) -> Any:
    for value in flat_inputs:
        if isinstance(value, kind):
            return value
    raise ValueError(f"No {what} were found in the sample")


def get_bounding_boxes(flat_inputs: list[Any]) -> tv_tensors.BoundingBoxes:
    """The first boxes; ``ValueError`` where there are none."""
    return _first(flat_inputs, tv_tensors.BoundingBoxes, "bounding boxes")


def get_keypoints(flat_inputs: list[Any]) -> tv_tensors.KeyPoints:
    """The first points; ``ValueError`` where there are none."""
    return _first(flat_inputs, tv_tensors.KeyPoints, "keypoints")


def _only(found: Iterable[tuple[int, ...]], none: str, which: str) -> tuple[int, ...]:
    different = set(found)
    if not different:
        raise TypeError(f"No {none} was found in the sample")
    if len(different) > 1:
        raise ValueError(f"Found multiple {which} dimensions in the sample: {', '.join(map(str, sorted(different)))}")
    return different.pop()


def query_chw(flat_inputs: list[Any]) -> tuple[int, int, int]:
    """Channels, height and width of the images and videos.

    Raises:
        TypeError: there are none. ValueError: they differ.
    """
    found = (tuple(get_dimensions(v)) for v in flat_inputs if is_image(v) or isinstance(v, tv_tensors.Video))
    return _only(found, "image or video", "CxHxW")  # type: ignore[return-value]


def query_size(flat_inputs: list[Any]) -> tuple[int, int]:
    """Height and width of everything that has them, the canvases of boxes and points included.

    Raises:
        TypeError: nothing has. ValueError: they differ.
    """
    sized = (tv_tensors.Video, *_ON_CANVAS)
    found = (tuple(get_size(v)) for v in flat_inputs if is_image(v) or isinstance(v, sized))
    return _only(found, "image, video, mask, bounding box or keypoint", "HxW")  # type: ignore[return-value]


def _default_labels(inputs: Any) -> Any:
    """The second of a pair if it is a tensor; else what a dict has under "labels", or a key with "label" in it."""
    if isinstance(inputs, (tuple, list)):
        inputs = inputs[1]
    if is_pure_tensor(inputs):
        return inputs
    if not isinstance(inputs, Mapping):
        raise ValueError(
            "When using the default labels_getter, the input passed to forward must be a dictionary or a two-tuple "
            f"whose second item is a dictionary or a tensor, but got {inputs} instead."
        )
    exact = [key for key in inputs if key.lower() == "labels"]
    alike = [key for key in inputs if "label" in key.lower()]
    if not alike:
        raise ValueError(
            "Could not infer where the labels are in the sample. Pass a callable as labels_getter, or None if there "
            "are no labels."
        )
    return inputs[(exact or alike)[0]]


def labels_of(labels_getter: Any) -> Callable[[Any], Any]:
    """What finds the labels in a sample, for ``"default"``, a callable, or None (there are none)."""
    if labels_getter == "default":
        return _default_labels
    if callable(labels_getter):
        return labels_getter
    if labels_getter is None:
        return _no_labels
    raise ValueError(f"labels_getter should either be 'default', a callable, or None, but got {labels_getter}.")


def _no_labels(inputs: Any) -> None:
    return None
