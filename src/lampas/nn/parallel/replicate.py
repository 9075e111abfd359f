"""Copies of a module for several devices."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import lampas
from lampas.nn.modules.module import Module

__all__ = ["replicate"]


def replicate(network: Module, devices: Sequence[Any], detach: bool = False) -> list[Module]:
    """One copy of `network` for each device. Gradients of the copies flow to the network's own parameters.

    Args:
        network: the module.
        devices: where the copies go; on a parameter's own device a copy shares it.
        detach: copies whose parameters want no gradient.

    Example::

        >>> len(nn.parallel.replicate(nn.Linear(2, 2), ["cpu", "cpu"]))
        2
    """
    return [_replica(network, lampas.device(device), detach, {}) for device in devices]


def _replica(module: Module, device: lampas.device, detach: bool, made: dict[int, Module]) -> Module:
    if id(module) in made:
        return made[id(module)]
    replica = made[id(module)] = copy.copy(module)
    replica.__dict__ = dict(module.__dict__)

    def moved(tensor: Any) -> Any:
        tensor = tensor.detach() if detach and tensor is not None else tensor
        return tensor if tensor is None else tensor.to(device)

    for store in ("_parameters", "_buffers"):
        replica.__dict__[store] = {name: moved(tensor) for name, tensor in module.__dict__[store].items()}
    replica.__dict__["_modules"] = {
        name: None if child is None else _replica(child, device, detach, made)
        for name, child in module._modules.items()
    }
    return replica
