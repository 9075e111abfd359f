"""Averages of a model's parameters over the training."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

import lampas
from lampas.nn import Module
from lampas.optim.lr_scheduler.scheduler import LRScheduler, _per_group
from lampas.optim.optimizer import Optimizer

__all__ = [
    "AveragedModel",
    "SWALR",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]


def get_ema_avg_fn(decay: float = 0.999) -> Callable:
    """The average in which the past weighs `decay` and the newest parameter the rest, for one tensor.

    Raises:
        ValueError: `decay` outside [0, 1].
    """
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")

    def ema_update(ema_param, current_param, num_averaged):
        with lampas.no_grad():
            return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_avg_fn() -> Callable:
    """The mean of all parameters so far, for one tensor."""

    def swa_update(averaged_param, current_param, num_averaged):
        with lampas.no_grad():
            return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


def _for_lists(average: Callable) -> Callable:
    def update(averaged: list, current: list, num_averaged: lampas.Tensor | int) -> None:
        with lampas.no_grad():
            for old, new in zip(averaged, current, strict=True):
                old.copy_(average(old, new, num_averaged))

    return update


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable:
    """`get_ema_avg_fn` for lists of tensors, which are changed in place."""
    return _for_lists(get_ema_avg_fn(decay))


def get_swa_multi_avg_fn() -> Callable:
    """`get_swa_avg_fn` for lists of tensors, which are changed in place."""
    return _for_lists(get_swa_avg_fn())


class AveragedModel(Module):
    """A copy of a model whose parameters are an average of the model's over the training.

    Args:
        model: what is copied.
        device: where the copy goes.
        avg_fn: ``f(averaged, current, n)`` gives a new average of one tensor; the mean of all if None.
        multi_avg_fn: the same for lists of tensors, in place.
        use_buffers: whether buffers are averaged too; otherwise they are copied.

    Raises:
        AssertionError: both functions are given.

    Source: Izmailov et al., Averaging weights leads to wider optima and better generalization, 2018.

    Example:
        >>> averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.99))
        >>> averaged.update_parameters(model)  # after each step of the optimizer
    """

    def __init__(
        self,
        model: Module,
        device: lampas.device | str | int | None = None,
        avg_fn: Callable | None = None,
        multi_avg_fn: Callable | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", lampas.tensor(0, dtype=lampas.int64, device=device))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Takes the parameters of `model` into the average."""

        def tensors(m: Module) -> list:
            return [t.detach() for t in itertools.chain(m.parameters(), m.buffers() if self.use_buffers else ())]

        averaged = tensors(self.module)
        current = [new.to(old.device) for old, new in zip(averaged, tensors(model), strict=True)]
        if self.n_averaged.item() == 0:
            for old, new in zip(averaged, current, strict=True):
                old.copy_(new)
        else:
            update = self.multi_avg_fn or _for_lists(self.avg_fn or get_swa_avg_fn())
            update(averaged, current, self.n_averaged)
        if not self.use_buffers:
            for old, new in zip(self.module.buffers(), model.buffers(), strict=True):
                old.detach().copy_(new.detach().to(old.device))
        self.n_averaged += 1


def update_bn(loader: Iterable, model: Module, device: lampas.device | str | int | None = None) -> None:
    """Computes the running statistics of a model's batch normalisations anew, in one pass over `loader`.

    Args:
        loader: batches, or lists and tuples whose first entry is the batch.
        model: what the batches are given to.
        device: where they are moved first.
    """
    from lampas.nn.modules.batchnorm import _BatchNorm

    momenta = {module: module.momentum for module in model.modules() if isinstance(module, _BatchNorm)}
    if not momenta:
        return
    was_training = model.training
    model.train()
    for module in momenta:
        module.reset_running_stats()
        # The mean over all batches.
        module.momentum = None
    with lampas.no_grad():
        for batch in loader:
            batch = batch[0] if isinstance(batch, (list, tuple)) else batch
            model(batch if device is None else batch.to(device))
    for module, momentum in momenta.items():
        module.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """Anneals the rate to `swa_lr` in `anneal_epochs` epochs and keeps it there.

    Raises:
        ValueError: an unknown strategy or a negative number of epochs.

    Example:
        >>> scheduler = SWALR(optimizer, swa_lr=0.05, anneal_epochs=5)
        >>> scheduler.step()
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float,
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        for lr, group in zip(_per_group("swa_lr", optimizer, swa_lr), optimizer.param_groups, strict=True):
            group["swa_lr"] = lr
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be 'cos' or 'linear', but got {anneal_strategy}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _part(self, step: int) -> float:
        """How far the rate has come after `step` steps, from 0 to 1."""
        t = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return (1 - math.cos(math.pi * t)) / 2 if self._anneal_strategy == "cos" else t

    def get_lr(self) -> list:
        self._warn_outside_step()
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._part(step - 1), self._part(step)
        rates = []
        for group in self.optimizer.param_groups:
            target = group["swa_lr"]
            start = target if before == 1 else (group["lr"] - before * target) / (1 - before)
            rates.append(target * now + start * (1 - now))
        return rates
