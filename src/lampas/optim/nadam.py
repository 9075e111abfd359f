"""NAdam."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lampas
from lampas.optim.optimizer import Optimizer, _check_hyperparameters, _scalar, _to_scalar

if TYPE_CHECKING:
    from lampas.optim.optimizer import ParamsT

__all__ = ["NAdam"]


class NAdam(Optimizer):
    """NAdam: Adam with Nesterov momentum, whose coefficient μ grows with the steps.

    μₜ = β₁ · (1 - 0.96^(t·momentum_decay) / 2); p moves by the gradient weighted with 1 - μₜ and the running mean
    weighted with μₜ₊₁, each corrected by the product of all μ, over √(v / (1-β₂ᵗ)) + eps.

    Raises:
        ValueError: a negative option, or a beta outside [0, 1).

    Source: Dozat, Incorporating Nesterov momentum into Adam, 2016.

    Example:
        >>> optimizer = lampas.optim.NAdam(model.parameters())
        >>> optimizer.step()
    """

    _scalar_state = ("step", "mu_product")

    def __init__(
        self,
        params: ParamsT,
        lr: float | lampas.Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        _check_hyperparameters(lr, eps=eps, betas=betas, weight_decay=weight_decay, momentum_decay=momentum_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _init_state(self, group: dict[str, Any], p: lampas.Tensor, state: dict[str, Any]) -> None:
        state["step"] = _scalar(0)
        state["mu_product"] = _scalar(1)
        state["exp_avg"] = lampas.zeros_like(p, requires_grad=False)
        state["exp_avg_sq"] = lampas.zeros_like(p, requires_grad=False)

    def _update(self, group: dict[str, Any], p: lampas.Tensor, grad: lampas.Tensor, state: dict[str, Any]) -> None:
        lr, (beta1, beta2), decay = _to_scalar(group["lr"]), group["betas"], group["momentum_decay"]
        state["step"] += 1
        step = state["step"].item()
        if group["weight_decay"] != 0:
            if group["decoupled_weight_decay"]:
                p.mul_(1 - lr * group["weight_decay"])
            else:
                grad = grad + group["weight_decay"] * p
        mu = beta1 * (1 - 0.5 * 0.96 ** (step * decay))
        mu_next = beta1 * (1 - 0.5 * 0.96 ** ((step + 1) * decay))
        state["mu_product"] *= mu
        product = state["mu_product"].item()
        exp_avg = state["exp_avg"].mul_(beta1).add_((1 - beta1) * grad)
        exp_avg_sq = state["exp_avg_sq"].mul_(beta2).add_((1 - beta2) * grad * grad)
        denom = (exp_avg_sq / (1 - beta2**step)).sqrt() + group["eps"]
        p.sub_(lr * (1 - mu) / (1 - product) * grad / denom)
        p.sub_(lr * mu_next / (1 - product * mu_next) * exp_avg / denom)
