"""Fake quantization whose scale and zero point are learned with the weights (Learned Step Size Quantization)."""

from __future__ import annotations

from typing import Any

import lampas
import lampas.nn as nn

from .fake_quantize import FakeQuantizeBase
from .observer import _EPS
from .utils import dtype_range

__all__ = ["_LearnableFakeQuantize"]


class _LearnableFakeQuantize(FakeQuantizeBase):
    """A fake quantizer with scale and zero point as parameters; its observer gives their first values.

    Args:
        observer: the observer's class.
        quant_min, quant_max: the integers to use.
        scale, zero_point: first values.
        channel_len: as many scales, along the observer's ``ch_axis``; -1 for one.
        use_grad_scaling: divide the gradients of scale and zero point by ``sqrt(numel * quant_max)``.

    Raises:
        AssertionError: the range does not fit the dtype.
    """

    scale: lampas.Tensor
    zero_point: lampas.Tensor

    def __init__(
        self,
        observer: Any,
        quant_min: int = 0,
        quant_max: int = 255,
        scale: float = 1.0,
        zero_point: float = 0.0,
        channel_len: int = -1,
        use_grad_scaling: bool = False,
        **observer_kwargs: Any,
    ) -> None:
        super().__init__()
        if quant_min >= quant_max:
            raise AssertionError(f"quant_min must be strictly less than quant_max, got {quant_min} and {quant_max}")
        observer_kwargs.update(quant_min=quant_min, quant_max=quant_max)
        self.quant_min = quant_min
        self.quant_max = quant_max
        self.use_grad_scaling = use_grad_scaling
        if channel_len != -1 and channel_len <= 0:
            raise AssertionError(f"Channel size must be a positive integer, got {channel_len}")
        count = 1 if channel_len == -1 else channel_len
        self.scale = nn.Parameter(lampas.tensor([scale] * count))
        self.zero_point = nn.Parameter(lampas.tensor([float(zero_point)] * count))
        self.activation_post_process = observer(**observer_kwargs)
        low, high = dtype_range(self.activation_post_process.dtype)
        if quant_min < low or quant_max > high:
            raise AssertionError(f"quant_min and quant_max out of bound: {quant_min}, {quant_max}; got {low} to {high}")
        self.dtype = self.activation_post_process.dtype
        self.qscheme = self.activation_post_process.qscheme
        self.ch_axis = getattr(self.activation_post_process, "ch_axis", -1)
        self.register_buffer("learning_enabled", lampas.tensor([0], dtype=lampas.uint8))
        self.bitwidth = (quant_max - quant_min + 1).bit_length() - 1
        self.register_buffer("static_enabled", lampas.tensor([1], dtype=lampas.uint8))
        self.register_buffer("eps", lampas.tensor([_EPS]))

    def enable_param_learning(self) -> _LearnableFakeQuantize:
        """Scale and zero point are learned, and no longer observed."""
        return self._mode(qparam_learning=True, fake_quant=True, observer=False)

    def enable_static_estimate(self) -> _LearnableFakeQuantize:
        """Scale and zero point are observed and not learned."""
        return self._mode(qparam_learning=False, fake_quant=True, observer=True)

    def enable_static_observation(self) -> _LearnableFakeQuantize:
        """Values are observed and pass as they are."""
        return self._mode(qparam_learning=False, fake_quant=False, observer=True)

    def _mode(self, qparam_learning: bool, fake_quant: bool, observer: bool) -> _LearnableFakeQuantize:
        self.learning_enabled.fill_(int(qparam_learning))
        self.scale.requires_grad = self.zero_point.requires_grad = qparam_learning
        self.enable_fake_quant(fake_quant)
        self.static_enabled.fill_(int(observer))
        return self

    def calculate_qparams(self) -> tuple[Any, Any]:
        """The present scale, and the zero point rounded into the range."""
        scale = self.scale.detach().clamp(min=self.eps.item())
        zero_point = self.zero_point.detach().round().clamp(self.quant_min, self.quant_max).long()
        return scale, zero_point

    def forward(self, X: Any) -> Any:
        if self.static_enabled[0] == 1:
            self.activation_post_process(X.detach())
            scale, zero_point = self.activation_post_process.calculate_qparams()
            self.scale.data.copy_(scale)
            self.zero_point.data.copy_(zero_point)
        else:
            self.scale.data.clamp_(min=self.eps.item())
        if self.fake_quant_enabled[0] == 1:
            if self.qscheme in (lampas.per_channel_symmetric, lampas.per_tensor_symmetric):
                self.zero_point.data.zero_()
            factor = 1.0 / (X.numel() * self.quant_max) ** 0.5 if self.use_grad_scaling else 1.0
            range_and_factor = (self.quant_min, self.quant_max, factor)
            if self.qscheme in (lampas.per_channel_symmetric, lampas.per_channel_affine):
                X = lampas._fake_quantize_learnable_per_channel_affine(
                    X, self.scale, self.zero_point, self.ch_axis, *range_and_factor
                )
            else:
                X = lampas._fake_quantize_learnable_per_tensor_affine(X, self.scale, self.zero_point, *range_and_factor)
        return X
