"""The recorded graph: its nodes, its edges, what it saves, and hooks on several gradients at once."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import lampas
from lampas import _C, autograd

__all__ = [
    "GradientEdge",
    "Node",
    "allow_mutation_on_saved_tensors",
    "disable_saved_tensors_hooks",
    "get_gradient_edge",
    "register_multi_grad_hook",
    "save_on_cpu",
    "saved_tensors_hooks",
]


class _NodeMeta(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return cls.__subclasscheck__(type(instance))

    def __subclasscheck__(cls, subclass: type) -> bool:
        return hasattr(subclass, "next_functions") and hasattr(subclass, "register_hook")


class Node(metaclass=_NodeMeta):
    """What ``tensor.grad_fn`` is: ``name()``, ``next_functions``, ``register_hook``, ``register_prehook``.

    For ``isinstance``; nodes are made by the engine.
    """


class GradientEdge(NamedTuple):
    """Where a gradient flows: output ``output_nr`` of the operation recorded as ``node``."""

    node: Any
    output_nr: int
    ownership_token: Any = None


def get_gradient_edge(tensor: lampas.Tensor) -> GradientEdge:
    """The edge at which the gradient of ``tensor`` arrives.

    Raises:
        RuntimeError: ``tensor`` does not require a gradient.
    """
    if not tensor.requires_grad:
        raise RuntimeError("a tensor that does not require gradients has no gradient edge")
    if tensor.grad_fn is not None:
        return GradientEdge(tensor.grad_fn, tensor.output_nr)
    with lampas.enable_grad():
        node = tensor.view_as(tensor).grad_fn
        assert node is not None
        leaf = node.next_functions[0][0]
    return GradientEdge(leaf, 0)


# --- what the graph saves -------------------------------------------------------------------------------------------

_forbidden = threading.local()


class saved_tensors_hooks:
    """Inside, tensors saved for backward are replaced by what ``pack_hook`` makes of them.

    Args:
        pack_hook: from a tensor to anything, when it is saved.
        unpack_hook: from that back to a tensor of the same values, when backward needs it.

    >>> with saved_tensors_hooks(lambda t: t.half(), lambda t: t.float()):
    ...     y = x * x
    """

    def __init__(self, pack_hook: Callable[[lampas.Tensor], Any], unpack_hook: Callable[[Any], lampas.Tensor]) -> None:
        self.pack_hook = pack_hook
        self.unpack_hook = unpack_hook

    def __enter__(self) -> None:
        message = getattr(_forbidden, "message", None)
        if message is not None:
            raise RuntimeError(message)
        _C._push_saved_tensors_hooks(self.pack_hook, self.unpack_hook)

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        _C._pop_saved_tensors_hooks()


class save_on_cpu(saved_tensors_hooks):
    """Inside, tensors saved for backward wait in main memory and return to their device when needed."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        if pin_memory and not lampas.cuda.is_available():
            pin_memory = False  # nothing to copy faster to

        def pack(tensor: lampas.Tensor) -> tuple[Any, lampas.Tensor]:
            return tensor.device, tensor.cpu()

        def unpack(packed: tuple[Any, lampas.Tensor]) -> lampas.Tensor:
            device, tensor = packed
            return tensor.to(device, non_blocking=pin_memory)

        super().__init__(pack, unpack)


@contextlib.contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """Inside, :class:`saved_tensors_hooks` is an error with this message."""
    before = getattr(_forbidden, "message", None)
    _forbidden.message = error_message
    try:
        yield
    finally:
        _forbidden.message = before


@contextlib.contextmanager
def allow_mutation_on_saved_tensors() -> Iterator[None]:
    """Inside, values saved for backward are copied, so that changing them in place does no harm to gradients."""
    with saved_tensors_hooks(lambda tensor: tensor.detach().clone(), lambda copy: copy):
        yield


# --- hooks on several gradients -------------------------------------------------------------------------------------


class _MultiHandle:
    """Takes a hook on several tensors away again."""

    def __init__(self, handles: Sequence[Any], number: int | None = None) -> None:
        self._handles = tuple(handles)
        self._number = number

    def remove(self) -> None:
        for handle in self._handles:
            handle.remove()
        if self._number is not None:
            autograd._end_callbacks.pop(self._number, None)

    def __enter__(self) -> _MultiHandle:
        return self

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        self.remove()


_hook_count = 0


def register_multi_grad_hook(tensors: Sequence[lampas.Tensor], fn: Callable, *, mode: str = "all") -> _MultiHandle:
    """Call ``fn`` once per backward pass that computes gradients of these tensors.

    Args:
        tensors: tensors that require gradients.
        fn: with ``mode="all"`` gets a list of their gradients, when the last is there (``None`` for those that the pass
            does not compute); with ``mode="any"`` the first gradient that is computed.

    Returns:
        A handle whose ``remove()`` takes the hook away.
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    global _hook_count
    _hook_count = key = _hook_count + 1
    gathered: dict[int, list[Any]] = {}
    finished = 0  # the last pass in which fn was called

    def arrived(index: int, grad: lampas.Tensor) -> None:
        nonlocal finished
        number = autograd.current_pass()
        if number == finished:
            return
        if mode == "any":
            finished = number
            fn(grad)
            return
        grads = gathered.setdefault(number, [None] * len(tensors))
        grads[index] = grad
        if all(g is not None for g in grads):
            ended(number)

    def ended(number: int) -> None:
        nonlocal finished
        grads = gathered.pop(number, None)
        if grads is not None:
            finished = number
            fn(grads)

    autograd._end_callbacks[key] = ended
    hooks = [t.register_hook(lambda grad, index=i: arrived(index, grad)) for i, t in enumerate(tensors)]
    return _MultiHandle(hooks, key)
