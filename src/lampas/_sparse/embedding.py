"""Embedding tables whose gradients are sparse: a step costs what the rows in use cost."""

from __future__ import annotations

from typing import Any

import lampas
from lampas import Tensor
from lampas._sparse.graph import made, named
from lampas._sparse.pattern import CooPattern
from lampas.autograd.function import Function

__all__ = ["embedding", "embedding_bag"]


def _rows(size: tuple, rows: Tensor, values: Tensor, kept: Tensor | None) -> Any:
    """The gradient of the table: ``values`` at ``rows``, of which those where ``kept`` is true count."""
    if kept is not None and not bool(kept.all()):
        rows, values = rows[kept], values[kept]
    pattern = CooPattern(rows.unsqueeze(0), size, rows.shape[0] < 2)
    return made(pattern, values, "EmbeddingSparseBackward0")


class _Embedding(Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, input: Tensor, padding_idx: int) -> Tensor:
        ctx.rows, ctx.size, ctx.padding_idx = input, tuple(weight.shape), padding_idx
        return lampas.embedding(weight, input, padding_idx)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple:
        rows = ctx.rows.reshape(-1).to(lampas.int64)
        values = g.reshape(-1, *ctx.size[1:])
        kept = rows != ctx.padding_idx if ctx.padding_idx >= 0 else None
        return _rows(ctx.size, rows, values, kept), None, None


class _Bag(Function):
    @staticmethod
    def forward(
        ctx: Any, weight: Tensor, input: Tensor, offsets: Tensor, mode: int, factors: Any, last: bool, padding_idx: Any
    ) -> Tensor:
        ctx.save_for_backward(weight, *(() if factors is None else (factors,)))
        ctx.rows, ctx.offsets, ctx.mode, ctx.last, ctx.padding_idx = input, offsets, mode, last, padding_idx
        return lampas.embedding_bag(weight, input, offsets, False, mode, True, factors, last, padding_idx)[0]

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple:
        weight, *factors = ctx.saved_tensors
        rows, starts = ctx.rows.to(lampas.int64), ctx.offsets.to(lampas.int64)
        starts = starts[:-1] if ctx.last else starts
        ends = lampas.cat([starts[1:], starts.new_full((1,), rows.shape[0])])[: starts.shape[0]]
        kept = None
        if ctx.padding_idx is not None and ctx.padding_idx >= 0:
            kept = rows != ctx.padding_idx
        bags = lampas.repeat_interleave(lampas.arange(starts.shape[0]), ends - starts)
        values = g.index_select(0, bags)
        g_factors = None
        if factors:
            if ctx.needs_input_grad[4]:
                g_factors = (weight.index_select(0, rows) * values).sum(1)
                g_factors = g_factors if kept is None else g_factors * kept
            values = values * factors[0].unsqueeze(1)
        elif ctx.mode == 1:
            ones = lampas.ones(rows.shape[0], dtype=g.dtype) if kept is None else kept.to(g.dtype)
            counts = lampas.zeros(starts.shape[0], dtype=g.dtype).index_put((bags,), ones, accumulate=True)
            values = values / counts.clamp(min=1).index_select(0, bags).unsqueeze(1)
        g_weight = _rows(tuple(weight.shape), rows, values, kept) if ctx.needs_input_grad[0] else None
        return g_weight, None, None, None, g_factors, None, None


def _refuse_frequencies(scale_grad_by_freq: bool) -> None:
    if scale_grad_by_freq:
        raise RuntimeError(
            "embedding: scale_grad_by_freq is not defined for sparse gradients: leave sparse=True or it away"
        )


def embedding(weight: Tensor, input: Tensor, padding_idx: int, scale_grad_by_freq: bool) -> Tensor:
    """``lampas.embedding`` with a sparse gradient."""
    _refuse_frequencies(scale_grad_by_freq)
    return named(_Embedding, "EmbeddingBackward0").apply(weight, input, padding_idx)


def embedding_bag(
    weight: Tensor,
    input: Tensor,
    offsets: Tensor,
    scale_grad_by_freq: bool,
    mode: int,
    factors: Tensor | None,
    last: bool,
    padding_idx: int | None,
) -> Tensor:
    """``lampas.embedding_bag``'s first result, with a sparse gradient."""
    _refuse_frequencies(scale_grad_by_freq)
    if padding_idx is not None and padding_idx < 0:
        padding_idx += weight.shape[0]
    function = named(_Bag, "EmbeddingBagBackward0")
    return function.apply(weight, input, offsets, mode, factors, last, padding_idx)
