"""The names of `torch.mps` (Apple's GPUs), of which there is none."""

from lampas._absent import device_count, is_available, manual_seed, refusals

_REASON = "lampas has no MPS device: torch.backends.mps.is_available() is False. Use device='cpu'"
_REFUSED = """
    compile_shader current_allocated_memory driver_allocated_memory empty_cache get_rng_state recommended_max_memory
    seed set_per_process_memory_fraction set_rng_state synchronize
"""
globals().update(refusals(__name__, _REASON, _REFUSED, RuntimeError))

__all__ = ["device_count", "is_available", "manual_seed", *_REFUSED.split()]
