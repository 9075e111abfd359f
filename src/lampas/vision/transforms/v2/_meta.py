"""Transforms of boxes and points themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lampas import Tensor
from lampas.vision import tv_tensors
from lampas.vision.transforms.v2 import functional as F
from lampas.vision.transforms.v2._query import get_bounding_boxes, get_keypoints, labels_of
from lampas.vision.transforms.v2._transform import Transform, single
from lampas.vision.transforms.v2._tree import flatten, unflatten
from lampas.vision.transforms.v2.functional._boxes import valid_boxes, valid_keypoints


class ConvertBoundingBoxFormat(Transform):
    """Boxes in another format: a `BoundingBoxFormat` or its name."""

    _transformed_types = (tv_tensors.BoundingBoxes,)

    def __init__(self, format: str | tv_tensors.BoundingBoxFormat) -> None:
        super().__init__()
        self.format = format

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.convert_bounding_box_format(inpt, new_format=self.format)


class ClampBoundingBoxes(Transform):
    """Boxes that do not leave the canvas; ``clamping_mode``: ``"soft"``, ``"hard"``, None, or ``"auto"``, theirs."""

    _transformed_types = (tv_tensors.BoundingBoxes,)

    def __init__(self, clamping_mode: str | None = "auto") -> None:
        super().__init__()
        self.clamping_mode = clamping_mode

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.clamp_bounding_boxes(inpt, clamping_mode=self.clamping_mode)


class ClampKeyPoints(Transform):
    """Points moved to the nearest pixel of the canvas."""

    _transformed_types = (tv_tensors.KeyPoints,)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.clamp_keypoints(inpt)


class SetClampingMode(Transform):
    """From here on, transforms treat boxes so: ``"soft"``, ``"hard"`` or None; ``ValueError`` for anything else."""

    _transformed_types = (tv_tensors.BoundingBoxes,)

    def __init__(self, clamping_mode: str | None) -> None:
        super().__init__()
        self.clamping_mode = clamping_mode
        if clamping_mode not in (None, "soft", "hard"):
            raise ValueError(f"clamping_mode must be soft, hard or None, got {clamping_mode}")

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        output = inpt.clone()
        output.clamping_mode = self.clamping_mode
        return output


class _Sanitize(Transform):
    """Removes some of what the sample has many of, and the labels that belong to these."""

    _kind: type[tv_tensors.TVTensor] = tv_tensors.TVTensor
    _called = ""

    def _found(self, flat_inputs: list[Any]) -> tuple[Any, Tensor]:
        """The boxes or points, and the mask of those to keep."""
        raise NotImplementedError

    _labels_getter: Callable[[Any], Any]

    def forward(self, *inputs: Any) -> Any:
        sample = single(inputs)
        labels = self._labels_getter(sample)
        labels = [] if labels is None else labels
        labels = [labels] if not isinstance(labels, (tuple, list)) else labels
        for entry in labels:
            if not isinstance(entry, Tensor):
                raise ValueError(
                    f"The labels in the input to forward() must be a tensor or None, got {type(entry)} instead."
                )
        flat, spec = flatten(sample)
        found, valid = self._found(flat)
        for label in labels:
            if found.shape[0] != label.shape[0]:
                raise ValueError(
                    f"Number of {self._called} (shape={found.shape}) must match the number of labels. "
                    f"Found labels with shape={label.shape})."
                )
        params = {"valid": valid, "labels": labels}
        return unflatten([self.transform(value, params) for value in flat], spec)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if any(inpt is label for label in params["labels"]):
            return inpt[params["valid"]]
        if isinstance(inpt, self._kind):
            return tv_tensors.wrap(inpt[params["valid"]], like=inpt)
        return inpt


class SanitizeBoundingBoxes(_Sanitize):
    """Removes boxes that are too small or leave the canvas, and their labels and masks.

    Args:
        min_size: the least width and height. min_area: the least area. Both at least 1.
        labels_getter: ``"default"``: what the sample's dict has under "labels", or a key with "label" in it; None: no
            labels; or what is called with the sample and gives one tensor or several. Masks (N, H, W) of as many are
            found by themselves.

    Raises:
        ValueError: the arguments are others; when called: no boxes, no labels, or not as many.
    """

    _kind = tv_tensors.BoundingBoxes
    _called = "boxes"

    def __init__(self, min_size: float = 1.0, min_area: float = 1.0, labels_getter: Any = "default") -> None:
        super().__init__()
        if min_size < 1:
            raise ValueError(f"min_size must be >= 1, got {min_size}.")
        self.min_size = min_size
        if min_area < 1:
            raise ValueError(f"min_area must be >= 1, got {min_area}.")
        self.min_area = min_area
        self.labels_getter = labels_getter
        self._labels_getter = labels_of(labels_getter)

    def _found(self, flat_inputs: list[Any]) -> tuple[Any, Tensor]:
        boxes = get_bounding_boxes(flat_inputs)
        return boxes, valid_boxes(boxes, boxes.format, boxes.canvas_size, self.min_size, self.min_area)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if isinstance(inpt, tv_tensors.Mask) and inpt.shape[:1] == params["valid"].shape:
            return tv_tensors.wrap(inpt[params["valid"]], like=inpt)
        return super().transform(inpt, params)


class SanitizeKeyPoints(_Sanitize):
    """Removes points outside of the canvas, or groups of points with one outside, and their labels.

    Args:
        labels_getter: as for `SanitizeBoundingBoxes`.

    Raises:
        ValueError: when called: no points, no labels, or not as many.
    """

    _kind = tv_tensors.KeyPoints
    _called = "keypoints"

    def __init__(self, labels_getter: Any = None) -> None:
        super().__init__()
        self.labels_getter = labels_getter
        self._labels_getter = labels_of(labels_getter)

    def _found(self, flat_inputs: list[Any]) -> tuple[Any, Tensor]:
        points = get_keypoints(flat_inputs)
        return points, valid_keypoints(points, points.canvas_size)
