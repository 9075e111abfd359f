"""Averaged stochastic gradient descent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lampas
from lampas.optim.optimizer import Optimizer, _check_hyperparameters, _scalar, _to_scalar

if TYPE_CHECKING:
    from lampas.optim.optimizer import ParamsT

__all__ = ["ASGD"]


class ASGD(Optimizer):
    """Stochastic gradient descent that keeps the average of the parameters (``state[p]["ax"]``) from step `t0` on.

    p = (1 - lambd·η)·p - η·g;  η = lr / (1 + lambd·lr·t)^alpha;  ax += (p - ax) / max(1, t - t0).

    Raises:
        ValueError: a negative lr or weight decay.

    Source: Polyak and Juditsky, Acceleration of stochastic approximation by averaging, 1992.

    Example:
        >>> optimizer = lampas.optim.ASGD(model.parameters())
        >>> optimizer.step()
    """

    _scalar_state = ("step", "eta", "mu")

    def __init__(
        self,
        params: ParamsT,
        lr: float | lampas.Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        _check_hyperparameters(lr, weight_decay=weight_decay)
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _init_state(self, group: dict[str, Any], p: lampas.Tensor, state: dict[str, Any]) -> None:
        state["step"] = _scalar(0)
        state["eta"] = _scalar(float(group["lr"]))
        state["mu"] = _scalar(1)
        state["ax"] = lampas.zeros_like(p, requires_grad=False)

    def _update(self, group: dict[str, Any], p: lampas.Tensor, grad: lampas.Tensor, state: dict[str, Any]) -> None:
        lr, lambd = _to_scalar(group["lr"]), group["lambd"]
        state["step"] += 1
        step, eta, mu, average = state["step"].item(), state["eta"].item(), state["mu"].item(), state["ax"]
        if group["weight_decay"] != 0:
            grad = grad + group["weight_decay"] * p
        p.mul_(1 - lambd * eta).sub_(eta * grad)
        if mu == 1:
            average.copy_(p)
        else:
            average.add_((p - average) * mu)
        state["eta"].fill_(float(lr) / (1 + lambd * float(lr) * step) ** group["alpha"])
        state["mu"].fill_(1 / max(1, step - group["t0"]))
