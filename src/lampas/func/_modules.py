"""Modules as functions of their parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lampas
from lampas.nn.modules.container import ModuleList
from lampas.nn.modules.module import Module
from lampas.nn.utils import stateless

__all__ = ["functional_call", "replace_all_batch_norm_modules_", "stack_module_state"]


def functional_call(
    module: Module,
    parameter_and_buffer_dicts: dict[str, lampas.Tensor] | Sequence[dict[str, lampas.Tensor]],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """``module(*args, **kwargs)`` with these tensors for its parameters and buffers.

    Args:
        parameter_and_buffer_dicts: tensors by name, or several such dictionaries with different names.
        args: one argument, or a tuple of them.
        tie_weights: what is given for one name of a shared tensor is used for all its names.
        strict: exactly the module's names must be given.

    Raises:
        ValueError: no dictionary, or a name in two of them.

    >>> functional_call(nn.Linear(1, 1), {"weight": lampas.ones(1, 1), "bias": lampas.zeros(1)}, lampas.ones(1))
    tensor([1.])
    """
    given = parameter_and_buffer_dicts
    if isinstance(given, dict):
        tensors = given
    elif isinstance(given, (list, tuple)) and all(isinstance(one, dict) for one in given):
        names = [name for one in given for name in one]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"{repeated} appeared in multiple dictionaries; behavior of functional call is ambiguous")
        tensors = {name: tensor for one in given for name, tensor in one.items()}
    else:
        raise ValueError(
            f"Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got {type(given)}"
        )
    return stateless.functional_call(module, tensors, args, kwargs, tie_weights=tie_weights, strict=strict)


def stack_module_state(
    models: Sequence[Module] | ModuleList,
) -> tuple[dict[str, lampas.Tensor], dict[str, lampas.Tensor]]:
    """The parameters and the buffers of models of one class, those of one name stacked along a new first dimension.

    For `vmap` over `functional_call`. Stacked parameters are new leaves.

    Raises:
        RuntimeError: no model, different classes, or different modes.
    """
    if len(models) == 0:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    every = list(models)
    if len({model.training for model in every}) > 1:
        raise RuntimeError("stack_module_state: Expected all models to have the same training/eval mode.")
    if len({type(model) for model in every}) > 1:
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")

    def stacked(tables: list[dict[str, lampas.Tensor]]) -> dict[str, lampas.Tensor]:
        result = {}
        for name, first in tables[0].items():
            tensor = lampas.stack([table[name] for table in tables]).detach()
            result[name] = tensor.requires_grad_(first.requires_grad)
        return result

    return (
        stacked([dict(model.named_parameters()) for model in every]),
        stacked([dict(model.named_buffers()) for model in every]),
    )


def replace_all_batch_norm_modules_(root: Module) -> Module:
    """Makes every batch normalization within a module, in place, one without running statistics; gives the module.

    Running statistics would be changed in the middle of `vmap`.
    """
    for module in root.modules():
        if isinstance(module, lampas.nn.modules.batchnorm._BatchNorm):
            module.track_running_stats = False
            module.running_mean = module.running_var = module.num_batches_tracked = None
    return root
