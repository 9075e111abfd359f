"""Parameters computed from others: a module's attribute becomes a function of a hidden parameter."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import lampas

from ..modules.container import ModuleDict, ModuleList
from ..modules.module import Module
from ..parameter import Parameter, is_parameter

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "transfer_parametrizations_and_params",
    "type_before_parametrizations",
]

_cache_depth = 0
_cache: dict[tuple[int, str], lampas.Tensor] = {}


@contextmanager
def cached() -> Iterator[None]:
    """Within, every parametrized tensor is computed once.

    >>> with nn.utils.parametrize.cached():
    ...     model(x)
    """
    global _cache_depth
    _cache_depth += 1
    try:
        yield
    finally:
        _cache_depth -= 1
        if not _cache_depth:
            _cache.clear()


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, first to last, and the tensor(s) ``original`` (``original0``, ...) beneath.

    Args:
        modules: maps from tensor to tensor; ``right_inverse`` (optional) is the way back.
        original: the tensor to be parametrized.
        unsafe: skip the checks that shape and dtype stay what they were.
    """

    original: lampas.Tensor
    unsafe: bool

    def __init__(self, modules: Sequence[Module], original: lampas.Tensor, unsafe: bool = False) -> None:
        modules = list(modules)
        if not modules:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        shape, dtype = original.shape, original.dtype
        # A map that cannot go back for every tensor says so by NotImplementedError: the tensor is then left as it is.
        with lampas.no_grad(), contextlib.suppress(NotImplementedError):
            new = original
            for module in reversed(modules):
                if hasattr(module, "right_inverse"):
                    new = module.right_inverse(new)
        if not isinstance(new, (lampas.Tensor, Sequence)):
            raise ValueError(
                "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
                f"Got {type(new).__name__}"
            )
        self.is_tensor = isinstance(new, lampas.Tensor)
        self.ntensors = 1 if self.is_tensor else len(new)
        if self.is_tensor:
            if new.dtype != original.dtype:
                raise ValueError(
                    "When `right_inverse` outputs one tensor, it may not change the dtype.\noriginal.dtype: "
                    f"{original.dtype}\nright_inverse(original).dtype: {new.dtype}"
                )
            with lampas.no_grad():
                original.data = new.data if new.shape == original.shape else new.detach()
            _register(self, "original", original)
        else:
            for i, part in enumerate(new):
                if not isinstance(part, lampas.Tensor):
                    raise ValueError(
                        "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
                        f"Got element {i} of the sequence with type {type(part).__name__}."
                    )
                if is_parameter(original):
                    part = Parameter(part, original.requires_grad)
                part.requires_grad_(original.requires_grad)
                _register(self, f"original{i}", part)
        if not unsafe:
            result = self()
            if not isinstance(result, lampas.Tensor):
                raise ValueError(f"A parametrization must return a tensor. Got {type(result).__name__}.")
            if result.dtype != dtype:
                raise ValueError(
                    "Registering a parametrization may not change the dtype of the tensor, unless `unsafe` flag is "
                    "enabled."
                    f"\nunparametrized dtype: {dtype}\nparametrized dtype: {result.dtype}"
                )
            if result.shape != shape:
                raise ValueError(
                    "Registering a parametrization may not change the shape of the tensor, unless `unsafe` flag is "
                    "enabled."
                    f"\nunparametrized shape: {shape}\nparametrized shape: {result.shape}"
                )

    def _originals(self) -> list[lampas.Tensor]:
        if self.is_tensor:
            return [self.original]
        return [getattr(self, f"original{i}") for i in range(self.ntensors)]

    def right_inverse(self, value: lampas.Tensor) -> None:
        """Set the original tensor(s) to those that give ``value``."""
        with lampas.no_grad():
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(
                        f"parametrization {type(module).__name__} does not implement right_inverse: the tensor cannot "
                        "be "
                        "assigned"
                    )
                value = module.right_inverse(value)
            values = [value] if self.is_tensor else list(value)
            if len(values) != self.ntensors:
                raise ValueError(f"'right_inverse' must return {self.ntensors} tensors, got {len(values)}")
            for original, new in zip(self._originals(), values):
                if new.dtype != original.dtype:
                    raise ValueError(f"right_inverse must keep the dtype {original.dtype}, got {new.dtype}")
                if new.shape == original.shape:
                    original.copy_(new)
                else:
                    original.data = new.detach()

    def forward(self) -> lampas.Tensor:
        first, *rest = self
        value = first(*self._originals())
        for module in rest:
            value = module(value)
        return value


def _register(module: Module, name: str, tensor: lampas.Tensor) -> None:
    if is_parameter(tensor):
        module.register_parameter(name, cast("Parameter", tensor))
    else:
        module.register_buffer(name, tensor)


def _give_own_class(module: Module) -> None:
    """A class of its own for ``module``, so that a property can be put on it alone."""
    base = type(module)

    def getstate(self: Any) -> dict:
        raise RuntimeError(
            "Serialization of parametrized modules is only supported through state_dict(): save that instead."
        )

    def deepcopy(self: Any, memo: dict) -> Any:
        if id(self) not in memo:
            replica = self.__new__(type(self))
            memo[id(self)] = replica
            replica.__dict__ = copy.deepcopy(self.__dict__, memo)
        return memo[id(self)]

    members: dict[str, Any] = {"__getstate__": getstate, "__module__": base.__module__}
    if not hasattr(base, "__deepcopy__"):
        members["__deepcopy__"] = deepcopy
    module.__class__ = type(f"Parametrized{base.__name__}", (base,), members)


def _put_property(module: Module, name: str) -> None:
    def get(self: Any) -> lampas.Tensor:
        if not _cache_depth:
            return self.parametrizations[name]()
        key = (id(self), name)
        if key not in _cache:
            _cache[key] = self.parametrizations[name]()
        return _cache[key]

    def set_(self: Any, value: lampas.Tensor) -> None:
        self.parametrizations[name].right_inverse(value)

    setattr(type(module), name, property(get, set_))


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Make ``module.tensor_name`` a function of ``module.parametrizations.tensor_name.original``.

    Args:
        parametrization: a module from tensor to tensor; its ``right_inverse`` makes the tensor assignable.
        unsafe: allow it to change shape and dtype.

    >>> class Symmetric(nn.Module):
    ...     def forward(self, x):
    ...         return x.triu() + x.triu(1).t()
    >>> m = nn.utils.parametrize.register_parametrization(nn.Linear(3, 3), "weight", Symmetric())
    >>> bool((m.weight == m.weight.t()).all())
    True
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        stack = module.parametrizations[tensor_name]
        if not unsafe:
            before = getattr(module, tensor_name)
            after = parametrization(before)
            if not isinstance(after, lampas.Tensor):
                raise ValueError(f"A parametrization must return a tensor. Got {type(after).__name__}.")
            if after.dtype != before.dtype:
                raise ValueError(f"A parametrization may not change the dtype: {before.dtype} to {after.dtype}")
            if after.shape != before.shape:
                raise ValueError(f"A parametrization may not change the shape: {before.shape} to {after.shape}")
            if hasattr(parametrization, "right_inverse"):
                back = parametrization.right_inverse(before)
                if isinstance(back, lampas.Tensor) and (back.shape != before.shape or back.dtype != before.dtype):
                    raise ValueError("right_inverse of a further parametrization must keep shape and dtype")
        stack.append(parametrization)
        stack.unsafe |= unsafe
    elif tensor_name in module._buffers or tensor_name in module._parameters:
        stack = ParametrizationList([parametrization], getattr(module, tensor_name), unsafe=unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            _give_own_class(module)
            module.parametrizations = ModuleDict()
        _put_property(module, tensor_name)
        module.parametrizations[tensor_name] = stack
    else:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with name "
            f"'{tensor_name}'"
        )
    return module


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether the module (or that tensor of it) is parametrized."""
    stacks = module.__dict__.get("_modules", {}).get("parametrizations")
    if not isinstance(stacks, ModuleDict):
        return False
    return len(stacks) > 0 if tensor_name is None else tensor_name in stacks


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Make the tensor a plain one again: its present value, or (``leave_parametrized=False``) the original."""
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    stack = module.parametrizations[tensor_name]
    if stack.is_tensor:
        original = stack.original
        if leave_parametrized:
            with lampas.no_grad():
                value = getattr(module, tensor_name)
            original.data = value.detach().clone() if value is original else value.detach()
    elif leave_parametrized:
        value = getattr(module, tensor_name).detach()
        original = Parameter(value) if any(is_parameter(t) for t in stack._originals()) else value
    else:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in terms of a "
            "sequence "
            "of tensors."
        )
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    _register(module, tensor_name, original)
    if not is_parametrized(module):
        delattr(module, "parametrizations")
        module.__class__ = type(module).__bases__[0]
    return module


def type_before_parametrizations(module: Module) -> type:
    """The module's class without the one parametrizing gave it."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(
    from_module: Module, to_module: Module, tensor_name: str | None = None
) -> Module:
    """Copy the parametrizations of one module, and the tensors beneath them, to another."""
    if not is_parametrized(from_module):
        return to_module
    names = list(from_module.parametrizations) if tensor_name is None else [tensor_name]
    for name in names:
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name).detach().clone()))
        stack = from_module.parametrizations[name]
        for parametrization in stack:
            register_parametrization(to_module, name, copy.deepcopy(parametrization), unsafe=stack.unsafe)
        with lampas.no_grad():
            for mine, theirs in zip(to_module.parametrizations[name]._originals(), stack._originals()):
                mine.data = theirs.detach().clone()
    return to_module
