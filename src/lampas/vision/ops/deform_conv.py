"""Convolutions that read where they are told to."""

from __future__ import annotations

import math

import lampas
from lampas import Tensor, nn
from lampas.nn import functional as F

__all__ = ["DeformConv2d", "deform_conv2d"]


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def deform_conv2d(
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int, int] = (1, 1),
    padding: int | tuple[int, int] = (0, 0),
    dilation: int | tuple[int, int] = (1, 1),
    mask: Tensor | None = None,
) -> Tensor:
    """A convolution whose every sample is moved by an offset, and weighted by a mask if there is one.

    Args:
        input: (N, C, H, W).
        offset: (N, 2 groups kh kw, H', W'), rows then columns of each sample, in pixels.
        weight: (C', C / g, kh, kw).
        mask: (N, groups kh kw, H', W').

    Returns:
        (N, C', H', W').

    Raises:
        RuntimeError: `offset` or `mask` has another shape than these.

    Source: arXiv:1703.06211 and, with a mask, arXiv:1811.11168.
    """
    n, channels, height, width = input.shape
    out_channels, per_group, kh, kw = weight.shape
    (sh, sw), (ph, pw), (dh, dw) = _pair(stride), _pair(padding), _pair(dilation)
    out_h = (height + 2 * ph - (dh * (kh - 1) + 1)) // sh + 1
    out_w = (width + 2 * pw - (dw * (kw - 1) + 1)) // sw + 1
    k = kh * kw
    groups = offset.shape[1] // (2 * k)
    if groups == 0 or offset.shape != (n, 2 * k * groups, out_h, out_w) or channels % groups:
        raise RuntimeError(
            f"the shape of the offset tensor at dimension 1 is not valid: got {tuple(offset.shape)}, expected "
            f"({n}, {2 * k} x offset groups, {out_h}, {out_w}) for a {kh} x {kw} kernel over {tuple(input.shape)}"
        )
    if mask is not None and mask.shape != (n, k * groups, out_h, out_w):
        raise RuntimeError(f"mask should have shape {(n, k * groups, out_h, out_w)}, got {tuple(mask.shape)}")
    rows = (lampas.arange(kh) * dh)[:, None, None, None] + (lampas.arange(out_h) * sh - ph)[None, None, :, None]
    columns = (lampas.arange(kw) * dw)[None, :, None, None] + (lampas.arange(out_w) * sw - pw)[None, None, None, :]
    moved = offset.view(n, groups, k, 2, out_h, out_w)
    shape = (kh, kw, out_h, out_w)
    y = rows.expand(shape).reshape(k, out_h, out_w).to(offset.dtype) + moved[:, :, :, 0]
    x = columns.expand(shape).reshape(k, out_h, out_w).to(offset.dtype) + moved[:, :, :, 1]
    # pixel p of a row of w pixels is at (2 p + 1) / w - 1 in grid_sample's units
    grid = lampas.stack(((2 * x + 1) / width - 1, (2 * y + 1) / height - 1), dim=-1)
    sampled = F.grid_sample(
        input.view(n * groups, channels // groups, height, width),
        grid.view(n * groups, k * out_h, out_w, 2),
        mode="bilinear",
        padding_mode="zeros",
        align_corners=False,
    ).view(n, groups, channels // groups, k, out_h, out_w)
    if mask is not None:
        sampled = sampled * mask.view(n, groups, 1, k, out_h, out_w)
    g = channels // per_group
    read = sampled.reshape(n, g, per_group * k, out_h * out_w)
    kernels = weight.view(1, g, out_channels // g, per_group * k)
    out = (kernels @ read).view(n, out_channels, out_h, out_w)
    return out if bias is None else out + bias.view(1, -1, 1, 1)


class DeformConv2d(nn.Module):
    """`deform_conv2d` with a weight of its own; called with input, offset and mask.

    Raises:
        ValueError: the channels are no multiples of `groups`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if in_channels % groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        if out_channels % groups != 0:
            raise ValueError("out_channels must be divisible by groups")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = _pair(kernel_size)
        self.stride = _pair(stride)
        self.padding = _pair(padding)
        self.dilation = _pair(dilation)
        self.groups = groups
        self.weight = nn.Parameter(lampas.empty(out_channels, in_channels // groups, *self.kernel_size))
        if bias:
            self.bias = nn.Parameter(lampas.empty(out_channels))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Sets weight and bias as `nn.Conv2d` does."""
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.weight[0].numel())
            nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor, offset: Tensor, mask: Tensor | None = None) -> Tensor:
        return deform_conv2d(input, offset, self.weight, self.bias, self.stride, self.padding, self.dilation, mask=mask)

    def __repr__(self) -> str:
        parts = [
            str(self.in_channels),
            str(self.out_channels),
            f"kernel_size={self.kernel_size}",
            f"stride={self.stride}",
        ]
        if self.padding != (0, 0):
            parts.append(f"padding={self.padding}")
        if self.dilation != (1, 1):
            parts.append(f"dilation={self.dilation}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        return f"{self.__class__.__name__}({', '.join(parts)})"
