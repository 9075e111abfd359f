"""Rows of a table by their numbers, and sums of such rows."""

from __future__ import annotations

import lampas

__all__ = ["embedding", "embedding_bag"]


def _renorm(weight: lampas.Tensor, input: lampas.Tensor, max_norm: float, norm_type: float) -> None:
    with lampas.no_grad():
        lampas.embedding_renorm_(weight.detach(), input, max_norm, norm_type)


def embedding(
    input: lampas.Tensor,
    weight: lampas.Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> lampas.Tensor:
    """The rows of ``weight`` that ``input`` names: shape ``(*input.shape, weight.shape[1])``.

    Args:
        input: int32 or int64 row numbers.
        weight: ``(rows, dim)``.
        padding_idx: a row that gets no gradient.
        max_norm: rows longer than this (in the norm ``norm_type``) are scaled down first, in place.
        scale_grad_by_freq: divide a row's gradient by how often the row was asked for.
        sparse: give ``weight`` a sparse gradient.
    """
    if padding_idx is None:
        padding_idx = -1
    else:
        rows = weight.size(0)
        if not -rows <= padding_idx < rows:
            raise AssertionError(f"Padding_idx must be within num_embeddings: got {padding_idx} with {rows} rows")
        padding_idx %= rows
    if max_norm is not None:
        input = input.contiguous()
        _renorm(weight, input, max_norm, norm_type)
    if sparse and weight.requires_grad and lampas.is_grad_enabled():
        from lampas._sparse.embedding import embedding

        return embedding(weight, input, padding_idx, scale_grad_by_freq)
    return lampas.embedding(weight, input, padding_idx, scale_grad_by_freq, sparse)


_BAG_MODES = {"sum": 0, "mean": 1, "max": 2}


def embedding_bag(
    input: lampas.Tensor,
    weight: lampas.Tensor,
    offsets: lampas.Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: lampas.Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> lampas.Tensor:
    """Sums, means or maxima of bags of rows of ``weight``, without making the rows.

    Args:
        input: row numbers: ``(B, N)`` for B bags of N rows, or ``(N,)`` with ``offsets`` where each bag begins.
        mode: ``"sum"``, ``"mean"`` or ``"max"``.
        per_sample_weights: one factor for each row number (``"sum"`` only).
    """
    if weight.dim() != 2:
        raise ValueError(f"weight has to be a 2D Tensor, but got Tensor of dimension {weight.dim()}")
    if per_sample_weights is not None and input.size() != per_sample_weights.size():
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({per_sample_weights.shape}) is not None, then it must have the "
            "same "
            f"shape as the input ({input.shape})"
        )
    if input.dim() == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed length "
                f"sequences. However, found offsets of type {type(offsets)}"
            )
        offsets = lampas.arange(0, input.numel(), input.size(1), dtype=input.dtype, device=input.device)
        include_last_offset = False
        input = input.reshape(-1)
        if per_sample_weights is not None:
            per_sample_weights = per_sample_weights.reshape(-1)
    elif input.dim() == 1:
        if offsets is None:
            raise ValueError("offsets has to be a 1D Tensor but got None")
        if offsets.dim() != 1:
            raise ValueError("offsets has to be a 1D Tensor")
    else:
        raise ValueError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.dim()}")
    if mode not in _BAG_MODES:
        raise ValueError(f"mode has to be one of sum, mean or max, got {mode!r}")
    if mode == "max":
        if scale_grad_by_freq:
            raise ValueError("max mode does not support scaling the gradient by the frequency")
        if sparse:
            raise ValueError("max mode does not support sparse weights")
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for mode='sum' "
            f"(got mode='{mode}')."
        )
    if max_norm is not None:
        _renorm(weight, input, max_norm, norm_type)
    if sparse and weight.requires_grad and lampas.is_grad_enabled():
        from lampas._sparse.embedding import embedding_bag

        rest = (_BAG_MODES[mode], per_sample_weights, include_last_offset, padding_idx)
        return embedding_bag(weight, input, offsets, scale_grad_by_freq, *rest)
    bags = lampas.embedding_bag(
        weight,
        input,
        offsets,
        scale_grad_by_freq,
        _BAG_MODES[mode],
        sparse,
        per_sample_weights,
        include_last_offset,
        padding_idx,
    )[0]
    return lampas._C._shown_as(bags, "EmbeddingBagBackward0")
