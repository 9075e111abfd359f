"""The many ways to call ``to``."""

from __future__ import annotations

from typing import Any

import lampas


def parse_to(*args: Any, **kwargs: Any) -> tuple[Any, Any, bool, Any]:
    """The arguments of ``to`` as (device, dtype, non_blocking, memory_format)."""
    given = dict(kwargs)
    memory_format = given.pop("memory_format", None)
    copy = given.pop("copy", None)  # accepted as Tensor.to does; a module is always converted in place
    del copy
    names: tuple[str, ...] = ("device", "dtype", "non_blocking")
    other = args[0] if args else given.get("other", given.get("tensor"))
    if isinstance(other, lampas.Tensor):
        names = ("other", "non_blocking")
        if "tensor" in given:
            given["other"] = given.pop("tensor")
    elif args and isinstance(args[0], lampas.dtype):
        names = ("dtype", "non_blocking")
    for name, value in zip(names, args):
        if name in given:
            raise TypeError(f"to() got multiple values for argument '{name}'")
        given[name] = value
    unknown = set(given) - {*names, "dtype", "device"}
    if len(args) > len(names) or unknown or not (args or kwargs):
        got = ", ".join([type(a).__name__ for a in args] + sorted(kwargs))
        raise TypeError(
            f"to() received an invalid combination of arguments - got ({got}), but "
            "expected one of: (device, dtype, non_blocking), (dtype, non_blocking), (tensor, non_blocking), each with "
            "memory_format as a keyword"
        )
    if "other" in given:
        return given["other"].device, given["other"].dtype, bool(given.get("non_blocking", False)), memory_format
    device = given.get("device")
    if device is not None and not isinstance(device, lampas.device):
        device = lampas.device(device)
    dtype = given.get("dtype")
    if dtype is not None and not isinstance(dtype, lampas.dtype):
        raise TypeError(f"to() expected a dtype as dtype, got {type(dtype).__name__}")
    return device, dtype, bool(given.get("non_blocking", False)), memory_format
