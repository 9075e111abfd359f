"""cuDNN, NVIDIA's kernels: not used; its switches keep what they are given, so that programs which set them run."""

from __future__ import annotations

import sys
from typing import Any

from lampas._absent import is_available as is_available
from lampas.backends._flags import Checked, switched, switches

_switches = ("enabled", "benchmark", "deterministic", "allow_tf32")
enabled = True
benchmark = False
benchmark_limit: int | None = None
deterministic = False
allow_tf32 = True
fp32_precision = "none"

set_flags = switches(
    globals(), ("enabled", "benchmark", "benchmark_limit", "deterministic", "allow_tf32", "fp32_precision")
)
flags = switched(globals(), set_flags)


def version() -> int | None:
    """The version of cuDNN: None, there is none."""
    return None


def is_acceptable(tensor: Any) -> bool:
    """Whether cuDNN could compute with the tensor: no."""
    return False


class _Precision:
    fp32_precision = "tf32"


conv, rnn = _Precision(), _Precision()
sys.modules[__name__].__class__ = Checked
