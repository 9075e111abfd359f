"""Pooling layers: one base per kind, thin names for one, two and three dimensions."""

from __future__ import annotations

from typing import Any

import lampas

from .. import functional as F
from .module import Module
from .utils import _ntuple

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "FractionalMaxPool2d",
    "FractionalMaxPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
]


class _MaxPoolNd(Module):
    """Maxima of windows.

    Args:
        kernel_size, stride, padding, dilation: one number, or one for each dimension; ``stride`` defaults to the
            kernel size.
        return_indices: also return where the maxima stood, for MaxUnpool.
        ceil_mode: keep windows that reach over the edge.
    """

    __constants__ = ["kernel_size", "stride", "padding", "dilation", "return_indices", "ceil_mode"]
    _function: str

    def __init__(
        self,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] | None = None,
        padding: int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input: lampas.Tensor) -> Any:
        return getattr(F, self._function)(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
        )

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, dilation={self.dilation}, "
            f"ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPoolNd):
    """Maxima of windows of ``(N, C, L)``; arguments as of :class:`MaxPool2d`.

    Example::

        >>> nn.MaxPool1d(2)(lampas.arange(4.0).view(1, 1, 4))
        tensor([[[1., 3.]]])
    """

    _function = "max_pool1d"


class MaxPool2d(_MaxPoolNd):
    """Maxima of windows of ``(N, C, H, W)`` or ``(C, H, W)``.

    Args:
        kernel_size, stride, padding, dilation: one number, or one for each dimension; ``stride`` defaults to the
            kernel size, ``padding`` is of -inf and at most half the kernel.
        return_indices: also return where the maxima stood, for :class:`MaxUnpool2d`.
        ceil_mode: keep windows that reach over the edge.

    An output dimension is ``floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1``.

    Example::

        >>> nn.MaxPool2d(2)(lampas.zeros(1, 3, 28, 28)).shape
        torch.Size([1, 3, 14, 14])
    """

    _function = "max_pool2d"


class MaxPool3d(_MaxPoolNd):
    """Maxima of windows of ``(N, C, D, H, W)``; arguments as of :class:`MaxPool2d`.

    Example::

        >>> nn.MaxPool3d(2)(lampas.zeros(1, 3, 4, 4, 4)).shape
        torch.Size([1, 3, 2, 2, 2])
    """

    _function = "max_pool3d"


class _MaxUnpoolNd(Module):
    _dims: int
    _function: str

    def __init__(
        self,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] | None = None,
        padding: int | tuple[int, ...] = 0,
    ) -> None:
        super().__init__()
        each = _ntuple(self._dims)
        self.kernel_size = each(kernel_size)
        self.stride = each(kernel_size if stride is None else stride)
        self.padding = each(padding)

    def forward(
        self, input: lampas.Tensor, indices: lampas.Tensor, output_size: list[int] | None = None
    ) -> lampas.Tensor:
        return getattr(F, self._function)(input, indices, self.kernel_size, self.stride, self.padding, output_size)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpoolNd):
    """The way back from ``MaxPool1d(..., return_indices=True)``: maxima at their places, zeros elsewhere.

    Example::

        >>> out, where = nn.MaxPool1d(2, return_indices=True)(lampas.arange(4.0).view(1, 1, 4))
        >>> nn.MaxUnpool1d(2)(out, where)
        tensor([[[0., 1., 0., 3.]]])
    """

    _dims, _function = 1, "max_unpool1d"


class MaxUnpool2d(_MaxUnpoolNd):
    """The way back from ``MaxPool2d(..., return_indices=True)``: maxima at their places, zeros elsewhere."""

    _dims, _function = 2, "max_unpool2d"


class MaxUnpool3d(_MaxUnpoolNd):
    """The way back from ``MaxPool3d(..., return_indices=True)``: maxima at their places, zeros elsewhere."""

    _dims, _function = 3, "max_unpool3d"


class _AvgPoolNd(Module):
    __constants__ = ["kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"]

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_AvgPoolNd):
    """Means of windows of ``(N, C, L)`` or ``(C, L)``; arguments as of :class:`AvgPool2d`.

    Example::

        >>> nn.AvgPool1d(2)(lampas.arange(4.0).view(1, 1, 4))
        tensor([[[0.5000, 2.5000]]])
    """

    def __init__(
        self,
        kernel_size: int | tuple[int],
        stride: int | tuple[int] | None = None,
        padding: int | tuple[int] = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        each = _ntuple(1)
        self.kernel_size = each(kernel_size)
        self.stride = each(kernel_size if stride is None else stride)
        self.padding = each(padding)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return F.avg_pool1d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)


class _AvgPool2d3d(_AvgPoolNd):
    __constants__ = [*_AvgPoolNd.__constants__, "divisor_override"]
    _function: str

    def __init__(
        self,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] | None = None,
        padding: int | tuple[int, ...] = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return getattr(F, self._function)(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )


class AvgPool2d(_AvgPool2d3d):
    """Means of windows of ``(N, C, H, W)`` or ``(C, H, W)``.

    Args:
        kernel_size, stride, padding: one number, or one for each dimension; ``stride`` defaults to the kernel size.
        ceil_mode: keep windows that reach over the edge.
        count_include_pad: whether padding counts in the mean.
        divisor_override: divide by this instead of the window's size.

    Example::

        >>> nn.AvgPool2d(2)(lampas.ones(1, 1, 4, 4)).shape
        torch.Size([1, 1, 2, 2])
    """

    _function = "avg_pool2d"


class AvgPool3d(_AvgPool2d3d):
    """Means of windows of ``(N, C, D, H, W)``; arguments as of :class:`AvgPool2d`.

    Example::

        >>> nn.AvgPool3d(2)(lampas.ones(1, 1, 4, 4, 4)).shape
        torch.Size([1, 1, 2, 2, 2])
    """

    _function = "avg_pool3d"


class _FractionalMaxPoolNd(Module):
    __constants__ = ["kernel_size", "return_indices", "output_size", "output_ratio"]
    _dims: int
    _function: str

    def __init__(
        self,
        kernel_size: int | tuple[int, ...],
        output_size: int | tuple[int, ...] | None = None,
        output_ratio: float | tuple[float, ...] | None = None,
        return_indices: bool = False,
        _random_samples: lampas.Tensor | None = None,
    ) -> None:
        super().__init__()
        each = _ntuple(self._dims)
        name = type(self).__name__
        self.kernel_size = each(kernel_size)
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = each(output_size) if output_size is not None else None
        self.output_ratio = each(output_ratio) if output_ratio is not None else None
        if output_size is None and output_ratio is None:
            raise ValueError(f"{name} requires specifying either an output size, or a pooling ratio")
        if output_size is not None and output_ratio is not None:
            raise ValueError("only one of output_size and output_ratio may be specified")
        if self.output_ratio is not None and not all(0 < ratio < 1 for ratio in self.output_ratio):
            raise ValueError(f"output_ratio must be between 0 and 1 (got {output_ratio})")

    def forward(self, input: lampas.Tensor) -> Any:
        return getattr(F, self._function)(
            input,
            self.kernel_size,
            self.output_size,
            self.output_ratio,
            self.return_indices,
            _random_samples=self._random_samples,
        )


class FractionalMaxPool2d(_FractionalMaxPoolNd):
    """Maxima of randomly placed windows of ``(N, C, H, W)`` (Graham 2014), to ``output_size`` or by ``output_ratio``.

    Example::

        >>> nn.FractionalMaxPool2d(3, output_size=5)(lampas.zeros(1, 1, 9, 9)).shape
        torch.Size([1, 1, 5, 5])
    """

    _dims, _function = 2, "fractional_max_pool2d"


class FractionalMaxPool3d(_FractionalMaxPoolNd):
    """Maxima of randomly placed windows of ``(N, C, D, H, W)`` (Graham 2014)."""

    _dims, _function = 3, "fractional_max_pool3d"


class _LPPoolNd(Module):
    __constants__ = ["norm_type", "kernel_size", "stride", "ceil_mode"]
    _function: str

    def __init__(
        self,
        norm_type: float,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] | None = None,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return getattr(F, self._function)(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPoolNd):
    """``(sum of x^p over the window) ** (1/p)`` of ``(N, C, L)``.

    Example::

        >>> nn.LPPool1d(2, 2)(lampas.tensor([[[3.0, 4.0]]]))
        tensor([[[5.]]])
    """

    _function = "lp_pool1d"


class LPPool2d(_LPPoolNd):
    """``(sum of x^p over the window) ** (1/p)`` of ``(N, C, H, W)``."""

    _function = "lp_pool2d"


class LPPool3d(_LPPoolNd):
    """``(sum of x^p over the window) ** (1/p)`` of ``(N, C, D, H, W)``."""

    _function = "lp_pool3d"


class _AdaptivePoolNd(Module):
    _function: str

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class _AdaptiveMaxPoolNd(_AdaptivePoolNd):
    __constants__ = ["output_size", "return_indices"]

    def __init__(self, output_size: int | tuple[int | None, ...] | None, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def forward(self, input: lampas.Tensor) -> Any:
        return getattr(F, self._function)(input, self.output_size, self.return_indices)


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    """Maxima over ``output_size`` equal parts of ``(N, C, L)``.

    Example::

        >>> nn.AdaptiveMaxPool1d(2)(lampas.arange(4.0).view(1, 1, 4))
        tensor([[[1., 3.]]])
    """

    _function = "adaptive_max_pool1d"


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    """Maxima over equal parts of ``(N, C, H, W)``; None in ``output_size`` keeps the input's size."""

    _function = "adaptive_max_pool2d"


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    """Maxima over equal parts of ``(N, C, D, H, W)``; None in ``output_size`` keeps the input's size."""

    _function = "adaptive_max_pool3d"


class _AdaptiveAvgPoolNd(_AdaptivePoolNd):
    __constants__ = ["output_size"]

    def __init__(self, output_size: int | tuple[int | None, ...] | None) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return getattr(F, self._function)(input, self.output_size)


class AdaptiveAvgPool1d(_AdaptiveAvgPoolNd):
    """Means over ``output_size`` equal parts of ``(N, C, L)``.

    Example::

        >>> nn.AdaptiveAvgPool1d(1)(lampas.arange(4.0).view(1, 1, 4))
        tensor([[[1.5000]]])
    """

    _function = "adaptive_avg_pool1d"


class AdaptiveAvgPool2d(_AdaptiveAvgPoolNd):
    """Means over equal parts of ``(N, C, H, W)``; None in ``output_size`` keeps the input's size.

    Example::

        >>> nn.AdaptiveAvgPool2d((1, None))(lampas.zeros(1, 8, 5, 7)).shape
        torch.Size([1, 8, 1, 7])
    """

    _function = "adaptive_avg_pool2d"


class AdaptiveAvgPool3d(_AdaptiveAvgPoolNd):
    """Means over equal parts of ``(N, C, D, H, W)``; None in ``output_size`` keeps the input's size."""

    _function = "adaptive_avg_pool3d"
