"""The base of all learning-rate schedules."""

from __future__ import annotations

import functools
import warnings
import weakref

import lampas
from lampas.optim.optimizer import Optimizer, _to_scalar

__all__ = ["LRScheduler"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _check_optimizer(optimizer: object) -> None:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(
            f"{type(optimizer).__name__} is not an Optimizer; a scheduler changes the rates of an optimizer"
        )


def _per_group(name: str, optimizer: Optimizer, value: Any) -> list:
    """One value for each parameter group, from one for all or a list."""
    groups = len(optimizer.param_groups)
    if isinstance(value, (list, tuple)):
        if len(value) != groups:
            raise ValueError(
                f"{name} has {len(value)} values, but the optimizer has {groups} param_groups; give one each"
            )
        values = value
    else:
        values = [value] * groups
    return [v.clone() if isinstance(v, lampas.Tensor) else v for v in values]


def _group_values(optimizer: Optimizer, key: str) -> list:
    return _per_group(key, optimizer, [group[key] for group in optimizer.param_groups])


def _set_group_value(group: dict[str, Any], key: str, value: float | lampas.Tensor) -> None:
    if isinstance(group[key], lampas.Tensor):
        group[key].fill_(float(_to_scalar(value)))
    else:
        group[key] = value


def _track_steps(optimizer: Optimizer) -> None:
    """Wraps `optimizer.step` so that it notes having been called; the scheduler checks the order of calls by it."""
    if hasattr(optimizer.step, "_wrapped_by_lr_sched"):
        return
    function, owner = optimizer.step.__func__, weakref.ref(optimizer)

    @functools.wraps(function)
    def step(*args, **kwargs):
        optimizer = owner()
        optimizer._opt_called = True
        return function(optimizer, *args, **kwargs)

    step._wrapped_by_lr_sched = True
    optimizer.step = step  # type: ignore[method-assign]


class LRScheduler:
    """Sets the learning rate of every parameter group, once at construction and then at each `step`.

    A subclass defines `get_lr`, which returns the next rates from the current ones or from `self.last_epoch` and
    `self.base_lrs`, and may define `_get_closed_form_lr` for jumps to an epoch.

    Args:
        optimizer: whose ``param_groups`` are changed.
        last_epoch: the epoch to resume from; -1 starts anew and keeps the rates as ``initial_lr``.

    Raises:
        TypeError: `optimizer` is none.
        KeyError: resuming, and a group has no ``initial_lr``.
    """

    _get_lr_called_within_step = False
    _is_initial = False
    # Attributes that are not part of the state.
    _not_saved: tuple[str, ...] = ("optimizer",)

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        _check_optimizer(optimizer)
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                lr = group["lr"]
                group.setdefault("initial_lr", lr.clone() if isinstance(lr, lampas.Tensor) else lr)
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{i}] when resuming a scheduler with "
                    f"last_epoch={last_epoch}; load the optimizer's state first, or start with last_epoch=-1"
                )
        self.base_lrs = _group_values(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        _track_steps(optimizer)
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer, as a dictionary."""
        return {key: value for key, value in self.__dict__.items() if key not in self._not_saved}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict` returned."""
        self.__dict__.update(state_dict)

    def get_last_lr(self) -> list:
        """The rates this scheduler set last, one for each group."""
        return self._last_lr

    def get_lr(self) -> list:
        """Computes the next rates; subclasses define it, `step` calls it."""
        raise NotImplementedError(f"{type(self).__name__} does not define get_lr()")

    def _warn_outside_step(self) -> None:
        if not self._get_lr_called_within_step:
            warnings.warn("get_lr() belongs to step(); for the current rates call `get_last_lr()`.", UserWarning, 3)

    def step(self, epoch: int | None = None) -> None:
        """Sets the next rates; call it after `optimizer.step()`. Giving an epoch is deprecated."""
        if self._step_count == 1:
            if not hasattr(self.optimizer.step, "_wrapped_by_lr_sched"):
                warnings.warn(
                    "`optimizer.step` was replaced after the scheduler was made, so the order of calls cannot be "
                    "checked; call `optimizer.step()` before `lr_scheduler.step()`.",
                    UserWarning,
                    2,
                )
            elif not getattr(self.optimizer, "_opt_called", False):
                warnings.warn(
                    "`lr_scheduler.step()` was called before `optimizer.step()`, which skips the first learning rate "
                    "of the schedule; call them in the opposite order.",
                    UserWarning,
                    2,
                )
        self._step_count += 1
        if epoch is not None:
            self._warn_epoch()
        self._update_lr(epoch)

    def _warn_epoch(self) -> None:
        warnings.warn(
            "the epoch argument of `scheduler.step()` is deprecated; call `scheduler.step()`.", UserWarning, 3
        )

    def _update_lr(self, epoch: int | None = None) -> None:
        self._get_lr_called_within_step = True
        try:
            if epoch is None:
                self.last_epoch += 1
                rates = self.get_lr()
            else:
                self.last_epoch = epoch
                closed_form = getattr(self, "_get_closed_form_lr", None)
                rates = closed_form() if closed_form is not None else self.get_lr()
        finally:
            self._get_lr_called_within_step = False
        self._set_rates(rates)

    def _set_rates(self, rates: list) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            _set_group_value(group, "lr", rate)
        self._last_lr = _group_values(self.optimizer, "lr")

    def _current(self, factor: float | None = None) -> list:
        """The groups' rates as they are, or all times a factor."""
        if factor is None:
            return _group_values(self.optimizer, "lr")
        return [group["lr"] * factor for group in self.optimizer.param_groups]


def _function_state(function):
    """What of a user's function a state_dict can hold: the attributes of a callable object, nothing of a function."""
    import types

    return None if function is None or isinstance(function, types.FunctionType) else function.__dict__.copy()
