"""Max pooling applies the mask of the ReLU before it to its own, smaller gradient; nobody can tell."""

from __future__ import annotations

import numpy as np
import pytest

import lampas
import lampas.nn.functional as F

POOLS = {
    "1d": ((3, 4, 30), lambda r: F.max_pool1d(r, 2)),
    "2d": ((2, 3, 8, 8), lambda r: F.max_pool2d(r, 2)),
    "2d with overlapping windows": ((2, 16, 9, 9), lambda r: F.max_pool2d(r, 3, 2, 1)),
    "2d with the places": ((2, 3, 8, 8), lambda r: F.max_pool2d(r, 2, return_indices=True)[0]),
    "2d adaptive": ((2, 3, 7, 7), lambda r: F.adaptive_max_pool2d(r, 3)),
    "3d": ((2, 3, 4, 6, 6), lambda r: F.max_pool3d(r, 2)),
    "no batch": ((3, 8, 8), lambda r: F.max_pool2d(r, 2)),
}
RELUS = {"relu": F.relu, "relu_": lambda x: F.relu(x, inplace=True), "two": lambda x: F.relu(F.relu(x))}


def values(shape, dtype=lampas.float32):
    """Few different numbers: ties, zeros, and one NaN."""
    numbers = lampas.Generator().manual_seed(1)
    x = lampas.randint(-3, 3, shape, generator=numbers).to(dtype)
    x.view(-1)[5] = float("nan")
    return x.requires_grad_()


def seed_of(y):
    return lampas.linspace(-1, 2, y.numel()).reshape(y.shape).to(y.dtype)


def by_hand(relu, pool, x):
    """x's gradient where somebody looks at that of the ReLU's result, and each op computes its own."""
    r = relu(x * 1)
    r.register_hook(lambda g: None)
    y = pool(r)
    return lampas.autograd.grad(y, x, seed_of(y))[0].float().numpy()


@pytest.mark.parametrize("relu", RELUS.values(), ids=RELUS)
@pytest.mark.parametrize("name", POOLS)
@pytest.mark.parametrize("dtype", [lampas.float32, lampas.float64, lampas.bfloat16], ids=str)
def test_the_gradient_is_the_same(name, relu, dtype):
    shape, pool = POOLS[name]
    x = values(shape, dtype)
    y = pool(relu(x * 1))
    y.backward(seed_of(y))
    expected = by_hand(relu, pool, x)
    assert np.array_equal(x.grad.float().numpy(), expected)
    assert np.any(expected != 0) and np.any(expected == 0)


def test_the_callers_gradient_stays():
    x = values((2, 3, 8, 8))
    y = F.max_pool2d(F.relu(x), 2)
    g = seed_of(y)
    before = g.numpy().copy()
    y.backward(g)
    assert np.array_equal(g.numpy(), before)


def unmasked(y):
    """The gradient of the ReLU's result in the tests below: each window's, at its first greatest place."""
    r = lampas.relu(values((2, 3, 8, 8)).detach()).requires_grad_()
    y = F.max_pool2d(r, 2)
    return lampas.autograd.grad(y, r, seed_of(y))[0].numpy()


@pytest.mark.parametrize("watch", ["hook", "retain_grad", "inputs", "grad", "node", "pooling's node"])
def test_who_looks_at_the_relus_gradient_finds_it_whole(watch):
    x = values((2, 3, 8, 8))
    r = F.relu(x * 1)
    y = F.max_pool2d(r, 2)
    seen = []
    if watch == "hook":
        r.register_hook(seen.append)
    elif watch == "node":
        r.grad_fn.register_prehook(lambda grads: seen.append(grads[0]))
    elif watch == "pooling's node":
        y.grad_fn.register_hook(lambda grads, _: seen.append(grads[0]))
    elif watch == "retain_grad":
        r.retain_grad()
    if watch == "inputs":
        y.backward(seed_of(y), inputs=[r, x])
    elif watch == "grad":
        seen += lampas.autograd.grad(y, [r, x], seed_of(y))[:1]
    else:
        y.backward(seed_of(y))
    found = seen[0] if seen else r.grad
    assert np.array_equal(found.numpy(), unmasked(y))


def test_other_uses_of_the_relus_result_add_their_gradients():
    for order in (1, -1):
        x = values((2, 3, 8, 8))
        r = F.relu(x * 1)
        uses = [
            lambda r: F.max_pool2d(r, 2).nansum(),
            lambda r: (r * 3).nansum(),
            lambda r: F.max_pool2d(r, 4).nansum(),
        ]
        sum(use(r) for use in uses[::order]).backward()
        alone = []
        for use in uses:
            z = values((2, 3, 8, 8))
            s = F.relu(z * 1)
            s.register_hook(lambda g: None)
            use(s).backward()
            alone.append(z.grad.numpy())
        assert np.array_equal(x.grad.numpy(), sum(alone))


def test_a_result_changed_in_place_is_not_needed():
    x = values((2, 3, 8, 8))
    expected = by_hand(F.relu, lambda r: F.max_pool2d(r, 2) * 2, x)
    y = F.max_pool2d(F.relu(x * 1), 2)
    y.mul_(2)
    y.backward(seed_of(y))
    assert np.array_equal(x.grad.numpy(), expected)


def test_saved_tensor_hooks_see_what_pytorch_saves():
    packed = []
    x = values((2, 3, 8, 8))
    with lampas.autograd.graph.saved_tensors_hooks(lambda t: packed.append(tuple(t.shape)) or t, lambda t: t):
        y = F.max_pool2d(F.relu(x), 2)
    y.backward(seed_of(y))
    assert packed == [(2, 3, 8, 8), (2, 3, 4, 4)]  # the ReLU's result and the places
    assert np.array_equal(x.grad.numpy(), by_hand(F.relu, lambda r: F.max_pool2d(r, 2), x))


def test_twice_through_a_kept_graph_and_a_gradient_of_the_gradient():
    x = values((2, 3, 8, 8), lampas.float64)
    y = F.max_pool2d(F.relu(x * x * x), 2)
    y.backward(seed_of(y), retain_graph=True)
    once = x.grad.numpy().copy()
    y.backward(seed_of(y), retain_graph=True)
    assert np.array_equal(x.grad.numpy(), 2 * once, equal_nan=True)
    (g,) = lampas.autograd.grad(y, x, seed_of(y), create_graph=True)
    assert np.array_equal(g.detach().numpy(), once, equal_nan=True)
    (second,) = lampas.autograd.grad(g.nansum(), x)
    with np.errstate(invalid="ignore", divide="ignore"):
        v = x.detach().numpy()
        expected = np.where(v > 0, once * 2 / v, 0)
    expected[np.isnan(v)] = np.nan
    assert np.allclose(second.numpy(), expected, equal_nan=True)


def test_an_error_on_the_way_leaves_the_graph_usable():
    x = values((2, 3, 8, 8))
    r = F.relu(x * 1)
    z = r * 2
    total = F.max_pool2d(r, 2).nansum() + z.nansum()

    def refuse(g):
        if not refused:
            refused.append(True)
            raise ValueError("not now")

    refused = []
    z.register_hook(refuse)
    with pytest.raises(ValueError, match="not now"):
        total.backward(retain_graph=True)
    x.grad = None
    total.backward()
    again = values((2, 3, 8, 8))
    s = F.relu(again * 1)
    s.register_hook(lambda g: None)
    (F.max_pool2d(s, 2).nansum() + (s * 2).nansum()).backward()
    assert np.array_equal(x.grad.numpy(), again.grad.numpy())
