"""A linear layer that quantizes its input in each call."""

from __future__ import annotations

from typing import Any

import lampas
import lampas.nn as nn
from lampas.ao.nn import intrinsic as nni
from lampas.ao.nn.qat.dynamic import Linear as _QATLinear
from lampas.ao.nn.quantized.modules.linear import Linear as _QuantizedLinear
from lampas.ao.nn.quantized.modules.linear import _names
from lampas.ao.nn.quantized.modules.utils import _quantize_weight, require_qconfig
from lampas.nn.modules.linear import NonDynamicallyQuantizableLinear
from lampas.nn.utils.parametrize import type_before_parametrizations

__all__ = ["Linear"]


def weight_observer(mod: Any) -> Any:
    """A new observer for the weight of a layer, by its qconfig or by the usual one of dynamic quantization."""
    from lampas.ao.quantization.qconfig import default_dynamic_qconfig

    given = mod.qconfig is not None and mod.qconfig.weight is not None
    return (mod.qconfig if given else default_dynamic_qconfig).weight()


class Linear(_QuantizedLinear):
    """``x W^T + b`` on floating point tensors: x is quantized to 8 bits by its own range, W was quantized before.

    Args:
        in_features, out_features: sizes of the last dimension of input and output.
        bias_: whether a number is added to each output.
        dtype: of the weight: qint8, or float16 (computed in floating point).

    >>> Linear(20, 30)(lampas.randn(128, 20)).shape
    torch.Size([128, 30])
    """

    _version = 4
    _float_modules: tuple[type, ...] = (nn.Linear, NonDynamicallyQuantizableLinear, nni.LinearReLU, _QATLinear)
    _ops = ("linear_dynamic", "linear_dynamic_fp16")

    def __init__(self, in_features: int, out_features: int, bias_: bool = True, dtype: Any = lampas.qint8) -> None:
        super().__init__(in_features, out_features, bias_, dtype=dtype)
        # Below version 4 the input used all 8 bits.
        self.version: Any = 4

    def forward(self, x: lampas.Tensor) -> lampas.Tensor:
        packed = self._packed_params._packed_params
        if self._packed_params.dtype == lampas.qint8:
            op = getattr(lampas.ops.quantized, self._ops[0])
            out = op(x, packed, reduce_range=self.version is not None and self.version >= 4)
        else:
            out = getattr(lampas.ops.quantized, self._ops[1])(x, packed)
        return out.to(x.dtype)

    def _get_name(self) -> str:
        return "DynamicQuantizedLinear"

    def extra_repr(self) -> str:
        text = f"in_features={self.in_features}, out_features={self.out_features}, dtype={self._packed_params.dtype}"
        if self._packed_params.dtype == lampas.qint8:
            text += f", qscheme={self.weight().qscheme()}"
        return text

    def _load_from_state_dict(self, state_dict: dict, prefix: str, local_metadata: dict, *rest: Any) -> None:
        self.version = local_metadata.get("version")
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        """The quantized layer of a float layer with a qconfig.

        Raises:
            AssertionError: another type of layer, or no qconfig.
            RuntimeError: weights of another dtype than qint8 and float16.
        """
        if type_before_parametrizations(mod) not in cls._float_modules:
            raise AssertionError(
                "nn.quantized.dynamic.Linear.from_float only works for one of "
                f"{_names(cls._float_modules)}, got {type(mod)}"
            )
        require_qconfig(mod)
        observer = weight_observer(mod)
        if type(mod) is nni.LinearReLU:
            mod = mod[0]
        observer(mod.weight)
        weight = mod.weight.detach().float()
        if observer.dtype == lampas.qint8:
            weight = _quantize_weight(weight, observer)
        elif observer.dtype != lampas.float16:
            raise RuntimeError(
                f"Unsupported dtype specified for dynamic quantized Linear: {observer.dtype}; give qint8 or float16"
            )
        made = cls(mod.in_features, mod.out_features, dtype=observer.dtype)
        made.set_weight_bias(weight, mod.bias)
        return made

    @classmethod
    def from_reference(cls, ref_qlinear: Any) -> Any:
        """The quantized layer of a reference layer."""
        made = cls(ref_qlinear.in_features, ref_qlinear.out_features, dtype=ref_qlinear.weight_dtype)
        made.set_weight_bias(ref_qlinear.get_quantized_weight(), ref_qlinear.bias)
        return made
