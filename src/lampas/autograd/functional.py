"""Jacobians, Hessians and their products with vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lampas

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]


def _tuple(value: Any, what: str, function: str) -> tuple[bool, tuple[lampas.Tensor, ...]]:
    """Whether ``value`` was a tuple, and it as one; ``TypeError`` where it holds something else than tensors."""
    several = isinstance(value, (tuple, list))
    values = tuple(value) if several else (value,)
    for i, v in enumerate(values):
        if not isinstance(v, lampas.Tensor):
            where = f"index {i} of {what}" if several else what
            raise TypeError(f"{function}: {where} must be a Tensor (or a tuple of them), got {type(v).__name__}")
    return several, values


def _fresh(inputs: tuple, create_graph: bool) -> tuple:
    """Inputs to differentiate with respect to, apart from the caller's (unless the caller wants to go through)."""
    if create_graph:
        return tuple(t.view_as(t) if t.requires_grad else t.detach().requires_grad_() for t in inputs)
    return tuple(t.detach().requires_grad_() for t in inputs)


def _called(func: Callable, inputs: tuple, name: str) -> tuple[bool, tuple]:
    return _tuple(func(*inputs), "the outputs of the given function", name)


def _gradients(outputs: tuple, inputs: tuple, starts: tuple | None, create_graph: bool) -> tuple:
    """``autograd.grad`` that leaves out outputs without a graph, and gives ``None`` where there is nothing."""
    starts = (None,) * len(outputs) if starts is None else starts
    live = [(o, s) for o, s in zip(outputs, starts, strict=True) if o is not None and o.requires_grad]
    if not live:
        return (None,) * len(inputs)
    return lampas.autograd.grad(
        [o for o, _ in live],
        inputs,
        [s for _, s in live],
        allow_unused=True,
        create_graph=create_graph,
        retain_graph=True,
    )


def _filled(grads: tuple, like: tuple, strict: bool, message: str) -> tuple:
    filled = []
    for i, (g, t) in enumerate(zip(grads, like, strict=True)):
        if g is None and strict:
            raise RuntimeError(message.format(i))
        filled.append(lampas.zeros_like(t) if g is None else g)
    return tuple(filled)


def _given_back(values: tuple, several: bool, keep: bool) -> Any:
    values = values if keep else tuple(v.detach() for v in values)
    return values if several else values[0]


def _direction(v: Any, like: tuple, name: str, what: str) -> tuple:
    """The vector of a product; 1 where ``like`` is a single number and none was given."""
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(f"{name}: the vector v can only be None if {what} is a single Tensor with one element")
        return (lampas.ones_like(like[0]),)
    _, v = _tuple(v, "v", name)
    if len(v) != len(like):
        raise RuntimeError(f"{name}: v is a tuple of invalid length: should be {len(like)} but got {len(v)}")
    for i, (a, b) in enumerate(zip(v, like, strict=True)):
        if a.shape != b.shape:
            raise RuntimeError(f"{name}: entry {i} of v has shape {tuple(a.shape)}, but {what} has {tuple(b.shape)}")
    return v


def vjp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """``func(*inputs)`` and the product of ``v`` with its Jacobian, in the shape of ``inputs``.

    Args:
        v: in the shape of the outputs; may be left out for a single number.
        create_graph: make the results differentiable.
        strict: an output that does not depend on an input is an error instead of zeros.
    """
    with lampas.enable_grad():
        many_in, inputs = _tuple(inputs, "inputs", "vjp")
        inputs = _fresh(inputs, create_graph)
        many_out, outputs = _called(func, inputs, "vjp")
        v = _direction(v, outputs, "vjp", "the output")
    with lampas.set_grad_enabled(create_graph or lampas.is_grad_enabled()):
        grads = _gradients(outputs, inputs, v, create_graph)
        grads = _filled(grads, inputs, strict, "vjp: the outputs do not depend on input {}, which strict=True forbids")
    return _given_back(outputs, many_out, create_graph), _given_back(grads, many_in, create_graph)


def jvp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """``func(*inputs)`` and the product of its Jacobian with ``v``, in the shape of the outputs.

    Computed by two passes backward: the product with a vector u is linear in u, and its gradient is what is wanted.
    """
    with lampas.enable_grad():
        _, inputs = _tuple(inputs, "inputs", "jvp")
        inputs = _fresh(inputs, create_graph)
        v = _direction(v, inputs, "jvp", "the input")
        many_out, outputs = _called(func, inputs, "jvp")
        u = tuple(lampas.zeros_like(o, requires_grad=True) for o in outputs)
        grads = _gradients(outputs, inputs, u, True)
        grads = _filled(grads, inputs, strict, "jvp: the outputs do not depend on input {}, which strict=True forbids")
    with lampas.set_grad_enabled(create_graph or lampas.is_grad_enabled()):
        products = _gradients(grads, u, v, create_graph)
        products = _filled(products, outputs, strict, "jvp: output {} does not depend on the inputs")
    return _given_back(outputs, many_out, create_graph), _given_back(products, many_out, create_graph)


def jacobian(
    func: Callable,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """All derivatives of all outputs: for each output and input a tensor of shape ``output.shape + input.shape``.

    Args:
        func: takes tensors, returns a tensor or a tuple of them.
        inputs: a tensor or a tuple of them.
        create_graph: make the result differentiable.
        strict: an output that does not depend on an input is an error instead of zeros.
        vectorize, strategy: accepted; the result does not depend on them.

    Returns:
        One tensor, or a tuple for several inputs, or a tuple (outputs) of tuples (inputs).
    """
    if strategy not in ("forward-mode", "reverse-mode"):
        raise ValueError(f'Expected strategy to be either "forward-mode" or "reverse-mode", but got {strategy!r}')
    if strategy == "forward-mode" and not vectorize:
        raise NotImplementedError('strategy="forward-mode" needs vectorize=True, as in PyTorch')
    with lampas.enable_grad():
        many_in, inputs = _tuple(inputs, "inputs", "jacobian")
        inputs = _fresh(inputs, create_graph)
        many_out, outputs = _called(func, inputs, "jacobian")
        rows = []
        for i, output in enumerate(outputs):
            if strict and not output.requires_grad:
                raise RuntimeError(f"jacobian: output {i} does not depend on the inputs, which strict=True forbids")
            columns: list[list[lampas.Tensor]] = [[] for _ in inputs]
            for element in output.reshape(-1):
                grads = _gradients((element,), inputs, None, create_graph)
                message = f"jacobian: output {i} does not depend on input {{}}, which strict=True forbids"
                for column, g in zip(columns, _filled(grads, inputs, strict, message), strict=True):
                    if strict and create_graph and not g.requires_grad:
                        raise RuntimeError(
                            "jacobian: the Jacobian does not depend on the inputs, which strict=True forbids"
                        )
                    column.append(g)
            rows.append(
                tuple(
                    (lampas.stack(column) if column else t.new_zeros((0, *t.shape))).reshape(output.shape + t.shape)
                    for column, t in zip(columns, inputs, strict=True)
                )
            )
    if not create_graph:
        rows = [tuple(t.detach() for t in row) for row in rows]
    results = [row if many_in else row[0] for row in rows]
    return tuple(results) if many_out else results[0]


def _single_number(func: Callable, name: str) -> Callable:
    def checked(*inputs: lampas.Tensor) -> lampas.Tensor:
        output = func(*inputs)
        several, outputs = _tuple(output, "the outputs of the given function", name)
        if several or outputs[0].numel() != 1:
            raise RuntimeError(f"The function given to {name} should return a single Tensor with one element")
        return outputs[0].reshape(())

    return checked


def hessian(
    func: Callable,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """All second derivatives of a function that returns a single number.

    Returns:
        A tensor of shape ``input.shape + input.shape``, or for several inputs a tuple of tuples of them.
    """
    several, inputs = _tuple(inputs, "inputs", "hessian")
    single = _single_number(func, "hessian")

    def gradient(*values: lampas.Tensor) -> Any:
        result = jacobian(single, values, create_graph=True, strict=strict)
        return (
            tuple(g if g.requires_grad else g + 0 * t for g, t in zip(result, values, strict=True))
            if not strict
            else result
        )

    result = jacobian(gradient, inputs, create_graph, strict, vectorize, outer_jacobian_strategy)
    return result if several else result[0][0]


def vhp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """``func(*inputs)`` (a single number) and the product of ``v`` with its Hessian, in the shape of ``inputs``."""
    with lampas.enable_grad():
        several, inputs = _tuple(inputs, "inputs", "vhp")
        inputs = _fresh(inputs, create_graph)
        v = _direction(v, inputs, "vhp", "the input")
        output = _single_number(func, "vhp")(*inputs)
        first = _gradients((output,), inputs, None, True)
        first = _filled(first, inputs, strict, "vhp: the output does not depend on input {}, which strict=True forbids")
    with lampas.set_grad_enabled(create_graph or lampas.is_grad_enabled()):
        second = _gradients(first, inputs, v, create_graph)
        second = _filled(
            second, inputs, strict, "vhp: the gradient does not depend on input {}, which strict=True forbids"
        )
    return _given_back((output,), False, create_graph), _given_back(second, several, create_graph)


def hvp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """``func(*inputs)`` (a single number) and its Hessian times ``v``: :func:`vhp`, as it is symmetric."""
    with lampas.enable_grad():
        several, inputs = _tuple(inputs, "inputs", "hvp")
        inputs = _fresh(inputs, create_graph)
        v = _direction(v, inputs, "hvp", "the input")
        output = _single_number(func, "hvp")(*inputs)
        first = _gradients((output,), inputs, None, True)
        first = _filled(first, inputs, strict, "hvp: the output does not depend on input {}, which strict=True forbids")
        u = tuple(lampas.zeros_like(t, requires_grad=True) for t in inputs)
        product = _gradients(first, inputs, u, True)
        product = _filled(
            product, inputs, strict, "hvp: the gradient does not depend on input {}, which strict=True forbids"
        )
    with lampas.set_grad_enabled(create_graph or lampas.is_grad_enabled()):
        second = _filled(_gradients(product, u, v, create_graph), inputs, False, "")
    return _given_back((output,), False, create_graph), _given_back(second, several, create_graph)
