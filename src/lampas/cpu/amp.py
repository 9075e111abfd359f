"""`autocast` and `GradScaler` under the names they had before `lampas.amp`, for 'cpu'."""

from __future__ import annotations

import warnings

import lampas
from lampas import amp

__all__ = ["GradScaler", "autocast"]


class autocast(amp.autocast):
    """`lampas.amp.autocast` for 'cpu'; deprecated: name the device there."""

    def __init__(self, enabled: bool = True, dtype: lampas.dtype = lampas.bfloat16, cache_enabled: bool = True) -> None:
        warnings.warn(
            "`torch.cpu.amp.autocast(args...)` is deprecated. Please use `torch.amp.autocast('cpu', args...)` instead.",
            FutureWarning,
            stacklevel=2,
        )
        super().__init__("cpu", enabled=enabled, dtype=dtype, cache_enabled=cache_enabled)


class GradScaler(amp.GradScaler):
    """`lampas.amp.GradScaler` for 'cpu'; deprecated: name the device there."""

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        warnings.warn(
            "`torch.cpu.amp.GradScaler(args...)` is deprecated. "
            "Please use `torch.amp.GradScaler('cpu', args...)` instead.",
            FutureWarning,
            stacklevel=2,
        )
        super().__init__("cpu", init_scale, growth_factor, backoff_factor, growth_interval, enabled)
