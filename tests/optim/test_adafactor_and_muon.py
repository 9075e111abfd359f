"""Adafactor and Muon against their papers' formulas in NumPy."""

import numpy as np
import pytest

import lampas
from lampas import optim


def rms(x):
    return np.sqrt(np.mean(x * x))


@pytest.mark.parametrize("shape", [(4, 3), (5,), (2, 3, 4)])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_adafactor_formula(shape, decay):
    rng = np.random.default_rng(0)
    p = rng.standard_normal(shape)
    eps1, eps2, d, lr = 1e-6, 1e-3, 1.5, 0.2
    w = lampas.tensor(p).requires_grad_()
    optimizer = optim.Adafactor([w], lr=lr, eps=(eps1, eps2), d=d, weight_decay=decay)
    mean, rows, columns = 0.0, 0.0, 0.0
    for t in range(1, 8):
        g = rng.standard_normal(shape)
        w.grad = lampas.tensor(g)
        optimizer.step()
        beta = 1 - t**-0.8
        alpha = max(eps2, rms(p)) * min(lr, t**-0.5)
        p = p * (1 - lr * decay)
        mean = beta * mean + (1 - beta) * g * g
        if len(shape) == 1:
            v = mean
        else:
            rows = beta * rows + (1 - beta) * (g * g).mean(-1, keepdims=True)
            columns = beta * columns + (1 - beta) * (g * g).mean(-2, keepdims=True)
            v = rows * columns / np.maximum(rows.mean(-2, keepdims=True), eps1)
        u = g / np.sqrt(np.maximum(v, eps1**2))
        p = p - alpha * u / max(1, rms(u) / d)
        np.testing.assert_allclose(w.detach().numpy(), p, rtol=1e-10)


def test_adafactor_keeps_a_row_and_a_column():
    w = lampas.ones(30, 20).requires_grad_()
    optimizer = optim.Adafactor([w, lampas.ones(7).requires_grad_()])
    w.grad = lampas.ones(30, 20)
    optimizer.step()
    state = optimizer.state_dict()["state"]
    assert list(state) == [0]
    assert {k: tuple(v.shape) for k, v in state[0].items()} == {"step": (), "row_var": (30, 1), "col_var": (1, 20)}


def test_adafactor_takes_a_parameter_without_elements():
    w = lampas.ones(0, 3).requires_grad_()
    optimizer = optim.Adafactor([w])
    w.grad = lampas.ones(0, 3)
    optimizer.step()
    assert optimizer.state[w]["step"] == 1


def test_adafactor_refuses_complex_numbers():
    w = lampas.ones(2, dtype=lampas.complex64).requires_grad_()
    optimizer = optim.Adafactor([w])
    w.grad = w.detach().clone()
    with pytest.raises(RuntimeError, match="Adafactor does not support complex parameters; optimize view_as_real"):
        optimizer.step()


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5)])
def test_muon_step_is_nearly_orthogonal(shape):
    rng = np.random.default_rng(0)
    w = lampas.zeros(shape).requires_grad_()
    optimizer = optim.Muon([w], lr=1.0, weight_decay=0.0, ns_steps=8)
    w.grad = lampas.tensor(rng.standard_normal(shape), dtype=lampas.float32)
    optimizer.step()
    step = -w.detach().numpy() / max(1, shape[0] / shape[1]) ** 0.5
    singular = np.linalg.svd(step)[1]
    assert singular.min() > 0.6 and singular.max() < 1.3
    # The directions are those of the gradient.
    u, _, vt = np.linalg.svd(w.grad.numpy(), full_matrices=False)
    inside = u.T @ step @ vt.T
    assert np.abs(inside - np.diag(np.diag(inside))).max() < 0.1


def test_muon_formula():
    rng = np.random.default_rng(1)
    p = rng.standard_normal((4, 3))
    w = lampas.tensor(p).requires_grad_()
    optimizer = optim.Muon([w], lr=0.1, momentum=0.9, adjust_lr_fn="match_rms_adamw")
    buffer = np.zeros((4, 3))
    for _ in range(3):
        g = rng.standard_normal((4, 3))
        w.grad = lampas.tensor(g)
        optimizer.step()
        buffer = 0.9 * buffer + 0.1 * g
        x = (0.1 * g + 0.9 * buffer).T
        x = x / np.linalg.norm(x)
        for _ in range(5):
            a = x @ x.T
            x = 3.4445 * x + (-4.775 * a + 2.0315 * a @ a) @ x
        p = p * (1 - 0.1 * 0.1) - 0.1 * 0.2 * 2 * x.T
        # The iteration runs in bfloat16.
        np.testing.assert_allclose(w.detach().numpy(), p, atol=3e-3)
        p = w.detach().numpy().copy()


def test_muon_refusals():
    with pytest.raises(ValueError, match=r"Muon only supports 2D parameters .* \(3,\); give it to another optimizer"):
        optim.Muon([lampas.ones(3).requires_grad_()])
    w = lampas.ones(2, 2).requires_grad_()
    with pytest.raises(ValueError, match="nothing is not supported; use 'original' or 'match_rms_adamw'"):
        optim.Muon([w], adjust_lr_fn="nothing")
    w.grad = lampas.ones(2, 2)
    with pytest.raises(ValueError, match="ns_steps must be less than 100"):
        optim.Muon([w], ns_steps=100).step()
    with pytest.raises(ValueError, match="ns_coefficients must be exactly 3 numbers, but got 2"):
        optim.Muon([w], ns_coefficients=(1.0, 2.0)).step()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": -1}, "Learning rate should be >= 0 but is: -1"),
        ({"lr": lampas.ones(2)}, "Tensor lr must be 1-element"),
        ({"beta2_decay": 1.0}, "beta2_decay should be <= 0 but is: 1.0"),
        ({"eps": (-1, 1)}, "epsilon1 should be >= 0 but is: -1"),
        ({"eps": (None, -1)}, "epsilon2 should be >= 0 but is: -1"),
        ({"d": 0.5}, "Clipping threshold d should be >= 1 but is: 0.5"),
        ({"weight_decay": -1}, "weight_decay should be >= 0 but is: -1"),
    ],
)
def test_adafactor_refusals(options, message):
    with pytest.raises(ValueError, match=message):
        optim.Adafactor([lampas.ones(2).requires_grad_()], **options)
