"""How the models of this folder set their first weights: one walk over the modules, one rule for each kind."""

from __future__ import annotations

from collections.abc import Callable

from lampas import Tensor, nn

__all__ = ["initialize", "kaiming_fan_out", "normal_", "trunc_normal_"]

Rule = Callable[[Tensor], object]


def kaiming_fan_out(weight: Tensor) -> None:
    """Normal numbers that keep the variance of the gradient through a ReLU."""
    nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")


def normal_(std: float) -> Rule:
    return lambda weight: nn.init.normal_(weight, 0, std)


def trunc_normal_(std: float) -> Rule:
    return lambda weight: nn.init.trunc_normal_(weight, std=std)


def initialize(
    model: nn.Module, conv: Rule | None = None, linear: Rule | None = None, zero_bias: tuple[type, ...] = (nn.Conv2d,)
) -> None:
    """Sets the weights of convolutions and linear layers by their rules, the biases of the kinds in `zero_bias` to
    zero, and normalisations to the identity."""
    for module in model.modules():
        rule = conv if isinstance(module, nn.Conv2d) else linear if isinstance(module, nn.Linear) else None
        if rule is not None:
            rule(module.weight)
        if isinstance(module, zero_bias) and module.bias is not None:
            nn.init.zeros_(module.bias)
        if isinstance(module, nn.BatchNorm2d | nn.GroupNorm) and module.weight is not None:
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
