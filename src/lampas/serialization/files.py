"""Opening what is read, and replacing files so that a crash leaves the old one or the new one, never half of one."""

from __future__ import annotations

import contextlib
import io
import os
import stat
from collections.abc import Iterator
from typing import Any, BinaryIO

__all__ = ["open_reading", "open_writing"]


def is_path(f: Any) -> bool:
    return isinstance(f, (str, bytes, os.PathLike))


@contextlib.contextmanager
def open_reading(f: Any) -> Iterator[BinaryIO]:
    """``f`` opened, or ``f`` itself where it is a seekable file already."""
    if is_path(f):
        with open(f, "rb") as file:
            yield file
        return
    for name in ("read", "readline", "tell", "seek"):
        if not hasattr(f, name):
            raise AttributeError(
                f"{type(f).__name__!r} object has no attribute {name!r}: load needs a path or a seekable binary file; "
                "put the bytes into io.BytesIO and load from that"
            )
    try:
        f.seek(f.tell())
    except io.UnsupportedOperation as error:
        raise io.UnsupportedOperation(
            f"{error}: load needs a seekable file; read it into io.BytesIO and load from that"
        ) from None
    yield f


@contextlib.contextmanager
def open_writing(f: Any) -> Iterator[BinaryIO]:
    """A binary file to write to; a path gets its new contents in one step, at the end, with its old permissions."""
    if not is_path(f):
        if not callable(getattr(f, "write", None)):
            raise AttributeError(
                f"expected a path or a file-like object with a 'write' attribute, got {type(f).__name__}"
            )
        yield f
        if hasattr(f, "flush"):
            f.flush()
        return
    target = os.path.realpath(os.fsdecode(f))  # through a symbolic link, which stays one
    parent = os.path.dirname(target)
    if not os.path.isdir(parent):
        raise RuntimeError(f"Parent directory {parent} does not exist. Create it before saving to {os.fsdecode(f)!r}.")
    try:
        mode: int | None = os.stat(target).st_mode
    except FileNotFoundError:
        mode = None
    if mode is not None and not stat.S_ISREG(mode):  # a device or a pipe has no contents to protect
        with open(target, "wb") as file:
            yield file
        return
    short = os.fsdecode(os.fsencode(os.path.basename(target))[:100])  # file systems count bytes
    temporary = os.path.join(parent, f".{short}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    try:
        with open(temporary, "xb") as file:
            if mode is not None and hasattr(os, "fchmod"):
                os.fchmod(file.fileno(), stat.S_IMODE(mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException as error:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.errno is not None and error.filename in (None, temporary):
            raise OSError(
                error.errno, f"{error.strerror}; cannot save to this path, its old contents stay", target
            ) from error
        raise
    _sync_directory(parent)


def _sync_directory(path: str) -> None:
    """Make a rename last through a power cut; not every file system offers it."""
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
