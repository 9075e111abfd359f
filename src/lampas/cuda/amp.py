"""`autocast` and `GradScaler` under the names they had before `lampas.amp`, for 'cuda'."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import lampas
from lampas import amp

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd"]


class autocast(amp.autocast):
    """`lampas.amp.autocast` for 'cuda'; deprecated: name the device there."""

    def __init__(self, enabled: bool = True, dtype: lampas.dtype = lampas.float16, cache_enabled: bool = True) -> None:
        warnings.warn(
            "`torch.cuda.amp.autocast(args...)` is deprecated. "
            "Please use `torch.amp.autocast('cuda', args...)` instead.",
            FutureWarning,
            stacklevel=2,
        )
        super().__init__("cuda", enabled=enabled, dtype=dtype, cache_enabled=cache_enabled)


class GradScaler(amp.GradScaler):
    """`lampas.amp.GradScaler` for 'cuda'; deprecated: name the device there."""

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        warnings.warn(
            "`torch.cuda.amp.GradScaler(args...)` is deprecated. "
            "Please use `torch.amp.GradScaler('cuda', args...)` instead.",
            FutureWarning,
            stacklevel=2,
        )
        super().__init__("cuda", init_scale, growth_factor, backoff_factor, growth_interval, enabled)


def custom_fwd(fwd: Callable | None = None, *, cast_inputs: lampas.dtype | None = None) -> Callable:
    """`lampas.amp.custom_fwd` for "cuda"; deprecated: name the device there."""
    return amp.custom_fwd(fwd, device_type="cuda", cast_inputs=cast_inputs)


def custom_bwd(bwd: Callable) -> Callable:
    """`lampas.amp.custom_bwd` for "cuda"; deprecated: name the device there."""
    return amp.custom_bwd(bwd, device_type="cuda")
