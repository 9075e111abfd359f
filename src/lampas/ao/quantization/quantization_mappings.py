"""Which module becomes which in `prepare_qat`, `convert` and `quantize_dynamic`."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import lampas
import lampas.nn as nn
from lampas.ao.nn import intrinsic as nni
from lampas.ao.nn import qat as nnqat
from lampas.ao.nn import quantizable as nnqa
from lampas.ao.nn import quantized as nnq
from lampas.ao.nn.intrinsic import qat as nniqat
from lampas.ao.nn.intrinsic import quantized as nniq
from lampas.ao.nn.intrinsic.quantized import dynamic as nniqd
from lampas.ao.nn.qat import dynamic as nnqatd
from lampas.ao.nn.quantized import dynamic as nnqd
from lampas.nn import functional as F
from lampas.nn.modules.linear import NonDynamicallyQuantizableLinear
from lampas.nn.utils.parametrize import type_before_parametrizations

from .fake_quantize import default_fixed_qparams_range_0to1_fake_quant, default_fixed_qparams_range_neg1to1_fake_quant
from .stubs import DeQuantStub, QuantStub
from .utils import get_combined_dict

__all__ = [
    "DEFAULT_DYNAMIC_QUANT_MODULE_MAPPINGS",
    "DEFAULT_DYNAMIC_SPARSE_QUANT_MODULE_MAPPINGS",
    "DEFAULT_MODULE_TO_ACT_POST_PROCESS",
    "DEFAULT_QAT_MODULE_MAPPINGS",
    "DEFAULT_REFERENCE_STATIC_QUANT_MODULE_MAPPINGS",
    "DEFAULT_STATIC_QUANT_MODULE_MAPPINGS",
    "DEFAULT_STATIC_SPARSE_QUANT_MODULE_MAPPINGS",
    "get_default_compare_output_module_list",
    "get_default_dynamic_quant_module_mappings",
    "get_default_dynamic_sparse_quant_module_mappings",
    "get_default_float_to_quantized_operator_mappings",
    "get_default_qat_module_mappings",
    "get_default_qconfig_propagation_list",
    "get_default_static_quant_module_mappings",
    "get_default_static_quant_reference_module_mappings",
    "get_default_static_sparse_quant_module_mappings",
    "get_dynamic_quant_module_class",
    "get_embedding_qat_module_mappings",
    "get_embedding_static_quant_module_mappings",
    "get_quantized_operator",
    "get_static_quant_module_class",
    "no_observer_set",
]

DEFAULT_STATIC_QUANT_MODULE_MAPPINGS: dict[Any, Any] = {
    QuantStub: nnq.Quantize,
    DeQuantStub: nnq.DeQuantize,
    nn.BatchNorm2d: nnq.BatchNorm2d,
    nn.BatchNorm3d: nnq.BatchNorm3d,
    nn.Dropout: nnq.Dropout,
    nn.Conv1d: nnq.Conv1d,
    nn.Conv2d: nnq.Conv2d,
    nn.Conv3d: nnq.Conv3d,
    nn.ConvTranspose1d: nnq.ConvTranspose1d,
    nn.ConvTranspose2d: nnq.ConvTranspose2d,
    nn.ConvTranspose3d: nnq.ConvTranspose3d,
    nn.ELU: nnq.ELU,
    nn.Embedding: nnq.Embedding,
    nn.EmbeddingBag: nnq.EmbeddingBag,
    nn.GroupNorm: nnq.GroupNorm,
    nn.Hardswish: nnq.Hardswish,
    nn.InstanceNorm1d: nnq.InstanceNorm1d,
    nn.InstanceNorm2d: nnq.InstanceNorm2d,
    nn.InstanceNorm3d: nnq.InstanceNorm3d,
    nn.LayerNorm: nnq.LayerNorm,
    nn.LeakyReLU: nnq.LeakyReLU,
    NonDynamicallyQuantizableLinear: nnq.Linear,
    nn.Linear: nnq.Linear,
    nn.ReLU6: nnq.ReLU6,
    nn.PReLU: nnq.PReLU,
    nnq.FloatFunctional: nnq.QFunctional,
    nni.BNReLU2d: nniq.BNReLU2d,
    nni.BNReLU3d: nniq.BNReLU3d,
    nni.ConvReLU1d: nniq.ConvReLU1d,
    nni.ConvReLU2d: nniq.ConvReLU2d,
    nni.ConvReLU3d: nniq.ConvReLU3d,
    nni.ConvAdd2d: nniq.ConvAdd2d,
    nni.ConvAddReLU2d: nniq.ConvAddReLU2d,
    nni.LinearReLU: nniq.LinearReLU,
    nni.LinearLeakyReLU: nniq.LinearLeakyReLU,
    nni.LinearTanh: nniq.LinearTanh,
    nniqat.ConvBn1d: nnq.Conv1d,
    nniqat.ConvBn2d: nnq.Conv2d,
    nniqat.ConvBn3d: nnq.Conv3d,
    nniqat.ConvBnReLU1d: nniq.ConvReLU1d,
    nniqat.ConvBnReLU2d: nniq.ConvReLU2d,
    nniqat.ConvBnReLU3d: nniq.ConvReLU3d,
    nniqat.ConvReLU2d: nniq.ConvReLU2d,
    nniqat.ConvReLU3d: nniq.ConvReLU3d,
    nniqat.LinearReLU: nniq.LinearReLU,
    nniqat.LinearBn1d: nnq.Linear,
    nnqat.Linear: nnq.Linear,
    nnqat.Conv2d: nnq.Conv2d,
    nnqat.Conv3d: nnq.Conv3d,
}

# Reference modules and sparse ones are not part of lampas.
DEFAULT_REFERENCE_STATIC_QUANT_MODULE_MAPPINGS: dict[Any, Any] = {
    QuantStub: nnq.Quantize,
    DeQuantStub: nnq.DeQuantize,
}
DEFAULT_STATIC_SPARSE_QUANT_MODULE_MAPPINGS: dict[Any, Any] = {}
DEFAULT_DYNAMIC_SPARSE_QUANT_MODULE_MAPPINGS: dict[Any, Any] = {}

DEFAULT_QAT_MODULE_MAPPINGS: dict[Any, Any] = {
    nn.Conv2d: nnqat.Conv2d,
    nn.Conv3d: nnqat.Conv3d,
    nn.Linear: nnqat.Linear,
    NonDynamicallyQuantizableLinear: nnqat.Linear,
    nni.ConvBn1d: nniqat.ConvBn1d,
    nni.ConvBn2d: nniqat.ConvBn2d,
    nni.ConvBn3d: nniqat.ConvBn3d,
    nni.ConvBnReLU1d: nniqat.ConvBnReLU1d,
    nni.ConvBnReLU2d: nniqat.ConvBnReLU2d,
    nni.ConvBnReLU3d: nniqat.ConvBnReLU3d,
    nni.ConvReLU2d: nniqat.ConvReLU2d,
    nni.ConvReLU3d: nniqat.ConvReLU3d,
    nni.LinearReLU: nniqat.LinearReLU,
    nni.LinearBn1d: nniqat.LinearBn1d,
}

DEFAULT_DYNAMIC_QUANT_MODULE_MAPPINGS: dict[Any, Any] = {
    nn.GRUCell: nnqd.GRUCell,
    nn.Linear: nnqd.Linear,
    nnqatd.Linear: nnqd.Linear,
    NonDynamicallyQuantizableLinear: nnqd.Linear,
    nn.LSTM: nnqd.LSTM,
    nn.GRU: nnqd.GRU,
    nn.LSTMCell: nnqd.LSTMCell,
    nn.RNNCell: nnqd.RNNCell,
    nni.LinearReLU: nniqd.LinearReLU,
    nn.EmbeddingBag: nnq.EmbeddingBag,
    nn.Embedding: nnq.Embedding,
}

_INCLUDE_QCONFIG_PROPAGATE_LIST: set[Any] = {nn.Sequential}

_OPERATORS = {
    F.elu: "elu",
    F.hardswish: "hardswish",
    F.instance_norm: "instance_norm",
    F.layer_norm: "layer_norm",
    F.leaky_relu: "leaky_relu",
    F.dropout: "dropout",
}

DEFAULT_MODULE_TO_ACT_POST_PROCESS: dict[Any, Any] = {
    nn.Hardsigmoid: default_fixed_qparams_range_0to1_fake_quant,
    nn.Sigmoid: default_fixed_qparams_range_0to1_fake_quant,
    nn.Softmax: default_fixed_qparams_range_0to1_fake_quant,
    nn.Tanh: default_fixed_qparams_range_neg1to1_fake_quant,
}


def __getattr__(name: str) -> Any:
    # Made when asked for: looking an operator up loads all of them.
    if name == "DEFAULT_FLOAT_TO_QUANTIZED_OPERATOR_MAPPINGS":
        ops = lampas.ops.quantized
        return {function: getattr(ops, op) for function, op in _OPERATORS.items() if hasattr(ops, op)}
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def no_observer_set() -> set[Any]:
    """Modules whose output is not observed as a whole, because their parts are."""
    return {nnqa.LSTM, nnqa.MultiheadAttention}


def get_default_static_quant_module_mappings() -> dict[Callable, Any]:
    """What `convert` makes of prepared modules."""
    return copy.deepcopy(DEFAULT_STATIC_QUANT_MODULE_MAPPINGS)


def get_default_static_quant_reference_module_mappings() -> dict[Callable, Any]:
    """What `convert` makes of prepared modules with ``is_reference=True``: the stubs."""
    return copy.deepcopy(DEFAULT_REFERENCE_STATIC_QUANT_MODULE_MAPPINGS)


def get_embedding_static_quant_module_mappings() -> dict[Callable, Any]:
    """`get_default_static_quant_module_mappings`, with embeddings trained with fake quantization."""
    trained = {nnqat.EmbeddingBag: nnq.EmbeddingBag, nnqat.Embedding: nnq.Embedding}
    return get_default_static_quant_module_mappings() | trained


def get_default_static_sparse_quant_module_mappings() -> dict[Callable, Any]:
    """Sparse quantized modules: there are none."""
    return {}


def get_default_qat_module_mappings() -> dict[Callable, Any]:
    """What `prepare_qat` makes of float modules."""
    return copy.deepcopy(DEFAULT_QAT_MODULE_MAPPINGS)


def get_embedding_qat_module_mappings() -> dict[Callable, Any]:
    """`get_default_qat_module_mappings`, with embeddings."""
    trained = {nn.EmbeddingBag: nnqat.EmbeddingBag, nn.Embedding: nnqat.Embedding}
    return get_default_qat_module_mappings() | trained


def get_default_dynamic_quant_module_mappings() -> dict[Callable, Any]:
    """What `quantize_dynamic` makes of float modules."""
    return dict(DEFAULT_DYNAMIC_QUANT_MODULE_MAPPINGS)


def get_default_dynamic_sparse_quant_module_mappings() -> dict[Callable, Any]:
    """Sparse dynamically quantized modules: there are none."""
    return {}


def get_default_qconfig_propagation_list() -> set[Callable]:
    """The types of leaves that `prepare` observes."""
    return (
        set(DEFAULT_STATIC_QUANT_MODULE_MAPPINGS)
        | set(DEFAULT_QAT_MODULE_MAPPINGS)
        | set(DEFAULT_DYNAMIC_QUANT_MODULE_MAPPINGS)
        | _INCLUDE_QCONFIG_PROPAGATE_LIST
    )


def get_default_compare_output_module_list() -> set[Callable]:
    """The types whose outputs are compared between a float and a quantized model."""
    pairs = (DEFAULT_STATIC_QUANT_MODULE_MAPPINGS, DEFAULT_DYNAMIC_QUANT_MODULE_MAPPINGS)
    kinds = {kind for pair in pairs for kind in (*pair, *pair.values())}
    return kinds | set(DEFAULT_QAT_MODULE_MAPPINGS.values()) | _INCLUDE_QCONFIG_PROPAGATE_LIST


def get_default_float_to_quantized_operator_mappings() -> dict[Callable | str, Callable]:
    """Functions that have a quantized operator."""
    return __getattr__("DEFAULT_FLOAT_TO_QUANTIZED_OPERATOR_MAPPINGS")


def get_quantized_operator(float_op: Callable | str) -> Callable:
    """The quantized operator of a function.

    Raises:
        AssertionError: it has none.
    """
    operator = get_default_float_to_quantized_operator_mappings().get(float_op)
    if operator is None:
        raise AssertionError(f"Operator {float_op} does not have corresponding quantized op")
    return operator


def _looked_up(kind: Callable, mapping: dict, additional: dict | None, what: str) -> Any:
    target = get_combined_dict(mapping, additional or {}).get(kind)
    if target is None:
        raise AssertionError(f"Floating point module class {kind} does not have a corresponding {what} module class")
    return copy.deepcopy(target)


def get_static_quant_module_class(
    float_module_class: Callable, additional_static_quant_mapping: dict | None = None, is_reference: bool = False
) -> Any:
    """The class that `convert` makes of a float class.

    Raises:
        AssertionError: there is none.
    """
    mapping = DEFAULT_REFERENCE_STATIC_QUANT_MODULE_MAPPINGS if is_reference else DEFAULT_STATIC_QUANT_MODULE_MAPPINGS
    return _looked_up(float_module_class, mapping, additional_static_quant_mapping, "quantized")


def get_dynamic_quant_module_class(
    float_module_class: Callable, additional_dynamic_quant_mapping: dict | None = None
) -> Any:
    """The class that `quantize_dynamic` makes of a float class.

    Raises:
        AssertionError: there is none.
    """
    mapping = DEFAULT_DYNAMIC_QUANT_MODULE_MAPPINGS
    return _looked_up(float_module_class, mapping, additional_dynamic_quant_mapping, "dynamic quantized")


def _get_special_act_post_process(module: nn.Module) -> Any:
    """The fake quantizer of a function with a known range, while training; None for other modules."""
    if not module.training:
        return None
    return DEFAULT_MODULE_TO_ACT_POST_PROCESS.get(type_before_parametrizations(module))
