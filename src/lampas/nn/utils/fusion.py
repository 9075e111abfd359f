"""A layer and the batch normalization behind it as one layer, for evaluation."""

from __future__ import annotations

import copy
from typing import Any

import lampas

from ..parameter import Parameter

__all__ = ["fuse_conv_bn_eval", "fuse_conv_bn_weights", "fuse_linear_bn_eval", "fuse_linear_bn_weights"]


def _check_eval(first: Any, bn: Any) -> None:
    if first.training or bn.training:
        raise AssertionError("Fusion only for eval! Call .eval() on both modules first.")


def _fused(
    weight: lampas.Tensor,
    bias: lampas.Tensor | None,
    bn_rm: lampas.Tensor,
    bn_rv: lampas.Tensor,
    bn_eps: float,
    bn_w: lampas.Tensor | None,
    bn_b: lampas.Tensor | None,
    channel_dim: int,
) -> tuple[Parameter, Parameter]:
    """``bn(layer(x))`` as a layer: ``W' = W s``, ``b' = (b - mean) s + shift`` with ``s = scale / sqrt(var + eps)``."""
    bias_dtype = bias.dtype if bias is not None else weight.dtype
    bias = lampas.zeros_like(bn_rm) if bias is None else bias
    scale = (lampas.ones_like(bn_rm) if bn_w is None else bn_w) * lampas.rsqrt(bn_rv + bn_eps)
    shift = lampas.zeros_like(bn_rm) if bn_b is None else bn_b
    shape = [1] * weight.dim()
    shape[channel_dim] = -1
    new_weight = (weight * scale.reshape(shape)).to(dtype=weight.dtype)
    new_bias = ((bias - bn_rm) * scale + shift).to(dtype=bias_dtype)
    bias_grad = bias.requires_grad
    return Parameter(new_weight.detach(), weight.requires_grad), Parameter(new_bias.detach(), bias_grad)


def fuse_conv_bn_weights(
    conv_w: lampas.Tensor,
    conv_b: lampas.Tensor | None,
    bn_rm: lampas.Tensor,
    bn_rv: lampas.Tensor,
    bn_eps: float,
    bn_w: lampas.Tensor | None,
    bn_b: lampas.Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of a convolution that does what convolution and batch normalization did."""
    return _fused(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, 1 if transpose else 0)


def fuse_conv_bn_eval(conv: Any, bn: Any, transpose: bool = False) -> Any:
    """A copy of ``conv`` that does what ``bn(conv(x))`` does in evaluation.

    >>> fused = nn.utils.fuse_conv_bn_eval(conv.eval(), bn.eval())
    """
    _check_eval(conv, bn)
    fused = copy.deepcopy(conv)
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError("the batch normalization has no running statistics: track_running_stats=False")
    fused.weight, fused.bias = fuse_conv_bn_weights(
        *(fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias, transpose)
    )
    return fused


def fuse_linear_bn_weights(
    linear_w: lampas.Tensor,
    linear_b: lampas.Tensor | None,
    bn_rm: lampas.Tensor,
    bn_rv: lampas.Tensor,
    bn_eps: float,
    bn_w: lampas.Tensor,
    bn_b: lampas.Tensor,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of a linear layer that does what linear layer and batch normalization did."""
    return _fused(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, 0)


def fuse_linear_bn_eval(linear: Any, bn: Any) -> Any:
    """A copy of ``linear`` that does what ``bn(linear(x))`` does in evaluation."""
    _check_eval(linear, bn)
    if linear.out_features != bn.num_features and bn.num_features != 1:
        raise AssertionError(
            f"To fuse, linear.out_features == bn.num_features or bn.num_features == 1, got {linear.out_features} and "
            f"{bn.num_features}"
        )
    fused = copy.deepcopy(linear)
    fused.weight, fused.bias = fuse_linear_bn_weights(
        *(fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias)
    )
    return fused
