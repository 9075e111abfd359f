"""A linear layer on quantized tensors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import lampas
import lampas.nn as nn
from lampas.ao.nn import intrinsic as nni
from lampas.nn.modules.linear import NonDynamicallyQuantizableLinear
from lampas.nn.utils.fusion import fuse_linear_bn_weights
from lampas.nn.utils.parametrize import type_before_parametrizations

from .utils import (
    OutputScaleInState,
    WeightedQuantizedModule,
    _quantize_weight,
    output_qparams,
    require_qconfig,
    weight_observer_of,
)

__all__ = ["Linear", "LinearPackedParams"]


class LinearPackedParams(nn.Module):
    """Weight and bias in the order in which the kernels want them.

    Args:
        dtype: of the weight: qint8 or float16.
    """

    _version = 3

    def __init__(self, dtype: Any = lampas.qint8) -> None:
        super().__init__()
        self.dtype = dtype
        if dtype == lampas.qint8:
            empty = lampas._empty_affine_quantized([1, 1], scale=1, zero_point=0, dtype=lampas.qint8)
        else:
            empty = lampas.zeros([1, 1])
        self.set_weight_bias(empty, None)

    def set_weight_bias(self, weight: lampas.Tensor, bias: lampas.Tensor | None) -> None:
        """Packs a weight of shape (out, in) and a bias of shape (out,) or None.

        Raises:
            RuntimeError: neither qint8 nor float16.
        """
        if self.dtype == lampas.qint8:
            self._packed_params = lampas.ops.quantized.linear_prepack(weight, bias)
        elif self.dtype == lampas.float16:
            self._packed_params = lampas.ops.quantized.linear_prepack_fp16(weight, bias)
        else:
            raise RuntimeError(f"Unsupported dtype on dynamic quantized linear: {self.dtype}; give qint8 or float16")

    def _weight_bias(self) -> tuple[lampas.Tensor, lampas.Tensor | None]:
        if self.dtype == lampas.qint8:
            return lampas.ops.quantized.linear_unpack(self._packed_params)
        return lampas.ops.quantized.linear_unpack_fp16(self._packed_params)

    def forward(self, x: Any) -> Any:
        return x

    def _save_to_state_dict(self, destination: dict, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[prefix + "dtype"] = self.dtype
        destination[prefix + "_packed_params"] = tuple(self._weight_bias())

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
        version = local_metadata.get("version")
        old = version is None or version < 2
        self.dtype = lampas.qint8 if old else state_dict.pop(prefix + "dtype")
        if version is None or version < 3:
            weight, bias = state_dict.pop(prefix + "weight"), state_dict.pop(prefix + "bias")
        else:
            weight, bias = state_dict.pop(prefix + "_packed_params")
        self.set_weight_bias(weight, bias)
        super()._load_from_state_dict(
            *(state_dict, prefix, local_metadata, False, missing_keys, unexpected_keys, error_msgs)
        )

    def __repr__(self) -> str:
        return repr(self._weight_bias())


def _names(modules: Iterable[Any]) -> str:
    return ", ".join(module.__name__ for module in modules)


class Linear(OutputScaleInState, WeightedQuantizedModule):
    """``x W^T + b`` on quantized tensors: 8-bit products, 32-bit sums, rounded to the output's scale.

    Made by `convert`; of itself it has a weight of zeros.

    Args:
        in_features, out_features: sizes of the last dimension of input and output.
        bias_: whether a number is added to each output.
        dtype: of the weight: qint8.

    Raises:
        RuntimeError: another dtype.

    >>> layer = Linear(20, 30); layer.scale, layer.zero_point = 0.1, 128
    >>> layer(lampas.quantize_per_tensor(lampas.randn(5, 20), 0.1, 128, lampas.quint8)).shape
    torch.Size([5, 30])
    """

    _version = 3
    _FLOAT_MODULE: Any = (nn.Linear, NonDynamicallyQuantizableLinear)
    _FUSED_MODULE: Any = nni.LinearReLU

    def __init__(self, in_features: int, out_features: int, bias_: bool = True, dtype: Any = lampas.qint8) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        bias = lampas.zeros(out_features, dtype=lampas.float32) if bias_ else None
        if dtype == lampas.qint8:
            weight = lampas._empty_affine_quantized([out_features, in_features], scale=1, zero_point=0, dtype=dtype)
        elif dtype == lampas.float16:
            weight = lampas.zeros([out_features, in_features], dtype=lampas.float32)
        else:
            raise RuntimeError(f"Unsupported dtype specified for quantized Linear: {dtype}; give qint8 or float16")
        self._packed_params = LinearPackedParams(dtype)
        self._packed_params.set_weight_bias(weight, bias)
        self.scale = 1.0
        self.zero_point = 0

    def _get_name(self) -> str:
        return "QuantizedLinear"

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, scale={self.scale}, "
            f"zero_point={self.zero_point}, qscheme={self.weight().qscheme()}"
        )

    def __repr__(self) -> str:
        # The packed weight is no submodule worth printing.
        return f"{self._get_name()}({self.extra_repr()})"

    def forward(self, x: lampas.Tensor) -> lampas.Tensor:
        return lampas.ops.quantized.linear(x, self._packed_params._packed_params, self.scale, self.zero_point)

    def _load_from_state_dict(self, state_dict: dict, prefix: str, local_metadata: dict, *rest: Any) -> None:
        version = local_metadata.get("version")
        if version is None or version < 3:
            for name in ("weight", "bias"):
                if prefix + name in state_dict:
                    state_dict[f"{prefix}_packed_params.{name}"] = state_dict.pop(prefix + name)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

    def _weight_bias(self) -> tuple[lampas.Tensor, lampas.Tensor | None]:
        return self._packed_params._weight_bias()

    def weight(self) -> lampas.Tensor:
        """The quantized weight, (out_features, in_features)."""
        return self._weight_bias()[0]

    def bias(self) -> lampas.Tensor | None:
        """The bias in floating point."""
        return self._weight_bias()[1]

    def set_weight_bias(self, w: lampas.Tensor, b: lampas.Tensor | None) -> None:
        """Packs a quantized weight and a bias."""
        self._packed_params.set_weight_bias(w, b)

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        """The quantized layer of a prepared float layer, of a fused one, or of one trained with fake quantization.

        Raises:
            AssertionError: another type of layer, or one that was not prepared.
        """
        extra: dict[str, Any] = {}
        if hasattr(mod, "weight_fake_quant"):
            scale = output_qparams(mod)
            if hasattr(mod, "bn"):
                mod.weight, mod.bias = fuse_linear_bn_weights(
                    *(mod.weight, mod.bias, mod.bn.running_mean, mod.bn.running_var, mod.bn.eps),
                    *(mod.bn.weight, mod.bn.bias),
                )
            layer = mod
        else:
            wanted = cls._FLOAT_MODULE if isinstance(cls._FLOAT_MODULE, tuple) else (cls._FLOAT_MODULE,)
            if type_before_parametrizations(mod) not in (*wanted, cls._FUSED_MODULE):
                raise AssertionError(
                    f"nnq.{cls.__name__}.from_float only works for {_names(wanted)}, but got: {type(mod)}"
                )
            require_qconfig(mod)
            scale = output_qparams(mod)
            extra = cls._extra_arguments(mod)
            layer = mod[0] if isinstance(mod, nni._FusedModule) else mod
        weight = _quantize_weight(layer.weight.float(), weight_observer_of(layer, use_precomputed_fake_quant))
        made = cls(layer.in_features, layer.out_features, **extra)
        made.set_weight_bias(weight, layer.bias)
        made.scale, made.zero_point = scale
        return made

    @classmethod
    def _extra_arguments(cls, mod: Any) -> dict[str, Any]:
        """Further arguments of the constructor that the float module knows."""
        return {}

    @classmethod
    def from_reference(cls, ref_qlinear: Any, output_scale: float, output_zero_point: int) -> Any:
        """The quantized layer of a reference layer, with the scale of its output."""
        made = cls(ref_qlinear.in_features, ref_qlinear.out_features)
        made.set_weight_bias(ref_qlinear.get_quantized_weight(), ref_qlinear.bias)
        made.scale, made.zero_point = float(output_scale), int(output_zero_point)
        return made
