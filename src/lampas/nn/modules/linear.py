"""Linear maps."""

from __future__ import annotations

import math
from typing import Any

import lampas

from .. import functional as F
from .. import init
from ..parameter import Parameter, UninitializedParameter
from .lazy import LazyModuleMixin
from .module import Module

__all__ = ["Bilinear", "Identity", "LazyLinear", "Linear"]


class Identity(Module):
    """Gives back what it gets; takes any arguments, so that it can stand in for any module.

    Example::

        >>> nn.Identity(54, unused=True)(lampas.ones(2))
        tensor([1., 1.])
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return input


class Linear(Module):
    """``y = x W^T + b``.

    Args:
        in_features, out_features: sizes of the last dimension of input and output.
        bias: whether ``b`` is there.

    ``weight`` is ``(out_features, in_features)``; both start evenly spread within ``1 / sqrt(in_features)``.
    Input ``(*, in_features)``, output ``(*, out_features)``.

    Example::

        >>> nn.Linear(20, 30)(lampas.randn(128, 20)).shape
        torch.Size([128, 30])
    """

    __constants__ = ["in_features", "out_features"]
    in_features: int
    out_features: int

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter(lampas.empty((out_features, in_features), device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(lampas.empty(out_features, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the initial values anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return F.linear(input, *self._weight_and_bias())

    def _explain_failure(self, args: tuple) -> str | None:
        if not args or not isinstance(args[0], lampas.Tensor) or args[0].dim() == 0:
            return None
        got = args[0].shape[-1]
        if got == self.in_features:
            return None
        return (
            f"the input's last dimension is {got} (shape {tuple(args[0].shape)}), the layer was made with "
            f"in_features={self.in_features}; in_features={got} would fit"
        )

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class NonDynamicallyQuantizableLinear(Linear):
    """A :class:`Linear` that dynamic quantization leaves alone: attention reads its weight directly."""


class Bilinear(Module):
    """``y_k = x1^T A_k x2 + b_k``.

    ``weight`` is ``(out_features, in1_features, in2_features)``. Inputs ``(*, in1_features)``, ``(*, in2_features)``.

    Example::

        >>> nn.Bilinear(20, 30, 40)(lampas.randn(8, 20), lampas.randn(8, 30)).shape
        torch.Size([8, 40])
    """

    __constants__ = ["in1_features", "in2_features", "out_features"]

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if in1_features <= 0:
            raise ValueError(f"in1_features must be > 0, but got {in1_features}")
        self.in1_features = in1_features
        self.in2_features = in2_features
        self.out_features = out_features
        shape = (out_features, in1_features, in2_features)
        self.weight = Parameter(lampas.empty(shape, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(lampas.empty(out_features, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the initial values anew."""
        bound = 1 / math.sqrt(self.weight.size(1))
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1: lampas.Tensor, input2: lampas.Tensor) -> lampas.Tensor:
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class LazyLinear(LazyModuleMixin, Linear):
    """A :class:`Linear` that takes ``in_features`` from its first input.

    Example::

        >>> nn.LazyLinear(3)(lampas.zeros(2, 7)).shape
        torch.Size([2, 3])
    """

    cls_to_become = Linear

    def __init__(self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__(0, 0, False)
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_features = out_features
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draw the initial values anew, once there is a shape."""
        if self.in_features and not self.has_uninitialized_params():
            super().reset_parameters()

    def initialize_parameters(self, input: lampas.Tensor) -> None:
        """Take ``in_features`` from the input's last dimension."""
        if self.has_uninitialized_params():
            with lampas.no_grad():
                self.in_features = input.shape[-1]
                self.weight.materialize((self.out_features, self.in_features))
                if self.bias is not None:
                    self.bias.materialize((self.out_features,))
                self.reset_parameters()
        elif not self.in_features:
            self.in_features = self.weight.shape[-1]
