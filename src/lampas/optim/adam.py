"""Adam."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lampas
from lampas.optim.optimizer import Optimizer, _check_hyperparameters, _check_implementation, _scalar, _to_scalar

if TYPE_CHECKING:
    from lampas.optim.optimizer import ParamsT

__all__ = ["Adam"]


class Adam(Optimizer):
    """Adam: steps scaled by running means of the gradient and of its square.

    m = β₁·m + (1-β₁)·g;  v = β₂·v + (1-β₂)·g²;  p -= lr · m/(1-β₁ᵗ) / (√(v/(1-β₂ᵗ)) + eps).
    Weight decay is added to the gradient, or with `decoupled_weight_decay` shrinks the parameter itself by
    lr · weight_decay. `amsgrad` divides by the largest v so far.

    Raises:
        ValueError: a negative option, or a beta outside [0, 1).

    Source: Kingma and Ba, Adam: a method for stochastic optimization, 2014; Reddi et al., On the convergence of Adam
    and beyond, 2018.

    Example:
        >>> optimizer = lampas.optim.Adam(model.parameters(), lr=1e-3)
        >>> optimizer.step()
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | lampas.Tensor = 1e-3,
        betas: tuple[float | lampas.Tensor, float | lampas.Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        if foreach and not capturable and any(isinstance(x, lampas.Tensor) for x in (lr, *betas)):
            raise ValueError(
                "lr or betas as a Tensor is not supported for capturable=False and foreach=True; "
                "pass floats, or leave foreach out"
            )
        _check_hyperparameters(lr, eps=eps, betas=betas, weight_decay=weight_decay)
        if not (all(isinstance(b, float) for b in betas) or all(isinstance(b, lampas.Tensor) for b in betas)):
            raise ValueError(f"betas must be either both floats or both Tensors, but got {betas}")
        defaults = {
            "lr": lr,
            "betas": tuple(_to_scalar(b) for b in betas),
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        _check_implementation(defaults)
        super().__init__(params, defaults)

    def _init_state(self, group: dict[str, Any], p: lampas.Tensor, state: dict[str, Any]) -> None:
        state["step"] = _scalar(0)
        for name in ("exp_avg", "exp_avg_sq", *(["max_exp_avg_sq"] if group["amsgrad"] else [])):
            state[name] = lampas.zeros_like(p, requires_grad=False)

    def _update(self, group: dict[str, Any], p: lampas.Tensor, grad: lampas.Tensor, state: dict[str, Any]) -> None:
        lr, (beta1, beta2), weight_decay = _to_scalar(group["lr"]), group["betas"], group["weight_decay"]
        exp_avg, exp_avg_sq = state["exp_avg"], state["exp_avg_sq"]
        state["step"] += 1
        step = state["step"].item()
        if weight_decay != 0:
            if group["decoupled_weight_decay"]:
                p.mul_(1 - lr * weight_decay)
            else:
                grad = grad + weight_decay * p
        exp_avg.mul_(beta1).add_((1 - beta1) * grad)
        exp_avg_sq.mul_(beta2).add_((1 - beta2) * grad * grad)
        second = exp_avg_sq
        if group["amsgrad"]:
            second = lampas.maximum(state["max_exp_avg_sq"].clone(), exp_avg_sq)
            state["max_exp_avg_sq"].copy_(second)
        denom = second.sqrt() / (1 - beta2**step) ** 0.5 + group["eps"]
        p.sub_(lr / (1 - beta1**step) * exp_avg / denom)

    def _engine_update(
        self,
        group: dict[str, Any],
        params: list[lampas.Tensor],
        grads: list[lampas.Tensor],
        states: list[dict[str, Any]],
    ) -> None:
        beta1, beta2 = group["betas"]
        amsgrad = group["amsgrad"]
        names = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq", "step") if amsgrad else ("exp_avg", "exp_avg_sq", "step")
        lampas._C.optim_adam_(
            params,
            grads,
            [s[name] for name in names for s in states],
            float(group["lr"]),
            float(beta1),
            float(beta2),
            float(group["eps"]),
            float(group["weight_decay"]),
            group["decoupled_weight_decay"],
            amsgrad,
            group["maximize"],
        )
