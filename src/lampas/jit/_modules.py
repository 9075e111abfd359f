"""Modules and functions in TorchScript's form around the Python ones."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

from lampas.nn.modules.module import Module

__all__ = [
    "RecursiveScriptModule",
    "ScriptFunction",
    "ScriptModule",
    "TopLevelTracedModule",
    "TracedModule",
    "scripted",
    "tracing",
]

_NO_PROGRAM = ("code", "code_with_constants", "graph", "inlined_graph", "forward_magic_method", "graph_for")


class _Tracing:
    """Whether `trace` is calling a function."""

    depth = 0

    def __call__(self) -> bool:
        return self.depth > 0

    @contextlib.contextmanager
    def region(self) -> Iterator[None]:
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1


tracing = _Tracing()


def _no_program(thing: str, name: str) -> AttributeError:
    return AttributeError(
        f"a {thing} of lampas runs the Python it was made from and has no {name!r}; lampas.summary(model, input) shows "
        "what a model is made of",
        name=name,
    )


class ScriptFunction:
    """A function that was scripted or traced; it calls the function it was made from."""

    def __init__(self, function: Callable) -> None:
        functools.update_wrapper(self, function)
        self._function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._function(*args, **kwargs)

    @property
    def name(self) -> str:
        """The function's name."""
        return getattr(self._function, "__name__", type(self._function).__name__)

    def save(self, f: Any, _extra_files: dict[str, Any] | None = None) -> None:
        """See `lampas.jit.save`."""
        from lampas.jit._serialization import save

        save(self, f, _extra_files)

    def __getattr__(self, name: str) -> Any:
        if name in _NO_PROGRAM:
            raise _no_program("ScriptFunction", name)
        raise AttributeError(f"'ScriptFunction' object has no attribute {name!r}")

    def __reduce__(self) -> tuple:
        return ScriptFunction, (self._function,)


class ScriptModule(Module):
    """A module in TorchScript's form; programs may derive classes of their own from it."""

    def save(self, f: Any, _extra_files: dict[str, Any] | None = None) -> None:
        """See `lampas.jit.save`."""
        from lampas.jit._serialization import save

        save(self, f, _extra_files)

    def __getattr__(self, name: str) -> Any:
        if name in _NO_PROGRAM:
            raise _no_program("ScriptModule", name)
        return super().__getattr__(name)


class RecursiveScriptModule(ScriptModule):
    """A module that was scripted or traced: it shares the parameters, buffers and children of the one it was made from.

    Attributes are read and set there too, and calling it calls that module.
    """

    def __init__(self, module: Module) -> None:
        super().__init__()
        own = self.__dict__
        own["_wrapped"] = module
        own["_parameters"], own["_buffers"] = module._parameters, module._buffers
        own["_non_persistent_buffers_set"] = module._non_persistent_buffers_set
        # The children seen from here have this form as well; those that the module calls are its own.
        children = own["_modules"]
        for name, child in module._modules.items():
            children[name] = child if child is None else scripted(child, type(self)._of_children())

    @classmethod
    def _of_children(cls) -> type[RecursiveScriptModule]:
        return cls

    @property
    def original_name(self) -> str:
        """The name of the class that was scripted."""
        return type(self._wrapped).__name__

    @property
    def training(self) -> bool:
        """Whether the module is in training mode."""
        return self.__dict__["_wrapped"].training

    @training.setter
    def training(self, value: bool) -> None:
        if "_wrapped" in self.__dict__:
            self.__dict__["_wrapped"].training = value

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module gives, its hooks included."""
        return self.__dict__["_wrapped"](*args, **kwargs)

    def extra_repr(self) -> str:
        """Which class this was."""
        return f"original_name={self.original_name}"

    def __getattr__(self, name: str) -> Any:
        if name in _NO_PROGRAM:
            raise _no_program("ScriptModule", name)
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name.startswith("__") or "_wrapped" not in self.__dict__:
                raise
            return getattr(self.__dict__["_wrapped"], name)

    def __setattr__(self, name: str, value: Any) -> None:
        wrapped = self.__dict__.get("_wrapped")
        if wrapped is None or name in self.__dict__ or hasattr(type(self), name):
            object.__setattr__(self, name, value)
            return
        setattr(wrapped, name, value)
        if isinstance(value, Module):
            self._modules[name] = scripted(value, type(self)._of_children())

    def __len__(self) -> int:
        return len(self._wrapped)

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Any]:
        return (self._modules[name] for name in self._modules)

    def __getitem__(self, index: Any) -> Any:
        found = self._wrapped[index]
        return scripted(found, type(self)._of_children()) if isinstance(found, Module) else found

    def __contains__(self, key: object) -> bool:
        return key in self._wrapped

    def __deepcopy__(self, memo: dict) -> RecursiveScriptModule:
        from copy import deepcopy

        return type(self)(deepcopy(self._wrapped, memo))

    def __reduce__(self) -> tuple:
        return type(self), (self._wrapped,)

    def _apply(self, fn: Callable, recurse: bool = True) -> RecursiveScriptModule:
        self._wrapped._apply(fn, recurse)
        return self


class TracedModule(RecursiveScriptModule):
    """A module within a traced one."""

    def _get_name(self) -> str:
        return self.original_name


class TopLevelTracedModule(TracedModule):
    """A module that was traced."""

    @classmethod
    def _of_children(cls) -> type[RecursiveScriptModule]:
        return TracedModule


def scripted(module: Module, kind: type[RecursiveScriptModule] = RecursiveScriptModule) -> RecursiveScriptModule:
    """The module in this form, unless it has one already."""
    return module if isinstance(module, ScriptModule) else kind(module)  # type: ignore[return-value]
