"""Dropout in its forms: elements, whole channels, and the forms that keep mean and variance."""

from __future__ import annotations

import warnings

import lampas

__all__ = ["alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout"]


def _check(p: float) -> None:
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def dropout(input: lampas.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> lampas.Tensor:
    """Sets elements to zero with probability ``p`` and scales the others by ``1 / (1 - p)`` (Srivastava et al. 2014).

    >>> F.dropout(lampas.ones(3), p=0.0)
    tensor([1., 1., 1.])
    """
    if p < 0.0 or p > 1.0:
        _check(p)
    return lampas.dropout_(input, p, training) if inplace else lampas.dropout(input, p, training)


def alpha_dropout(input: lampas.Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> lampas.Tensor:
    """Dropout for SELU networks: keeps mean 0 and variance 1 (Klambauer et al. 2017)."""
    _check(p)
    return lampas.alpha_dropout_(input, p, training) if inplace else lampas.alpha_dropout(input, p, training)


def feature_alpha_dropout(
    input: lampas.Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> lampas.Tensor:
    """Alpha dropout of whole channels."""
    _check(p)
    function = lampas.feature_alpha_dropout_ if inplace else lampas.feature_alpha_dropout
    return function(input, p, training)


def _channels(input: lampas.Tensor, p: float, training: bool, inplace: bool) -> lampas.Tensor:
    function = lampas.feature_dropout_ if inplace else lampas.feature_dropout
    return function(input, p, training)


def _maybe_unbatched(
    name: str, batched_dim: int, input: lampas.Tensor, p: float, training: bool, inplace: bool
) -> lampas.Tensor:
    """Channel dropout of ``(N, C, ...)`` or, one dimension less, ``(C, ...)``."""
    unbatched = input.dim() == batched_dim - 1
    result = (
        _channels(input.unsqueeze(0), p, training, inplace) if unbatched else _channels(input, p, training, inplace)
    )
    return result.squeeze(0) if unbatched else result


def dropout1d(input: lampas.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> lampas.Tensor:
    """Sets whole channels of ``(N, C, L)`` or ``(C, L)`` to zero with probability ``p``."""
    _check(p)
    if input.dim() not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.dim()}D input. Note that dropout1d exists to "
            "provide channel-wise dropout on inputs with 1 spatial dimension, a channel dimension, and an optional "
            "batch "
            "dimension (i.e. 2D or 3D inputs)."
        )
    return _maybe_unbatched("dropout1d", 3, input, p, training, inplace)


def dropout2d(input: lampas.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> lampas.Tensor:
    """Sets whole channels of ``(N, C, H, W)`` to zero with probability ``p``."""
    _check(p)
    if input.dim() not in (3, 4):
        warnings.warn(
            f"dropout2d: Received a {input.dim()}-D input to dropout2d, which is deprecated and will result in an "
            "error "
            "in a future release. To drop single elements use dropout.",
            stacklevel=2,
        )
    elif input.dim() == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout behavior is "
            "desired - "
            "input is interpreted as shape (N, C, L). Use dropout1d to say so.",
            stacklevel=2,
        )
    return _channels(input, p, training, inplace)


def dropout3d(input: lampas.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> lampas.Tensor:
    """Sets whole channels of ``(N, C, D, H, W)`` or ``(C, D, H, W)`` to zero with probability ``p``."""
    _check(p)
    if input.dim() not in (4, 5):
        warnings.warn(
            f"dropout3d: Received a {input.dim()}-D input to dropout3d, which is deprecated and will result in an "
            "error "
            "in a future release. To drop single elements use dropout.",
            stacklevel=2,
        )
    return _maybe_unbatched("dropout3d", 5, input, p, training, inplace)
