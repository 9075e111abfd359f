"""Batches from samples."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import lampas

__all__ = ["collate", "default_collate", "default_collate_fn_map", "default_convert"]

CollateMap = dict[type | tuple[type, ...], Callable]


def _is_numpy(kind: type) -> bool:
    return kind.__module__ == "numpy" and kind.__name__ not in ("str_", "bytes_", "string_")


def _holds_text(array: Any) -> bool:
    return array.dtype.kind in "SUO"


def _like_mapping(original: Any, values: dict) -> Any:
    """`values` in a mapping of the original's type, if that can be made."""
    try:
        if isinstance(original, MutableMapping):
            result = copy.copy(original)
            result.update(values)
            return result
        return type(original)(values)
    except TypeError:
        return values


def _like_sequence(original: Any, values: list) -> Any:
    """`values` in a sequence of the original's type, if that can be made."""
    try:
        if isinstance(original, MutableSequence):
            result = copy.copy(original)
            for i, value in enumerate(values):
                result[i] = value
            return result
        return type(original)(values)
    except TypeError:
        return values


def default_convert(data):
    """Makes tensors of NumPy arrays and scalars, anywhere in mappings, tuples and sequences; leaves the rest.

    Example:
        >>> default_convert({"x": numpy.zeros(2)})
        {'x': tensor([0., 0.], dtype=torch.float64)}
    """
    kind = type(data)
    if isinstance(data, lampas.Tensor):
        return data
    if _is_numpy(kind):
        return data if kind.__name__ == "ndarray" and _holds_text(data) else lampas.as_tensor(data)
    if isinstance(data, Mapping):
        return _like_mapping(data, {key: default_convert(data[key]) for key in data})
    if isinstance(data, tuple):
        values = [default_convert(d) for d in data]
        return kind(*values) if hasattr(data, "_fields") else values
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return _like_sequence(data, [default_convert(d) for d in data])
    return data


def _unknown(what: object) -> TypeError:
    return TypeError(
        f"default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {what}. "
        "Pass a collate_fn that makes a batch of such samples."
    )


def collate(batch: Sequence, *, collate_fn_map: CollateMap | None = None) -> Any:
    """A batch from samples, by a function for each type of element; containers are gone through.

    Args:
        batch: the samples, all of one structure.
        collate_fn_map: functions ``f(batch, *, collate_fn_map)`` by type, or tuple of types, of the elements.

    Raises:
        RuntimeError: sequences of different lengths.
        TypeError: an element no function is given for.
    """
    element = batch[0]
    kind = type(element)
    for types, function in (collate_fn_map or {}).items():
        if kind is types or isinstance(element, types):
            return function(batch, collate_fn_map=collate_fn_map)
    if _is_numpy(kind):
        if kind.__name__ != "ndarray":
            return lampas.as_tensor(sys.modules["numpy"].stack(batch))
        if _holds_text(element):
            raise _unknown(element.dtype)
        return collate([lampas.as_tensor(array) for array in batch], collate_fn_map=collate_fn_map)
    if isinstance(element, Mapping):
        fields = {key: collate([d[key] for d in batch], collate_fn_map=collate_fn_map) for key in element}
        return _like_mapping(element, fields)
    if isinstance(element, tuple) and hasattr(element, "_fields"):
        return kind(*(collate(column, collate_fn_map=collate_fn_map) for column in zip(*batch, strict=True)))
    if isinstance(element, Sequence):
        sizes = {len(sample) for sample in batch}
        if len(sizes) > 1:
            raise RuntimeError(
                f"each element in list of batch should be of equal size, but their lengths are {sorted(sizes)}; "
                "pad them in a collate_fn"
            )
        columns = [collate(column, collate_fn_map=collate_fn_map) for column in zip(*batch, strict=True)]
        return columns if isinstance(element, tuple) else _like_sequence(element, columns)
    raise _unknown(kind)


def collate_tensor_fn(batch: Sequence[lampas.Tensor], *, collate_fn_map: CollateMap | None = None) -> lampas.Tensor:
    """Tensors of one shape, stacked along a new first dimension."""
    return lampas.stack(list(batch), 0)


def collate_float_fn(batch: Sequence[float], *, collate_fn_map: CollateMap | None = None) -> lampas.Tensor:
    """Python floats as a float64 tensor."""
    return lampas.tensor(batch, dtype=lampas.float64)


def collate_int_fn(batch: Sequence[int], *, collate_fn_map: CollateMap | None = None) -> lampas.Tensor:
    """Python integers or bools as a tensor."""
    return lampas.tensor(batch)


def collate_str_fn(batch: Sequence, *, collate_fn_map: CollateMap | None = None) -> Sequence:
    """Text and bytes as they are."""
    return batch


default_collate_fn_map: CollateMap = {
    lampas.Tensor: collate_tensor_fn,
    float: collate_float_fn,
    int: collate_int_fn,
    str: collate_str_fn,
    bytes: collate_str_fn,
}


def default_collate(batch):
    """A batch from samples: tensors and arrays are stacked, numbers become tensors, containers are gone through.

    Example:
        >>> default_collate([(lampas.zeros(2), 0), (lampas.ones(2), 1)])
        [tensor([[0., 0.],
                [1., 1.]]), tensor([0, 1])]
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)
