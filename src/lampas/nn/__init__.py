"""Neural networks: modules, their parameters, functions, initial values."""

from __future__ import annotations

from typing import Any

from . import functional, init, modules, parallel, utils
from .modules import *  # noqa: F403
from .parallel import DataParallel
from .parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter

__all__ = [
    "Buffer",
    "DataParallel",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "factory_kwargs",
    "functional",
    "init",
    "modules",
    "parallel",
    "utils",
]
__all__ += modules.__all__


def __getattr__(name: str) -> Any:
    # Earlier names of packages in lampas.ao.nn, and attention: loaded when first used.
    if name in ("attention", "intrinsic", "qat", "quantizable", "quantized"):
        import importlib

        return importlib.import_module(f"lampas.nn.{name}")
    raise AttributeError(f"module 'lampas.nn' has no attribute {name!r}")


def factory_kwargs(kwargs: dict[str, Any] | None) -> dict[str, Any]:
    """The ``device``, ``dtype`` and ``memory_format`` among a module's keyword arguments, its own or under
    ``"factory_kwargs"``.

    >>> factory_kwargs({"dtype": lampas.float64})
    {'dtype': torch.float64}
    """
    if kwargs is None:
        return {}
    simple = ("device", "dtype", "memory_format")
    unexpected = set(kwargs) - {*simple, "factory_kwargs"}
    if unexpected:
        raise TypeError(f"unexpected kwargs {unexpected}")
    result = dict(kwargs.get("factory_kwargs", {}))
    for name in simple:
        if name in kwargs:
            if name in result:
                raise TypeError(f"{name} specified twice, in **kwargs and in factory_kwargs")
            result[name] = kwargs[name]
    return result
