"""Embeddings for quantization-aware training."""

from __future__ import annotations

from typing import Any

import lampas
import lampas.nn as nn
from lampas.nn import functional as F

from ._common import check_float, fake_quantize_weight

__all__ = ["Embedding", "EmbeddingBag"]


def _fake_quantize(module: Any, qconfig: Any) -> None:
    fake_quantize_weight(module, qconfig)
    qscheme = module.weight_fake_quant.qscheme
    if qscheme != lampas.per_channel_affine_float_qparams:
        raise AssertionError(
            "Embedding weights requires a qscheme of lampas.per_channel_affine_float_qparams, "
            f"got {qscheme}; use default_embedding_qat_qconfig"
        )


class Embedding(nn.Embedding):
    """`lampas.nn.Embedding` with a fake-quantized weight.

    Raises:
        AssertionError: no qconfig, or not one of embeddings.
    """

    _FLOAT_MODULE = nn.Embedding

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Any = None,
        device: Any = None,
        dtype: Any = None,
        qconfig: Any = None,
    ) -> None:
        options = (padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse, _weight)
        super().__init__(num_embeddings, embedding_dim, *options, device=device, dtype=dtype)
        _fake_quantize(self, qconfig)

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return F.embedding(
            *(input, self.weight_fake_quant(self.weight), self.padding_idx, self.max_norm, self.norm_type),
            *(self.scale_grad_by_freq, self.sparse),
        )

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Embedding:
        """A layer with the weight and the qconfig of a float layer.

        Raises:
            AssertionError: another type of layer, or no qconfig.
        """
        check_float(cls, mod)
        return cls(
            *(mod.num_embeddings, mod.embedding_dim, mod.padding_idx, mod.max_norm, mod.norm_type),
            *(mod.scale_grad_by_freq, mod.sparse, mod.weight),
            qconfig=mod.qconfig,
        )

    def to_float(self) -> nn.Embedding:
        """The float layer with the weights learned."""
        made = nn.Embedding(
            *(self.num_embeddings, self.embedding_dim, self.padding_idx, self.max_norm, self.norm_type),
            *(self.scale_grad_by_freq, self.sparse),
        )
        made.weight = nn.Parameter(self.weight.detach())
        made.train(self.training)
        return made


class EmbeddingBag(nn.EmbeddingBag):
    """`lampas.nn.EmbeddingBag` with a fake-quantized weight.

    Raises:
        AssertionError: no qconfig, or not one of embeddings.
    """

    _FLOAT_MODULE = nn.EmbeddingBag

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Any = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        qconfig: Any = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        options = (max_norm, norm_type, scale_grad_by_freq, mode, sparse, _weight, include_last_offset, padding_idx)
        super().__init__(num_embeddings, embedding_dim, *options, device=device, dtype=dtype)
        _fake_quantize(self, qconfig)

    def forward(self, input: Any, offsets: Any = None, per_sample_weights: Any = None) -> lampas.Tensor:
        return F.embedding_bag(
            *(input, self.weight_fake_quant(self.weight), offsets, self.max_norm, self.norm_type),
            *(self.scale_grad_by_freq, self.mode, self.sparse, per_sample_weights, self.include_last_offset),
            self.padding_idx,
        )

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> EmbeddingBag:
        """A layer with the weight and the qconfig of a float layer.

        Raises:
            AssertionError: another type of layer, or no qconfig.
        """
        check_float(cls, mod)
        return cls(
            *(mod.num_embeddings, mod.embedding_dim, mod.max_norm, mod.norm_type, mod.scale_grad_by_freq, mod.mode),
            *(mod.sparse, mod.weight, mod.include_last_offset, mod.padding_idx),
            qconfig=mod.qconfig,
        )

    def to_float(self) -> nn.EmbeddingBag:
        """The float layer with the weights learned."""
        made = nn.EmbeddingBag(
            *(self.num_embeddings, self.embedding_dim, self.max_norm, self.norm_type, self.scale_grad_by_freq),
            *(self.mode, self.sparse, None, self.include_last_offset, self.padding_idx),
        )
        made.weight = nn.Parameter(self.weight.detach())
        made.train(self.training)
        return made
