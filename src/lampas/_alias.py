"""Makes the names ``torch``, ``torch.nn``, ``torchvision`` ... mean lampas in this process and its children."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Sequence
from types import ModuleType

__all__ = ["alias"]

# What a PyTorch program imports, and where it lives here.
_ROOTS = {"torch": "lampas", "torchvision": "lampas.vision"}


def _target(name: str) -> str | None:
    root, _, rest = name.partition(".")
    if root not in _ROOTS:
        return None
    return f"{_ROOTS[root]}.{rest}" if rest else _ROOTS[root]


class _Loader(importlib.abc.Loader):
    def __init__(self, target: str) -> None:
        self.target = target

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        module = importlib.import_module(self.target)
        self.spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The module ran when it was imported under its own name, which it keeps.
        module.__spec__ = self.spec


class _Finder(importlib.abc.MetaPathFinder):
    """Answers imports of ``torch`` and its kin before anything installed under these names can."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        here = _target(name)
        if here is None:
            return None
        try:
            found = importlib.util.find_spec(here)
        except ModuleNotFoundError:
            found = None
        if found is None:
            parent, _, last = name.rpartition(".")
            if parent and hasattr(sys.modules.get(parent), last):
                return None
            raise ModuleNotFoundError(f"No module named {name!r}: lampas has no {here}", name=name)
        return importlib.machinery.ModuleSpec(
            name, _Loader(here), is_package=found.submodule_search_locations is not None
        )


def alias() -> None:
    """From now on ``import torch`` gives lampas, whether or not PyTorch is installed.

    Raises:
        ImportError: PyTorch itself is already imported.
    """
    torch = sys.modules.get("torch")
    if torch is not None and torch.__name__ != "lampas":
        raise ImportError("torch is already imported; call lampas.alias() before anything imports it")
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    os.environ["LAMPAS_ALIAS"] = "1"
    importlib.import_module("torch")
