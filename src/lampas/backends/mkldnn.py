"""oneDNN (once MKL-DNN), which computes convolutions and matrix products here: always there."""

from __future__ import annotations

from types import TracebackType
from typing import Literal

import lampas
from lampas.backends._flags import switched, switches

enabled = True
deterministic = False
allow_tf32: bool | None = None
fp32_precision = "none"
VERBOSE_OFF, VERBOSE_ON, VERBOSE_ON_CREATION = 0, 1, 2

set_flags = switches(globals(), ("enabled", "deterministic", "allow_tf32", "fp32_precision"))
flags = switched(globals(), set_flags)


def is_available() -> bool:
    """Whether oneDNN is there: yes."""
    return True


class verbose:
    """Accepted for programs that ask oneDNN to report its kernels; set ``ONEDNN_VERBOSE`` before the start instead."""

    def __init__(self, level: int) -> None:
        self.level = level

    def __enter__(self) -> verbose:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> Literal[False]:
        return False


class _MatmulPrecision:
    @property
    def fp32_precision(self) -> str:
        """What `lampas.set_float32_matmul_precision` allows: "ieee", "tf32" or "bf16"."""
        return {"highest": "ieee", "high": "tf32", "medium": "bf16"}[lampas.get_float32_matmul_precision()]


matmul = _MatmulPrecision()
