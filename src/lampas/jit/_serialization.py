"""Files of scripted modules: pickles in lampas's own archive, as TorchScript's code cannot be written or run here."""

from __future__ import annotations

import warnings
import zipfile
from typing import Any

import lampas
from lampas.jit._modules import ScriptFunction, ScriptModule

__all__ = ["load", "save"]

_KIND = "lampas.jit"


def save(m: Any, f: Any, _extra_files: dict[str, Any] | None = None) -> None:
    """Writes a scripted module or function so that `load` reads it again, where its class can be imported.

    The file holds the module as Python pickles it, not TorchScript: PyTorch and libtorch cannot read it, and a
    UserWarning says so.

    Args:
        m: what `script` or `trace` gave.
        f: a path, or a file opened for binary writing.
        _extra_files: texts by name that go into the file as well.

    Raises:
        AttributeError: ``m`` is not scripted, or a class or function in it cannot be imported by its name.
    """
    if not isinstance(m, (ScriptModule, ScriptFunction)):
        raise AttributeError(f"jit.save() takes what jit.script() or jit.trace() gave, not {type(m).__name__}")
    warnings.warn(
        "lampas writes scripted modules as Python pickles: lampas.jit.load() reads the file where the model's class "
        "can be imported, PyTorch and libtorch do not",
        UserWarning,
        stacklevel=3 if isinstance(m, ScriptModule) else 2,
    )
    extra = {
        name: text.encode() if isinstance(text, str) else bytes(text) for name, text in (_extra_files or {}).items()
    }
    lampas.save({"kind": _KIND, "module": m, "extra_files": extra}, f)


def load(f: Any, map_location: Any = None, _extra_files: dict[str, Any] | None = None, **more: Any) -> Any:
    """The module or function that `save` wrote.

    The file is a pickle and can run any code when it is read: load only what you trust.

    Args:
        f: a path, or a file opened for binary reading.
        map_location: where tensors go, as for `lampas.load`.
        _extra_files: a dictionary whose values become the texts of these names.

    Raises:
        ValueError: there is no such file.
        RuntimeError: a TorchScript file, or another one that `save` did not write.
    """
    import os

    if isinstance(f, (str, os.PathLike)):
        if not os.path.exists(f):
            raise ValueError(f"The provided filename {f} does not exist")
        if os.path.isdir(f):
            raise ValueError(f"The provided filename {f} is a directory")
    if _is_torchscript(f):
        raise RuntimeError(
            f"jit.load({f!r}): the file holds a TorchScript program, which lampas cannot run. Make the model from its "
            "Python class and load its state_dict"
        )
    found = lampas.load(f, map_location=map_location, weights_only=False)
    if not isinstance(found, dict) or found.get("kind") != _KIND:
        raise RuntimeError(f"jit.load({f!r}): lampas.jit.save() did not write this file; lampas.load() may read it")
    if _extra_files is not None:
        for name in _extra_files:
            if name in found["extra_files"]:
                _extra_files[name] = found["extra_files"][name]
    return found["module"]


def _is_torchscript(f: Any) -> bool:
    """Whether the archive has TorchScript's table of constants."""
    place = f.tell() if hasattr(f, "tell") else None
    try:
        with zipfile.ZipFile(f) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except zipfile.BadZipFile:
        return False
    finally:
        if place is not None:
            f.seek(place)
