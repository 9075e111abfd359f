"""RMSprop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lampas
from lampas.optim.optimizer import Optimizer, _check_hyperparameters, _scalar, _to_scalar

if TYPE_CHECKING:
    from lampas.optim.optimizer import ParamsT

__all__ = ["RMSprop"]


class RMSprop(Optimizer):
    """RMSprop: gradients divided by the root of a running mean of their squares.

    v = α·v + (1-α)·g²;  p -= lr · g / (√v + eps). `centered` subtracts the squared running mean of g from v; with
    `momentum` the quotient is accumulated first.

    Raises:
        ValueError: a negative option.

    Source: Tieleman and Hinton, lecture 6.5, 2012; centered: Graves, Generating sequences with RNNs, 2013.

    Example:
        >>> optimizer = lampas.optim.RMSprop(model.parameters(), lr=0.01, momentum=0.9)
        >>> optimizer.step()
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | lampas.Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        _check_hyperparameters(lr, eps=eps, momentum=momentum, weight_decay=weight_decay, alpha=alpha)
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _init_state(self, group: dict[str, Any], p: lampas.Tensor, state: dict[str, Any]) -> None:
        state["step"] = _scalar(0)
        state["square_avg"] = lampas.zeros_like(p, requires_grad=False)
        if group["momentum"] > 0:
            state["momentum_buffer"] = lampas.zeros_like(p, requires_grad=False)
        if group["centered"]:
            state["grad_avg"] = lampas.zeros_like(p, requires_grad=False)

    def _update(self, group: dict[str, Any], p: lampas.Tensor, grad: lampas.Tensor, state: dict[str, Any]) -> None:
        lr, alpha, square_avg = _to_scalar(group["lr"]), group["alpha"], state["square_avg"]
        state["step"] += 1
        if group["weight_decay"] != 0:
            grad = grad + group["weight_decay"] * p
        square_avg.mul_(alpha).add_((1 - alpha) * grad * grad)
        if group["centered"]:
            mean = state["grad_avg"].mul_(alpha).add_((1 - alpha) * grad)
            root = (square_avg - mean**2).sqrt()
        else:
            root = square_avg.sqrt()
        change = grad / (root + group["eps"])
        if group["momentum"] > 0:
            change = state["momentum_buffer"].mul_(group["momentum"]).add_(change)
        p.sub_(lr * change)

    def _engine_update(
        self,
        group: dict[str, Any],
        params: list[lampas.Tensor],
        grads: list[lampas.Tensor],
        states: list[dict[str, Any]],
    ) -> None:
        centered, momentum = group["centered"], group["momentum"]
        names = ["square_avg"] + ["grad_avg"] * centered + ["momentum_buffer"] * (momentum > 0) + ["step"]
        lampas._C.optim_rmsprop_(
            params,
            grads,
            [s[name] for name in names for s in states],
            float(group["lr"]),
            float(group["alpha"]),
            float(group["eps"]),
            float(group["weight_decay"]),
            float(momentum),
            centered,
            group["maximize"],
        )
