"""Adagrad."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lampas
from lampas.optim.optimizer import Optimizer, _check_hyperparameters, _check_implementation, _scalar, _to_scalar

if TYPE_CHECKING:
    from lampas.optim.optimizer import ParamsT

__all__ = ["Adagrad"]


class Adagrad(Optimizer):
    """Adagrad: gradients divided by the root of the sum of all their squares so far.

    s += g²;  p -= lr / (1 + (t-1)·lr_decay) · g / (√s + eps).

    Raises:
        ValueError: a negative option.

    Source: Duchi, Hazan and Singer, Adaptive subgradient methods, 2011.

    Example:
        >>> optimizer = lampas.optim.Adagrad(model.parameters(), lr=0.01)
        >>> optimizer.step()
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | lampas.Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        _check_hyperparameters(
            lr,
            lr_decay=lr_decay,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            eps=eps,
        )
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        _check_implementation(defaults)
        super().__init__(params, defaults)
        for group in self.param_groups:
            for p in group["params"]:
                self._init_state(group, p, self.state[p])

    def share_memory(self) -> None:
        """Moves the sums into memory that other processes can share."""
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p]["sum"].share_memory_()

    def _init_state(self, group: dict[str, Any], p: lampas.Tensor, state: dict[str, Any]) -> None:
        start = self.defaults["initial_accumulator_value"]
        state["step"] = _scalar(0)
        state["sum"] = lampas.full_like(p, complex(start, start) if p.is_complex() else start, requires_grad=False)

    def _update(self, group: dict[str, Any], p: lampas.Tensor, grad: lampas.Tensor, state: dict[str, Any]) -> None:
        state["step"] += 1
        if group["weight_decay"] != 0:
            grad = grad + group["weight_decay"] * p
        lr = _to_scalar(group["lr"]) / (1 + (state["step"].item() - 1) * group["lr_decay"])
        p.sub_(lr * grad / (state["sum"].add_(grad * grad).sqrt() + group["eps"]))

    def _sparse_update(self, group: dict[str, Any], p: lampas.Tensor, grad: lampas.Tensor) -> None:
        if group["fused"]:
            raise RuntimeError("Adagrad(fused=True) does not support sparse gradients; leave fused away")
        if group["weight_decay"] != 0:
            raise RuntimeError("Adagrad: weight_decay is not compatible with sparse gradients: use weight_decay=0")
        from lampas._sparse.rows import Rows

        state = self.state[p]
        state["step"] += 1
        lr = _to_scalar(group["lr"]) / (1 + (state["step"].item() - 1) * group["lr_decay"])
        rows = Rows(grad)
        sums = rows.of(state["sum"]) + rows.values * rows.values
        rows.put(state["sum"], sums)
        rows.subtract(p, lr * rows.values / (sums.sqrt() + group["eps"]))

    def _engine_update(
        self,
        group: dict[str, Any],
        params: list[lampas.Tensor],
        grads: list[lampas.Tensor],
        states: list[dict[str, Any]],
    ) -> None:
        lampas._C.optim_adagrad_(
            params,
            grads,
            [s[name] for name in ("sum", "step") for s in states],
            float(group["lr"]),
            float(group["lr_decay"]),
            float(group["eps"]),
            float(group["weight_decay"]),
            group["maximize"],
        )
