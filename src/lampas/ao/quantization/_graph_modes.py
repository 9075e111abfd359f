"""Names of the ways to quantize that work on a graph of the program, which lampas does not have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def _refused(name: str, instead: str) -> Callable:
    def function(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(
            f"{name} quantizes a graph of the program, which lampas does not record. Use eager mode: {instead}"
        )

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Not available: quantizes a graph of the program. In eager mode: {instead}."
    return function


_FUSE = "fuse_modules(model, [['conv', 'bn', 'relu']])"
_STATIC = "model.qconfig = get_default_qconfig('x86'), then prepare(model), calibration, convert(model)"
_QAT = "model.qconfig = get_default_qat_qconfig('x86'), then prepare_qat(model), training, convert(model)"
_DYNAMIC = "quantize_dynamic(model, {nn.Linear, nn.LSTM})"

convert_dynamic_jit = _refused("convert_dynamic_jit", _DYNAMIC)
convert_jit = _refused("convert_jit", _STATIC)
fuse_conv_bn_jit = _refused("fuse_conv_bn_jit", _FUSE)
prepare_dynamic_jit = _refused("prepare_dynamic_jit", _DYNAMIC)
prepare_jit = _refused("prepare_jit", _STATIC)
quantize_dynamic_jit = _refused("quantize_dynamic_jit", _DYNAMIC)
quantize_jit = _refused("quantize_jit", _STATIC)
script_qconfig = _refused("script_qconfig", _STATIC)
script_qconfig_dict = _refused("script_qconfig_dict", _STATIC)

prepare_fx = _refused("prepare_fx", _STATIC)
prepare_qat_fx = _refused("prepare_qat_fx", _QAT)
convert_fx = _refused("convert_fx", _STATIC)
convert_to_reference_fx = _refused("convert_to_reference_fx", _STATIC)
fuse_fx = _refused("fuse_fx", _FUSE)
prepare_pt2e = _refused("prepare_pt2e", _STATIC)
prepare_qat_pt2e = _refused("prepare_qat_pt2e", _QAT)
convert_pt2e = _refused("convert_pt2e", _STATIC)
