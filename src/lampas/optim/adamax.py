"""Adamax."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lampas
from lampas.optim.optimizer import Optimizer, _check_hyperparameters, _scalar, _to_scalar

if TYPE_CHECKING:
    from lampas.optim.optimizer import ParamsT

__all__ = ["Adamax"]


class Adamax(Optimizer):
    """Adamax: Adam with the infinity norm in place of the mean of squares.

    m = β₁·m + (1-β₁)·g;  u = max(β₂·u, |g| + eps);  p -= lr / (1-β₁ᵗ) · m / u.

    Raises:
        ValueError: a negative option, or a beta outside [0, 1).

    Source: Kingma and Ba, Adam: a method for stochastic optimization, 2014, section 7.1.

    Example:
        >>> optimizer = lampas.optim.Adamax(model.parameters())
        >>> optimizer.step()
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | lampas.Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        _check_hyperparameters(lr, eps=eps, betas=betas, weight_decay=weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _init_state(self, group: dict[str, Any], p: lampas.Tensor, state: dict[str, Any]) -> None:
        state["step"] = _scalar(0)
        state["exp_avg"] = lampas.zeros_like(p, requires_grad=False)
        state["exp_inf"] = lampas.zeros_like(p, requires_grad=False)

    def _update(self, group: dict[str, Any], p: lampas.Tensor, grad: lampas.Tensor, state: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        state["step"] += 1
        if group["weight_decay"] != 0:
            grad = grad + group["weight_decay"] * p
        exp_avg = state["exp_avg"].mul_(beta1).add_((1 - beta1) * grad)
        norm = lampas.maximum(beta2 * state["exp_inf"], grad.abs() + group["eps"])
        state["exp_inf"].copy_(norm)
        p.sub_(_to_scalar(group["lr"]) / (1 - beta1 ** state["step"].item()) * exp_avg / norm)
