"""Gradients kept from growing too large."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import lampas

__all__ = ["clip_grad_norm", "clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]


def _grads(parameters: Any) -> list[lampas.Tensor]:
    if isinstance(parameters, lampas.Tensor):
        parameters = [parameters]
    return [p.grad for p in parameters if p.grad is not None]


def get_total_norm(
    tensors: lampas.Tensor | Iterable[lampas.Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> lampas.Tensor:
    """The norm of all tensors as if they were one vector; 0 for none.

    >>> get_total_norm([lampas.tensor([3.0]), lampas.tensor([4.0])])
    tensor(5.)
    """
    tensors = [tensors] if isinstance(tensors, lampas.Tensor) else list(tensors)
    norm_type = float(norm_type)
    if not tensors:
        return lampas.tensor(0.0)
    device = tensors[0].device
    with lampas.no_grad():
        norms = [lampas.linalg.vector_norm(t, norm_type).to(device) for t in tensors]
        total = lampas.linalg.vector_norm(lampas.stack(norms), norm_type)
    if error_if_nonfinite and not bool(total.isfinite()):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it cannot be "
            "clipped. To "
            "disable this error and scale the gradients by the non-finite norm anyway, set `error_if_nonfinite=False`"
        )
    return total


def clip_grads_with_norm_(
    parameters: lampas.Tensor | Iterable[lampas.Tensor],
    max_norm: float,
    total_norm: lampas.Tensor,
    foreach: bool | None = None,
) -> None:
    """Scale the gradients by ``min(1, max_norm / total_norm)``, in place."""
    grads = _grads(parameters)
    if not grads:
        return
    # A multiplication by one is cheaper than waiting for the comparison.
    factor = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)
    with lampas.no_grad():
        for grad in grads:
            grad.mul_(factor.to(grad.device))


def clip_grad_norm_(
    parameters: lampas.Tensor | Iterable[lampas.Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> lampas.Tensor:
    """Scale the gradients of all parameters so that their joint norm is at most ``max_norm``; returns the norm before.

    >>> loss.backward()
    >>> nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    """
    parameters = [parameters] if isinstance(parameters, lampas.Tensor) else list(parameters)
    if not parameters:
        warnings.warn("`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=3)
    total = get_total_norm(_grads(parameters), norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(parameters, max_norm, total, foreach)
    return total


def clip_grad_norm(
    parameters: lampas.Tensor | Iterable[lampas.Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> lampas.Tensor:
    """The old name of :func:`clip_grad_norm_`."""
    warnings.warn(
        "`nn.utils.clip_grad_norm` is now deprecated in favor of `nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


def clip_grad_value_(
    parameters: lampas.Tensor | Iterable[lampas.Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """Cut every gradient to ``[-clip_value, clip_value]``, in place."""
    clip_value = float(clip_value)
    with lampas.no_grad():
        for grad in _grads(parameters):
            grad.clamp_(min=-clip_value, max=clip_value)
