"""Switches for recording: context managers that are decorators too."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from lampas import _C

__all__ = ["enable_grad", "inference_mode", "no_grad", "set_grad_enabled"]

_set_grad_enabled = _C._set_grad_enabled
_set_inference_mode = _C._set_inference_mode
_GENERATOR = 0x20  # the code flag of generator functions


class _Switch:
    """A context manager that, called with a function, gives the function that runs inside it."""

    __slots__ = ("_before",)

    def _again(self) -> _Switch:
        """A context of the same kind for one call: calls may be nested, or run in several threads."""
        return type(self)()

    def __call__(self, function: Callable) -> Callable:
        if isinstance(function, type):
            raise TypeError(
                f"{type(self).__name__} cannot decorate the class {function.__name__}; decorate its methods instead"
            )
        code = getattr(function, "__code__", None)
        if code is not None and code.co_flags & _GENERATOR:
            return _inside_generator(function, self._again)
        again = self._again

        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with again():
                return function(*args, **kwargs)

        return inside


def _inside_generator(function: Callable, context: Callable[[], Any]) -> Callable:
    """A generator whose every step runs inside the context, and whose consumer does not."""

    @functools.wraps(function)
    def inside(*args: Any, **kwargs: Any) -> Any:
        steps = function(*args, **kwargs)
        with context():
            try:
                value = next(steps)
            except StopIteration as stop:
                return stop.value
        while True:
            try:
                sent = yield value
            except GeneratorExit:
                with context():
                    steps.close()
                raise
            except BaseException as error:
                resume = functools.partial(steps.throw, error)
            else:
                resume = functools.partial(steps.send, sent)
            with context():
                try:
                    value = resume()
                except StopIteration as stop:
                    return stop.value

    return inside


class _Plain(_Switch):
    """Switches without arguments: ``@no_grad`` works like ``@no_grad()``."""

    __slots__ = ()

    def __new__(cls, function: Callable | None = None) -> Any:
        switch = object.__new__(cls)
        return switch if function is None else switch(function)


class no_grad(_Plain):
    """Nothing is recorded inside: results do not require gradients. Context manager and decorator.

    >>> x = lampas.ones(1, requires_grad=True)
    >>> with lampas.no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """

    __slots__ = ()

    def __enter__(self) -> None:
        self._before = _set_grad_enabled(False)

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        _set_grad_enabled(self._before)


class enable_grad(_Plain):
    """Recording is on inside, also within :class:`no_grad`. Context manager and decorator."""

    __slots__ = ()

    def __enter__(self) -> None:
        self._before = _set_grad_enabled(True)

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        _set_grad_enabled(self._before)


class set_grad_enabled(_Switch):
    """Recording on or off: from the call on, or inside a ``with`` block, or inside a decorated function.

    >>> with lampas.set_grad_enabled(False):
    ...     lampas.is_grad_enabled()
    False
    """

    __slots__ = ("mode",)

    def __init__(self, mode: bool) -> None:
        self.mode = bool(mode)
        self._before = _set_grad_enabled(self.mode)

    def _again(self) -> set_grad_enabled:
        return set_grad_enabled(self.mode)

    def __call__(self, function: Callable) -> Callable:
        _set_grad_enabled(self._before)  # as a decorator it acts inside the function alone
        return super().__call__(function)

    def __enter__(self) -> None:
        _set_grad_enabled(self.mode)

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        _set_grad_enabled(self._before)

    def __repr__(self) -> str:
        return f"set_grad_enabled(mode={self.mode})"


class inference_mode(_Switch):
    """:class:`no_grad` that also keeps no record of views and changes; its tensors can never join a recording later.

    Args:
        mode: ``False`` switches an outer inference mode off.
    """

    __slots__ = ("mode",)

    def __new__(cls, mode: bool | Callable = True) -> Any:
        if isinstance(mode, bool):
            switch = object.__new__(cls)
            switch.mode = mode
            return switch
        return cls(True)(mode)

    def _again(self) -> inference_mode:
        return inference_mode(self.mode)

    def __enter__(self) -> None:
        grad = _set_grad_enabled(not self.mode)
        self._before = _set_inference_mode(self.mode), grad

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        inference, grad = self._before
        _set_inference_mode(inference)
        _set_grad_enabled(grad)
