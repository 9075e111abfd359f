"""Batch normalization of quantized tensors, by running statistics."""

from __future__ import annotations

from typing import Any

import lampas
import lampas.nn as nn
from lampas.ao.nn import intrinsic as nni

from .utils import ScaleBuffers, output_qparams

__all__ = ["BatchNorm2d", "BatchNorm3d"]


class _BatchNorm(ScaleBuffers, nn.modules.batchnorm._BatchNorm):
    _op: str
    _FUSED_MODULE: Any

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(num_features, eps, momentum, True, True, device=device, dtype=dtype)
        self._set_scale(1.0, 0, device, dtype)

    def _get_name(self) -> str:
        return f"Quantized{type(self).__name__}"

    def _check_input_dim(self, input: Any) -> None:
        if len(input.shape) != self._dims:
            raise ValueError(f"Input must have {self._dims} dimensions, got shape {tuple(input.shape)}")

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        self._check_input_dim(input)
        return getattr(lampas.ops.quantized, self._op)(
            *(input, self.weight, self.bias, self.running_mean, self.running_var, self.eps),
            *(float(self.scale), int(self.zero_point)),
        )

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        """The quantized module of a prepared float module, or of one fused with `ReLU`."""
        made = cls.from_reference(mod[0] if type(mod) is cls._FUSED_MODULE else mod, *output_qparams(mod))
        # The observer's own tensors, of one element each: the layout that saved models have.
        made.scale, made.zero_point = mod.activation_post_process.calculate_qparams()
        return made

    @classmethod
    def from_reference(cls, bn: Any, output_scale: float, output_zero_point: int) -> Any:
        """The quantized module of a float module, with the scale of its output."""
        made = cls(bn.num_features, bn.eps, bn.momentum)
        for name in ("weight", "bias", "running_mean", "running_var"):
            setattr(made, name, getattr(bn, name))
        made._set_scale(output_scale, output_zero_point)
        return made


class BatchNorm2d(_BatchNorm):
    """`lampas.nn.BatchNorm2d` of quantized ``(N, C, H, W)``, by running statistics."""

    _dims, _op = 4, "batch_norm2d"
    _FUSED_MODULE = nni.BNReLU2d


class BatchNorm3d(_BatchNorm):
    """`lampas.nn.BatchNorm3d` of quantized ``(N, C, D, H, W)``, by running statistics."""

    _dims, _op = 5, "batch_norm3d"
    _FUSED_MODULE = nni.BNReLU3d
