"""Cyclic schedules, which move the momentum against the rate."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from lampas.optim.lr_scheduler.scheduler import (
    LRScheduler,
    _check_optimizer,
    _function_state,
    _per_group,
    _set_group_value,
)
from lampas.optim.optimizer import Optimizer

__all__ = ["CyclicLR", "OneCycleLR"]


class _MomentumCycle(LRScheduler):
    """A schedule that can set the momentum too: ``momentum``, or the first of ``betas``."""

    def _begin_momentum(
        self, base: float | list[float], largest: float | list[float], last_epoch: int
    ) -> tuple[list, list]:
        defaults = self.optimizer.defaults
        if "momentum" not in defaults and "betas" not in defaults:
            raise ValueError(
                f"{type(self.optimizer).__name__} has neither momentum nor betas, so `cycle_momentum` has nothing to "
                "cycle; pass cycle_momentum=False"
            )
        self.use_beta1 = "betas" in defaults
        lows = _per_group("base_momentum", self.optimizer, base)
        highs = _per_group("max_momentum", self.optimizer, largest)
        if last_epoch == -1:
            for group, low, high in zip(self.optimizer.param_groups, lows, highs, strict=True):
                self._set_momentum(group, high)
                group["max_momentum"] = high
                group["base_momentum"] = low
        return lows, highs

    def _set_momentum(self, group: dict, momentum: float) -> None:
        if self.use_beta1:
            group["betas"] = (momentum, *group["betas"][1:])
        else:
            group["momentum"] = momentum


class CyclicLR(_MomentumCycle):
    """The rate goes up and down between `base_lr` and `max_lr`, and the momentum down and up.

    Args:
        optimizer: whose rates are changed.
        base_lr, max_lr: lower and upper bound, one for all groups or one for each.
        step_size_up, step_size_down: steps of the rising half, and of the falling one (by default as many).
        mode: ``"triangular"``; ``"triangular2"`` halves the height every cycle; ``"exp_range"`` scales it by
            ``gamma ** step``.
        gamma: see `mode`.
        scale_fn: scales the height in place of `mode`.
        scale_mode: what `scale_fn` is given: the number of the ``"cycle"``, or of ``"iterations"``.
        cycle_momentum, base_momentum, max_momentum: whether the momentum moves, and within which bounds.
        last_epoch: the step to resume from.

    Raises:
        ValueError: an unknown mode, or an optimizer without momentum and betas.

    Source: Smith, Cyclical learning rates for training neural networks, 2015.

    Example:
        >>> scheduler = CyclicLR(optimizer, base_lr=0.01, max_lr=0.1)
        >>> scheduler.step()  # after each batch
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float = 0.8,
        max_momentum: float = 0.9,
        last_epoch: int = -1,
    ) -> None:
        _check_optimizer(optimizer)
        self.optimizer = optimizer
        base_lrs = _per_group("base_lr", optimizer, base_lr)
        if last_epoch == -1:
            for group, lr in zip(optimizer.param_groups, base_lrs, strict=True):
                _set_group_value(group, "lr", lr)
        self.max_lrs = _per_group("max_lr", optimizer, max_lr)
        up = float(step_size_up)
        self.total_size = up + (up if step_size_down is None else float(step_size_down))
        self.step_ratio = up / self.total_size
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ValueError(
                f"mode is invalid and scale_fn is None: got mode={mode!r}, expected 'triangular', 'triangular2' or "
                "'exp_range'"
            )
        self.mode = mode
        self.gamma = gamma
        self._scale_fn_custom = scale_fn
        self.scale_mode = scale_mode
        if scale_fn is None:
            self.scale_mode = "iterations" if mode == "exp_range" else "cycle"
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            bounds = self._begin_momentum(base_momentum, max_momentum, last_epoch)
            self.base_momentums, self.max_momentums = bounds
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x: float) -> float:
        """The height of cycle, or iteration, `x`."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        if self.mode == "triangular2":
            return 1 / 2.0 ** (x - 1)
        return self.gamma**x if self.mode == "exp_range" else 1.0

    def get_lr(self) -> list:
        self._warn_outside_step()
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        height = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        scale = self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            bounds = zip(self.optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True)
            for group, low, high in bounds:
                self._set_momentum(group, high - (high - low) * height * scale)
        return [low + (high - low) * height * scale for low, high in zip(self.base_lrs, self.max_lrs, strict=True)]

    def state_dict(self) -> dict:
        """As of every scheduler; of `scale_fn` only the attributes of a callable object are kept."""
        return super().state_dict() | {"_scale_fn_custom": _function_state(self._scale_fn_custom)}

    def load_state_dict(self, state_dict: dict) -> None:
        """Takes over what `state_dict` returned."""
        super().load_state_dict({key: value for key, value in state_dict.items() if key != "_scale_fn_custom"})
        if state_dict["_scale_fn_custom"] is not None:
            self._scale_fn_custom.__dict__.update(state_dict["_scale_fn_custom"])


def _positive_integer(name: str, value: object) -> int:
    if not isinstance(value, int) or value <= 0:
        raise ValueError(f"Expected positive integer {name}, but got {value}")
    return value


class OneCycleLR(_MomentumCycle):
    """One cycle over the whole training: up to `max_lr`, then down far below where it began.

    Args:
        optimizer: whose rates are changed.
        max_lr: the highest rate, one for all groups or one for each.
        total_steps: number of steps; or give `epochs` and `steps_per_epoch`.
        pct_start: the part of the steps in which the rate rises.
        anneal_strategy: ``"cos"`` or ``"linear"``.
        cycle_momentum, base_momentum, max_momentum: whether the momentum moves, and within which bounds.
        div_factor: the first rate is ``max_lr / div_factor``.
        final_div_factor: the last rate is the first one over this.
        three_phase: first down to the first rate in as many steps as it rose, then to the last.
        last_epoch: the step to resume from.

    Raises:
        ValueError: no number of steps, an option outside its range, an optimizer without momentum and betas, or more
            steps than there are.

    Source: Smith and Topin, Super-convergence, 2017.

    Example:
        >>> scheduler = OneCycleLR(optimizer, max_lr=0.1, steps_per_epoch=len(loader), epochs=10)
        >>> scheduler.step()  # after each batch
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        _check_optimizer(optimizer)
        self.optimizer = optimizer
        if total_steps is not None:
            self.total_steps = _positive_integer("total_steps", total_steps)
        elif epochs is not None and steps_per_epoch is not None:
            self.total_steps = _positive_integer("epochs", epochs) * _positive_integer(
                "steps_per_epoch", steps_per_epoch
            )
        else:
            raise ValueError("You must define either total_steps OR (epochs AND steps_per_epoch)")
        if not isinstance(pct_start, float) or not 0 <= pct_start <= 1:
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be 'cos' or 'linear', but got {anneal_strategy}")
        self._anneal_func_type = anneal_strategy
        rise, end = float(pct_start * self.total_steps) - 1, self.total_steps - 1
        phases = [(rise, "initial_lr", "max_lr", "max_momentum", "base_momentum")]
        if three_phase:
            fall = float(2 * pct_start * self.total_steps) - 2
            phases.append((fall, "max_lr", "initial_lr", "base_momentum", "max_momentum"))
            phases.append((end, "initial_lr", "min_lr", "max_momentum", "max_momentum"))
        else:
            phases.append((end, "max_lr", "min_lr", "base_momentum", "max_momentum"))
        keys = ("end_step", "start_lr", "end_lr", "start_momentum", "end_momentum")
        self._schedule_phases: list[dict[str, Any]] = [dict(zip(keys, phase, strict=True)) for phase in phases]
        max_lrs = _per_group("max_lr", optimizer, max_lr)
        if last_epoch == -1:
            for group, lr in zip(optimizer.param_groups, max_lrs, strict=True):
                group["initial_lr"] = lr / div_factor
                group["max_lr"] = lr
                group["min_lr"] = group["initial_lr"] / final_div_factor
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self._begin_momentum(base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)

    def _anneal(self, start: float, end: float, progress: float) -> float:
        if self._anneal_func_type == "cos":
            return end + (start - end) / 2.0 * (math.cos(math.pi * progress) + 1)
        return (end - start) * progress + start

    def get_lr(self) -> list:
        self._warn_outside_step()
        step = self.last_epoch
        if step > self.total_steps:
            raise ValueError(
                f"Tried to step {step} times, but the schedule has {self.total_steps} steps; "
                "make it with the number of batches in the whole training"
            )
        start = 0.0
        for phase in self._schedule_phases[:-1]:
            if step <= phase["end_step"]:
                break
            start = phase["end_step"]
        else:
            phase = self._schedule_phases[-1]
        progress = (step - start) / (phase["end_step"] - start)
        rates = []
        for group in self.optimizer.param_groups:
            rates.append(self._anneal(group[phase["start_lr"]], group[phase["end_lr"]], progress))
            if self.cycle_momentum:
                low, high = group[phase["start_momentum"]], group[phase["end_momentum"]]
                self._set_momentum(group, self._anneal(low, high, progress))
        return rates
