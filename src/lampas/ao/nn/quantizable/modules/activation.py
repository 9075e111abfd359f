"""Attention whose projections can be observed and quantized."""

from __future__ import annotations

from typing import Any

import lampas
import lampas.nn as nn
from lampas.nn import functional as F

__all__ = ["MultiheadAttention"]


def _as_zeros(like: lampas.Tensor, *shape: int) -> lampas.Tensor:
    zeros = lampas.zeros(shape)
    if like.is_quantized:
        return lampas.quantize_per_tensor(zeros, like.q_scale(), like.q_zero_point(), like.dtype)
    return zeros


class MultiheadAttention(nn.MultiheadAttention):
    """`lampas.nn.MultiheadAttention` with a linear layer for each projection: what `prepare` puts in its place.

    Products of queries and keys, softmax and weighting are computed in floating point.
    """

    _FLOAT_MODULE = nn.MultiheadAttention

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        from lampas.ao.nn.quantized.modules.functional_modules import FloatFunctional
        from lampas.ao.quantization.stubs import DeQuantStub, QuantStub

        options = (dropout, bias, add_bias_kv, add_zero_attn, kdim, vdim, batch_first)
        super().__init__(embed_dim, num_heads, *options, device=device, dtype=dtype)
        made = {"device": device, "dtype": dtype}
        self.linear_Q = nn.Linear(self.embed_dim, self.embed_dim, bias=bias, **made)
        self.linear_K = nn.Linear(self.kdim, self.embed_dim, bias=bias, **made)
        self.linear_V = nn.Linear(self.vdim, self.embed_dim, bias=bias, **made)
        self.out_proj = nn.Linear(self.embed_dim, self.embed_dim, bias=bias, **made)
        self.q_scaling_product = FloatFunctional()
        self.quant_attn_output = QuantStub()
        self.quant_attn_output_weights = QuantStub()
        self.dequant_q = DeQuantStub()
        self.dequant_k = DeQuantStub()
        self.dequant_v = DeQuantStub()

    def _get_name(self) -> str:
        return "QuantizableMultiheadAttention"

    @classmethod
    def from_float(cls, other: Any) -> Any:
        """An observable copy of `lampas.nn.MultiheadAttention`, ready for `convert` after it has seen data.

        Raises:
            AssertionError: another type of module, or no qconfig.
        """
        from lampas.ao.quantization import prepare, prepare_qat

        if type(other) is not cls._FLOAT_MODULE:
            raise AssertionError(f"Expected type {cls._FLOAT_MODULE}, got {type(other)}")
        if not hasattr(other, "qconfig"):
            raise AssertionError("The float module must have 'qconfig'")
        made = cls(
            *(other.embed_dim, other.num_heads, other.dropout, other.in_proj_bias is not None),
            *(other.bias_k is not None, other.add_zero_attn, other.kdim, other.vdim, other.batch_first),
        )
        made.bias_k, made.bias_v, made.qconfig = other.bias_k, other.bias_v, other.qconfig
        made.out_proj.weight, made.out_proj.bias = other.out_proj.weight, other.out_proj.bias
        made.out_proj.qconfig = other.out_proj.qconfig if hasattr(other.out_proj, "qconfig") else other.qconfig
        if other._qkv_same_embed_dim:
            weights = other.in_proj_weight.detach().chunk(3, dim=0)
        else:
            weights = [w.detach() for w in (other.q_proj_weight, other.k_proj_weight, other.v_proj_weight)]
        biases = [None] * 3 if other.in_proj_bias is None else other.in_proj_bias.detach().chunk(3, dim=0)
        for layer, weight, bias in zip((made.linear_Q, made.linear_K, made.linear_V), weights, biases):
            layer.qconfig = other.qconfig
            layer.weight = nn.Parameter(weight.clone())
            layer.bias = None if bias is None else nn.Parameter(bias.clone())
        if other.training:
            made.train()
            return prepare_qat(made, inplace=True)
        made.eval()
        return prepare(made, inplace=True)

    @classmethod
    def from_observed(cls, other: Any) -> Any:
        """
        Raises:
            NotImplementedError: always; `lampas.ao.nn.quantized.MultiheadAttention` is made from an observed one.
        """
        raise NotImplementedError(
            "Don't convert observed to observed: lampas.ao.nn.quantized.MultiheadAttention.from_observed makes the "
            "quantized module"
        )

    def dequantize(self) -> nn.MultiheadAttention:
        """A float module with the weights of this quantized one."""

        def parts(layer: Any) -> tuple[Any, Any]:
            weight, bias = layer._weight_bias()
            return weight.dequantize(), bias

        made = nn.MultiheadAttention(
            *(self.embed_dim, self.num_heads, self.dropout, parts(self.linear_Q)[1] is not None),
            *(self.bias_k is not None, self.add_zero_attn, self.kdim, self.vdim, self.batch_first),
        )
        weights, biases = zip(*map(parts, (self.linear_Q, self.linear_K, self.linear_V)))
        for name in ("bias_k", "bias_v"):
            bias = getattr(self, name)
            if bias is not None:
                setattr(made, name, nn.Parameter(bias.dequantize()))
        if made._qkv_same_embed_dim:
            made.in_proj_weight = nn.Parameter(lampas.cat(weights))
        else:
            made.q_proj_weight, made.k_proj_weight, made.v_proj_weight = map(nn.Parameter, weights)
        if made.in_proj_bias is not None:
            made.in_proj_bias = nn.Parameter(lampas.cat(biases))
        weight, bias = parts(self.out_proj)
        made.out_proj.weight = nn.Parameter(weight)
        if bias is not None:
            made.out_proj.bias = nn.Parameter(bias)
        return made

    def forward(
        self,
        query: lampas.Tensor,
        key: lampas.Tensor,
        value: lampas.Tensor,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[lampas.Tensor, lampas.Tensor | None]:
        """Attention over ``(L, N, E)``, or ``(N, L, E)`` if ``batch_first``; see `lampas.nn.MultiheadAttention`.

        Raises:
            AssertionError: sizes do not fit, or `is_causal` is asked for.
        """
        if is_causal:
            raise AssertionError("causal mask not supported by quantizable attention: give attn_mask")
        if self.batch_first:
            query, key, value = (x.transpose(0, 1) for x in (query, key, value))
        length, batch, width = query.shape
        if width != self.embed_dim:
            raise AssertionError(f"query has {width} features, expected embed_dim={self.embed_dim}")
        if key.shape[:2] != value.shape[:2]:
            raise AssertionError(f"key and value must have the same length and batch, got {key.shape}, {value.shape}")
        heads, head_dim = batch * self.num_heads, self.embed_dim // self.num_heads
        q = self.q_scaling_product.mul_scalar(self.linear_Q(query), float(head_dim) ** -0.5)
        k, v = self.linear_K(key), self.linear_V(value)
        more = 0
        if self.bias_k is not None and self.bias_v is not None:
            k = lampas.cat([k, self.bias_k.repeat(1, batch, 1)])
            v = lampas.cat([v, self.bias_v.repeat(1, batch, 1)])
            more += 1
        q, k, v = (x.contiguous().view(-1, heads, head_dim).transpose(0, 1) for x in (q, k, v))
        if self.add_zero_attn:
            k = lampas.cat([k, _as_zeros(k, heads, 1, head_dim)], dim=1)
            v = lampas.cat([v, _as_zeros(v, heads, 1, head_dim)], dim=1)
            more += 1
        # Out of the quantized part, and back after the weighted sums.
        q, k, v = self.dequant_q(q), self.dequant_k(k), self.dequant_v(v)
        scores = lampas.bmm(q, k.transpose(1, 2))
        if attn_mask is not None:
            mask = F.pad(attn_mask, (0, more))
            if mask.dtype == lampas.uint8:
                mask = mask.bool()
            scores = scores.masked_fill(mask, float("-inf")) if mask.dtype == lampas.bool else scores + mask
        if key_padding_mask is not None:
            mask = F.pad(key_padding_mask.bool(), (0, more))[:, None, None, :]
            scores = scores.view(batch, self.num_heads, length, -1).masked_fill(mask, float("-inf"))
            scores = scores.view(heads, length, -1)
        weights = F.dropout(F.softmax(scores, dim=-1), p=self.dropout, training=self.training)
        attended = lampas.bmm(weights, v).transpose(0, 1).contiguous().view(length, batch, self.embed_dim)
        if self.batch_first:
            attended = attended.transpose(0, 1).contiguous()
        out = self.out_proj(self.quant_attn_output(attended))
        weights = self.quant_attn_output_weights(weights)
        if not need_weights:
            return out, None
        weights = weights.view(batch, self.num_heads, length, -1)
        return out, weights.mean(dim=1) if average_attn_weights else weights
