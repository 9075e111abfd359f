"""Convolutions and transposed convolutions in one, two and three dimensions: one base, thin names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import lampas

from .. import functional as F
from .. import init
from ..parameter import Parameter, UninitializedParameter
from .lazy import LazyModuleMixin
from .module import Module
from .utils import _ntuple, _reverse_repeat_tuple

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "LazyConv1d",
    "LazyConv2d",
    "LazyConv3d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
    "LazyConvTranspose3d",
]

_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _ConvNd(Module):
    """What all convolutions share: arguments, weight, initial values, printed form."""

    __constants__ = [
        *("stride", "padding", "dilation", "groups", "padding_mode", "output_padding", "in_channels"),
        *("out_channels", "kernel_size"),
    ]
    _dims: int
    bias: lampas.Tensor | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: tuple[int, ...],
        stride: tuple[int, ...],
        padding: str | tuple[int, ...],
        dilation: tuple[int, ...],
        transposed: bool,
        output_padding: tuple[int, ...],
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if groups <= 0:
            raise ValueError(f"groups must be a positive integer, got {groups}")
        if in_channels % groups:
            raise ValueError(f"in_channels must be divisible by groups, got {in_channels} and {groups}")
        if out_channels % groups:
            raise ValueError(f"out_channels must be divisible by groups, got {out_channels} and {groups}")
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(f"Invalid padding string {padding!r}, should be one of {{'valid', 'same'}}")
            if padding == "same" and any(s != 1 for s in stride):
                raise ValueError("padding='same' is not supported for strided convolutions")
        if padding_mode not in _PADDING_MODES:
            raise ValueError(
                f"padding_mode must be one of {set(_PADDING_MODES)}, but got padding_mode='{padding_mode}'"
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.transposed = transposed
        self.output_padding = output_padding
        self.groups = groups
        self.padding_mode = padding_mode
        if padding == "same":
            sides: list[int] = []
            for d, k in zip(reversed(dilation), reversed(kernel_size)):
                total = d * (k - 1)
                sides += [total // 2, total - total // 2]
            self._reversed_padding_repeated_twice: Sequence[int] = sides
        elif padding == "valid":
            self._reversed_padding_repeated_twice = [0] * (2 * len(kernel_size))
        elif not isinstance(padding, str):
            self._reversed_padding_repeated_twice = _reverse_repeat_tuple(padding, 2)
        across = (in_channels, out_channels // groups) if transposed else (out_channels, in_channels // groups)
        self.weight = Parameter(lampas.empty((*across, *kernel_size), device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(lampas.empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the initial values anew: evenly within ``1 / sqrt(fan_in)``."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            if fan_in != 0:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    def _explain_failure(self, args: tuple) -> str | None:
        if not args or not isinstance(args[0], lampas.Tensor):
            return None
        shape, n = tuple(args[0].shape), self._dims
        if len(shape) not in (n + 1, n + 2):
            return (
                f"the input has {len(shape)} dimensions (shape {shape}), expected (N, C, ...) with {n + 2} or {n + 1}"
            )
        if shape[-n - 1] != self.in_channels:
            return (
                f"the input has {shape[-n - 1]} channels (shape {shape}), the layer was made with "
                f"in_channels={self.in_channels}; in_channels={shape[-n - 1]} would fit"
            )
        return None

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        n = len(self.kernel_size)
        if self.padding != (0,) * n:
            # A word is written without its quotes.
            text += f", padding={self.padding}"
        if self.dilation != (1,) * n:
            text += f", dilation={self.dilation}"
        if self.output_padding != (0,) * n:
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)
        self.__dict__.setdefault("padding_mode", "zeros")


class _Conv(_ConvNd):
    """The arguments and the forward pass of a convolution."""

    _function: str

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: str | int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        each = _ntuple(self._dims)
        super().__init__(
            in_channels,
            out_channels,
            each(kernel_size),
            each(stride),
            padding if isinstance(padding, str) else each(padding),
            each(dilation),
            False,
            each(0),
            groups,
            bias,
            padding_mode,
            device=device,
            dtype=dtype,
        )

    def _conv_forward(self, input: lampas.Tensor, weight: lampas.Tensor, bias: lampas.Tensor | None) -> lampas.Tensor:
        padding = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            padding = (0,) * self._dims
        return getattr(lampas, self._function)(input, weight, bias, self.stride, padding, self.dilation, self.groups)

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return self._conv_forward(input, *self._weight_and_bias())


_CONV_DOC = """{n}-dimensional convolution (cross-correlation) over ``{shape}``.

    ``out[n, c] = bias[c] + sum over k of weight[c, k] * input[n, k]``, where ``*`` slides the kernel.

    Args:
        in_channels, out_channels: channels of input and output.
        kernel_size, stride, padding, dilation: one number, or one for each dimension; ``padding`` may be ``"same"``
            (output as large as the input, stride 1) or ``"valid"`` (none).
        groups: independent parts the channels are cut into.
        bias: whether a number is added to each channel.
        padding_mode: ``"zeros"``, ``"reflect"``, ``"replicate"`` or ``"circular"``.

    An output dimension is ``floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1``.

    Example::

        >>> nn.Conv{n}d(3, 8, 3, padding=1)(lampas.randn({example})).shape
        torch.Size([{result}])
    """

_TRANSPOSE_DOC = """{n}-dimensional transposed convolution over ``{shape}``: the gradient of a convolution as a map.

    Args:
        in_channels, out_channels: channels of input and output.
        kernel_size, stride, padding, dilation: as of the convolution whose gradient this is.
        output_padding: added to one side of the output, to choose among the sizes a strided convolution maps alike.
        groups: independent parts the channels are cut into.
        bias: whether a number is added to each channel.

    An output dimension is ``(size - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1``.

    Example::

        >>> nn.ConvTranspose{n}d(3, 8, 2, stride=2)(lampas.randn({example})).shape
        torch.Size([{double}])
    """


def _document(n: int) -> dict[str, Any]:
    return {
        "n": n,
        "shape": f"(N, C, {', '.join(('D', 'H', 'W')[3 - n :]) if n > 1 else 'L'})",
        "example": ", ".join(["2", "3", *["8"] * n]),
        "result": ", ".join(["2", "8", *["8"] * n]),
        "double": ", ".join(["2", "8", *["16"] * n]),
    }


class Conv1d(_Conv):
    __doc__ = _CONV_DOC.format(**_document(1))
    _dims, _function = 1, "conv1d"


class Conv2d(_Conv):
    __doc__ = _CONV_DOC.format(**_document(2))
    _dims, _function = 2, "conv2d"


class Conv3d(_Conv):
    __doc__ = _CONV_DOC.format(**_document(3))
    _dims, _function = 3, "conv3d"


class _ConvTransposeNd(_ConvNd):
    """The arguments and the forward pass of a transposed convolution."""

    _function: str

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        output_padding: int | tuple[int, ...] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | tuple[int, ...] = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}, got "{padding_mode}"')
        each = _ntuple(self._dims)
        super().__init__(
            in_channels,
            out_channels,
            each(kernel_size),
            each(stride),
            each(padding),
            each(dilation),
            True,
            each(output_padding),
            groups,
            bias,
            padding_mode,
            device=device,
            dtype=dtype,
        )

    def _output_padding(self, input: lampas.Tensor, output_size: list[int] | None) -> tuple[int, ...]:
        """What must be added to reach ``output_size``; ValueError if no convolution maps it to the input's size."""
        if output_size is None:
            return self.output_padding
        n = self._dims
        size = list(output_size)
        lead = input.dim() - n
        if len(size) == n + lead:
            size = size[lead:]
        if len(size) != n:
            raise ValueError(
                f"{type(self).__name__}: for {input.dim()}D input, output_size must have {n} or {n + lead} elements "
                f"(got {len(output_size)})"
            )
        least = [
            (input.size(d + lead) - 1) * self.stride[d]
            - 2 * int(self.padding[d])
            + self.dilation[d] * (self.kernel_size[d] - 1)
            + 1
            for d in range(n)
        ]
        most = [low + self.stride[d] - 1 for d, low in enumerate(least)]
        if any(not low <= s <= high for s, low, high in zip(size, least, most)):
            raise ValueError(
                f"requested an output size of {size}, but valid sizes range from {least} to {most} (for an input of "
                f"{input.size()[lead:]})"
            )
        return tuple(s - low for s, low in zip(size, least))

    def forward(self, input: lampas.Tensor, output_size: list[int] | None = None) -> lampas.Tensor:
        output_padding = self.output_padding if output_size is None else self._output_padding(input, output_size)
        return getattr(lampas, self._function)(
            input, *self._weight_and_bias(), self.stride, self.padding, output_padding, self.groups, self.dilation
        )


class ConvTranspose1d(_ConvTransposeNd):
    __doc__ = _TRANSPOSE_DOC.format(**_document(1))
    _dims, _function = 1, "conv_transpose1d"


class ConvTranspose2d(_ConvTransposeNd):
    __doc__ = _TRANSPOSE_DOC.format(**_document(2))
    _dims, _function = 2, "conv_transpose2d"


class ConvTranspose3d(_ConvTransposeNd):
    __doc__ = _TRANSPOSE_DOC.format(**_document(3))
    _dims, _function = 3, "conv_transpose3d"


class _LazyConvXdMixin(LazyModuleMixin):
    """Takes ``in_channels`` from the first input."""

    weight: Any
    bias: Any

    def _wait_for_input(self, out_channels: int, bias: bool, device: Any, dtype: Any) -> None:
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_channels = out_channels
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draw the initial values anew, once there is a shape."""
        if self.in_channels and not self.has_uninitialized_params():
            super().reset_parameters()  # type: ignore[misc]

    def initialize_parameters(self, input: lampas.Tensor, *args: Any, **kwargs: Any) -> None:
        """Take ``in_channels`` from the input."""
        if not self.has_uninitialized_params():
            return
        n = self._dims
        if input.dim() not in (n + 1, n + 2):
            raise RuntimeError(
                f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {type(self).__name__}, but got input of "
                f"size: {input.shape}"
            )
        self.in_channels = input.shape[-n - 1]
        if self.in_channels % self.groups:
            raise ValueError(f"in_channels must be divisible by groups, got {self.in_channels} and {self.groups}")
        across = (self.in_channels, self.out_channels // self.groups)
        if not self.transposed:
            across = (self.out_channels, self.in_channels // self.groups)
        self.weight.materialize((*across, *self.kernel_size))
        if self.bias is not None:
            self.bias.materialize((self.out_channels,))
        self.reset_parameters()


class _LazyConv(_LazyConvXdMixin):
    def __init__(
        self,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: str | int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode, device=device, dtype=dtype
        )
        self._wait_for_input(out_channels, bias, device, dtype)


class LazyConv1d(_LazyConv, Conv1d):
    """A :class:`Conv1d` that takes ``in_channels`` from its first input."""

    cls_to_become = Conv1d


class LazyConv2d(_LazyConv, Conv2d):
    """A :class:`Conv2d` that takes ``in_channels`` from its first input."""

    cls_to_become = Conv2d


class LazyConv3d(_LazyConv, Conv3d):
    """A :class:`Conv3d` that takes ``in_channels`` from its first input."""

    cls_to_become = Conv3d


class _LazyConvTranspose(_LazyConvXdMixin):
    def __init__(
        self,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        output_padding: int | tuple[int, ...] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | tuple[int, ...] = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            *(0, 0, kernel_size, stride, padding, output_padding, groups, False, dilation, padding_mode),
            device=device,
            dtype=dtype,
        )
        self._wait_for_input(out_channels, bias, device, dtype)


class LazyConvTranspose1d(_LazyConvTranspose, ConvTranspose1d):
    """A :class:`ConvTranspose1d` that takes ``in_channels`` from its first input."""

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyConvTranspose, ConvTranspose2d):
    """A :class:`ConvTranspose2d` that takes ``in_channels`` from its first input."""

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyConvTranspose, ConvTranspose3d):
    """A :class:`ConvTranspose3d` that takes ``in_channels`` from its first input."""

    cls_to_become = ConvTranspose3d
