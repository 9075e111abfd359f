"""L-BFGS."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import lampas
from lampas.optim.optimizer import Optimizer, _check_hyperparameters, _to_scalar

if TYPE_CHECKING:
    from lampas.optim.optimizer import ParamsT

__all__ = ["LBFGS"]


def _cubic_minimum(x1, f1, g1, x2, f2, g2, bounds=None):
    """Where the cubic through two points with their slopes is smallest, within `bounds` (default: between the two).

    Source: Nocedal and Wright, Numerical optimization, formula 3.59.
    """
    low, high = bounds if bounds is not None else ((x1, x2) if x1 <= x2 else (x2, x1))
    d1 = g1 + g2 - 3 * (f1 - f2) / (x1 - x2)
    square = d1**2 - g1 * g2
    if square < 0:
        return (low + high) / 2.0
    d2 = square**0.5
    if x1 <= x2:
        best = x2 - (x2 - x1) * ((g2 + d2 - d1) / (g2 - g1 + 2 * d2))
    else:
        best = x1 - (x1 - x2) * ((g1 + d2 - d1) / (g1 - g2 + 2 * d2))
    return min(max(best, low), high)


class _Point:
    """A step length along the search direction: the loss there, its gradient, and the slope along the direction."""

    __slots__ = ("grad", "loss", "slope", "t")

    def __init__(self, t: float, loss: float, grad: lampas.Tensor, direction: lampas.Tensor) -> None:
        self.t, self.loss, self.grad = t, loss, grad
        self.slope = grad.dot(direction)


def _strong_wolfe(
    evaluate: Callable[[float], tuple[float, lampas.Tensor]],
    t: float,
    direction: lampas.Tensor,
    start: _Point,
    c1: float = 1e-4,
    c2: float = 0.9,
    tolerance_change: float = 1e-9,
    max_ls: int = 25,
) -> tuple[_Point, int]:
    """Line search to a point that satisfies the strong Wolfe conditions; returns it and the number of evaluations.

    Source: Nocedal and Wright, Numerical optimization, algorithms 3.5 and 3.6.
    """

    def visit(t: float) -> _Point:
        return _Point(t, *evaluate(t), direction)

    length = direction.abs().max()
    previous, new, evaluations, iteration = start, visit(t), 1, 0
    bracket = None
    while iteration < max_ls:
        if new.loss > start.loss + c1 * new.t * start.slope or (iteration > 1 and new.loss >= previous.loss):
            bracket = [previous, new]
            break
        if abs(new.slope) <= -c2 * start.slope:
            return new, evaluations
        if new.slope >= 0:
            bracket = [previous, new]
            break
        bounds = (new.t + 0.01 * (new.t - previous.t), new.t * 10)
        t = _cubic_minimum(previous.t, previous.loss, previous.slope, new.t, new.loss, new.slope, bounds)
        previous, new = new, visit(t)
        evaluations += 1
        iteration += 1
    if bracket is None:
        bracket = [start, new]

    stalled = False
    low, high = (0, 1) if bracket[0].loss <= bracket[1].loss else (1, 0)
    while iteration < max_ls:
        a, b = bracket
        if abs(b.t - a.t) * length < tolerance_change:
            break
        t = _cubic_minimum(a.t, a.loss, a.slope, b.t, b.loss, b.slope)
        left, right = min(a.t, b.t), max(a.t, b.t)
        # A minimum close to an end twice in a row makes too little progress: stay a tenth of the interval away.
        margin = 0.1 * (right - left)
        if min(right - t, t - left) < margin:
            if stalled or t >= right or t <= left:
                t = right - margin if abs(t - right) < abs(t - left) else left + margin
                stalled = False
            else:
                stalled = True
        else:
            stalled = False
        new = visit(t)
        evaluations += 1
        iteration += 1
        if new.loss > start.loss + c1 * new.t * start.slope or new.loss >= bracket[low].loss:
            bracket[high] = new
            low, high = (0, 1) if bracket[0].loss <= bracket[1].loss else (1, 0)
        else:
            done = abs(new.slope) <= -c2 * start.slope
            if not done and new.slope * (bracket[high].t - bracket[low].t) >= 0:
                bracket[high] = bracket[low]
            bracket[low] = new
            if done:
                break
    return bracket[low], evaluations


class LBFGS(Optimizer):
    """L-BFGS: a quasi-Newton method that keeps the last `history_size` differences of positions and gradients.

    `step` needs a closure that clears the gradients, computes the loss, runs backward and returns the loss; it is
    called up to `max_eval` times in one step. One parameter group only.

    Args:
        params: see `Optimizer`.
        lr: length of a step.
        max_iter: iterations in one step.
        max_eval: evaluations in one step; by default ``max_iter * 5 // 4``.
        tolerance_grad: stops when no element of the gradient is larger.
        tolerance_change: stops when neither position nor loss changes more.
        history_size: number of differences kept.
        line_search_fn: None or ``"strong_wolfe"``.

    Raises:
        ValueError: a negative lr, or more than one group.
        RuntimeError: another line search.

    Source: Liu and Nocedal, On the limited memory BFGS method for large scale optimization, 1989.

    Example:
        >>> optimizer = lampas.optim.LBFGS(model.parameters(), line_search_fn="strong_wolfe")
        >>> optimizer.step(closure)
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | lampas.Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        _check_hyperparameters(lr)
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError(
                f"LBFGS doesn't support per-parameter options, but got {len(self.param_groups)} parameter groups; "
                "give all parameters in one list"
            )
        self._params = self.param_groups[0]["params"]

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._params = self.param_groups[0]["params"]

    def _flat_grad(self):
        flat = []
        for p in self._params:
            grad = lampas.zeros_like(p) if p.grad is None else p.grad.to_dense()
            flat.append((lampas.view_as_real(grad) if grad.is_complex() else grad).reshape(-1))
        return lampas.cat(flat)

    def _move(self, t: float, direction: lampas.Tensor) -> None:
        offset = 0
        for p in self._params:
            p = lampas.view_as_real(p) if p.is_complex() else p
            p.add_(direction[offset : offset + p.numel()].view_as(p), alpha=float(t))
            offset += p.numel()

    def step(self, closure: Callable[[], Any]) -> Any:
        """Runs up to `max_iter` iterations and returns the loss the step began with.

        Args:
            closure: clears the gradients, computes the loss, runs backward, returns the loss.
        """
        with lampas.no_grad():
            return self._step(lampas.enable_grad()(closure))

    def _step(self, closure):
        group = self.param_groups[0]
        lr, max_iter, max_eval = _to_scalar(group["lr"]), group["max_iter"], group["max_eval"]
        tolerance_grad, tolerance_change = group["tolerance_grad"], group["tolerance_change"]
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise RuntimeError(f"only 'strong_wolfe' is supported as line_search_fn, got {group['line_search_fn']!r}")
        state = self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        original = closure()
        loss = float(original)
        evaluations = 1
        state["func_evals"] += 1
        grad = self._flat_grad()
        if grad.abs().max() <= tolerance_grad:
            return original
        direction, t, previous = state.get("d"), state.get("t"), state.get("prev_flat_grad")
        ys, steps, rho = state.get("old_dirs"), state.get("old_stps"), state.get("ro")
        scale, previous_loss = state.get("H_diag"), state.get("prev_loss")

        for n_iter in range(1, max_iter + 1):
            state["n_iter"] += 1
            if state["n_iter"] == 1:
                direction, ys, steps, rho, scale = grad.neg(), [], [], [], 1
            else:
                y, s = grad - previous, direction * t
                curvature = y.dot(s)
                if curvature > 1e-10:
                    if len(ys) == group["history_size"]:
                        for history in (ys, steps, rho):
                            history.pop(0)
                    ys.append(y)
                    steps.append(s)
                    rho.append(1.0 / curvature)
                    scale = curvature / y.dot(y)
                direction = self._two_loops(grad, ys, steps, rho, scale, state)
            if previous is None:
                previous = grad.clone()
            else:
                previous.copy_(grad)
            previous_loss = loss
            t = min(1.0, 1.0 / grad.abs().sum()) * lr if state["n_iter"] == 1 else lr
            slope = grad.dot(direction)
            if slope > -tolerance_change:
                break

            calls = 0
            converged = False
            if group["line_search_fn"] is not None:
                at = [p.clone() for p in self._params]
                start = _Point(0, loss, grad.clone(), direction)
                found, calls = _strong_wolfe(
                    lambda t: self._evaluate(closure, at, t, direction),  # noqa: B023
                    t,
                    direction,
                    start,
                    max_ls=max_eval - evaluations,
                )
                loss, grad, t = found.loss, found.grad, found.t
                self._move(t, direction)
                converged = grad.abs().max() <= tolerance_grad
            else:
                self._move(t, direction)
                if n_iter != max_iter:
                    loss = float(closure())
                    grad = self._flat_grad()
                    converged = grad.abs().max() <= tolerance_grad
                    calls = 1
            evaluations += calls
            state["func_evals"] += calls
            if n_iter == max_iter or evaluations >= max_eval or converged:
                break
            if (direction * t).abs().max() <= tolerance_change or abs(loss - previous_loss) < tolerance_change:
                break
        state.update(
            d=direction,
            t=t,
            old_dirs=ys,
            old_stps=steps,
            ro=rho,
            H_diag=scale,
            prev_flat_grad=previous,
            prev_loss=previous_loss,
        )
        return original

    def _two_loops(self, grad, ys, steps, rho, scale, state):
        """The direction -H·grad, H being the approximation of the inverse Hessian the history stands for."""
        al = state.setdefault("al", [None] * self.param_groups[0]["history_size"])
        q = grad.neg()
        for i in reversed(range(len(ys))):
            al[i] = steps[i].dot(q) * rho[i]
            q.sub_(ys[i] * al[i])
        r = q * scale
        for i in range(len(ys)):
            r.add_(steps[i] * (al[i] - ys[i].dot(r) * rho[i]))
        return r

    def _evaluate(self, closure, at, t, direction):
        self._move(t, direction)
        loss = float(closure())
        grad = self._flat_grad()
        for p, value in zip(self._params, at, strict=True):
            p.copy_(value)
        return loss, grad
