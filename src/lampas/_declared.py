"""Functions computed outside the engine, by NumPy or SciPy, with a gradient declared in terms of ops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lampas

__all__ = ["array", "computed_by", "declared", "floating", "tensor_like"]


def array(x: lampas.Tensor) -> Any:
    """The values as a NumPy array; bfloat16 and float16 as float32, which NumPy's libraries can compute with."""
    if x.dtype in (lampas.bfloat16, lampas.float16):
        x = x.to(lampas.float32)
    return x.detach().numpy()


def tensor_like(values: Any, like: lampas.Tensor) -> lampas.Tensor:
    """An array as a tensor; halves where ``like`` is half."""
    import numpy as np

    made = lampas.from_numpy(np.array(values, order="C", copy=True))
    half = like.dtype in (lampas.bfloat16, lampas.float16)
    return made.to(like.dtype) if half and made.is_floating_point() else made


def floating(x: lampas.Tensor) -> lampas.Tensor:
    """``x``, or ``x`` in the default dtype where it is an integer or bool."""
    return x if x.is_floating_point() or x.is_complex() else x.to(lampas.get_default_dtype())


def declared(node: str, compute: Callable[..., Any], gradient: Callable[..., Any]) -> Callable[..., Any]:
    """A differentiable function ``f(*tensors, **constants)``.

    Args:
        node: the name its node has in the graph.
        compute: ``compute(*tensors, **constants)`` gives a tensor or a tuple of them; nothing it does is recorded.
        gradient: ``gradient(inputs, outputs, grads, **constants)`` gives one gradient per input (None: it has none),
            made of ops, so that gradients of gradients follow. A gradient in ``grads`` that nobody uses is None.
    """
    kept: list[type] = []

    def function_class() -> type:
        class Declared(lampas.autograd.Function):
            @staticmethod
            def forward(ctx: Any, constants: dict[str, Any], *tensors: Any) -> Any:
                result = compute(*tensors, **constants)
                outputs = result if isinstance(result, tuple) else (result,)
                ctx.set_materialize_grads(False)
                ctx.mark_non_differentiable(*(t for t in outputs if not (t.is_floating_point() or t.is_complex())))
                ctx.save_for_backward(*tensors, *outputs)
                ctx.constants, ctx.count = constants, len(tensors)
                return result

            @staticmethod
            def backward(ctx: Any, *grads: Any) -> Any:
                saved = ctx.saved_tensors
                inputs, outputs = saved[: ctx.count], saved[ctx.count :]
                if all(g is None for g in grads):
                    return (None,) * (1 + ctx.count)
                found = gradient(inputs, outputs, grads, **ctx.constants)
                return (None, *(found if isinstance(found, tuple) else (found,)))

        Declared.__name__ = Declared.__qualname__ = node
        Declared._backward_cls = type(node, (Declared._backward_cls,), {"_forward_cls": Declared})
        return Declared

    def call(*tensors: lampas.Tensor, **constants: Any) -> Any:
        if not lampas.is_grad_enabled() or not any(t.requires_grad for t in tensors):
            return compute(*tensors, **constants)
        if not kept:
            kept.append(function_class())
        return kept[0].apply(constants, *tensors)

    return call


def computed_by(function: str, *tensors: lampas.Tensor, **constants: Any) -> lampas.Tensor:
    """``scipy.special.<function>`` of tensors of one floating dtype, element by element, with NumPy's broadcasting."""
    import numpy as np
    import scipy.special

    with np.errstate(all="ignore"):
        values = getattr(scipy.special, function)(*(array(t) for t in tensors), **constants)
    return tensor_like(values, tensors[0]).to(tensors[0].dtype)
