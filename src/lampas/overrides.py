"""What classes with ``__torch_function__``, and functions that honour it, are made with.

>>> class Log(TorchFunctionMode):
...     def __torch_function__(self, func, types, args=(), kwargs=None):
...         print(func.__name__)
...         return func(*args, **(kwargs or {}))
>>> with Log():
...     y = torch.ones(2).exp()
ones
exp
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from types import ModuleType, TracebackType
from typing import Any

import lampas
from lampas import _C

__all__ = [
    "BaseTorchFunctionMode",
    "TorchFunctionMode",
    "handle_torch_function",
    "has_torch_function",
    "has_torch_function_unary",
    "has_torch_function_variadic",
    "is_tensor_like",
    "is_tensor_method_or_property",
    "resolve_name",
    "wrap_torch_function",
]


def _overrides(value: Any) -> bool:
    kind = type(value)
    if kind is lampas.Tensor:
        return False
    implementation = getattr(kind, "__torch_function__", None)
    return implementation is not None and implementation is not _C._disabled_torch_function_impl


def _get_current_function_mode() -> Any:
    """The innermost function mode of this thread, or None."""
    try:
        mode = _C._pop_torch_function_stack()
    except RuntimeError:
        return None
    _C._push_on_torch_function_stack(mode)
    return mode


def has_torch_function(relevant_args: Iterable[Any]) -> bool:
    """Whether one of these has a ``__torch_function__`` of its own, or a function mode is on.

    A function written in Python begins with it: ``if has_torch_function((a, b)): return
    handle_torch_function(f, (a, b), a, b=b)``.
    """
    return any(_overrides(value) for value in relevant_args) or _get_current_function_mode() is not None


def has_torch_function_unary(arg: Any) -> bool:
    """`has_torch_function` of one argument."""
    return has_torch_function((arg,))


def has_torch_function_variadic(*args: Any) -> bool:
    """`has_torch_function` of these arguments."""
    return has_torch_function(args)


def _asked_in_order(relevant: Iterable[Any]) -> list[Any]:
    """One argument of each overriding class: subclasses before their bases, else from left to right."""
    order: list[Any] = []
    for value in relevant:
        if not _overrides(value) or any(type(value) is type(other) for other in order):
            continue
        at = next((i for i, other in enumerate(order) if issubclass(type(value), type(other))), len(order))
        order.insert(at, value)
    return order


def handle_torch_function(public_api: Callable, relevant_args: Iterable[Any], *args: Any, **kwargs: Any) -> Any:
    """What the function mode, or else the arguments' ``__torch_function__``, makes of ``public_api(*args, **kwargs)``.

    Raises:
        TypeError: all of them gave NotImplemented.
    """
    order = _asked_in_order(relevant_args)
    types = tuple(type(value) for value in order)
    mode = _get_current_function_mode()
    if mode is not None:
        _C._pop_torch_function_stack()
        try:
            result = mode.__torch_function__(public_api, types, args, kwargs)
        finally:
            _C._push_on_torch_function_stack(mode)
        if result is not NotImplemented:
            return result
    for value in order:
        result = type(value).__torch_function__(public_api, types, args, kwargs)
        if result is not NotImplemented:
            return result
    name = f"{public_api.__module__}.{public_api.__name__}"
    kinds = [type(value) for value in order]
    asked = f"no implementation found for '{name}' on types that implement __torch_function__: {kinds}"
    if mode is not None:
        asked += f" nor in mode {mode}"
    raise TypeError(asked)


def wrap_torch_function(dispatcher: Callable[..., Iterable[Any]]) -> Callable[[Callable], Callable]:
    """Makes a function honour ``__torch_function__``; ``dispatcher`` takes its arguments and gives those to ask.

    >>> @wrap_torch_function(lambda a: (a,))
    ... def f(a):
    ...     return a + 0
    """

    def decorate(function: Callable) -> Callable:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            relevant = tuple(dispatcher(*args, **kwargs))
            if has_torch_function(relevant):
                return handle_torch_function(wrapped, relevant, *args, **kwargs)
            return function(*args, **kwargs)

        return wrapped

    return decorate


def is_tensor_like(inp: Any) -> bool:
    """Whether this is a tensor, or of a class with ``__torch_function__``."""
    return type(inp) is lampas.Tensor or hasattr(inp, "__torch_function__")


def is_tensor_method_or_property(func: Callable) -> bool:
    """Whether what ``__torch_function__`` was given is a method of tensors, or reads an attribute of theirs."""
    name = getattr(func, "__name__", "")
    return name == "__get__" or getattr(lampas.Tensor, name, None) == func


def resolve_name(f: Callable) -> str | None:
    """The name under which programs find a function: "torch.add", "torch.Tensor.add"; None for others'."""
    places: list[tuple[str, ModuleType | type]] = [
        ("torch", lampas),
        ("torch.Tensor", lampas.Tensor),
        ("torch.nn.functional", lampas.nn.functional),
        ("torch.linalg", lampas.linalg),
        ("torch.fft", lampas.fft),
        ("torch.special", lampas.special),
    ]
    name = getattr(f, "__name__", "")
    for prefix, place in places:
        if name and getattr(place, name, None) == f:
            return f"{prefix}.{name}"
    return None


class TorchFunctionMode:
    """A region in which every call of a function of the library goes through ``__torch_function__`` of this object.

    Derive from it; ``__torch_function__`` gets the function, the overriding classes among the arguments, and the
    arguments. While it runs the mode is off, so that it can call the function.
    """

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        raise NotImplementedError(f"{type(self).__name__} needs a method __torch_function__(func, types, args, kwargs)")

    def __enter__(self) -> TorchFunctionMode:
        _C._push_on_torch_function_stack(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _C._pop_torch_function_stack()

    @classmethod
    def push(cls, *args: Any, **kwargs: Any) -> TorchFunctionMode:
        """The older way to make one."""
        return cls(*args, **kwargs)


class BaseTorchFunctionMode(TorchFunctionMode):
    """A mode that calls everything as it is."""

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        return func(*args, **(kwargs or {}))
