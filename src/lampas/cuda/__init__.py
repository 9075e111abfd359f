"""The names of `torch.cuda` on a machine without a CUDA device: questions are answered, uses are refused clearly."""

from __future__ import annotations

from typing import Any, NoReturn

_REASON = "lampas has no CUDA device on this machine: torch.cuda.is_available() is False. Use device='cpu'"


def is_available() -> bool:
    """Whether a CUDA device can be used: no."""
    return False


def is_initialized() -> bool:
    """Whether the CUDA runtime is loaded: no."""
    return False


def device_count() -> int:
    """The number of CUDA devices: 0."""
    return 0


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether a CUDA device computes in bfloat16: there is none."""
    return False


def manual_seed(seed: int) -> None:
    """Nothing to seed: accepted so that programs which seed every device run."""


def manual_seed_all(seed: int) -> None:
    """Nothing to seed: accepted so that programs which seed every device run."""


def empty_cache() -> None:
    """Nothing is cached on a device that is not there."""


def memory_allocated(device: Any = None) -> int:
    """Bytes held on a device: 0."""
    return 0


def max_memory_allocated(device: Any = None) -> int:
    """The most bytes held on a device: 0."""
    return 0


def memory_reserved(device: Any = None) -> int:
    """Bytes cached on a device: 0."""
    return 0


def _refuse(*args: Any, **kwargs: Any) -> NoReturn:
    raise RuntimeError(_REASON)


synchronize = current_device = set_device = get_device_name = get_device_properties = get_device_capability = _refuse
current_stream = default_stream = mem_get_info = init = _refuse


def __getattr__(name: str) -> Any:
    if name == "amp":
        import importlib

        return importlib.import_module("lampas.cuda.amp")
    raise AttributeError(f"module 'lampas.cuda' has no attribute {name!r}")
