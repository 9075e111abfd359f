"""Adam for sparse gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lampas
from lampas.optim.optimizer import Optimizer, _to_scalar

if TYPE_CHECKING:
    from lampas.optim.optimizer import ParamsT

__all__ = ["SparseAdam"]


class SparseAdam(Optimizer):
    """Adam that moves the rows a sparse gradient names, and keeps the moments of all others as they are.

    For the rows in use m = β₁·m + (1-β₁)·g;  v = β₂·v + (1-β₂)·g²;  p -= lr · √(1-β₂ᵗ) / (1-β₁ᵗ) · m / (√v + eps).
    A step costs what these rows cost. Unlike Adam, rows that have no gradient do not move, and their moments do not
    decay.

    Raises:
        ValueError: an option that is not positive, or a beta outside [0, 1), or a sparse parameter.
        RuntimeError: in a step, a dense gradient.

    Source: Kingma and Ba, Adam: A method for stochastic optimization, 2015.

    Example:
        >>> embedding = lampas.nn.Embedding(100_000, 64, sparse=True)
        >>> optimizer = lampas.optim.SparseAdam(embedding.parameters(), lr=0.01)
    """

    _scalar_state = ()  # its step is counted by a Python number

    def __init__(
        self,
        params: ParamsT,
        lr: float | lampas.Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        if isinstance(lr, lampas.Tensor) and lr.numel() != 1:
            raise ValueError(f"Tensor lr must be 1-element, but it has shape {tuple(lr.shape)}")
        if not lr > 0:
            raise ValueError(f"Invalid learning rate: {lr} (expected lr > 0)")
        if not eps > 0:
            raise ValueError(f"Invalid epsilon value: {eps} (expected eps > 0)")
        for i in range(2):
            if not 0.0 <= betas[i] < 1.0:
                raise ValueError(f"Invalid beta parameter at index {i}: {betas[i]} (expected 0 <= beta < 1)")
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})
        sparse = [
            [i, j]
            for i, group in enumerate(self.param_groups)
            for j, p in enumerate(group["params"])
            if p.layout != lampas.strided
        ]
        if sparse:
            raise ValueError(
                f"Sparse params at indices {sparse} (of the group, within it): SparseAdam requires dense parameter "
                "tensors, their gradients are sparse"
            )

    def _begin_state(self, group: dict[str, Any], p: lampas.Tensor, grad: lampas.Tensor, state: dict[str, Any]) -> None:
        raise RuntimeError(
            "SparseAdam does not support dense gradients: take Adam for this parameter, or an Embedding with "
            "sparse=True"
        )

    def _sparse_update(self, group: dict[str, Any], p: lampas.Tensor, grad: lampas.Tensor) -> None:
        from lampas._sparse.rows import Rows

        state = self.state[p]
        if not state:
            state["step"] = 0
            state["exp_avg"] = lampas.zeros_like(p, memory_format=lampas.preserve_format, requires_grad=False)
            state["exp_avg_sq"] = lampas.zeros_like(p, memory_format=lampas.preserve_format, requires_grad=False)
        state["step"] += 1
        rows = Rows(grad)
        if rows.values.numel() == 0:
            return
        beta1, beta2 = group["betas"]
        old_mean, old_square = rows.of(state["exp_avg"]), rows.of(state["exp_avg_sq"])
        mean = old_mean + (rows.values - old_mean) * (1 - beta1)
        square = old_square + (rows.values * rows.values - old_square) * (1 - beta2)
        rows.put(state["exp_avg"], mean)
        rows.put(state["exp_avg_sq"], square)
        step = state["step"]
        rate = _to_scalar(group["lr"]) * ((1 - beta2**step) ** 0.5 / (1 - beta1**step))
        rows.subtract(p, rate * mean / (square.sqrt() + group["eps"]))

    def _update(self, group: dict[str, Any], p: lampas.Tensor, grad: lampas.Tensor, state: dict[str, Any]) -> None:
        self._begin_state(group, p, grad, state)
