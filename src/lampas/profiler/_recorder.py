"""Notes every op that a thread calls, every step of its backward passes, and the regions that programs name."""

from __future__ import annotations

import math
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import lampas
from lampas import _C
from lampas.profiler._events import FunctionEvent

__all__ = ["Recorder", "annotated", "current"]

# Questions about a tensor: answered at once, and no work.
_FACTS = {
    "data_ptr", "dim", "element_size", "get_device", "is_complex", "is_conj", "is_contiguous", "is_floating_point",
    "is_inference", "is_neg", "is_nonzero", "is_pinned", "is_same_size", "is_set_to", "is_shared", "is_signed",
    "ndimension", "nelement", "numel", "requires_grad_", "result_type", "retain_grad", "size", "storage",
    "storage_offset", "stride", "type", "untyped_storage", "__hash__", "__len__", "__repr__",
}  # fmt: skip
_USER_SCOPE = 7
_WATCHED = "watched by profiler"

_active: list[Recorder] = []


def current() -> Recorder | None:
    """The recorder that notes what this thread does, if there is one."""
    mine = threading.get_ident()
    return next((recorder for recorder in reversed(_active) if recorder.thread == mine), None)


def _op_name(func: Any) -> str:
    name = getattr(func, "__name__", str(func))
    if name.startswith("__") and name.endswith("__"):
        name = name[2:-2]
        if name[:1] == "i" and hasattr(lampas.Tensor, name[1:] + "_"):
            name = name[1:] + "_"
    return f"aten::{name}"


def _tensors(value: Any) -> list[lampas.Tensor]:
    if isinstance(value, lampas.Tensor):
        return [value]
    return [t for v in value for t in _tensors(v)] if isinstance(value, (tuple, list)) else []


def _shapes(args: tuple) -> list:
    return [
        list(v.shape) if isinstance(v, lampas.Tensor) else [list(t.shape) for t in v] if _all_tensors(v) else []
        for v in args
    ]


def _all_tensors(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and bool(value) and all(isinstance(v, lampas.Tensor) for v in value)


def _count_flops(name: str, args: tuple, result: Any) -> int:
    """Floating-point operations of products, convolutions, sums and products of elements; 0 for other ops."""
    shapes = [tuple(v.shape) for v in args if isinstance(v, lampas.Tensor)]
    if not isinstance(result, lampas.Tensor):
        return 0
    if name in ("mm", "bmm", "matmul", "mv", "dot", "linear") and shapes:
        return 2 * result.numel() * (shapes[0][-1] if shapes[0] else 1)
    if name in ("addmm", "baddbmm", "addmv", "addbmm") and len(shapes) > 1:
        return 2 * result.numel() * shapes[1][-1]
    if name in ("conv1d", "conv2d", "conv3d") and len(shapes) > 1:
        return 2 * result.numel() * math.prod(shapes[1][1:])
    return result.numel() if name in ("add", "mul", "add_", "mul_") else 0


class Recorder:
    """Notes events of the thread that calls :meth:`start`, until :meth:`stop`.

    It is a function mode, so that it sees every op the thread calls; the nodes of what these return are given hooks,
    so that it sees when each of them runs in a backward pass.
    """

    def __init__(
        self, record_shapes: bool = False, profile_memory: bool = False, with_stack: bool = False, flops: bool = False
    ) -> None:
        self.record_shapes, self.profile_memory, self.with_stack, self.flops = (
            record_shapes,
            profile_memory,
            with_stack,
            flops,
        )
        self.events: list[FunctionEvent] = []
        self.thread = 0
        self._open: list[tuple[FunctionEvent, int]] = []
        self._handles: list[Any] = []
        self._mark = object()  # in the metadata of nodes that have hooks of this recorder
        self._steps: list[FunctionEvent] = []
        self._origin = 0

    # --- beginning and end ---

    def start(self) -> None:
        """From now on what this thread does is noted."""
        from lampas.optim import optimizer

        self.thread = threading.get_ident()
        self._origin = time.perf_counter_ns()
        self._handles += [
            optimizer.register_optimizer_step_pre_hook(self._before_step),
            optimizer.register_optimizer_step_post_hook(self._after_step),
        ]
        _active.append(self)
        _C._push_on_torch_function_stack(self)

    def stop(self) -> None:
        """What follows is not noted."""
        _C._pop_torch_function_stack()
        _active.remove(self)
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        while self._open:
            self.end(self._open[-1][0])

    # --- events ---

    def begin(self, name: str, scope: int = 0) -> FunctionEvent:
        """An event that begins now, within those that have not ended."""
        event = FunctionEvent(len(self.events), name, 0.0, scope, threading.get_native_id())
        self.events.append(event)
        if self._open:
            event.cpu_parent = self._open[-1][0]
            event.cpu_parent.cpu_children.append(event)
        if self.with_stack:
            event.stack = self._stack()
        memory = _C._memory_stats()["allocated_bytes"] if self.profile_memory else 0
        self._open.append((event, memory))
        event.time_range.start = event.time_range.end = (time.perf_counter_ns() - self._origin) / 1e3
        return event

    def end(self, event: FunctionEvent) -> None:
        """The event ends now, and whatever is still open within it."""
        now = (time.perf_counter_ns() - self._origin) / 1e3
        if not any(one is event for one, _ in self._open):
            return
        while True:
            last, memory = self._open.pop()
            last.time_range.end = now
            if self.profile_memory:
                last.cpu_memory_usage = _C._memory_stats()["allocated_bytes"] - memory
            if last is event:
                return

    def _stack(self) -> list[str]:
        here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        frame, lines = sys._getframe(2), []
        while frame is not None:
            code = frame.f_code
            if not code.co_filename.startswith(os.path.join(here, "profiler")):
                lines.append(f"{code.co_filename}({frame.f_lineno}): {code.co_name}")
            frame = frame.f_back  # type: ignore[assignment]
        return lines

    # --- ops ---

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name in _FACTS or threading.get_ident() != self.thread:
            return func(*args, **kwargs)
        event = self.begin(_op_name(func))
        given = (*args, *kwargs.values())
        if self.record_shapes:
            event.input_shapes = _shapes(given)
        try:
            result = func(*args, **kwargs)
        finally:
            self.end(event)
        if self.flops:
            event.flops = _count_flops(event.name.removeprefix("aten::"), given, result)
        for tensor in _tensors(result):
            self._watch(tensor.grad_fn)
        return result

    # --- the backward pass ---

    def _watch(self, node: Any) -> None:
        """Note when this node, and those it leads to, run."""
        waiting = [node]
        while waiting:
            node = waiting.pop()
            if node is None or node.metadata.get(_WATCHED) is self._mark:
                continue
            self._hook(node)
            waiting.extend(below for below, _ in node.next_functions)

    def _hook(self, node: Any) -> None:
        node.metadata[_WATCHED] = self._mark
        running: list[FunctionEvent] = []
        name = node.name()

        def before(grads: Any) -> None:
            if threading.get_ident() == self.thread:
                running.append(self.begin(f"autograd::engine::evaluate_function: {name}"))
                self.begin(name)

        def after(*_: Any) -> None:
            if running:
                self.end(running.pop())

        self._handles += [node.register_prehook(before), node.register_hook(after)]

    # --- optimizers ---

    def _before_step(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        if threading.get_ident() == self.thread:
            kind = type(optimizer).__name__
            self._steps.append(self.begin(f"Optimizer.step#{kind}.step", _USER_SCOPE))

    def _after_step(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        if self._steps:
            self.end(self._steps.pop())


def annotated(name: str) -> Callable[[], None]:
    """Begins a region of this name where the thread is profiled; the result ends it."""
    recorder = current()
    if recorder is None:
        return lambda: None
    event = recorder.begin(name, _USER_SCOPE)
    if name.startswith("ProfilerStep#"):
        event.key = "ProfilerStep*"
    return lambda: recorder.end(event)
