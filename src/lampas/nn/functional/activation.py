"""Activation functions with an ``inplace`` switch, softmax and its relatives."""

from __future__ import annotations

import warnings
from typing import Any

import lampas

_nn = lampas._C.nn

__all__ = [
    "celu",
    "elu",
    "glu",
    "gumbel_softmax",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "rrelu",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softmin",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
]


def relu(input: lampas.Tensor, inplace: bool = False) -> lampas.Tensor:
    """``max(0, x)``, element by element.

    >>> F.relu(lampas.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    return lampas.relu_(input) if inplace else lampas.relu(input)


def threshold(input: lampas.Tensor, threshold: float, value: float, inplace: bool = False) -> lampas.Tensor:
    """``x`` where it is greater than ``threshold``, ``value`` elsewhere."""
    function = lampas.threshold_ if inplace else lampas.threshold
    return function(input, threshold, value)


def glu(input: lampas.Tensor, dim: int = -1) -> lampas.Tensor:
    """``a * sigmoid(b)`` for the two halves ``a, b`` of ``input`` along ``dim`` (Dauphin et al. 2017)."""
    if input.dim() == 0:
        raise RuntimeError(
            "glu does not support scalars because halving size must be even: give at least one dimension"
        )
    return _nn.glu(input, dim)


def hardtanh(input: lampas.Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> lampas.Tensor:
    """``x`` cut to ``[min_val, max_val]``."""
    if min_val > max_val:
        raise ValueError(f"min_val cannot be greater than max_val, got {min_val} and {max_val}")
    function = _nn.hardtanh_ if inplace else _nn.hardtanh
    return function(input, min_val, max_val)


def relu6(input: lampas.Tensor, inplace: bool = False) -> lampas.Tensor:
    """``min(max(0, x), 6)``."""
    function = _nn.hardtanh_ if inplace else _nn.hardtanh
    return function(input, 0.0, 6.0)


def elu(input: lampas.Tensor, alpha: float = 1.0, inplace: bool = False) -> lampas.Tensor:
    """``x`` above zero, ``alpha * (exp(x) - 1)`` below (Clevert et al. 2016)."""
    function = _nn.elu_ if inplace else _nn.elu
    return function(input, alpha)


def selu(input: lampas.Tensor, inplace: bool = False) -> lampas.Tensor:
    """ELU with the scales that keep mean 0 and variance 1 (Klambauer et al. 2017)."""
    return lampas.selu_(input) if inplace else lampas.selu(input)


def celu(input: lampas.Tensor, alpha: float = 1.0, inplace: bool = False) -> lampas.Tensor:
    """``max(0, x) + min(0, alpha * (exp(x / alpha) - 1))`` (Barron 2017)."""
    return lampas.celu_(input, alpha) if inplace else lampas.celu(input, alpha)


def leaky_relu(input: lampas.Tensor, negative_slope: float = 0.01, inplace: bool = False) -> lampas.Tensor:
    """``x`` above zero, ``negative_slope * x`` below."""
    function = _nn.leaky_relu_ if inplace else _nn.leaky_relu
    return function(input, negative_slope)


def rrelu(
    input: lampas.Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: bool = False
) -> lampas.Tensor:
    """Leaky ReLU whose slope is drawn from ``[lower, upper]`` in training and is their mean otherwise."""
    function = lampas.rrelu_ if inplace else lampas.rrelu
    return function(input, lower, upper, training)


def hardsigmoid(input: lampas.Tensor, inplace: bool = False) -> lampas.Tensor:
    """``min(max(x / 6 + 1/2, 0), 1)``."""
    return _nn.hardsigmoid_(input) if inplace else _nn.hardsigmoid(input)


def hardswish(input: lampas.Tensor, inplace: bool = False) -> lampas.Tensor:
    """``x * hardsigmoid(x)`` (Howard et al. 2019)."""
    return _nn.hardswish_(input) if inplace else _nn.hardswish(input)


def silu(input: lampas.Tensor, inplace: bool = False) -> lampas.Tensor:
    """``x * sigmoid(x)``, also called swish."""
    return _nn.silu_(input) if inplace else _nn.silu(input)


def mish(input: lampas.Tensor, inplace: bool = False) -> lampas.Tensor:
    """``x * tanh(softplus(x))`` (Misra 2019)."""
    return _nn.mish_(input) if inplace else _nn.mish(input)


def sigmoid(input: lampas.Tensor) -> lampas.Tensor:
    """``1 / (1 + exp(-x))``."""
    return input.sigmoid()


def tanh(input: lampas.Tensor) -> lampas.Tensor:
    """The hyperbolic tangent."""
    return input.tanh()


def tanhshrink(input: lampas.Tensor) -> lampas.Tensor:
    """``x - tanh(x)``."""
    return input - input.tanh()


def softsign(input: lampas.Tensor) -> lampas.Tensor:
    """``x / (1 + |x|)``."""
    return input / (input.abs() + 1)


def _implicit_dim(name: str, ndim: int, stacklevel: int) -> int:
    """The dimension softmax took before it had to be named."""
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument.",
        stacklevel=stacklevel,
    )
    return 0 if ndim in (0, 1, 3) else 1


def softmax(input: lampas.Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> lampas.Tensor:
    """``exp(x) / sum(exp(x))`` along ``dim``; ``dtype`` converts first.

    >>> F.softmax(lampas.zeros(2), dim=0)
    tensor([0.5000, 0.5000])
    """
    if dim is None:
        dim = _implicit_dim("softmax", input.dim(), _stacklevel)
    return input.softmax(dim) if dtype is None else input.softmax(dim, dtype=dtype)


def softmin(input: lampas.Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> lampas.Tensor:
    """``softmax(-x)``."""
    if dim is None:
        dim = _implicit_dim("softmin", input.dim(), _stacklevel)
    return (-input).softmax(dim) if dtype is None else (-input).softmax(dim, dtype=dtype)


def log_softmax(input: lampas.Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> lampas.Tensor:
    """``x - logsumexp(x)`` along ``dim``, without overflow."""
    if dim is None:
        dim = _implicit_dim("log_softmax", input.dim(), _stacklevel)
    return input.log_softmax(dim) if dtype is None else input.log_softmax(dim, dtype=dtype)


def gumbel_softmax(
    logits: lampas.Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> lampas.Tensor:
    """A sample of a relaxed categorical variable (Jang et al. 2017; Maddison et al. 2017).

    Args:
        tau: the temperature; small values come close to one-hot.
        hard: give one-hot samples whose gradient is that of the soft ones.
    """
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", stacklevel=2)
    noise = -lampas.empty_like(logits, memory_format=lampas.legacy_contiguous_format).exponential_().log()
    soft = ((logits + noise) / tau).softmax(dim)
    if not hard:
        return soft
    index = soft.max(dim, keepdim=True)[1]
    one_hot = lampas.zeros_like(logits, memory_format=lampas.legacy_contiguous_format).scatter_(dim, index, 1.0)
    return one_hot - soft.detach() + soft
