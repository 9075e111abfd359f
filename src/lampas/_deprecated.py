"""Calls that PyTorch has deprecated and still accepts, and those it has removed and still names."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any, NoReturn

import lampas
from lampas import _C

__all__ = ["eig", "lstsq", "matrix_rank", "old_form", "range", "solve", "symeig", "warn", "warn_once"]

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_warned: set[str] = set()


def warn(message: str, kind: type[Warning] = UserWarning) -> None:
    """Warns at the line of the program that called into lampas."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, kind, level)


def warn_once(message: str, kind: type[Warning] = UserWarning) -> None:
    """As `warn`, but one time in a process, unless `lampas.set_warn_always` asks for each."""
    from lampas._settings import is_warn_always_enabled

    if message not in _warned or is_warn_always_enabled():
        warn(message, kind)
        _warned.add(message)


# Numbers that once came among the tensors, by the keyword that they have now.
_NUMBERS = {
    "add": ("alpha",),
    "sub": ("alpha",),
    "addcmul": ("value",),
    "addcdiv": ("value",),
    **dict.fromkeys(("addmm", "addmv", "addr", "addbmm", "baddbmm"), ("beta", "alpha")),
}


def old_form(op: Any, name: str, method: bool, args: tuple, kwargs: dict[str, Any]) -> Any:
    """The result of a call whose numbers stand among its tensors, as in ``addmm(beta, x, alpha, a, b)``.

    NotImplemented if the call is no such form of the op ``name``.
    """
    keywords = _NUMBERS.get(name.rstrip("_"))
    if keywords is None or not isinstance(args[-1], lampas.Tensor):
        return NotImplemented
    beta_first = keywords[0] == "beta" and not method
    if isinstance(args[0], lampas.Tensor) == beta_first:
        return NotImplemented
    numbers = [a for a in args if isinstance(a, (int, float, complex))]
    tensors = [a for a in args if isinstance(a, lampas.Tensor)]
    needed = 2 if keywords == ("alpha",) else 3
    if not 0 < len(numbers) <= len(keywords) or len(tensors) != needed or len(numbers) + needed != len(args):
        return NotImplemented
    named = dict(zip(keywords, numbers, strict=False))
    if named.keys() & kwargs.keys():
        return NotImplemented
    shown = ", ".join(f"{k}={v}" for k, v in named.items())
    warn_once(f"This overload of {name} is deprecated: numbers come by their names, after the tensors: {shown}.")
    return op(*tensors, **named, **kwargs)


def range(*args: Any, **kwargs: Any) -> lampas.Tensor:
    """Numbers from start to end, the end included; deprecated: `lampas.arange` excludes it, as Python's range does."""
    warn("torch.range is deprecated, because it includes its end; use torch.arange(start, end + step, step).")
    return _C.range(*args, **kwargs)


def _removed(name: str, instead: str) -> Any:
    def refuse(*args: Any, **kwargs: Any) -> NoReturn:
        raise RuntimeError(f"torch.{name} was removed; use {instead}")

    refuse.__name__ = refuse.__qualname__ = name
    refuse.__doc__ = f"Removed (RuntimeError): use {instead}."
    return refuse


eig = _removed("eig", "torch.linalg.eig, whose results are complex")
symeig = _removed("symeig", "torch.linalg.eigh(A, UPLO='U')")
lstsq = _removed("lstsq", "torch.linalg.lstsq(A, B), whose arguments are in the other order")
solve = _removed("solve", "torch.linalg.solve(A, B), whose arguments are in the other order")
matrix_rank = _removed("matrix_rank", "torch.linalg.matrix_rank")
