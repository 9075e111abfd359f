"""Modules called side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lampas.nn.modules.module import Module

__all__ = ["parallel_apply"]


def parallel_apply(
    modules: Sequence[Module],
    inputs: Sequence[Any],
    kwargs_tup: Sequence[dict[str, Any]] | None = None,
    devices: Sequence[Any] | None = None,
) -> list[Any]:
    """The output of each module for its input: on the CPU one after another, each with all threads.

    Args:
        modules: the modules.
        inputs: an input for each, or a tuple of inputs.
        kwargs_tup: keyword arguments for each.
        devices: where each works, as `replicate` put it.

    Raises:
        AssertionError: not as many inputs, keyword arguments or devices as modules.

    Example::

        >>> len(nn.parallel.parallel_apply([nn.Linear(2, 1)] * 2, [lampas.zeros(3, 2)] * 2))
        2
    """
    kwargs_tup = [{}] * len(modules) if kwargs_tup is None else kwargs_tup
    for name, given in (("inputs", inputs), ("kwargs_tup", kwargs_tup), ("devices", devices)):
        if given is not None and len(given) != len(modules):
            raise AssertionError(f"{len(modules)} modules need as many {name}, but there are {len(given)}")
    outputs = []
    for i, (module, given, kwargs) in enumerate(zip(modules, inputs, kwargs_tup, strict=True)):
        try:
            outputs.append(module(*(given if isinstance(given, (tuple, list)) else (given,)), **kwargs))
        except Exception as error:
            error.add_note(f"in replica {i} of {len(modules)}")
            raise
    return outputs
