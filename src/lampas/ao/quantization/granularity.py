"""How finely scales are given: to a tensor, an axis, a group, a block."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import lampas
import lampas.nn as nn

__all__ = [
    "AffineQuantizedObserverBase",
    "Granularity",
    "MappingType",
    "PerAxis",
    "PerBlock",
    "PerGroup",
    "PerRow",
    "PerTensor",
    "PerToken",
    "TorchAODType",
    "ZeroPointDomain",
    "get_block_size",
]


class MappingType(Enum):
    """How values map to integers: around zero, around zero without clipping either end, or with an offset."""

    SYMMETRIC = auto()
    SYMMETRIC_NO_CLIPPING_ERR = auto()
    ASYMMETRIC = auto()


class ZeroPointDomain(Enum):
    """Whether a zero point is an integer, a floating point number, or absent."""

    INT = auto()
    FLOAT = auto()
    NONE = auto()


class TorchAODType(Enum):
    """Integers of fewer than eight bits, for those who pack them."""

    INT1 = auto()
    INT2 = auto()
    INT3 = auto()
    INT4 = auto()
    INT5 = auto()
    INT6 = auto()
    INT7 = auto()


@dataclass(frozen=True)
class Granularity:
    """What the classes below have in common."""


@dataclass(frozen=True)
class PerBlock(Granularity):
    """One scale for each block of the given shape."""

    block_size: tuple[int, ...]


@dataclass(frozen=True)
class PerTensor(Granularity):
    """One scale for everything."""


@dataclass(frozen=True)
class PerAxis(Granularity):
    """One scale for each index of an axis."""

    axis: int


@dataclass(frozen=True)
class PerGroup(Granularity):
    """One scale for each group of neighbours in a row of a matrix."""

    group_size: int


class PerRow(Granularity):
    """One scale for each row: all of the last dimension."""


class PerToken(Granularity):
    """One scale for each token: all of the last dimension."""


def get_block_size(input_shape: tuple[int, ...], granularity: Granularity) -> tuple[int, ...]:
    """The shape of the blocks that share a scale.

    Raises:
        AssertionError: groups do not fit the shape.
        ValueError: an unknown kind of granularity.

    >>> get_block_size((4, 6), PerAxis(0))
    (1, 6)
    """
    shape = tuple(input_shape)
    if isinstance(granularity, PerTensor):
        return shape
    if isinstance(granularity, PerBlock):
        return tuple(granularity.block_size)
    if isinstance(granularity, PerAxis):
        axis = granularity.axis % len(shape)
        return (*shape[:axis], 1, *shape[axis + 1 :])
    if isinstance(granularity, (PerRow, PerToken)):
        return (*(1 for _ in shape[:-1]), shape[-1])
    if isinstance(granularity, PerGroup):
        if len(shape) != 2:
            raise AssertionError(f"Expecting input shape dim to be 2 for per group quantization, got {shape}")
        return 1, granularity.group_size
    raise ValueError(f"Unsupported Granularity: {granularity}")


class AffineQuantizedObserverBase(ABC, nn.Module):
    """What observers with a granularity have in common; `forward` and `calculate_qparams` are the subclass's.

    Args:
        mapping_type, target_dtype, granularity: how values become integers.
        quant_min, quant_max, eps: the integers to use, the smallest scale.
        scale_dtype, zero_point_dtype, preserve_zero, zero_point_domain: how scale and zero point are kept.
    """

    with_args = classmethod(lambda cls, **kwargs: _observer()._with_args(cls, **kwargs))

    def __init__(
        self,
        mapping_type: MappingType,
        target_dtype: Any,
        granularity: Granularity,
        quant_min: int | None = None,
        quant_max: int | None = None,
        eps: float | None = None,
        scale_dtype: Any = None,
        zero_point_dtype: Any = None,
        preserve_zero: bool = True,
        zero_point_domain: ZeroPointDomain | None = ZeroPointDomain.INT,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        if granularity is None:
            raise AssertionError("granularity is None; give PerTensor(), PerAxis(0), ...")
        if zero_point_domain is None:
            raise ValueError("Please use ZeroPointDomain.NONE instead of None")
        self.mapping_type = mapping_type
        self.target_dtype = target_dtype
        self.granularity = granularity
        self.quant_min = quant_min
        self.quant_max = quant_max
        self.eps = eps
        self.scale_dtype = scale_dtype
        self.zero_point_dtype = zero_point_dtype
        self.preserve_zero = preserve_zero
        self.zero_point_domain = zero_point_domain

    @abstractmethod
    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        """Notes what it must of `input` and returns it."""

    @abstractmethod
    def calculate_qparams(self) -> tuple[lampas.Tensor, lampas.Tensor]:
        """Scale and zero point for what was seen."""


def _observer() -> Any:
    from . import observer

    return observer
