"""A module called with other parameters than its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lampas

__all__ = ["functional_call"]

_ABSENT = object()


def _table_of(module: Any, name: str) -> dict | None:
    """The table of ``module`` in which ``name`` stands."""
    for table in (module._parameters, module._buffers):
        if name in table:
            return table
    return None


def _names_of_tied(module: Any, given: dict[str, Any]) -> dict[str, Any]:
    """``given``, and the same values under the other names of the tensors they stand for."""
    names: dict[int, list[str]] = {}
    for members in (
        module.named_parameters(remove_duplicate=False),
        module.named_buffers(remove_duplicate=False),
    ):
        for name, tensor in members:
            names.setdefault(id(tensor), []).append(name)
    result = dict(given)
    for group in names.values():
        values = {id(given[name]): given[name] for name in group if name in given}
        if len(values) > 1:
            raise ValueError(
                f"functional_call got multiple values for keys {sorted(n for n in group if n in given)}, which are "
                "tied. "
                "Consider using tie_weights=False"
            )
        for value in values.values():
            result.update(dict.fromkeys(group, value))
    return result


@contextmanager
def _reparametrize_module(
    module: Any, parameters_and_buffers: dict[str, Any], *, tie_weights: bool = False, strict: bool = False
) -> Iterator[None]:
    """Within, ``module`` has these tensors for its own."""
    if strict:
        own = {name for name, _ in module.named_parameters(remove_duplicate=False)}
        own |= {name for name, _ in module.named_buffers(remove_duplicate=False)}
        unexpected, missing = sorted(set(parameters_and_buffers) - own), sorted(own - set(parameters_and_buffers))
        errors = [f"Unexpected key(s): {', '.join(unexpected)}."] if unexpected else []
        errors += [f"Missing key(s): {', '.join(missing)}."] if missing else []
        if errors:
            raise RuntimeError(
                "Error(s) in reparametrizing for {}:\n\t{}".format(module._get_name(), "\n\t".join(errors))
            )
    given = _names_of_tied(module, parameters_and_buffers) if tie_weights else parameters_and_buffers
    before: list[tuple[dict, str, Any]] = []
    after: dict[tuple[int, str], str] = {}
    try:
        for path, value in given.items():
            owner_path, _, name = path.rpartition(".")
            owner = module.get_submodule(owner_path)
            table = _table_of(owner, name)
            if table is None:
                raise AttributeError(f"{owner._get_name()} has no attribute `{name}`")
            before.append((table, name, table[name]))
            after[id(table), name] = path
            table[name] = value
        yield
    finally:
        for table, name, value in reversed(before):
            path = after[id(table), name]
            # What the call assigned to a buffer belongs to the caller.
            if path in parameters_and_buffers and table.get(name, _ABSENT) is not _ABSENT:
                parameters_and_buffers[path] = table[name]
            table[name] = value


def functional_call(
    module: Any,
    parameters_and_buffers: dict[str, lampas.Tensor],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """``module(*args, **kwargs)`` with the named tensors for its parameters and buffers.

    Args:
        tie_weights: what is given for one name of a shared tensor is used for all its names.
        strict: exactly the module's names must be given.

    >>> functional_call(nn.Linear(1, 1), {"weight": lampas.ones(1, 1), "bias": lampas.zeros(1)}, lampas.ones(1))
    tensor([1.])
    """
    if args is None:
        args = ()
    elif not isinstance(args, tuple):
        args = (args,)
    with _reparametrize_module(module, parameters_and_buffers, tie_weights=tie_weights, strict=strict):
        return module(*args, **(kwargs or {}))
