"""The module that `lampas.compile` gives back."""

from __future__ import annotations

from typing import Any

from lampas.nn.modules.module import Module

__all__ = ["OptimizedModule"]


class OptimizedModule(Module):
    """A module around another one, ``_orig_mod``, whose attributes, parameters and forward it has.

    Attributes are read and set on the module inside. Names in state_dict begin with ``_orig_mod.``.
    """

    def __init__(self, mod: Module) -> None:
        super().__init__()
        self._modules["_orig_mod"] = mod

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module inside gives, its hooks included."""
        return self._modules["_orig_mod"](*args, **kwargs)

    @property
    def training(self) -> bool:
        """Whether the module inside is in training mode."""
        return self._modules["_orig_mod"].training

    @training.setter
    def training(self, value: bool) -> None:
        inside = self._modules.get("_orig_mod")
        if inside is not None:
            inside.training = value

    def __getattr__(self, name: str) -> Any:
        if name == "_orig_mod":
            return self._modules["_orig_mod"]
        return getattr(self._modules["_orig_mod"], name)

    def __setattr__(self, name: str, value: Any) -> None:
        inside = self.__dict__.get("_modules", {}).get("_orig_mod")
        if name == "_orig_mod":
            self._modules[name] = value
        elif inside is None or name in self.__dict__ or hasattr(type(self), name):
            object.__setattr__(self, name, value)
        else:
            setattr(inside, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._modules["_orig_mod"], name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self._modules["_orig_mod"])})
