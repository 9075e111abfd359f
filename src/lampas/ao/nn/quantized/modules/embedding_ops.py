"""Embeddings whose rows are 8-bit integers with a scale and an offset each."""

from __future__ import annotations

from typing import Any

import lampas
import lampas.nn as nn
from lampas.nn.utils.parametrize import type_before_parametrizations

from .utils import _quantize_weight

__all__ = ["Embedding", "EmbeddingBag", "EmbeddingPackedParams"]


class EmbeddingPackedParams(nn.Module):
    """Rows of an embedding in the order in which the kernels want them.

    Args:
        num_embeddings, embedding_dim: the table's shape.
        dtype: quint8 (or quint4x2).

    Raises:
        NotImplementedError: another dtype.
    """

    _version = 1

    def __init__(self, num_embeddings: int, embedding_dim: int, dtype: Any = lampas.quint8) -> None:
        super().__init__()
        self.dtype = dtype
        if str(dtype) not in ("torch.quint8", "torch.quint4x2"):
            raise NotImplementedError(
                f"Unsupported dtype on quantized embedding! Supports quint8 and quint4x2. Got dtype: {dtype}"
            )
        weight = lampas._empty_per_channel_affine_quantized(
            [num_embeddings, embedding_dim],
            scales=lampas.ones(num_embeddings, dtype=lampas.float32),
            zero_points=lampas.zeros(num_embeddings, dtype=lampas.float32),
            axis=0,
            dtype=dtype,
        )
        self.set_weight(weight)

    def set_weight(self, weight: lampas.Tensor) -> None:
        """Packs a table quantized per row."""
        self._packed_weight = lampas.ops.quantized.embedding_bag_prepack(weight)

    def _weight(self) -> lampas.Tensor:
        return lampas.ops.quantized.embedding_bag_unpack(self._packed_weight)

    def forward(self, x: Any) -> Any:
        return x

    def _save_to_state_dict(self, destination: dict, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[prefix + "dtype"] = self.dtype
        destination[prefix + "_packed_weight"] = self._weight()

    def _load_from_state_dict(
        self,
        state_dict: dict,
        prefix: str,
        local_metadata: dict,
        strict: bool,
        missing_keys: list,
        unexpected_keys: list,
        error_msgs: list,
    ) -> None:
        self.dtype = state_dict.pop(prefix + "dtype")
        self.set_weight(state_dict.pop(prefix + "_packed_weight"))
        super()._load_from_state_dict(
            *(state_dict, prefix, local_metadata, False, missing_keys, unexpected_keys, error_msgs)
        )

    def __repr__(self) -> str:
        return repr(self._weight())


class _Table(nn.Module):
    """What both embeddings share."""

    _FLOAT_MODULE: Any

    def _make(self, num_embeddings: int, embedding_dim: int, weight: Any, dtype: Any) -> None:
        super().__init__()
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.dtype = dtype
        if weight is not None and list(weight.shape) != [num_embeddings, embedding_dim]:
            raise AssertionError(
                "Shape of weight does not match num_embeddings and embedding_dim: "
                f"{tuple(weight.shape)}, expected {(num_embeddings, embedding_dim)}"
            )
        self._packed_params = EmbeddingPackedParams(num_embeddings, embedding_dim, dtype)
        if weight is not None:
            self._packed_params.set_weight(weight)

    def _op(self, name: str) -> Any:
        return getattr(lampas.ops.quantized, f"{name}_{'4bit' if 'quint4x2' in str(self.dtype) else 'byte'}")

    def _get_name(self) -> str:
        return f"Quantized{type(self).__name__}"

    def extra_repr(self) -> str:
        return (
            f"num_embeddings={self.num_embeddings}, embedding_dim={self.embedding_dim}, "
            f"dtype={self._packed_params.dtype}, qscheme={self.weight().qscheme()}"
        )

    def __repr__(self) -> str:
        return f"{self._get_name()}({self.extra_repr()})"

    def set_weight(self, w: lampas.Tensor) -> None:
        """Packs a table quantized per row."""
        self._packed_params.set_weight(w)

    def weight(self) -> lampas.Tensor:
        """The quantized table."""
        return self._packed_params._weight()

    @classmethod
    def _quantized(cls, mod: Any, use_precomputed_fake_quant: bool) -> tuple[lampas.Tensor, Any]:
        """A float embedding's table, quantized, and its dtype.

        Raises:
            AssertionError: another type of layer, no qconfig, or a qconfig that is not for embeddings.
        """
        from lampas.ao.quantization.qconfig import float_qparams_weight_only_qconfig

        if hasattr(mod, "weight_fake_quant"):
            observer = mod.weight_fake_quant
        else:
            if type_before_parametrizations(mod) is not cls._FLOAT_MODULE:
                raise AssertionError(
                    f"nnq.{cls.__name__}.from_float only works for {cls._FLOAT_MODULE.__name__}, "
                    f"got {type(mod).__name__}"
                )
            if not hasattr(mod, "qconfig"):
                raise AssertionError(
                    "Embedding input float module must have qconfig defined: float_qparams_weight_only_qconfig"
                )
            given = mod.qconfig is not None and mod.qconfig.weight is not None
            observer = (mod.qconfig if given else float_qparams_weight_only_qconfig).weight()
        if getattr(observer, "qscheme", None) != lampas.per_channel_affine_float_qparams:
            raise AssertionError("Embedding quantization is only supported with float_qparams_weight_only_qconfig.")
        if str(observer.dtype) not in ("torch.quint8", "torch.quint4x2"):
            raise AssertionError(
                f"The only supported dtype for nnq.{cls.__name__} is quint8 and quint4x2, got {observer.dtype}"
            )
        if not use_precomputed_fake_quant:
            observer(mod.weight)
        return _quantize_weight(mod.weight.float(), observer), observer.dtype


class Embedding(_Table):
    """`lampas.nn.Embedding` with a quantized table; its results are floating point.

    >>> Embedding(10, 12)(lampas.tensor([9, 6, 5])).shape
    torch.Size([3, 12])
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
        dtype: Any = lampas.quint8,
    ) -> None:
        self._make(num_embeddings, embedding_dim, _weight, dtype)

    def forward(self, indices: lampas.Tensor) -> lampas.Tensor:
        return self._op("embedding")(self._packed_params._packed_weight, indices)

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Embedding:
        """The quantized embedding of a float one, or of one trained with fake quantization.

        Raises:
            AssertionError: another type of layer, no qconfig, or a qconfig that is not for embeddings.
        """
        weight, dtype = cls._quantized(mod, use_precomputed_fake_quant)
        made = cls(mod.num_embeddings, mod.embedding_dim, dtype=dtype)
        made.set_weight(weight)
        return made

    @classmethod
    def from_reference(cls, ref_embedding: Any) -> Embedding:
        """The quantized embedding of a reference one."""
        made = cls(ref_embedding.num_embeddings, ref_embedding.embedding_dim, dtype=ref_embedding.weight_dtype)
        made.set_weight(ref_embedding.get_quantized_weight())
        return made


class EmbeddingBag(_Table):
    """`lampas.nn.EmbeddingBag` (sums) with a quantized table; its results are floating point.

    >>> bags = EmbeddingBag(10, 12, include_last_offset=True)
    >>> bags(lampas.tensor([9, 6, 5, 7]), lampas.tensor([0, 2, 4])).shape
    torch.Size([2, 12])
    """

    _FLOAT_MODULE = nn.EmbeddingBag

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "sum",
        sparse: bool = False,
        _weight: Any = None,
        include_last_offset: bool = False,
        dtype: Any = lampas.quint8,
    ) -> None:
        self._make(num_embeddings, embedding_dim, _weight, dtype)
        self.mode = mode
        self.pruned_weights = False
        self.include_last_offset = include_last_offset

    def forward(
        self,
        indices: lampas.Tensor,
        offsets: Any = None,
        per_sample_weights: Any = None,
        compressed_indices_mapping: Any = None,
    ) -> lampas.Tensor:
        return self._op("embedding_bag")(
            *(self._packed_params._packed_weight, indices, offsets, False, 0, self.pruned_weights),
            *(per_sample_weights, compressed_indices_mapping, self.include_last_offset),
        )

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> EmbeddingBag:
        """The quantized embedding of a float one, or of one trained with fake quantization.

        Raises:
            AssertionError: another type of layer, no qconfig, or a qconfig that is not for embeddings.
        """
        weight, dtype = cls._quantized(mod, use_precomputed_fake_quant)
        options = (mod.max_norm, mod.norm_type, mod.scale_grad_by_freq, mod.mode, mod.sparse)
        made = cls(
            *(mod.num_embeddings, mod.embedding_dim, *options),
            include_last_offset=mod.include_last_offset,
            dtype=dtype,
        )
        made.set_weight(weight)
        return made

    @classmethod
    def from_reference(cls, ref_embedding_bag: Any) -> EmbeddingBag:
        """The quantized embedding of a reference one."""
        ref = ref_embedding_bag
        options = (ref.max_norm, ref.norm_type, ref.scale_grad_by_freq, ref.mode, ref.sparse)
        made = cls(
            *(ref.num_embeddings, ref.embedding_dim, *options),
            include_last_offset=ref.include_last_offset,
            dtype=ref.weight_dtype,
        )
        made.set_weight(ref.get_quantized_weight())
        return made
