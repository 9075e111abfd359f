"""Programs about autograd's rules, to be run on either library; each module registers those of one subject."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Program = Callable[[Any], Any]
PROGRAMS: list[Program] = []
ERRORS: list[tuple[Program, tuple[str, ...]]] = []


def program(fn: Program) -> Program:
    """Registers a program whose returned values must agree."""
    PROGRAMS.append(fn)
    return fn


def error(*words: str) -> Callable[[Program], Program]:
    """Registers a program that must raise in both, our message naming the words."""

    def register(fn: Program) -> Program:
        ERRORS.append((fn, words))
        return fn

    return register


def leaf(lib: Any, *values: float) -> Any:
    return lib.tensor(list(values) or [1.0, 2.0, 3.0], requires_grad=True)


def name(node: Any) -> Any:
    return None if node is None else node.name()
