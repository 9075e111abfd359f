"""How `lampas.nn.functional.scaled_dot_product_attention` is computed: by one way, whatever is asked for."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["SDPBackend", "WARN_FOR_UNFUSED_KERNELS", "sdpa_kernel"]

# Kept for programs that set it: there is nothing to warn of.
WARN_FOR_UNFUSED_KERNELS = False


class SDPBackend(enum.IntEnum):
    """PyTorch's ways to compute attention."""

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4

    def __str__(self) -> str:
        return f"SDPBackend.{self.name}"


_SWITCHES = {
    SDPBackend.MATH: "math",
    SDPBackend.FLASH_ATTENTION: "flash",
    SDPBackend.EFFICIENT_ATTENTION: "mem_efficient",
    SDPBackend.CUDNN_ATTENTION: "cudnn",
}


@contextmanager
def sdpa_kernel(backends: list[SDPBackend] | SDPBackend, set_priority: bool = False) -> Iterator[dict]:
    """A region, or a decorated function, in which attention may be computed in these ways only.

    The switches in `lampas.backends.cuda` show what was asked for. Attention itself is computed as always: the
    result of every way is the same within rounding.

    Raises:
        AssertionError: something else than a backend or a list of them.
    """
    from lampas.backends import cuda

    if not isinstance(backends, (list, SDPBackend)):
        raise AssertionError(
            "Backend must be an instance of SDPBackend or a list of SDPBackend instances, got "
            f"{type(backends).__name__}"
        )
    wanted = set(backends if isinstance(backends, list) else [backends])
    before = dict(cuda._sdp)
    cuda._sdp.update({name: backend in wanted for backend, name in _SWITCHES.items()})
    try:
        yield {}
    finally:
        cuda._sdp.update(before)
