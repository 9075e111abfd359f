"""Tools around training: `data` (datasets and loaders), `hooks`, and others by name, imported when first used."""

from __future__ import annotations

from types import ModuleType


def __getattr__(name: str) -> ModuleType:
    import importlib
    import importlib.util

    full = f"{__name__}.{name}"
    if not name.startswith("__") and importlib.util.find_spec(full) is not None:
        return importlib.import_module(full)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
