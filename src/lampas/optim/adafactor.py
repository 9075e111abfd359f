"""Adafactor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lampas
from lampas.optim.optimizer import Optimizer, _scalar, _to_scalar

if TYPE_CHECKING:
    from lampas.optim.optimizer import ParamsT

__all__ = ["Adafactor"]


class Adafactor(Optimizer):
    """Adafactor: Adam's division by the root of mean squares, with memory for a row and a column instead of a matrix.

    With ρ = min(lr, 1/√t), β = 1 - t^beta2_decay and α = max(eps₂, rms(p))·ρ: the mean square v̂ of the gradient is
    the product of the running means over rows and over columns of g² (last two dimensions), divided by their mean,
    or for vectors the running mean of g² itself; u = g / √max(v̂, eps₁²);  p -= α · u / max(1, rms(u)/d).
    Weight decay shrinks the parameter by lr · weight_decay first.

    Args:
        params, lr, weight_decay, maximize: as everywhere; `lr` bounds the relative step.
        beta2_decay: the exponent of t, not positive.
        eps: (eps₁, eps₂); None for eps₁ is the parameter's machine epsilon.
        d: the largest root mean square a step may have before `lr`, at least 1.
        foreach: changes nothing here.

    Raises:
        ValueError: an option out of its range.
        RuntimeError: a complex parameter, when its first gradient comes.

    Source: Shazeer and Stern, Adafactor: adaptive learning rates with sublinear memory cost, 2018.

    Example:
        >>> optimizer = lampas.optim.Adafactor(model.parameters(), lr=0.01)
        >>> optimizer.step()
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | lampas.Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        if isinstance(lr, lampas.Tensor) and lr.numel() != 1:
            raise ValueError(f"Tensor lr must be 1-element, but it has shape {tuple(lr.shape)}")
        if not lr >= 0.0:
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not beta2_decay <= 0.0:
            raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        if eps[0] is not None and not eps[0] >= 0.0:
            raise ValueError(f"epsilon1 should be >= 0 but is: {eps[0]}")
        if not eps[1] >= 0.0:
            raise ValueError(f"epsilon2 should be >= 0 but is: {eps[1]}")
        if not d >= 1.0:
            raise ValueError(f"Clipping threshold d should be >= 1 but is: {d}")
        if not weight_decay >= 0.0:
            raise ValueError(f"weight_decay should be >= 0 but is: {weight_decay}")
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _init_state(self, group: dict[str, Any], p: lampas.Tensor, state: dict[str, Any]) -> None:
        if p.is_complex():
            raise RuntimeError("Adafactor does not support complex parameters; optimize view_as_real of them")
        state["step"] = _scalar(0)
        if p.dim() < 2:
            state["variance"] = lampas.zeros_like(p, requires_grad=False)
        else:
            state["row_var"] = p.new_zeros((*p.shape[:-1], 1))
            state["col_var"] = p.new_zeros((*p.shape[:-2], 1, p.shape[-1]))

    def _update(self, group: dict[str, Any], p: lampas.Tensor, grad: lampas.Tensor, state: dict[str, Any]) -> None:
        lr, (eps1, eps2) = float(_to_scalar(group["lr"])), group["eps"]
        state["step"] += 1
        if p.numel() == 0:
            return
        step = state["step"].item()
        if eps1 is None:
            eps1 = lampas.finfo(p.dtype).eps
        newest = step ** group["beta2_decay"]
        root = p.numel() ** 0.5
        alpha = max(eps2, p.norm().item() / root) * min(lr, step**-0.5)
        if group["weight_decay"] != 0:
            p.mul_(1 - lr * group["weight_decay"])
        if grad.dim() < 2:
            update = state["variance"].lerp_(grad * grad, newest).clamp(min=eps1 * eps1)
        else:
            rows, columns = state["row_var"], state["col_var"]
            for mean, dim in ((rows, -1), (columns, -2)):
                # A norm, squared again: no g² of the gradient's size is made.
                mean.lerp_(grad.norm(dim=dim, keepdim=True).square_().div_(grad.size(dim)), newest)
            update = (rows @ columns).div_(rows.mean(dim=-2, keepdim=True).clamp_(min=eps1)).clamp_(min=eps1 * eps1)
        update.rsqrt_().mul_(grad)
        p.add_(update, alpha=-alpha / max(1.0, update.norm().item() / (root * group["d"])))
