"""The names of PyTorch's tracer that programs touch beside `lampas.compile`: settings are kept, nothing is traced."""

from __future__ import annotations

from typing import Any

from lampas._compiled_module import OptimizedModule
from lampas._dynamo import config, eval_frame
from lampas.compiler import allow_in_graph, assume_constant_result, disable, is_compiling, list_backends, reset

__all__ = [
    "OptimizedModule",
    "allow_in_graph",
    "assume_constant_result",
    "config",
    "disable",
    "eval_frame",
    "graph_break",
    "is_compiling",
    "list_backends",
    "mark_dynamic",
    "mark_static",
    "maybe_mark_dynamic",
    "optimize",
    "reset",
]


def graph_break(msg: str = "") -> None:
    """Ends the graph here: there is none."""


def mark_dynamic(t: Any, index: Any, **limits: Any) -> None:
    """Says that a size will change: every size may."""


maybe_mark_dynamic = mark_dynamic


def mark_static(t: Any, index: Any = None) -> None:
    """Says that a size will not change."""


def optimize(backend: Any = "inductor", *, nopython: bool = False, dynamic: bool | None = None, **more: Any) -> Any:
    """The former name of `lampas.compile` as a decorator."""
    from lampas.compiler import compile

    return compile(backend=backend, fullgraph=nopython, dynamic=dynamic)
