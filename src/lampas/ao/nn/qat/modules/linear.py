"""A linear layer for quantization-aware training."""

from __future__ import annotations

from typing import Any

import lampas
import lampas.nn as nn
from lampas.ao.nn.intrinsic import LinearReLU

from ._common import check_float, fake_quantize_weight, share_parameters

__all__ = ["Linear"]


class Linear(nn.Linear):
    """`lampas.nn.Linear` with a fake-quantized weight.

    Args:
        qconfig: whose ``weight`` makes the fake quantizer.

    Raises:
        AssertionError: no qconfig.
    """

    _FLOAT_MODULE: Any = nn.Linear

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        qconfig: Any = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(in_features, out_features, bias, device=device, dtype=dtype)
        fake_quantize_weight(self, qconfig)

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return nn.functional.linear(input, self.weight_fake_quant(self.weight), self.bias)

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Linear:
        """A layer with the parameters and the qconfig of a float layer (or of a fused one).

        Raises:
            AssertionError: another type of layer, or no qconfig.
        """
        check_float(cls, mod)
        qconfig = mod.qconfig
        if type(mod) is LinearReLU:
            mod = mod[0]
        made = cls(mod.in_features, mod.out_features, bias=mod.bias is not None, qconfig=qconfig)
        share_parameters(made, mod)
        return made

    def to_float(self) -> nn.Linear:
        """The float layer with the weights learned."""
        linear = nn.Linear(self.in_features, self.out_features, self.bias is not None)
        linear.weight = nn.Parameter(self.weight.detach())
        if self.bias is not None:
            linear.bias = nn.Parameter(self.bias.detach())
        linear.train(self.training)
        return linear
