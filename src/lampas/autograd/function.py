"""Operations whose gradient the user writes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import lampas
from lampas import _C

__all__ = ["Function", "FunctionCtx", "once_differentiable"]

# What forward and backward get as ``ctx``: save_for_backward, saved_tensors, needs_input_grad, mark_dirty,
# mark_non_differentiable, set_materialize_grads.
FunctionCtx = _C._FunctionBase


class BackwardFunction(_C._FunctionBase):
    """The context of one call and its node in the graph.

    ``Function.apply`` (compiled) makes a ``cls._backward_cls()`` as ``ctx``, calls ``cls.forward(ctx, *args)``, or
    ``cls.forward(*args)`` and ``cls.setup_context(ctx, args, output)`` where ``cls._uses_setup_context``, and records
    ``ctx`` as the node; backward then calls ``ctx.apply(*grads)``.
    """

    _forward_cls: type

    def apply(self, *grads: Any) -> Any:
        cls = self._forward_cls
        if cls.vjp is Function.vjp:
            return cls.backward(self, *grads)
        if cls.backward is not Function.backward:
            raise RuntimeError(
                f"{cls.__name__} defines both 'backward' and 'vjp', which are two names of one thing; keep one of them"
            )
        return cls.vjp(self, *grads)


class Function(_C._FunctionBase):
    """An operation with a gradient of one's own: subclass, define :meth:`forward` and :meth:`backward`, call ``apply``.

    ``forward`` runs without recording. ``backward`` gets one gradient per output and returns one per input of
    ``forward`` (``None`` for what has none); what it computes is recorded when gradients of gradients are asked for.

    >>> class Exp(lampas.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         y = x.exp()
    ...         ctx.save_for_backward(y)
    ...         return y
    ...     @staticmethod
    ...     def backward(ctx, grad):
    ...         (y,) = ctx.saved_tensors
    ...         return grad * y
    >>> Exp.apply(x)
    """

    _uses_setup_context = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _give_node_class(cls)
        cls._uses_setup_context = cls.setup_context is not Function.setup_context

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError(
            f"{type(self).__name__} is not to be instantiated: its methods are static, call "
            f"{type(self).__name__}.apply(...)"
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """The operation: ``forward(ctx, *inputs)``, or ``forward(*inputs)`` beside a :meth:`setup_context`."""
        raise NotImplementedError("an autograd.Function must define a static method forward")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Any) -> None:
        """Save what backward needs, where ``forward`` does without ``ctx``."""
        raise NotImplementedError("this autograd.Function defines no setup_context")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """From the gradients of the outputs to those of the inputs."""
        raise NotImplementedError(
            "an autograd.Function must define a static method backward (or vjp) before gradients can flow through it"
        )

    vjp = backward

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """The derivative in a direction, for forward mode."""
        raise NotImplementedError(
            "an autograd.Function must define a static method jvp to be differentiated in forward mode"
        )

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run :meth:`forward` and record a node whose gradient is :meth:`backward`."""
        if cls._uses_setup_context and (kwargs or len(args) != _positional(cls.forward)):
            args, kwargs = _with_defaults(cls.forward, args, kwargs)
        return super().apply(*args, **kwargs)


def _give_node_class(cls: type) -> None:
    """The class of the nodes that calls of ``cls`` record, named as the graph shows it."""
    cls._backward_cls = type(cls.__name__ + "Backward", (BackwardFunction,), {"_forward_cls": cls})


_give_node_class(Function)


def _positional(function: Callable) -> int:
    code = getattr(function, "__code__", None)
    return -1 if code is None or code.co_flags & 0x0C else code.co_argcount


def _with_defaults(function: Callable, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    """Arguments by position, defaults filled in: ``setup_context`` sees them all."""
    import inspect

    bound = inspect.signature(function).bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.args, bound.kwargs


class _NotTwice(Function):
    """Passes values through; asking for their gradient is an error."""

    @staticmethod
    def forward(ctx: Any, *values: Any) -> Any:
        return tuple(v.view_as(v) if isinstance(v, lampas.Tensor) else v for v in values)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")


def once_differentiable(backward: Callable) -> Callable:
    """For a ``backward`` that does not consist of recorded operations: its result has no gradient of its own.

    Asking for one raises ``RuntimeError`` instead of giving a wrong number.
    """

    @functools.wraps(backward)
    def wrapper(ctx: Any, *grads: Any) -> Any:
        with lampas.no_grad():
            outputs = backward(ctx, *grads)
        if not lampas.is_grad_enabled():
            return outputs
        if not any(isinstance(g, lampas.Tensor) and g.requires_grad for g in grads):
            return outputs
        single = not isinstance(outputs, tuple)
        values = [
            v.detach().requires_grad_() if isinstance(v, lampas.Tensor) else v
            for v in ((outputs,) if single else outputs)
        ]
        passed = _NotTwice.apply(*values)
        return passed[0] if single else passed

    return wrapper
