"""Stochastic gradient descent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lampas
from lampas.optim.optimizer import Optimizer, _check_hyperparameters, _check_implementation, _to_scalar

if TYPE_CHECKING:
    from lampas.optim.optimizer import ParamsT

__all__ = ["SGD"]


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum if asked.

    g = gradient + weight_decay · p;  b = momentum · b + (1 - dampening) · g  (b = g in the first step);
    p -= lr · b, or with `nesterov` p -= lr · (g + momentum · b).

    Raises:
        ValueError: a negative option, or `nesterov` without momentum or with dampening.

    Source: Sutskever et al., On the importance of initialization and momentum in deep learning, 2013.

    Example:
        >>> optimizer = lampas.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        >>> optimizer.step()
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | lampas.Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | lampas.Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        _check_hyperparameters(lr, momentum=momentum, weight_decay=weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError(
                f"Nesterov momentum requires a momentum and zero dampening, got momentum={momentum}, "
                f"dampening={dampening}"
            )
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        _check_implementation(defaults)
        super().__init__(params, defaults)

    def _has_state(self, group: dict[str, Any]) -> bool:
        return group["momentum"] != 0

    def _update(self, group: dict[str, Any], p: lampas.Tensor, grad: lampas.Tensor, state: dict[str, Any]) -> None:
        lr, momentum = _to_scalar(group["lr"]), group["momentum"]
        if not (isinstance(group["weight_decay"], (int, float)) and group["weight_decay"] == 0):
            grad = grad + group["weight_decay"] * p
        if momentum != 0:
            buf = state.get("momentum_buffer")
            if buf is None:
                buf = state["momentum_buffer"] = grad.detach().clone()
            else:
                buf.mul_(momentum).add_(grad, alpha=1 - group["dampening"])
            grad = grad + momentum * buf if group["nesterov"] else buf
        p.sub_(lr * grad)

    def _sparse_update(self, group: dict[str, Any], p: lampas.Tensor, grad: lampas.Tensor) -> None:
        lr, momentum = _to_scalar(group["lr"]), group["momentum"]
        if group["fused"]:
            raise RuntimeError("SGD(fused=True) does not support sparse gradients; leave fused away")
        if group["weight_decay"] != 0:
            raise RuntimeError("SGD with weight_decay would make a sparse gradient dense: use weight_decay=0 for it")
        if momentum != 0:
            state = self.state[p]
            buf = state.get("momentum_buffer")
            if buf is None:
                buf = grad.detach().clone()
            else:
                buf = (buf * momentum + grad * (1 - group["dampening"])).coalesce()
            state["momentum_buffer"] = buf
            grad = grad + buf * momentum if group["nesterov"] else buf
        p.sub_(grad * lr)

    def _engine_update(
        self,
        group: dict[str, Any],
        params: list[lampas.Tensor],
        grads: list[lampas.Tensor],
        states: list[dict[str, Any]],
    ) -> None:
        if not states:
            self._call(group, params, grads, [], False)
            return
        buffers = [state.get("momentum_buffer") for state in states]
        fresh = [i for i, buffer in enumerate(buffers) if buffer is None]
        for i in fresh:
            buffers[i] = states[i]["momentum_buffer"] = lampas.empty_like(params[i], requires_grad=False)
        if 0 < len(fresh) < len(params):
            # A parameter that got its first gradient later than others: the first step differs, so two calls.
            old = [i for i in range(len(params)) if i not in set(fresh)]
            for part, first in ((fresh, True), (old, False)):
                chosen = [params[i] for i in part], [grads[i] for i in part], [buffers[i] for i in part]
                self._call(group, *chosen, first)
        else:
            self._call(group, params, grads, buffers, bool(fresh))

    def _call(
        self,
        group: dict[str, Any],
        params: list[lampas.Tensor],
        grads: list[lampas.Tensor],
        buffers: list[lampas.Tensor | None],
        first: bool,
    ) -> None:
        lampas._C.optim_sgd_(
            params,
            grads,
            buffers,
            float(group["lr"]),
            float(group["momentum"]),
            float(group["dampening"]),
            float(group["weight_decay"]),
            group["nesterov"],
            group["maximize"],
            first,
        )
