"""Eager-mode quantization: prepare a model with observers, run it on data, convert it."""

from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Callable
from typing import Any

import lampas
import lampas.nn as nn
from lampas.ao.nn import quantizable as nnqa
from lampas.ao.nn import quantized as nnq
from lampas.ao.nn.intrinsic import _FusedModule
from lampas.nn.utils.parametrize import type_before_parametrizations

from .observer import _is_activation_post_process
from .qconfig import (
    _activation_is_memoryless,
    _assert_valid_qconfig,
    default_dynamic_qconfig,
    float16_dynamic_qconfig,
    float_qparams_weight_only_qconfig,
    float_qparams_weight_only_qconfig_4bit,
)
from .quantization_mappings import (
    _get_special_act_post_process,
    get_default_dynamic_quant_module_mappings,
    get_default_qat_module_mappings,
    get_default_qconfig_propagation_list,
    get_default_static_quant_module_mappings,
    no_observer_set,
)
from .stubs import DeQuantStub, QuantWrapper
from .utils import get_qparam_dict, has_no_children_ignoring_parametrizations

__all__ = [
    "add_quant_dequant",
    "convert",
    "get_default_custom_config_dict",
    "is_activation_post_process",
    "prepare",
    "prepare_qat",
    "propagate_qconfig_",
    "quantize",
    "quantize_dynamic",
    "quantize_qat",
    "swap_module",
]

is_activation_post_process = _is_activation_post_process

_DEFAULT_CUSTOM_CONFIG_DICT = {
    "float_to_observed_custom_module_class": {
        nn.LSTM: nnqa.LSTM,
        nn.MultiheadAttention: nnqa.MultiheadAttention,
    },
    "observed_to_quantized_custom_module_class": {
        nnqa.LSTM: nnq.LSTM,
        nnqa.MultiheadAttention: nnq.MultiheadAttention,
    },
}


def get_default_custom_config_dict() -> dict[str, dict]:
    """Which modules `prepare` replaces by ones whose parts can be observed, and `convert` by quantized ones."""
    return _DEFAULT_CUSTOM_CONFIG_DICT


def propagate_qconfig_(
    module: nn.Module, qconfig_dict: dict | None = None, prepare_custom_config_dict: dict | None = None
) -> None:
    """Gives every module of a model the attribute ``qconfig``: its own, its name's, its type's, or its parent's.

    Args:
        qconfig_dict: qconfigs by name or type; None leaves a part as it is.
        prepare_custom_config_dict: ``non_traceable_module_name`` and ``non_traceable_module_class`` are passed over.

    >>> propagate_qconfig_(model, {nn.Linear: default_qconfig, "head": None})
    """
    given = qconfig_dict or {}
    custom = prepare_custom_config_dict or {}
    skipped_names = custom.get("non_traceable_module_name", [])
    skipped_classes = custom.get("non_traceable_module_class", [])

    def visit(part: nn.Module, inherited: Any, name: str) -> None:
        qconfig = given.get(name, given.get(type_before_parametrizations(part), inherited))
        qconfig = getattr(part, "qconfig", qconfig)
        _assert_valid_qconfig(qconfig, part)
        part.qconfig = qconfig
        for child_name, child in part.named_children():
            if child_name not in skipped_names and type(child) not in skipped_classes:
                visit(child, qconfig, f"{name}.{child_name}" if name else child_name)

    visit(module, None, "")


def _observer_forward_hook(self: Any, input: Any, output: Any) -> Any:
    return self.activation_post_process(output)


def _observer_forward_pre_hook(self: Any, input: Any) -> Any:
    return self.activation_post_process(input[0])


def _has_qconfig(module: nn.Module) -> bool:
    return getattr(module, "qconfig", None) is not None


def _observe(module: nn.Module, maker: Callable | None = None) -> None:
    """Hangs an observer of the output on a module (of the input, where the qconfig asks for dynamic quantization)."""
    if not _has_qconfig(module) or isinstance(module, DeQuantStub):
        return
    module.add_module("activation_post_process", (maker or module.qconfig.activation)())
    # Before the user's own hooks, which go on working on what the observer returns.
    if _activation_is_memoryless(module.qconfig):
        module.register_forward_pre_hook(_observer_forward_pre_hook, prepend=True)
    else:
        module.register_forward_hook(_observer_forward_hook, prepend=True)


def _add_observer_(
    module: nn.Module,
    qconfig_propagation_list: Any = None,
    non_leaf_module_list: Any = None,
    custom_module_class_mapping: dict | None = None,
) -> None:
    observed = get_default_qconfig_propagation_list() if qconfig_propagation_list is None else qconfig_propagation_list
    custom = custom_module_class_mapping or {}
    for name, child in module.named_children():
        kind = type_before_parametrizations(child)
        if kind is nn.Dropout:
            continue
        if issubclass(kind, (nnq.FloatFunctional, nnq.QFunctional)):
            if _has_qconfig(child):
                child.activation_post_process = child.qconfig.activation()
        elif isinstance(child, _FusedModule) or kind in (non_leaf_module_list or ()):
            _observe(child)
        elif (special := _get_special_act_post_process(child)) is not None:
            _observe(child, special)
        elif _has_qconfig(child) and kind in custom:
            replacement = custom[kind].from_float(child)
            setattr(module, name, replacement)
            if not issubclass(custom[kind], tuple(no_observer_set())):
                _observe(replacement)
        else:
            _add_observer_(child, observed, non_leaf_module_list, custom)
    kind = type_before_parametrizations(module)
    leaf = has_no_children_ignoring_parametrizations(module) or hasattr(module, "weight_fake_quant")
    if leaf and not isinstance(module, nn.Sequential) and kind in observed:
        _observe(module)


def add_quant_dequant(module: nn.Module) -> nn.Module:
    """Wraps each leaf that has a qconfig in a `QuantWrapper`; returns the module, or its wrapper if it is a leaf."""
    if has_no_children_ignoring_parametrizations(module) and getattr(module, "qconfig", None):
        return QuantWrapper(module)
    for name, child in module.named_children():
        module._modules[name] = add_quant_dequant(child)
    return module


def prepare(
    model: nn.Module,
    inplace: bool = False,
    allow_list: Any = None,
    observer_non_leaf_module_list: Any = None,
    prepare_custom_config_dict: dict | None = None,
) -> nn.Module:
    """A copy of a model with observers at the modules that can be quantized. Run it on some data, then `convert` it.

    Modules take the ``qconfig`` that they or their parents have.

    Args:
        inplace: change the given model instead of a copy.
        allow_list: the types of leaves to observe, instead of the usual ones.
        observer_non_leaf_module_list: types with children that are observed as a whole.
        prepare_custom_config_dict: see `get_default_custom_config_dict`.

    >>> model.qconfig = get_default_qconfig("x86")
    >>> prepared = prepare(model.eval()); prepared(data); quantized = convert(prepared)
    """
    custom = get_default_custom_config_dict() if prepare_custom_config_dict is None else prepare_custom_config_dict
    if not inplace:
        model = copy.deepcopy(model)
    propagate_qconfig_(model)
    if not any(getattr(module, "qconfig", None) for module in model.modules()):
        warnings.warn(
            "no module has a qconfig: nothing will be observed. Set it on the model or on parts of it: "
            "model.qconfig = get_default_qconfig('x86')",
            stacklevel=2,
        )
    _add_observer_(
        model, allow_list, observer_non_leaf_module_list, custom.get("float_to_observed_custom_module_class", {})
    )
    return model


def _remove_qconfig(module: nn.Module) -> None:
    for child in module.children():
        _remove_qconfig(child)
    if hasattr(module, "qconfig"):
        del module.qconfig
    if _is_activation_post_process(getattr(module, "activation_post_process", None)):
        del module.activation_post_process
    for hooks, ours in (
        (module._forward_pre_hooks, _observer_forward_pre_hook),
        (module._forward_hooks, _observer_forward_hook),
    ):
        for key in [key for key, hook in hooks.items() if hook is ours]:
            del hooks[key]


def quantize(
    model: nn.Module, run_fn: Callable, run_args: tuple, mapping: dict | None = None, inplace: bool = False
) -> nn.Module:
    """Static quantization in one call: `prepare`, ``run_fn(model, *run_args)``, `convert`."""
    if not inplace:
        model = copy.deepcopy(model)
    model.eval()
    prepare(model, inplace=True)
    run_fn(model, *run_args)
    return convert(model, mapping, inplace=True)


def _dynamic_qconfigs(dtype: Any) -> dict:
    layers = (nn.Linear, nn.LSTM, nn.GRU, nn.LSTMCell, nn.RNNCell, nn.GRUCell)
    if dtype == lampas.qint8:
        return dict.fromkeys(layers, default_dynamic_qconfig)
    if dtype == lampas.float16:
        return dict.fromkeys(layers, float16_dynamic_qconfig)
    if dtype == lampas.quint8:
        return dict.fromkeys((nn.EmbeddingBag, nn.Embedding), float_qparams_weight_only_qconfig)
    if str(dtype) == "torch.quint4x2":
        return {nn.EmbeddingBag: float_qparams_weight_only_qconfig_4bit}
    raise ValueError(f"there are no usual settings for {dtype}; give them: qconfig_spec={{type or name: QConfig}}")


def _dynamic_qconfig(dtype: Any) -> Any:
    known = {
        lampas.float16: float16_dynamic_qconfig,
        lampas.qint8: default_dynamic_qconfig,
        lampas.quint8: float_qparams_weight_only_qconfig,
        getattr(lampas, "quint4x2", None): float_qparams_weight_only_qconfig_4bit,
    }
    if dtype not in known:
        raise RuntimeError(f"Unknown dtype specified for quantize_dynamic: {dtype}")
    return known[dtype]


def quantize_dynamic(
    model: nn.Module,
    qconfig_spec: Any = None,
    dtype: Any = lampas.qint8,
    mapping: dict | None = None,
    inplace: bool = False,
) -> nn.Module:
    """A copy of a model with quantized weights, whose activations are quantized in each call. Needs no data.

    Args:
        qconfig_spec: types or names of the modules, or a dictionary of their qconfigs; if not given, linear and
            recurrent layers (embeddings for quint8).
        dtype: qint8, float16, or quint8 (embeddings).
        mapping: which class becomes which, instead of the usual ones.
        inplace: change the given model instead of a copy.

    Raises:
        ValueError, RuntimeError: an unknown dtype.

    >>> quantize_dynamic(model, {nn.LSTM, nn.Linear}, dtype=lampas.qint8)
    """
    if qconfig_spec is None:
        qconfig_spec = _dynamic_qconfigs(dtype)
    elif isinstance(qconfig_spec, set):
        qconfig_spec = dict.fromkeys(qconfig_spec, _dynamic_qconfig(dtype))
    if mapping is None:
        mapping = get_default_dynamic_quant_module_mappings()
    if not inplace:
        model = copy.deepcopy(model)
    model.eval()
    propagate_qconfig_(model, qconfig_spec)
    return convert(model, mapping, inplace=True)


def prepare_qat(model: nn.Module, mapping: dict | None = None, inplace: bool = False) -> nn.Module:
    """A copy of a model with fake quantization, to be trained; then `convert` it in evaluation mode.

    Args:
        mapping: which class becomes which, instead of the usual ones.
        inplace: change the given model instead of a copy.

    Raises:
        AssertionError: the model is in evaluation mode.

    >>> model.train().qconfig = get_default_qat_qconfig("x86")
    >>> prepared = prepare_qat(model); train(prepared); quantized = convert(prepared.eval())
    """
    if not model.training:
        raise AssertionError("prepare_qat only works on models in training mode; call model.train() first")
    if mapping is None:
        mapping = get_default_qat_module_mappings()
    if not inplace:
        model = copy.deepcopy(model)
    propagate_qconfig_(model)
    convert(model, mapping=mapping, inplace=True, remove_qconfig=False)
    prepare(model, observer_non_leaf_module_list=set(mapping.values()), inplace=True)
    return model


def quantize_qat(model: nn.Module, run_fn: Callable, run_args: tuple, inplace: bool = False) -> nn.Module:
    """Quantization-aware training in one call: `prepare_qat`, ``run_fn(model, *run_args)``, `convert`."""
    if not inplace:
        model = copy.deepcopy(model)
    model.train()
    prepare_qat(model, inplace=True)
    run_fn(model, *run_args)
    return convert(model, inplace=True)


def convert(
    module: nn.Module,
    mapping: dict | None = None,
    inplace: bool = False,
    remove_qconfig: bool = True,
    is_reference: bool = False,
    convert_custom_config_dict: dict | None = None,
    use_precomputed_fake_quant: bool = False,
) -> nn.Module:
    """A copy of a prepared model with its modules replaced by quantized ones, with the scales that were observed.

    Args:
        mapping: which class becomes which, instead of the usual ones.
        inplace: change the given model instead of a copy.
        remove_qconfig: take the attribute ``qconfig`` and what is left of observers away.
        is_reference: must be False: reference modules are not part of lampas.
        convert_custom_config_dict: see `get_default_custom_config_dict`.
        use_precomputed_fake_quant: take weights' scales as training left them, without another look at the weights.

    Raises:
        NotImplementedError: reference modules are asked for.
    """
    if is_reference:
        raise NotImplementedError(
            "is_reference=True asks for reference modules, which lampas does not have; convert(model) makes modules "
            "that compute with 8-bit integers"
        )
    if not inplace:
        module = copy.deepcopy(module)
    if mapping is None:
        mapping = get_default_static_quant_module_mappings()
    config = get_default_custom_config_dict() if convert_custom_config_dict is None else convert_custom_config_dict
    custom = config.get("observed_to_quantized_custom_module_class", {})
    _convert(module, mapping, custom, use_precomputed_fake_quant)
    if remove_qconfig:
        _remove_qconfig(module)
    return module


def _convert(module: nn.Module, mapping: dict, custom: dict, use_precomputed_fake_quant: bool) -> None:
    swapped = {}
    for name, child in module.named_children():
        # These are replaced as a whole.
        if not isinstance(child, _FusedModule) and type_before_parametrizations(child) not in custom:
            _convert(child, mapping, custom, use_precomputed_fake_quant)
        swapped[name] = swap_module(child, mapping, custom, use_precomputed_fake_quant)
    module._modules.update(swapped)


def swap_module(
    mod: nn.Module, mapping: dict, custom_module_class_mapping: dict, use_precomputed_fake_quant: bool = False
) -> nn.Module:
    """What replaces a module in `convert`; the module itself, if it has no qconfig or its type is in no mapping.

    The user's own hooks go over to the new module.
    """
    if not _has_qconfig(mod):
        return mod
    kind = type_before_parametrizations(mod)
    if kind in custom_module_class_mapping:
        new = custom_module_class_mapping[kind].from_observed(mod)
    elif kind in mapping:
        target = mapping[kind]
        if getattr(target, "_IS_REFERENCE", False):
            weight_observer = mod.qconfig.weight()
            weight_observer(mod.weight)
            new = target.from_float(mod, get_qparam_dict(weight_observer))
        elif "use_precomputed_fake_quant" in inspect.signature(target.from_float).parameters:
            new = target.from_float(mod, use_precomputed_fake_quant=use_precomputed_fake_quant)
        else:
            new = target.from_float(mod)
    else:
        return mod
    for hook in mod._forward_pre_hooks.values():
        new.register_forward_pre_hook(hook)
    for hook in mod._forward_hooks.values():
        if hook is not _observer_forward_hook:
            new.register_forward_hook(hook)
    return new


def _get_observer_dict(mod: nn.Module, target_dict: dict[str, Any], prefix: str = "") -> None:
    """Puts the observers of a prepared model into a dictionary, by name."""
    for name, module in mod.named_modules(prefix=prefix):
        if hasattr(module, "activation_post_process"):
            key = f"{name}.activation_post_process" if name else "activation_post_process"
            target_dict[key] = module.activation_post_process
