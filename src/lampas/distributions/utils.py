"""Helpers of the distributions: broadcasting, probabilities and logits, properties computed once, triangles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Number
from typing import Any

import lampas
from lampas import Tensor
from lampas.nn import functional as F

__all__ = [
    "broadcast_all",
    "clamp_probs",
    "lazy_property",
    "logits_to_probs",
    "probs_to_logits",
    "tril_matrix_to_vec",
    "vec_to_tril_matrix",
]

Shape = Sequence[int]

euler_constant = 0.57721566490153286060  # the Euler-Mascheroni constant


def broadcast_all(*values: Any) -> tuple[Tensor, ...]:
    """The values as tensors of one shape.

    Numbers take the dtype and device of the first tensor; the default dtype where there is none.

    Raises:
        ValueError: a value is neither a tensor nor a number.

    >>> [v.shape for v in broadcast_all(lampas.zeros(3), 1.0)]
    [torch.Size([3]), torch.Size([3])]
    """
    for value in values:
        if not (isinstance(value, (Number, Tensor)) or hasattr(type(value), "__torch_function__")):
            raise ValueError(
                "Input arguments must all be instances of Number, torch.Tensor or objects implementing "
                f"__torch_function__; got {type(value).__name__}"
            )
    like = next((v for v in values if isinstance(v, Tensor)), None)
    options: dict[str, Any] = (
        {"dtype": lampas.get_default_dtype()} if like is None else {"dtype": like.dtype, "device": like.device}
    )
    return lampas.broadcast_tensors(*(lampas.tensor(v, **options) if isinstance(v, Number) else v for v in values))


def clamp_probs(probs: Tensor) -> Tensor:
    """The probabilities, kept the dtype's epsilon away from 0 and 1."""
    eps = lampas.finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def logits_to_probs(logits: Tensor, is_binary: bool = False) -> Tensor:
    """Probabilities of logits: the sigmoid of log-odds where ``is_binary``, else the softmax over the last axis."""
    return logits.sigmoid() if is_binary else F.softmax(logits, dim=-1)


def probs_to_logits(probs: Tensor, is_binary: bool = False) -> Tensor:
    """Logits of probabilities, clamped so that they are finite: log-odds where ``is_binary``, else logarithms."""
    inside = clamp_probs(probs)
    return inside.log() - (-inside).log1p() if is_binary else inside.log()


class lazy_property:
    """A property whose value is computed at the first look-up and kept in the instance.

    The value is computed with gradients recorded, because a later user may want them.
    """

    def __init__(self, wrapped: Callable[[Any], Any]) -> None:
        self.wrapped = wrapped
        self.__doc__ = wrapped.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, obj_type: Any = None) -> Any:
        if instance is None:
            return self
        with lampas.enable_grad():
            value = self.wrapped(instance)
        instance.__dict__[self.name] = value
        return value


def tril_matrix_to_vec(mat: Tensor, diag: int = 0) -> Tensor:
    """The entries on and below a diagonal of square matrices, row by row: shape (..., n, n) to (..., k).

    Raises:
        ValueError: there is no such diagonal.
    """
    n = mat.shape[-1]
    if not -n <= diag < n:
        raise ValueError(f"diag ({diag}) provided is outside [{-n}, {n - 1}].")
    rows, columns = lampas.tril_indices(n, n, diag)
    return mat[..., rows, columns]


def vec_to_tril_matrix(vec: Tensor, diag: int = 0) -> Tensor:
    """Square matrices whose entries on and below a diagonal are given row by row, else 0: the inverse of the above.

    Raises:
        ValueError: no triangle has that many entries.
    """
    given, n = vec.shape[-1], 0
    while (held := _triangle(n, diag)) < given:
        n += 1
    if held != given or n == 0:
        raise ValueError(f"The size of last dimension is {given} which cannot be expressed as a lower triangle.")
    rows, columns = lampas.tril_indices(n, n, diag)
    made = vec.new_zeros((*vec.shape[:-1], n, n))
    made[..., rows, columns] = vec
    return made


def _triangle(n: int, diag: int) -> int:
    """How many entries of an n by n matrix lie on or below a diagonal."""
    return sum(min(max(row + diag + 1, 0), n) for row in range(n))


def _standard_normal(shape: Shape, dtype: Any, device: Any) -> Tensor:
    """Samples of the standard normal distribution."""
    return lampas.normal(
        lampas.zeros(shape, dtype=dtype, device=device), lampas.ones(shape, dtype=dtype, device=device)
    )


def _sum_rightmost(value: Tensor, dim: int) -> Tensor:
    """The sum over the last ``dim`` axes."""
    return value if dim == 0 else value.reshape((*value.shape[:-dim], -1)).sum(-1)
