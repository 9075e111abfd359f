"""A layer with weights and the batch normalization after it, trained as the one layer they will become."""

from __future__ import annotations

from typing import Any

import lampas
import lampas.nn as nn
from lampas.ao.nn.intrinsic import _FusedModule


class _FoldedBn(_FusedModule):
    """The weight is fake-quantized with the normalization's scale folded in, by its running statistics; the result is
    divided by that scale again and normalized by the batch's.

    What is rounded is thus the weight that `convert` will quantize, while the statistics still learn.
    (Krishnamoorthi, Quantizing deep convolutional networks for efficient inference, section 3.2.2.)
    """

    bn: Any
    weight: Any
    bias: Any

    def _add_bn(self, bn: nn.Module, freeze_bn: bool, qconfig: Any) -> None:
        if not qconfig:
            raise AssertionError(
                f"qconfig must be provided for QAT module; give {type(self).__name__}(..., qconfig=...)"
            )
        self.qconfig = qconfig
        self.bn = bn
        self.weight_fake_quant = qconfig.weight()
        self.reset_bn_parameters()
        self.freeze_bn_stats() if freeze_bn else self.update_bn_stats()

    def _folded(self, input: lampas.Tensor, channel_axis: int) -> lampas.Tensor:
        factor = self.bn.weight / lampas.sqrt(self.bn.running_var + self.bn.eps)
        weight = self.weight_fake_quant(self.weight * factor.reshape(-1, *[1] * (self.weight.dim() - 1)))
        out = self._apply_weight(input, weight)
        shape = [1] * out.dim()
        shape[channel_axis] = -1
        out = out / factor.reshape(shape)
        if self.bias is not None:
            out = out + self.bias.reshape(shape)
        return self.bn(out)

    def _apply_weight(self, input: lampas.Tensor, weight: lampas.Tensor) -> lampas.Tensor:
        raise NotImplementedError

    def reset_running_stats(self) -> None:
        """Forgets the normalization's statistics."""
        self.bn.reset_running_stats()

    def reset_bn_parameters(self) -> None:
        """Gives the normalization its first values."""
        self.bn.reset_running_stats()
        nn.init.uniform_(self.bn.weight)
        nn.init.zeros_(self.bn.bias)

    def update_bn_stats(self) -> Any:
        """The batch normalizes, and its statistics are learned."""
        self.freeze_bn = False
        self.bn.training = True
        return self

    def freeze_bn_stats(self) -> Any:
        """The running statistics normalize, and stay."""
        self.freeze_bn = True
        self.bn.training = False
        return self

    def train(self, mode: bool = True) -> Any:
        """Training or evaluation mode; frozen statistics stay frozen."""
        self.training = mode
        if not self.freeze_bn:
            for module in self.children():
                module.train(mode)
        return self

    @classmethod
    def _check_float(cls, mod: Any) -> None:
        wanted = cls._FLOAT_MODULE
        if type(mod) is not wanted:
            raise AssertionError(
                f"qat.{cls.__name__}.from_float only works for {wanted.__name__}, got {type(mod).__name__}"
            )
        if not getattr(mod, "qconfig", None):
            raise AssertionError(
                "Input float module must have qconfig defined (and not None): mod.qconfig = get_default_qat_qconfig()"
            )

    def _take(self, layer: Any, bn: Any) -> None:
        self.weight = layer.weight
        self.bias = layer.bias
        for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
            setattr(self.bn, name, getattr(bn, name))
