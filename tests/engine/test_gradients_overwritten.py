"""A gradient that nobody else sees is written over by the next one; whoever can see it finds it as it was."""

from __future__ import annotations

import numpy as np
import pytest

import lampas
import lampas.nn.functional as F

WEIGHT = lampas.linspace(0.5, 1.5, 6)

OPS = {
    "relu": F.relu,
    "tanh": lampas.tanh,
    "gelu": F.gelu,
    "softmax": lambda x: F.softmax(x, 1),
    "softmax of columns": lambda x: F.softmax(x, 0),
    "log_softmax": lambda x: F.log_softmax(x, -1),
    "product with a constant": lambda x: x * lampas.full_like(x, 3.0),
    "product with a number": lambda x: x * 3,
    "product with a broadcast": lambda x: x * WEIGHT[:1].reshape(1, 1, 1, 1),
    "square": lambda x: x * x,
    "batch_norm": lambda x: F.batch_norm(x, None, None, WEIGHT, WEIGHT, True),
    "batch_norm with its own statistics": lambda x: F.batch_norm(x, WEIGHT, WEIGHT, WEIGHT, WEIGHT),
    "group_norm": lambda x: F.group_norm(x, 2, WEIGHT, WEIGHT),
    "layer_norm": lambda x: F.layer_norm(x, x.shape[2:]),
}
ORDERS = {"plain": lampas.contiguous_format, "channels last": lampas.channels_last}


@pytest.fixture(params=OPS, ids=lambda name: name.replace(" ", "-"))
def op(request):
    return OPS[request.param]


@pytest.fixture(params=ORDERS, ids=lambda name: name.replace(" ", "-"))
def x(request):
    generator = lampas.Generator().manual_seed(0)
    x = lampas.randn(3, 6, 5, 7, generator=generator).to(memory_format=ORDERS[request.param])
    return x.requires_grad_()


def seed_of(y):
    return lampas.linspace(-1, 2, y.numel()).reshape(y.shape).clone(memory_format=lampas.preserve_format)


def expected(op, x):
    """By a gradient that is kept, and so can't be written over."""
    y = op(x)
    return lampas.autograd.grad(y, x, seed_of(y))[0].numpy().copy()


def test_the_callers_gradient_stays(op, x):
    y = op(x)
    g = seed_of(y)
    before = g.numpy().copy()
    y.backward(g)
    assert np.array_equal(g.numpy(), before)


def test_same_numbers(op, x):
    y = op(x)
    (y * seed_of(y)).sum().backward()  # the gradient that arrives at y is nobody's
    np.testing.assert_array_equal(x.grad.numpy(), expected(op, x))


def test_in_double_by_differences(op):
    x = lampas.randn(2, 6, 3, 2, dtype=lampas.float64).requires_grad_()
    try:
        op(x)
    except RuntimeError:
        pytest.skip("its parameters are float32")
    assert lampas.autograd.gradcheck(lambda x: op(x) * seed_of(x).double(), (x,))


def test_retained(op, x):
    y = op(x)
    y.retain_grad()
    g = seed_of(y)
    (y * g).sum().backward()
    assert np.array_equal(y.grad.numpy(), g.numpy())


def test_seen_by_a_hook(op, x):
    y, kept = op(x), []
    y.register_hook(lambda g: kept.append(g))
    g = seed_of(y)
    (y * g).sum().backward()
    assert np.array_equal(kept[0].numpy(), g.numpy())


def test_seen_by_a_hook_after_the_node(op, x):
    y, kept = op(x), []
    y.grad_fn.register_hook(lambda inputs, outputs: kept.append(outputs[0].clone()))
    g = seed_of(y)
    (y * g).sum().backward()
    assert np.array_equal(kept[0].numpy(), g.numpy())


def test_asked_for(op, x):
    y = op(x)
    g = seed_of(y)
    found = lampas.autograd.grad((y * g).sum(), [y, x])
    assert np.array_equal(found[0].numpy(), g.numpy())
    np.testing.assert_array_equal(found[1].numpy(), expected(op, x))


def test_of_two_branches(op, x):
    """Addition hands one gradient to both."""
    y = op(x)
    z = x + y if y.shape == x.shape else y
    g = seed_of(z)
    (z * g).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), expected(op, x) + g.numpy(), rtol=1e-6, atol=1e-6)


def test_the_graph_runs_twice(op, x):
    y = op(x)
    loss = (y * seed_of(y)).sum()
    loss.backward(retain_graph=True)
    first = x.grad.numpy().copy()
    loss.backward()
    np.testing.assert_array_equal(x.grad.numpy(), first * 2)


def test_gradients_of_gradients(op, x):
    y = op(x)
    (g,) = lampas.autograd.grad((y * seed_of(y)).sum(), x, create_graph=True)
    np.testing.assert_allclose(g.detach().numpy(), expected(op, x), rtol=2e-4, atol=2e-5)
