"""A linear layer with batch normalization, for quantization-aware training."""

from __future__ import annotations

from typing import Any

import lampas
import lampas.nn as nn
from lampas.ao.nn import intrinsic as nni
from lampas.nn.utils.fusion import fuse_linear_bn_weights

from ._folded import _FoldedBn

__all__ = ["LinearBn1d"]


class LinearBn1d(nn.Linear, _FoldedBn):
    """`Linear` and `BatchNorm1d`, with a fake-quantized weight.

    Args:
        eps, momentum: of the normalization.
        freeze_bn: whether the normalization's statistics stay.
        qconfig: whose ``weight`` makes the fake quantizer.

    Raises:
        AssertionError: no qconfig.
    """

    _FLOAT_MODULE = nni.LinearBn1d

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        eps: float = 1e-5,
        momentum: float = 0.1,
        freeze_bn: bool = False,
        qconfig: Any = None,
    ) -> None:
        super().__init__(in_features, out_features, bias)
        self._add_bn(nn.BatchNorm1d(out_features, eps, momentum, True, True), freeze_bn, qconfig)

    def _apply_weight(self, input: lampas.Tensor, weight: lampas.Tensor) -> lampas.Tensor:
        return nn.functional.linear(input, weight)

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return self._folded(input, 1)

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> LinearBn1d:
        """A module with the parameters, statistics and qconfig of a fused float module.

        Raises:
            AssertionError: another type of module, or no qconfig.
        """
        cls._check_float(mod)
        linear, bn = mod[0], mod[1]
        made = cls(
            *(linear.in_features, linear.out_features, linear.bias is not None),
            *(bn.eps, bn.momentum, False, mod.qconfig),
        )
        made._take(linear, bn)
        return made

    def to_float(self) -> nn.Linear:
        """The float layer with the normalization folded in."""
        linear = nn.Linear(self.in_features, self.out_features)
        linear.weight, linear.bias = fuse_linear_bn_weights(
            *(self.weight.detach(), None if self.bias is None else self.bias.detach(), self.bn.running_mean),
            *(self.bn.running_var, self.bn.eps, self.bn.weight.detach(), self.bn.bias.detach()),
        )
        linear.train(self.training)
        return linear
