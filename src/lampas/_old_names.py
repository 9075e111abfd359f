"""Packages that moved, under the names they had before."""

from __future__ import annotations

import importlib
import pkgutil
import sys


def stands_for(old: str, new: str) -> None:
    """Makes `old` a second name of the package `new`, submodules included: the same module objects."""
    package = importlib.import_module(new)
    for found in pkgutil.walk_packages(package.__path__, new + "."):
        sys.modules[old + found.name[len(new) :]] = importlib.import_module(found.name)
    sys.modules[old] = package
