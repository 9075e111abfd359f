"""`vmap`: slices and stacks against loops and einsum, random numbers, what is refused."""

from collections import namedtuple

import numpy as np
import pytest

import lampas
from lampas.func import grad, vmap

Pair = namedtuple("Pair", ["a", "b"])


def test_against_einsum():
    lampas.manual_seed(0)
    a, b = lampas.randn(4, 2, 3), lampas.randn(4, 3, 5)
    np.testing.assert_allclose(vmap(lampas.matmul)(a, b), np.einsum("bij,bjk->bik", a, b), rtol=1e-5, atol=1e-6)
    found = vmap(lambda x, y: (x * y).sum(), in_dims=(1, -1))(a, lampas.randn(4, 3, 2).fill_(2))
    np.testing.assert_allclose(found, 2 * a.numpy().sum((0, 2)), rtol=1e-4, atol=1e-5)


def test_dimensions():
    x = lampas.arange(6.0).view(2, 3)
    assert vmap(lambda v: v.sum(), in_dims=1)(x).tolist() == [3, 5, 7]
    assert vmap(lambda v: 2 * v, out_dims=1)(x).tolist() == (2 * x).t().tolist()
    assert vmap(lambda v: v, out_dims=-1)(lampas.ones(2, 3, 4)).shape == (3, 4, 2)
    first, second = vmap(lambda v: (v, v.sum()), out_dims=(1, 0))(x)
    assert first.shape == (3, 2) and second.shape == (2,)
    whole, same = vmap(lambda v: (v, lampas.ones(2)), out_dims=(0, None))(x)
    assert whole.shape == (2, 3) and same.shape == (2,)
    assert vmap(lambda v: v.t(), in_dims=(1,))(lampas.ones(4, 5, 6)).shape == (5, 6, 4)


def test_structures():
    x = lampas.arange(6.0).view(2, 3)
    found = vmap(lambda d: {"r": [d["a"] * 2, d["b"][0]]})({"a": x, "b": (x,)})
    assert found["r"][0].equal(2 * x) and found["r"][1].equal(x)
    found = vmap(lambda d: d["a"] + d["b"], in_dims=({"a": 0, "b": None},))({"b": lampas.ones(3), "a": x})
    assert found.equal(x + 1)
    found = vmap(lambda p: Pair(p.b, p.a))(Pair(x, x + 1))
    assert isinstance(found, Pair) and found.a.equal(x + 1)
    assert vmap(lambda v, k: v * k, in_dims=(0, None))(x, 3).equal(3 * x)
    assert vmap(lambda v, *, k: v * k)(x, k=lampas.tensor([1.0, 0, 2])).equal(x * lampas.tensor([1.0, 0, 2]))


def test_nested_and_with_grad():
    x, y = lampas.randn(3), lampas.randn(4)
    outer = vmap(vmap(lambda a, b: a * b, in_dims=(None, 0)), in_dims=(0, None))(x, y)
    np.testing.assert_allclose(outer, np.outer(x, y), rtol=1e-6)
    np.testing.assert_allclose(vmap(grad(lampas.sin))(x), np.cos(x), rtol=1e-6)
    found = grad(lambda v: vmap(lambda a: a**2)(v).sum())(x)
    np.testing.assert_allclose(found, 2 * x, rtol=1e-6)
    leaf = lampas.randn(3, requires_grad=True)
    vmap(lambda a: a * a)(leaf).sum().backward()
    np.testing.assert_allclose(leaf.grad, 2 * leaf.detach(), rtol=1e-6)


def test_python_may_decide():
    x = lampas.tensor([-1.0, 2.0])
    assert vmap(lambda v: v if v > 0 else v * 10)(x).tolist() == [-10, 2]


def test_in_place():
    x = lampas.zeros(2, 3)
    vmap(lambda v: v.add_(1))(x)
    assert x.tolist() == [[1] * 3] * 2


def test_nothing_to_map_over():
    assert vmap(lambda v: (v.sum(), v))(lampas.ones(0, 3))[1].shape == (0, 3)
    assert vmap(lambda v: v, out_dims=1)(lampas.ones(0, 3)).shape == (3, 0)


def test_random_numbers():
    x = lampas.zeros(3, 2)
    lampas.manual_seed(0)
    same = vmap(lambda v: v + lampas.rand(2), randomness="same")(x)
    assert same[0].equal(same[1]) and same[1].equal(same[2])
    different = vmap(lambda v: v + lampas.rand(2), randomness="different")(x)
    assert not different[0].equal(different[1])
    state = lampas.get_rng_state()
    with pytest.raises(RuntimeError, match="called random operation while in randomness error mode"):
        vmap(lambda v: v + lampas.rand(2))(x)
    assert lampas.get_rng_state().equal(state)


def test_top_level_name():
    assert lampas.vmap is vmap and vmap(lampas.exp, chunk_size=2)(lampas.zeros(3)).tolist() == [1, 1, 1]


X = lampas.ones(2, 3)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: vmap(lambda a, b: a)(X, lampas.ones(3)), ValueError, r"same size .* got sizes \[2, 3\]"),
        (lambda: vmap(lambda a: a, in_dims=2)(X), ValueError, "Got in_dim=2 .* -2 <= in_dim < 2"),
        (lambda: vmap(lambda a: a, in_dims=None)(X), ValueError, "expected `in_dims` to be int"),
        (lambda: vmap(lambda a: a, in_dims=(0, 0))(X), ValueError, "not compatible with the structure of `inputs`"),
        (lambda: vmap(lambda a: a, in_dims=("x",))(X), ValueError, "either an integer dimension or None"),
        (lambda: vmap(lambda a: a, in_dims=(None,))(X), ValueError, "at least one input"),
        (lambda: vmap(lambda a, b: a)(X, 3), ValueError, "cannot vmap over non-Tensor"),
        (lambda: vmap(lambda: 3)(), ValueError, "got no inputs"),
        (lambda: vmap(lambda a: 3)(X), ValueError, "must only return Tensors, got type <class 'int'>"),
        (lambda: vmap(lambda a: (a, a), out_dims=(0, 0, 0))(X), ValueError, "structure of `outputs`"),
        (lambda: vmap(lambda a: a, out_dims=5)(X), IndexError, "out of range"),
        (lambda: vmap(lambda a: a, out_dims=None)(lampas.arange(3)), ValueError, "must be the same for every slice"),
        (lambda: vmap(lambda a: (a,) * int(a))(lampas.arange(3)), ValueError, "structure of the results changes"),
        (lambda: vmap(lambda a: a, randomness="x"), RuntimeError, "Got x"),
        (lambda: vmap(lambda a: a, chunk_size=0), ValueError, "chunk_size should be None or greater than 0"),
    ],
)
def test_refusals(call, error, text):
    with pytest.raises(error, match=text):
        call()
