"""What the functions of linear algebra share: checks of their operands, ways to NumPy and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lampas
from lampas._declared import array, tensor_like
from lampas._ops import op

__all__ = ["LinAlgError", "H", "batched", "by_numpy", "check_matrix", "check_square", "eye_like", "linalg_op"]


class _LinAlgError(RuntimeError):
    """A matrix has no such factorisation, inverse or solution."""


LinAlgError = lampas._C._LinAlgError = _LinAlgError  # in PyTorch, too, the class has the underscore


def linalg_op(signature: str, kinds: str = "function out") -> Callable:
    """:func:`lampas._ops.op` for the namespace ``lampas.linalg``."""
    return op(signature, kinds, scope="lampas.linalg")


def H(x: lampas.Tensor) -> lampas.Tensor:
    """The conjugate transpose."""
    t = x.transpose(-2, -1)
    return t.conj() if x.is_complex() else t


def check_matrix(name: str, A: lampas.Tensor, what: str = "A") -> None:
    """A RuntimeError unless A is a floating (or complex) tensor of at least two dimensions."""
    if A.dim() < 2:
        raise RuntimeError(
            f"{name}: The input tensor {what} must have at least 2 dimensions, got shape {list(A.shape)}."
        )
    if not (A.is_floating_point() or A.is_complex()):
        raise RuntimeError(
            f"{name}: Expected a floating point or complex tensor as input, got {A.dtype}; convert it with .float()"
        )
    if A.dtype in (lampas.float16, lampas.bfloat16):
        raise RuntimeError(f"{name}: Low precision dtypes not supported, got {A.dtype}; convert it with .float()")


def check_square(name: str, A: lampas.Tensor, what: str = "A") -> None:
    """A RuntimeError unless A is a batch of square matrices."""
    check_matrix(name, A, what)
    if A.size(-1) != A.size(-2):
        raise RuntimeError(
            f"{name}: {what} must be batches of square matrices, but they are {A.size(-2)} by {A.size(-1)} matrices"
        )


def eye_like(A: lampas.Tensor) -> lampas.Tensor:
    """The identity matrix of A's rows."""
    return lampas.eye(A.size(-2), dtype=A.dtype)


def by_numpy(function: Callable[..., Any], *tensors: lampas.Tensor) -> Any:
    """A NumPy function of tensors; its array or arrays as tensors."""
    import numpy as np

    with np.errstate(all="ignore"):
        result = function(*(array(t) for t in tensors))
    if isinstance(result, tuple):
        return tuple(tensor_like(r, tensors[0]) for r in result)
    return tensor_like(result, tensors[0])


def batched(function: Callable[..., tuple], count: int, *tensors: lampas.Tensor) -> tuple[lampas.Tensor, ...]:
    """A function of single matrices (arrays), called for each of a batch; ``count`` results, stacked."""
    import numpy as np

    batch = tensors[0].shape[:-2]
    arrays = [array(t) for t in tensors]
    if not batch:
        return tuple(tensor_like(np.asarray(r), tensors[0]) for r in function(*arrays))
    flat = [a.reshape(-1, *a.shape[len(batch) :]) for a in arrays]
    rows = [function(*matrices) for matrices in zip(*flat)]
    if not rows:  # an empty batch: shapes from a matrix of zeros
        rows = [function(*(np.eye(*a.shape[1:], dtype=a.dtype) for a in flat))]
        shapes = [np.asarray(r) for r in rows[0]]
        return tuple(tensor_like(np.empty((*batch, *s.shape), dtype=s.dtype), tensors[0]) for s in shapes)
    stacked = [np.stack([np.asarray(row[i]) for row in rows]) for i in range(count)]
    return tuple(tensor_like(s.reshape(*batch, *s.shape[1:]), tensors[0]) for s in stacked)
