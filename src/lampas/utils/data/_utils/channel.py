"""Messages between a loader and one worker.

A message is a pickle and the buffers of its tensors and arrays. Small ones go through the socket. Larger ones go
through anonymous shared memory (memfd), whose descriptor goes through the socket: the worker writes once, the loader's
tensors lie in that memory, and nothing is left behind whoever is killed when. A whole message fits the socket's buffer,
so neither side waits for the other to read, and a dead worker is seen at once as the end of its stream.
"""

from __future__ import annotations

import contextlib
import io
import mmap
import os
import pickle
import socket
import struct
import weakref
from multiprocessing import reduction
from typing import TYPE_CHECKING, Any

from lampas.multiprocessing.reductions import BufferPickler

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

__all__ = ["Channel"]

# Messages up to this many bytes go through the socket.
_INLINE = 16384
_ALIGN = 64
# Batches that may lie in shared memory at a time; each holds a descriptor. More are copied out of it.
_MAX_MAPPED = 256
_HAS_MEMFD = hasattr(os, "memfd_create")

_mapped = 0


def _unmapped() -> None:
    global _mapped
    _mapped -= 1


def _padding(size: int) -> int:
    return -size % _ALIGN


def _write_all(fd: int, parts: list) -> None:
    parts = [memoryview(part) for part in parts if len(part)]
    while parts:
        written = os.writev(fd, parts[:1024])
        while parts and written >= len(parts[0]):
            written -= len(parts.pop(0))
        if written:
            parts[0] = parts[0][written:]


def _map(fd: int, size: int) -> mmap.mmap | bytearray:
    """The contents of a descriptor, mapped, or copied where too many are mapped already."""
    global _mapped
    if _mapped < _MAX_MAPPED:
        area = mmap.mmap(fd, size, flags=mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0))
        _mapped += 1
        weakref.finalize(area, _unmapped).atexit = False
        return area
    content, done = bytearray(size), 0
    view = memoryview(content)
    while done < size:
        done += os.preadv(fd, [view[done:]], done)
    return content


class Channel:
    """One end of a two-way connection."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._socket: socket.socket | None = None

    def __getstate__(self) -> Any:
        return self.connection

    def __setstate__(self, connection: Connection) -> None:
        Channel.__init__(self, connection)

    def _descriptors(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.socket(fileno=os.dup(self.connection.fileno()))
            self._socket.setblocking(True)
        return self._socket

    def send(self, message: object) -> None:
        """Sends a picklable message; errors of pickling leave the connection as it was."""
        buffers: list[pickle.PickleBuffer] = []
        file = io.BytesIO()
        BufferPickler(file, buffers.append).dump(message)
        parts = [file.getbuffer(), *(buffer.raw() for buffer in buffers)]
        sizes = [len(part) for part in parts]
        total = sum(size + _padding(size) for size in sizes)
        shared = _HAS_MEMFD and total > _INLINE
        header = struct.pack(f"=?I{len(sizes)}Q", shared, len(sizes), *sizes)
        payload: list[memoryview | bytes] = []
        for part, size in zip(parts, sizes, strict=True):
            payload += (part, bytes(_padding(size)))
        if not shared:
            self.connection.send_bytes(b"".join((header, *payload)))
            return
        fd = os.memfd_create("lampas", os.MFD_CLOEXEC)
        try:
            _write_all(fd, payload)
            self.connection.send_bytes(header)
            reduction.sendfds(self._descriptors(), [fd])
        finally:
            os.close(fd)

    def receive(self):
        """The next message.

        Raises:
            EOFError, OSError: the other end is gone.
        """
        data = bytearray(self.connection.recv_bytes())
        shared, count = struct.unpack_from("=?I", data)
        sizes = struct.unpack_from(f"={count}Q", data, 5)
        offset = 0 if shared else 5 + 8 * count
        if shared:
            (fd,) = reduction.recvfds(self._descriptors(), 1)
            try:
                data = _map(fd, sum(size + _padding(size) for size in sizes))
            finally:
                os.close(fd)
        view, parts = memoryview(data), []
        for size in sizes:
            parts.append(view[offset : offset + size])
            offset += size + _padding(size)
        return pickle.loads(parts[0], buffers=parts[1:])

    def shutdown(self) -> None:
        """Ends the connection for every process that holds it; a worker that reads or writes then stops."""
        with contextlib.suppress(OSError):  # The worker is gone already.
            self._descriptors().shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Closes this end."""
        if self._socket is not None:
            self._socket.close()
        self.connection.close()
