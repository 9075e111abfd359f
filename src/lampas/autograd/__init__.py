"""Gradients: running the graph backward, switches for recording, operations with gradients of one's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import lampas
from lampas import _C
from lampas.autograd.anomaly_mode import detect_anomaly, set_detect_anomaly
from lampas.autograd.function import Function
from lampas.autograd.grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled

# At once, because the module bears the function's name: imported later it would hide the function.
from lampas.autograd.gradcheck import gradcheck, gradgradcheck

__all__ = [
    "Function",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "functional",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "graph",
    "inference_mode",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
]


def __getattr__(name: str) -> Any:
    import importlib

    if name in ("functional", "graph", "profiler", "variable"):
        return importlib.import_module(f"lampas.autograd.{name}")
    raise AttributeError(f"module 'lampas.autograd' has no attribute {name!r}")


class _VariableMeta(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, lampas.Tensor)


class Variable(metaclass=_VariableMeta):
    """A tensor that may require gradients, as PyTorch before 0.4 called it; calling it gives a tensor."""

    def __new__(  # type: ignore[misc]
        cls, data: lampas.Tensor | None = None, requires_grad: bool = False, volatile: bool | None = None
    ) -> lampas.Tensor:
        if volatile:
            from lampas._deprecated import warn

            warn("volatile was removed and has no effect; use `with torch.no_grad():` instead.")
            if requires_grad:
                raise ValueError("Variable can't be volatile and require_grad at the same time!")
        if data is not None and not isinstance(data, lampas.Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(data).__name__}")
        tensor = lampas.empty(0) if data is None else data.detach()
        return tensor.requires_grad_(requires_grad)


# --- one pass through the engine ------------------------------------------------------------------------------------

# Called with the number of the pass, when it ends (see graph.register_multi_grad_hook).
_end_callbacks: dict[int, Callable[[int], None]] = {}
_pass_numbers: list[int] = []
_last_pass = 0


def current_pass() -> int:
    """The number of the innermost backward pass that is running; 0 outside."""
    return _pass_numbers[-1] if _pass_numbers else 0


def _run(
    outputs: tuple,
    grads: tuple,
    retain_graph: bool,
    create_graph: bool,
    inputs: tuple,
    allow_unused: bool,
    accumulate: bool,
) -> Any:
    if not _end_callbacks:
        return _C._backward(outputs, grads, retain_graph, create_graph, inputs, allow_unused, accumulate)
    global _last_pass
    _last_pass = number = _last_pass + 1
    _pass_numbers.append(number)
    try:
        result = _C._backward(outputs, grads, retain_graph, create_graph, inputs, allow_unused, accumulate)
        for callback in tuple(_end_callbacks.values()):
            callback(number)
        return result
    finally:
        _pass_numbers.pop()


def _is_edge(value: object) -> bool:
    return isinstance(value, tuple) and hasattr(value, "node") and hasattr(value, "output_nr")


def _as_tuple(values: Any) -> tuple:
    return (values,) if isinstance(values, lampas.Tensor) or _is_edge(values) else tuple(values)


def _start(output: Any, grad: Any, index: int, batched: bool = False) -> Any:
    """The gradient a pass starts with at ``output``: what was given, or 1 for a single number."""
    if _is_edge(output):
        if grad is None:
            raise RuntimeError("a GradientEdge as output needs its gradient: give grad_outputs")
        return grad
    if isinstance(grad, lampas.Tensor):
        shape = grad.shape[1:] if batched else grad.shape
        if shape != output.shape:
            raise RuntimeError(
                f"Mismatch in shape: grad_output[{index}] has a shape of {shape} and output[{index}] has a shape of "
                f"{output.shape}."
            )
        if output.dtype.is_complex != grad.dtype.is_complex:
            raise RuntimeError(
                "a gradient must be complex exactly where its output is: "
                f"grad_output[{index}] is {grad.dtype} and output[{index}] is {output.dtype}"
            )
        return grad
    if grad is not None:
        raise TypeError(f"gradients can be either Tensors or None, but got {type(grad).__name__}")
    if not output.requires_grad:
        return None
    if output.numel() != 1:
        raise RuntimeError(
            f"grad can be implicitly created only for scalar outputs, but output[{index}] has shape "
            f"{tuple(output.shape)}; reduce it (for example with .sum() or .mean()) or give its gradient"
        )
    if not output.is_floating_point():
        raise RuntimeError(
            f"grad can be implicitly created only for real scalar outputs but got {output.dtype}; give its gradient"
        )
    return lampas.ones_like(output)


def _starts(outputs: tuple, grads: Any, batched: bool = False) -> tuple:
    grads = (None,) * len(outputs) if grads is None else _as_tuple(grads)
    if len(grads) != len(outputs):
        raise RuntimeError(f"got {len(outputs)} tensors and {len(grads)} gradients")
    return tuple(_start(o, g, i, batched) for i, (o, g) in enumerate(zip(outputs, grads, strict=True)))


def backward(
    tensors: lampas.Tensor | Sequence[lampas.Tensor],
    grad_tensors: lampas.Tensor | Sequence[lampas.Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Any = None,
) -> None:
    """Compute gradients of the sum of ``tensors`` and add them to ``.grad`` of the leaves.

    Args:
        tensors: where to start.
        grad_tensors: their gradients; may be left out for single numbers.
        retain_graph: keep what the pass needs, so that it can run again; ``create_graph`` when left out.
        create_graph: record the pass, for gradients of gradients.
        inputs: leaves to compute gradients for; all that ``tensors`` depend on when left out.

    Raises:
        RuntimeError: a start has several elements and no gradient, nothing requires a gradient, or the graph is gone.
    """
    if grad_variables is not None:
        if grad_tensors is not None:
            raise RuntimeError("`grad_variables` is the old name of `grad_tensors`: give one of them")
        grad_tensors = grad_variables
    if inputs is None:
        targets: tuple = ()
    else:
        targets = tuple(inputs.values()) if type(inputs) is dict else _as_tuple(inputs)
        if not targets:
            raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    outputs = _as_tuple(tensors)
    starts = _starts(outputs, grad_tensors)
    keep = create_graph if retain_graph is None else retain_graph
    _run(outputs, starts, keep, create_graph, targets, True, True)


def grad(
    outputs: lampas.Tensor | Sequence[lampas.Tensor],
    inputs: Any,
    grad_outputs: lampas.Tensor | Sequence[lampas.Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> Any:
    """Gradients of the sum of ``outputs`` with respect to ``inputs``, returned; no ``.grad`` is touched.

    Args:
        outputs: where to start; ``grad_outputs`` are their gradients.
        inputs: a tensor, a sequence of them, or a dict (which gives a dict).
        allow_unused: give ``None`` for an input that ``outputs`` do not depend on, instead of an error.
        is_grads_batched: ``grad_outputs`` have a further first dimension, and so have the results.
        materialize_grads: zeros instead of ``None``.

    Raises:
        RuntimeError: an input was not used, or does not require a gradient.

    >>> x = lampas.tensor(2.0, requires_grad=True)
    >>> lampas.autograd.grad(x**3, x)
    (tensor(12.),)
    """
    if materialize_grads and allow_unused is False:
        raise ValueError("Expected allow_unused to be True or not passed when materialize_grads=True, but got: False.")
    unused = materialize_grads if allow_unused is None else allow_unused
    outputs = _as_tuple(outputs)
    targets = tuple(inputs.values()) if type(inputs) is dict else _as_tuple(inputs)
    if not targets:
        raise RuntimeError("grad requires non-empty inputs.")
    starts = _starts(outputs, grad_outputs, is_grads_batched)
    keep = create_graph if retain_graph is None else retain_graph
    if is_grads_batched:
        result = _batched(outputs, starts, keep, create_graph, targets, unused)
    else:
        result = _run(outputs, starts, keep, create_graph, targets, unused, False)
    if materialize_grads:
        if any(g is None and _is_edge(t) for g, t in zip(result, targets, strict=True)):
            raise RuntimeError("materialize_grads cannot be used when the given input is a GradientEdge")
        result = tuple(
            lampas.zeros_like(t, requires_grad=create_graph) if g is None else g
            for g, t in zip(result, targets, strict=True)
        )
    return dict(zip(inputs, result, strict=True)) if type(inputs) is dict else result


def _batched(outputs: tuple, starts: tuple, keep: bool, create_graph: bool, inputs: tuple, unused: bool) -> tuple:
    """One pass per entry of the first dimension; the graph lives until the last."""
    sizes = {g.shape[0] for g in starts if g is not None}
    if len(sizes) != 1:
        raise RuntimeError(f"is_grads_batched: the gradients' first dimensions differ: {sorted(sizes)}")
    (count,) = sizes
    rows = []
    for i in range(count):
        one = tuple(None if g is None else g[i] for g in starts)
        rows.append(_run(outputs, one, keep or i < count - 1, create_graph, inputs, unused, False))
    if not rows:
        return tuple(t.new_zeros((0, *t.shape)) for t in inputs)
    return tuple(None if column[0] is None else lampas.stack(column) for column in zip(*rows, strict=True))
