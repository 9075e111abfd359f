"""Fake quantization: values rounded as quantization would round them, still floating point, with gradients."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import lampas
import lampas.nn as nn

from .observer import (
    _RANGE_127,
    FixedQParamsObserver,
    HistogramObserver,
    MovingAverageMinMaxObserver,
    MovingAveragePerChannelMinMaxObserver,
    _take_shapes,
    _with_args,
    default_fixed_qparams_range_0to1_observer,
    default_fixed_qparams_range_neg1to1_observer,
)
from .utils import dtype_range, is_per_channel, is_per_tensor, is_symmetric

__all__ = [
    "FakeQuantize",
    "FakeQuantizeBase",
    "FixedQParamsFakeQuantize",
    "FusedMovingAvgObsFakeQuantize",
    "default_affine_fixed_qparams_fake_quant",
    "default_dynamic_fake_quant",
    "default_embedding_fake_quant",
    "default_embedding_fake_quant_4bit",
    "default_fake_quant",
    "default_fixed_qparams_range_0to1_fake_quant",
    "default_fixed_qparams_range_neg1to1_fake_quant",
    "default_fused_act_fake_quant",
    "default_fused_per_channel_wt_fake_quant",
    "default_fused_wt_fake_quant",
    "default_histogram_fake_quant",
    "default_per_channel_weight_fake_quant",
    "default_symmetric_fixed_qparams_fake_quant",
    "default_weight_fake_quant",
    "disable_fake_quant",
    "disable_observer",
    "enable_fake_quant",
    "enable_observer",
    "fused_per_channel_wt_fake_quant_range_neg_127_to_127",
    "fused_wt_fake_quant_range_neg_127_to_127",
]


class FakeQuantizeBase(ABC, nn.Module):
    """What fake quantizers have in common: switches for observing and for rounding."""

    fake_quant_enabled: lampas.Tensor
    observer_enabled: lampas.Tensor
    _switch_dtype: Any = lampas.uint8

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("fake_quant_enabled", lampas.tensor([1], dtype=self._switch_dtype))
        self.register_buffer("observer_enabled", lampas.tensor([1], dtype=self._switch_dtype))

    @abstractmethod
    def forward(self, x: Any) -> Any:
        """Observes `x` and returns it rounded."""

    @abstractmethod
    def calculate_qparams(self, **kwargs: Any) -> Any:
        """Scale and zero point for what was seen."""

    def enable_fake_quant(self, enabled: bool = True) -> None:
        """Whether values are rounded."""
        self.fake_quant_enabled.fill_(1 if enabled else 0)

    def disable_fake_quant(self) -> None:
        """Values pass as they are."""
        self.enable_fake_quant(False)

    def enable_observer(self, enabled: bool = True) -> None:
        """Whether scale and zero point follow what is seen."""
        self.observer_enabled.fill_(1 if enabled else 0)

    def disable_observer(self) -> None:
        """Scale and zero point stay as they are."""
        self.enable_observer(False)

    with_args = classmethod(_with_args)


class FakeQuantize(FakeQuantizeBase):
    """``(clamp(round(x / scale + zero_point), quant_min, quant_max) - zero_point) * scale``, with scale and zero point
    from an observer.

    The gradient passes where a value was inside the range, and is 0 where it was clipped.

    Args:
        observer: the class of the observer, or a constructor of it.
        quant_min, quant_max: the integers to use.
        is_dynamic: for conversions to dynamic quantization.
        observer_kwargs: further arguments for the observer.

    Raises:
        AssertionError: the range does not fit the dtype.

    >>> FakeQuantize()(lampas.linspace(-1, 1, 5))
    """

    scale: lampas.Tensor
    zero_point: lampas.Tensor

    def __init__(
        self,
        observer: Any = MovingAverageMinMaxObserver,
        quant_min: int | None = None,
        quant_max: int | None = None,
        is_dynamic: bool = False,
        **observer_kwargs: Any,
    ) -> None:
        super().__init__()
        if quant_min is not None and quant_max is not None:
            dtype = observer_kwargs.get("dtype", lampas.quint8)
            if hasattr(observer, "p"):
                dtype = observer.p.keywords.get("dtype", dtype)
            low, high = dtype_range(dtype)
            if quant_min > quant_max:
                raise AssertionError(
                    f"quant_min must be less than or equal to quant_max, got {quant_min} and {quant_max}"
                )
            if quant_min < low:
                raise AssertionError(f"quant_min out of bound: {quant_min}, but {dtype} begins at {low}")
            if quant_max > high:
                raise AssertionError(f"quant_max out of bound: {quant_max}, but {dtype} ends at {high}")
            observer_kwargs.update(quant_min=quant_min, quant_max=quant_max)
        observer_kwargs["is_dynamic"] = is_dynamic
        watcher = observer(**observer_kwargs)
        self.activation_post_process = watcher
        self.quant_min = watcher.quant_min
        self.quant_max = watcher.quant_max
        self.is_dynamic = watcher.is_dynamic
        self.dtype = watcher.dtype
        self.qscheme = watcher.qscheme
        self.ch_axis = getattr(watcher, "ch_axis", -1)
        if not (is_per_channel(self.qscheme) or is_per_tensor(self.qscheme)):
            raise AssertionError(
                f"Only per channel and per tensor quantization are supported in fake quantize, got {self.qscheme}"
            )
        self.is_per_channel = is_per_channel(self.qscheme)
        as_float = self.qscheme == lampas.per_channel_affine_float_qparams
        self.register_buffer("scale", lampas.tensor([1.0], dtype=lampas.float32))
        self.register_buffer("zero_point", lampas.tensor([0], dtype=lampas.float32 if as_float else lampas.int32))

    def calculate_qparams(self) -> tuple[Any, Any]:
        """The observer's scale and zero point."""
        return self.activation_post_process.calculate_qparams()

    def forward(self, X: Any) -> Any:
        if self.observer_enabled[0] == 1:
            self.activation_post_process(X.detach())
            for kept, new in zip((self.scale, self.zero_point), self.calculate_qparams()):
                if kept.shape != new.shape:
                    kept.resize_(new.shape)
                kept.copy_(new)
        if self.fake_quant_enabled[0] == 1:
            low, high = self.activation_post_process.quant_min, self.activation_post_process.quant_max
            if self.is_per_channel:
                X = lampas.fake_quantize_per_channel_affine(X, self.scale, self.zero_point, self.ch_axis, low, high)
            else:
                X = lampas.fake_quantize_per_tensor_affine(X, self.scale, self.zero_point, low, high)
        return X

    def extra_repr(self) -> str:
        return (
            f"fake_quant_enabled={self.fake_quant_enabled}, observer_enabled={self.observer_enabled}, "
            f"quant_min={self.activation_post_process.quant_min}, quant_max={self.activation_post_process.quant_max}, "
            f"dtype={self.dtype}, qscheme={self.qscheme}, ch_axis={self.ch_axis}, "
            f"scale={self.scale}, zero_point={self.zero_point}"
        )

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *rest: Any) -> None:
        _take_shapes(self, ("scale", "zero_point"), state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, *rest)


class FixedQParamsFakeQuantize(FakeQuantize):
    """Fake quantization with the scale and zero point of a `FixedQParamsObserver`.

    Raises:
        AssertionError: the observer is another one.
    """

    def __init__(self, observer: Any) -> None:
        super().__init__(observer=observer)
        if type(self.activation_post_process) is not FixedQParamsObserver:
            raise AssertionError(
                "FixedQParamsFakeQuantize's observer must be a FixedQParamsObserver, "
                f"got {type(self.activation_post_process).__name__}"
            )
        if not is_per_tensor(self.qscheme):
            raise AssertionError(f"Only per tensor quantization is supported here, got qscheme: {self.qscheme}")
        self._observer_ctr = observer
        self.scale = self.activation_post_process.scale
        self.zero_point = self.activation_post_process.zero_point

    def calculate_qparams(self) -> tuple[Any, Any]:
        """The given scale and zero point."""
        return self.scale, self.zero_point

    def extra_repr(self) -> str:
        return (
            f"fake_quant_enabled={self.fake_quant_enabled}, observer_enabled={self.observer_enabled}, "
            f"scale={self.scale}, zero_point={self.zero_point}, dtype={self.dtype}, "
            f"quant_min={self.activation_post_process.quant_min}, "
            f"quant_max={self.activation_post_process.quant_max}, qscheme={self.qscheme}"
        )


class FusedMovingAvgObsFakeQuantize(FakeQuantize):
    """`FakeQuantize` with a moving average of the extremes, in one op.

    Raises:
        AssertionError: the observer is not one of the moving averages.
    """

    _switch_dtype = lampas.int64

    def __init__(
        self,
        observer: Any = MovingAverageMinMaxObserver,
        quant_min: int = 0,
        quant_max: int = 255,
        **observer_kwargs: Any,
    ) -> None:
        super().__init__(observer, quant_min, quant_max, **observer_kwargs)
        averages = (MovingAverageMinMaxObserver, MovingAveragePerChannelMinMaxObserver)
        if not isinstance(self.activation_post_process, averages):
            raise AssertionError(
                "Fused observer+fake_quant module only works with MovingAverageMinMaxObserver and "
                f"MovingAveragePerChannelMinMaxObserver, got {type(self.activation_post_process).__name__}"
            )
        self.is_symmetric_quant = is_symmetric(self.activation_post_process.qscheme)

    def extra_repr(self) -> str:
        return (
            f"fake_quant_enabled={self.fake_quant_enabled}, observer_enabled={self.observer_enabled}, "
            f"scale={self.scale}, zero_point={self.zero_point}, dtype={self.dtype}, "
            f"quant_min={self.activation_post_process.quant_min}, quant_max={self.activation_post_process.quant_max}, "
            f"qscheme={self.qscheme}, reduce_range={self.activation_post_process.reduce_range}"
        )

    def forward(self, X: Any) -> Any:
        watcher = self.activation_post_process
        return lampas.fused_moving_avg_obs_fake_quant(
            *(X, self.observer_enabled, self.fake_quant_enabled, watcher.min_val, watcher.max_val),
            *(self.scale, self.zero_point, watcher.averaging_constant, watcher.quant_min, watcher.quant_max),
            *(self.ch_axis, self.is_per_channel, self.is_symmetric_quant),
        )


_SIGNED = {"quant_min": -128, "quant_max": 127, "dtype": lampas.qint8}
default_fake_quant = FakeQuantize.with_args(
    observer=MovingAverageMinMaxObserver,
    quant_min=0,
    quant_max=255,
    dtype=lampas.quint8,
    qscheme=lampas.per_tensor_affine,
    reduce_range=True,
)
default_weight_fake_quant = FakeQuantize.with_args(
    observer=MovingAverageMinMaxObserver, **_SIGNED, qscheme=lampas.per_tensor_symmetric, reduce_range=False
)
default_dynamic_fake_quant = FakeQuantize.with_args(
    observer=MovingAverageMinMaxObserver,
    quant_min=0,
    quant_max=255,
    is_dynamic=True,
    dtype=lampas.quint8,
    averaging_constant=1,
)
default_fixed_qparams_range_neg1to1_fake_quant = FixedQParamsFakeQuantize.with_args(
    observer=default_fixed_qparams_range_neg1to1_observer
)
default_fixed_qparams_range_0to1_fake_quant = FixedQParamsFakeQuantize.with_args(
    observer=default_fixed_qparams_range_0to1_observer
)
default_symmetric_fixed_qparams_fake_quant = default_fixed_qparams_range_neg1to1_fake_quant
default_affine_fixed_qparams_fake_quant = default_fixed_qparams_range_0to1_fake_quant
default_per_channel_weight_fake_quant = FakeQuantize.with_args(
    observer=MovingAveragePerChannelMinMaxObserver,
    **_SIGNED,
    qscheme=lampas.per_channel_symmetric,
    reduce_range=False,
    ch_axis=0,
)
default_embedding_fake_quant = FakeQuantize.with_args(
    observer=MovingAveragePerChannelMinMaxObserver,
    qscheme=lampas.per_channel_affine_float_qparams,
    dtype=lampas.quint8,
    quant_min=0,
    quant_max=255,
    ch_axis=0,
    averaging_constant=1,
)
default_embedding_fake_quant_4bit = FakeQuantize.with_args(
    observer=MovingAveragePerChannelMinMaxObserver,
    qscheme=lampas.per_channel_affine_float_qparams,
    ch_axis=0,
    dtype=lampas.quint4x2,
    averaging_constant=1,
)
default_histogram_fake_quant = FakeQuantize.with_args(
    observer=HistogramObserver,
    quant_min=0,
    quant_max=255,
    dtype=lampas.quint8,
    qscheme=lampas.per_tensor_affine,
    reduce_range=True,
)
default_fused_act_fake_quant = FusedMovingAvgObsFakeQuantize.with_args(
    observer=MovingAverageMinMaxObserver, quant_min=0, quant_max=255, dtype=lampas.quint8
)
default_fused_wt_fake_quant = FusedMovingAvgObsFakeQuantize.with_args(
    observer=MovingAverageMinMaxObserver, **_SIGNED, qscheme=lampas.per_tensor_symmetric
)
default_fused_per_channel_wt_fake_quant = FusedMovingAvgObsFakeQuantize.with_args(
    observer=MovingAveragePerChannelMinMaxObserver, **_SIGNED, qscheme=lampas.per_channel_symmetric
)
fused_wt_fake_quant_range_neg_127_to_127 = default_fused_wt_fake_quant.with_args(**_RANGE_127)
fused_per_channel_wt_fake_quant_range_neg_127_to_127 = default_fused_per_channel_wt_fake_quant.with_args(**_RANGE_127)


def disable_fake_quant(mod: Any) -> None:
    """Stops a fake quantizer's rounding; for ``model.apply``.

    >>> model.apply(disable_fake_quant)
    """
    if isinstance(mod, FakeQuantizeBase):
        mod.disable_fake_quant()


def enable_fake_quant(mod: Any) -> None:
    """Starts a fake quantizer's rounding; for ``model.apply``.

    >>> model.apply(enable_fake_quant)
    """
    if isinstance(mod, FakeQuantizeBase):
        mod.enable_fake_quant()


def disable_observer(mod: Any) -> None:
    """Makes a fake quantizer keep its scale and zero point; for ``model.apply``.

    >>> model.apply(disable_observer)
    """
    if isinstance(mod, FakeQuantizeBase):
        mod.disable_observer()


def enable_observer(mod: Any) -> None:
    """Makes a fake quantizer's scale and zero point follow what it sees; for ``model.apply``.

    >>> model.apply(enable_observer)
    """
    if isinstance(mod, FakeQuantizeBase):
        mod.enable_observer()
