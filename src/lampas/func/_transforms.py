"""Derivatives of functions, made of backward passes over a graph of the transform's own.

A transform calls the function with tensors that begin a new graph: a tensor that requires no gradient is followed by a
new leaf, one that does by a view, so that an outer transform, or the program's own backward pass, can go through.
Results keep their graph only where it leads to a leaf that is not the transform's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import lampas
from lampas.func._tree import Spec, flatten, mapped, unflatten

__all__ = ["grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize", "vjp"]


# --- arguments ------------------------------------------------------------------------------------------------------


def _places(argnums: Any, count: int) -> tuple[int, ...]:
    """The positions asked for, none negative."""
    if not isinstance(argnums, int) and not (isinstance(argnums, tuple) and all(isinstance(n, int) for n in argnums)):
        raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(argnums)}")
    given = (argnums,) if isinstance(argnums, int) else argnums
    if not given:
        raise RuntimeError("argnums must be non-empty")
    found = []
    for n in given:
        if not -count <= n < count:
            raise RuntimeError(f"Got argnum={n}, but only {count} positional inputs")
        found.append(n % count)
    if len(set(found)) != len(found):
        raise RuntimeError(f"argnums elements must be unique, got {argnums}")
    return tuple(found)


class _Inputs:
    """The tensors to differentiate by, as they are handed to the function."""

    def __init__(self, trees: tuple) -> None:
        given, self.spec = flatten(trees)
        for value in given:
            if not isinstance(value, lampas.Tensor):
                raise ValueError(f"Thing passed to transform API must be Tensor, got {type(value)}")
            if not (value.is_floating_point() or value.is_complex()):
                raise RuntimeError(
                    f"only Tensors of floating point dtype can require gradients, but an input has {value.dtype}"
                )
        self.tensors = [t.view_as(t) if t.requires_grad else t.detach().requires_grad_() for t in given]
        self.own = {id(t) for t in self.tensors}
        self.trees: tuple = unflatten(self.tensors, self.spec)

    def lead_outside(self, outputs: Iterable[lampas.Tensor]) -> bool:
        """Whether the graph of these leads to a leaf that the transform did not make."""
        waiting = [t.grad_fn for t in outputs if t.grad_fn is not None]
        if any(t.requires_grad and t.is_leaf and id(t) not in self.own for t in outputs):
            return True
        seen: set[Any] = set()
        while waiting:
            node = waiting.pop()
            if node in seen:
                continue
            seen.add(node)
            variable = getattr(node, "variable", None)
            if variable is not None and id(variable) not in self.own:
                return True
            waiting.extend(below for below, _ in node.next_functions if below is not None)
        return False


def _gradients(
    outputs: list[lampas.Tensor],
    inputs: list[lampas.Tensor],
    starts: list | None,
    create_graph: bool,
    retain: bool = True,
) -> list[lampas.Tensor]:
    """The gradients by ``inputs``, zeros where nothing leads to one."""
    starts = [None] * len(outputs) if starts is None else starts
    live = [(o, s) for o, s in zip(outputs, starts, strict=True) if o.requires_grad]
    if not live:
        return [lampas.zeros_like(t) for t in inputs]
    found = lampas.autograd.grad(
        [o for o, _ in live],
        inputs,
        [s for _, s in live],
        retain_graph=retain or create_graph,
        create_graph=create_graph,
        allow_unused=True,
    )
    return [lampas.zeros_like(t) if g is None else g for g, t in zip(found, inputs, strict=True)]


def _released(tree: Any, keep: bool) -> Any:
    """The results without their graph, unless it leads outside."""
    return tree if keep else mapped(lambda t: t.detach() if isinstance(t, lampas.Tensor) else t, tree)


def _tensors_only(tree: Any, where: str) -> tuple[list[lampas.Tensor], Spec]:
    leaves, spec = flatten(tree)
    for leaf in leaves:
        if not isinstance(leaf, lampas.Tensor):
            raise RuntimeError(
                f"{where}: expected f(*primals) to return only tensors, got unsupported type {type(leaf)}"
            )
    return leaves, spec


def _with_aux(result: Any, has_aux: bool, where: str) -> tuple[Any, Any]:
    if not has_aux:
        return result, None
    if not (isinstance(result, tuple) and len(result) == 2):
        raise RuntimeError(f"{where}: output of function f should be a tuple: (output, aux) if has_aux is True")
    for leaf in flatten(result[1])[0]:
        if not isinstance(leaf, lampas.Tensor):
            raise RuntimeError(f"Expected tensors, got unsupported type {type(leaf)}")
    return result


def _replaced(args: tuple, places: tuple[int, ...], values: tuple) -> list:
    args_ = list(args)
    for place, value in zip(places, values, strict=True):
        args_[place] = value
    return args_


# --- gradients ------------------------------------------------------------------------------------------------------


def grad_and_value(func: Callable, argnums: Any = 0, has_aux: bool = False) -> Callable:
    """As `grad`, for a pair: the gradient, and what the function gave (with ``has_aux`` the pair it gave).

    >>> grad_and_value(lambda x: x * x)(lampas.tensor(3.0))
    (tensor(6.), tensor(9.))
    """

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        outside = lampas.is_grad_enabled()
        places = _places(argnums, len(args))
        where = "grad_and_value(f)(*args)"
        with lampas.enable_grad():
            inputs = _Inputs(tuple(args[n] for n in places))
            output, aux = _with_aux(func(*_replaced(args, places, inputs.trees), **kwargs), has_aux, where)
            if not isinstance(output, lampas.Tensor):
                raise RuntimeError(f"{where}: Expected f(*args) to return a Tensor, got {type(output)}")
            if output.dim() != 0:
                raise RuntimeError(
                    f"{where}: Expected f(*args) to return a scalar Tensor, got tensor with {output.dim()} dims. "
                    "Maybe you wanted to use the vjp or jacrev APIs instead?"
                )
            keep = outside and inputs.lead_outside([output, *flatten(aux)[0]] if has_aux else [output])
            found: Any = unflatten(_gradients([output], inputs.tensors, None, keep, retain=False), inputs.spec)
        found = found[0] if isinstance(argnums, int) else found
        value = _released((output, aux) if has_aux else output, keep)
        return found, value

    return wrapper


def grad(func: Callable, argnums: Any = 0, has_aux: bool = False) -> Callable:
    """The function that gives the gradient of a function whose result is a single number.

    Args:
        func: a function of tensors, or structures of them, and of anything else.
        argnums: which positional arguments to differentiate by; a tuple gives a tuple of gradients.
        has_aux: the function gives ``(output, aux)``, and the result is ``(gradient, aux)``.

    Raises:
        RuntimeError: the result is no 0-dimensional tensor, no such argument, or one of integers.
        ValueError: an argument to differentiate by is no tensor.

    >>> grad(grad(lambda x: x**3))(lampas.tensor(2.0))
    tensor(12.)
    """

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        found, value = grad_and_value(func, argnums, has_aux)(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return wrapper


# --- products -------------------------------------------------------------------------------------------------------


def vjp(func: Callable, *primals: Any, has_aux: bool = False) -> Any:
    """What the function gives, and a function from a vector u to the product of u with the Jacobian.

    Args:
        primals: the function's arguments, tensors or structures of them.
        has_aux: the function gives ``(output, aux)``; aux is returned third.

    Returns:
        ``(output, vjp_fn)``; ``vjp_fn(u)``, with u in the structure of the output, gives a tuple, one product for each
        argument, and can be called again.

    Raises:
        RuntimeError: the function gives something else than tensors; u has another structure or shape.

    >>> output, vjp_fn = vjp(lambda x: x * x, lampas.tensor([1.0, 2.0]))
    >>> vjp_fn(lampas.ones(2))
    (tensor([2., 4.]),)
    """
    outside = lampas.is_grad_enabled()
    where = "vjp(f, *primals)"
    with lampas.enable_grad():
        inputs = _Inputs(primals)
        output, aux = _with_aux(func(*inputs.trees), has_aux, where)
        outputs, spec = _tensors_only(output, where)
        leads = inputs.lead_outside(outputs + flatten(aux)[0] if has_aux else outputs)

    def vjp_fn(cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> tuple:
        starts, given = flatten(cotangents)
        if given != spec:
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of outputs to the "
                f"function. cotangents: {given}, primal output: {spec}"
            )
        if create_graph is None:
            create_graph = lampas.is_grad_enabled() and (leads or any(s.requires_grad for s in starts))
        return unflatten(_gradients(outputs, inputs.tensors, starts, create_graph, retain_graph), inputs.spec)

    keep = outside and leads
    if has_aux:
        return _released(output, keep), vjp_fn, _released(aux, keep)
    return _released(output, keep), vjp_fn


class _Linear:
    """A function's Jacobian at one place, ready to be multiplied by vectors from the right.

    The product of a vector u with the Jacobian is linear in u; its gradient by u is the product with a vector from the
    other side.
    """

    def __init__(self, func: Callable, primals: tuple, has_aux: bool, where: str) -> None:
        with lampas.enable_grad():
            self.inputs = _Inputs(primals)
            self.output, self.aux = _with_aux(func(*self.inputs.trees), has_aux, where)
            self.outputs, self.spec = _tensors_only(self.output, where)
            self.leads = self.inputs.lead_outside(self.outputs)
            self.u = [lampas.zeros_like(o).requires_grad_() if _differentiable(o) else o for o in self.outputs]
            live = [(o, u) for o, u in zip(self.outputs, self.u, strict=True) if o.requires_grad]
            self.products = _gradients([o for o, _ in live], self.inputs.tensors, [u for _, u in live], True)

    def times(self, tangents: list[lampas.Tensor]) -> Any:
        for tensor, tangent in zip(self.inputs.tensors, tangents, strict=True):
            if tensor.shape != tangent.shape:
                raise RuntimeError(
                    f"a tangent must have the size of its primal: {list(tensor.shape)}, but it has "
                    f"{list(tangent.shape)}"
                )
        keep = lampas.is_grad_enabled() and (self.leads or any(t.requires_grad for t in tangents))
        wanted = [u for u in self.u if _differentiable(u)]
        with lampas.enable_grad():
            found = iter(_gradients(self.products, wanted, tangents, keep))
        results = [next(found) if _differentiable(u) else lampas.zeros_like(u) for u in self.u]
        return unflatten(results, self.spec)


def _differentiable(tensor: lampas.Tensor) -> bool:
    return tensor.is_floating_point() or tensor.is_complex()


def jvp(func: Callable, primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False) -> Any:
    """What the function gives, and the product of its Jacobian with a vector.

    Computed by two passes backward, so that the function needs a gradient of its gradient.

    Args:
        primals: a tuple of the function's arguments.
        tangents: the vector, in the structure of the arguments.
        strict: an output that does not depend on the arguments is an error instead of zeros.
        has_aux: the function gives ``(output, aux)``; aux is returned third.

    Raises:
        RuntimeError: ``primals`` is no tuple; other structures or sizes; results that are no tensors.

    >>> jvp(lambda x: x * x, (lampas.tensor(3.0),), (lampas.tensor(1.0),))
    (tensor(9.), tensor(6.))
    """
    where = "jvp(f, primals, tangents)"
    if not isinstance(primals, tuple):
        raise RuntimeError(f"{where}: Expected primals to be a tuple. E.g. it should be valid to call f(*primals).")
    given, spec = flatten(tangents)
    if spec != flatten(primals)[1]:
        raise RuntimeError(
            f"{where}: Expected primals and tangents to have the same python structure, but they have "
            f"{flatten(primals)[1]} and {spec}"
        )
    linear = _Linear(func, primals, has_aux, where)
    if strict and not all(o.requires_grad for o in linear.outputs):
        raise RuntimeError(f"{where}: an output does not depend on the primals, which strict=True forbids")
    product = linear.times(given)
    keep = lampas.is_grad_enabled() and linear.leads
    if has_aux:
        return _released(linear.output, keep), product, _released(linear.aux, keep)
    return _released(linear.output, keep), product


def linearize(func: Callable, *primals: Any) -> tuple[Any, Callable]:
    """What the function gives, and a function of tangents, one for each argument: the Jacobian's product with them.

    >>> output, product = linearize(lambda x: x * x, lampas.tensor(3.0))
    >>> product(lampas.tensor(2.0))
    tensor(12.)
    """
    linear = _Linear(func, primals, False, "linearize(f, *primals)")

    def jvp_fn(*tangents: Any) -> Any:
        given, spec = flatten(tangents)
        if spec != linear.inputs.spec:
            raise RuntimeError(
                f"expected tangents in the structure of the primals, {linear.inputs.spec}, but they have {spec}"
            )
        return linear.times(given)

    return _released(linear.output, lampas.is_grad_enabled() and linear.leads), jvp_fn


# --- Jacobians ------------------------------------------------------------------------------------------------------


def jacrev(func: Callable, argnums: Any = 0, *, has_aux: bool = False, chunk_size: int | None = None) -> Callable:
    """The function that gives all derivatives of all outputs of a function, by one pass backward for each number.

    Args:
        argnums: which positional arguments to differentiate by; a tuple gives a tuple for each output.
        has_aux: the function gives ``(output, aux)``, and the result is ``(jacobian, aux)``.
        chunk_size: accepted; one row is computed at a time.

    Returns:
        A function; for an output of shape A and an argument of shape B it gives a tensor of shape ``A + B``. Structures
        of outputs contain structures of arguments.

    Raises:
        ValueError: ``chunk_size`` is not positive.
        RuntimeError: as for `grad`, and where the function gives something else than tensors.

    >>> jacrev(lambda x: x * x)(lampas.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError("jacrev: `chunk_size` should be greater than 0.")

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        outside = lampas.is_grad_enabled()
        places = _places(argnums, len(args))
        where = "vjp(f, *primals)"
        with lampas.enable_grad():
            inputs = _Inputs(tuple(args[n] for n in places))
            output, aux = _with_aux(func(*_replaced(args, places, inputs.trees), **kwargs), has_aux, where)
            outputs, spec = _tensors_only(output, where)
            keep = outside and inputs.lead_outside(outputs)
            jacobians = []
            for one in outputs:
                columns: Any = unflatten(_jacobian(one, inputs.tensors, keep), inputs.spec)
                jacobians.append(columns[0] if isinstance(argnums, int) else columns)
        result = unflatten(jacobians, spec)
        return (result, _released(aux, keep)) if has_aux else result

    return wrapper


def _jacobian(output: lampas.Tensor, inputs: list[lampas.Tensor], keep: bool) -> list[lampas.Tensor]:
    rows: list[list[lampas.Tensor]] = []
    start = lampas.zeros((output.numel(),), dtype=output.dtype)
    for i in range(output.numel() if output.requires_grad else 0):
        unit = start.clone()
        unit[i] = 1
        rows.append(_gradients([output], inputs, [unit.view_as(output)], keep))
    if not rows:
        return [t.new_zeros((*output.shape, *t.shape)) for t in inputs]
    return [
        lampas.stack(column).view((*output.shape, *t.shape))
        for column, t in zip(zip(*rows, strict=True), inputs, strict=True)
    ]


def jacfwd(func: Callable, argnums: Any = 0, has_aux: bool = False, *, randomness: str = "error") -> Callable:
    """As `jacrev`, whose result it has; there is no forward mode that could be quicker for many outputs.

    ``randomness`` is accepted: the function is called once.
    """
    if randomness not in ("error", "same", "different"):
        raise RuntimeError(f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}")
    return jacrev(func, argnums, has_aux=has_aux)


def hessian(func: Callable, argnums: Any = 0) -> Callable:
    """The function that gives all second derivatives of a function.

    >>> hessian(lambda x: (x**3).sum())(lampas.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)
