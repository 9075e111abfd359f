"""What all tv_tensors share: which operations keep the class."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import lampas
from lampas import Tensor

__all__ = ["TVTensor", "set_return_type"]

# Moving, copying and marking do not change what the numbers show.
_KEEPING = {Tensor.clone, Tensor.to, Tensor.detach, Tensor.requires_grad_, Tensor.pin_memory}

_keep_always = False


class _ReturnType:
    """Already in force when made; leaving it as a context restores what was before."""

    def __init__(self, before: bool) -> None:
        self.before = before

    def __enter__(self) -> _ReturnType:
        return self

    def __exit__(self, *exc: object) -> None:
        global _keep_always
        _keep_always = self.before


def set_return_type(return_type: str) -> _ReturnType:
    """Choose what operations on tv_tensors give: ``"Tensor"``, the default, or ``"TVTensor"``, the operand's class.

    In force from the call on, or inside a ``with``. Transforms keep the class in both cases.

    Raises:
        ValueError: neither of the two (in letters of any case).

    >>> with set_return_type("TVTensor"):
    ...     type(Image(lampas.ones(1, 2, 2)) + 1).__name__
    'Image'
    """
    global _keep_always
    before, chosen = _keep_always, str(return_type).lower()
    if chosen not in ("tensor", "tvtensor"):
        raise ValueError(f"return_type must be 'TVTensor' or 'Tensor', got {return_type}")
    _keep_always = chosen == "tvtensor"
    return _ReturnType(before)


class TVTensor(Tensor):
    """The base of tensors with a meaning; make subclasses of it for kinds of your own.

    Operations give plain tensors, except ``clone``, ``to``, ``detach``, ``requires_grad_`` and ``pin_memory``; see
    `set_return_type`. A subclass with attributes overrides `wrap` to hand them on.
    """

    @staticmethod
    def _to_tensor(
        data: Any,
        dtype: lampas.dtype | None = None,
        device: Any = None,
        requires_grad: bool | None = None,
    ) -> Tensor:
        if requires_grad is None:
            requires_grad = isinstance(data, Tensor) and data.requires_grad
        return lampas.as_tensor(data, dtype=dtype, device=device).requires_grad_(requires_grad)

    @classmethod
    def wrap(cls, tensor: Tensor, like: Any, **kwargs: Any) -> Any:
        """``tensor`` as this class, with what ``like`` carries."""
        return tensor.as_subclass(cls)

    @classmethod
    def _wrap_output(cls, output: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        if isinstance(output, (tuple, list)):
            return type(output)(cls._wrap_output(part, args, kwargs) for part in output)
        return output.as_subclass(cls) if isinstance(output, Tensor) and not isinstance(output, cls) else output

    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if not all(issubclass(cls, kind) for kind in types):
            return NotImplemented
        output = lampas._C._disabled_torch_function_impl(func, types, args, dict(kwargs or {}))
        if _keep_always or (func in _KEEPING and isinstance(args[0], cls)):
            return cls._wrap_output(output, args, kwargs)
        return output.as_subclass(Tensor) if isinstance(output, cls) else output

    def _make_repr(self, **kwargs: Any) -> str:
        extra = ", ".join(f"{name}={value}" for name, value in kwargs.items())
        return f"{super().__repr__()[:-1]}, {extra})"

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        # detach and clone keep the class, and hand on what it carries
        return self.detach().clone().requires_grad_(self.requires_grad)
