"""Backward passes inside backward passes, and in several threads at once."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import lampas
from lampas.autograd import Function


def leaf(*values):
    return lampas.tensor(values, dtype=lampas.float64, requires_grad=True)


# ---- nested passes ----


class Nest(Function):
    """The identity, whose backward first runs `job`."""

    @staticmethod
    def forward(ctx, x, job):
        ctx.job = job
        return x.clone()

    @staticmethod
    def backward(ctx, g):
        ctx.job()
        return g, None


def test_backward_inside_backward_on_another_graph():
    z = leaf(5.0)
    w = z * z
    x = leaf(2.0)
    y = Nest.apply(x * 3, lambda: w.backward())
    (y * 2).backward()
    assert x.grad.item() == 6
    assert z.grad.item() == 10


def nested(shared_by_inner, inner):
    """An outer pass which has gradients waiting at a node that the inner pass visits as well."""
    x = leaf(3.0)
    h = x * 2
    target = shared_by_inner(h)
    early = h * 5
    b = Nest.apply(h, lambda: inner(target, x, h))
    late = h * 7  # runs before b: its gradient waits at h while the inner pass runs
    (early + b + late).backward(retain_graph=True)
    return x.grad.item()


def test_overlapping_backward():
    assert nested(lambda h: h * 11, lambda t, x, h: t.backward(retain_graph=True)) == 2 * (5 + 1 + 7) + 2 * 11


def test_overlapping_grad():
    found = []

    def inner(t, x, h):
        found.append(lampas.autograd.grad(t, [x], retain_graph=True)[0].item())

    assert nested(lambda h: h * 11, inner) == 2 * (5 + 1 + 7)
    assert found == [22]


def test_overlapping_grad_of_the_middle():
    found = []

    def inner(t, x, h):
        found.append(lampas.autograd.grad(t, [h], retain_graph=True)[0].item())

    assert nested(lambda h: h * 11, inner) == 2 * (5 + 1 + 7)
    assert found == [11]


def test_overlapping_grad_that_fails():
    def inner(t, x, h):
        stranger = leaf(1.0)
        with pytest.raises(RuntimeError, match="not have been used"):
            lampas.autograd.grad(t, [stranger], retain_graph=True)

    assert nested(lambda h: h * 11, inner) == 2 * (5 + 1 + 7)


def test_inner_pass_wants_something_else_than_the_outer():
    x, z = leaf(3.0), leaf(4.0)
    h = x * z
    t = h * 1
    found = []
    y = Nest.apply(h, lambda: found.append(lampas.autograd.grad(t, [z], retain_graph=True)[0].item()))
    (g,) = lampas.autograd.grad(y * 2, [x])
    assert g.item() == 8
    assert found == [3]


def test_backward_inside_a_hook():
    x = leaf(3.0)
    h = x * 2
    target = h * 11
    b, c = h * 3, h * 4
    b.register_hook(lambda g: target.backward(retain_graph=True))
    (b + c).backward()
    assert x.grad.item() == 2 * 7 + 22


def test_three_deep():
    x = leaf(1.0)
    h = x * 2
    t1, t2 = h * 10, h * 100
    a = Nest.apply(h * 1, lambda: t2.backward(retain_graph=True))
    inner = a * 1
    y = Nest.apply(h, lambda: inner.backward(retain_graph=True))
    (y + h * 3 + t1).backward()
    assert x.grad.item() == 2 * (1 + 3 + 10) + 2 + 200


def test_a_graph_made_and_run_inside_backward():
    """Recomputation: the inner graph hangs on the same leaf as the outer one."""
    w = leaf(3.0)

    class Recompute(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * w.detach()

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            x = x.detach().requires_grad_()
            with lampas.enable_grad():
                y = x * w
            y.backward(g)
            return x.grad

    x = leaf(2.0)
    ((Recompute.apply(x * w)) + w * 5).backward()
    assert x.grad.item() == 9
    assert w.grad.item() == 6 + 5 + 6


def test_an_inner_error_is_the_outer_error():
    x = leaf(1.0)
    h = x * x

    def boom():
        raise ZeroDivisionError("inner")

    bad = Nest.apply(h, boom)
    y = Nest.apply(h, lambda: bad.backward(retain_graph=True)) + h * 2
    with pytest.raises(ZeroDivisionError, match="inner"):
        y.backward(retain_graph=True)
    (h * 3).backward()
    assert x.grad.item() == 6


# ---- threads ----


def run_threads(jobs):
    errors = []

    def guard(job):
        try:
            job()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guard, args=(job,)) for job in jobs]
    for t in threads:
        t.start()
    for t in threads:
        t.join(120)
    assert not any(t.is_alive() for t in threads), "threads hang"
    if errors:
        raise errors[0]


def test_separate_graphs_in_threads():
    rng = np.random.default_rng(0)
    data = rng.standard_normal((4, 120, 120))

    def job(i):
        a = data[i]
        for _ in range(10):
            x = lampas.tensor(a, requires_grad=True)
            ((x @ x).tanh() * x).sum().backward()
            t = np.tanh(a @ a)
            inner = (1 - t**2) * a
            expected = inner @ a.T + a.T @ inner + t
            np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-9, atol=1e-9)

    run_threads([lambda i=i: job(i) for i in range(4)])


def test_threads_share_a_leaf():
    """Every gradient arrives, however the passes interleave."""
    w = lampas.ones(300, 300, requires_grad=True)
    x = lampas.ones(300, 300)

    def job():
        for _ in range(20):
            (x * w).sum().backward()

    run_threads([job] * 4)
    assert bool((w.grad == 80).all())


def test_threads_share_a_graph():
    x = lampas.full((200, 200), 2.0, requires_grad=True)
    h = x * x
    outputs = [(h * k).sum() for k in (1.0, 2.0, 3.0)]

    def job(k):
        for _ in range(15):
            (g,) = lampas.autograd.grad(outputs[k], [x], retain_graph=True)
            assert bool((g == 4.0 * (k + 1)).all())

    run_threads([lambda k=k: job(k) for k in range(3)])


def test_one_graph_after_another_thread_ran_it():
    """What one thread's pass left at the nodes must not be read by the next thread's."""
    x, z = leaf(3.0), leaf(2.0)
    out = x * z * 2
    found = []
    for t, want in ((x, 4.0), (z, 6.0), (x, 4.0)):
        run_threads(
            [lambda t=t, want=want: found.append(lampas.autograd.grad(out, [t], retain_graph=True)[0].item() == want)]
        )
    assert found == [True] * 3


def test_a_graph_built_by_several_threads():
    """The order of nodes holds over threads: a young thread's node comes after an old thread's."""
    x = leaf(1.0)
    h = x
    for _ in range(50):
        h = h * 1.0
    parts = []
    run_threads([lambda: parts.append((h * h).exp())])
    direct = h * 3
    (parts[0] + direct).backward()
    np.testing.assert_allclose(x.grad.item(), 2 * np.e + 3)


def test_backward_in_a_thread_that_the_hook_waits_for():
    x, z = leaf(2.0), leaf(3.0)
    other = z * z
    x.register_hook(lambda g: run_threads([other.backward]))
    (x * 5).backward()
    assert x.grad.item() == 5
    assert z.grad.item() == 6


def test_no_grad_inside_backward_stays_there():
    def job():
        assert not lampas.is_grad_enabled()

    y = Nest.apply(leaf(1.0), job)
    y.backward()
    assert lampas.is_grad_enabled()
