"""Optimizers with sparse gradients against their formulas in NumPy, row by row."""

import copy

import numpy as np
import pytest

import lampas
from lampas import optim

BATCHES = [[1, 1, 0], [2, 0, 0], [1, 4, 1], [4, 2, 3]]


def gradients(w, at):
    """d/dw of sum(w[at] ** 2), and which rows have one."""
    g = np.zeros_like(w)
    np.add.at(g, at, 2 * w[at])
    return g, sorted(set(at))


def train(optimizer, emb, batches=BATCHES):
    for at in batches:
        optimizer.zero_grad()
        (emb(lampas.tensor(at)) ** 2).sum().backward()
        optimizer.step()


def table():
    emb = lampas.nn.Embedding(6, 3, sparse=True, dtype=lampas.float64)
    return emb, emb.weight.detach().numpy().copy()


@pytest.mark.parametrize("maximize", [False, True])
def test_sparse_adam(maximize):
    emb, w = table()
    lr, (b1, b2), eps = 0.1, (0.8, 0.95), 1e-6
    optimizer = optim.SparseAdam(emb.parameters(), lr=lr, betas=(b1, b2), eps=eps, maximize=maximize)
    train(optimizer, emb)
    m, v = np.zeros_like(w), np.zeros_like(w)
    for t, at in enumerate(BATCHES, 1):
        g, rows = gradients(w, at)
        g = -g if maximize else g
        m[rows] = b1 * m[rows] + (1 - b1) * g[rows]
        v[rows] = b2 * v[rows] + (1 - b2) * g[rows] ** 2
        w[rows] -= lr * np.sqrt(1 - b2**t) / (1 - b1**t) * m[rows] / (np.sqrt(v[rows]) + eps)
    np.testing.assert_allclose(emb.weight.detach().numpy(), w, rtol=1e-12)
    state = optimizer.state[emb.weight]
    np.testing.assert_allclose(state["exp_avg"].numpy(), m, rtol=1e-12)
    assert state["step"] == len(BATCHES) and list(state) == ["step", "exp_avg", "exp_avg_sq"]


@pytest.mark.parametrize(
    ("momentum", "dampening", "nesterov"), [(0, 0, False), (0.9, 0, False), (0.9, 0.5, False), (0.9, 0, True)]
)
def test_sgd(momentum, dampening, nesterov):
    emb, w = table()
    options = {"lr": 0.1, "momentum": momentum, "dampening": dampening, "nesterov": nesterov}
    optimizer = optim.SGD(emb.parameters(), **options)
    train(optimizer, emb)
    b = None
    for at in BATCHES:
        g, _ = gradients(w, at)
        b = g if b is None else momentum * b + (1 - dampening) * g
        step = g if not momentum else g + momentum * b if nesterov else b
        w = w - 0.1 * step
    np.testing.assert_allclose(emb.weight.detach().numpy(), w, rtol=1e-12, atol=1e-15)
    if momentum:
        assert optimizer.state[emb.weight]["momentum_buffer"].is_sparse


@pytest.mark.parametrize("maximize", [False, True])
def test_adagrad(maximize):
    emb, w = table()
    train(optim.Adagrad(emb.parameters(), lr=0.1, lr_decay=0.2, eps=1e-6, maximize=maximize), emb)
    s = np.zeros_like(w)
    for t, at in enumerate(BATCHES):
        g, rows = gradients(w, at)
        g = -g if maximize else g
        s += g * g
        w[rows] -= 0.1 / (1 + 0.2 * t) * g[rows] / (np.sqrt(s[rows]) + 1e-6)
    np.testing.assert_allclose(emb.weight.detach().numpy(), w, rtol=1e-12)


def test_state_dict_goes_on_where_it_stopped():
    emb, w = table()
    optimizer = optim.SparseAdam(emb.parameters(), lr=0.1)
    train(optimizer, emb, BATCHES[:2])
    other = lampas.nn.Embedding.from_pretrained(emb.weight.detach().clone(), freeze=False, sparse=True)
    continued = optim.SparseAdam(other.parameters(), lr=0.5)
    continued.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    train(optimizer, emb, BATCHES[2:])
    train(continued, other, BATCHES[2:])
    assert lampas.equal(emb.weight, other.weight) and not np.allclose(emb.weight.detach().numpy(), w)
    assert continued.param_groups[0]["lr"] == 0.1


def test_dense_and_sparse_parameters_side_by_side():
    emb, w = table()
    linear = lampas.nn.Linear(3, 2, dtype=lampas.float64)
    optimizer = optim.SGD([*emb.parameters(), *linear.parameters()], lr=0.1)
    before = linear.weight.detach().clone()
    linear(emb(lampas.tensor([1, 2]))).sum().backward()
    optimizer.step()
    assert not lampas.equal(before, linear.weight)
    moved = (emb.weight.detach().numpy() != w).any(1)
    assert moved.tolist() == [False, True, True, False, False, False]


def test_a_gradient_without_rows_changes_nothing():
    emb, w = table()
    emb.weight.grad = lampas.sparse_coo_tensor(
        lampas.zeros(1, 0, dtype=lampas.int64), lampas.zeros(0, 3, dtype=lampas.float64), (6, 3)
    )
    for make in (optim.SparseAdam, optim.SGD, optim.Adagrad):
        optimizer = make(emb.parameters(), lr=0.1)
        optimizer.step()
        np.testing.assert_array_equal(emb.weight.detach().numpy(), w)


def test_lr_as_a_tensor():
    emb, w = table()
    train(optim.SparseAdam(emb.parameters(), lr=lampas.tensor(0.1, dtype=lampas.float64)), emb)
    other = lampas.nn.Embedding.from_pretrained(lampas.tensor(w), freeze=False, sparse=True)
    train(optim.SparseAdam(other.parameters(), lr=0.1), other)
    np.testing.assert_allclose(emb.weight.detach().numpy(), other.weight.detach().numpy(), rtol=1e-6)


@pytest.mark.parametrize(
    "name", ["Adam", "AdamW", "Adamax", "RMSprop", "Rprop", "Adadelta", "ASGD", "NAdam", "RAdam", "Adafactor", "Muon"]
)
def test_others_refuse_sparse_gradients(name):
    emb, _ = table()
    optimizer = getattr(optim, name)(emb.parameters())
    with pytest.raises(RuntimeError, match=rf"{name} does not support sparse gradients.*SparseAdam"):
        train(optimizer, emb)


def test_lbfgs_takes_them_as_dense_ones():
    emb, _ = table()
    optimizer = optim.LBFGS(emb.parameters(), max_iter=5)

    def closure():
        optimizer.zero_grad()
        loss = (emb(lampas.tensor([0, 1])) ** 2).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure) > closure()


@pytest.mark.parametrize(
    ("message", "options"),
    [
        ("Invalid learning rate: 0", {"lr": 0}),
        ("Invalid learning rate: -0.1", {"lr": -0.1}),
        ("Invalid epsilon value: 0.0", {"eps": 0.0}),
        ("Invalid beta parameter at index 0: 1.5", {"betas": (1.5, 0.9)}),
        ("Invalid beta parameter at index 1: 1.0", {"betas": (0.9, 1.0)}),
        ("must be 1-element", {"lr": lampas.ones(2)}),
    ],
)
def test_invalid_options(message, options):
    with pytest.raises(ValueError, match=message):
        optim.SparseAdam([lampas.ones(2, requires_grad=True)], **options)


def test_what_sparse_adam_refuses():
    with pytest.raises(ValueError, match=r"Sparse params at indices \[\[0, 0\]\]"):
        optim.SparseAdam([lampas.eye(2).to_sparse().requires_grad_()])
    p = lampas.ones(2, requires_grad=True)
    p.grad = lampas.ones(2)
    with pytest.raises(RuntimeError, match="SparseAdam does not support dense gradients"):
        optim.SparseAdam([p]).step()


@pytest.mark.parametrize(
    ("message", "make"),
    [
        ("weight_decay would make a sparse gradient dense", lambda p: optim.SGD(p, weight_decay=0.1)),
        ("weight_decay is not compatible with sparse gradients", lambda p: optim.Adagrad(p, weight_decay=0.1)),
        (r"SGD\(fused=True\) does not support sparse", lambda p: optim.SGD(p, fused=True)),
        (r"Adagrad\(fused=True\) does not support sparse", lambda p: optim.Adagrad(p, fused=True)),
    ],
)
def test_options_that_sparse_gradients_exclude(message, make):
    emb, _ = table()
    with pytest.raises(RuntimeError, match=message):
        train(make(emb.parameters()), emb)
