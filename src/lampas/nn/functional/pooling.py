"""Pooling: maxima, means and norms of windows, and the way back from maxima."""

from __future__ import annotations

from typing import Any

import lampas

_nn = lampas._C.nn
_shown_as = lampas._C._shown_as

__all__ = [
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "adaptive_max_pool1d_with_indices",
    "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d_with_indices",
    "fractional_max_pool2d",
    "fractional_max_pool2d_with_indices",
    "fractional_max_pool3d",
    "fractional_max_pool3d_with_indices",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool1d_with_indices",
    "max_pool2d",
    "max_pool2d_with_indices",
    "max_pool3d",
    "max_pool3d_with_indices",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
]


def _tuple(value: Any, n: int) -> tuple[int, ...]:
    """``value`` once for each of ``n`` dimensions."""
    if isinstance(value, int):
        return (value,) * n
    return tuple(value) * n if len(value) == 1 else tuple(value)


def max_pool1d_with_indices(
    input: lampas.Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[lampas.Tensor, lampas.Tensor]:
    """Maxima of windows of ``(N, C, L)`` and where they stood."""
    stride = kernel_size if stride is None or stride == [] else stride
    return lampas.max_pool1d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d_with_indices(
    input: lampas.Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[lampas.Tensor, lampas.Tensor]:
    """Maxima of windows of ``(N, C, H, W)`` and where they stood."""
    stride = kernel_size if stride is None or stride == [] else stride
    return _nn.max_pool2d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool3d_with_indices(
    input: lampas.Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[lampas.Tensor, lampas.Tensor]:
    """Maxima of windows of ``(N, C, D, H, W)`` and where they stood."""
    stride = kernel_size if stride is None or stride == [] else stride
    return _nn.max_pool3d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool1d(
    input: lampas.Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Maxima of windows of ``(N, C, L)`` or ``(C, L)``; with ``return_indices`` also where they stood."""
    if return_indices:
        return max_pool1d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    return lampas.max_pool1d(
        input, kernel_size, kernel_size if stride is None else stride, padding, dilation, ceil_mode
    )


def max_pool2d(
    input: lampas.Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Maxima of windows of ``(N, C, H, W)`` or ``(C, H, W)``; with ``return_indices`` also where they stood.

    >>> F.max_pool2d(lampas.arange(4.0).view(1, 1, 2, 2), 2)
    tensor([[[[3.]]]])
    """
    if return_indices:
        return max_pool2d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    return lampas.max_pool2d(
        input, kernel_size, kernel_size if stride is None else stride, padding, dilation, ceil_mode
    )


def max_pool3d(
    input: lampas.Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Maxima of windows of ``(N, C, D, H, W)`` or ``(C, D, H, W)``; with ``return_indices`` also where they stood."""
    if return_indices:
        return max_pool3d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    return lampas.max_pool3d(
        input, kernel_size, kernel_size if stride is None else stride, padding, dilation, ceil_mode
    )


def _adaptive_size(input: lampas.Tensor, output_size: Any, n: int) -> list[int]:
    """``output_size`` with the input's own size where it says None."""
    sizes = [output_size] * n if isinstance(output_size, int) or output_size is None else list(output_size)
    if input.dim() <= len(sizes):
        raise ValueError(f"Input dimension should be at least {len(sizes) + 1}, got {input.dim()}")
    return [have if want is None else want for want, have in zip(sizes, input.size()[-len(sizes) :])]


def adaptive_max_pool1d_with_indices(
    input: lampas.Tensor, output_size: Any, return_indices: bool = False
) -> tuple[lampas.Tensor, lampas.Tensor]:
    """``output_size`` maxima over equal parts of ``(N, C, L)``, and where they stood."""
    return lampas.adaptive_max_pool1d(input, output_size)


def adaptive_max_pool2d_with_indices(
    input: lampas.Tensor, output_size: Any, return_indices: bool = False
) -> tuple[lampas.Tensor, lampas.Tensor]:
    """Maxima over equal parts of ``(N, C, H, W)``, and where they stood."""
    return _nn.adaptive_max_pool2d(input, _adaptive_size(input, output_size, 2))


def adaptive_max_pool3d_with_indices(
    input: lampas.Tensor, output_size: Any, return_indices: bool = False
) -> tuple[lampas.Tensor, lampas.Tensor]:
    """Maxima over equal parts of ``(N, C, D, H, W)``, and where they stood."""
    return _nn.adaptive_max_pool3d(input, _adaptive_size(input, output_size, 3))


def adaptive_max_pool1d(input: lampas.Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """``output_size`` maxima over equal parts of ``(N, C, L)``."""
    result = adaptive_max_pool1d_with_indices(input, output_size)
    return result if return_indices else result[0]


def adaptive_max_pool2d(input: lampas.Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Maxima over equal parts of ``(N, C, H, W)``; None in ``output_size`` keeps the input's size."""
    result = adaptive_max_pool2d_with_indices(input, output_size)
    return result if return_indices else result[0]


def adaptive_max_pool3d(input: lampas.Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Maxima over equal parts of ``(N, C, D, H, W)``."""
    result = adaptive_max_pool3d_with_indices(input, output_size)
    return result if return_indices else result[0]


def adaptive_avg_pool2d(input: lampas.Tensor, output_size: Any) -> lampas.Tensor:
    """Means over equal parts of ``(N, C, H, W)``; None in ``output_size`` keeps the input's size."""
    return _nn.adaptive_avg_pool2d(input, _adaptive_size(input, output_size, 2))


def adaptive_avg_pool3d(input: lampas.Tensor, output_size: Any) -> lampas.Tensor:
    """Means over equal parts of ``(N, C, D, H, W)``."""
    return _nn.adaptive_avg_pool3d(input, _adaptive_size(input, output_size, 3))


def _fractional(
    name: str, n: int, function: Any, input: lampas.Tensor, kernel_size: Any, output_size: Any, ratio: Any, samples: Any
) -> tuple[lampas.Tensor, lampas.Tensor]:
    if output_size is None and ratio is None:
        raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
    if output_size is None:
        ratios = (ratio,) * n if isinstance(ratio, (int, float)) else ratio
        output_size = [int(size * r) for size, r in zip(input.size()[-n:], ratios)]
    if samples is None:
        batch = 1 if input.dim() == n + 1 else input.size(0)
        samples = lampas.rand(batch, input.size(-n - 1), n, dtype=input.dtype, device=input.device)
    values, places = function(input, _tuple(kernel_size, n), _tuple(output_size, n), samples)
    return _shown_as(values, f"FractionalMaxPool{n}DBackward0"), places


def fractional_max_pool2d_with_indices(
    input: lampas.Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: lampas.Tensor | None = None,
) -> tuple[lampas.Tensor, lampas.Tensor]:
    """Maxima of randomly placed windows (Graham 2014), and where they stood."""
    return _fractional(
        "fractional_max_pool2d",
        2,
        _nn.fractional_max_pool2d,
        input,
        kernel_size,
        output_size,
        output_ratio,
        _random_samples,
    )


def fractional_max_pool3d_with_indices(
    input: lampas.Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: lampas.Tensor | None = None,
) -> tuple[lampas.Tensor, lampas.Tensor]:
    """Maxima of randomly placed windows of a volume, and where they stood."""
    return _fractional(
        "fractional_max_pool3d",
        3,
        _nn.fractional_max_pool3d,
        input,
        kernel_size,
        output_size,
        output_ratio,
        _random_samples,
    )


def fractional_max_pool2d(
    input: lampas.Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: lampas.Tensor | None = None,
) -> Any:
    """Maxima of randomly placed windows (Graham 2014)."""
    result = fractional_max_pool2d_with_indices(
        input, kernel_size, output_size, output_ratio, _random_samples=_random_samples
    )
    return result if return_indices else result[0]


def fractional_max_pool3d(
    input: lampas.Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: lampas.Tensor | None = None,
) -> Any:
    """Maxima of randomly placed windows of a volume."""
    result = fractional_max_pool3d_with_indices(
        input, kernel_size, output_size, output_ratio, _random_samples=_random_samples
    )
    return result if return_indices else result[0]


def _lp_pool(
    n: int, average: Any, input: lampas.Tensor, norm_type: float, kernel_size: Any, stride: Any, ceil_mode: bool
) -> lampas.Tensor:
    """``(sum of x^p over the window) ** (1/p)``, from the mean over the window."""
    count = 1
    for k in _tuple(kernel_size, n):
        count *= k
    mean = average(input.pow(norm_type), kernel_size, kernel_size if stride is None else stride, 0, ceil_mode)
    return (lampas.sign(mean) * lampas.relu(lampas.abs(mean))).mul(count).pow(1.0 / norm_type)


def lp_pool1d(
    input: lampas.Tensor, norm_type: int | float, kernel_size: int, stride: Any = None, ceil_mode: bool = False
) -> lampas.Tensor:
    """The ``norm_type``-norm of windows of ``(N, C, L)``."""
    return _lp_pool(1, lampas.avg_pool1d, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: lampas.Tensor, norm_type: int | float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> lampas.Tensor:
    """The ``norm_type``-norm of windows of ``(N, C, H, W)``."""
    return _lp_pool(2, _nn.avg_pool2d, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: lampas.Tensor, norm_type: int | float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> lampas.Tensor:
    """The ``norm_type``-norm of windows of ``(N, C, D, H, W)``."""
    return _lp_pool(3, _nn.avg_pool3d, input, norm_type, kernel_size, stride, ceil_mode)


def _unpool(
    n: int, input: lampas.Tensor, indices: lampas.Tensor, kernel_size: Any, stride: Any, padding: Any, output_size: Any
) -> lampas.Tensor:
    """Maxima back at their places, zeros elsewhere."""
    kernel = _tuple(kernel_size, n)
    stride = kernel if stride is None else _tuple(stride, n)
    padding = _tuple(padding, n)
    if input.shape != indices.shape:
        raise RuntimeError(
            f"Expected shape of indices to be same as that of the input tensor ({list(input.shape)}) but got indices "
            f"tensor with shape: {list(indices.shape)}"
        )
    if indices.dtype != lampas.int64:
        raise RuntimeError(f"elements in indices should be type int64 but got: {indices.dtype}")
    default = [(input.size(i - n) - 1) * stride[i] + kernel[i] - 2 * padding[i] for i in range(n)]
    if output_size is None:
        size = default
    else:
        size = list(output_size)
        if len(size) == n + 2:
            size = size[2:]
        if len(size) != n:
            raise ValueError(
                f"output_size should be a sequence containing {n} or {n + 2} elements, but it has a length of "
                f"'{len(size)}'"
            )
        for i in range(n):
            low, high = default[i] - stride[i], default[i] + stride[i]
            if not low < size[i] < high:
                raise ValueError(f'invalid output_size "{size}" (dim {i} must be between {low} and {high})')
    lead = input.shape[: input.dim() - n]
    count = 1
    for s in size:
        count *= s
    flat = indices.flatten(-n)
    if flat.numel() and not flat.is_meta and (int(flat.min()) < 0 or int(flat.max()) >= count):
        raise RuntimeError(
            f"found an invalid max index: {int(flat.max())} (output volumes are of size {'x'.join(map(str, size))})"
        )
    result = lampas.zeros((*lead, count), dtype=input.dtype, device=input.device)
    result = result.scatter(-1, flat, input.flatten(-n)).view((*lead, *size))
    return _shown_as(result, f"MaxUnpool{max(n, 2)}DBackward0")


def max_unpool1d(
    input: lampas.Tensor,
    indices: lampas.Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> lampas.Tensor:
    """The inverse of ``max_pool1d(..., return_indices=True)``: maxima at their places, zeros elsewhere."""
    return _unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: lampas.Tensor,
    indices: lampas.Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> lampas.Tensor:
    """The inverse of ``max_pool2d(..., return_indices=True)``: maxima at their places, zeros elsewhere."""
    return _unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: lampas.Tensor,
    indices: lampas.Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> lampas.Tensor:
    """The inverse of ``max_pool3d(..., return_indices=True)``: maxima at their places, zeros elsewhere."""
    return _unpool(3, input, indices, kernel_size, stride, padding, output_size)
