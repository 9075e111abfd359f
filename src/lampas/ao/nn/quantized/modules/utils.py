"""What quantized layers share: weights quantized by an observer, scales kept in the state dict."""

from __future__ import annotations

import abc
from typing import Any

import lampas
import lampas.nn as nn
from lampas.nn.modules.utils import _ntuple

__all__ = ["WeightedQuantizedModule"]

_pair = _ntuple(2)


class WeightedQuantizedModule(nn.Module, metaclass=abc.ABCMeta):
    """A quantized layer with weights, made from a float layer or from a quantized reference layer."""

    @classmethod
    @abc.abstractmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        """The quantized layer of a prepared float layer."""


class OutputScaleInState(nn.Module):
    """Keeps the numbers ``scale`` and ``zero_point`` of a layer's output in its state dict, as 0-d tensors."""

    scale: float
    zero_point: int

    def _save_to_state_dict(self, destination: dict, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[prefix + "scale"] = lampas.tensor(self.scale)
        destination[prefix + "zero_point"] = lampas.tensor(self.zero_point)

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
        for name, kind in (("scale", float), ("zero_point", int)):
            if prefix + name in state_dict:
                setattr(self, name, kind(state_dict.pop(prefix + name)))
            else:
                missing_keys.append(prefix + name)
        super()._load_from_state_dict(
            *(state_dict, prefix, local_metadata, False, missing_keys, unexpected_keys, error_msgs)
        )


class ScaleBuffers(nn.Module):
    """Keeps ``scale`` and ``zero_point`` of a layer's output as 0-d buffers."""

    def _set_scale(self, scale: Any, zero_point: Any, device: Any = None, dtype: Any = None) -> None:
        self.register_buffer("scale", lampas.tensor(float(scale), device=device, dtype=dtype))
        self.register_buffer("zero_point", lampas.tensor(int(zero_point), device=device))


def output_qparams(mod: Any) -> tuple[float, int]:
    """Scale and zero point that the observer of a prepared module's output has found.

    Raises:
        AssertionError: the module has no observer; it was not prepared.
    """
    if not hasattr(mod, "activation_post_process"):
        raise AssertionError(f"Input {type(mod).__name__} must have observer attached: run prepare() first")
    scale, zero_point = mod.activation_post_process.calculate_qparams()
    return float(scale), int(zero_point)


def require_qconfig(mod: Any) -> None:
    """
    Raises:
        AssertionError: the module has no qconfig.
    """
    if not hasattr(mod, "qconfig"):
        raise AssertionError("Input float module must have qconfig defined: set mod.qconfig, then run prepare()")


def _quantize_weight(float_wt: lampas.Tensor, observer: Any) -> lampas.Tensor:
    """A weight quantized with the scale that its observer found.

    Raises:
        ValueError: an unknown scheme.
    """
    scale, zero_point = observer.calculate_qparams()
    qscheme, dtype = observer.qscheme, observer.dtype
    if qscheme in (lampas.per_tensor_symmetric, lampas.per_tensor_affine):
        weight = lampas.quantize_per_tensor(float_wt, float(scale), int(zero_point), dtype)
    elif qscheme in (lampas.per_channel_symmetric, lampas.per_channel_affine):
        weight = lampas.quantize_per_channel(
            float_wt, scale.to(lampas.float64), zero_point.to(lampas.int64), observer.ch_axis, dtype
        )
    elif qscheme == lampas.per_channel_affine_float_qparams:
        return lampas.quantize_per_channel(
            float_wt, scale.to(lampas.float32), zero_point.to(lampas.float32), observer.ch_axis, dtype
        )
    else:
        raise ValueError(f"Unexpected qscheme {qscheme}")
    return _clamp_weights(weight, observer)


def _clamp_weights(weight: lampas.Tensor, observer: Any) -> lampas.Tensor:
    """The integers of a weight within the range of its observer, where that is narrower than the dtype's."""
    from lampas.ao.quantization.utils import dtype_range

    low, high = dtype_range(weight.dtype)
    if observer.quant_min <= low and observer.quant_max >= high:
        return weight
    values = weight.int_repr().clamp(observer.quant_min, observer.quant_max)
    if weight.qscheme() in (lampas.per_tensor_symmetric, lampas.per_tensor_affine):
        return lampas._make_per_tensor_quantized_tensor(values, weight.q_scale(), weight.q_zero_point())
    return lampas._make_per_channel_quantized_tensor(
        values, weight.q_per_channel_scales(), weight.q_per_channel_zero_points(), weight.q_per_channel_axis()
    )


def weight_observer_of(mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
    """The observer of a layer's weight, having seen it: its fake quantizer, or a new one by its qconfig.

    Raises:
        AssertionError: weights would not become qint8.
    """
    observer = mod.weight_fake_quant if hasattr(mod, "weight_fake_quant") else mod.qconfig.weight()
    if not use_precomputed_fake_quant:
        observer(mod.weight)
    if observer.dtype != lampas.qint8:
        raise AssertionError(f"Weight observer must have dtype lampas.qint8, got {observer.dtype}")
    return observer
