"""The names of TorchScript: scripted and traced modules run, as the Python they are made of.

There is no second language here: `script` and `trace` give a module or function of PyTorch's form that calls the one
it was given. Its values, gradients and state_dict are the same. A traced module follows the branches of its Python
code instead of the one branch taken while tracing. There is no ``graph`` and no ``code``.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

import lampas
from lampas.jit._modules import (
    RecursiveScriptModule,
    ScriptFunction,
    ScriptModule,
    TopLevelTracedModule,
    TracedModule,
    scripted,
    tracing,
)
from lampas.jit._serialization import load, save

__all__ = [
    "Attribute",
    "Error",
    "Final",
    "Future",
    "RecursiveScriptModule",
    "ScriptFunction",
    "ScriptModule",
    "TopLevelTracedModule",
    "TracedModule",
    "annotate",
    "export",
    "fork",
    "freeze",
    "ignore",
    "is_scripting",
    "is_tracing",
    "load",
    "onednn_fusion_enabled",
    "enable_onednn_fusion",
    "optimize_for_inference",
    "optimized_execution",
    "save",
    "script",
    "script_if_tracing",
    "script_method",
    "set_fusion_strategy",
    "trace",
    "trace_module",
    "unused",
    "wait",
]

T = TypeVar("T")


class Error(RuntimeError):
    """What PyTorch's interpreter of TorchScript raises; here errors keep their own types."""


class Attribute:
    """A value with the type it has in TorchScript: the value itself where it is used."""

    def __new__(cls, value: T, type: Any) -> T:  # type: ignore[misc]
        return value


def annotate(the_type: Any, the_value: T) -> T:
    """``the_value``: Python needs no help with its type."""
    return the_value


def is_scripting() -> bool:
    """Whether this code is being compiled to TorchScript: never."""
    return False


def is_tracing() -> bool:
    """Whether `trace` is calling this code just now."""
    return tracing()


def script(obj: Any, optimize: None = None, _frames_up: int = 0, _rcb: Any = None, example_inputs: Any = None) -> Any:
    """A module, function or class in TorchScript's form, which runs the Python it is made of.

    Args:
        obj: a module gives a `ScriptModule` that shares its parameters, a function a `ScriptFunction`; classes,
            and what was scripted already, are given back as they are.

    Raises:
        TypeError: ``obj`` is none of these.

    >>> @torch.jit.script
    ... def double(x):
    ...     return x + x
    """
    if isinstance(obj, (ScriptModule, ScriptFunction, type)):
        return obj
    if isinstance(obj, lampas.nn.Module):
        return scripted(obj)
    if not callable(obj) or isinstance(obj, functools.partial):
        raise TypeError(f"jit.script() takes a module, a function or a class, not {type(obj).__name__}")
    return ScriptFunction(obj)


def trace(
    func: Any,
    example_inputs: Any = None,
    optimize: None = None,
    check_trace: bool = True,
    check_inputs: Any = None,
    check_tolerance: float = 1e-5,
    strict: bool = True,
    example_kwarg_inputs: dict[str, Any] | None = None,
    **more: Any,
) -> Any:
    """A module or function in a traced one's form, after calling it once with the example inputs.

    Args:
        func: a module gives a `ScriptModule` that shares its parameters, a function a `ScriptFunction`.
        example_inputs: a tensor or a tuple of inputs.
        example_kwarg_inputs: inputs by name, instead.
        check_trace, check_inputs, check_tolerance, strict: accepted; what runs is the function itself.

    Raises:
        RuntimeError: no example inputs, or results that hold no tensor.

    >>> torch.jit.trace(torch.nn.Linear(2, 1), torch.ones(1, 2))(torch.ones(1, 2)).shape
    torch.Size([1, 1])
    """
    unknown = set(more) - {"_force_outplace", "_module_class", "_compilation_unit", "_store_inputs"}
    if unknown:
        raise TypeError(f"trace() got an unexpected keyword argument {min(unknown)!r}")
    if example_inputs is None and example_kwarg_inputs is None:
        raise RuntimeError("jit.trace() needs example_inputs or example_kwarg_inputs")
    if isinstance(func, (ScriptModule, ScriptFunction)):
        return func
    if example_kwarg_inputs is not None and not isinstance(example_kwarg_inputs, dict):
        raise RuntimeError(f"example_kwarg_inputs should be a dict, not {type(example_kwarg_inputs).__name__}")
    args = () if example_inputs is None else example_inputs
    args = (args,) if isinstance(args, (lampas.Tensor, dict)) else tuple(args)
    with tracing.region():
        result = func(*args, **(example_kwarg_inputs or {}))
    if not _holds_tensor(result):
        raise RuntimeError(f"jit.trace(): the traced function must give tensors, but it gave {type(result).__name__}")
    if isinstance(func, lampas.nn.Module):
        return scripted(func, TopLevelTracedModule)
    return ScriptFunction(func)


def _holds_tensor(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_tensor, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(_holds_tensor, value))
    return isinstance(value, lampas.Tensor)


def trace_module(mod: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
    """As `trace`, for the methods named in ``inputs``, each called once with its example inputs.

    Raises:
        AttributeError: ``mod`` is no module, or ``inputs`` no dictionary.
    """
    if not isinstance(mod, lampas.nn.Module):
        raise AttributeError("expected torch.nn.Module as the first argument")
    if not isinstance(inputs, dict):
        raise AttributeError("expected a dictionary of (method_name, input) pairs")
    for name, given in inputs.items():
        given = (given,) if isinstance(given, lampas.Tensor) else tuple(given)
        with tracing.region():
            (mod if name == "forward" else getattr(mod, name))(*given)
    return scripted(mod, TopLevelTracedModule)


def script_if_tracing(fn: Callable) -> Callable:
    """``fn``: what runs is Python, while tracing too."""
    return fn


def script_method(fn: Callable) -> Callable:
    """``fn``: methods of a `ScriptModule` are Python."""
    return fn


def export(fn: Callable) -> Callable:
    """``fn``: every method of a scripted module can be called."""
    return fn


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """Keeps a method out of TorchScript: the method itself, or a decorator (RuntimeError: neither method nor bool)."""
    if callable(drop):
        return drop
    if not isinstance(drop, bool):
        raise RuntimeError(f"Argument to @torch.jit.ignore must be a bool or a function but got {drop}")
    return lambda fn: fn


def unused(fn: Any) -> Any:
    """Says that a method is not called in TorchScript: the method itself."""
    return fn


def freeze(mod: Any, preserved_attrs: list[str] | None = None, optimize_numerics: bool = True) -> Any:
    """A scripted module in evaluation mode, as it is.

    Raises:
        RuntimeError: a module that is not scripted or traced, or one in training mode.
    """
    if not isinstance(mod, ScriptModule):
        raise RuntimeError("Freezing expects a ScriptModule as input. Please use torch.jit.script or torch.jit.trace")
    if mod.training:
        raise RuntimeError("Freezing is only for modules in evaluation mode: call eval() first")
    return mod


def optimize_for_inference(mod: Any, other_methods: list[str] | None = None) -> Any:
    """A scripted module as it is, in evaluation mode (RuntimeError: not a scripted module)."""
    if not isinstance(mod, ScriptModule):
        raise RuntimeError(
            "optimize_for_inference expects ScriptModule as input. Please use torch.jit.script or torch.jit.trace"
        )
    return mod.eval()


_onednn = [False]


def enable_onednn_fusion(enabled: bool) -> None:
    """Accepted: whether ops are fused is not decided here."""
    _onednn[0] = bool(enabled)


def onednn_fusion_enabled() -> bool:
    """What `enable_onednn_fusion` was given last."""
    return _onednn[0]


def set_fusion_strategy(strategy: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Accepted; the strategy until now is given back, as in PyTorch."""
    before = list(_strategy)
    _strategy[:] = strategy
    return before


_strategy: list[tuple[str, int]] = [("STATIC", 2), ("DYNAMIC", 10)]


@contextlib.contextmanager
def optimized_execution(should_optimize: bool) -> Iterator[None]:
    """A region with or without optimizations of TorchScript: the same."""
    yield


class Future:
    """The result of a call that `fork` began."""

    def __init__(self, result: Any) -> None:
        self._result = result

    def wait(self) -> Any:
        """The result."""
        return self._result

    value = wait

    def done(self) -> bool:
        """Whether the result is there: always."""
        return True


def fork(func: Callable, *args: Any, **kwargs: Any) -> Future:
    """Calls ``func`` and gives its result as a `Future`; the call ends first, as in PyTorch's eager mode."""
    return Future(func(*args, **kwargs))


def wait(future: Future) -> Any:
    """The result of a `fork`."""
    return future.wait()
