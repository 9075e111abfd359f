"""The graph's edges, what it saves, and hooks on several gradients."""

import contextlib

import pytest

import lampas
from lampas.autograd import graph


def leaf(*values):
    return lampas.tensor(values, requires_grad=True)


def test_edges():
    x = leaf(1.0)
    y = x * 2
    assert graph.get_gradient_edge(y) == (y.grad_fn, 0, None)
    assert type(graph.get_gradient_edge(x).node).__name__ == "AccumulateGrad"
    with pytest.raises(RuntimeError, match="does not require gradients"):
        graph.get_gradient_edge(lampas.ones(1))
    assert isinstance(y.grad_fn, graph.Node) and not isinstance(3, graph.Node)


def test_saved_tensors_hooks():
    calls = []

    def pack(tensor):
        calls.append("pack")
        return tensor.tolist()

    def unpack(values):
        calls.append("unpack")
        return lampas.tensor(values)

    x = leaf(1.0, 2.0)
    with graph.saved_tensors_hooks(pack, unpack):
        y = x.exp()
    y.sum().backward()
    assert calls == ["pack", "unpack"]
    assert x.grad.tolist() == pytest.approx([2.718282, 7.389056], rel=1e-6)


PAIRS = {
    "same": (lambda t: t, lambda t: t),
    "detached": (lambda t: t.detach(), lambda t: t),
    "lists": (lambda t: t.tolist(), lambda v: lampas.tensor(v, dtype=lampas.float64)),
    "computed": (lambda t: t * 1, lambda t: t / 1),
}
FUNCTIONS = {
    "result": lambda x: x.exp(),
    "argument": lambda x: x**3,
    "both": lambda x: (x * 2).sin() * x.exp(),
    "inner": lambda x: (x * x).exp().tanh(),
    "inplace": lambda x: (x * 1).exp_().sin(),
    "several": lambda x: lampas.softmax(x * 2, 0)[0] * x.prod(),
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_gradients_of_gradients_with_hooks(pair, function):
    orders = []
    for region in (contextlib.nullcontext, lambda: graph.saved_tensors_hooks(*pair)):
        x = leaf(0.7, 1.3).double().detach().requires_grad_()
        with region():
            y = function(x)
        found = []
        for _ in range(3):
            (y,) = lampas.autograd.grad(y.sum(), x, create_graph=True)
            found.append(y.detach())
        orders.append(found)
    for plain, hooked in zip(*orders, strict=True):
        assert lampas.allclose(plain, hooked, rtol=1e-12, atol=0)


def test_what_hooks_give_back_has_the_history_of_what_was_saved():
    x = leaf(1.0, 2.0)
    with graph.saved_tensors_hooks(lambda t: t.detach().clone(), lambda t: t):
        y, z = x.exp(), x.sin()
        w = (x * 2).sin()
    assert y.grad_fn._saved_result.grad_fn is y.grad_fn
    saved = z.grad_fn._saved_self
    assert saved.is_leaf and saved.requires_grad and saved is not x and saved.tolist() == [1, 2]
    (saved * 3).sum().backward()
    assert x.grad.tolist() == [3, 3]
    inner = w.grad_fn._saved_self
    assert not inner.is_leaf and inner.grad_fn is w.grad_fn.next_functions[0][0]
    del z, w
    (saved * 3).sum().backward()  # the leaf's accumulator lives as long as what was given back
    assert x.grad.tolist() == [6, 6]


def test_hooks_do_not_record():
    recorded = []
    x = leaf(1.0)
    with graph.saved_tensors_hooks(lambda t: recorded.append((t * 1).requires_grad) or t, lambda t: t):
        y = x.exp() * x
    y.backward()
    assert recorded == [False, False, False]


def test_save_on_cpu():
    x = leaf(2.0)
    with graph.save_on_cpu():
        y = x**3
    assert lampas.autograd.grad(y.sum(), x)[0].tolist() == [12]


def test_hooks_can_be_forbidden():
    with graph.disable_saved_tensors_hooks("not here"), pytest.raises(RuntimeError, match="not here"):
        graph.save_on_cpu().__enter__()
    with graph.save_on_cpu():
        pass


def test_mutation_can_be_allowed():
    x, factor = leaf(1.0), lampas.tensor([5.0])
    with graph.allow_mutation_on_saved_tensors():
        y = x * factor
        factor.zero_()
    assert lampas.autograd.grad(y.sum(), x)[0].tolist() == [5]


def test_multi_grad_hook():
    a, b, seen = leaf(1.0), leaf(1.0), []
    handle = graph.register_multi_grad_hook([a, b], seen.append)
    (a * 2 + b * 3).sum().backward()
    assert [g.tolist() for g in seen[0]] == [[2], [3]] and len(seen) == 1
    (a * 2).sum().backward()
    assert seen[1][0].tolist() == [2] and seen[1][1] is None and len(seen) == 2
    handle.remove()
    (a * 2).sum().backward()
    assert len(seen) == 2
    with graph.register_multi_grad_hook([a, b], seen.append, mode="any"):
        (a * 2 + b * 3).sum().backward()
        assert len(seen) == 3 and isinstance(seen[2], lampas.Tensor)
    with pytest.raises(ValueError, match="'all', 'any'"):
        graph.register_multi_grad_hook([a], print, mode="some")
