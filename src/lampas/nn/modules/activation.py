"""Activations as modules. Attention lives in attention.py and is shown here too, where PyTorch has it."""

from __future__ import annotations

from typing import Any

import lampas

from .. import functional as F
from .. import init
from ..parameter import Parameter
from .attention import MultiheadAttention
from .module import Module

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "MultiheadAttention",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "SELU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
]


class _Activation(Module):
    """An activation shows the arguments named in ``_shown``, and ``inplace`` when it is on."""

    _shown: tuple[str, ...] = ()
    _shows_inplace = True

    def extra_repr(self) -> str:
        parts = [f"{name}={getattr(self, name)!r}" for name in self._shown]
        if self._shows_inplace and getattr(self, "inplace", False):
            parts.append("inplace=True")
        return ", ".join(parts)


class _InplaceActivation(_Activation):
    """An activation whose one argument is ``inplace``: overwrite the input instead of making a new tensor."""

    __constants__ = ["inplace"]
    inplace: bool

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace


class ReLU(_InplaceActivation):
    """``max(0, x)``, element by element.

    Example::

        >>> nn.ReLU()(lampas.tensor([-1.0, 2.0]))
        tensor([0., 2.])
    """

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return lampas.relu_(input) if self.inplace else lampas.relu(input)


class SELU(_InplaceActivation):
    """``scale * (max(0, x) + min(0, alpha (exp(x) - 1)))`` with the constants that keep mean 0 and variance 1
    (Klambauer et al. 2017).

    Example::

        >>> nn.SELU()(lampas.tensor([1.0]))
        tensor([1.0507])
    """

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return F.selu(input, self.inplace)


class SiLU(_InplaceActivation):
    """``x * sigmoid(x)``, also called swish.

    Example::

        >>> nn.SiLU()(lampas.tensor([0.0]))
        tensor([0.])
    """

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return F.silu(input, self.inplace)


class Mish(_InplaceActivation):
    """``x * tanh(softplus(x))`` (Misra 2019).

    Example::

        >>> nn.Mish()(lampas.tensor([0.0]))
        tensor([0.])
    """

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return F.mish(input, self.inplace)


class Hardswish(_InplaceActivation):
    """``x * min(max(x + 3, 0), 6) / 6`` (Howard et al. 2019).

    Example::

        >>> nn.Hardswish()(lampas.tensor([-4.0, 4.0]))
        tensor([-0., 4.])
    """

    _shows_inplace = False

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return F.hardswish(input, self.inplace)


class Hardsigmoid(_InplaceActivation):
    """``min(max(x / 6 + 1/2, 0), 1)``.

    Example::

        >>> nn.Hardsigmoid()(lampas.tensor([-4.0, 0.0, 4.0]))
        tensor([0.0000, 0.5000, 1.0000])
    """

    _shows_inplace = False

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return F.hardsigmoid(input, self.inplace)


class Hardtanh(_Activation):
    """``x`` cut to ``[min_val, max_val]``; ``min_value`` and ``max_value`` are their old names.

    Example::

        >>> nn.Hardtanh(-2, 2)(lampas.tensor([-3.0, 1.0]))
        tensor([-2.,  1.])
    """

    __constants__ = ["min_val", "max_val", "inplace"]
    _shown: tuple[str, ...] = ("min_val", "max_val")

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        super().__init__()
        for old, new in ((min_value, "min_val"), (max_value, "max_val")):
            if old is not None:
                import warnings

                warnings.warn(
                    f"keyword argument `{new[:3]}_value` is deprecated and rename to `{new}`",
                    FutureWarning,
                    stacklevel=2,
                )
        self.min_val = min_val if min_value is None else min_value
        self.max_val = max_val if max_value is None else max_value
        self.inplace = inplace
        if self.max_val <= self.min_val:
            raise AssertionError(f"max_val must be larger than min_val, got {self.max_val} and {self.min_val}")

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)


class ReLU6(Hardtanh):
    """``min(max(0, x), 6)``.

    Example::

        >>> nn.ReLU6()(lampas.tensor([-1.0, 8.0]))
        tensor([0., 6.])
    """

    _shown = ()

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)


class _AlphaActivation(_Activation):
    __constants__ = ["alpha", "inplace"]
    _shown = ("alpha",)
    alpha: float
    inplace: bool

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace


class ELU(_AlphaActivation):
    """``x`` above zero, ``alpha (exp(x) - 1)`` below (Clevert et al. 2016).

    Example::

        >>> nn.ELU()(lampas.tensor([-1.0, 1.0]))
        tensor([-0.6321,  1.0000])
    """

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return F.elu(input, self.alpha, self.inplace)


class CELU(_AlphaActivation):
    """``max(0, x) + min(0, alpha (exp(x / alpha) - 1))`` (Barron 2017).

    Example::

        >>> nn.CELU(2.0)(lampas.tensor([-2.0, 1.0]))
        tensor([-1.2642,  1.0000])
    """

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return F.celu(input, self.alpha, self.inplace)


class LeakyReLU(_Activation):
    """``x`` above zero, ``negative_slope * x`` below.

    Example::

        >>> nn.LeakyReLU(0.1)(lampas.tensor([-1.0, 1.0]))
        tensor([-0.1000,  1.0000])
    """

    __constants__ = ["inplace", "negative_slope"]
    _shown = ("negative_slope",)

    def __init__(self, negative_slope: float = 1e-2, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return F.leaky_relu(input, self.negative_slope, self.inplace)


class RReLU(_Activation):
    """Leaky ReLU whose slope is drawn from ``[lower, upper]`` for each element in training, their mean in evaluation
    (Xu et al. 2015).

    Example::

        >>> nn.RReLU(0.5, 0.5)(lampas.tensor([-1.0]))
        tensor([-0.5000])
    """

    __constants__ = ["lower", "upper", "inplace"]
    _shown = ("lower", "upper")

    def __init__(self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False) -> None:
        super().__init__()
        self.lower = lower
        self.upper = upper
        self.inplace = inplace

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)


class Threshold(_Activation):
    """``x`` where it is greater than ``threshold``, ``value`` elsewhere.

    Example::

        >>> nn.Threshold(0.5, 9.0)(lampas.tensor([0.2, 0.7]))
        tensor([9.0000, 0.7000])
    """

    __constants__ = ["threshold", "value", "inplace"]
    _shown = ("threshold", "value")

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold = threshold
        self.value = value
        self.inplace = inplace

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return F.threshold(input, self.threshold, self.value, self.inplace)


class Sigmoid(_Activation):
    """``1 / (1 + exp(-x))``.

    Example::

        >>> nn.Sigmoid()(lampas.zeros(1))
        tensor([0.5000])
    """

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return lampas.sigmoid(input)


class Tanh(_Activation):
    """The hyperbolic tangent.

    Example::

        >>> nn.Tanh()(lampas.zeros(1))
        tensor([0.])
    """

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return lampas.tanh(input)


class LogSigmoid(_Activation):
    """``log(1 / (1 + exp(-x)))``, without overflow.

    Example::

        >>> nn.LogSigmoid()(lampas.zeros(1))
        tensor([-0.6931])
    """

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return F.logsigmoid(input)


class Softsign(_Activation):
    """``x / (1 + |x|)``.

    Example::

        >>> nn.Softsign()(lampas.ones(1))
        tensor([0.5000])
    """

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return F.softsign(input)


class Tanhshrink(_Activation):
    """``x - tanh(x)``.

    Example::

        >>> nn.Tanhshrink()(lampas.zeros(1))
        tensor([0.])
    """

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return F.tanhshrink(input)


class GELU(_Activation):
    """``x * Phi(x)`` with the normal distribution function Phi, or its ``"tanh"`` approximation
    (Hendrycks & Gimpel 2016).

    Example::

        >>> nn.GELU()(lampas.ones(1))
        tensor([0.8413])
    """

    __constants__ = ["approximate"]
    _shown = ("approximate",)

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return F.gelu(input, approximate=self.approximate)


class GLU(_Activation):
    """``a * sigmoid(b)`` for the two halves of the input along ``dim`` (Dauphin et al. 2017).

    Example::

        >>> nn.GLU()(lampas.zeros(4)).shape
        torch.Size([2])
    """

    __constants__ = ["dim"]
    _shown = ("dim",)

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return F.glu(input, self.dim)


class Softplus(_Activation):
    """``log(1 + exp(beta x)) / beta``; ``x`` itself where ``beta x`` is above ``threshold``.

    Example::

        >>> nn.Softplus()(lampas.zeros(1))
        tensor([0.6931])
    """

    __constants__ = ["beta", "threshold"]
    _shown = ("beta", "threshold")

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return F.softplus(input, self.beta, self.threshold)


class _Shrink(_Activation):
    __constants__ = ["lambd"]
    lambd: float

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def extra_repr(self) -> str:
        return str(self.lambd)


class Hardshrink(_Shrink):
    """``x`` where ``|x| > lambd``, 0 elsewhere.

    Example::

        >>> nn.Hardshrink()(lampas.tensor([0.3, 0.7]))
        tensor([0.0000, 0.7000])
    """

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return F.hardshrink(input, self.lambd)


class Softshrink(_Shrink):
    """``sign(x) * max(|x| - lambd, 0)``.

    Example::

        >>> nn.Softshrink()(lampas.tensor([0.3, 0.7]))
        tensor([0.0000, 0.2000])
    """

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return F.softshrink(input, self.lambd)


class _SoftmaxBase(_Activation):
    __constants__ = ["dim"]
    _shown = ("dim",)
    dim: int | None

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def __setstate__(self, state: dict) -> None:
        super().__setstate__(state)
        self.__dict__.setdefault("dim", None)


class Softmax(_SoftmaxBase):
    """``exp(x_i) / sum_j exp(x_j)`` along ``dim``.

    Example::

        >>> nn.Softmax(dim=0)(lampas.zeros(2))
        tensor([0.5000, 0.5000])
    """

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return F.softmax(input, self.dim, _stacklevel=5)


class Softmin(_SoftmaxBase):
    """``softmax(-x)`` along ``dim``.

    Example::

        >>> nn.Softmin(dim=0)(lampas.zeros(2))
        tensor([0.5000, 0.5000])
    """

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return F.softmin(input, self.dim, _stacklevel=5)


class LogSoftmax(_SoftmaxBase):
    """``log(softmax(x))`` along ``dim``, without overflow.

    Example::

        >>> nn.LogSoftmax(dim=0)(lampas.zeros(2))
        tensor([-0.6931, -0.6931])
    """

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return F.log_softmax(input, self.dim, _stacklevel=5)


class Softmax2d(_Activation):
    """Softmax over the channels of ``(N, C, H, W)`` or ``(C, H, W)``.

    Example::

        >>> nn.Softmax2d()(lampas.zeros(1, 2, 1, 1)).flatten()
        tensor([0.5000, 0.5000])
    """

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        if input.dim() not in (3, 4):
            raise ValueError(f"Softmax2d: expected input to be 3D or 4D, got {input.dim()}D instead")
        return F.softmax(input, -3, _stacklevel=5)


class PReLU(_Activation):
    """``max(0, x) + weight * min(0, x)`` with a learned weight, one for all or one for each channel (He et al. 2015).

    Example::

        >>> nn.PReLU()(lampas.tensor([-1.0])).item()
        -0.25
    """

    __constants__ = ["num_parameters"]
    _shown = ("num_parameters",)

    def __init__(self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.init = init
        self.weight = Parameter(lampas.empty(num_parameters, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the weight to its first value."""
        init.constant_(self.weight, self.init)

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return F.prelu(input, self.weight)
