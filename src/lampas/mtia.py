"""The names of `torch.mtia` (Meta's accelerators), of which there is none."""

from lampas._absent import (
    device_count,
    is_available,
    is_initialized,
    manual_seed,
    manual_seed_all,
    memory_allocated,
    memory_stats_as_nested_dict,
    refusals,
)

_REASON = "lampas has no MTIA device: torch.mtia.is_available() is False. Use device='cpu'"

_REFUSED = "current_device current_stream empty_cache synchronize"
globals().update(refusals(__name__, _REASON, _REFUSED, RuntimeError), **refusals(__name__, _REASON, "init"))
memory_stats = memory_stats_as_nested_dict

__all__ = [
    "device_count", "is_available", "is_initialized", "manual_seed", "manual_seed_all", "memory_allocated",
    "memory_stats", *_REFUSED.split(),
]  # fmt: skip
