"""`compile` and what goes with it: programs that ask for compiled models run, by the same kernels as without.

Nothing is compiled. The result of `compile` calls what it was given; its values, gradients, hooks, state_dict and
class are those of PyTorch's, its speed is that of the model itself.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from contextlib import ContextDecorator
from types import TracebackType
from typing import Any

from lampas._compiled_module import OptimizedModule

__all__ = [
    "allow_in_graph",
    "assume_constant_result",
    "compile",
    "cudagraph_mark_step_begin",
    "disable",
    "is_compiling",
    "is_dynamo_compiling",
    "is_exporting",
    "list_backends",
    "reset",
    "set_stance",
]

_BACKENDS = ("aot_eager", "cudagraphs", "eager", "inductor", "openxla", "tvm")
_MODES = ("default", "lite", "reduce-overhead", "max-autotune-no-cudagraphs", "max-autotune")
_STANCES = (
    "default",
    "eager_on_recompile",
    "eager_then_compile",
    "fail_on_recompile",
    "force_eager",
    "aot_eager_then_compile",
)


def compile(
    model: Callable | None = None,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: str | Callable = "inductor",
    mode: str | None = None,
    options: dict[str, Any] | None = None,
    name: str | None = None,
    disable: bool = False,
    **more: Any,
) -> Any:
    """The model or function in the form that PyTorch's compiler gives it; it runs as it ran before.

    Args:
        model: a module gives an `OptimizedModule` around it, which shares its parameters; a function gives a
            function. Left out, the result is a decorator.
        fullgraph, dynamic, mode, options, name, more: accepted; there is no compiled code that they could change.
        backend: a name PyTorch knows.
        disable: give the model back as it is.

    Raises:
        RuntimeError: an unknown backend or mode, mode and options at once, or a backend of the program's own: it
            would be given a graph, and there is none.
        AssertionError: ``model`` cannot be called.

    >>> model = torch.compile(torch.nn.Linear(2, 1))
    >>> list(model.state_dict())
    ['_orig_mod.weight', '_orig_mod.bias']
    """
    unknown = set(more) - {"recompile_limit", "isolate_recompiles", "shapes_spec"}
    if unknown:
        raise TypeError(f"compile() got an unexpected keyword argument {min(unknown)!r}")
    if model is None:
        return lambda given: compile(
            given, fullgraph=fullgraph, dynamic=dynamic, backend=backend, mode=mode, options=options, disable=disable
        )
    if mode is not None and options is not None:
        raise RuntimeError("compile() takes a mode or options, not both at the same time")
    if mode is not None and mode not in _MODES:
        raise RuntimeError(f"Unrecognized mode={mode}, should be one of: {', '.join(_MODES)}")
    if not isinstance(backend, str):
        raise RuntimeError(
            f"compile(backend={getattr(backend, '__name__', backend)}): a backend of one's own is called with a graph "
            "of the program, and lampas makes none; leave backend away"
        )
    if backend not in _BACKENDS:
        raise RuntimeError(f"Invalid backend: {backend!r}, see `torch.compiler.list_backends()` for available backends")
    if not callable(model):
        raise AssertionError(f"A callable function is expected, but {type(model)} is provided.")
    if disable:
        return model
    import lampas

    if isinstance(model, lampas.nn.Module):
        return OptimizedModule(model)

    @functools.wraps(model)
    def compiled(*args: Any, **kwargs: Any) -> Any:
        return model(*args, **kwargs)

    compiled._torchdynamo_orig_callable = model
    return compiled


def reset() -> None:
    """Forgets compiled code: there is none."""


def is_compiling() -> bool:
    """Whether this code is being compiled just now: it is run, never compiled."""
    return False


def is_dynamo_compiling() -> bool:
    """As `is_compiling`."""
    return False


def is_exporting() -> bool:
    """Whether this code is being exported just now: no."""
    return False


def list_backends(exclude_tags: Sequence[str] | None = ("debug", "experimental")) -> list[str]:
    """The names that `compile` takes for ``backend``; those for debugging only with ``exclude_tags=None``."""
    return [n for n in _BACKENDS if not exclude_tags or "debug" not in exclude_tags or "eager" not in n]


def disable(fn: Any = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """Keeps a function from being compiled, which none is: ``fn`` itself, or a decorator."""
    return (lambda given: given) if fn is None else fn


def _callables(fn: Any, name: str) -> Any:
    for one in fn if isinstance(fn, (list, tuple)) else (fn,):
        if not callable(one):
            raise AssertionError(f"{name}() expects a callable, but {type(one)} is given")
    return list(fn) if isinstance(fn, (list, tuple)) else fn


def allow_in_graph(fn: Any) -> Any:
    """Marks functions that a graph may hold as they are: ``fn`` itself."""
    return _callables(fn, "allow_in_graph")


def assume_constant_result(fn: Any) -> Any:
    """Marks a function that always gives the same: ``fn`` itself, still called each time."""
    return _callables(fn, "assume_constant_result")


def cudagraph_mark_step_begin() -> None:
    """Marks the beginning of a step on a CUDA device: there is none."""


class set_stance(ContextDecorator):
    """What compiled functions do from now on, or within a region or a decorated function: here always the same.

    Raises:
        RuntimeError: an unknown stance.
    """

    def __init__(
        self, stance: str = "default", *, skip_guard_eval_unsafe: bool = False, force_backend: Any = None
    ) -> None:
        if stance not in _STANCES:
            raise RuntimeError(f"invalid torch.compile stance {stance!r}; one of: {', '.join(_STANCES)}")
        self.stance = stance

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return None
