"""Observers: modules that pass tensors through and remember what quantizing them needs to know."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections import OrderedDict
from typing import Any

import lampas
import lampas.nn as nn

from .utils import calculate_qmin_qmax, choose_qparams, is_per_channel, is_per_tensor, validate_qmin_qmax

__all__ = [
    "AffineQuantizedObserverBase",
    "FixedQParamsObserver",
    "Granularity",
    "HistogramObserver",
    "MappingType",
    "MinMaxObserver",
    "MovingAverageMinMaxObserver",
    "MovingAveragePerChannelMinMaxObserver",
    "NoopObserver",
    "ObserverBase",
    "PerAxis",
    "PerBlock",
    "PerChannelMinMaxObserver",
    "PerGroup",
    "PerRow",
    "PerTensor",
    "PerToken",
    "PlaceholderObserver",
    "RecordingObserver",
    "ReuseInputObserver",
    "TorchAODType",
    "UniformQuantizationObserverBase",
    "ZeroPointDomain",
    "default_affine_fixed_qparams_observer",
    "default_debug_observer",
    "default_dynamic_quant_observer",
    "default_fixed_qparams_range_0to1_observer",
    "default_fixed_qparams_range_neg1to1_observer",
    "default_float_qparams_observer",
    "default_float_qparams_observer_4bit",
    "default_histogram_observer",
    "default_observer",
    "default_per_channel_weight_observer",
    "default_placeholder_observer",
    "default_reuse_input_observer",
    "default_symmetric_fixed_qparams_observer",
    "default_weight_observer",
    "get_block_size",
    "get_observer_state_dict",
    "load_observer_state_dict",
    "per_channel_weight_observer_range_neg_127_to_127",
    "weight_observer_range_neg_127_to_127",
]

_EPS = 2.0**-23  # float32's machine epsilon


class _PartialWrapper:
    """A constructor with arguments filled in, to which more can be added."""

    def __init__(self, p: functools.partial) -> None:
        self.p = p
        self.callable_args: dict[str, Any] = {}

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        late = {name: make() for name, make in self.callable_args.items() if name not in keywords}
        return self.p(*args, **late, **keywords)

    def __repr__(self) -> str:
        return repr(self.p) + repr(self.callable_args)

    def with_args(self, **kwargs: Any) -> _PartialWrapper:
        """A constructor with further arguments filled in."""
        return _with_args(self, **kwargs)

    def with_callable_args(self, **kwargs: Any) -> _PartialWrapper:
        """A constructor with arguments that are computed, by calling them, when it is called."""
        return _with_callable_args(self, **kwargs)


def _with_args(cls_or_self: Any, **kwargs: Any) -> _PartialWrapper:
    """A constructor of `cls_or_self` with keyword arguments filled in.

    >>> MinMaxObserver.with_args(quant_min=0, quant_max=127)().quant_max
    127
    """
    wrapper = _PartialWrapper(functools.partial(getattr(cls_or_self, "p", cls_or_self), **kwargs))
    wrapper.callable_args = dict(getattr(cls_or_self, "callable_args", {}))
    return wrapper


def _with_callable_args(cls_or_self: Any, **kwargs: Any) -> _PartialWrapper:
    """As `_with_args`, with callables that give the arguments each time an instance is made."""
    wrapper = _with_args(cls_or_self)
    wrapper.callable_args.update(kwargs)
    return wrapper


class ObserverBase(ABC, nn.Module):
    """What observers have in common: `forward` returns its input, `calculate_qparams` gives scale and zero point.

    Args:
        dtype: the dtype that values will be quantized to.
        is_dynamic: whether scales are to be found anew in each call after conversion.
    """

    def __init__(self, dtype: Any, is_dynamic: bool = False) -> None:
        super().__init__()
        self.dtype = dtype
        self.is_dynamic = is_dynamic

    @abstractmethod
    def forward(self, x: Any) -> Any:
        """Notes what it must of `x` and returns it."""

    @abstractmethod
    def calculate_qparams(self, **kwargs: Any) -> Any:
        """Scale and zero point for what was seen."""

    with_args = classmethod(_with_args)
    with_callable_args = classmethod(_with_callable_args)


def _take_shapes(module: nn.Module, names: tuple[str, ...], state_dict: dict, prefix: str) -> None:
    """Gives buffers the shapes of what is about to be loaded: channels are not known before data was seen."""
    for name in names:
        if prefix + name in state_dict:
            getattr(module, name).resize_(state_dict[prefix + name].shape)


class UniformQuantizationObserverBase(ObserverBase):
    """An observer whose scale and zero point follow from a smallest and a largest value.

    Args:
        dtype: qint8, quint8, qint32, or the integer dtypes under them.
        qscheme: per tensor or per channel, affine or symmetric.
        reduce_range: use one bit less, for kernels whose sums of products would overflow.
        quant_min, quant_max: the integers to use; the dtype's own range if not given.
        factory_kwargs: `device` and `dtype` of the buffers.
        eps: the smallest scale.

    Raises:
        AssertionError: dtype, scheme or range cannot be used.
        NotImplementedError: a reduced range of symmetric quint8.
    """

    _version = 3
    _qschemes: Any = None
    eps: lampas.Tensor

    def __init__(
        self,
        dtype: Any = lampas.quint8,
        qscheme: Any = lampas.per_tensor_affine,
        reduce_range: bool = False,
        quant_min: int | None = None,
        quant_max: int | None = None,
        factory_kwargs: dict[str, Any] | None = None,
        eps: float = _EPS,
        is_dynamic: bool = False,
        **kwargs: Any,
    ) -> None:
        options = nn.factory_kwargs(factory_kwargs)
        super().__init__(dtype=dtype, is_dynamic=is_dynamic, **kwargs)
        if not (is_per_tensor(qscheme) or is_per_channel(qscheme)):
            raise AssertionError(f"an observer needs a scheme per tensor or per channel, got {qscheme}")
        allowed = ("qint8", "quint8", "quint4x2", "qint32", "int8", "uint8", "int16", "int32", "uint16")
        if str(dtype).removeprefix("torch.") not in allowed:
            raise AssertionError(f"an observer needs one of the dtypes {', '.join(allowed)}, got {dtype}")
        self.qscheme = qscheme
        self.reduce_range = reduce_range
        self.register_buffer("eps", lampas.tensor([eps], **options))
        self.has_customized_qrange = quant_min is not None and quant_max is not None
        if quant_min is not None and quant_max is not None:
            validate_qmin_qmax(quant_min, quant_max)
        self.quant_min, self.quant_max = calculate_qmin_qmax(
            quant_min, quant_max, self.has_customized_qrange, dtype, reduce_range
        )

    def _check_qscheme(self, qscheme: Any, per_channel: bool) -> None:
        if not (is_per_channel if per_channel else is_per_tensor)(qscheme):
            kind = "channel" if per_channel else "tensor"
            raise NotImplementedError(
                f"{type(self).__name__}'s qscheme only support lampas.per_{kind}_symmetric and "
                f"lampas.per_{kind}_affine, but got: {qscheme}"
            )

    def _check_symmetric_range(self) -> None:
        if self.qscheme == lampas.per_tensor_symmetric and self.reduce_range and self.dtype == lampas.quint8:
            raise NotImplementedError("Cannot reduce range for symmetric quantization for quint8; use qint8")

    def _calculate_qparams(self, min_val: Any, max_val: Any) -> tuple[Any, Any]:
        return choose_qparams(
            *(min_val, max_val, self.quant_min, self.quant_max, self.dtype, self.eps),
            *(self.has_customized_qrange, self.qscheme),
        )

    def _load_from_state_dict(self, state_dict: dict, prefix: str, local_metadata: dict, *rest: Any) -> None:
        if local_metadata.get("version") in (None, 1):
            # Files of those versions have no eps, and keep extremes nobody has seen as empty tensors.
            state_dict.setdefault(prefix + "eps", lampas.tensor([_EPS]))
        _take_shapes(self, ("min_val", "max_val"), state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

    def reset_min_max_vals(self) -> None:
        """Forgets what was seen."""
        raise NotImplementedError("Cannot reset min/max values in the given observer.")


_ObserverBase = UniformQuantizationObserverBase


class MinMaxObserver(UniformQuantizationObserverBase):
    """Remembers the smallest and the largest value seen.

    >>> observer = MinMaxObserver()
    >>> observer(lampas.tensor([-1.0, 1.55])); observer.calculate_qparams()
    (tensor([0.0100]), tensor([100], dtype=torch.int32))
    """

    min_val: lampas.Tensor
    max_val: lampas.Tensor

    def __init__(
        self,
        dtype: Any = lampas.quint8,
        qscheme: Any = lampas.per_tensor_affine,
        reduce_range: bool = False,
        quant_min: int | None = None,
        quant_max: int | None = None,
        factory_kwargs: dict[str, Any] | None = None,
        eps: float = _EPS,
        is_dynamic: bool = False,
        **kwargs: Any,
    ) -> None:
        self._check_qscheme(qscheme, per_channel=False)
        super().__init__(dtype, qscheme, reduce_range, quant_min, quant_max, factory_kwargs, eps, is_dynamic, **kwargs)
        self._check_symmetric_range()
        options = nn.factory_kwargs(factory_kwargs)
        self.register_buffer("min_val", lampas.tensor(float("inf"), **options))
        self.register_buffer("max_val", lampas.tensor(float("-inf"), **options))

    def forward(self, x_orig: Any) -> Any:
        """Widens the range by the values of `x_orig` and returns it."""
        if x_orig.numel() == 0:
            return x_orig
        low, high = lampas.aminmax(x_orig.detach().to(self.min_val.dtype))
        self._update(low, high)
        return x_orig

    def _update(self, low: Any, high: Any) -> None:
        self.min_val.copy_(lampas.min(low, self.min_val))
        self.max_val.copy_(lampas.max(high, self.max_val))

    def calculate_qparams(self) -> tuple[Any, Any]:
        """Scale and zero point for the range seen."""
        return self._calculate_qparams(self.min_val, self.max_val)

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}"

    def reset_min_max_vals(self) -> None:
        """Forgets what was seen."""
        self.min_val.fill_(float("inf"))
        self.max_val.fill_(float("-inf"))


class MovingAverageMinMaxObserver(MinMaxObserver):
    """Remembers exponentially weighted averages of each call's smallest and largest value.

    Args:
        averaging_constant: the weight of the newest call; the first call counts whole.
    """

    def __init__(
        self,
        averaging_constant: float = 0.01,
        dtype: Any = lampas.quint8,
        qscheme: Any = lampas.per_tensor_affine,
        reduce_range: bool = False,
        quant_min: int | None = None,
        quant_max: int | None = None,
        eps: float = _EPS,
        is_dynamic: bool = False,
        **kwargs: Any,
    ) -> None:
        self._check_qscheme(qscheme, per_channel=False)
        if is_dynamic and averaging_constant != 1:
            raise NotImplementedError(
                "MovingAverageMinMaxObserver doesn't support dynamic quantization for averaging constant of "
                f"{averaging_constant}; only 1 forgets earlier calls"
            )
        self.averaging_constant = averaging_constant
        super().__init__(
            *(dtype, qscheme, reduce_range, quant_min, quant_max), eps=eps, is_dynamic=is_dynamic, **kwargs
        )

    def _update(self, low: Any, high: Any) -> None:
        if self.min_val.item() == float("inf") and self.max_val.item() == float("-inf"):
            self.min_val.copy_(low)
            self.max_val.copy_(high)
        else:
            self.min_val.copy_(self.min_val + self.averaging_constant * (low - self.min_val))
            self.max_val.copy_(self.max_val + self.averaging_constant * (high - self.max_val))


class PerChannelMinMaxObserver(UniformQuantizationObserverBase):
    """Remembers each channel's smallest and largest value.

    Args:
        ch_axis: the dimension of the channels.
    """

    min_val: lampas.Tensor
    max_val: lampas.Tensor

    def __init__(
        self,
        ch_axis: int = 0,
        dtype: Any = lampas.quint8,
        qscheme: Any = lampas.per_channel_affine,
        reduce_range: bool = False,
        quant_min: int | None = None,
        quant_max: int | None = None,
        factory_kwargs: dict[str, Any] | None = None,
        eps: float = _EPS,
        is_dynamic: bool = False,
        **kwargs: Any,
    ) -> None:
        self._check_qscheme(qscheme, per_channel=True)
        if is_dynamic:
            raise NotImplementedError(f"{type(self).__name__} doesn't support dynamic quantization")
        super().__init__(dtype, qscheme, reduce_range, quant_min, quant_max, factory_kwargs, eps, is_dynamic, **kwargs)
        self.ch_axis = ch_axis
        options = nn.factory_kwargs(factory_kwargs)
        self.register_buffer("min_val", lampas.tensor([], **options))
        self.register_buffer("max_val", lampas.tensor([], **options))

    def forward(self, x_orig: Any) -> Any:
        """Widens each channel's range by the values of `x_orig` and returns it."""
        if x_orig.numel() == 0:
            return x_orig
        channels = x_orig.detach().to(self.min_val.dtype).transpose(0, self.ch_axis).flatten(1)
        low, high = lampas.aminmax(channels, dim=1)
        if self.min_val.numel() and self.max_val.numel():
            low, high = self._combine(low, high)
        self.min_val.resize_(low.shape)
        self.max_val.resize_(high.shape)
        self.min_val.copy_(low)
        self.max_val.copy_(high)
        return x_orig

    def _combine(self, low: Any, high: Any) -> tuple[Any, Any]:
        return lampas.min(low, self.min_val), lampas.max(high, self.max_val)

    def calculate_qparams(self) -> tuple[Any, Any]:
        """Scales and zero points, one for each channel."""
        return self._calculate_qparams(self.min_val, self.max_val)

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}"

    def _load_from_state_dict(self, state_dict: dict, prefix: str, local_metadata: dict, *rest: Any) -> None:
        version = local_metadata.get("version")
        if version is not None and version < 3:
            for name in ("min_val", "max_val"):
                if prefix + name + "s" in state_dict:
                    state_dict[prefix + name] = state_dict.pop(prefix + name + "s")
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

    def reset_min_max_vals(self) -> None:
        """Forgets what was seen."""
        self.min_val = lampas.empty(0)
        self.max_val = lampas.empty(0)


class MovingAveragePerChannelMinMaxObserver(PerChannelMinMaxObserver):
    """Remembers exponentially weighted averages of each channel's smallest and largest value.

    Args:
        averaging_constant: the weight of the newest call; the first call counts whole.
    """

    def __init__(
        self,
        averaging_constant: float = 0.01,
        ch_axis: int = 0,
        dtype: Any = lampas.quint8,
        qscheme: Any = lampas.per_channel_affine,
        reduce_range: bool = False,
        quant_min: int | None = None,
        quant_max: int | None = None,
        eps: float = _EPS,
        is_dynamic: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            *(ch_axis, dtype, qscheme, reduce_range, quant_min, quant_max),
            eps=eps,
            is_dynamic=is_dynamic,
            **kwargs,
        )
        self.averaging_constant = averaging_constant

    def _combine(self, low: Any, high: Any) -> tuple[Any, Any]:
        return (
            self.min_val + self.averaging_constant * (low - self.min_val),
            self.max_val + self.averaging_constant * (high - self.max_val),
        )


class FixedQParamsObserver(ObserverBase):
    """Gives the scale and zero point it was made with, whatever it sees: for functions with a known range."""

    scale: lampas.Tensor
    zero_point: lampas.Tensor

    def __init__(
        self,
        scale: float,
        zero_point: int,
        dtype: Any = lampas.quint8,
        qscheme: Any = lampas.per_tensor_affine,
        quant_min: int = 0,
        quant_max: int = 255,
        is_dynamic: bool = False,
        **kwargs: Any,
    ) -> None:
        if is_dynamic:
            raise NotImplementedError("FixedQParamsObserver doesn't support dynamic quantization")
        super().__init__(dtype=dtype, is_dynamic=is_dynamic, **kwargs)
        self.quant_min = quant_min
        self.quant_max = quant_max
        self.register_buffer("scale", lampas.tensor([scale], dtype=lampas.float32))
        self.register_buffer("zero_point", lampas.tensor([zero_point], dtype=lampas.int32))
        self.qscheme = qscheme

    def forward(self, X: Any) -> Any:
        return X

    def calculate_qparams(self) -> tuple[Any, Any]:
        """The scale and zero point given."""
        return self.scale, self.zero_point


class _WithoutQParams(ObserverBase):
    """An observer that passes everything through and finds no scale."""

    def forward(self, x: Any) -> Any:
        return x

    def calculate_qparams(self) -> Any:
        """
        Raises:
            Exception: always; this observer is for what needs no scale.
        """
        raise Exception(f"calculate_qparams should not be called for {type(self).__name__}; it finds no scale")


class PlaceholderObserver(_WithoutQParams):
    """Says to which dtype conversion shall go, and looks at nothing: for dynamic quantization and for float16.

    Args:
        dtype: the dtype to convert to.
        custom_op_name: for conversions of one's own.
        quant_min, quant_max, qscheme, eps: for whoever reads them.
        is_dynamic: whether scales are to be found in each call.
    """

    def __init__(
        self,
        dtype: Any = lampas.float32,
        custom_op_name: str = "",
        compute_dtype: Any = None,
        quant_min: int | None = None,
        quant_max: int | None = None,
        qscheme: Any = None,
        eps: float | None = None,
        is_dynamic: bool = False,
    ) -> None:
        super().__init__(dtype=dtype, is_dynamic=is_dynamic or compute_dtype is not None)
        self.qscheme = lampas.per_tensor_affine if qscheme is None else qscheme
        self.quant_min = quant_min
        self.quant_max = quant_max
        self.eps = eps
        self.custom_op = custom_op_name

    def extra_repr(self) -> str:
        return f"dtype={self.dtype}, is_dynamic={self.is_dynamic}"


class RecordingObserver(_WithoutQParams):
    """Keeps a copy of every tensor seen, for looking for where accuracy is lost."""

    def __init__(self, dtype: Any = lampas.quint8) -> None:
        super().__init__(dtype=dtype, is_dynamic=False)
        self.tensor_val: list[Any] = []

    def forward(self, x: Any) -> Any:
        self.tensor_val.append(x.clone())
        return x

    def get_tensor_value(self) -> list[Any]:
        """The tensors seen."""
        return self.tensor_val


class NoopObserver(_WithoutQParams):
    """Says to which dtype conversion shall go, and nothing else."""

    def __init__(self, dtype: Any = lampas.float16, custom_op_name: str = "") -> None:
        super().__init__(dtype=dtype, is_dynamic=False)
        self.custom_op = custom_op_name


class ReuseInputObserver(_WithoutQParams):
    """For ops that only move values (reshape, cat): their result takes the scale of their input."""

    def __init__(self) -> None:
        super().__init__(lampas.quint8, is_dynamic=False)


def _is_activation_post_process(module: Any) -> bool:
    from .fake_quantize import FakeQuantizeBase

    return isinstance(module, (ObserverBase, FakeQuantizeBase))


def get_observer_state_dict(mod: nn.Module) -> OrderedDict:
    """The part of a prepared model's state dict that its observers of activations have gathered."""
    state = mod.state_dict()
    found = OrderedDict((key, value) for key, value in state.items() if "activation_post_process" in key)
    found._metadata = state._metadata
    return found


def load_observer_state_dict(mod: nn.Module, obs_dict: dict) -> None:
    """Gives the observers of a prepared model what `get_observer_state_dict` took from another.

    Raises:
        Exception: an observer's entry is missing, or stands there for no observer.
    """
    missing: list[str] = []
    unexpected: list[str] = []
    metadata = getattr(obs_dict, "_metadata", {})
    for name, module in mod.named_modules():
        if _is_activation_post_process(module):
            local = metadata.get(name, {})
            module._load_from_state_dict(obs_dict, name + ".", local, False, missing, unexpected, [])
    for kind, keys in (("Missing", missing), ("Unexpected", unexpected)):
        for key in keys:
            if "observer" in key or "activation_post_process" in key:
                raise Exception(f"{kind} keys for observer {key} in state_dict")


from .granularity import (  # noqa: E402
    AffineQuantizedObserverBase,
    Granularity,
    MappingType,
    PerAxis,
    PerBlock,
    PerGroup,
    PerRow,
    PerTensor,
    PerToken,
    TorchAODType,
    ZeroPointDomain,
    get_block_size,
)
from .histogram_observer import HistogramObserver  # noqa: E402

default_observer = MinMaxObserver.with_args(quant_min=0, quant_max=127)
default_placeholder_observer = PlaceholderObserver
default_debug_observer = RecordingObserver
default_weight_observer = MinMaxObserver.with_args(dtype=lampas.qint8, qscheme=lampas.per_tensor_symmetric)
_RANGE_127 = {"quant_min": -127, "quant_max": 127, "eps": 2**-12}
weight_observer_range_neg_127_to_127 = default_weight_observer.with_args(**_RANGE_127)
default_histogram_observer = HistogramObserver.with_args(quant_min=0, quant_max=127)
default_per_channel_weight_observer = PerChannelMinMaxObserver.with_args(
    dtype=lampas.qint8, qscheme=lampas.per_channel_symmetric
)
per_channel_weight_observer_range_neg_127_to_127 = default_per_channel_weight_observer.with_args(**_RANGE_127)
default_dynamic_quant_observer = PlaceholderObserver.with_args(
    dtype=lampas.quint8, quant_min=0, quant_max=255, is_dynamic=True
)
default_float_qparams_observer = PerChannelMinMaxObserver.with_args(
    dtype=lampas.quint8, qscheme=lampas.per_channel_affine_float_qparams, ch_axis=0
)
default_float_qparams_observer_4bit = PerChannelMinMaxObserver.with_args(
    dtype=lampas.quint4x2, qscheme=lampas.per_channel_affine_float_qparams, ch_axis=0
)
default_fixed_qparams_range_neg1to1_observer = FixedQParamsObserver.with_args(
    scale=2.0 / 256.0, zero_point=128, dtype=lampas.quint8, quant_min=0, quant_max=255
)
default_fixed_qparams_range_0to1_observer = FixedQParamsObserver.with_args(
    scale=1.0 / 256.0, zero_point=0, dtype=lampas.quint8, quant_min=0, quant_max=255
)
default_symmetric_fixed_qparams_observer = default_fixed_qparams_range_neg1to1_observer
default_affine_fixed_qparams_observer = default_fixed_qparams_range_0to1_observer
default_reuse_input_observer = ReuseInputObserver
