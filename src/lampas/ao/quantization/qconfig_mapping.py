"""QConfigMapping: qconfigs for a model's parts, by name, pattern, type."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import lampas
import lampas.nn as nn

from . import fake_quantize as fq
from . import observer as obs
from .qconfig import (
    QConfig,
    QConfigAny,
    default_quint8_weight_qconfig,
    default_reuse_input_qconfig,
    get_default_qat_qconfig,
    get_default_qconfig,
)

__all__ = ["QConfigMapping", "get_default_qat_qconfig_mapping", "get_default_qconfig_mapping"]

# The attribute of each kind of entry, and its key in the dictionary form.
_KINDS = {
    "object_type_qconfigs": "object_type",
    "module_name_regex_qconfigs": "module_name_regex",
    "module_name_qconfigs": "module_name",
    "module_name_object_type_order_qconfigs": "module_name_object_type_order",
}


class QConfigMapping:
    """Which qconfig each part of a model gets. The setters return the mapping, to be chained.

    In eager mode its global entry, types and names are what `propagate_qconfig_` understands:

    >>> mapping = QConfigMapping().set_global(default_qconfig).set_object_type(nn.Embedding, None)
    >>> propagate_qconfig_(model, mapping.to_eager_dict())
    """

    def __init__(self) -> None:
        self.global_qconfig: QConfigAny = None
        self.object_type_qconfigs: OrderedDict[Any, QConfigAny] = OrderedDict()
        self.module_name_regex_qconfigs: OrderedDict[str, QConfigAny] = OrderedDict()
        self.module_name_qconfigs: OrderedDict[str, QConfigAny] = OrderedDict()
        self.module_name_object_type_order_qconfigs: OrderedDict[tuple[str, Any, int], QConfigAny] = OrderedDict()

    def set_global(self, global_qconfig: QConfigAny) -> QConfigMapping:
        """The qconfig of everything that no other entry names."""
        self.global_qconfig = global_qconfig
        return self

    def set_object_type(self, object_type: Any, qconfig: QConfigAny) -> QConfigMapping:
        """The qconfig of modules of a type, of a function, of a method's name."""
        self.object_type_qconfigs[object_type] = qconfig
        return self

    def set_module_name_regex(self, module_name_regex: str, qconfig: QConfigAny) -> QConfigMapping:
        """The qconfig of modules whose name matches; the pattern that was given first wins."""
        self.module_name_regex_qconfigs[module_name_regex] = qconfig
        return self

    def set_module_name(self, module_name: str, qconfig: QConfigAny) -> QConfigMapping:
        """The qconfig of the module of this name."""
        self.module_name_qconfigs[module_name] = qconfig
        return self

    def set_module_name_object_type_order(
        self, module_name: str, object_type: Any, index: int, qconfig: QConfigAny
    ) -> QConfigMapping:
        """The qconfig of the `index`-th object of a type within a module."""
        self.module_name_object_type_order_qconfigs[module_name, object_type, index] = qconfig
        return self

    def to_dict(self) -> dict[str, Any]:
        """The dictionary that older programs use: "" for the global entry, lists of tuples for the kinds."""
        result: dict[str, Any] = {"": self.global_qconfig}
        for attribute, key in _KINDS.items():
            entries = getattr(self, attribute).items()
            result[key] = [
                (*what, qconfig) if isinstance(what, tuple) else (what, qconfig) for what, qconfig in entries
            ]
        return result

    def to_eager_dict(self) -> dict[Any, QConfigAny]:
        """The dictionary by type and name that `propagate_qconfig_` takes."""
        return {"": self.global_qconfig, **self.object_type_qconfigs, **self.module_name_qconfigs}

    @classmethod
    def from_dict(cls, qconfig_dict: dict[str, Any]) -> QConfigMapping:
        """A mapping of the entries of such a dictionary."""
        mapping = cls().set_global(qconfig_dict.get(""))
        for attribute, key in _KINDS.items():
            for *what, qconfig in qconfig_dict.get(key, []):
                getattr(mapping, attribute)[what[0] if len(what) == 1 else tuple(what)] = qconfig
        return mapping

    def __repr__(self) -> str:
        lines = ["QConfigMapping (", " global_qconfig", f"  {self.global_qconfig}"]
        for attribute in _KINDS:
            entries = getattr(self, attribute)
            lines += [f" {attribute}"]
            lines += [f"  {what}: {qconfig}" for what, qconfig in entries.items()] or [f"  {entries!r}"]
        return "\n".join([*lines, ")"])


def _fixed_functions() -> dict[Any, Any]:
    """Modules, functions and methods whose results have a known range: which one."""
    F = nn.functional
    to_one = (nn.Hardsigmoid, F.hardsigmoid, "hardsigmoid", "hardsigmoid_", nn.Sigmoid, lampas.sigmoid, "sigmoid")
    around_zero = (nn.Tanh, lampas.tanh, "tanh", "tanh_")
    fixed = {what: obs.default_fixed_qparams_range_0to1_observer for what in (*to_one, "sigmoid_", nn.Softmax)}
    return fixed | {what: obs.default_fixed_qparams_range_neg1to1_observer for what in around_zero}


def _default_mapping(qconfig: QConfig, backend: str, training: bool) -> QConfigMapping:
    F = nn.functional
    weight = fq.default_weight_fake_quant if training else obs.default_weight_observer
    mapping = QConfigMapping().set_global(qconfig).set_object_type("reshape", default_reuse_input_qconfig)
    transposed = QConfig(qconfig.activation, weight) if backend in ("x86", "fbgemm") else qconfig
    for what in (
        *(nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
        *(F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d),
    ):
        mapping.set_object_type(what, transposed)
    norm = QConfig(activation=qconfig.activation, weight=obs.default_placeholder_observer)
    mapping.set_object_type(F.layer_norm, norm).set_object_type(nn.LayerNorm, norm)
    mapping.set_object_type(nn.PReLU, default_quint8_weight_qconfig)
    for what, observer in _fixed_functions().items():
        activation = fq.FixedQParamsFakeQuantize.with_args(observer=observer) if training else observer
        mapping.set_object_type(what, QConfig(activation=activation, weight=weight))
    return mapping


def get_default_qconfig_mapping(backend: str = "x86", version: int = 0) -> QConfigMapping:
    """The usual mapping for static quantization: `get_default_qconfig`, and what some types need instead."""
    return _default_mapping(get_default_qconfig(backend, version), backend, training=False)


def get_default_qat_qconfig_mapping(backend: str = "x86", version: int = 1) -> QConfigMapping:
    """The usual mapping for quantization-aware training."""
    return _default_mapping(get_default_qat_qconfig(backend, version), backend, training=True)
