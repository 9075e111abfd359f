"""Rprop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lampas
from lampas.optim.optimizer import Optimizer, _check_hyperparameters, _scalar

if TYPE_CHECKING:
    from lampas.optim.optimizer import ParamsT

__all__ = ["Rprop"]


class Rprop(Optimizer):
    """Resilient backpropagation: the sign of the gradient, times a step size of each element's own.

    The step size grows by ``etas[1]`` while the sign stays, shrinks by ``etas[0]`` when it changes (that element then
    rests for one step), within `step_sizes`. Made for full batches.

    Raises:
        ValueError: a negative lr, or not 0 < etas[0] < 1 < etas[1].

    Source: Riedmiller and Braun, A direct adaptive method for faster backpropagation learning, 1993.

    Example:
        >>> optimizer = lampas.optim.Rprop(model.parameters())
        >>> optimizer.step()
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | lampas.Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        _check_hyperparameters(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]} (expected 0 < etas[0] < 1 < etas[1])")
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _init_state(self, group: dict[str, Any], p: lampas.Tensor, state: dict[str, Any]) -> None:
        lr = float(group["lr"])
        state["step"] = _scalar(0)
        state["prev"] = lampas.zeros_like(p, requires_grad=False)
        state["step_size"] = lampas.full_like(p, complex(lr, lr) if p.is_complex() else lr, requires_grad=False)

    def _update(self, group: dict[str, Any], p: lampas.Tensor, grad: lampas.Tensor, state: dict[str, Any]) -> None:
        (eta_minus, eta_plus), (smallest, largest) = group["etas"], group["step_sizes"]
        state["step"] += 1
        agreement = grad * state["prev"].clone()
        factor = lampas.ones_like(grad).masked_fill(agreement > 0, eta_plus).masked_fill(agreement < 0, eta_minus)
        state["step_size"].mul_(factor).clamp_(smallest, largest)
        # Where the sign changed the element rests now, and counts as neither sign in the next step.
        grad = grad.masked_fill(agreement < 0, 0)
        p.sub_(grad.sign() * state["step_size"])
        state["prev"].copy_(grad)
