"""A module on several devices of one process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lampas
from lampas.nn.modules.module import Module
from lampas.nn.parallel.parallel_apply import parallel_apply
from lampas.nn.parallel.replicate import replicate
from lampas.nn.parallel.scatter_gather import gather, scatter_kwargs

__all__ = ["DataParallel", "data_parallel"]


class DataParallel(Module):
    """Calls ``module`` on parts of the batch, one on each GPU; without a GPU it calls it on the whole batch.

    Args:
        module: the module; its parameters appear under ``module.`` in ``state_dict``.
        device_ids, output_device, dim: which GPUs, where the output goes, which dimension is the batch; without a GPU
            they change nothing, and ``device_ids`` is empty.

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


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Sequence[Any] | None = None,
    output_device: Any = None,
    dim: int = 0,
    module_kwargs: dict[str, Any] | None = None,
) -> Any:
    """The module's output, computed from one part of the batch on each device.

    Args:
        module: the module.
        inputs: its input, or a tuple of inputs; tensors are cut along ``dim``.
        device_ids: the devices. Without a GPU, None and numbers mean the whole batch on the CPU.
        output_device: where the parts are put together; None is the first device.
        dim: the dimension of the batch.
        module_kwargs: keyword arguments, cut like the inputs.

    Example::

        >>> nn.parallel.data_parallel(nn.Linear(2, 1), lampas.zeros(4, 2), ["cpu", "cpu"]).shape
        torch.Size([4, 1])
    """
    inputs = inputs if isinstance(inputs, tuple) else () if inputs is None else (inputs,)
    devices = [lampas.device(d) for d in device_ids or () if not isinstance(d, int)]
    if len(devices) < 2:
        return module(*inputs, **(module_kwargs or {}))
    parts, keywords = scatter_kwargs(inputs, module_kwargs, devices, dim)
    used = devices[: len(parts)]
    outputs = parallel_apply(replicate(module, used), parts, keywords, used)
    return gather(outputs, devices[0] if output_device is None else output_device, dim)
