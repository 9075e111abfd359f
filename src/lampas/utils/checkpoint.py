"""Trading time for memory: part of a network is run again in the backward pass instead of keeping what it computed."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import lampas

__all__ = [
    "CheckpointError",
    "CheckpointFunction",
    "checkpoint",
    "checkpoint_sequential",
    "detach_variable",
    "noop_context_fn",
    "set_checkpoint_debug_enabled",
    "set_checkpoint_early_stop",
]


class CheckpointError(RuntimeError):
    """The second run of a function saved other tensors than the first one."""


class _Surroundings:
    """What the second run must find as the first one did: random numbers and autocast."""

    def __init__(self, preserve_rng_state: bool) -> None:
        self.rng = lampas.get_rng_state() if preserve_rng_state else None
        self.autocast = lampas.is_autocast_enabled("cpu")
        self.dtype = lampas.get_autocast_dtype("cpu")

    @contextlib.contextmanager
    def again(self) -> Iterator[None]:
        before = lampas.get_rng_state() if self.rng is not None else None
        try:
            if self.rng is not None:
                lampas.set_rng_state(self.rng)
            with lampas.enable_grad(), lampas.autocast("cpu", dtype=self.dtype, enabled=self.autocast):
                yield
        finally:
            if before is not None:
                lampas.set_rng_state(before)


# --- by hooks of saved tensors --------------------------------------------------------------------------------------


class _SavedInputs(lampas.autograd.Function):
    """A node that holds tensors as any other does: within another checkpoint they are not kept, but computed again."""

    @staticmethod
    def forward(ctx: Any, token: lampas.Tensor, *tensors: lampas.Tensor) -> lampas.Tensor:
        ctx.save_for_backward(*tensors)
        return token.new_empty((0,))

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        raise AssertionError("nothing is computed from this node")


class _Inputs:
    """The arguments of a function."""

    def __init__(self, args: tuple, kwargs: dict[str, Any]) -> None:
        values = [*args, *kwargs.values()]
        self.count, self.names = len(args), list(kwargs)
        self.places = [i for i, v in enumerate(values) if isinstance(v, lampas.Tensor)]
        self.others = [None if isinstance(v, lampas.Tensor) else v for v in values]
        token = lampas.empty((0,), requires_grad=True)
        self.node = _SavedInputs.apply(token, *(values[i] for i in self.places)).grad_fn

    def get(self) -> tuple[list, dict[str, Any]]:
        values = list(self.others)
        for place, tensor in zip(self.places, self.node.saved_tensors, strict=True):
            values[place] = tensor
        return values[: self.count], dict(zip(self.names, values[self.count :], strict=True))


class _Frame:
    """One call under :func:`checkpoint`: what it saved, by number, and how to compute that again."""

    def __init__(self, run: Callable[[], Any], check: bool) -> None:
        self.run, self.check = run, check
        self.facts: list[tuple] = []
        self.values: dict[int, lampas.Tensor] = {}

    @staticmethod
    def _facts(tensor: lampas.Tensor) -> tuple:
        return tuple(tensor.shape), tensor.dtype, tensor.device

    def pack(self, tensor: lampas.Tensor) -> int:
        self.facts.append(self._facts(tensor))
        return len(self.facts) - 1

    def unpack(self, number: int) -> lampas.Tensor:
        if number not in self.values:
            self._compute()
        # What the pass has used is let go; a second pass computes it again.
        return self.values.pop(number)

    def _compute(self) -> None:
        found: list[lampas.Tensor] = []

        def keep(tensor: lampas.Tensor) -> lampas.Tensor:
            found.append(tensor.detach())
            return found[-1]

        with lampas.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            self.run()
        if len(found) != len(self.facts):
            raise CheckpointError(
                "torch.utils.checkpoint: A different number of tensors was saved during the original forward and "
                f"recomputation.\nNumber of tensors saved during forward: {len(self.facts)}\nNumber of tensors saved "
                f"during recomputation: {len(found)}"
            )
        if self.check:
            wrong = [
                f"tensor at position {i}: saved {_told(facts)}, recomputed {_told(self._facts(tensor))}"
                for i, (facts, tensor) in enumerate(zip(self.facts, found, strict=True))
                if facts != self._facts(tensor)
            ]
            if wrong:
                raise CheckpointError(
                    "torch.utils.checkpoint: Recomputed values for the following tensors have different metadata than "
                    "during the forward pass.\n" + "\n".join(wrong)
                )
        self.values = dict(enumerate(found))


def _told(facts: tuple) -> str:
    shape, dtype, device = facts
    return f"shape {list(shape)}, {dtype}, {device}"


def noop_context_fn() -> tuple[contextlib.AbstractContextManager, contextlib.AbstractContextManager]:
    """Two regions that change nothing."""
    return contextlib.nullcontext(), contextlib.nullcontext()


def _by_hooks(
    function: Callable, args: tuple, kwargs: dict[str, Any], preserve: bool, context_fn: Callable, check: bool
) -> Any:
    surroundings = _Surroundings(preserve)
    first, second = context_fn()
    inputs = _Inputs(args, kwargs)

    def again() -> None:
        values, named = inputs.get()
        with surroundings.again(), second:
            function(*values, **named)

    frame = _Frame(again, check)
    with lampas.autograd.graph.saved_tensors_hooks(frame.pack, frame.unpack), first:
        return function(*args, **kwargs)


# --- by a function with a backward pass of its own ------------------------------------------------------------------


class CheckpointFunction(lampas.autograd.Function):
    """A function that runs without recording, and in its backward pass once more with it."""

    @staticmethod
    def forward(ctx: Any, run_function: Callable, preserve_rng_state: bool, *args: Any) -> Any:
        ctx.function = run_function
        ctx.surroundings = _Surroundings(preserve_rng_state)
        ctx.places = [i for i, v in enumerate(args) if isinstance(v, lampas.Tensor)]
        ctx.others = [None if isinstance(v, lampas.Tensor) else v for v in args]
        ctx.save_for_backward(*(args[i] for i in ctx.places))
        return run_function(*args)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        inputs = list(ctx.others)
        for place, tensor in zip(ctx.places, ctx.saved_tensors, strict=True):
            inputs[place] = tensor
        inputs = list(detach_variable(tuple(inputs)))
        with ctx.surroundings.again():
            outputs = ctx.function(*inputs)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        pairs = [
            (o, g)
            for o, g in zip(outputs, grads, strict=True)
            if isinstance(o, lampas.Tensor) and o.requires_grad and g is not None
        ]
        if not pairs:
            raise RuntimeError("none of output has requires_grad=True, this checkpoint() is not necessary")
        lampas.autograd.backward([o for o, _ in pairs], [g for _, g in pairs])
        return (None, None, *(v.grad if isinstance(v, lampas.Tensor) else None for v in inputs))


def detach_variable(inputs: tuple) -> tuple:
    """The same values as new leaves, which require gradients where the old tensors did.

    Raises:
        RuntimeError: ``inputs`` is no tuple.
    """
    if not isinstance(inputs, tuple):
        raise RuntimeError(f"Only tuple of tensors is supported. Got Unsupported input type: {type(inputs).__name__}")
    return tuple(v.detach().requires_grad_(v.requires_grad) if isinstance(v, lampas.Tensor) else v for v in inputs)


# --- what programs call ---------------------------------------------------------------------------------------------


def _chosen(use_reentrant: bool | None) -> bool:
    if use_reentrant is not None:
        return use_reentrant
    warnings.warn(
        "torch.utils.checkpoint: the use_reentrant parameter should be passed explicitly; False is recommended, and "
        "True is what is done without it",
        UserWarning,
        stacklevel=3,
    )
    return True


def checkpoint(
    function: Callable,
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    **kwargs: Any,
) -> Any:
    """``function(*args, **kwargs)``, whose inner results are not kept but computed again by the backward pass.

    (T. Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016.)

    Args:
        use_reentrant: False (recommended) takes any arguments and results. True runs the function without recording
            first: one of the tensors among ``args`` must require a gradient, and only tensors in a tuple get one.
            Left out, True, with a warning.
        preserve_rng_state: random numbers are the same both times (default).
        context_fn: gives two context managers, for the first and the second run; for ``use_reentrant=False``.
        determinism_check: "default" compares shape, dtype and device of what both runs save, "none" does not.
        debug, early_stop: accepted; the second run always ends by itself.

    Raises:
        CheckpointError: in the backward pass: the second run saves other tensors.
        ValueError: arguments by name, or ``context_fn``, with ``use_reentrant=True``; an unknown check.

    >>> y = lampas.utils.checkpoint.checkpoint(block, x, use_reentrant=False)
    """
    preserve = kwargs.pop("preserve_rng_state", True)
    if determinism_check not in ("default", "none"):
        raise ValueError(f"determinism_check should be one of ['default', 'none'], but got {determinism_check}")
    if _chosen(use_reentrant):
        if kwargs:
            raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
        if context_fn is not noop_context_fn or debug:
            raise ValueError("Passing `context_fn` or `debug` is only supported when use_reentrant=False.")
        if not any(isinstance(v, lampas.Tensor) and v.requires_grad for v in args):
            warnings.warn(
                "None of the inputs have requires_grad=True. Gradients will be None", UserWarning, stacklevel=2
            )
        return CheckpointFunction.apply(function, preserve, *args)
    if not lampas.is_grad_enabled():
        first, _ = context_fn()
        with first:
            return function(*args, **kwargs)
    return _by_hooks(function, args, kwargs, preserve, context_fn, determinism_check == "default")


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """Runs a Sequential, or a list of functions, in ``segments`` parts, each but the last under :func:`checkpoint`.

    Raises:
        ValueError: an unknown argument by name.
    """
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    use_reentrant = _chosen(use_reentrant)
    modules = list(functions.children()) if isinstance(functions, lampas.nn.Sequential) else list(functions)

    def run(part: list) -> Callable:
        def forward(value: Any) -> Any:
            for module in part:
                value = module(value)
            return value

        return forward

    size = len(modules) // segments
    for index in range(segments - 1):
        part = modules[index * size : (index + 1) * size]
        input = checkpoint(run(part), input, use_reentrant=use_reentrant, preserve_rng_state=preserve)
    return run(modules[(segments - 1) * size :])(input)


@contextlib.contextmanager
def set_checkpoint_early_stop(enable: bool) -> Iterator[None]:
    """Accepted: a region in which the second run may end early; it always ends by itself."""
    yield


@contextlib.contextmanager
def set_checkpoint_debug_enabled(enabled: bool | None) -> Iterator[None]:
    """Accepted: a region with longer messages; messages name what differs in any case."""
    yield
