"""Settings of ``lampas.save`` and ``lampas.load`` for a whole program.

>>> from lampas.utils.serialization import config
>>> config.load.mmap = True
>>> with config.patch({"save.compute_crc32": False}):
...     lampas.save(state, "model.pt")
"""

from __future__ import annotations

import contextlib
import mmap
import sys
from collections.abc import Iterator
from typing import Any

__all__ = ["load", "patch", "save"]


class _Settings:
    """Attributes with values that can be set; other names are errors."""

    def __init__(self, title: str, **values: Any) -> None:
        self.__dict__["_title"] = title
        self.__dict__.update(values)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self.__dict__:
            raise self._missing(name)
        self.__dict__[name] = value

    def __getattr__(self, name: str) -> Any:
        raise self._missing(name)

    def _missing(self, name: str) -> AttributeError:
        known = ", ".join(n for n in self.__dict__ if not n.startswith("_"))
        return AttributeError(f"{__name__}.{self._title}.{name} does not exist; there are {known}")


#: ``endianness`` is that of files that do not say it. ``calculate_storage_offsets`` is accepted and not needed: offsets
#: come from the archive's directory, which is read anyway.
load = _Settings(
    "load",
    mmap=False,
    endianness=None,
    mmap_flags=getattr(mmap, "MAP_PRIVATE", 2),
    calculate_storage_offsets=False,
)
#: ``storage_alignment`` in bytes; ``use_pinned_memory_for_d2h`` is accepted: there is no GPU to copy from.
save = _Settings("save", compute_crc32=True, storage_alignment=64, use_pinned_memory_for_d2h=False)


@contextlib.contextmanager
def patch(changes: str | dict[str, Any] | None = None, value: Any = None, **more: Any) -> Iterator[None]:
    """Other values for the length of a ``with`` block.

    Args:
        changes: a dict from names such as ``"load.mmap"`` to values, or one such name, whose value is ``value``.
    """
    wanted = {changes: value} if isinstance(changes, str) else {**(changes or {}), **more}
    module = sys.modules[__name__]
    places = [(getattr(module, name.split(".")[0]), name.split(".")[1], new) for name, new in wanted.items()]
    before = [(settings, name, getattr(settings, name)) for settings, name, _ in places]
    try:
        for settings, name, new in places:
            setattr(settings, name, new)
        yield
    finally:
        for settings, name, old in before:
            setattr(settings, name, old)
