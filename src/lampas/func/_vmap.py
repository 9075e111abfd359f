"""`vmap`: a function of single examples as a function of batches."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import lampas
from lampas.func._tree import Spec, broadcast, flatten, unflatten

__all__ = ["vmap"]


def vmap(
    func: Callable, in_dims: Any = 0, out_dims: Any = 0, randomness: str = "error", *, chunk_size: int | None = None
) -> Callable:
    """The function that calls ``func`` for every slice of its arguments and stacks what it gives.

    ``func`` runs once for each slice: the results and gradients are those of one call for the whole batch, the time is
    that of a loop. Therefore ``func`` may do what no batched call could, such as ``if`` on a value, or ``item()``.

    Args:
        func: gives a tensor, or a structure of tensors.
        in_dims: the dimension to slice of each positional argument, None for those that every call gets whole; a
            number for all, a tuple of one for each, or a structure like the arguments'.
        out_dims: the new dimension of each result; None for results that are the same for every slice.
        randomness: whether random numbers in ``func`` are an error, "different" for each slice, or the "same".
        chunk_size: accepted.

    Raises:
        ValueError: nothing to slice, sizes that differ, ``in_dims`` or ``out_dims`` that do not fit, results that are
            no tensors.
        RuntimeError: random numbers, with ``randomness="error"``; the message says what to do.

    >>> vmap(lambda a, b: a @ b, in_dims=(0, None))(lampas.ones(3, 2), lampas.ones(2))
    tensor([2., 2., 2.])
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}")
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        leaves, spec = flatten(args)
        dims = _checked_dims(func, in_dims, leaves, spec, args)
        size = _size(leaves, dims)
        outputs: list[list[lampas.Tensor]] = []
        made: Spec | None = None
        state = lampas.get_rng_state()
        for i in range(max(size, 1)):
            sliced = [_slice(leaf, dim, i, size) for leaf, dim in zip(leaves, dims, strict=True)]
            if randomness == "same":
                lampas.set_rng_state(state)
            values, found = flatten(func(*unflatten(sliced, spec), **kwargs))
            if made is not None and found != made:
                raise ValueError(
                    f"vmap({_name(func)}, ...): the structure of the results changes: {made}, then {found}"
                )
            made = found
            outputs.append(values)
        assert made is not None
        if randomness == "error" and not lampas.equal(lampas.get_rng_state(), state):
            lampas.set_rng_state(state)
            raise RuntimeError(
                "vmap: called random operation while in randomness error mode. Please either use the 'same' or "
                "'different' randomness flags on vmap or perform the randomness operation out of vmap"
            )
        return unflatten(_stacked(func, out_dims, outputs, made, size), made)

    return wrapper


def _name(func: Callable) -> str:
    return getattr(func, "__name__", repr(func))


def _checked_dims(func: Callable, in_dims: Any, leaves: list, spec: Spec, args: tuple) -> list[int | None]:
    """The dimension to slice of every leaf of the arguments."""
    called = f"vmap({_name(func)}, in_dims={in_dims}, ...)(<inputs>)"
    if not isinstance(in_dims, (int, tuple, list)):
        raise ValueError(
            f"{called}: expected `in_dims` to be int or a (potentially nested) tuple matching the structure of inputs, "
            f"got: {type(in_dims)}."
        )
    if not args:
        raise ValueError(
            f"vmap({_name(func)})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are trying to vmap "
            "over a function with no inputs. The latter is unsupported."
        )
    dims = broadcast(in_dims, spec)
    if dims is None:
        raise ValueError(
            f"{called}: in_dims is not compatible with the structure of `inputs`. in_dims has structure "
            f"{flatten(in_dims)[1]} but inputs has structure {spec}."
        )
    result: list[int | None] = []
    for leaf, dim in zip(leaves, dims, strict=True):
        if dim is not None and not isinstance(dim, int):
            raise ValueError(
                f"{called}: Got in_dim={dim} for an input but in_dim must be either an integer dimension or None."
            )
        if dim is not None and not isinstance(leaf, lampas.Tensor):
            raise ValueError(
                f"{called}: Got in_dim={dim} for an input but the input is of type {type(leaf)}. We cannot vmap over "
                "non-Tensor arguments, please use None as the respective in_dim"
            )
        if dim is not None and not -leaf.dim() <= dim < leaf.dim():
            raise ValueError(
                f"{called}: Got in_dim={dim} for some input, but that input is a Tensor of dimensionality {leaf.dim()} "
                f"so expected in_dim to satisfy -{leaf.dim()} <= in_dim < {leaf.dim()}."
            )
        result.append(dim)
    if all(dim is None for dim in result):
        raise ValueError(f"{called}: at least one input must have an in_dim that is not None")
    return result


def _size(leaves: list, dims: list[int | None]) -> int:
    sizes = [leaf.size(dim) for leaf, dim in zip(leaves, dims, strict=True) if dim is not None]
    if len(set(sizes)) > 1:
        raise ValueError(
            f"vmap: Expected all tensors to have the same size in the mapped dimension, got sizes {sizes} for the "
            "mapped dimension"
        )
    return sizes[0]


def _slice(leaf: Any, dim: int | None, index: int, size: int) -> Any:
    if dim is None:
        return leaf
    if size == 0:  # one call with zeros shows what the results look like
        shape = list(leaf.shape)
        del shape[dim]
        return leaf.new_zeros(shape)
    return leaf.select(dim, index)


def _stacked(func: Callable, out_dims: Any, outputs: list[list], spec: Spec, size: int) -> list[lampas.Tensor]:
    called = f"vmap({_name(func)}, ..., out_dims={out_dims})(<inputs>)"
    dims = broadcast(out_dims, spec)
    if dims is None and spec.is_leaf and isinstance(out_dims, tuple) and len(out_dims) == 1:
        dims = list(out_dims)
    if dims is None:
        raise ValueError(
            f"{called}: out_dims is not compatible with the structure of `outputs`. out_dims has structure "
            f"{flatten(out_dims)[1]} but outputs has structure {spec}."
        )
    results = []
    for place, dim in enumerate(dims):
        column = [values[place] for values in outputs]
        for one in column:
            if dim is not None and not isinstance(one, lampas.Tensor):
                raise ValueError(
                    f"vmap({_name(func)}, ...): `{_name(func)}` must only return Tensors, got type {type(one)}. Did "
                    "you mean to set out_dims= to None for output?"
                )
        if dim is None:
            results.append(_common(called, column))
        else:
            stacked = lampas.stack(column, dim)
            results.append(stacked.narrow(dim, 0, 0) if size == 0 else stacked)
    return results


def _common(called: str, column: list) -> Any:
    """The result that every call gave."""
    first = column[0]
    for one in column[1:]:
        same = lampas.equal(first, one) if isinstance(first, lampas.Tensor) else first == one
        if not same:
            raise ValueError(f"{called}: a result with out_dim None must be the same for every slice, and it is not")
    return first
