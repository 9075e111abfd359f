"""What observers, mappings and conversion share: ranges of dtypes, questions about qconfigs, scales from extremes."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import lampas

__all__ = [
    "DEPRECATION_WARNING",
    "MatchAllNode",
    "NodePattern",
    "Pattern",
    "activation_dtype",
    "activation_is_dynamically_quantized",
    "activation_is_int32_quantized",
    "activation_is_int8_quantized",
    "activation_is_statically_quantized",
    "calculate_qmin_qmax",
    "check_min_max_valid",
    "determine_qparams",
    "get_combined_dict",
    "get_fqn_to_example_inputs",
    "get_qconfig_dtypes",
    "get_qparam_dict",
    "get_quant_type",
    "get_swapped_custom_module_class",
    "getattr_from_fqn",
    "has_no_children_ignoring_parametrizations",
    "is_per_channel",
    "is_per_tensor",
    "op_is_int8_dynamically_quantized",
    "to_underlying_dtype",
    "validate_qmin_qmax",
    "weight_dtype",
    "weight_is_quantized",
    "weight_is_statically_quantized",
]

Pattern = Any
NodePattern = Any
DEPRECATION_WARNING = "eager mode quantization is kept in lampas; nothing here is deprecated"


class MatchAllNode:
    """In a pattern of modules: any module."""


def get_combined_dict(default_dict: dict, additional_dict: dict) -> dict:
    """A copy of `default_dict` with the entries of `additional_dict` put over it."""
    return {**default_dict, **additional_dict}


def is_per_tensor(qscheme: Any) -> bool:
    """Whether one scale serves a whole tensor."""
    return qscheme in (lampas.per_tensor_affine, lampas.per_tensor_symmetric)


def is_per_channel(qscheme: Any) -> bool:
    """Whether each channel has a scale of its own."""
    return qscheme in (
        lampas.per_channel_affine,
        lampas.per_channel_affine_float_qparams,
        lampas.per_channel_symmetric,
    )


def is_symmetric(qscheme: Any) -> bool:
    """Whether zero stands in the middle of the range."""
    return qscheme in (lampas.per_tensor_symmetric, lampas.per_channel_symmetric)


def getattr_from_fqn(obj: Any, fqn: str) -> Any:
    """The attribute that a dotted name leads to.

    >>> getattr_from_fqn(model, "features.0.weight")
    """
    for name in fqn.split("."):
        obj = getattr(obj, name)
    return obj


def to_underlying_dtype(qdtype: Any) -> Any:
    """The integer dtype in which values of a quantized dtype are kept."""
    name = str(qdtype).removeprefix("torch.")
    kept = {"quint8": lampas.uint8, "qint8": lampas.int8, "qint32": lampas.int32}
    kept.update(quint4x2=lampas.uint8, quint2x4=lampas.uint8)
    if name in kept:
        return kept[name]
    if name in ("uint8", "int8", "int16", "int32", "uint16", "float8_e5m2", "float8_e4m3fn"):
        return qdtype
    raise AssertionError(f"Unsupported dtype: {qdtype}; expected one of {sorted(kept)} or an integer dtype")


def dtype_range(dtype: Any) -> tuple[int, int]:
    """The smallest and the largest value of a dtype that can be quantized to."""
    name = str(dtype).removeprefix("torch.")
    if name == "quint4x2":
        return 0, 15
    if name == "quint2x4":
        return 0, 3
    bits = int("".join(c for c in name if c.isdigit()))
    return (0, 2**bits - 1) if "uint" in name else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def get_qparam_dict(observer_or_fake_quant: Any) -> dict[str, Any]:
    """What an observer has found, by name: ``qscheme``, ``dtype``, ``scale``, ``zero_point``, ``axis``, the range."""
    qscheme = getattr(observer_or_fake_quant, "qscheme", None)
    dtype = observer_or_fake_quant.dtype
    qparams: dict[str, Any] = {"qscheme": qscheme, "dtype": dtype}
    if qscheme is None:
        return qparams
    if is_per_tensor(qscheme):
        qscheme = lampas.per_tensor_affine
    elif is_per_channel(qscheme):
        if qscheme == lampas.per_channel_symmetric:
            qscheme = lampas.per_channel_affine
        qparams["axis"] = observer_or_fake_quant.ch_axis
    else:
        raise RuntimeError(f"Unrecognized qscheme: {qscheme}")
    qparams["qscheme"] = qscheme
    qparams["scale"], qparams["zero_point"] = observer_or_fake_quant.calculate_qparams()
    for name in ("quant_min", "quant_max"):
        if hasattr(observer_or_fake_quant, name):
            qparams[name] = getattr(observer_or_fake_quant, name)
    return qparams


def get_swapped_custom_module_class(custom_module: Any, mapping: dict, qconfig: Any) -> Any:
    """The class that a mapping ``{QuantType: {class: class}}`` gives for a module under a qconfig."""
    quant_type = get_quant_type(qconfig)
    classes = mapping.get(quant_type, {})
    if type(custom_module) not in classes:
        raise AssertionError(
            f"did not find corresponding observed module class for {type(custom_module)} in mapping: {classes}"
        )
    return classes[type(custom_module)]


def activation_dtype(qconfig: Any) -> Any:
    """The dtype to which a qconfig quantizes activations."""
    return _made(qconfig, "activation").dtype


def weight_dtype(qconfig: Any) -> Any:
    """The dtype to which a qconfig quantizes weights."""
    return _made(qconfig, "weight").dtype


def _made(qconfig: Any, part: str) -> Any:
    if qconfig is None:
        raise AssertionError("the qconfig must not be None")
    return getattr(qconfig, part)()


def _quantized_dtypes() -> tuple:
    names = ("quint8", "qint8", "qint32", "uint8", "int8", "int16", "int32", "float8_e5m2", "float8_e4m3fn")
    return tuple(getattr(lampas, name) for name in names if hasattr(lampas, name))


def activation_is_statically_quantized(qconfig: Any) -> bool:
    """Whether scales of activations are found beforehand."""
    activation = _made(qconfig, "activation")
    return activation.dtype in _quantized_dtypes() and not getattr(activation, "is_dynamic", False)


def activation_is_dynamically_quantized(qconfig: Any) -> bool:
    """Whether scales of activations are found in each call."""
    return bool(getattr(_made(qconfig, "activation"), "is_dynamic", False))


def activation_is_int8_quantized(qconfig: Any) -> bool:
    """Whether activations become 8-bit integers."""
    return activation_dtype(qconfig) in (lampas.quint8, lampas.qint8, lampas.uint8, lampas.int8)


def activation_is_int32_quantized(qconfig: Any) -> bool:
    """Whether activations become 32-bit integers."""
    return activation_dtype(qconfig) in (lampas.qint32, lampas.int32)


def weight_is_quantized(qconfig: Any) -> bool:
    """Whether weights become integers."""
    return weight_dtype(qconfig) in _quantized_dtypes() or "quint4x2" in str(weight_dtype(qconfig))


def weight_is_statically_quantized(qconfig: Any) -> bool:
    """Whether weights become 8-bit integers beforehand."""
    return weight_dtype(qconfig) in (lampas.quint8, lampas.qint8, lampas.uint8, lampas.int8)


def op_is_int8_dynamically_quantized(qconfig: Any) -> bool:
    """Whether activations become quint8 in each call and weights are qint8."""
    activation, weight, is_dynamic = get_qconfig_dtypes(qconfig)
    return activation in (lampas.quint8, lampas.uint8) and weight in (lampas.qint8, lampas.int8) and is_dynamic is True


def get_qconfig_dtypes(qconfig: Any) -> tuple[Any, Any, bool]:
    """Activation's dtype, weight's dtype, whether activations are quantized in each call."""
    activation = _made(qconfig, "activation")
    return activation.dtype, weight_dtype(qconfig), bool(getattr(activation, "is_dynamic", False))


def get_quant_type(qconfig: Any) -> Any:
    """Which `QuantType` a qconfig asks for.

    Raises:
        Exception: no kind of quantization has this pair of dtypes.
    """
    from .quant_type import QuantType

    activation = _made(qconfig, "activation")
    weight = weight_dtype(qconfig)
    static = _quantized_dtypes()
    if weight in static:
        if getattr(activation, "is_dynamic", False):
            return QuantType.DYNAMIC
        return QuantType.STATIC if activation.dtype in static else QuantType.WEIGHT_ONLY
    if weight == lampas.float16:
        if getattr(activation, "is_dynamic", False):
            return QuantType.DYNAMIC
        if activation.dtype == lampas.float16:
            return QuantType.STATIC
    raise Exception(
        f"Unrecognized dtype combination in get_quant_type: activation({activation.dtype}), weight({weight})"
    )


def check_min_max_valid(min_val: Any, max_val: Any) -> bool:
    """Whether an observer has seen data; warns where it has not.

    Raises:
        AssertionError: a minimum lies above its maximum (or is NaN).
    """
    unseen = min_val.numel() == 0 or max_val.numel() == 0
    if not unseen and (min_val.dim() == 0 or max_val.dim() == 0):
        unseen = min_val.item() == float("inf") and max_val.item() == float("-inf")
    if unseen:
        warnings.warn(
            "an observer has seen no data and gives "
            "scale 1 and zero_point 0. Run the prepared model on some data before convert().",
            stacklevel=3,
        )
        return False
    if not bool((min_val <= max_val).all()):
        raise AssertionError(f"min {min_val} should be less than max {max_val}; does the observed data contain NaN?")
    return True


def calculate_qmin_qmax(
    quant_min: int | None, quant_max: int | None, has_customized_qrange: bool, dtype: Any, reduce_range: bool
) -> tuple[int, int]:
    """The range of integers to use: the given one or the dtype's, halved where `reduce_range` says so.

    >>> calculate_qmin_qmax(None, None, False, lampas.qint8, True)
    (-64, 63)
    """
    if has_customized_qrange and quant_min is not None and quant_max is not None:
        low, high = dtype_range(dtype)
        given, most = quant_max - quant_min + 1, high - low + 1
        if not 0 < given <= most:
            raise AssertionError(
                f"quantization range should be positive and not exceed the maximum bit range (={most}); "
                f"got {quant_min} to {quant_max}"
            )
    else:
        quant_min, quant_max = dtype_range(dtype)
        reduce_range = reduce_range and dtype in (lampas.qint8, lampas.int8, lampas.quint8, lampas.uint8)
    return (quant_min // 2, quant_max // 2) if reduce_range else (quant_min, quant_max)


def validate_qmin_qmax(quant_min: int, quant_max: int) -> None:
    """
    Raises:
        AssertionError: the range does not contain 0, or is empty.
    """
    if not quant_min <= 0 <= quant_max:
        raise AssertionError(f"the quantization range must contain 0, got quant_min={quant_min}, quant_max={quant_max}")
    if quant_min >= quant_max:
        raise AssertionError(f"quant_min must be less than quant_max, got quant_min={quant_min}, quant_max={quant_max}")


def choose_qparams(
    min_val: Any,
    max_val: Any,
    quant_min: int,
    quant_max: int,
    dtype: Any,
    eps: Any,
    has_customized_qrange: bool,
    qscheme: Any,
) -> tuple[Any, Any]:
    """What observers compute: `determine_qparams` in the precision of the extremes."""
    if not check_min_max_valid(min_val, max_val):
        return lampas.tensor([1.0]), lampas.tensor([0])
    steps = float(quant_max - quant_min)
    low = lampas.min(min_val, lampas.zeros_like(min_val))
    high = lampas.max(max_val, lampas.zeros_like(max_val))
    if is_symmetric(qscheme):
        scale = lampas.max(lampas.max(-low, high) / (steps / 2), eps)
        middle = 0
        if dtype in (lampas.quint8, lampas.uint8):
            middle = (quant_min + quant_max) // 2 if has_customized_qrange else 128
        elif str(dtype) == "torch.uint16":
            middle = 2**15
        zero_point = lampas.full(low.shape, middle, dtype=lampas.int64)
    elif qscheme == lampas.per_channel_affine_float_qparams:
        scale = (max_val - min_val) / steps
        scale = lampas.where(scale > eps, scale, lampas.ones_like(scale))
        zero_point = -1 * min_val / scale
    else:
        scale = lampas.max((high - low) / steps, eps)
        zero_point = quant_min - lampas.round(low / scale).to(lampas.int32)
        zero_point = lampas.clamp(zero_point, quant_min, quant_max)
    # One scale for a whole tensor: still a tensor of one element, as fake quantization keeps it.
    return scale.reshape(-1), zero_point.reshape(-1)


def determine_qparams(
    min_val: Any,
    max_val: Any,
    quant_min: int,
    quant_max: int,
    dtype: Any,
    eps: Any,
    has_customized_qrange: bool,
    qscheme: Any = None,
) -> tuple[Any, Any]:
    """Scale (float64) and zero point (int64) with which values from `min_val` to `max_val` fill the integers
    `quant_min` to `quant_max`.

    Zero is always representable (except under ``per_channel_affine_float_qparams``). Extremes of several channels give
    as many scales.

    >>> eps = lampas.tensor([1e-7])
    >>> determine_qparams(lampas.tensor(-1.0), lampas.tensor(1.55), 0, 255, lampas.quint8, eps, False)
    (tensor([0.0100], dtype=torch.float64), tensor([100]))
    """
    qscheme = lampas.per_tensor_affine if qscheme is None else qscheme
    scale, zero_point = choose_qparams(
        min_val, max_val, quant_min, quant_max, dtype, eps, has_customized_qrange, qscheme
    )
    as_float = qscheme == lampas.per_channel_affine_float_qparams
    return scale.to(lampas.float64), zero_point if as_float else zero_point.to(lampas.int64)


def has_no_children_ignoring_parametrizations(module: Any) -> bool:
    """Whether a module is a leaf, not counting the parametrizations of its own weights."""
    children = module._modules
    return not children or (len(children) == 1 and "parametrizations" in children)


def get_fqn_to_example_inputs(model: Any, example_inputs: tuple) -> dict[str, tuple]:
    """Runs a model once and notes the positional arguments that each submodule is given, by its name.

    >>> get_fqn_to_example_inputs(nn.Sequential(nn.ReLU()), (lampas.ones(1),))
    {'': (tensor([1.]),), '0': (tensor([1.]),)}
    """
    seen: dict[str, tuple] = {}

    def note(name: str) -> Callable:
        return lambda module, args: seen.__setitem__(name, tuple(args))

    handles = [module.register_forward_pre_hook(note(name)) for name, module in model.named_modules()]
    try:
        model(*example_inputs)
    finally:
        for handle in handles:
            handle.remove()
    return seen
