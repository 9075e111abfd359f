"""Watching a model run: which module is active when an op is called."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from lampas import _C

__all__ = ["calls_of_modules", "op_name", "ops_seen", "tensors_in"]


def op_name(func: Any) -> str:
    """An op's name, without the marks of an operator's: ``add_``, and ``getitem`` for ``__getitem__``."""
    name = getattr(func, "__name__", str(func))
    return name.strip("_") if name.startswith("__") else name


def tensors_in(value: Any) -> Iterator[Any]:
    """The tensors in nested tuples, lists and dicts."""
    if isinstance(value, _C.Tensor):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from tensors_in(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from tensors_in(part)


class _Watch:
    def __init__(self, seen: Callable[[Any, tuple, dict, Any], None]) -> None:
        self.seen = seen

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.seen(func, args, kwargs or {}, result)
        return result


@contextmanager
def ops_seen(seen: Callable[[Any, tuple, dict, Any], None]) -> Iterator[None]:
    """While it lasts, ``seen(func, args, kwargs, result)`` hears of every op of this thread."""
    _C._push_on_torch_function_stack(_Watch(seen))
    try:
        yield
    finally:
        _C._pop_torch_function_stack()


@contextmanager
def calls_of_modules(
    model: Any, entered: Callable[[Any, tuple, dict], None], left: Callable[[Any, Any], None]
) -> Iterator[None]:
    """While it lasts, `entered` and `left` hear of every call of the model and of the modules in it."""
    handles = []
    for module in model.modules():
        handles.append(
            module.register_forward_pre_hook(lambda m, args, kwargs: entered(m, args, kwargs), with_kwargs=True)
        )
        handles.append(module.register_forward_hook(lambda m, args, output: left(m, output)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
