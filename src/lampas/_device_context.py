"""The device that tensors are made on when a program names none: a default, and regions (``with device:``)."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any

import lampas
from lampas import _C

__all__ = ["get_default_device", "get_device", "get_device_module", "set_default_device"]

_CONSTRUCTORS = frozenset({
    "arange", "as_tensor", "asarray", "bartlett_window", "blackman_window", "empty", "empty_permuted", "empty_strided",
    "eye", "fftfreq", "full", "hamming_window", "hann_window", "kaiser_window", "linspace", "logspace", "ones", "rand",
    "randint", "randn", "randperm", "range", "rfftfreq", "scalar_tensor", "tensor", "tril_indices", "triu_indices",
    "zeros",
})  # fmt: skip


class _MakesOn:
    """A function mode that gives functions which make tensors a device."""

    def __init__(self, device: lampas.device) -> None:
        self.device = device

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in _CONSTRUCTORS and kwargs.get("device") is None:
            kwargs = {**kwargs, "device": self.device}
        return func(*args, **kwargs)


def _remove(kind: Any) -> None:
    """Takes the innermost mode of this class off the stack and leaves those above it where they are."""
    above = []
    while not isinstance(mode := _C._pop_torch_function_stack(), kind):
        above.append(mode)
    for mode in reversed(above):
        _C._push_on_torch_function_stack(mode)


class _Regions(threading.local):
    def __init__(self) -> None:
        self.stack: list[tuple[lampas.device, bool]] = []


_regions = _Regions()
_default: list[lampas.device | None] = [None]


def get_default_device() -> lampas.device:
    """Where tensors are made when no device is given: the innermost region's device, else the default, else the CPU."""
    if _regions.stack:
        return _regions.stack[-1][0]
    return _default[0] if _default[0] is not None else lampas.device("cpu")


def set_default_device(device: Any) -> None:
    """Makes tensors on this device from now on, where none is named; None ends that.

    "cpu" is where they are made anyway; "meta" makes them without data. Call it outside ``with device:`` regions.

    Raises:
        RuntimeError: no such kind of device, or a region is entered.

    >>> lampas.set_default_device("meta"); lampas.zeros(2).device  # device(type='meta')
    """
    new = None if device is None else lampas.device(device)
    if _regions.stack:
        raise RuntimeError("set_default_device() was called inside a `with device:` region; call it outside")
    if _default[0] is not None and _default[0].type != "cpu":
        _remove(_MakesOn)
    # The CPU needs no mode: that is where the engine makes them.
    if new is not None and new.type != "cpu":
        _C._push_on_torch_function_stack(_MakesOn(new))
    _default[0] = new


def _enter(self: lampas.device) -> lampas.device:
    # Ops are fast without a mode, so the CPU gets one only inside another device's region.
    watched = self.type != "cpu" or get_default_device().type != "cpu"
    if watched:
        _C._push_on_torch_function_stack(_MakesOn(self))
    _regions.stack.append((self, watched))
    return self


def _exit(
    self: lampas.device, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
) -> None:
    if _regions.stack.pop()[1]:
        _remove(_MakesOn)


def get_device(input: lampas.Tensor) -> int:
    """The index of the device the tensor lies on; -1 on the CPU."""
    return input.get_device()


def get_device_module(device: Any = None) -> Any:
    """The module of a kind of device: ``lampas.cuda`` for "cuda"; the default device's when None is given.

    Raises:
        RuntimeError: no such kind of device.
    """
    import importlib.util

    name = (get_default_device() if device is None else lampas.device(device)).type
    if importlib.util.find_spec(f"lampas.{name}") is None:
        raise RuntimeError(f"no module belongs to the device {name!r}; there are lampas.cpu, lampas.cuda")
    return importlib.import_module(f"lampas.{name}")


_C.device.__enter__ = _enter
_C.device.__exit__ = _exit
