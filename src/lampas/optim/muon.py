"""Muon."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lampas
from lampas.optim.optimizer import Optimizer, _to_scalar

if TYPE_CHECKING:
    from lampas.optim.optimizer import ParamsT

__all__ = ["Muon"]


def _orthogonalized(
    x: lampas.Tensor, coefficients: tuple[float, float, float], steps: int, eps: float
) -> lampas.Tensor:
    """The matrix whose singular values are moved towards 1 by Newton-Schulz iterations, in bfloat16."""
    if steps >= 100:
        raise ValueError(f"ns_steps must be less than 100, because each costs three matrix products; got {steps}")
    if len(coefficients) != 3:
        raise ValueError(f"ns_coefficients must be exactly 3 numbers, but got {len(coefficients)}")
    a, b, c = coefficients
    tall = x.size(0) > x.size(1)
    # Products of the shorter side's size; the norm bounds the largest singular value by 1.
    y = x.bfloat16().T if tall else x.bfloat16()
    y = y / y.norm().clamp(min=eps)
    for _ in range(steps):
        gram = y @ y.T
        y = lampas.addmm(y, lampas.addmm(gram, gram, gram, beta=b, alpha=c), y, beta=a)
    return y.T if tall else y


def _rate_of_shape(rule: str | None, rows: int, columns: int) -> float:
    if rule == "match_rms_adamw":
        return 0.2 * max(rows, columns) ** 0.5
    return max(1.0, rows / columns) ** 0.5


class Muon(Optimizer):
    """Muon: momentum whose matrix is made orthogonal before it is used, for the matrices of hidden layers.

    b = momentum · b + (1 - momentum) · g;  u = (1 - momentum) · g + momentum · b with `nesterov`, else b;
    p -= lr · weight_decay · p;  p -= lr · s · NS(u), where NS applies `ns_steps` times
    X → a·X + (b·A + c·A²)·X with A = X·Xᵀ to u divided by its norm, in bfloat16.

    Args:
        params: two-dimensional parameters; give biases, embeddings and the like to another optimizer.
        lr, weight_decay, momentum, nesterov: as above.
        ns_coefficients, ns_steps, eps: (a, b, c), the number of iterations (below 100), the least norm.
        adjust_lr_fn: what s is for a parameter of n rows and m columns: "original" or None √max(1, n/m),
            "match_rms_adamw" 0.2·√max(n, m), with which rates tuned for AdamW fit.

    Raises:
        ValueError: an option out of its range, or a parameter that is not two-dimensional.
        RuntimeError: a complex parameter, when its first gradient comes.

    Source: Jordan and others, Muon: an optimizer for hidden layers in neural networks, 2024; Liu and others,
    Muon is scalable for LLM training, 2025.

    Example:
        >>> optimizer = lampas.optim.Muon([p for p in model.parameters() if p.ndim == 2], lr=0.02)
        >>> optimizer.step()
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        if isinstance(lr, lampas.Tensor) and lr.numel() != 1:
            raise ValueError(f"Tensor lr must be 1-element, but it has shape {tuple(lr.shape)}")
        if not lr >= 0.0:
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not momentum >= 0.0:
            raise ValueError(f"momentum should be >= 0 but is: {momentum}")
        if not weight_decay >= 0.0:
            raise ValueError(f"weight decay should be >= 0 but is: {weight_decay}")
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(
                f"Adjust learning rate function {adjust_lr_fn} is not supported; use 'original' or 'match_rms_adamw'"
            )
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:
            for p in group["params"]:
                if p.dim() != 2:
                    raise ValueError(
                        f"Muon only supports 2D parameters whereas we found a parameter with size: {tuple(p.shape)}; "
                        "give it to another optimizer"
                    )

    def _init_state(self, group: dict[str, Any], p: lampas.Tensor, state: dict[str, Any]) -> None:
        if p.is_complex():
            raise RuntimeError("Muon does not support complex parameters")
        state["momentum_buffer"] = lampas.zeros_like(p, requires_grad=False)

    def _update(self, group: dict[str, Any], p: lampas.Tensor, grad: lampas.Tensor, state: dict[str, Any]) -> None:
        lr, momentum = _to_scalar(group["lr"]), group["momentum"]
        buffer = state["momentum_buffer"].lerp_(grad, 1 - momentum)
        update = grad.lerp(buffer, momentum) if group["nesterov"] else buffer
        update = _orthogonalized(update, group["ns_coefficients"], group["ns_steps"], group["eps"])
        p.mul_(1 - lr * group["weight_decay"])
        # The rate of a shape, times a tensor or a number.
        p.add_(update, alpha=-float(lr) * _rate_of_shape(group["adjust_lr_fn"], *p.shape))
