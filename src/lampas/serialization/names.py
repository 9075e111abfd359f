"""What PyTorch's files call things, and what the same things are called here."""

from __future__ import annotations

import functools
import sys
from collections import Counter, OrderedDict, defaultdict
from typing import Any

import lampas
from lampas import _utils
from lampas.storage import StorageType, storage_type

__all__ = ["allowed_globals", "find_global", "is_torch_name", "resolve", "torch_name"]

# Python 2 names that protocol 2 uses for modules that Python 3 calls otherwise.
_RENAMED_MODULES = {"__builtin__": "builtins", "copy_reg": "copyreg", "torch.tensor": "torch._tensor"}

_DTYPES = [
    "bool",
    "quint8",
    "qint8",
    "qint32",
    "quint4x2",
    "uint8",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "bfloat16",
    "float32",
    "float64",
    "complex32",
    "complex64",
    "complex128",
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
    "float4_e2m1fn_x2",
]

_QSCHEMES = [
    "per_tensor_affine",
    "per_tensor_symmetric",
    "per_channel_affine",
    "per_channel_symmetric",
    "per_channel_affine_float_qparams",
]
_REBUILD = [
    "_rebuild_qtensor",
    "_rebuild_sparse_tensor",
    "_rebuild_tensor",
    "_rebuild_tensor_v2",
    "_rebuild_tensor_v3",
    "_rebuild_parameter",
    "_rebuild_parameter_with_state",
    "_rebuild_meta_tensor_no_storage",
]


def _latin1(text: str, encoding: str = "latin1") -> bytes:
    """How protocol 2 writes bytes: as text, with the encoding that turns it back."""
    if type(text) is not str or encoding not in ("latin1", "latin-1", "utf-8"):
        raise ValueError("bytes in a checkpoint must be given as text in latin1")
    return text.encode(encoding)


def _bytearray(*args: Any) -> bytearray:
    """A bytearray with contents; one made of a bare size could ask for any amount of memory."""
    if args and not isinstance(args[0], (bytes, bytearray, str)):
        raise ValueError("a bytearray in a checkpoint must be given with its contents")
    return bytearray(*args)


def _collection(kind: type) -> Any:
    """``kind`` from a list or tuple of hashable contents."""

    def make(*args: Any) -> Any:
        if len(args) > 1 or not all(type(a) in (list, tuple, dict) for a in args):
            raise ValueError(f"a {kind.__name__} in a checkpoint must be given with its contents")
        for item in args[0] if args else ():
            check_hashable(item)
        return kind(*args)

    return make


def check_hashable(key: Any) -> int:
    """Refuse keys whose hash would take a deep or endless walk through nested tuples; returns the walk's length."""
    if type(key) not in (tuple, frozenset):
        return 1
    pending, steps = [(key, 0)], 0
    while pending:
        item, depth = pending.pop()
        steps += 1
        if steps > 100_000 or depth > 100:
            raise ValueError("a key in the checkpoint is nested too deeply")
        if type(item) in (tuple, frozenset):
            pending.extend((part, depth + 1) for part in item)
    return steps


@functools.lru_cache(maxsize=1)
def allowed_globals() -> dict[str, Any]:
    """What a checkpoint may name without anybody having allowed it."""
    allowed: dict[str, Any] = {
        "collections.OrderedDict": OrderedDict,
        "collections.Counter": _collection(Counter),
        "_codecs.encode": _latin1,
        "builtins.bytearray": _bytearray,
        "builtins.set": _collection(set),
        "builtins.frozenset": _collection(frozenset),
        "builtins.complex": complex,
        "torch.nn.parameter.Parameter": lampas.nn.Parameter,
        "torch.serialization._get_layout": _utils._get_layout,
        "torch.Size": lampas.Size,
        "torch.Tensor": lampas.Tensor,
        "torch.device": lampas.device,
        "torch._tensor._rebuild_from_type_v2": _utils._rebuild_from_type_v2,
    }
    for name in _REBUILD:
        allowed[f"torch._utils.{name}"] = getattr(_utils, name)
    for name in _QSCHEMES:
        allowed[f"torch.{name}"] = getattr(lampas, name)
    for name in _DTYPES:
        dtype = getattr(lampas, name, None)
        if dtype is not None:
            allowed[f"torch.{name}"] = dtype
    return allowed


def is_foreign_dtype(module: str, name: str) -> bool:
    """Whether this names a dtype of PyTorch that lampas does not have."""
    return module == "torch" and name in _DTYPES and getattr(lampas, name, None) is None


# Classes whose file has another name in PyTorch.
_ELSEWHERE = {
    "lampas.nn.modules.attention.MultiheadAttention": "torch.nn.modules.activation",
    "lampas.nn.modules.linear_cross_entropy.LinearCrossEntropyLoss": "torch.nn.modules.loss",
    "lampas.nn.modules.linear_cross_entropy.LinearCrossEntropyOptions": "torch.nn.modules.linear_cross_entropy_options",
    "lampas.optim.adafactor.Adafactor": "torch.optim",
    "lampas.optim.muon.Muon": "torch.optim",
}


def normal_name(module: str, name: str) -> tuple[str, str]:
    return _RENAMED_MODULES.get(module, module), name


def is_torch_name(module: str) -> bool:
    return module.partition(".")[0] in ("torch", "torchvision")


def _own_path(module: str) -> str:
    head, dot, rest = module.partition(".")
    return {"torch": "lampas", "torchvision": "lampas.vision"}[head] + dot + rest


def resolve(module: str, name: str) -> Any:
    """The object of lampas that PyTorch knows as ``module.name``; ``None`` if there is none.

    PyTorch's private modules are many; here the object is looked for from the module that was named up to the top.
    """
    import importlib

    path = _own_path(module)
    while path:
        try:
            found = importlib.import_module(path)
            for part in name.split("."):
                found = getattr(found, part)
            return found
        except (ImportError, AttributeError):
            path = path.rpartition(".")[0]
    return None


def find_global(module: str, name: str) -> Any:
    """What a trusted file means by a name of PyTorch; ``AttributeError`` if lampas has no such thing."""
    found: Any = _storage(module, name)
    if found is not None:
        return found
    found = allowed_globals().get(f"{module}.{name}")
    if found is None and module == "torch._utils":
        found = getattr(_utils, name, None)
    if found is None and (module, name) == ("torch.storage", "_load_from_bytes"):
        found = _utils._load_from_bytes
    if found is None:
        found = resolve(module, name)
    if found is None:
        raise AttributeError(
            f"the file names {module}.{name}, and lampas has nothing of that name; save a state_dict (tensors only) "
            "instead of the whole object, or define the class yourself"
        )
    return found


def _storage(module: str, name: str) -> StorageType | None:
    if module in ("torch", "torch.storage", "torch.cuda") and name.endswith("Storage"):
        try:
            return storage_type(name)
        except KeyError:
            return None
    return None


def find_allowed(module: str, name: str, extra: dict[str, Any]) -> Any:
    """What a file that is not trusted may mean by a name; ``LookupError`` if it is not allowed."""
    path = f"{module}.{name}"
    found: Any = _storage(module, name)
    if found is not None:
        return found
    if path in allowed_globals():
        return allowed_globals()[path]
    if path in extra:
        return extra[path]
    if is_torch_name(module):
        for candidate in extra.values():
            if getattr(candidate, "__qualname__", None) == name and resolve(module, name) is candidate:
                return candidate
    if path == "collections.defaultdict" and defaultdict in extra.values():
        return defaultdict
    raise LookupError(path)


def torch_name(obj: Any) -> tuple[str, str] | None:
    """Module and name under which PyTorch knows an object of lampas; ``None`` for everybody else's objects."""
    module, name = getattr(obj, "__module__", None), getattr(obj, "__qualname__", None)
    if obj is lampas.Tensor:
        return "torch", "Tensor"
    if obj in (lampas.Size, lampas.device):
        return "torch", obj.__name__
    if not isinstance(module, str) or not isinstance(name, str) or module.partition(".")[0] != "lampas":
        return None
    if module == "lampas._utils" or name in _REBUILD:
        return ("torch._tensor" if name == "_rebuild_from_type_v2" else "torch._utils"), name
    if f"{module}.{name}" in _ELSEWHERE:
        return _ELSEWHERE[f"{module}.{name}"], name
    if module.startswith("lampas.nn."):
        return "torch" + module.removeprefix("lampas"), name  # as there: an allow-list of PyTorch knows no other name
    if module.startswith("lampas.optim."):
        scheduler = module.startswith("lampas.optim.lr_scheduler")
        return "torch.optim.lr_scheduler" if scheduler else "torch" + module.removeprefix("lampas"), name
    # The shortest public path under which the object can be had; torch has it there too.
    parts, public = module.split("."), module
    for count in range(1, len(parts)):
        prefix = ".".join(parts[:count])
        if getattr(sys.modules.get(prefix), "__dict__", {}).get(name) is obj:
            public = prefix
            break
    if public == "lampas.vision" or public.startswith("lampas.vision."):
        return "torchvision" + public.removeprefix("lampas.vision"), name
    return "torch" + public.removeprefix("lampas"), name
