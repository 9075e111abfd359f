"""Batches cut into parts for several devices, and put together again."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import lampas

__all__ = ["gather", "scatter", "scatter_kwargs"]


def _is_namedtuple(x: Any) -> bool:
    return isinstance(x, tuple) and hasattr(x, "_fields")


def _like(x: Any, values: Any) -> Any:
    return type(x)(*values) if _is_namedtuple(x) else type(x)(values)


def scatter(inputs: Any, target_gpus: Sequence[Any], dim: int = 0) -> Any:
    """The parts of `inputs`, one for each device: tensors are cut along `dim`, anything else goes to all.

    Args:
        inputs: a tensor, or tuples, lists and dictionaries of tensors and other things.
        target_gpus: the devices; the CPU may be one, even several times.
        dim: the dimension that is cut, into parts of nearly one size. A short one gives fewer parts than devices.

    Returns:
        A tuple of tensors for a tensor, a list of parts of the same form for anything else.

    Example::

        >>> nn.parallel.scatter(lampas.arange(3), ["cpu", "cpu"])
        (tensor([0, 1]), tensor([2]))
    """
    if isinstance(inputs, lampas.Tensor):
        parts = inputs.chunk(len(target_gpus), dim)
        return tuple(part.to(device) for part, device in zip(parts, target_gpus, strict=False))
    if isinstance(inputs, (tuple, list)) and inputs:
        columns = [scatter(value, target_gpus, dim) for value in inputs]
        return [_like(inputs, row) for row in zip(*columns, strict=False)]
    if isinstance(inputs, dict) and inputs:
        columns = [scatter(value, target_gpus, dim) for value in inputs.values()]
        return [type(inputs)(zip(inputs, row, strict=True)) for row in zip(*columns, strict=False)]
    return [inputs for _ in target_gpus]


def scatter_kwargs(
    inputs: tuple, kwargs: dict[str, Any] | None, target_gpus: Sequence[Any], dim: int = 0
) -> tuple[tuple, tuple]:
    """The parts of positional and of keyword arguments; where one has fewer parts, empty ones follow."""
    positional = scatter(inputs, target_gpus, dim) if inputs else []
    named = scatter(kwargs, target_gpus, dim) if kwargs else []
    count = max(len(positional), len(named))
    return (
        tuple(positional) + ((),) * (count - len(positional)),
        tuple(named) + tuple({} for _ in range(count - len(named))),
    )


def gather(outputs: Any, target_device: Any, dim: int = 0) -> Any:
    """Puts the parts together on one device: tensors are concatenated along `dim`, within tuples, lists and dicts.

    Parts without dimensions become a vector, with a warning.

    Raises:
        ValueError: dictionaries with different numbers of entries.
        TypeError: parts of another type.

    Example::

        >>> nn.parallel.gather([lampas.zeros(1, 2), lampas.ones(1, 2)], "cpu").shape
        torch.Size([2, 2])
    """
    first = outputs[0]
    if isinstance(first, lampas.Tensor):
        parts = [part.to(target_device) for part in outputs]
        if dim == 0 and all(part.dim() == 0 for part in parts):
            warnings.warn("gather() along dimension 0 got tensors without dimensions; it gives a vector.", stacklevel=2)
            return lampas.stack(parts)
        return lampas.cat(parts, dim)
    if first is None:
        return None
    if isinstance(first, dict):
        if any(len(part) != len(first) for part in outputs):
            raise ValueError("All dicts must have the same number of keys")
        return type(first)((key, gather([part[key] for part in outputs], target_device, dim)) for key in first)
    if isinstance(first, (tuple, list)):
        return _like(first, [gather(column, target_device, dim) for column in zip(*outputs, strict=True)])
    raise TypeError(f"'{type(first).__name__}' object cannot be gathered; tensors and tuples, lists, dicts of them can")
