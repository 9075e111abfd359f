"""Python's `multiprocessing`, whose queues and pipes take tensors, under the names of `torch.multiprocessing`."""

from __future__ import annotations

import multiprocessing
from multiprocessing import *  # noqa: F403

from lampas.multiprocessing.reductions import init_reductions
from lampas.multiprocessing.spawn import (
    ProcessContext,
    ProcessExitedException,
    ProcessRaisedException,
    SpawnContext,
    spawn,
    start_processes,
)

__all__ = [
    *multiprocessing.__all__,
    "ProcessContext",
    "ProcessExitedException",
    "ProcessRaisedException",
    "SpawnContext",
    "get_all_sharing_strategies",
    "get_sharing_strategy",
    "set_sharing_strategy",
    "spawn",
    "start_processes",
]

_strategies = ("file_descriptor", "file_system")
_strategy = _strategies[0]


def get_all_sharing_strategies() -> set[str]:
    """The names `set_sharing_strategy` takes."""
    return set(_strategies)


def get_sharing_strategy() -> str:
    """The name set last."""
    return _strategy


def set_sharing_strategy(new_strategy: str) -> None:
    """Takes the name of a strategy. Tensors travel in the same way with each.

    Raises:
        ValueError: an unknown name.
    """
    global _strategy
    if new_strategy not in _strategies:
        raise ValueError(f"unknown sharing strategy {new_strategy!r}; use one of {', '.join(_strategies)}")
    _strategy = new_strategy


init_reductions()
