"""Trading time for memory: part of a network is run again in the backward pass instead of keeping what it computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lampas

__all__ = ["checkpoint", "checkpoint_sequential"]


class _Checkpoint(lampas.autograd.Function):
    @staticmethod
    def forward(ctx: Any, function: Callable, preserve: Any, keywords: dict, *inputs: Any) -> Any:
        ctx.function, ctx.keywords = function, keywords
        ctx.state = lampas.get_rng_state() if preserve else None
        ctx.places = [i for i, v in enumerate(inputs) if isinstance(v, lampas.Tensor)]
        ctx.others = [None if isinstance(v, lampas.Tensor) else v for v in inputs]
        ctx.save_for_backward(*(inputs[i] for i in ctx.places))
        return function(*inputs, **keywords)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        inputs = list(ctx.others)
        for place, tensor in zip(ctx.places, ctx.saved_tensors, strict=True):
            inputs[place] = tensor.detach().requires_grad_(tensor.requires_grad)
        before = lampas.get_rng_state() if ctx.state is not None else None
        try:
            if ctx.state is not None:
                lampas.set_rng_state(ctx.state)
            with lampas.enable_grad():
                outputs = ctx.function(*inputs, **ctx.keywords)
        finally:
            if before is not None:
                lampas.set_rng_state(before)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        pairs = [
            (o, g)
            for o, g in zip(outputs, grads, strict=True)
            if isinstance(o, lampas.Tensor) and o.requires_grad and g is not None
        ]
        if pairs:
            lampas.autograd.backward([o for o, _ in pairs], [g for _, g in pairs])
        found = tuple(v.grad if isinstance(v, lampas.Tensor) else None for v in inputs)
        return (None, None, None, *found)


def checkpoint(
    function: Callable, *args: Any, use_reentrant: Any = None, preserve_rng_state: Any = True, **kwargs: Any
) -> Any:
    """``function(*args, **kwargs)``, whose inner results are not kept but computed again by the backward pass.

    Random numbers are the same both times unless ``preserve_rng_state=False``. ``use_reentrant`` is accepted; both
    of PyTorch's ways give these results. (T. Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016.)

    >>> y = lampas.utils.checkpoint.checkpoint(block, x, use_reentrant=False)
    """
    ignored = {"context_fn", "determinism_check", "debug", "early_stop"}
    keywords = {k: v for k, v in kwargs.items() if k not in ignored}
    needs = any(isinstance(v, lampas.Tensor) and v.requires_grad for v in args)
    if not lampas.is_grad_enabled():
        return function(*args, **keywords)
    if not needs and not use_reentrant:
        # Only the function's own parameters want gradients: an input that does makes the call a part of the graph.
        token = lampas.zeros(0, requires_grad=True)
        return _Checkpoint.apply(
            lambda _, *rest, **more: function(*rest, **more), preserve_rng_state, keywords, token, *args
        )
    return _Checkpoint.apply(function, preserve_rng_state, keywords, *args)


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: Any = None, preserve_rng_state: Any = True
) -> Any:
    """Runs a Sequential in ``segments`` parts, each but the last under :func:`checkpoint`."""
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
        input = checkpoint(run(part), input, use_reentrant=use_reentrant, preserve_rng_state=preserve_rng_state)
    return run(modules[(segments - 1) * size :])(input)
