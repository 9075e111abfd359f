"""RAdam."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lampas
from lampas.optim.optimizer import Optimizer, _check_hyperparameters, _scalar, _to_scalar

if TYPE_CHECKING:
    from lampas.optim.optimizer import ParamsT

__all__ = ["RAdam"]


class RAdam(Optimizer):
    """RAdam: Adam whose adaptive part is rectified by its variance, and left out while that is not tractable.

    ρ∞ = 2/(1-β₂) - 1;  ρₜ = ρ∞ - 2t·β₂ᵗ/(1-β₂ᵗ). While ρₜ <= 5: p -= lr · m̂. After that: p -= lr · m̂ · r / (√v̂ + eps)
    with r = √((ρₜ-4)(ρₜ-2)ρ∞ / ((ρ∞-4)(ρ∞-2)ρₜ)).

    Raises:
        ValueError: a negative option, or a beta outside [0, 1).

    Source: Liu et al., On the variance of the adaptive learning rate and beyond, 2019.

    Example:
        >>> optimizer = lampas.optim.RAdam(model.parameters())
        >>> optimizer.step()
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | lampas.Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        _check_hyperparameters(lr, eps=eps, betas=betas, weight_decay=weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _init_state(self, group: dict[str, Any], p: lampas.Tensor, state: dict[str, Any]) -> None:
        state["step"] = _scalar(0)
        state["exp_avg"] = lampas.zeros_like(p, requires_grad=False)
        state["exp_avg_sq"] = lampas.zeros_like(p, requires_grad=False)

    def _update(self, group: dict[str, Any], p: lampas.Tensor, grad: lampas.Tensor, state: dict[str, Any]) -> None:
        lr, (beta1, beta2) = _to_scalar(group["lr"]), group["betas"]
        state["step"] += 1
        step = state["step"].item()
        if group["weight_decay"] != 0:
            if group["decoupled_weight_decay"]:
                p.mul_(1 - lr * group["weight_decay"])
            else:
                grad = grad + group["weight_decay"] * p
        exp_avg = state["exp_avg"].mul_(beta1).add_((1 - beta1) * grad)
        exp_avg_sq = state["exp_avg_sq"].mul_(beta2).add_((1 - beta2) * grad * grad)
        mean, correction = exp_avg / (1 - beta1**step), 1 - beta2**step
        longest = 2 / (1 - beta2) - 1
        length = longest - 2 * step * beta2**step / correction
        if length > 5:
            above, below = (length - 4) * (length - 2) * longest, (longest - 4) * (longest - 2) * length
            mean = mean * ((above / below) ** 0.5 * correction**0.5) / (exp_avg_sq.sqrt() + group["eps"])
        p.sub_(lr * mean)
