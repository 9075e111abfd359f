"""Regions in which ops choose between 16 bits and float32 themselves."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Literal

import lampas
from lampas import _C

__all__ = ["autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]

# A device that is a name only here keeps its setting, so that programs can ask for it; nothing runs on it.
_names_only: dict[str, dict[str, Any]] = {"cuda": {"enabled": False, "dtype": lampas.float16}}


def _check_device(device_type: str) -> None:
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    if not is_autocast_available(device_type):
        raise RuntimeError(
            f"User specified an unsupported autocast device_type '{device_type}': autocast knows 'cpu' and 'cuda'"
        )


def is_autocast_available(device_type: str) -> bool:
    """Whether `autocast` knows this type of device."""
    if not isinstance(device_type, str):
        raise TypeError(f"device_type must be a str such as 'cpu', not {type(device_type).__name__}")
    return device_type == "cpu" or device_type in _names_only


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether ops on this type of device are cast in this thread."""
    _check_device(device_type)
    return _C._autocast_enabled() if device_type == "cpu" else _names_only[device_type]["enabled"]


def set_autocast_enabled(device_type: str | bool, enabled: bool | None = None) -> None:
    """Switches casting on or off for a type of device; with one argument, a bool, for "cuda"."""
    if enabled is None:
        device_type, enabled = "cuda", bool(device_type)
    _check_device(device_type)  # type: ignore[arg-type]
    if device_type == "cpu":
        _C._set_autocast_enabled(enabled)
    else:
        _names_only[device_type]["enabled"] = enabled  # type: ignore[index]


def get_autocast_dtype(device_type: str) -> lampas.dtype:
    """The 16-bit type that regions on this type of device use."""
    _check_device(device_type)
    return _C._autocast_dtype() if device_type == "cpu" else _names_only[device_type]["dtype"]


def set_autocast_dtype(device_type: str, dtype: lampas.dtype) -> None:
    """Sets the 16-bit type that regions on this type of device use."""
    _check_device(device_type)
    if device_type == "cpu":
        _C._set_autocast_dtype(dtype)
    else:
        _names_only[device_type]["dtype"] = dtype


def is_autocast_cpu_enabled() -> bool:
    """`is_autocast_enabled("cpu")`."""
    return is_autocast_enabled("cpu")


def set_autocast_cpu_enabled(enabled: bool) -> None:
    """`set_autocast_enabled("cpu", enabled)`."""
    set_autocast_enabled("cpu", enabled)


def get_autocast_cpu_dtype() -> lampas.dtype:
    """`get_autocast_dtype("cpu")`."""
    return get_autocast_dtype("cpu")


def set_autocast_cpu_dtype(dtype: lampas.dtype) -> None:
    """`set_autocast_dtype("cpu", dtype)`."""
    set_autocast_dtype("cpu", dtype)


def get_autocast_gpu_dtype() -> lampas.dtype:
    """`get_autocast_dtype("cuda")`."""
    return get_autocast_dtype("cuda")


def set_autocast_gpu_dtype(dtype: lampas.dtype) -> None:
    """`set_autocast_dtype("cuda", dtype)`."""
    set_autocast_dtype("cuda", dtype)


class autocast:
    """A region, or a decorated function, in which ops choose their type.

    Matrix products and convolutions run in `dtype`, losses and other sensitive ops in float32, `cat` and `stack` in the
    widest type they are given; everything else in the type of its inputs. Parameters stay float32: their casts are made
    once in a region and forgotten when the outermost region ends. Run the forward pass and the loss inside, `backward`
    outside. Regions nest, also disabled ones.

    Args:
        device_type: "cpu"; "cuda" is accepted, and disabled with a warning where there is no such device.
        dtype: bfloat16 or float16; by default what `get_autocast_dtype(device_type)` says.
        enabled: False switches casting off inside the region.
        cache_enabled: False casts parameters anew at each use.

    Raises:
        ValueError: `device_type` is not a string.
        RuntimeError: `device_type` is not known.

    >>> with lampas.autocast("cpu", dtype=lampas.bfloat16):
    ...     lampas.nn.Linear(2, 1)(lampas.ones(1, 2)).dtype
    torch.bfloat16
    """

    def __init__(
        self,
        device_type: str,
        dtype: lampas.dtype | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        _check_device(device_type)
        self.device = device_type
        self.fast_dtype = get_autocast_dtype(device_type) if dtype is None else dtype
        self._cache_enabled = _C.is_autocast_cache_enabled() if cache_enabled is None else cache_enabled
        if enabled and device_type == "cuda" and not lampas.cuda.is_available():
            warnings.warn(
                "User provided device_type of 'cuda', but CUDA is not available. Disabling autocast.", stacklevel=2
            )
            enabled = False
        elif enabled and self.fast_dtype not in (lampas.bfloat16, lampas.float16):
            warnings.warn(
                f"In {device_type.upper()} autocast, but the target dtype {self.fast_dtype} is not supported. "
                "Disabling autocast. It computes in torch.bfloat16 or torch.float16.",
                stacklevel=2,
            )
            enabled = False
        self._enabled = enabled

    def __enter__(self) -> autocast:
        self._previous = (
            is_autocast_enabled(self.device),
            get_autocast_dtype(self.device),
            _C.is_autocast_cache_enabled(),
        )
        set_autocast_enabled(self.device, self._enabled)
        set_autocast_dtype(self.device, self.fast_dtype)
        _C.autocast_increment_nesting()
        _C.set_autocast_cache_enabled(self._cache_enabled)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        if _C.autocast_decrement_nesting() == 0:
            _C.clear_autocast_cache()
        enabled, dtype, cache_enabled = self._previous
        set_autocast_enabled(self.device, enabled)
        set_autocast_dtype(self.device, dtype)
        _C.set_autocast_cache_enabled(cache_enabled)
        return False

    def __call__(self, function: Callable) -> Callable:
        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with autocast(self.device, self.fast_dtype, self._enabled, self._cache_enabled):
                return function(*args, **kwargs)

        return inside


def _cast(value: Any, device_type: str, dtype: lampas.dtype) -> Any:
    """Every floating-point tensor of the device in `value`, except float64 ones, in `dtype`."""
    if isinstance(value, lampas.Tensor):
        casts = value.is_floating_point() and value.device.type == device_type and value.dtype != lampas.float64
        return value.to(dtype) if casts else value
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return {_cast(k, device_type, dtype): _cast(v, device_type, dtype) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        items = [_cast(v, device_type, dtype) for v in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return value


def custom_fwd(fwd: Callable | None = None, *, device_type: str, cast_inputs: lampas.dtype | None = None) -> Callable:
    """Decorates `forward` of an autograd `Function` that is used in autocast regions.

    With `cast_inputs`, inside a region, its floating-point tensors arrive in that type and its ops run as they are
    given; without, the region holds on inside. Goes with `custom_bwd`.
    """
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def forward(*args: Any, **kwargs: Any) -> Any:
        args[0]._dtype = get_autocast_dtype(device_type)
        inside = is_autocast_enabled(device_type)
        args[0]._fwd_used_autocast = inside and cast_inputs is None
        if cast_inputs is None or not inside:
            return fwd(*args, **kwargs)
        with autocast(device_type, enabled=False):
            return fwd(*_cast(args, device_type, cast_inputs), **_cast(kwargs, device_type, cast_inputs))

    return forward


def custom_bwd(bwd: Callable | None = None, *, device_type: str) -> Callable:
    """Decorates `backward` of an autograd `Function`: it runs with the autocast setting that `forward` ran with."""
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def backward(*args: Any, **kwargs: Any) -> Any:
        with autocast(device_type, enabled=args[0]._fwd_used_autocast, dtype=args[0]._dtype):
            return bwd(*args, **kwargs)

    return backward
