"""Scaling of the loss, so that small float16 gradients do not become zero."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from enum import Enum
from typing import Any

import lampas

__all__ = ["GradScaler", "OptState"]


class OptState(Enum):
    """Where an optimizer stands between two calls of `update`."""

    READY = 0
    UNSCALED = 1
    STEPPED = 2


def _fresh() -> dict[str, Any]:
    return {"stage": OptState.READY, "found_inf": None}


class GradScaler:
    """Multiplies the loss before `backward`, and the gradients by the inverse before the optimizer's step.

    A step whose gradients hold an infinity or NaN is left out, and the scale is multiplied by `backoff_factor`; after
    `growth_interval` steps in a row without one it is multiplied by `growth_factor`.

    Args:
        device: the device type of the model. "cuda" is disabled, with a warning, where there is no such device.
        init_scale: the first scale.
        growth_factor: at least 1.
        backoff_factor: between 0 and 1.
        growth_interval: steps between two growths.
        enabled: False makes every method pass through.

    >>> scaler = lampas.amp.GradScaler("cpu")
    >>> scaler.scale(loss).backward(); scaler.step(optimizer); scaler.update()  # doctest: +SKIP

    Source: Micikevicius et al., Mixed Precision Training, ICLR 2018.
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        self._device = device
        self._enabled = enabled
        if enabled and device == "cuda" and not lampas.cuda.is_available():
            import warnings

            warnings.warn("torch.cuda.amp.GradScaler is enabled, but CUDA is not available.  Disabling.", stacklevel=2)
            self._enabled = False
        if self._enabled:
            if growth_factor <= 1.0:
                raise AssertionError(f"The growth factor must be > 1.0, got {growth_factor}.")
            if backoff_factor >= 1.0:
                raise AssertionError(f"The backoff factor must be < 1.0, got {backoff_factor}.")
        self._init_scale = init_scale
        self._scale: lampas.Tensor | None = None  # made at the first call of scale()
        self._growth_factor = growth_factor
        self._backoff_factor = backoff_factor
        self._growth_interval = growth_interval
        self._growth_tracker = 0
        self._per_optimizer_states: defaultdict[int, dict[str, Any]] = defaultdict(_fresh)

    def _current_scale(self, caller: str) -> lampas.Tensor:
        if self._scale is None:
            raise AssertionError(
                f"Attempted {caller} but _scale is None.  This may indicate your script did not use "
                "scaler.scale(loss or outputs) earlier in the iteration."
            )
        return self._scale

    def scale(self, outputs: lampas.Tensor | Iterable[Any]) -> Any:
        """A tensor, or every tensor of nested lists and tuples, times the scale."""
        if not self._enabled:
            return outputs
        if self._scale is None:
            self._scale = lampas.full((), self._init_scale, dtype=lampas.float32)
        if isinstance(outputs, lampas.Tensor):
            return outputs * self._scale
        if isinstance(outputs, Iterable):
            scaled = [self.scale(o) for o in outputs]
            return scaled if not isinstance(outputs, tuple) else tuple(scaled)
        raise ValueError(f"outputs must be a Tensor or an iterable of Tensors, not {type(outputs).__name__}")

    def unscale_(self, optimizer: lampas.optim.Optimizer) -> None:
        """Divides the gradients of the optimizer's parameters by the scale, for example before clipping them.

        Raises:
            RuntimeError: called twice, or after `step`, since the last `update`.
            ValueError: a gradient is float16 (the parameters must be float32).
        """
        if not self._enabled:
            return
        scale = self._current_scale("unscale_")
        state = self._per_optimizer_states[id(optimizer)]
        if state["stage"] is OptState.UNSCALED:
            raise RuntimeError("unscale_() has already been called on this optimizer since the last update().")
        if state["stage"] is OptState.STEPPED:
            raise RuntimeError("unscale_() is being called after step().")
        inverse = 1.0 / scale.item()
        finite = True
        with lampas.no_grad():
            for group in optimizer.param_groups:
                for p in group["params"]:
                    if p.grad is None:
                        continue
                    if p.grad.dtype == lampas.float16:
                        raise ValueError("Attempting to unscale FP16 gradients.")
                    grad = p.grad._values() if p.grad.is_sparse else p.grad
                    finite = finite and bool(lampas.isfinite(grad.sum()) or lampas.isfinite(grad).all())
                    grad.mul_(inverse)
        state["found_inf"] = not finite
        state["stage"] = OptState.UNSCALED

    def step(self, optimizer: lampas.optim.Optimizer, *args: Any, **kwargs: Any) -> float | None:
        """Unscales if that is not done yet, then runs `optimizer.step`, unless a gradient is infinite or NaN.

        Gives what `optimizer.step` returned, or None.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        self._current_scale("step")
        state = self._per_optimizer_states[id(optimizer)]
        if state["stage"] is OptState.STEPPED:
            raise RuntimeError("step() has already been called since the last update().")
        if state["stage"] is OptState.READY:
            self.unscale_(optimizer)
        result = None if state["found_inf"] else optimizer.step(*args, **kwargs)
        state["stage"] = OptState.STEPPED
        return result

    def update(self, new_scale: float | lampas.Tensor | None = None) -> None:
        """Adapts the scale to what the steps since the last call found, or sets it to `new_scale`."""
        if not self._enabled:
            return
        scale = self._current_scale("update")
        if new_scale is not None:
            if isinstance(new_scale, lampas.Tensor) and (new_scale.numel() != 1 or new_scale.requires_grad):
                raise AssertionError(
                    "new_scale should be a float or a 1-element float tensor with requires_grad=False."
                )
            scale.fill_(float(new_scale))
        else:
            found = [s["found_inf"] for s in self._per_optimizer_states.values() if s["found_inf"] is not None]
            if not found:
                raise AssertionError("No inf checks were recorded prior to update.")
            if any(found):
                scale.mul_(self._backoff_factor)
                self._growth_tracker = 0
            else:
                self._growth_tracker += 1
                if self._growth_tracker == self._growth_interval:
                    grown = scale * self._growth_factor
                    if lampas.isfinite(grown):
                        scale.copy_(grown)
                    self._growth_tracker = 0
        self._per_optimizer_states = defaultdict(_fresh)

    def get_scale(self) -> float:
        """The scale; 1.0 where disabled."""
        if not self._enabled:
            return 1.0
        return self._init_scale if self._scale is None else self._scale.item()

    def get_growth_factor(self) -> float:
        """What the scale is multiplied by when it grows."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Sets what the scale is multiplied by when it grows."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """What the scale is multiplied by after an infinite or NaN gradient."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Sets what the scale is multiplied by after an infinite or NaN gradient."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """Steps between two growths."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Sets the steps between two growths."""
        self._growth_interval = new_interval

    def is_enabled(self) -> bool:
        """Whether it does anything."""
        return self._enabled

    def state_dict(self) -> dict[str, Any]:
        """What is to be saved with a checkpoint; empty where disabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._growth_tracker,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict` gave.

        Raises:
            RuntimeError: the dict is empty, as it is from a disabled scaler.
        """
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled instance of GradScaler."
            )
        self._init_scale = state_dict["scale"]
        if self._scale is not None:
            self._scale.fill_(state_dict["scale"])
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._growth_tracker = state_dict["_growth_tracker"]

    def __getstate__(self) -> dict[str, Any]:
        if self._per_optimizer_states:
            raise AssertionError(
                "A GradScaler instance may only be pickled at the beginning of an iteration, or at the end after "
                "scaler.update()."
            )
        return {**self.__dict__, "_init_scale": self.get_scale(), "_scale": None}
