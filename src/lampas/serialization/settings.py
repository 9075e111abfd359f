"""What ``save`` and ``load`` do when a call does not say it: byte order, mapping, checksums, skipped data."""

from __future__ import annotations

import enum
import mmap
import os
import threading
import warnings
from types import TracebackType

from lampas.utils.serialization import config

__all__ = [
    "LoadEndianness",
    "get_crc32_options",
    "get_default_load_endianness",
    "get_default_mmap_options",
    "set_crc32_options",
    "set_default_load_endianness",
    "set_default_mmap_options",
    "skip_data",
]

MAP_PRIVATE: int | None = getattr(mmap, "MAP_PRIVATE", None)
MAP_SHARED: int | None = getattr(mmap, "MAP_SHARED", None)


class LoadEndianness(enum.Enum):
    """The byte order of files that do not record theirs."""

    NATIVE = 1
    LITTLE = 2
    BIG = 3


def get_default_load_endianness() -> LoadEndianness | None:
    """What :func:`set_default_load_endianness` was given last; ``None`` means little."""
    return config.load.endianness


def set_default_load_endianness(endianness: LoadEndianness | None) -> None:
    """Choose the byte order of files that do not record theirs (those of PyTorch before 2.0).

    Raises:
        TypeError: ``endianness`` is no :class:`LoadEndianness`.
    """
    if endianness is not None and not isinstance(endianness, LoadEndianness):
        raise TypeError(
            "Invalid argument type in function set_default_load_endianness: expected a LoadEndianness or None, got "
            f"{type(endianness).__name__}"
        )
    config.load.endianness = endianness


def get_default_mmap_options() -> int:
    """``mmap.MAP_PRIVATE`` or ``mmap.MAP_SHARED``."""
    return config.load.mmap_flags


class set_default_mmap_options:
    """How ``load(..., mmap=True)`` maps a file, from now on or for the length of a ``with`` block.

    Args:
        flags: ``mmap.MAP_PRIVATE``: changes to the tensors stay in this process; ``mmap.MAP_SHARED``: they go into the
            file, which must be writable.

    Raises:
        ValueError: other flags.
    """

    def __init__(self, flags: int) -> None:
        if MAP_PRIVATE is None:
            raise RuntimeError("Changing the default mmap options is not supported on this system")
        if flags not in (MAP_PRIVATE, MAP_SHARED):
            raise ValueError(
                "Invalid argument in function set_default_mmap_options, expected mmap.MAP_PRIVATE or mmap.MAP_SHARED, "
                f"but got {flags}"
            )
        self.prev = config.load.mmap_flags
        config.load.mmap_flags = flags

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type | None, value: BaseException | None, trace: TracebackType | None) -> None:
        config.load.mmap_flags = self.prev


def get_crc32_options() -> bool:
    """Whether ``save`` computes checksums."""
    return config.save.compute_crc32


def set_crc32_options(compute_crc32: bool) -> None:
    """Whether ``save`` computes checksums; without them damage is not noticed, and other zip programs complain."""
    config.save.compute_crc32 = compute_crc32


class _Skipping(threading.local):
    active = False


_skipping = _Skipping()


def skipping_data() -> bool:
    return _skipping.active


class skip_data:
    """In this ``with`` block ``save`` leaves room for the tensors' values without writing them (zeros are read there),
    and ``load`` makes tensors without reading their values, which are undefined.

    >>> with lampas.serialization.skip_data():
    ...     lampas.save(model.state_dict(), "room.pt")
    """

    def __init__(self, materialize_fake_tensors: bool = False) -> None:
        self.materialize_fake_tensors = materialize_fake_tensors

    def __enter__(self) -> None:
        self._before = _skipping.active
        _skipping.active = True

    def __exit__(self, kind: type | None, value: BaseException | None, trace: TracebackType | None) -> None:
        _skipping.active = self._before


def choose_weights_only(weights_only: bool | None, pickle_module: object) -> bool:
    """``weights_only`` as the call and the environment want it.

    Raises:
        RuntimeError: the environment wants both, or ``pickle_module`` is given for a file that is not trusted.
    """

    def on(name: str) -> bool:
        return os.environ.get(name, "0").lower() in ("1", "y", "yes", "true")

    chosen = pickle_module is None if weights_only is None else bool(weights_only)
    forced, freed = on("TORCH_FORCE_WEIGHTS_ONLY_LOAD"), on("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
    if forced and freed:
        raise RuntimeError(
            "Only one of `TORCH_FORCE_WEIGHTS_ONLY_LOAD` or `TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD` should be set, but both "
            "were set."
        )
    if forced:
        chosen = True
    elif freed and weights_only is None:
        warnings.warn(
            "the environment variable TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD is set and load was not given weights_only: "
            "loading with weights_only=False, which runs whatever code the file contains",
            UserWarning,
            stacklevel=3,
        )
        chosen = False
    if chosen and pickle_module is not None:
        raise RuntimeError(
            "weights_only=True does not go with an explicit pickle_module; give weights_only=False for trusted files"
        )
    return chosen
