"""Schedules made of schedules."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from lampas.optim.lr_scheduler.plateau import ReduceLROnPlateau
from lampas.optim.lr_scheduler.scheduler import LRScheduler, _group_values, _set_group_value
from lampas.optim.optimizer import Optimizer

__all__ = ["ChainedScheduler", "SequentialLR"]


class _Composed(LRScheduler):
    """What sequences and chains share: the checks, and a state that holds the parts' states."""

    _not_saved = ("optimizer", "_schedulers")

    def _take(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None) -> None:
        name = type(self).__name__
        if len(schedulers) < 1:
            raise ValueError(f"{name} expects at least one scheduler, but got none.")
        optimizer = optimizer or schedulers[0].optimizer
        for i, scheduler in enumerate(schedulers):
            kind = type(scheduler).__name__
            if not hasattr(scheduler, "optimizer"):
                raise TypeError(f"{name} needs schedulers with an `optimizer`; that at index {i} ({kind}) has none.")
            if isinstance(scheduler, ReduceLROnPlateau):
                raise ValueError(
                    f"{name} does not support `ReduceLROnPlateau` (at index {i}), whose step needs a metric; "
                    "step that scheduler on its own."
                )
            if optimizer is not scheduler.optimizer:
                raise ValueError(f"{name} expects schedulers of one optimizer; that at index {i} ({kind}) has another.")
        self._schedulers = schedulers
        self.optimizer = optimizer

    def state_dict(self) -> dict:
        """As of every scheduler, with the parts' states under ``"_schedulers"``."""
        return super().state_dict() | {"_schedulers": [scheduler.state_dict() for scheduler in self._schedulers]}

    def load_state_dict(self, state_dict: dict) -> None:
        """Takes over what `state_dict` returned."""
        super().load_state_dict({key: value for key, value in state_dict.items() if key != "_schedulers"})
        for scheduler, state in zip(self._schedulers, state_dict["_schedulers"], strict=True):
            scheduler.load_state_dict(state)


class SequentialLR(_Composed):
    """One scheduler after another: the next one takes over at each of the epochs in `milestones`.

    Raises:
        ValueError: no scheduler, schedulers of another optimizer, or not one milestone less than schedulers.

    Example:
        >>> warmup, main = LinearLR(optimizer, 0.1), CosineAnnealingLR(optimizer, 95)
        >>> scheduler = SequentialLR(optimizer, [warmup, main], milestones=[5])
    """

    def __init__(
        self, optimizer: Optimizer, schedulers: list[LRScheduler], milestones: list[int], last_epoch: int = -1
    ) -> None:
        self._take(schedulers, optimizer)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                f"SequentialLR expects one milestone less than schedulers, but got {len(schedulers)} schedulers and "
                f"{len(milestones)} milestones"
            )
        self._milestones = milestones
        self.last_epoch = last_epoch + 1
        # Each scheduler took its first step when it was made: take those back, and begin with the first one alone.
        for group in optimizer.param_groups:
            _set_group_value(group, "lr", group["initial_lr"])
        self.recursive_undo()
        first = self._schedulers[bisect_right(milestones, 0)]
        first._initial_step()
        self._last_lr = first.get_last_lr()

    def recursive_undo(self, sched: LRScheduler | None = None) -> None:
        """Takes back the first step of every scheduler in the sequence, or in `sched`."""
        scheduler = self if sched is None else sched
        if hasattr(scheduler, "_schedulers"):
            for part in scheduler._schedulers:
                self.recursive_undo(part)
        elif hasattr(scheduler, "last_epoch"):
            scheduler.last_epoch -= 1

    def step(self) -> None:
        """Steps the scheduler whose turn it is."""
        self.last_epoch += 1
        i = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[i]
        if i > 0 and self._milestones[i - 1] == self.last_epoch:
            scheduler._update_lr(0)
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()


class ChainedScheduler(_Composed):
    """Several schedulers at once: each changes the rate the one before it set.

    Raises:
        ValueError: no scheduler, or schedulers of different optimizers.

    Example:
        >>> scheduler = ChainedScheduler([ConstantLR(optimizer, 0.1), ExponentialLR(optimizer, 0.9)])
        >>> scheduler.step()
    """

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        self._take(schedulers, optimizer)
        self._last_lr = _group_values(self.optimizer, "lr")

    def step(self) -> None:
        """Steps all schedulers, in order."""
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = _group_values(self.optimizer, "lr")
