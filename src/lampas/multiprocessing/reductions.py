"""How tensors travel between processes: as their bytes, with type and shape; those in shared memory as its place.

In messages that carry buffers apart (pickle protocol 5 with a buffer callback, as a data loader's do) the bytes are
not copied into the pickle; the receiver's tensor lies in the buffer itself.
"""

from __future__ import annotations

import copyreg
import functools
import pickle
from collections.abc import Callable
from multiprocessing.reduction import ForkingPickler
from typing import IO

import lampas
from lampas.multiprocessing import shared

__all__ = ["init_reductions", "reduce_tensor"]


def _rebuild_tensor(
    buffer: bytes | bytearray | memoryview, dtype: str, shape: tuple[int, ...], requires_grad: bool
) -> lampas.Tensor:
    kind = getattr(lampas, dtype)
    if 0 in shape:
        tensor = lampas.empty(shape, dtype=kind)
    else:
        # Bytes that came inside a pickle are read-only.
        writable = bytearray(buffer) if isinstance(buffer, bytes) else buffer
        tensor = lampas.frombuffer(writable, dtype=kind).reshape(shape)
    return tensor.requires_grad_() if requires_grad else tensor


def _rebuild_parameter(tensor: lampas.Tensor, requires_grad: bool) -> lampas.nn.Parameter:
    return lampas.nn.Parameter(tensor, requires_grad=requires_grad)


def _raw(tensor: lampas.Tensor) -> memoryview:
    """The elements of a contiguous tensor as bytes, without a copy."""
    flat = tensor.reshape(-1).view(lampas.uint8)
    try:
        return memoryview(flat)
    except TypeError:
        return memoryview(flat.numpy())


def reduce_tensor(tensor: lampas.Tensor, wrap: Callable = bytes) -> tuple:
    """What pickle stores of a tensor.

    Args:
        tensor: a leaf, or a tensor without gradient.
        wrap: makes of the bytes what is stored: ``bytes``, or ``pickle.PickleBuffer`` to send them apart.

    Raises:
        RuntimeError: the tensor is part of a graph, which cannot travel.
    """
    if tensor.requires_grad and not tensor.is_leaf:
        raise RuntimeError(
            "a tensor that requires grad and is no leaf cannot be sent to another process: autograd does not cross "
            "processes; send tensor.detach()"
        )
    if wrap is bytes and tensor.is_shared():
        return shared.reduce_shared(tensor)
    plain = tensor.detach().contiguous()
    content = b"" if plain.numel() == 0 else wrap(_raw(plain))
    name = str(plain.dtype).rpartition(".")[2]
    return _rebuild_tensor, (content, name, tuple(plain.shape), tensor.requires_grad)


def _rebuild_shared_parameter(place: tuple, requires_grad: bool) -> lampas.nn.Parameter:
    return lampas.nn.Parameter(shared.rebuild_shared(*place), requires_grad=requires_grad)


def _reduce_parameter(parameter: lampas.nn.Parameter, wrap: Callable = bytes) -> tuple:
    if wrap is bytes and parameter.is_shared():
        return _rebuild_shared_parameter, (shared.reduce_shared(parameter.detach())[1], parameter.requires_grad)
    rebuild, (content, name, shape, _) = reduce_tensor(parameter, wrap)
    return _rebuild_parameter, (rebuild(bytearray(content), name, shape, False), parameter.requires_grad)


@functools.cache
def reducers(wrap: Callable = bytes) -> dict[type, Callable]:
    """The reduction of each tensor type."""
    return {
        lampas.Tensor: functools.partial(reduce_tensor, wrap=wrap),
        lampas.nn.Parameter: functools.partial(_reduce_parameter, wrap=wrap),
    }


class BufferPickler(ForkingPickler):
    """Pickles a message and gives the contents of its tensors and arrays to `callback`, uncopied."""

    def __init__(self, file: IO[bytes], callback: Callable) -> None:
        pickle.Pickler.__init__(self, file, 5, buffer_callback=callback)
        self.dispatch_table = copyreg.dispatch_table | self._extra_reducers | reducers(pickle.PickleBuffer)


def init_reductions() -> None:
    """Makes `multiprocessing`'s queues and pipes take tensors."""
    for kind, reduce in reducers().items():
        ForkingPickler.register(kind, reduce)
