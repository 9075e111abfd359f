"""Images: `datasets`, `transforms`, reading and writing them (`io`), laying out and drawing on them (`utils`).

It has torchvision's names; under ``python -m lampas`` a program's ``import torchvision`` means this package. Its
modules are loaded when first used. Decoding and drawing need Pillow (``pip install pillow``), which is imported then.
"""

from __future__ import annotations

from typing import Any

__all__ = ["get_image_backend", "set_image_backend"]

_submodules = ("datasets", "io", "models", "ops", "transforms", "tv_tensors", "utils")
_image_backend = "PIL"


def set_image_backend(backend: str) -> None:
    """Choose what image files are read with: ``"PIL"`` or ``"accimage"``; ``ValueError`` for anything else."""
    global _image_backend
    if backend not in ("PIL", "accimage"):
        raise ValueError(f"Invalid backend {backend!r}: give 'PIL' or 'accimage'")
    _image_backend = backend


def get_image_backend() -> str:
    """The name of the package that image files are read with."""
    return _image_backend


def disable_beta_transforms_warning() -> None:
    """Does nothing: there is no such warning. Programs of some years ago call it."""


def __getattr__(name: str) -> Any:
    import importlib
    import importlib.util

    full = f"{__name__}.{name}"
    if name in _submodules and importlib.util.find_spec(full) is not None:
        return importlib.import_module(full)
    if name == "__version__":
        import lampas

        return lampas.__version__
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_submodules})
