"""Where tensors become quantized, and floating point again."""

from __future__ import annotations

from typing import Any

import lampas
import lampas.nn as nn

__all__ = ["DeQuantize", "Quantize"]


class Quantize(nn.Module):
    """Quantizes tensors with a fixed scale and zero point.

    Args:
        scale, zero_point: of the result.
        dtype: quint8, qint8 or qint32.

    >>> Quantize(0.1, 128, lampas.quint8)(lampas.randn(2, 3)).dtype
    torch.quint8
    """

    scale: lampas.Tensor
    zero_point: lampas.Tensor

    def __init__(self, scale: Any, zero_point: Any, dtype: Any, factory_kwargs: dict | None = None) -> None:
        options = nn.factory_kwargs(factory_kwargs)
        super().__init__()
        self.register_buffer("scale", lampas.tensor([float(scale)], **options))
        zero_options = {key: value for key, value in options.items() if key != "dtype"}
        self.register_buffer("zero_point", lampas.tensor([int(zero_point)], dtype=lampas.int64, **zero_options))
        self.dtype = dtype

    def forward(self, X: lampas.Tensor) -> lampas.Tensor:
        return lampas.quantize_per_tensor(X, float(self.scale), int(self.zero_point), self.dtype)

    @staticmethod
    def from_float(mod: Any, use_precomputed_fake_quant: bool = False) -> Quantize:
        """The quantizer of a prepared `QuantStub`."""
        from .utils import output_qparams

        return Quantize(*output_qparams(mod), mod.activation_post_process.dtype)

    def extra_repr(self) -> str:
        return f"scale={self.scale}, zero_point={self.zero_point}, dtype={self.dtype}"


class DeQuantize(nn.Module):
    """Makes quantized tensors floating point again.

    >>> DeQuantize()(Quantize(0.1, 128, lampas.quint8)(lampas.randn(2, 3))).dtype
    torch.float32
    """

    def forward(self, Xq: lampas.Tensor) -> lampas.Tensor:
        return Xq.dequantize()

    @staticmethod
    def from_float(mod: Any, use_precomputed_fake_quant: bool = False) -> DeQuantize:
        """The dequantizer of a `DeQuantStub`."""
        return DeQuantize()
