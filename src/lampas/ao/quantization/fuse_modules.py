"""Fusing neighbouring modules, by their names, into one."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import lampas.nn as nn
from lampas.nn.utils.parametrize import type_before_parametrizations

from .fuser_method_mappings import get_fuser_method

__all__ = ["fuse_known_modules", "fuse_modules", "fuse_modules_qat"]


def fuse_known_modules(
    mod_list: list[nn.Module], is_qat: bool, additional_fuser_method_mapping: dict | None = None
) -> list[nn.Module]:
    """The fused module, then an `Identity` for each further module.

    Forward hooks stay at the ends: the first module's pre-hooks run before the fused module, the last one's forward
    hooks after it.

    Raises:
        AssertionError: nothing is known about modules of these types.
    """
    types = tuple(type_before_parametrizations(module) for module in mod_list)
    fuser = get_fuser_method(types, additional_fuser_method_mapping)
    fused = fuser(is_qat, *mod_list)
    for hook in mod_list[0]._forward_pre_hooks.values():
        fused.register_forward_pre_hook(hook)
    mod_list[0]._forward_pre_hooks.clear()
    for hook in mod_list[-1]._forward_hooks.values():
        fused.register_forward_hook(hook)
    mod_list[-1]._forward_hooks.clear()
    result: list[nn.Module] = [fused]
    for _ in mod_list[1:]:
        identity = nn.Identity()
        identity.training = mod_list[0].training
        result.append(identity)
    return result


def _fuse(
    model: nn.Module, modules_to_fuse: list, is_qat: bool, inplace: bool, fuser_func: Callable, config: dict | None
) -> nn.Module:
    if not inplace:
        model = copy.deepcopy(model)
    additional = (config or {}).get("additional_fuser_method_mapping", {})
    one_list = all(isinstance(name, str) for name in modules_to_fuse)
    for names in [modules_to_fuse] if one_list else modules_to_fuse:
        fused = fuser_func([model.get_submodule(name) for name in names], is_qat, additional)
        for name, module in zip(names, fused):
            parent, _, last = name.rpartition(".")
            setattr(model.get_submodule(parent), last, module)
    return model


def fuse_modules(
    model: nn.Module,
    modules_to_fuse: list,
    inplace: bool = False,
    fuser_func: Callable = fuse_known_modules,
    fuse_custom_config_dict: dict[str, Any] | None = None,
) -> nn.Module:
    """A model with modules fused: conv+bn, conv+bn+relu, conv+relu, linear+bn, linear+relu, bn+relu, convtranspose+bn.

    The first of each list becomes the fused module, the others become `Identity`. Batch normalization is folded into
    the weights, so the model must be in evaluation mode; for training see `fuse_modules_qat`.

    Args:
        modules_to_fuse: names of neighbours, or a list of such lists.
        inplace: change the given model instead of a copy.
        fuser_func: makes the list of new modules from the list of old ones.
        fuse_custom_config_dict: ``{"additional_fuser_method_mapping": {(type, type): function}}``.

    Raises:
        AssertionError: nothing is known about modules of these types, or modes differ.
        AttributeError: no module has that name.

    >>> fuse_modules(model.eval(), [["conv1", "bn1", "relu1"], ["block.0", "block.1"]])
    """
    return _fuse(model, modules_to_fuse, False, inplace, fuser_func, fuse_custom_config_dict)


def fuse_modules_qat(
    model: nn.Module,
    modules_to_fuse: list,
    inplace: bool = False,
    fuser_func: Callable = fuse_known_modules,
    fuse_custom_config_dict: dict[str, Any] | None = None,
) -> nn.Module:
    """`fuse_modules` for quantization-aware training: batch normalization stays, and goes on learning.

    >>> fuse_modules_qat(model.train(), [["conv1", "bn1", "relu1"]])
    """
    return _fuse(model, modules_to_fuse, True, inplace, fuser_func, fuse_custom_config_dict)
