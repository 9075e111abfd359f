"""tv_tensors made of coordinates on a canvas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any

import lampas
from lampas import Tensor
from lampas.vision.tv_tensors._base import TVTensor

__all__ = ["BoundingBoxFormat", "BoundingBoxes", "KeyPoints", "is_rotated_bounding_format"]


class BoundingBoxFormat(Enum):
    """What the numbers of a box are; x grows to the right, y downwards, both from the top left corner of the canvas.

    ``XYXY``: left, top, right, bottom. ``XYWH``: left, top, width, height. ``CXCYWH``: centre, width, height.
    Rotated by r degrees, counter-clockwise: ``XYWHR`` (the corner that was top left), ``CXCYWHR``, and ``XYXYXYXY``,
    the four corners, clockwise from the one that was top left.
    """

    XYXY = "XYXY"
    XYWH = "XYWH"
    CXCYWH = "CXCYWH"
    XYWHR = "XYWHR"
    CXCYWHR = "CXCYWHR"
    XYXYXYXY = "XYXYXYXY"


_ROTATED = ("XYWHR", "CXCYWHR", "XYXYXYXY")


def is_rotated_bounding_format(format: BoundingBoxFormat | str) -> bool:
    """Whether boxes of this format can be rotated; ``ValueError`` for what is neither a format nor a string."""
    if not isinstance(format, (BoundingBoxFormat, str)):
        raise ValueError(f"format should be str or BoundingBoxFormat, got {type(format)}")
    return (format if isinstance(format, str) else format.value) in _ROTATED


def _tensors(values: Any) -> Iterator[Any]:
    for value in values:
        if isinstance(value, (tuple, list)):
            yield from _tensors(value)
        elif isinstance(value, dict):
            yield from _tensors(value.values())
        else:
            yield value


class _OnCanvas(TVTensor):
    """A tensor with attributes, listed in ``_carried``, that results inherit from the first operand of the class."""

    _carried: tuple[str, ...] = ()

    @classmethod
    def _dress(cls, tensor: Tensor, carried: dict[str, Any]) -> Any:
        result = tensor.as_subclass(cls)
        for name, value in carried.items():
            setattr(result, name, value)
        return result

    @classmethod
    def _carried_by(cls, like: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        return {name: kwargs.get(name, getattr(like, name)) for name in cls._carried}

    @classmethod
    def _wrap_output(cls, output: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        if isinstance(output, (tuple, list)):
            return type(output)(cls._wrap_output(part, args, kwargs) for part in output)
        if not isinstance(output, Tensor) or (isinstance(output, cls) and hasattr(output, cls._carried[0])):
            return output
        like = next(value for value in _tensors([args, kwargs or {}]) if isinstance(value, cls))
        return cls._dress(output, cls._carried_by(like, {}))

    def __reduce_ex__(self, protocol: Any) -> tuple:
        plain = self.as_subclass(Tensor)
        return _rebuild, (type(self), plain, {name: getattr(self, name) for name in self._carried})

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return self._make_repr(**{name: getattr(self, name) for name in self._carried})


def _rebuild(cls: type[_OnCanvas], tensor: Tensor, carried: dict[str, Any]) -> Any:
    return cls._dress(tensor, carried)


class BoundingBoxes(_OnCanvas):
    """Boxes on one image: shape (N, 4), or (N, 5) or (N, 8) where they are rotated. One per sample holds all boxes.

    Args:
        data: a tensor, whose memory is shared, or what `lampas.as_tensor` takes. One box alone becomes (1, K).
        format: a `BoundingBoxFormat` or its name.
        canvas_size: height and width of the image.
        clamping_mode: how transforms treat what would lie outside: ``"soft"``, ``"hard"`` or None (leave it). The two
            differ for rotated boxes alone: hard cuts off more.
        dtype, device, requires_grad: as for `lampas.tensor`; those of ``data`` when left out.

    Raises:
        ValueError: more than two dimensions, another clamping mode, or rotated boxes that are integers.
        KeyError: there is no such format.

    >>> BoundingBoxes([[0, 1, 2, 3]], format="XYXY", canvas_size=(4, 5)).canvas_size
    (4, 5)
    """

    _carried = ("format", "canvas_size", "clamping_mode")
    format: BoundingBoxFormat
    canvas_size: tuple[int, int]
    clamping_mode: str | None

    def __new__(
        cls,
        data: Any,
        *,
        format: BoundingBoxFormat | str,
        canvas_size: tuple[int, int],
        clamping_mode: str | None = "soft",
        dtype: lampas.dtype | None = None,
        device: Any = None,
        requires_grad: bool | None = None,
    ) -> BoundingBoxes:
        tensor = cls._to_tensor(data, dtype=dtype, device=device, requires_grad=requires_grad)
        if is_rotated_bounding_format(format) and not tensor.is_floating_point():
            raise ValueError(f"Rotated bounding boxes should be floating point tensors, got {tensor.dtype}.")
        return cls._checked(tensor, {"format": format, "canvas_size": canvas_size, "clamping_mode": clamping_mode})

    @classmethod
    def _checked(cls, tensor: Tensor, carried: dict[str, Any]) -> BoundingBoxes:
        if tensor.ndim == 1:
            tensor = tensor.unsqueeze(0)
        elif tensor.ndim != 2:
            raise ValueError(f"Expected a 1D or 2D tensor, got {tensor.ndim}D")
        if carried["clamping_mode"] not in (None, "hard", "soft"):
            raise ValueError(f"clamping_mode must be None, hard or soft, got {carried['clamping_mode']}.")
        if isinstance(carried["format"], str):
            carried["format"] = BoundingBoxFormat[carried["format"].upper()]
        return cls._dress(tensor, carried)

    @classmethod
    def wrap(cls, tensor: Tensor, like: Any, **kwargs: Any) -> BoundingBoxes:
        """``tensor`` as boxes like those of ``like``; ``format``, ``canvas_size``, ``clamping_mode`` replace its."""
        return cls._checked(tensor, cls._carried_by(like, kwargs))


class KeyPoints(_OnCanvas):
    """Points on one image: shape (..., 2), x before y. One per sample holds all points.

    Args:
        data: a tensor, whose memory is shared, or what `lampas.as_tensor` takes. One point alone becomes (1, 2).
        canvas_size: height and width of the image.
        dtype, device, requires_grad: as for `lampas.tensor`; those of ``data`` when left out.

    Raises:
        ValueError: the last dimension is not 2.

    >>> KeyPoints([[1, 2], [3, 4]], canvas_size=(10, 10)).shape
    torch.Size([2, 2])
    """

    _carried = ("canvas_size",)
    canvas_size: tuple[int, int]

    def __new__(
        cls,
        data: Any,
        *,
        canvas_size: tuple[int, int],
        dtype: lampas.dtype | None = None,
        device: Any = None,
        requires_grad: bool | None = None,
    ) -> KeyPoints:
        tensor = cls._to_tensor(data, dtype=dtype, device=device, requires_grad=requires_grad)
        return cls._checked(tensor, {"canvas_size": canvas_size})

    @classmethod
    def _checked(cls, tensor: Tensor, carried: dict[str, Any]) -> KeyPoints:
        if tensor.ndim == 1:
            tensor = tensor.unsqueeze(0)
        elif tensor.shape[-1] != 2:
            raise ValueError(f"Expected a tensor of shape (..., 2), not {tensor.shape}")
        return cls._dress(tensor, carried)

    @classmethod
    def wrap(cls, tensor: Tensor, like: Any, **kwargs: Any) -> KeyPoints:
        """``tensor`` as points on the canvas of ``like``, or on ``canvas_size``."""
        return cls._checked(tensor, cls._carried_by(like, kwargs))
