"""A module on several GPUs of one process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..modules.module import Module

__all__ = ["DataParallel"]


class DataParallel(Module):
    """Calls ``module`` on parts of the batch, one on each GPU; without a GPU it calls it on the whole batch.

    Args:
        module: the module; its parameters appear under ``module.`` in ``state_dict``.
        device_ids, output_device, dim: which GPUs, where the output goes, which dimension is the batch.

    Example::

        >>> nn.DataParallel(nn.Linear(2, 1))(lampas.zeros(3, 2)).shape
        torch.Size([3, 1])
    """

    def __init__(
        self,
        module: Module,
        device_ids: Sequence[Any] | None = None,
        output_device: Any = None,
        dim: int = 0,
    ) -> None:
        super().__init__()
        self.module = module
        self.device_ids: list[Any] = []
        self.dim = dim

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)
