"""Switches of a backend as variables of its module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import ModuleType
from typing import Any

__all__ = ["Checked", "check_switch", "switched", "switches"]


def switches(module: dict[str, Any], names: tuple[str, ...]) -> Callable[..., tuple]:
    """``set_flags(*values)`` of a module: sets the switches in order, leaves those given None, returns the old ones."""

    def set_flags(*values: Any, **named: Any) -> tuple:
        before = tuple(module[name] for name in names)
        given = dict(zip(names, values, strict=False)) | {name.removeprefix("_"): v for name, v in named.items()}
        for name, value in given.items():
            if name not in names:
                raise TypeError(f"set_flags() has no switch {name!r}; there are {', '.join(names)}")
            if value is not None:
                module[name] = value
        return before

    return set_flags


def switched(module: dict[str, Any], set_flags: Callable[..., tuple]) -> Callable[..., AbstractContextManager[None]]:
    """``flags(...)`` of a module: a region in which switches have other values."""

    @contextmanager
    def flags(*values: Any, **named: Any) -> Iterator[None]:
        before = set_flags(*values, **named)
        try:
            yield
        finally:
            set_flags(*before)

    return flags


def check_switch(name: str, value: Any) -> bool:
    """The value of a switch (RuntimeError: no bool)."""
    if not isinstance(value, bool):
        raise RuntimeError(f"{name} expects a bool, but got {type(value).__name__}")
    return value


class Checked(ModuleType):
    """A module whose switches, named in ``_switches``, take nothing but a bool (RuntimeError)."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__.get("_switches", ()):
            check_switch(f"{self.__name__}.{name}", value)
        super().__setattr__(name, value)
