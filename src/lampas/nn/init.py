"""Initial values of parameters; each function fills its tensor in place, records no gradient and returns it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import lampas

_LINEAR = ("linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d")


def calculate_gain(nonlinearity: str, param: int | float | None = None) -> float:
    """The factor by which a layer followed by ``nonlinearity`` keeps its input's scale.

    1 for linear maps, convolutions and sigmoid, 5/3 for tanh, sqrt(2) for relu, sqrt(2 / (1 + slope^2)) for leaky_relu
    (``param`` is the slope, 0.01 by default), 3/4 for selu.

    >>> nn.init.calculate_gain("leaky_relu", 0.2)
    1.3867504905630728
    """
    if nonlinearity in _LINEAR or nonlinearity == "sigmoid":
        return 1
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        if param is None:
            slope = 0.01
        elif isinstance(param, (int, float)) and not isinstance(param, bool):
            slope = param
        else:
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity == "selu":
        return 3.0 / 4
    raise ValueError(
        f"Unsupported nonlinearity {nonlinearity}: known are {', '.join((*_LINEAR, 'sigmoid', 'tanh', 'relu'))}, "
        "leaky_relu and selu"
    )


def uniform_(
    tensor: lampas.Tensor, a: float = 0.0, b: float = 1.0, generator: lampas.Generator | None = None
) -> lampas.Tensor:
    """Numbers drawn evenly from ``[a, b)``."""
    with lampas.no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(
    tensor: lampas.Tensor, mean: float = 0.0, std: float = 1.0, generator: lampas.Generator | None = None
) -> lampas.Tensor:
    """Numbers drawn from the normal distribution."""
    with lampas.no_grad():
        return tensor.normal_(mean, std, generator=generator)


def trunc_normal_(
    tensor: lampas.Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: lampas.Generator | None = None,
) -> lampas.Tensor:
    """Numbers drawn from the part of the normal distribution within ``[a, b]``.

    Draws again what falls outside; where most would, draws evenly and keeps by the density's ratio to its peak.
    """
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. The distribution of values may be "
            "incorrect.",
            stacklevel=2,
        )

    def below(x: float) -> float:
        return (1.0 + math.erf(x / math.sqrt(2.0))) / 2.0

    share = below((b - mean) / std) - below((a - mean) / std)
    with lampas.no_grad():
        if share > 0.3:
            low, high = tensor.new_tensor(a, device="cpu").item(), tensor.new_tensor(b, device="cpu").item()
            tensor.normal_(mean, std, generator=generator)
            while (outside := (tensor < low) | (tensor > high)).any():
                again = lampas.empty_like(tensor).normal_(mean, std, generator=generator)
                tensor.copy_(lampas.where(outside, again, tensor))
            return tensor
        log_peak = -0.5 * ((max(a, min(mean, b)) - mean) / std) ** 2
        pending = None
        while pending is None or pending.any():
            drawn = lampas.empty_like(tensor).uniform_(a, b, generator=generator)
            log_ratio = ((drawn - mean) / std).pow(2) * -0.5 - log_peak
            refused = lampas.empty_like(tensor).uniform_(generator=generator).log() > log_ratio
            if pending is None:
                tensor.copy_(drawn)
                pending = refused
            else:
                tensor.copy_(lampas.where(pending, drawn, tensor))
                pending = pending & refused
        return tensor


def constant_(tensor: lampas.Tensor, val: float) -> lampas.Tensor:
    """``val`` everywhere."""
    with lampas.no_grad():
        return tensor.fill_(val)


def ones_(tensor: lampas.Tensor) -> lampas.Tensor:
    """1 everywhere."""
    return constant_(tensor, 1.0)


def zeros_(tensor: lampas.Tensor) -> lampas.Tensor:
    """0 everywhere."""
    return constant_(tensor, 0.0)


def eye_(tensor: lampas.Tensor) -> lampas.Tensor:
    """The identity matrix."""
    if tensor.dim() != 2:
        raise ValueError(f"Only tensors with 2 dimensions are supported, got {tensor.dim()}")
    with lampas.no_grad():
        tensor.zero_()
        tensor.diagonal().fill_(1)
    return tensor


def dirac_(tensor: lampas.Tensor, groups: int = 1) -> lampas.Tensor:
    """A convolution weight that passes its input through, as many channels as fit, for each of ``groups``."""
    if tensor.dim() not in (3, 4, 5):
        raise ValueError(f"Only tensors with 3, 4, or 5 dimensions are supported, got {tensor.dim()}")
    out_channels, in_channels, *kernel = tensor.size()
    if out_channels % groups:
        raise ValueError(f"dim 0 must be divisible by groups: {out_channels} by {groups}")
    per_group = out_channels // groups
    center = tuple(k // 2 for k in kernel)
    with lampas.no_grad():
        tensor.zero_()
        for group in range(groups):
            for d in range(min(per_group, in_channels)):
                tensor[(group * per_group + d, d, *center)] = 1
    return tensor


def _calculate_fan_in_and_fan_out(tensor: lampas.Tensor) -> tuple[int, int]:
    """How many inputs reach one output, and how many outputs one input."""
    if tensor.dim() < 2:
        raise ValueError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions")
    field = math.prod(tensor.shape[2:])
    return tensor.size(1) * field, tensor.size(0) * field


def _calculate_correct_fan(tensor: lampas.Tensor, mode: str) -> int:
    mode = mode.lower()
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    return _calculate_fan_in_and_fan_out(tensor)[mode == "fan_out"]


def xavier_uniform_(
    tensor: lampas.Tensor, gain: float = 1.0, generator: lampas.Generator | None = None
) -> lampas.Tensor:
    """Even numbers within ``gain * sqrt(6 / (fan_in + fan_out))`` (Glorot & Bengio 2010)."""
    std = gain * math.sqrt(2.0 / float(sum(_calculate_fan_in_and_fan_out(tensor))))
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(
    tensor: lampas.Tensor, gain: float = 1.0, generator: lampas.Generator | None = None
) -> lampas.Tensor:
    """Normal numbers of deviation ``gain * sqrt(2 / (fan_in + fan_out))`` (Glorot & Bengio 2010)."""
    std = gain * math.sqrt(2.0 / float(sum(_calculate_fan_in_and_fan_out(tensor))))
    return normal_(tensor, 0.0, std, generator)


def _kaiming_std(tensor: lampas.Tensor, a: float, mode: str, nonlinearity: str) -> float | None:
    """The deviation He et al. ask for; None where there is nothing to fill."""
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
        return None
    fan = _calculate_correct_fan(tensor, mode)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def kaiming_uniform_(
    tensor: lampas.Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: lampas.Generator | None = None,
) -> lampas.Tensor:
    """Even numbers within ``gain * sqrt(3 / fan)`` (He et al. 2015); ``a`` is the slope of leaky_relu."""
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    if std is None:
        return tensor
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: lampas.Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: lampas.Generator | None = None,
) -> lampas.Tensor:
    """Normal numbers of deviation ``gain / sqrt(fan)`` (He et al. 2015); ``a`` is the slope of leaky_relu."""
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    return tensor if std is None else normal_(tensor, 0.0, std, generator)


def orthogonal_(tensor: lampas.Tensor, gain: float = 1, generator: lampas.Generator | None = None) -> lampas.Tensor:
    """A (semi-)orthogonal matrix, of all dimensions after the first taken as one (Saxe et al. 2013)."""
    if tensor.dim() < 2:
        raise ValueError(f"Only tensors with 2 or more dimensions are supported, got {tensor.dim()}")
    if tensor.numel() == 0:
        return tensor
    rows = tensor.size(0)
    columns = tensor.numel() // rows
    flat = tensor.new_empty((rows, columns)).normal_(0, 1, generator=generator)
    if rows < columns:
        flat.t_()
    q, r = lampas.linalg.qr(flat)
    # The decomposition is unique only up to signs; fixing them makes the result evenly distributed.
    q *= lampas.diag(r, 0).sign()
    if rows < columns:
        q.t_()
    with lampas.no_grad():
        tensor.view_as(q).copy_(q)
        tensor.mul_(gain)
    return tensor


def sparse_(
    tensor: lampas.Tensor, sparsity: float, std: float = 0.01, generator: lampas.Generator | None = None
) -> lampas.Tensor:
    """Normal numbers, a share ``sparsity`` of each column set to zero (Martens 2010)."""
    if tensor.dim() != 2:
        raise ValueError(f"Only tensors with 2 dimensions are supported, got {tensor.dim()}")
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    with lampas.no_grad():
        tensor.normal_(0, std, generator=generator)
        for column in range(columns):
            tensor[lampas.randperm(rows)[:zeros], column] = 0
    return tensor


def _old_name(function: Callable[..., lampas.Tensor]) -> Callable[..., lampas.Tensor]:
    """The name without underscore that older programs use."""
    new = function.__name__
    old = new[:-1]

    def deprecated(*args: object, **kwargs: object) -> lampas.Tensor:
        warnings.warn(f"`nn.init.{old}` is now deprecated in favor of `nn.init.{new}`.", FutureWarning, stacklevel=2)
        return function(*args, **kwargs)

    deprecated.__name__ = old
    deprecated.__doc__ = f"The old name of :func:`{new}`."
    return deprecated


uniform = _old_name(uniform_)
normal = _old_name(normal_)
constant = _old_name(constant_)
eye = _old_name(eye_)
dirac = _old_name(dirac_)
xavier_uniform = _old_name(xavier_uniform_)
xavier_normal = _old_name(xavier_normal_)
kaiming_uniform = _old_name(kaiming_uniform_)
kaiming_normal = _old_name(kaiming_normal_)
orthogonal = _old_name(orthogonal_)
sparse = _old_name(sparse_)
