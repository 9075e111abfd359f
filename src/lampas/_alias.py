"""Makes the names ``torch``, ``torch.nn``, ``torchvision`` ... mean lampas in this process and its workers."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from types import FrameType, ModuleType
from typing import Any

__all__ = ["alias"]

# What a PyTorch program imports, and where it lives here.
ROOTS = {
    "torch": "lampas",
    "torchvision": "lampas.vision",
    "torchviz": "lampas.viz",
    "torchsummary": "lampas.viz.torchsummary",
}


def home(name: str) -> str | None:
    """Where the module lives that a program calls `name`: ``lampas.nn`` for ``torch.nn``; None for other modules."""
    if name in _MODULES:
        return _MODULES[name]
    root, _, rest = name.partition(".")
    if root not in ROOTS:
        return None
    return f"{ROOTS[root]}.{rest}" if rest else ROOTS[root]


def program_name(name: str) -> str:
    """What a program calls a module of lampas: ``torch.nn`` for ``lampas.nn``."""
    for root, here in sorted(ROOTS.items(), key=lambda item: -len(item[1])):
        if name == here or name.startswith(here + "."):
            return root + name[len(here) :]
    return name


def public_names(module: ModuleType) -> set[str]:
    """The names a module has, those included that it loads when they are first used."""
    names = set(getattr(module, "__all__", ())) | set(vars(module))
    names |= set(getattr(module, "_submodules", ())) | set(getattr(module, "_lazy_names", ()))
    return {name for name in names if isinstance(name, str) and not name.startswith("_")}


def nearest(module: ModuleType, name: str) -> list[str]:
    """Names of the module that are spelled like `name`, the most alike first."""
    import difflib

    by_folded: dict[str, list[str]] = {}
    for candidate in sorted(public_names(module)):
        by_folded.setdefault(candidate.lower(), []).append(candidate)
    close = difflib.get_close_matches(name.lower(), by_folded, n=3, cutoff=0.6)
    # Some names of modules are reserved for what is not there yet.
    return [candidate for folded in close for candidate in by_folded[folded] if hasattr(module, candidate)][:3]


def hint(module: ModuleType, name: str) -> str:
    """The end of an error message: the nearest names that there are."""
    called = program_name(module.__name__)
    close = [f"{called}.{candidate}" for candidate in nearest(module, name)]
    return f"; the nearest it has: {', '.join(close)}" if close else ""


class _MissingName(AttributeError):
    # Programs probe with hasattr, so the search for near names waits until somebody reads the message.
    def __init__(self, module: ModuleType, name: str) -> None:
        super().__init__(name, name=name)
        self.module = module

    def __str__(self) -> str:
        called, name = program_name(self.module.__name__), str(self.name)
        return f"module {called!r} has no attribute {name!r}: lampas does not have it{hint(self.module, name)}"

    def __reduce__(self) -> tuple:
        return AttributeError, (str(self),)


# A traceback shows it under the name that programs know.
_MissingName.__module__ = "builtins"
_MissingName.__name__ = _MissingName.__qualname__ = "AttributeError"


# Modules of PyTorch that classes say they are from, where ours have another name.
_MODULES = {
    "torch.cuda.amp.autocast_mode": "lampas.cuda.amp",
    "torch.cuda.amp.grad_scaler": "lampas.cuda.amp",
    "torch.cuda.graphs": "lampas.cuda",
    "torch.cuda.streams": "lampas.cuda",
    "torch.jit._script": "lampas.jit._modules",
    "torch.profiler.profiler": "lampas.profiler",
    "torch.utils.benchmark.utils": "lampas.utils.benchmark",
    "torch.utils.benchmark.utils.common": "lampas.utils.benchmark.common",
    "torch.utils.benchmark.utils.compare": "lampas.utils.benchmark.compare",
    "torch.utils.benchmark.utils.timer": "lampas.utils.benchmark.timer",
    "torchvision.transforms.transforms": "lampas.vision.transforms",
}

# Which of PyTorch's modules a class says it is from, by module or by class; the others stand where they do there.
_CLASS_HOMES = {
    "lampas.Generator": "torch._C",
    "lampas.UntypedStorage": "torch.storage",
    "lampas.ao.nn.quantized.modules.quantize": "torch.ao.nn.quantized.modules",
    "lampas.ao.quantization.granularity": "torch.ao.quantization.observer",
    "lampas.cuda.CUDAGraph": "torch.cuda.graphs",
    "lampas.cuda.Event": "torch.cuda.streams",
    "lampas.cuda.ExternalStream": "torch.cuda.streams",
    "lampas.cuda.Stream": "torch.cuda.streams",
    "lampas.cuda.amp.GradScaler": "torch.cuda.amp.grad_scaler",
    "lampas.cuda.amp.autocast": "torch.cuda.amp.autocast_mode",
    "lampas.jit._modules": "torch.jit._script",
    "lampas.linalg._common._LinAlgError": "torch._C",
    "lampas.nn.modules.attention.MultiheadAttention": "torch.nn.modules.activation",
    "lampas.optim.adafactor": "torch.optim",
    "lampas.optim.lr_scheduler.compose": "torch.optim.lr_scheduler",
    "lampas.optim.lr_scheduler.cosine": "torch.optim.lr_scheduler",
    "lampas.optim.lr_scheduler.cycles": "torch.optim.lr_scheduler",
    "lampas.optim.lr_scheduler.decay": "torch.optim.lr_scheduler",
    "lampas.optim.lr_scheduler.plateau": "torch.optim.lr_scheduler",
    "lampas.optim.lr_scheduler.scheduler": "torch.optim.lr_scheduler",
    "lampas.optim.muon": "torch.optim",
    "lampas.profiler.ProfilerAction": "torch.profiler.profiler",
    "lampas.profiler._region": "torch.autograd.profiler",
    "lampas.profiler.profile": "torch.profiler.profiler",
    "lampas.utils.benchmark.common": "torch.utils.benchmark.utils.common",
    "lampas.utils.benchmark.compare": "torch.utils.benchmark.utils.compare",
    "lampas.utils.benchmark.timer": "torch.utils.benchmark.utils.timer",
}


def class_home(module: str, name: str) -> str:
    """The module that PyTorch's class of this name says it is from, for a class of lampas."""
    full = f"{module}.{name}"
    if full in _CLASS_HOMES:
        return _CLASS_HOMES[full]
    if module in _CLASS_HOMES:
        return _CLASS_HOMES[module]
    return program_name(module)


def _rename_classes(module: ModuleType) -> None:
    """Lets the classes of a module say, where they are printed, that they are PyTorch's."""
    sys.modules.setdefault(program_name(module.__name__), module)
    for value in list(vars(module).values()):
        stands_in = value.__module__ if isinstance(value, type) else None
        if not isinstance(stands_in, str) or stands_in.partition(".")[0] != "lampas":
            continue
        if not stands_in.startswith("lampas.vision.transforms._"):
            value.__module__ = class_home(stands_in, value.__qualname__)
        elif module.__name__ == "lampas.vision.transforms":
            # PyTorch has one file where we have several; what the package does not show stays in ours.
            value.__module__ = "torchvision.transforms.transforms"


def _settle(module: ModuleType) -> None:
    """What is done to a module of lampas when it has been loaded."""
    _explain(module)
    _rename_classes(module)


def _explain(module: ModuleType) -> None:
    """From now on an attribute that the module lacks is an error that names what is like it."""
    own = module.__dict__.get("__getattr__")
    if getattr(own, "_explains", False):
        return

    def explaining(name: str) -> Any:
        if own is not None:
            try:
                return own(name)
            except AttributeError as error:
                if f"no attribute {name!r}" not in str(error):
                    raise
        if name.startswith("__"):
            raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
        raise _MissingName(module, name)

    explaining._explains = True
    module.__dict__["__getattr__"] = explaining
    # `from m import name` asks the finder for m.name only if m is a package; then the finder can name what is near.
    if "__path__" not in module.__dict__:
        module.__dict__["__path__"] = []


def _in_from_import(frame: FrameType | None) -> bool:
    while frame is not None and "importlib" in frame.f_code.co_filename:
        if frame.f_code.co_name == "_handle_fromlist":
            return True
        frame = frame.f_back
    return False


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


def _after(spec: importlib.machinery.ModuleSpec, then: Callable[[ModuleType], None]) -> None:
    run = spec.loader.exec_module  # type: ignore[union-attr]

    def exec_module(module: ModuleType) -> None:
        run(module)
        then(module)

    spec.loader.exec_module = exec_module  # type: ignore[union-attr, method-assign]


class _Finder(importlib.abc.MetaPathFinder):
    """Answers imports of ``torch`` and its kin before anything installed under these names can."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name == "lampas" or name.startswith("lampas."):
            return self._own(name, path)
        if name == "multiprocessing.spawn":
            spec = importlib.machinery.PathFinder.find_spec(name, path)
            if spec is not None:
                _after(spec, _alias_workers)
            return spec
        here = home(name)
        if here is None:
            return None
        try:
            found = importlib.util.find_spec(here)
        except ModuleNotFoundError:
            found = None
        if found is None:
            parent, _, last = name.rpartition(".")
            above = sys.modules.get(parent)
            if above is not None and hasattr(above, last):
                return None
            near = hint(above, last) if above is not None else ""
            raise ModuleNotFoundError(f"No module named {name!r}: lampas does not have it{near}", name=name)
        return importlib.machinery.ModuleSpec(
            name, _Loader(here), is_package=found.submodule_search_locations is not None
        )

    def _own(self, name: str, path: Sequence[str] | None) -> importlib.machinery.ModuleSpec | None:
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None:
            if spec.loader is not None:
                _after(spec, _settle)
            return spec
        if _in_from_import(sys._getframe(2)):
            parent, _, last = name.rpartition(".")
            above = sys.modules[parent]
            raise ImportError(
                f"cannot import name {last!r} from {program_name(parent)!r}: lampas does not have it"
                f"{hint(above, last)}",
                name=parent,
                path=getattr(above, "__file__", None),
            )
        return None


class _InWorker:
    """Unpickled by a worker before it imports the program's main module."""

    def __reduce__(self) -> tuple:
        root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        code = (
            f"import sys; sys.path.append({root!r})\n"
            f"from lampas._alias import alias; alias(); sys.path.remove({root!r})"
        )
        return exec, (code,)


def _alias_workers(spawn: ModuleType) -> None:
    """Lets fresh processes, which run the main module again, see the alias as well."""
    prepare = spawn.get_preparation_data
    if getattr(prepare, "_aliases", False):
        return

    def get_preparation_data(name: str) -> dict:
        data = prepare(name)
        if name != "ignore":  # what a fork server asks for, whose children get data of their own
            data["lampas"] = _InWorker()
        return data

    get_preparation_data._aliases = True
    spawn.get_preparation_data = get_preparation_data
    forkserver = importlib.import_module("multiprocessing.forkserver")
    if forkserver._forkserver._preload_modules == ["__main__"]:
        # The server itself must not run the main module: it has no alias.
        forkserver.set_forkserver_preload([])


def alias() -> None:
    """From now on ``import torch`` gives lampas, whether or not PyTorch is installed.

    So do ``torchvision``, ``torchviz`` and ``torchsummary``, their submodules, and workers that `multiprocessing`
    starts. A name that lampas does not have is an error that says which one and what is spelled like it.

    Raises:
        ImportError: PyTorch itself, or one of the others, is already imported.

    Example:
        >>> import lampas; lampas.alias()
        >>> import torch.nn as nn
    """
    for root, here in ROOTS.items():
        module = sys.modules.get(root)
        if module is not None and module.__name__ != here:
            raise ImportError(f"{root} is already imported; call lampas.alias() before anything imports it")
    if any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    sys.meta_path.insert(0, _Finder())
    for name, module in list(sys.modules.items()):
        if module is not None and (name == "lampas" or name.startswith("lampas.")) and name != "lampas._C":
            _settle(module)
    spawn = sys.modules.get("multiprocessing.spawn")
    if spawn is not None:
        _alias_workers(spawn)
    importlib.import_module("torch")
