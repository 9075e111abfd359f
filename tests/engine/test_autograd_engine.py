"""The backward engine: depth, freeing, errors, accumulation, hooks."""

from __future__ import annotations

import gc
import os
import resource
import subprocess
import sys
import textwrap
import time
import weakref

import numpy as np
import pytest

import lampas
from lampas import _C
from lampas.autograd import Function


def leaf(*values, dtype=lampas.float64):
    return lampas.tensor(values, dtype=dtype, requires_grad=True)


# ---- depth ----

CHAIN = """
import threading, lampas
def chain(op, n=100_000):
    x = lampas.ones(1, requires_grad=True)
    y = x
    for _ in range(n):
        y = op(y)
    return x, y
"""


def in_small_stack(code, kilobytes=512):
    """Runs code in a process whose main stack may not grow beyond `kilobytes`."""

    def limit():
        resource.setrlimit(resource.RLIMIT_STACK, (kilobytes * 1024, kilobytes * 1024))

    sanitized = "asan" in os.environ.get("LD_PRELOAD", "")
    return subprocess.run(
        [sys.executable, "-c", CHAIN + textwrap.dedent(code)],
        preexec_fn=None if sanitized else limit,
        capture_output=True,
        text=True,
        timeout=250,
    )


@pytest.mark.parametrize(
    "op",
    [
        "lambda y: y + 1",
        "lambda y: y * 1.0",
        "lambda y: -y",
        "lambda y: y.view(1)",
        "lambda y: y.exp().log()",
        "lambda y: y + y * 0",
        "lambda y: y.clone().mul_(1.0)",
        "lambda y: lampas.cat([y, y])[:1]",
    ],
)
def test_a_chain_of_100_000_ops(op):
    done = in_small_stack(f"""
        x, y = chain({op})
        y.sum().backward()
        assert x.grad.item() == 1.0 or abs(x.grad.item() - 1) < 0.5, x.grad
        del y
        x2, y2 = chain({op})
        del y2          # freed without having run
        x3, y3 = chain({op})
        g, = lampas.autograd.grad(y3.sum(), [x3], retain_graph=True)
        del y3
        print("done")
    """)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout == "done\n"


def test_a_chain_of_python_nodes():
    """Nodes that Python has seen, custom functions and hooks are freed without recursion as well."""
    done = in_small_stack("""
        class F(lampas.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x + 1
            @staticmethod
            def backward(ctx, g):
                return g
        kept = []
        def seen(y):
            y = y * 1
            kept.append(y.grad_fn)
            return y
        for op, n in ((F.apply, 30_000), (seen, 50_000)):
            x, y = chain(op, n)
            y.backward()
            assert x.grad.item() == 1
            x, y = chain(op, n)
            kept.clear()
            del y
        print("done")
    """)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout == "done\n"


def test_a_chain_in_a_thread_with_a_small_stack():
    done = in_small_stack("""
        import sys
        threading.stack_size(256 * 1024)
        result = []
        def run():
            x, y = chain(lambda y: y + 1)
            y.backward()
            del y
            result.append(x.grad.item())
        t = threading.Thread(target=run)
        t.start()
        t.join()
        assert result == [1.0]
        print("done")
    """)
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_long_chain_takes_seconds():
    start = time.perf_counter()
    x = y = leaf(1.0)
    for _ in range(100_000):
        y = y + 1
    y.backward()
    del y
    assert x.grad.item() == 1
    limit = 60 if "asan" in os.environ.get("LD_PRELOAD", "") else 10
    assert time.perf_counter() - start < limit


def test_a_diamond_is_walked_once():
    """2**60 paths, 60 nodes."""
    x = y = leaf(1.0)
    for _ in range(60):
        y = y + y
    y.backward()
    assert x.grad.item() == 2.0**60


def test_gradient_of_gradient_of_a_deep_chain():
    x = leaf(0.5)
    y = x
    for _ in range(500):
        y = y * 1.0 + x * 0.001
    (g,) = lampas.autograd.grad(y * y, [x], create_graph=True)
    (h,) = lampas.autograd.grad(g, [x])
    slope = 1 + 500 * 0.001
    np.testing.assert_allclose(g.item(), 2 * slope**2 * 0.5, rtol=1e-9)
    np.testing.assert_allclose(h.item(), 2 * slope**2, rtol=1e-9)


# ---- freed graphs ----


def test_second_backward_is_an_error():
    x = leaf(2.0)
    y = x * x
    y.backward()
    with pytest.raises(RuntimeError, match="second time") as caught:
        y.backward()
    assert "MulBackward0" in str(caught.value)
    assert "retain_graph=True" in str(caught.value)
    assert x.grad.item() == 4


def test_retain_graph():
    x = leaf(2.0)
    y = x * x * x
    for times in range(1, 4):
        y.backward(retain_graph=True)
        assert x.grad.item() == 12.0 * times
    y.backward()
    assert x.grad.item() == 48.0
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()


def test_create_graph_retains():
    x = leaf(3.0)
    y = x**3
    (g,) = lampas.autograd.grad(y, [x], create_graph=True)
    (h,) = lampas.autograd.grad(g, [x], create_graph=True)
    (k,) = lampas.autograd.grad(h, [x])
    assert (g.item(), h.item(), k.item()) == (27, 18, 6)


def test_a_graph_that_saved_nothing_runs_again():
    x = leaf(1.0)
    y = x + 1
    y.backward()
    y.backward()
    assert x.grad.item() == 2


def test_a_part_that_was_freed():
    x = leaf(2.0)
    shared = x * x
    (shared * 2).backward()
    with pytest.raises(RuntimeError, match="second time"):
        (shared * 3).backward()
    assert x.grad.item() == 8


def test_saved_tensors_of_a_freed_node():
    y = (x := leaf(2.0)) * x
    node = y.grad_fn
    y.backward()
    with pytest.raises(RuntimeError, match=r"second time|freed"):
        node._saved_self


def test_an_error_leaves_a_graph_that_can_be_run():
    fail = [True]

    class Fragile(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            if fail[0]:
                raise KeyError("on purpose")
            return g * 2

    x = leaf(1.0, 2.0)
    shared = x * 3
    y = Fragile.apply(shared).sum() + (shared * 5).sum() + (x * 7).sum()
    with pytest.raises(KeyError, match="on purpose"):
        y.backward(retain_graph=True)
    x.grad = None
    fail[0] = False
    y.backward()
    assert x.grad.tolist() == [28, 28], "gradients of the failed pass must be forgotten"


def test_an_error_restores_the_mode():
    class Bad(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            raise ValueError("no")

    with pytest.raises(ValueError):
        Bad.apply(leaf(1.0)).backward()
    assert lampas.is_grad_enabled()
    with lampas.no_grad():
        pass
    assert (leaf(1.0) * 2).requires_grad


# ---- versions ----


@pytest.mark.parametrize(
    ("compute", "needs_value"),
    [
        (lambda a: a * a, True),
        (lambda a: a.exp(), False),
        (lambda a: a.sin(), True),
        (lambda a: a + 1, False),
        (lambda a: a / 3, False),
        (lambda a: lampas.nn.functional.softmax(a, 0), False),
        (lambda a: a.log(), True),
        (lambda a: a**2, True),
    ],
)
def test_a_saved_input_changed_in_place(compute, needs_value):
    x = leaf(1.0, 2.0)
    a = x * 1
    y = compute(a)
    a.add_(1)
    if not needs_value:
        y.sum().backward()
        return
    with pytest.raises(RuntimeError, match="modified by an inplace operation") as caught:
        y.sum().backward()
    message = str(caught.value)
    assert "[2]" in message
    assert "version 1; expected version 0" in message


def test_a_saved_output_changed_in_place():
    y = leaf(1.0).exp()
    y.mul_(2)
    with pytest.raises(RuntimeError, match="inplace"):
        # exp kept its result, which is not there any more
        y.sum().backward()


def test_a_saved_value_changed_through_a_view():
    x = leaf(1.0, 2.0)
    a = x * 1
    y = (a * a).sum()
    a[0].zero_()
    with pytest.raises(RuntimeError, match="inplace"):
        y.backward()


def test_a_saved_value_changed_through_its_base():
    x = leaf(1.0, 2.0)
    a = x * 1
    v = a[1:]
    y = (v * v).sum()
    a.mul_(3)
    with pytest.raises(RuntimeError, match="inplace"):
        y.backward()


def test_data_changes_silently():
    x = leaf(3.0)
    y = x * x
    before = x._version
    x.data.fill_(5.0)
    assert x._version == before
    y.backward()
    assert x.grad.item() == 10


def test_version_counts():
    x = lampas.zeros(3)
    versions = [x._version]
    x.add_(1)
    versions.append(x._version)
    x[0] = 5
    versions.append(x._version)
    x.view(3, 1).mul_(2)
    versions.append(x._version)
    assert versions == [0, 1, 2, 3]
    assert x.view(3)._version == 3
    assert x.detach()._version == 3
    assert (x + 1)._version == 0


# ---- accumulation ----


def test_gradients_add_up():
    x = leaf(1.0)
    (x * 2).backward()
    (x * 3).backward()
    assert x.grad.item() == 5


def test_two_paths_to_a_leaf():
    x = leaf(3.0)
    (x * x + x.sin() + x).backward()
    np.testing.assert_allclose(x.grad.item(), 6 + np.cos(3) + 1)


def test_the_gradient_is_not_shared():
    """The gradient of a sum arrives as one expanded value; .grad must be memory of its own."""
    x, y = leaf(1.0, 2.0), leaf(1.0, 2.0)
    (x + y).sum().backward()
    x.grad.add_(1)
    assert y.grad.tolist() == [1, 1]
    assert x.grad.is_contiguous()
    x.grad[0] = 9
    assert x.grad.tolist() == [9, 2]


def test_the_given_gradient_is_not_taken():
    x = leaf(1.0, 2.0)
    g = lampas.ones(2, dtype=lampas.float64)
    x.backward(g)
    x.grad.zero_()
    assert g.tolist() == [1, 1]
    y = leaf(1.0, 2.0)
    (y + 0).backward(g)
    y.grad.mul_(5)
    assert g.tolist() == [1, 1]


def test_accumulation_keeps_the_object():
    x = leaf(1.0)
    (x * 2).backward()
    g = x.grad
    (x * 2).backward()
    assert x.grad is g
    assert g.item() == 4


def test_accumulation_with_create_graph_does_not_write():
    x = leaf(2.0)
    (x * x).backward(create_graph=True)
    g = x.grad
    (x * x).backward(create_graph=True)
    assert g.item() == 4
    assert x.grad.item() == 8
    x.grad = None


def test_gradients_of_several_roots():
    x = leaf(1.0)
    lampas.autograd.backward([x * 2, x * 3], [lampas.tensor(1.0).double().reshape(1)] * 2)
    assert x.grad.item() == 5
    (g,) = lampas.autograd.grad([x * 2, x * 3], [x], [lampas.ones(1).double()] * 2)
    assert g.item() == 5


def test_backward_for_chosen_inputs():
    x, y = leaf(2.0), leaf(3.0)
    z = x * y
    z.backward(inputs=[x], retain_graph=True)
    assert x.grad.item() == 3
    assert y.grad is None
    mid = x * 2
    (mid * mid).backward(inputs=[mid])
    assert mid.grad.item() == 8


def test_unused():
    x, y = leaf(1.0), leaf(1.0)
    with pytest.raises(RuntimeError, match="not have been used in the graph") as caught:
        lampas.autograd.grad(x * 2, [y])
    assert "allow_unused=True" in str(caught.value)
    assert lampas.autograd.grad(x * 2, [y], allow_unused=True) == (None,)
    assert lampas.autograd.grad(x * 2, [x, y], allow_unused=True, materialize_grads=True)[1].item() == 0


def test_grad_of_an_inner_tensor_stops_there():
    ran = []
    x = leaf(2.0)
    early = x * 3
    early.register_hook(lambda g: ran.append("early"))
    mid = early * 1
    z = mid * mid
    (g,) = lampas.autograd.grad(z, [mid])
    assert g.item() == 12
    assert ran == [], "nothing behind the wanted tensor needs to run"
    assert x.grad is None


def test_branches_nobody_wants_do_not_run():
    ran = []
    x, w = leaf(2.0), leaf(3.0)
    side = w * 5
    side.register_hook(lambda g: ran.append(1))
    (g,) = lampas.autograd.grad(x * x * side, [x])
    assert g.item() == 60
    assert ran == []


def test_a_root_that_is_the_input():
    x = leaf(2.0)
    assert lampas.autograd.grad(x, [x])[0].item() == 1
    x.backward()
    assert x.grad.item() == 1


def test_dtype_and_shape_of_gradients():
    x = leaf(1.0, 2.0, dtype=lampas.float32)
    y = x.double() * 2
    y.sum().backward()
    assert x.grad.dtype == lampas.float32
    with pytest.raises(RuntimeError, match="Mismatch in shape"):
        (x * 2).backward(lampas.ones(3))
    with pytest.raises(RuntimeError, match=r"only for scalar outputs.*2,?[\])]"):
        (x * 2).backward()


# ---- hooks ----


def test_hooks_run_in_order_and_may_replace():
    x = leaf(1.0)
    y = x * 2
    y.register_hook(lambda g: g * 10)
    y.register_hook(lambda g: g + 1)
    y.backward()
    assert x.grad.item() == 22


def test_a_leaf_hook_sees_the_gradient_before_it_is_added():
    x = leaf(1.0)
    seen = []
    x.register_hook(lambda g: seen.append((g.item(), x.grad)))
    (x * 2 + x * 3).backward()
    assert seen == [(5.0, None)], "once for all paths"


def test_removing_a_hook():
    x = leaf(1.0)
    handle = x.register_hook(lambda g: g * 100)
    (x * 1).backward()
    handle.remove()
    (x * 1).backward()
    assert x.grad.item() == 101
    with (x * 1).register_hook(lambda g: g):
        pass


@pytest.mark.parametrize("kind", ["leaf", "inner", "post"])
def test_a_hook_that_removes_itself(kind):
    x = leaf(1.0)
    y = x * 2
    ran, handles = [], []

    def once(g, i):
        ran.append(i)
        for h in handles:
            h.remove()
        handles.clear()
        gc.collect()

    register = {"leaf": x.register_hook, "inner": y.register_hook, "post": x.register_post_accumulate_grad_hook}[kind]
    handles.extend([register(lambda g: once(g, 0)), register(lambda g: once(g, 1))])
    y.backward(retain_graph=True)
    assert ran[0] == 0
    count = len(ran)
    y.backward()
    assert len(ran) == count
    assert x.grad.item() == 4


def test_a_hook_added_while_running():
    x = leaf(1.0)
    added = []

    def hook(g):
        if not added:
            added.append(x.register_hook(lambda g: g * 2))

    x.register_hook(hook)
    (x * 1).backward()
    first = x.grad.item()
    assert first in (1, 2)
    (x * 1).backward()
    assert x.grad.item() == first + 2


def test_hook_errors():
    x = leaf(1.0)
    x.register_hook(lambda g: 3)
    with pytest.raises(TypeError, match="int"):
        (x * 1).backward()
    y = leaf(1.0)
    y.register_hook(lambda g: lampas.ones(7).double())
    with pytest.raises(RuntimeError, match="size"):
        (y * 1).backward()
    with pytest.raises(RuntimeError, match="doesn't require grad"):
        lampas.ones(1).register_hook(lambda g: g)
    with pytest.raises(RuntimeError, match="non-leaf"):
        (y * 1).register_post_accumulate_grad_hook(lambda t: None)


def test_node_hooks():
    x = leaf(2.0)
    y = x * 3
    seen = []
    y.grad_fn.register_prehook(lambda gs: (gs[0] * 2,))
    y.grad_fn.register_hook(lambda given, got: seen.append((given[0].item(), got[0].item())))
    y.backward()
    assert seen == [(6.0, 2.0)]
    assert x.grad.item() == 6


def test_retain_grad():
    x = leaf(2.0)
    y = x * 3
    y.retain_grad()
    y.retain_grad()
    assert y.retains_grad
    y.register_hook(lambda g: g * 2)
    (y * 5).backward()
    assert y.grad.item() == 10, "after the hooks"
    assert x.grad.item() == 30


def test_the_gradient_of_an_inner_tensor_warns():
    y = leaf(1.0) * 2
    with pytest.warns(UserWarning, match="not a leaf"):
        assert y.grad is None


# ---- memory ----


def test_backward_gives_memory_back():
    gc.collect()
    before = _C._memory_stats()["allocated_bytes"]
    x = lampas.ones(1000, requires_grad=True)
    y = x
    for _ in range(50):
        y = y.exp().log()
    held = _C._memory_stats()["allocated_bytes"] - before
    y.sum().backward()
    assert _C._memory_stats()["allocated_bytes"] - before < held / 5, "saved values go while the pass runs"
    del x, y
    gc.collect()
    assert _C._memory_stats()["allocated_bytes"] == before


def test_a_node_frees_its_values_as_soon_as_it_ran():
    order = []
    x = leaf(1.0)
    a = x.exp()
    weakref.finalize(a, order.append, "freed")
    b = a * 2
    y = b * b
    a.register_hook(lambda g: order.append("a"))
    x.register_hook(lambda g: order.append("x"))
    weak = weakref.ref(b)
    a.register_hook(lambda g: order.append(weak() is None))
    del a, b
    y.backward()
    assert True in order, "b was saved by y's node, which ran before a's"
