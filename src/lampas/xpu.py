"""The names of `torch.xpu` (Intel GPUs), of which there is none: questions are answered, uses are refused clearly."""

from __future__ import annotations

from typing import Any

from lampas._absent import *  # noqa: F403
from lampas._absent import DeviceRegion, StreamContext, absent_class, refusals

_REASON = "lampas has no XPU device: torch.xpu.is_available() is False. Use device='cpu'"
_REFUSED = """
    current_device current_stream get_device_capability get_device_name get_device_properties get_rng_state init
    initial_seed mem_get_info set_device synchronize
"""
globals().update(refusals(__name__, _REASON, _REFUSED))

Stream = absent_class(__name__, "Stream", _REASON, "An order of work on an Intel GPU; there is none.")
Event = absent_class(__name__, "Event", _REASON, "A moment in a stream of an Intel GPU; there is none.")


class device(DeviceRegion):
    """A region in which this Intel GPU is the current one."""

    kind = "xpu"


def stream(stream: Any) -> StreamContext:
    """A region that uses the stream: with None nothing changes."""
    return StreamContext(stream)
