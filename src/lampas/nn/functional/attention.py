"""Multi-head attention as one function."""

from __future__ import annotations

import math
import warnings
from typing import cast

import lampas

_nn = lampas._C.nn

__all__ = ["multi_head_attention_forward"]


def canonical_mask(
    mask: lampas.Tensor | None,
    mask_name: str,
    other_type: lampas.dtype | None,
    other_name: str,
    target_type: lampas.dtype,
    check_other: bool = True,
) -> lampas.Tensor | None:
    """``mask`` as numbers to add: a boolean one becomes -inf where it is true."""
    if mask is None:
        return None
    if mask.dtype != lampas.bool and not mask.is_floating_point():
        raise AssertionError(
            f"only bool and floating types of {mask_name} are supported, got {mask.dtype}: convert it with .bool()"
        )
    if check_other and other_type is not None and mask.dtype != other_type:
        warnings.warn(
            f"Support for mismatched {mask_name} and {other_name} is deprecated. Use same type for both instead.",
            stacklevel=3,
        )
    if mask.dtype == lampas.bool:
        return lampas.zeros_like(mask, dtype=target_type).masked_fill_(mask, float("-inf"))
    return mask


def none_or_dtype(tensor: lampas.Tensor | None) -> lampas.dtype | None:
    """The dtype of a mask that may be missing."""
    return None if tensor is None else tensor.dtype


def _check_shapes(
    query: lampas.Tensor,
    key: lampas.Tensor,
    value: lampas.Tensor,
    key_padding_mask: lampas.Tensor | None,
    attn_mask: lampas.Tensor | None,
) -> bool:
    """Whether the inputs are batched; AssertionError where their dimensions do not go together."""
    d = query.dim()
    if d not in (2, 3):
        raise AssertionError(f"query should be unbatched 2D or batched 3D tensor but received {d}-D query tensor")
    kind = "batched" if d == 3 else "unbatched"
    if key.dim() != d or value.dim() != d:
        raise AssertionError(
            f"For {kind} ({d}-D) `query`, expected `key` and `value` to be {d}-D but found {key.dim()}-D and "
            f"{value.dim()}-D tensors respectively"
        )
    if key_padding_mask is not None and key_padding_mask.dim() != d - 1:
        raise AssertionError(
            f"For {kind} ({d}-D) `query`, expected `key_padding_mask` to be `None` or {d - 1}-D but found "
            f"{key_padding_mask.dim()}-D tensor instead"
        )
    if attn_mask is not None and attn_mask.dim() not in (2, 3):
        raise AssertionError(
            f"For {kind} ({d}-D) `query`, expected `attn_mask` to be `None`, 2-D or 3-D but found {attn_mask.dim()}-D "
            "tensor instead"
        )
    return d == 3


def _project(
    query: lampas.Tensor, key: lampas.Tensor, value: lampas.Tensor, weight: lampas.Tensor, bias: lampas.Tensor | None
) -> tuple[lampas.Tensor, ...]:
    """Queries, keys and values from one packed weight; one product where they come from the same tensor."""
    embed = query.size(-1)
    if key is value and query is key:
        packed = _nn.linear(query, weight, bias).unflatten(-1, (3, embed))
        return tuple(packed.select(-2, i).contiguous() for i in range(3))
    weights = weight.chunk(3)
    biases = (None, None, None) if bias is None else bias.chunk(3)
    return tuple(_nn.linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases))


def multi_head_attention_forward(
    query: lampas.Tensor,
    key: lampas.Tensor,
    value: lampas.Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: lampas.Tensor | None,
    in_proj_bias: lampas.Tensor | None,
    bias_k: lampas.Tensor | None,
    bias_v: lampas.Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: lampas.Tensor,
    out_proj_bias: lampas.Tensor | None,
    training: bool = True,
    key_padding_mask: lampas.Tensor | None = None,
    need_weights: bool = True,
    attn_mask: lampas.Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: lampas.Tensor | None = None,
    k_proj_weight: lampas.Tensor | None = None,
    v_proj_weight: lampas.Tensor | None = None,
    static_k: lampas.Tensor | None = None,
    static_v: lampas.Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[lampas.Tensor, lampas.Tensor | None]:
    """``softmax(Q K^T / sqrt(d) + mask) V`` in ``num_heads`` parts, projected before and after (Vaswani et al. 2017).

    Args:
        query, key, value: ``(L, N, E)``, ``(S, N, Ek)``, ``(S, N, Ev)``, or the same without N.
        key_padding_mask: ``(N, S)``: keys to leave out (boolean) or numbers to add.
        attn_mask: ``(L, S)`` or ``(N * num_heads, L, S)``, likewise.
        need_weights: also return the weights, ``(N, L, S)``, averaged over heads unless told otherwise.
        is_causal: ``attn_mask`` is the causal one and may be left to the engine.
    """
    batched = _check_shapes(query, key, value, key_padding_mask, attn_mask)
    if not batched:
        same_kv, same_q = key is value, query is key
        query = query.unsqueeze(1)
        key = query if same_q else key.unsqueeze(1)
        value = key if same_kv else value.unsqueeze(1)
        if key_padding_mask is not None:
            key_padding_mask = key_padding_mask.unsqueeze(0)
    length, batch, embed = query.shape
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint: pass "
            "nn.Transformer.generate_square_subsequent_mask(length)."
        )
    key_padding_mask = canonical_mask(
        key_padding_mask, "key_padding_mask", none_or_dtype(attn_mask), "attn_mask", query.dtype
    )
    if is_causal and key_padding_mask is None and not need_weights:
        attn_mask = None
    else:
        attn_mask = canonical_mask(attn_mask, "attn_mask", None, "", query.dtype, False)
        if key_padding_mask is not None:
            is_causal = False
    if embed != embed_dim_to_check:
        raise AssertionError(f"was expecting embedding dimension of {embed_dim_to_check}, but got {embed}")
    head_dim = embed // num_heads
    if head_dim * num_heads != embed:
        raise AssertionError(f"embed_dim {embed} not divisible by num_heads {num_heads}")
    if use_separate_proj_weight:
        if key.shape[:2] != value.shape[:2]:
            raise AssertionError(
                f"key's sequence and batch dims {key.shape[:2]} do not match value's {value.shape[:2]}"
            )
        biases = (None, None, None) if in_proj_bias is None else in_proj_bias.chunk(3)
        projections = cast("tuple[lampas.Tensor, ...]", (q_proj_weight, k_proj_weight, v_proj_weight))
        q, k, v = (_nn.linear(x, w, b) for x, w, b in zip((query, key, value), projections, biases))
    else:
        if key.shape != value.shape:
            raise AssertionError(f"key shape {key.shape} does not match value shape {value.shape}")
        q, k, v = _project(query, key, value, cast("lampas.Tensor", in_proj_weight), in_proj_bias)

    if attn_mask is not None:
        wanted = (length, key.shape[0]) if attn_mask.dim() == 2 else (batch * num_heads, length, key.shape[0])
        if tuple(attn_mask.shape) != wanted:
            raise RuntimeError(
                f"The shape of the {attn_mask.dim()}D attn_mask is {attn_mask.shape}, but should be {wanted}."
            )
        if attn_mask.dim() == 2:
            attn_mask = attn_mask.unsqueeze(0)

    def widened(mask: lampas.Tensor | None) -> lampas.Tensor | None:
        """``mask`` with a column for one more key, which it does not touch."""
        return None if mask is None else _nn.pad(mask, (0, 1), "constant", 0.0)

    if bias_k is not None and bias_v is not None:
        if static_k is not None or static_v is not None:
            raise AssertionError("bias cannot be added to static key and value")
        k = lampas.cat([k, bias_k.repeat(1, batch, 1)])
        v = lampas.cat([v, bias_v.repeat(1, batch, 1)])
        attn_mask, key_padding_mask = widened(attn_mask), widened(key_padding_mask)

    def heads(x: lampas.Tensor) -> lampas.Tensor:
        return x.reshape(x.shape[0], batch * num_heads, head_dim).transpose(0, 1)

    q = heads(q)
    for static, name in ((static_k, "static_k"), (static_v, "static_v")):
        if static is not None and (static.size(0) != batch * num_heads or static.size(2) != head_dim):
            raise AssertionError(
                f"expecting {name} of shape ({batch * num_heads}, source length, {head_dim}), got {tuple(static.shape)}"
            )
    k = heads(k) if static_k is None else static_k
    v = heads(v) if static_v is None else static_v
    if add_zero_attn:
        zero = lampas.zeros((batch * num_heads, 1, head_dim), dtype=k.dtype, device=k.device)
        k, v = lampas.cat([k, zero], dim=1), lampas.cat([v, zero], dim=1)
        attn_mask, key_padding_mask = widened(attn_mask), widened(key_padding_mask)
    source = k.size(1)
    if key_padding_mask is not None:
        if tuple(key_padding_mask.shape) != (batch, source):
            raise AssertionError(
                f"expecting key_padding_mask shape of {(batch, source)}, but got {key_padding_mask.shape}"
            )
        padding = key_padding_mask.view(batch, 1, 1, source).expand(-1, num_heads, -1, -1)
        padding = padding.reshape(batch * num_heads, 1, source)
        attn_mask = padding if attn_mask is None else attn_mask + padding
    if not training:
        dropout_p = 0.0

    if need_weights:
        scaled = q * math.sqrt(1.0 / head_dim)
        kt = k.transpose(-2, -1)
        weights = lampas.bmm(scaled, kt) if attn_mask is None else lampas.baddbmm(attn_mask, scaled, kt)
        weights = weights.softmax(-1)
        if dropout_p > 0.0:
            weights = lampas.dropout(weights, dropout_p, True)
        result = lampas.bmm(weights, v).transpose(0, 1).contiguous().view(length * batch, embed)
        result = _nn.linear(result, out_proj_weight, out_proj_bias).view(length, batch, -1)
        weights = weights.view(batch, num_heads, length, source)
        if average_attn_weights:
            weights = weights.mean(dim=1)
        return (result, weights) if batched else (result.squeeze(1), weights.squeeze(0))

    if attn_mask is not None:
        lead = (1, 1) if attn_mask.size(0) == 1 and attn_mask.dim() == 3 else (batch, num_heads)
        attn_mask = attn_mask.view(*lead, -1, source)
    q, k, v = (x.view(batch, num_heads, -1, head_dim) for x in (q, k, v))
    result = _nn.scaled_dot_product_attention(q, k, v, attn_mask, dropout_p, is_causal)
    result = result.permute(2, 0, 1, 3).contiguous().view(batch * length, embed)
    result = _nn.linear(result, out_proj_weight, out_proj_bias).view(length, batch, -1)
    return (result, None) if batched else (result.squeeze(1), None)
