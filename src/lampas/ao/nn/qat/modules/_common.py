"""What layers with a fake-quantized weight share."""

from __future__ import annotations

from typing import Any

import lampas.nn as nn
from lampas.nn.utils.parametrize import (
    transfer_parametrizations_and_params,
    type_before_parametrizations,
)


def fake_quantize_weight(module: Any, qconfig: Any) -> None:
    """Gives a layer its qconfig and the fake quantizer of its weight.

    Raises:
        AssertionError: there is no qconfig.
    """
    if not qconfig:
        raise AssertionError(f"qconfig must be provided for QAT module; give {type(module).__name__}(..., qconfig=...)")
    module.qconfig = qconfig
    module.weight_fake_quant = qconfig.weight()


def check_float(cls: Any, mod: Any) -> None:
    """
    Raises:
        AssertionError: `mod` is not what `cls` is made from, or has no qconfig.
    """
    wanted = cls._FLOAT_MODULE
    if type_before_parametrizations(mod) is not wanted:
        raise AssertionError(
            f"qat.{cls.__name__}.from_float only works for {wanted.__name__}, got {type(mod).__name__}"
        )
    if not getattr(mod, "qconfig", None):
        raise AssertionError(
            "Input float module must have qconfig defined (and not None): mod.qconfig = get_default_qat_qconfig()"
        )


def share_parameters(target: Any, mod: Any) -> None:
    """Gives a new layer the weight and bias of another, parametrizations included."""
    if nn.utils.parametrize.is_parametrized(mod, "weight"):
        transfer_parametrizations_and_params(mod, target, "weight")
    else:
        target.weight = mod.weight
    if nn.utils.parametrize.is_parametrized(mod, "bias"):
        transfer_parametrizations_and_params(mod, target, "bias")
    else:
        target.bias = mod.bias
