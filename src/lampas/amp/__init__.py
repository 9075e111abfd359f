"""Mixed precision: `autocast` chooses the type each op runs in, `GradScaler` keeps float16 gradients from vanishing."""

from __future__ import annotations

from lampas.amp.autocast_mode import autocast, custom_bwd, custom_fwd, is_autocast_available
from lampas.amp.grad_scaler import GradScaler

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]
