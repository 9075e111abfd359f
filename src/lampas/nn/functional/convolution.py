"""Sliding blocks out of a tensor and back into it; the convolutions themselves are the engine's."""

from __future__ import annotations

from typing import Any

import lampas

__all__ = ["fold", "unfold"]


def _pair(value: Any) -> Any:
    return (value, value) if isinstance(value, int) else value


def unfold(
    input: lampas.Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> lampas.Tensor:
    """Sliding blocks of ``(N, C, H, W)`` as columns: ``(N, C * kernel elements, blocks)``."""
    return lampas._C.nn.im2col(input, _pair(kernel_size), _pair(dilation), _pair(padding), _pair(stride))


def fold(
    input: lampas.Tensor, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> lampas.Tensor:
    """Columns of :func:`unfold` added up at their places in ``(N, C, *output_size)``."""
    return lampas._C.nn.col2im(
        input, _pair(output_size), _pair(kernel_size), _pair(dilation), _pair(padding), _pair(stride)
    )
