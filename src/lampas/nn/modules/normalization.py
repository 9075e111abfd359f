"""Layer, group, RMS and local response normalization."""

from __future__ import annotations

from typing import Any

import lampas

from .. import functional as F
from .. import init
from ..parameter import Parameter
from .module import Module

__all__ = ["CrossMapLRN2d", "GroupNorm", "LayerNorm", "LocalResponseNorm", "RMSNorm"]


class LocalResponseNorm(Module):
    """``x / (k + alpha * mean(x^2 of size neighbouring channels)) ** beta`` (Krizhevsky et al. 2012).

    Example::

        >>> nn.LocalResponseNorm(2)(lampas.randn(2, 5, 4)).shape
        torch.Size([2, 5, 4])
    """

    __constants__ = ["size", "alpha", "beta", "k"]

    def __init__(self, size: int, alpha: float = 0.0001, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class CrossMapLRN2d(Module):
    """The old form of :class:`LocalResponseNorm` for ``(N, C, H, W)``."""

    size: int
    alpha: float
    beta: float
    k: float

    def __init__(self, size: int, alpha: float = 0.0001, beta: float = 0.75, k: float = 1) -> None:
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        if input.dim() != 4:
            raise ValueError(f"CrossMapLRN2d: Expected input to be 4D, got {input.dim()}D instead.")
        reach = int((self.size - 1) / 2 + 1)
        square = input.pow(2)
        window = F.pad(square.unsqueeze(1), (0, 0, 0, 0, reach - 1, reach - 1)).squeeze(1)
        total = window.unfold(1, 2 * reach - 1, 1).sum(-1)
        # As in PyTorch, the first channel never leaves the running sum.
        later = (lampas.arange(input.size(1), device=input.device) >= reach).to(input.dtype).view(1, -1, 1, 1)
        total = total + square[:, :1] * later
        return input * (total * (self.alpha / self.size) + self.k).pow(-self.beta)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class _NormOverLast(Module):
    """What LayerNorm and RMSNorm share: the shape they normalize over."""

    __constants__ = ["normalized_shape", "eps", "elementwise_affine"]
    normalized_shape: tuple[int, ...]

    def _set_shape(self, normalized_shape: Any) -> tuple[int, ...]:
        shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.normalized_shape = shape
        return shape

    def _explain_failure(self, args: tuple) -> str | None:
        if not args or not isinstance(args[0], lampas.Tensor):
            return None
        shape, wanted = tuple(args[0].shape), self.normalized_shape
        if shape[-len(wanted) :] == wanted:
            return None
        return (
            f"the input ends in {shape[-len(wanted) :]} (shape {shape}), the layer was made with "
            f"normalized_shape={wanted}"
        )


class LayerNorm(_NormOverLast):
    """``(x - mean) / sqrt(var + eps) * weight + bias`` over the last dimensions (Ba et al. 2016).

    Args:
        normalized_shape: the sizes of the dimensions normalized over; a number means the last one.
        eps: added to the variance.
        elementwise_affine: whether weight and bias are there (``bias=False`` leaves out the bias alone).

    Example::

        >>> nn.LayerNorm(10)(lampas.randn(2, 5, 10)).shape
        torch.Size([2, 5, 10])
    """

    def __init__(
        self,
        normalized_shape: int | list[int] | lampas.Size,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        shape = self._set_shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        for name, there in (("weight", elementwise_affine), ("bias", elementwise_affine and bias)):
            self.register_parameter(name, Parameter(lampas.empty(shape, device=device, dtype=dtype)) if there else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set scale to 1 and shift to 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return F.layer_norm(input, self.normalized_shape, *self._weight_and_bias(), self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(_NormOverLast):
    """``x / sqrt(mean(x^2) + eps) * weight`` over the last dimensions (Zhang & Sennrich 2019).

    Args:
        normalized_shape: the sizes of the dimensions normalized over; a number means the last one.
        eps: added to the mean square; None is the dtype's own epsilon.

    Example::

        >>> nn.RMSNorm(3)(lampas.ones(3))
        tensor([1., 1., 1.], grad_fn=<MulBackward0>)
    """

    def __init__(
        self,
        normalized_shape: int | list[int] | lampas.Size,
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        shape = self._set_shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self.register_parameter(
            "weight", Parameter(lampas.empty(shape, device=device, dtype=dtype)) if elementwise_affine else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set scale to 1."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, x: lampas.Tensor) -> lampas.Tensor:
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class GroupNorm(Module):
    """Every sample's channels of ``(N, C, ...)`` normalized in ``num_groups`` groups (Wu & He 2018).

    Args:
        num_groups: groups; must divide ``num_channels``.
        num_channels: C.
        affine: whether weight and bias, one number each per channel, are there.

    Example::

        >>> nn.GroupNorm(3, 6)(lampas.randn(2, 6, 4, 4)).shape
        torch.Size([2, 6, 4, 4])
    """

    __constants__ = ["num_groups", "num_channels", "eps", "affine"]

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_channels % num_groups:
            raise ValueError(f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})")
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        for name, there in (("weight", affine), ("bias", affine and bias)):
            self.register_parameter(
                name, Parameter(lampas.empty(num_channels, device=device, dtype=dtype)) if there else None
            )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set scale to 1 and shift to 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return F.group_norm(input, self.num_groups, *self._weight_and_bias(), self.eps)

    def extra_repr(self) -> str:
        bias = self.bias is not None
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, bias={bias}"
