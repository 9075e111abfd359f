"""QConfig: which observers a module's activations and weights get."""

from __future__ import annotations

import functools
from collections import namedtuple
from typing import Any

import lampas
import lampas.nn as nn

from . import fake_quantize as fq
from . import observer as obs

__all__ = [
    "QConfig",
    "QConfigAny",
    "QConfigDynamic",
    "default_activation_only_qconfig",
    "default_debug_qconfig",
    "default_dynamic_qat_qconfig",
    "default_dynamic_qconfig",
    "default_embedding_qat_qconfig",
    "default_embedding_qat_qconfig_4bit",
    "default_per_channel_qconfig",
    "default_per_channel_symmetric_qnnpack_qat_qconfig",
    "default_per_channel_symmetric_qnnpack_qconfig",
    "default_qat_qconfig",
    "default_qat_qconfig_v2",
    "default_qconfig",
    "default_quint8_weight_qconfig",
    "default_reuse_input_qconfig",
    "default_symmetric_qnnpack_qat_qconfig",
    "default_symmetric_qnnpack_qconfig",
    "default_weight_only_qconfig",
    "float16_dynamic_qconfig",
    "float16_static_qconfig",
    "float_qparams_weight_only_qconfig",
    "float_qparams_weight_only_qconfig_4bit",
    "get_default_qat_qconfig",
    "get_default_qat_qconfig_dict",
    "get_default_qconfig",
    "get_default_qconfig_dict",
    "per_channel_dynamic_qconfig",
    "qconfig_equals",
]


def _refuse_instances(*makers: Any) -> None:
    if any(isinstance(maker, nn.Module) for maker in makers):
        raise ValueError(
            "a QConfig holds classes of observers, not observers; "
            "for arguments of your own: MinMaxObserver.with_args(quant_min=0, quant_max=127)"
        )


class QConfig(namedtuple("QConfig", ["activation", "weight"])):
    """How a module is to be quantized: the constructors of the observers (or fake quantizers) of its output and weight.

    Raises:
        ValueError: an observer is given where its class is needed.

    >>> model.qconfig = QConfig(activation=MinMaxObserver.with_args(dtype=lampas.quint8),
    ...                         weight=default_weight_observer)
    """

    __slots__ = ()

    def __new__(cls, activation: Any, weight: Any) -> QConfig:
        _refuse_instances(activation, weight)
        return super().__new__(cls, activation, weight)


class QConfigDynamic(namedtuple("QConfigDynamic", ["activation", "weight"])):
    """`QConfig` of dynamic quantization, as older programs write it; `QConfig` serves as well."""

    __slots__ = ()

    def __new__(cls, activation: Any = nn.Identity, weight: Any = nn.Identity) -> QConfigDynamic:
        _refuse_instances(weight)
        return super().__new__(cls, activation, weight)


QConfigAny = QConfig | None

default_qconfig = QConfig(activation=obs.default_observer, weight=obs.default_weight_observer)
default_debug_qconfig = QConfig(activation=obs.default_debug_observer, weight=obs.default_weight_observer)
default_per_channel_qconfig = QConfig(obs.default_observer, obs.default_per_channel_weight_observer)
default_dynamic_qconfig = QConfig(obs.default_dynamic_quant_observer, obs.default_weight_observer)
per_channel_dynamic_qconfig = QConfig(obs.default_dynamic_quant_observer, obs.default_per_channel_weight_observer)
float16_dynamic_qconfig = QConfig(
    activation=obs.PlaceholderObserver.with_args(dtype=lampas.float16, is_dynamic=True),
    weight=obs.PlaceholderObserver.with_args(dtype=lampas.float16),
)
float16_static_qconfig = QConfig(
    activation=obs.PlaceholderObserver.with_args(dtype=lampas.float16),
    weight=obs.PlaceholderObserver.with_args(dtype=lampas.float16),
)
float_qparams_weight_only_qconfig = QConfig(obs.default_placeholder_observer, obs.default_float_qparams_observer)
float_qparams_weight_only_qconfig_4bit = QConfig(
    obs.default_placeholder_observer, obs.default_float_qparams_observer_4bit
)
default_qat_qconfig = QConfig(fq.default_fake_quant, fq.default_weight_fake_quant)
default_qat_qconfig_v2 = QConfig(fq.default_fused_act_fake_quant, fq.default_fused_wt_fake_quant)
default_dynamic_qat_qconfig = QConfig(fq.default_dynamic_fake_quant, fq.default_weight_fake_quant)
default_weight_only_qconfig = QConfig(nn.Identity, fq.default_weight_fake_quant)
default_activation_only_qconfig = QConfig(fq.default_fake_quant, nn.Identity)
default_reuse_input_qconfig = QConfig(obs.default_reuse_input_observer, obs.NoopObserver)
default_quint8_weight_qconfig = QConfig(obs.HistogramObserver, obs.MinMaxObserver)
_no_activation = obs.NoopObserver.with_args(dtype=lampas.float32)
default_embedding_qat_qconfig = QConfig(_no_activation, fq.default_embedding_fake_quant)
default_embedding_qat_qconfig_4bit = QConfig(_no_activation, fq.default_embedding_fake_quant_4bit)

_symmetric_activation = obs.HistogramObserver.with_args(dtype=lampas.qint8, reduce_range=False, eps=2**-12)
default_symmetric_qnnpack_qconfig = QConfig(_symmetric_activation, obs.weight_observer_range_neg_127_to_127)
default_per_channel_symmetric_qnnpack_qconfig = QConfig(
    _symmetric_activation, obs.per_channel_weight_observer_range_neg_127_to_127
)
_symmetric_fake_activation = fq.FusedMovingAvgObsFakeQuantize.with_args(
    observer=obs.MovingAverageMinMaxObserver,
    quant_min=-128,
    quant_max=127,
    dtype=lampas.qint8,
    reduce_range=False,
    eps=2**-12,
)
default_symmetric_qnnpack_qat_qconfig = QConfig(_symmetric_fake_activation, fq.fused_wt_fake_quant_range_neg_127_to_127)
default_per_channel_symmetric_qnnpack_qat_qconfig = QConfig(
    _symmetric_fake_activation, fq.fused_per_channel_wt_fake_quant_range_neg_127_to_127
)

_BACKENDS = ("fbgemm", "x86", "qnnpack", "onednn")


def _check(function: str, backend: str, version: int, versions: tuple[int, ...]) -> None:
    if backend not in _BACKENDS:
        raise AssertionError(f"backend: {backend} not supported. backend must be one of {list(_BACKENDS)}")
    if version not in versions:
        wanted = " or ".join(map(str, versions))
        raise AssertionError(f"Version number: {version} in {function} is not supported. It must be {wanted}")


def get_default_qconfig(backend: str = "x86", version: int = 0) -> QConfig:
    """The usual `QConfig` of static quantization: histograms of activations, weights per channel.

    Args:
        backend: "x86" or "fbgemm" (which leave one bit of activations unused), "onednn", or "qnnpack" (whose weights
            have one scale).
        version: 0.

    Raises:
        AssertionError: an unknown backend or version.

    >>> model.qconfig = get_default_qconfig("x86")
    """
    _check("get_default_qconfig", backend, version, (0,))
    return QConfig(
        activation=obs.HistogramObserver.with_args(reduce_range=backend in ("x86", "fbgemm")),
        weight=obs.default_weight_observer if backend == "qnnpack" else obs.default_per_channel_weight_observer,
    )


def get_default_qat_qconfig(backend: str = "x86", version: int = 1) -> QConfig:
    """The usual `QConfig` of quantization-aware training.

    Args:
        backend: as for `get_default_qconfig`.
        version: 0, or 1 for the fused fake quantizers.

    Raises:
        AssertionError: an unknown backend or version.

    >>> model.train().qconfig = get_default_qat_qconfig("x86")
    """
    _check("get_default_qat_qconfig", backend, version, (0, 1))
    reduce_range = {} if backend == "onednn" else {"reduce_range": backend in ("x86", "fbgemm")}
    maker = fq.FusedMovingAvgObsFakeQuantize if version else fq.FakeQuantize
    activation = maker.with_args(observer=obs.MovingAverageMinMaxObserver, quant_min=0, quant_max=255, **reduce_range)
    if version:
        per_channel, per_tensor = fq.default_fused_per_channel_wt_fake_quant, fq.default_fused_wt_fake_quant
    else:
        per_channel, per_tensor = fq.default_per_channel_weight_fake_quant, fq.default_weight_fake_quant
    return QConfig(activation=activation, weight=per_tensor if backend == "qnnpack" else per_channel)


def get_default_qconfig_dict(backend: str = "x86", version: int = 0) -> dict[str, Any]:
    """`get_default_qconfig_mapping` as the dictionary that older programs use."""
    from .qconfig_mapping import get_default_qconfig_mapping

    return get_default_qconfig_mapping(backend, version).to_dict()


def get_default_qat_qconfig_dict(backend: str = "x86", version: int = 1) -> dict[str, Any]:
    """`get_default_qat_qconfig_mapping` as the dictionary that older programs use."""
    from .qconfig_mapping import get_default_qat_qconfig_mapping

    return get_default_qat_qconfig_mapping(backend, version).to_dict()


def _assert_valid_qconfig(qconfig: QConfig | None, mod: nn.Module) -> None:
    """
    Raises:
        AssertionError: a transposed convolution gets weights per channel, which its kernels do not have.
    """
    if qconfig is None or not isinstance(mod, (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)):
        return
    if qconfig.weight is None:
        return
    example = qconfig.weight()
    if isinstance(example, (obs.PerChannelMinMaxObserver, obs.MovingAveragePerChannelMinMaxObserver)):
        raise AssertionError(
            "Per channel weight observer is not supported yet for ConvTranspose{n}d; give it a qconfig with "
            "default_weight_observer, or qconfig=None to leave it in floating point"
        )


assert_valid_qconfig = _assert_valid_qconfig


def _partial_equals(first: Any, second: Any) -> bool:
    first, second = getattr(first, "p", first), getattr(second, "p", second)
    if not (isinstance(first, functools.partial) and isinstance(second, functools.partial)):
        return first == second
    same = first.func == second.func and first.args == second.args and first.keywords.keys() == second.keywords.keys()
    return same and all(_partial_equals(value, second.keywords[name]) for name, value in first.keywords.items())


def qconfig_equals(q1: QConfigAny, q2: QConfigAny) -> bool:
    """Whether two qconfigs make the same observers.

    >>> qconfig_equals(get_default_qconfig("x86"), get_default_qconfig("fbgemm"))
    True
    """
    if q1 is None or q2 is None:
        return q1 is q2
    return _partial_equals(q1.activation, q2.activation) and _partial_equals(q1.weight, q2.weight)


def _activation_is_memoryless(qconfig: QConfig) -> bool:
    """Whether the activation's observer sees only the present call, as dynamic quantization does."""

    def forgets(watcher: Any) -> bool:
        return getattr(watcher, "averaging_constant", None) == 1

    watcher = qconfig.activation()
    if isinstance(watcher, fq.FakeQuantizeBase) and hasattr(watcher, "activation_post_process"):
        watcher = watcher.activation_post_process
    return forgets(watcher)


def _is_reuse_input_qconfig(qconfig: QConfig | None) -> bool:
    return (
        qconfig is not None
        and isinstance(qconfig.activation(), obs.ReuseInputObserver)
        and isinstance(qconfig.weight(), obs.NoopObserver)
    )
