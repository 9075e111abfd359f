"""Gradients held against finite differences.

Every tensor is treated as real numbers, a complex one as twice as many. One Jacobian comes from central differences of
the function, the other from running backward once per real output.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import lampas

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]


class GradcheckError(RuntimeError):
    """A gradient does not agree with finite differences."""


def _tuple(value: Any) -> tuple:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def _differentiable(values: tuple) -> list[lampas.Tensor]:
    return [v for v in values if isinstance(v, lampas.Tensor) and v.requires_grad]


def _flat_real(t: lampas.Tensor) -> lampas.Tensor:
    """The real numbers of a tensor, in a row, as float64."""
    t = t.detach().resolve_conj() if t.is_complex() else t.detach()
    return (lampas.view_as_real(t) if t.is_complex() else t).reshape(-1).to(lampas.float64)


def _check_inputs(inputs: tuple) -> list[lampas.Tensor]:
    wanted = _differentiable(inputs)
    if not wanted:
        raise ValueError(
            "gradcheck needs at least one input that requires gradients, and none of these does; "
            "call requires_grad_() on those to check"
        )
    for i, t in enumerate(inputs):
        if not isinstance(t, lampas.Tensor) or not t.requires_grad:
            continue
        if t.dtype not in (lampas.float64, lampas.complex128):
            warnings.warn(
                f"Input #{i} is {t.dtype}: finite differences need the precision of float64 or complex128",
                stacklevel=3,
            )
        if any(n > 1 and s == 0 for n, s in zip(t.shape, t.stride(), strict=True)):
            raise RuntimeError(
                f"The {i}th input has a dimension with stride 0: its elements share memory and cannot be changed "
                "one by "
                "one. Give gradcheck a contiguous() copy."
            )
    return wanted


def _steps(t: lampas.Tensor) -> Iterator[tuple[tuple[int, ...], complex]]:
    for place in itertools.product(*(range(n) for n in t.shape)):
        yield place, 1.0
        if t.is_complex():
            yield place, 1j


def _numerical(func: Callable[[], list[lampas.Tensor]], t: lampas.Tensor, eps: float) -> list[lampas.Tensor]:
    """For each output: derivatives of its real numbers with respect to those of ``t``, (numbers of t, of output)."""
    rows: list[list[lampas.Tensor]] = []
    values = t.data  # its changes are not counted against graphs that hold t
    for place, unit in _steps(t):
        before = values[place].item()
        sides = []
        for sign in (1, -1):
            values[place] = before + sign * eps * unit
            sides.append([_flat_real(o) for o in func()])
        values[place] = before
        rows.append([(high - low) / (2 * eps) for high, low in zip(*sides, strict=True)])
    return [lampas.stack(column) for column in zip(*rows, strict=True)] if rows else []


def _analytical(
    output: lampas.Tensor, inputs: list[lampas.Tensor], check_dtypes: bool
) -> tuple[list[lampas.Tensor], float]:
    """The same derivatives of one output from backward, and by how much two passes differed."""
    columns: list[list[lampas.Tensor]] = [[] for _ in inputs]
    repeatable = 0.0
    for place, unit in _steps(output):
        start = lampas.zeros_like(output)
        start[place] = unit
        passes = [lampas.autograd.grad(output, inputs, start, retain_graph=True, allow_unused=True) for _ in range(2)]
        for k, t in enumerate(inputs):
            first, second = (p[k] for p in passes)
            if first is None:
                columns[k].append(lampas.zeros(t.numel() * (2 if t.is_complex() else 1), dtype=lampas.float64))
                continue
            if first.shape != t.shape:
                raise GradcheckError(
                    f"Analytical gradient has incorrect size: {tuple(first.shape)} for an input of {tuple(t.shape)}"
                )
            if check_dtypes and first.dtype != t.dtype:
                raise GradcheckError(f"Analytical gradient has dtype {first.dtype} for an input of {t.dtype}")
            if t.is_complex() and not first.is_complex():
                first, second = first.to(t.dtype), second.to(t.dtype)
            columns[k].append(_flat_real(first))
            if first.numel():
                repeatable = max(repeatable, float((_flat_real(first) - _flat_real(second)).abs().max()))
    jacobians = [
        lampas.stack(c, 1) if c else lampas.zeros(t.numel(), 0, dtype=lampas.float64)
        for c, t in zip(columns, inputs, strict=True)
    ]
    return jacobians, repeatable


def _close(a: lampas.Tensor, b: lampas.Tensor, rtol: float, atol: float) -> bool:
    return bool(((a - b).abs() <= atol + rtol * b.abs()).all()) if a.numel() else True


def _check_undefined(outputs: list[lampas.Tensor], inputs: list[lampas.Tensor]) -> None:
    """Backward must cope with outputs that get no gradient."""
    if len(outputs) < 2:
        return
    full = [lampas.ones_like(o) for o in outputs]
    for skip in range(len(outputs)):
        kept = [i for i in range(len(outputs)) if i != skip]
        zeroed = [lampas.zeros_like(g) if i == skip else g for i, g in enumerate(full)]
        expected = lampas.autograd.grad(outputs, inputs, zeroed, retain_graph=True, allow_unused=True)
        try:
            got = lampas.autograd.grad(
                [outputs[i] for i in kept], inputs, [full[i] for i in kept], retain_graph=True, allow_unused=True
            )
        except RuntimeError as error:
            raise GradcheckError(
                f"backward fails when output {skip} gets no gradient (None where materialize_grads is off): {error}"
            ) from error
        for e, g in zip(expected, got, strict=True):
            e, g = (None if x is None else _flat_real(x) for x in (e, g))
            if (e is None or not bool((e != 0).any())) and (g is None or not bool((g != 0).any())):
                continue
            if e is None or g is None or not _close(g, e, 1e-6, 1e-8):
                raise GradcheckError(
                    f"without a gradient for output {skip} backward gives other values than with zeros"
                )


def _compare(
    func: Callable,
    inputs: tuple,
    eps: float,
    atol: float,
    rtol: float,
    nondet_tol: float,
    check_undefined_grad: bool,
    check_grad_dtypes: bool,
    fast_mode: bool,
) -> None:
    wanted = _check_inputs(inputs)
    outputs = _differentiable(_tuple(func(*inputs)))
    if not outputs:

        def changed() -> list[lampas.Tensor]:
            found = _tuple(func(*inputs))
            return [o for o in found if isinstance(o, lampas.Tensor) and (o.is_floating_point() or o.is_complex())]

        for i, t in enumerate(wanted):
            with lampas.no_grad():
                for jacobian in _numerical(changed, t, eps):
                    if bool((jacobian.abs() > atol).any()):
                        raise GradcheckError(f"no output requires a gradient, but outputs depend on input {i}")
        return

    def evaluate() -> list[lampas.Tensor]:
        found = _tuple(func(*inputs))
        return _differentiable(found)

    # Outputs that require gradients have to be told apart, so the function runs with recording on.
    compare = _compare_projected if fast_mode else _compare_full
    compare(evaluate, outputs, wanted, eps, atol, rtol, nondet_tol, check_grad_dtypes)
    if check_undefined_grad:
        _check_undefined(outputs, wanted)


def _compare_full(
    evaluate: Callable,
    outputs: list,
    wanted: list,
    eps: float,
    atol: float,
    rtol: float,
    nondet_tol: float,
    dtypes: bool,
) -> None:
    numerical = [_numerical(evaluate, t, eps) for t in wanted]
    for j, output in enumerate(outputs):
        analytical, spread = _analytical(output, wanted, dtypes)
        if spread > nondet_tol:
            raise GradcheckError(
                f"Backward is not reentrant: two runs with the same gradient differ by {spread:.3g}, more than "
                f"nondet_tol={nondet_tol}"
            )
        for i, a in enumerate(analytical):
            n = numerical[i][j] if numerical[i] else a
            if not _close(a, n, rtol, atol):
                raise GradcheckError(
                    f"Jacobian mismatch for output {j} with respect to input {i},\nnumerical:{n}\nanalytical:{a}\n"
                    f"largest difference: {float((a - n).abs().max()):.3g} (atol={atol}, rtol={rtol})"
                )


def _compare_projected(
    evaluate: Callable,
    outputs: list,
    wanted: list,
    eps: float,
    atol: float,
    rtol: float,
    nondet_tol: float,
    dtypes: bool,
) -> None:
    """One random direction per input and output instead of whole Jacobians."""
    for i, t in enumerate(wanted):
        direction = lampas.randn(t.shape, dtype=t.dtype)
        original, sides = t.detach().clone(), []
        for sign in (1, -1):
            with lampas.no_grad():
                t.data.copy_(original + sign * eps * direction)
            sides.append([_flat_real(o) for o in evaluate()])
        with lampas.no_grad():
            t.data.copy_(original)
        for j, output in enumerate(evaluate()):
            weight = lampas.randn(output.shape, dtype=output.dtype)
            (g,) = lampas.autograd.grad(output, t, weight, allow_unused=True)
            if g is not None and dtypes and g.dtype != t.dtype:
                raise GradcheckError(f"Analytical gradient has dtype {g.dtype} for an input of {t.dtype}")
            a = lampas.zeros((), dtype=lampas.float64)
            if g is not None:
                a = (_flat_real(g.to(t.dtype)) * _flat_real(direction)).sum()
            n = ((sides[0][j] - sides[1][j]) / (2 * eps) * _flat_real(weight)).sum()
            scale = max(1.0, float(_flat_real(weight).abs().sum()))
            if not _close(a, n, rtol, atol * scale):
                raise GradcheckError(
                    f"Jacobian mismatch for output {j} with respect to input {i} along a random direction: numerical "
                    f"{float(n)}, analytical {float(a)} (atol={atol}, rtol={rtol}). fast_mode=False shows the elements."
                )


def gradcheck(
    func: Callable,
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Whether the gradients of ``func`` agree with central differences at ``inputs``.

    Args:
        func: takes tensors, returns a tensor or a tuple of them.
        inputs: a tensor or a tuple; checked are those that require gradients, which should be float64 or complex128.
        eps: size of the differences; ``|a - n| <= atol + rtol * |n|`` must hold.
        raise_exception: raise :class:`GradcheckError` instead of returning ``False``.
        nondet_tol: how far two runs of backward may differ.
        fast_mode: compare along random directions, not all derivatives.

    >>> lampas.autograd.gradcheck(lampas.sin, lampas.randn(3, dtype=lampas.float64, requires_grad=True))
    True
    """
    if check_forward_ad or check_batched_forward_grad:
        raise RuntimeError(
            "gradcheck: lampas has no forward mode; leave check_forward_ad and check_batched_forward_grad off"
        )
    if not check_backward_ad:
        raise ValueError("Expected at least one of check_forward_ad or check_backward_ad to be True")
    try:
        _compare(func, _tuple(inputs), eps, atol, rtol, nondet_tol, check_undefined_grad, check_grad_dtypes, fast_mode)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable,
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """Whether the gradients of the gradients of ``func`` agree with central differences.

    Args:
        grad_outputs: gradients to start from; random ones when left out.
        gen_non_contig_grad_outputs: make those non-contiguous.

    Others as in :func:`gradcheck`.
    """
    if check_fwd_over_rev:
        raise RuntimeError("gradgradcheck: lampas has no forward mode; leave check_fwd_over_rev off")
    inputs = _tuple(inputs)
    if grad_outputs is None:
        starts = []
        for o in _differentiable(_tuple(func(*inputs))):
            dtype = o.dtype if o.dtype in (lampas.float64, lampas.complex128) else lampas.float64
            start = lampas.randn(o.shape, dtype=dtype)
            if gen_non_contig_grad_outputs and start.dim():
                start = lampas.stack([start, start], -1)[..., 0]
            starts.append(start.requires_grad_())
    else:
        starts = list(_tuple(grad_outputs))
    count = len(starts)

    def gradients(*args: Any) -> tuple:
        values, given = args[: len(args) - count], args[len(args) - count :]
        values = tuple(v.view_as(v) if isinstance(v, lampas.Tensor) and v.requires_grad else v for v in values)
        outputs = _differentiable(_tuple(func(*values)))
        found = lampas.autograd.grad(outputs, _differentiable(values), given, create_graph=True, allow_unused=True)
        return tuple(g for g in found if g is not None)

    return gradcheck(
        gradients, (*inputs, *starts), eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception,
        nondet_tol=nondet_tol, check_undefined_grad=check_undefined_grad, check_grad_dtypes=check_grad_dtypes,
        fast_mode=fast_mode,
    )  # fmt: skip
