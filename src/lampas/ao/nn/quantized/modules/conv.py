"""Convolutions on quantized tensors."""

from __future__ import annotations

from typing import Any

import lampas
import lampas.nn as nn
from lampas.ao.nn import intrinsic as nni
from lampas.nn import functional as F
from lampas.nn.modules.utils import _ntuple, _reverse_repeat_tuple
from lampas.nn.utils.fusion import fuse_conv_bn_weights
from lampas.nn.utils.parametrize import type_before_parametrizations

from .utils import (
    OutputScaleInState,
    WeightedQuantizedModule,
    _quantize_weight,
    output_qparams,
    require_qconfig,
    weight_observer_of,
)

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]

_SUPPORTED_PADDING = ("zeros", "reflect")
_INPUT = {1: "(N, C, L)", 2: "(N, C, H, W)", 3: "(N, C, D, H, W)"}


class _ConvNd(OutputScaleInState, WeightedQuantizedModule):
    """What quantized convolutions share. Made by `convert`; of themselves they have weights of zeros."""

    _dims: int
    _op: str
    _transposed = False
    _FLOAT_MODULE: Any
    _FUSED_MODULES: tuple[type, ...] = ()

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        shape = (in_channels, out_channels, kernel_size, stride, padding, dilation, 0, groups, bias, padding_mode)
        self._make(*shape, device, dtype)

    def _make(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        output_padding: Any,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any,
        dtype: Any,
    ) -> None:
        super().__init__()
        if padding_mode not in _SUPPORTED_PADDING:
            raise ValueError(
                f"'padding_mode' {padding_mode} is not supported by quantized convolution; "
                f"it must be one of {_SUPPORTED_PADDING}"
            )
        for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if channels % groups:
                raise ValueError(f"{name} must be divisible by groups, got {channels} and {groups}")
        if isinstance(padding, str):
            raise RuntimeError(
                f"quantized convolution takes padding as numbers, got {padding!r}; for stride 1 and an odd kernel "
                "'same' is dilation * (kernel_size - 1) // 2"
            )
        each = _ntuple(self._dims)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = each(kernel_size)
        self.stride = each(stride)
        self.padding = each(padding)
        self.dilation = each(dilation)
        self.transposed = self._transposed
        self.output_padding = each(output_padding)
        self.groups = groups
        self.padding_mode = padding_mode
        across = (in_channels, out_channels // groups) if self._transposed else (out_channels, in_channels // groups)
        weight = lampas._empty_affine_quantized(
            [*across, *self.kernel_size], scale=1, zero_point=0, dtype=lampas.qint8, device=device
        )
        self.set_weight_bias(weight, lampas.zeros(out_channels, dtype=lampas.float32, device=device) if bias else None)
        self.scale = 1.0
        self.zero_point = 0

    def set_weight_bias(self, w: lampas.Tensor, b: lampas.Tensor | None) -> None:
        """Packs a quantized weight and a bias."""
        prepack = getattr(lampas.ops.quantized, f"{self._op}_prepack")
        places: tuple[Any, ...]
        if self._transposed:
            places = (self.padding, self.output_padding)
        else:
            places = (self.padding if self.padding_mode == "zeros" else (0,) * self._dims,)
        self._packed_params = prepack(w, b, self.stride, *places, self.dilation, self.groups)

    def _weight_bias(self) -> tuple[lampas.Tensor, lampas.Tensor | None]:
        return self._packed_params.unpack()

    def weight(self) -> lampas.Tensor:
        """The quantized weight."""
        return self._weight_bias()[0]

    def bias(self) -> lampas.Tensor | None:
        """The bias in floating point."""
        return self._weight_bias()[1]

    def _padded(self, input: lampas.Tensor) -> lampas.Tensor:
        if len(input.shape) != self._dims + 2:
            raise ValueError(f"Input shape must be `{_INPUT[self._dims]}`, got {tuple(input.shape)}")
        if self.padding_mode == "zeros" or self._transposed:
            return input
        return F.pad(input, _reverse_repeat_tuple(self.padding, 2), mode=self.padding_mode)

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        op = getattr(lampas.ops.quantized, self._op)
        return op(self._padded(input), self._packed_params, self.scale, self.zero_point)

    def _get_name(self) -> str:
        return f"Quantized{type(self).__name__}"

    def extra_repr(self) -> str:
        n = self._dims
        text = (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"scale={self.scale}, zero_point={self.zero_point}"
        )
        if self.padding != (0,) * n:
            text += f", padding={self.padding}"
        if self.dilation != (1,) * n:
            text += f", dilation={self.dilation}"
        if self.output_padding != (0,) * n:
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias() is None:
            text += ", bias=False"
        return text

    def _save_to_state_dict(self, destination: dict, prefix: str, keep_vars: bool) -> None:
        weight, bias = self._weight_bias()
        destination[prefix + "weight"] = weight
        destination[prefix + "bias"] = bias
        super()._save_to_state_dict(destination, prefix, keep_vars)

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *rest: Any) -> None:
        self.set_weight_bias(state_dict.pop(prefix + "weight"), state_dict.pop(prefix + "bias"))
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def __deepcopy__(self, memo: dict) -> Any:
        # Packed weights are never changed in place: a copy may share them.
        made = type(self).__new__(type(self))
        nn.Module.__init__(made)
        made.__dict__.update({key: value for key, value in self.__dict__.items() if not key.startswith("_")})
        made.__dict__["_packed_params"] = self._packed_params
        return made

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        """The quantized layer of a prepared float layer, of a fused one, or of one trained with fake quantization.

        Raises:
            AssertionError: another type of layer, or one that was not prepared.
        """
        observed = mod
        if hasattr(mod, "weight_fake_quant"):
            if not hasattr(mod, "activation_post_process"):
                raise AssertionError("Input QAT module must have observer attached: made by prepare_qat()")
            if hasattr(mod, "bn"):
                mod.weight, mod.bias = fuse_conv_bn_weights(
                    *(mod.weight, mod.bias, mod.bn.running_mean, mod.bn.running_var, mod.bn.eps),
                    *(mod.bn.weight, mod.bn.bias),
                )
        else:
            if type_before_parametrizations(mod) not in (cls._FLOAT_MODULE, *cls._FUSED_MODULES):
                raise AssertionError(
                    f"nnq.{cls.__name__}.from_float only works for {cls._FLOAT_MODULE.__name__} "
                    f"but got: {type(mod).__name__}"
                )
            require_qconfig(mod)
            if isinstance(mod, nni._FusedModule):
                mod = mod[0]
        weight = _quantize_weight(mod.weight.float(), weight_observer_of(mod, use_precomputed_fake_quant))
        made = cls._like(mod)
        made.set_weight_bias(weight, mod.bias)
        if getattr(observed, "activation_post_process", None) is not None:
            if observed.activation_post_process.dtype != lampas.float32:
                made.scale, made.zero_point = output_qparams(observed)
        return made

    @classmethod
    def from_reference(cls, ref_qconv: Any, output_scale: float, output_zero_point: int) -> Any:
        """The quantized layer of a reference layer, with the scale of its output."""
        made = cls._like(ref_qconv)
        made.set_weight_bias(ref_qconv.get_quantized_weight(), ref_qconv.bias)
        made.scale, made.zero_point = float(output_scale), int(output_zero_point)
        return made

    @classmethod
    def _like(cls, mod: Any) -> Any:
        return cls(
            *(mod.in_channels, mod.out_channels, mod.kernel_size, mod.stride, mod.padding, mod.dilation, mod.groups),
            *(mod.bias is not None, mod.padding_mode),
        )


class Conv1d(_ConvNd):
    """1-dimensional convolution of quantized ``(N, C, L)``."""

    _dims, _op = 1, "conv1d"
    _FLOAT_MODULE: Any = nn.Conv1d
    _FUSED_MODULES: tuple[type, ...] = (nni.ConvReLU1d,)


class Conv2d(_ConvNd):
    """2-dimensional convolution of quantized ``(N, C, H, W)``.

    >>> layer = Conv2d(16, 33, 3, stride=2); layer.scale, layer.zero_point = 0.1, 128
    >>> layer(lampas.quantize_per_tensor(lampas.randn(20, 16, 50, 100), 0.1, 128, lampas.quint8)).shape
    torch.Size([20, 33, 24, 49])
    """

    _dims, _op = 2, "conv2d"
    _FLOAT_MODULE: Any = nn.Conv2d
    _FUSED_MODULES: tuple[type, ...] = (nni.ConvReLU2d, nni.ConvAdd2d, nni.ConvAddReLU2d)


class Conv3d(_ConvNd):
    """3-dimensional convolution of quantized ``(N, C, D, H, W)``."""

    _dims, _op = 3, "conv3d"
    _FLOAT_MODULE: Any = nn.Conv3d
    _FUSED_MODULES: tuple[type, ...] = (nni.ConvReLU3d,)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.padding_mode == "reflect":
            raise AssertionError("Conv3d does not support reflection padding; use padding_mode='zeros'")


class _ConvTransposeNd(_ConvNd):
    _transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}, got "{padding_mode}"')
        shape = (in_channels, out_channels, kernel_size, stride, padding, dilation, output_padding, groups, bias)
        self._make(*shape, padding_mode, device, dtype)

    @classmethod
    def _like(cls, mod: Any) -> Any:
        return cls(
            *(mod.in_channels, mod.out_channels, mod.kernel_size, mod.stride, mod.padding, mod.output_padding),
            *(mod.groups, mod.bias is not None, mod.dilation, mod.padding_mode),
        )


class ConvTranspose1d(_ConvTransposeNd):
    """1-dimensional transposed convolution of quantized ``(N, C, L)``; weights are quantized per tensor."""

    _dims, _op = 1, "conv_transpose1d"
    _FLOAT_MODULE = nn.ConvTranspose1d


class ConvTranspose2d(_ConvTransposeNd):
    """2-dimensional transposed convolution of quantized ``(N, C, H, W)``; weights are quantized per tensor."""

    _dims, _op = 2, "conv_transpose2d"
    _FLOAT_MODULE = nn.ConvTranspose2d


class ConvTranspose3d(_ConvTransposeNd):
    """3-dimensional transposed convolution of quantized ``(N, C, D, H, W)``; weights are quantized per tensor."""

    _dims, _op = 3, "conv_transpose3d"
    _FLOAT_MODULE = nn.ConvTranspose3d
