"""What autocast does with ops that are written in Python; the engine sees to its own.

The lists are PyTorch's for the CPU.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import lampas
from lampas import _C

__all__ = ["in_float32", "policy_of", "run_cast", "to_dtype"]

_FLOAT32 = {
    "lampas": "cholesky cholesky_inverse cholesky_solve geqrf inverse lu_solve orgqr ormqr pinverse qr svd "
    "triangular_solve",
    "lampas.fft": "fft fft2 fftn hfft ifft ifft2 ifftn ihfft irfft irfft2 irfftn rfft rfft2 rfftn",
    "lampas.linalg": "cholesky cholesky_ex cond eig eigh eigvals eigvalsh householder_product inv inv_ex lstsq "
    "matrix_rank qr solve svd svdvals tensorinv tensorsolve",
}
_LOWER = {"lampas.linalg": "vecdot"}


def policy_of(scope: str, name: str) -> str | None:
    """ "float32" or "lower" for an op that is cast inside a region, otherwise None."""
    if name in _FLOAT32.get(scope, "").split():
        return "float32"
    return "lower" if name in _LOWER.get(scope, "").split() else None


def to_dtype(value: Any, policy: str) -> Any:
    """A tensor, or the tensors of a list, in the type that the policy asks for."""
    if isinstance(value, lampas.Tensor):
        casts = value.is_floating_point() and value.dtype != lampas.float64 and value.device.type == "cpu"
        return value.to(lampas.float32 if policy == "float32" else _C._autocast_dtype()) if casts else value
    if isinstance(value, (list, tuple)) and any(isinstance(v, lampas.Tensor) for v in value):
        return type(value)([to_dtype(v, policy) for v in value])
    return value


def run_cast(function: Callable, policy: str, values: dict[str, Any]) -> Any:
    """Calls the function with cast arguments; what it calls itself runs as it is given."""
    values = {k: to_dtype(v, policy) for k, v in values.items()}
    _C._set_autocast_enabled(False)
    try:
        return function(**values)
    finally:
        _C._set_autocast_enabled(True)


def in_float32(function: Callable) -> Callable:
    """The function, computing in float32 inside an autocast region."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if not _C._autocast_enabled():
            return function(*args, **kwargs)
        args = tuple(to_dtype(a, "float32") for a in args)
        return run_cast(lambda **values: function(*args, **values), "float32", kwargs)

    return wrapper
