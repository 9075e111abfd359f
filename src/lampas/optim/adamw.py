"""Adam with weight decay apart from the gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lampas
from lampas.optim.adam import Adam

if TYPE_CHECKING:
    from lampas.optim.optimizer import ParamsT

__all__ = ["AdamW"]


class AdamW(Adam):
    """Adam whose weight decay shrinks the parameter by lr · weight_decay instead of entering the gradient.

    Source: Loshchilov and Hutter, Decoupled weight decay regularization, 2017.

    Example:
        >>> optimizer = lampas.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
        >>> optimizer.step()
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | lampas.Tensor = 1e-3,
        betas: tuple[float | lampas.Tensor, float | lampas.Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        # Checkpoints from before Adam had the option do not say that AdamW decouples.
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True
