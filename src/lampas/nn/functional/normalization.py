"""Batch, instance, layer, group, RMS and local response normalization."""

from __future__ import annotations

from collections.abc import Sequence

import lampas

__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm", "local_response_norm", "rms_norm"]


def _values_per_channel(size: Sequence[int]) -> int:
    count = size[0]
    for n in size[2:]:
        count *= n
    return count


def batch_norm(
    input: lampas.Tensor,
    running_mean: lampas.Tensor | None,
    running_var: lampas.Tensor | None,
    weight: lampas.Tensor | None = None,
    bias: lampas.Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> lampas.Tensor:
    """``(x - mean) / sqrt(var + eps) * weight + bias`` for every channel of ``(N, C, ...)`` (Ioffe & Szegedy 2015).

    In training, mean and variance are the batch's, and the running ones move towards them by ``momentum``, in place.
    """
    if training and _values_per_channel(input.size()) == 1:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {input.size()}: a single value has "
            "no "
            "variance. Use a larger batch, or model.eval()."
        )
    return lampas.batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps, False)


def instance_norm(
    input: lampas.Tensor,
    running_mean: lampas.Tensor | None = None,
    running_var: lampas.Tensor | None = None,
    weight: lampas.Tensor | None = None,
    bias: lampas.Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> lampas.Tensor:
    """Batch normalization of every sample by itself (Ulyanov et al. 2016)."""
    if use_input_stats and _values_per_channel((1, 1, *input.size()[2:])) == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {input.size()}")
    return lampas.instance_norm(input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps, False)


def layer_norm(
    input: lampas.Tensor,
    normalized_shape: Sequence[int],
    weight: lampas.Tensor | None = None,
    bias: lampas.Tensor | None = None,
    eps: float = 1e-5,
) -> lampas.Tensor:
    """``(x - mean) / sqrt(var + eps) * weight + bias`` over the last dimensions (Ba et al. 2016)."""
    return lampas.layer_norm(input, normalized_shape, weight, bias, eps, False)


def rms_norm(
    input: lampas.Tensor, normalized_shape: Sequence[int], weight: lampas.Tensor | None = None, eps: float | None = None
) -> lampas.Tensor:
    """``x / sqrt(mean(x^2) + eps) * weight`` over the last dimensions; ``eps`` None is the dtype's own."""
    return lampas.rms_norm(input, normalized_shape, weight, eps)


def group_norm(
    input: lampas.Tensor,
    num_groups: int,
    weight: lampas.Tensor | None = None,
    bias: lampas.Tensor | None = None,
    eps: float = 1e-5,
) -> lampas.Tensor:
    """Every sample's channels normalized in ``num_groups`` groups (Wu & He 2018)."""
    if input.dim() < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {input.dim()}")
    size = input.size()
    if num_groups > 0 and _values_per_channel((size[0] * size[1] // num_groups, num_groups, *size[2:])) == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {list(size)}")
    return lampas.group_norm(input, num_groups, weight, bias, eps, False)


def local_response_norm(
    input: lampas.Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> lampas.Tensor:
    """``x / (k + alpha * mean(x^2 of size neighbouring channels)) ** beta`` (Krizhevsky et al. 2012)."""
    if input.dim() < 3:
        raise ValueError(f"Expected 3D or higher dimensionality input (got {input.dim()} dimensions)")
    if input.numel() == 0:
        return input
    # The mean over channels is a pooling along them; channels get a line of their own for it.
    square = input.mul(input).flatten(2).unsqueeze(1)
    square = lampas._C.nn.pad(square, (0, 0, size // 2, (size - 1) // 2), "constant", 0.0)
    mean = lampas._C.nn.avg_pool2d(square, (size, 1), stride=1).squeeze(1).view(input.size())
    return input / mean.mul(alpha).add(k).pow(beta)
