"""How modules of given types become one module."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import lampas.nn as nn
from lampas.ao.nn import intrinsic as nni

from .utils import MatchAllNode, Pattern, get_combined_dict

__all__ = [
    "fuse_conv_bn",
    "fuse_conv_bn_relu",
    "fuse_convtranspose_bn",
    "fuse_linear_bn",
    "get_fuser_method",
    "get_fuser_method_new",
]

_WITH_BN = {nn.Conv1d: nni.ConvBn1d, nn.Conv2d: nni.ConvBn2d, nn.Conv3d: nni.ConvBn3d}
_WITH_BN_RELU = {nn.Conv1d: nni.ConvBnReLU1d, nn.Conv2d: nni.ConvBnReLU2d, nn.Conv3d: nni.ConvBnReLU3d}
_WITH_RELU = {nn.Conv1d: nni.ConvReLU1d, nn.Conv2d: nni.ConvReLU2d, nn.Conv3d: nni.ConvReLU3d}


def _check_modes(*modules: nn.Module) -> None:
    if len({module.training for module in modules}) > 1:
        modes = ", ".join(f"{type(m).__name__} in {'train' if m.training else 'eval'}" for m in modules)
        raise AssertionError(f"modules to fuse must all be in the same mode (train or eval), got {modes}")


def _check_norm(features: int, bn: Any, module: nn.Module) -> None:
    if bn.num_features != features:
        raise AssertionError(
            f"Output channels of {type(module).__name__} must match num_features of {type(bn).__name__}, "
            f"got {features} and {bn.num_features}"
        )
    for name in ("affine", "track_running_stats"):
        if not getattr(bn, name):
            raise AssertionError(f"{type(bn).__name__} can be fused only with {name}=True")


def _fused_class(classes: dict, modules: tuple) -> Any:
    if type(modules[0]) not in classes:
        raise NotImplementedError(f"Cannot fuse modules: {modules}; known are {[c.__name__ for c in classes]}")
    return classes[type(modules[0])]


def fuse_conv_bn(is_qat: bool, conv: Any, bn: Any) -> nn.Module:
    """A convolution with the normalization folded in; for training, both in a `ConvBn` module.

    Raises:
        AssertionError: modes or channels differ, or `bn` is not affine or keeps no statistics.

    >>> fuse_conv_bn(False, nn.Conv2d(10, 20, 3).eval(), nn.BatchNorm2d(20).eval())
    """
    _check_modes(conv, bn)
    if not is_qat:
        return nn.utils.fuse_conv_bn_eval(conv, bn)
    _check_norm(conv.out_channels, bn, conv)
    return _fused_class(_WITH_BN, (conv, bn))(conv, bn)


def fuse_conv_bn_relu(is_qat: bool, conv: Any, bn: Any, relu: Any) -> nn.Module:
    """A `ConvReLU` module with the normalization folded in; for training, a `ConvBnReLU` module.

    Raises:
        AssertionError: modes or channels differ, or `bn` is not affine or keeps no statistics.
    """
    _check_modes(conv, bn, relu)
    modules = (conv, bn, relu)
    if not is_qat:
        return _fused_class(_WITH_RELU, modules)(nn.utils.fuse_conv_bn_eval(conv, bn), relu)
    _check_norm(conv.out_channels, bn, conv)
    return _fused_class(_WITH_BN_RELU, modules)(conv, bn, relu)


def fuse_linear_bn(is_qat: bool, linear: Any, bn: Any) -> nn.Module:
    """A linear layer with the normalization folded in; for training, both in a `LinearBn1d` module.

    Raises:
        AssertionError: modes or features differ, or `bn` is not affine or keeps no statistics.
    """
    _check_modes(linear, bn)
    if not is_qat:
        return nn.utils.fuse_linear_bn_eval(linear, bn)
    _check_norm(linear.out_features, bn, linear)
    return nni.LinearBn1d(linear, bn)


def fuse_convtranspose_bn(is_qat: bool, convt: Any, bn: Any) -> nn.Module:
    """A transposed convolution with the normalization folded in.

    Raises:
        AssertionError: modes differ.
        Exception: asked for while training.
    """
    _check_modes(convt, bn)
    if is_qat:
        raise Exception("Fusing ConvTranspose+BatchNorm not yet supported in QAT; leave them apart while training")
    return nn.utils.fuse_conv_bn_eval(convt, bn, transpose=True)


def _pair(fused: type) -> Callable:
    return lambda is_qat, first, second: fused(first, second)


_DEFAULT_OP_LIST_TO_FUSER_METHOD: dict[tuple, Callable] = {
    (nn.Conv1d, nn.BatchNorm1d): fuse_conv_bn,
    (nn.Conv1d, nn.BatchNorm1d, nn.ReLU): fuse_conv_bn_relu,
    (nn.Conv2d, nn.BatchNorm2d): fuse_conv_bn,
    (nn.Conv2d, nn.BatchNorm2d, nn.ReLU): fuse_conv_bn_relu,
    (nn.Conv3d, nn.BatchNorm3d): fuse_conv_bn,
    (nn.Conv3d, nn.BatchNorm3d, nn.ReLU): fuse_conv_bn_relu,
    **{(conv, nn.ReLU): _pair(fused) for conv, fused in _WITH_RELU.items()},
    (nn.Linear, nn.BatchNorm1d): fuse_linear_bn,
    (nn.Linear, nn.ReLU): _pair(nni.LinearReLU),
    (nn.BatchNorm2d, nn.ReLU): _pair(nni.BNReLU2d),
    (nn.BatchNorm3d, nn.ReLU): _pair(nni.BNReLU3d),
    (nn.ConvTranspose1d, nn.BatchNorm1d): fuse_convtranspose_bn,
    (nn.ConvTranspose2d, nn.BatchNorm2d): fuse_convtranspose_bn,
    (nn.ConvTranspose3d, nn.BatchNorm3d): fuse_convtranspose_bn,
}


def get_fuser_method(op_list: tuple[type, ...], additional_fuser_method_mapping: dict | None = None) -> Callable:
    """The function that fuses modules of these types: ``function(is_qat, *modules)``.

    Raises:
        AssertionError: there is none.

    >>> get_fuser_method((nn.Linear, nn.ReLU))(False, nn.Linear(2, 2), nn.ReLU())
    """
    known = get_combined_dict(_DEFAULT_OP_LIST_TO_FUSER_METHOD, additional_fuser_method_mapping or {})
    if op_list not in known:
        names = ", ".join(getattr(op, "__name__", str(op)) for op in op_list)
        raise AssertionError(f"nothing is known about fusing ({names}); what can be fused: {_described()}")
    return known[op_list]


def _described() -> str:
    return "; ".join("+".join(op.__name__ for op in ops) for ops in _DEFAULT_OP_LIST_TO_FUSER_METHOD)


def _get_valid_patterns(op_pattern: Pattern) -> list[Any]:
    """A pattern, and it with `MatchAllNode` in the place of any of its parts."""
    if isinstance(op_pattern, (tuple, list)):
        return list(itertools.product(*map(_get_valid_patterns, op_pattern)))
    return [op_pattern, MatchAllNode]


def get_fuser_method_new(op_pattern: Pattern, fuser_method_mapping: dict[Pattern, Callable]) -> Callable:
    """The function of the first pattern in a mapping that matches.

    Raises:
        AssertionError: none does.
    """
    for pattern in _get_valid_patterns(op_pattern):
        if (method := fuser_method_mapping.get(pattern)) is not None:
            return method
    raise AssertionError(f"no pattern in the mapping matches {op_pattern}")
