"""Memory that several processes see: where ``share_memory_`` moves a storage, and how it is found elsewhere.

Storages lie in arenas, files without a name that are mapped by every process that has a part of them. Small storages
share an arena, because each costs two of the few files that a process may have open.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import weakref
from typing import Any

import lampas

__all__ = ["is_shared", "rebuild_shared", "reduce_shared", "share"]

_ARENA = 16 << 20
_ALIGNMENT = 64


class _Arena(mmap.mmap):
    """One mapped file; it is closed when the last part of it is gone."""

    fd: int
    used: int

    @classmethod
    def over(cls, fd: int) -> _Arena:
        arena = cls(fd, 0)
        arena.fd, arena.used = fd, 0
        weakref.finalize(arena, os.close, fd)
        return arena

    @classmethod
    def create(cls, nbytes: int) -> _Arena:
        try:
            fd = os.memfd_create("lampas")
        except (AttributeError, OSError):
            with tempfile.TemporaryFile() as file:
                fd = os.dup(file.fileno())
        os.ftruncate(fd, nbytes)
        return cls.over(fd)

    def take(self, nbytes: int) -> tuple[memoryview, int] | None:
        """A part nobody has, and where it begins; ``None`` when there is no room."""
        begin = self.used
        if begin + nbytes > len(self):
            return None
        self.used = -(-(begin + nbytes) // _ALIGNMENT) * _ALIGNMENT
        return memoryview(self)[begin : begin + nbytes], begin


# By address: the parts that are storages now, with the arena's file and where they begin in it.
_parts: weakref.WeakValueDictionary[int, memoryview] = weakref.WeakValueDictionary()
_places: dict[int, tuple[weakref.ref[_Arena], int]] = {}
_opened: weakref.WeakValueDictionary[tuple[int, int], _Arena] = weakref.WeakValueDictionary()
_filling: _Arena | None = None


def _forget_arena() -> None:
    global _filling
    _filling = None  # parent and child would give the same bytes to different storages


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_arena)


def _place(nbytes: int) -> tuple[_Arena, memoryview, int]:
    global _filling
    nbytes = max(nbytes, 1)
    if nbytes > _ARENA // 16:
        arena = _Arena.create(nbytes)
        return arena, *arena.take(nbytes)  # type: ignore[misc]
    taken = None if _filling is None else _filling.take(nbytes)
    if taken is None:
        _filling = _Arena.create(_ARENA)
        taken = _filling.take(nbytes)
    return _filling, *taken  # type: ignore[misc]


def _remember(address: int, arena: _Arena, view: memoryview, begin: int) -> None:
    _parts[address] = view
    _places[address] = weakref.ref(arena), begin
    weakref.finalize(view, _places.pop, address, None)


def is_shared(storage: lampas.UntypedStorage) -> bool:
    """Whether other processes can see this memory."""
    return storage.device.type == "cpu" and storage.data_ptr() in _parts


def share(storage: lampas.UntypedStorage) -> None:
    """Move the bytes of a storage, and so of all tensors on it, into memory that other processes can see.

    Raises:
        RuntimeError: a storage of the meta device, which has no bytes.
    """
    if is_shared(storage):
        return
    arena, view, begin = _place(storage.nbytes())
    storage._move_into(view)
    _remember(storage.data_ptr(), arena, view, begin)


def reduce_shared(tensor: lampas.Tensor) -> tuple:
    """What stands in a message for a tensor in shared memory: where it is, not what it holds."""
    storage = tensor.untyped_storage()
    place, begin = _places[storage.data_ptr()]
    arena = place()
    assert arena is not None
    geometry = tensor.storage_offset(), tuple(tensor.shape), tensor.stride()
    name = str(tensor.dtype).rpartition(".")[2]
    return rebuild_shared, (_handle(arena), begin, storage.nbytes(), name, geometry, tensor.requires_grad)


def _handle(arena: _Arena) -> Any:
    """What carries the arena's file to another process; a process that is being started takes each file once."""
    from multiprocessing.context import get_spawning_popen
    from multiprocessing.reduction import DupFd

    popen = get_spawning_popen()
    if popen is None:
        return DupFd(arena.fd)
    handles = popen.__dict__.setdefault("_lampas_arenas", {})
    if arena.fd not in handles:
        handles[arena.fd] = DupFd(arena.fd)
    return handles[arena.fd]


def _opened_arena(handle: Any) -> _Arena:
    arena = getattr(handle, "_arena", None)
    if arena is not None:
        return arena
    fd = handle.detach()
    status = os.fstat(fd)
    key = status.st_dev, status.st_ino
    arena = _opened.get(key)
    if arena is None:
        arena = _opened[key] = _Arena.over(fd)
    else:
        os.close(fd)
    handle._arena = arena
    return arena


def rebuild_shared(
    handle: Any, begin: int, nbytes: int, dtype: str, geometry: tuple[int, tuple, tuple], requires_grad: bool
) -> lampas.Tensor:
    """The tensor over the memory that the sender named."""
    arena = _opened_arena(handle)
    tensor = lampas.empty((0,), dtype=getattr(lampas, dtype))
    if nbytes:
        view = memoryview(arena)[begin : begin + nbytes]
        storage = lampas.frombuffer(view, dtype=lampas.uint8).untyped_storage()
        _remember(storage.data_ptr(), arena, view, begin)
        tensor.set_(storage, *geometry)
    else:
        tensor = tensor.as_strided(geometry[1], geometry[2])
    return tensor.requires_grad_() if requires_grad else tensor
