"""The graph of sparse tensors: two nodes lead from a sparse tensor to its values and back.

Between them ops work on values by the engine's ops, which know their own gradients. The gradient of a sparse tensor is
a sparse tensor of the same pattern, or a dense one.
"""

from __future__ import annotations

import functools
from typing import Any

import lampas
from lampas import Tensor
from lampas._sparse.pattern import gathered, scattered
from lampas.autograd.function import BackwardFunction, Function

__all__ = ["densified", "made", "named", "values_of"]


class _Values(Function):
    """The values of a sparse tensor."""

    @staticmethod
    def forward(ctx: Any, sparse: Any) -> Tensor:
        ctx.pattern = sparse._pattern
        return sparse._held.detach()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return made(ctx.pattern, g)


class _Held(Function):
    """The sparse tensor of some values."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, pattern: Any) -> Any:
        ctx.pattern = pattern
        return pattern.hold(values.detach())

    @staticmethod
    def backward(ctx: Any, g: Any) -> tuple:
        return ctx.pattern.picked(g), None


class _Dense(Function):
    """All elements of the sparse tensor of some values."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, pattern: Any) -> Tensor:
        ctx.indices = pattern.indices
        dense = lampas.zeros(pattern.size, dtype=values.dtype, device=values.device)
        return scattered(dense, pattern.indices, values)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple:
        return gathered(g, ctx.indices), None


@functools.cache
def named(function: type[Function], node: str) -> type[Function]:
    """``function`` with nodes of this name, as PyTorch's graph calls them."""
    variant = type(function.__name__, (function,), {})
    variant._backward_cls = type(node, (BackwardFunction,), {"_forward_cls": variant})
    return variant


def densified(values: Tensor, pattern: Any) -> Tensor:
    """All elements of the sparse tensor of these values, differentiable."""
    return named(_Dense, "ToDenseBackward0").apply(values, pattern)


def values_of(sparse: Any) -> Tensor:
    """The values of a sparse tensor, differentiable."""
    if sparse.requires_grad and lampas.is_grad_enabled():
        return named(_Values, "ValuesBackward0").apply(sparse)
    return sparse._held


def made(pattern: Any, values: Tensor, node: str = "SparseCooTensorWithDimsAndTensorsBackward0") -> Any:
    """The sparse tensor of these values, differentiable; ``node`` is what its ``grad_fn`` is called."""
    if values.requires_grad:
        if lampas.is_grad_enabled():
            return named(_Held, node).apply(values, pattern)
        values = values.detach()
    return pattern.hold(values)
