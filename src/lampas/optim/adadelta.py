"""Adadelta."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lampas
from lampas.optim.optimizer import Optimizer, _check_hyperparameters, _scalar, _to_scalar

if TYPE_CHECKING:
    from lampas.optim.optimizer import ParamsT

__all__ = ["Adadelta"]


class Adadelta(Optimizer):
    """Adadelta: the step is the gradient times the ratio of running means of past steps and past gradients.

    v = ρ·v + (1-ρ)·g²;  d = g · √(u + eps) / √(v + eps);  u = ρ·u + (1-ρ)·d²;  p -= lr · d.

    Raises:
        ValueError: a negative option, or rho outside [0, 1].

    Source: Zeiler, ADADELTA: an adaptive learning rate method, 2012.

    Example:
        >>> optimizer = lampas.optim.Adadelta(model.parameters())
        >>> optimizer.step()
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | lampas.Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        _check_hyperparameters(lr, eps=eps, weight_decay=weight_decay)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho} (expected 0 <= rho <= 1)")
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _init_state(self, group: dict[str, Any], p: lampas.Tensor, state: dict[str, Any]) -> None:
        state["step"] = _scalar(0)
        state["square_avg"] = lampas.zeros_like(p, requires_grad=False)
        state["acc_delta"] = lampas.zeros_like(p, requires_grad=False)

    def _update(self, group: dict[str, Any], p: lampas.Tensor, grad: lampas.Tensor, state: dict[str, Any]) -> None:
        rho, eps = group["rho"], group["eps"]
        state["step"] += 1
        if group["weight_decay"] != 0:
            grad = grad + group["weight_decay"] * p
        square_avg = state["square_avg"].mul_(rho).add_((1 - rho) * grad * grad)
        delta = (state["acc_delta"] + eps).sqrt() / (square_avg + eps).sqrt() * grad
        state["acc_delta"].mul_(rho).add_((1 - rho) * delta * delta)
        p.sub_(_to_scalar(group["lr"]) * delta)
