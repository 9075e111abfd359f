"""Optimizers against PyTorch's: the same paths over 20 steps, the same state, the same printed form."""

import copy

import numpy as np
import pytest

import lampas

torch = pytest.importorskip("torch")

STEPS = 20
SHAPES = [(3, 4), (5,), (), (0, 3), (7, 1, 2), (30, 20)]
CASES = [
    ("SGD", {}),
    ("SGD", {"momentum": 0.9}),
    ("SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("SGD", {"momentum": 0.9, "dampening": 0.3, "maximize": True, "weight_decay": 0.1}),
    ("Adam", {}),
    ("Adam", {"lr": 0.1, "amsgrad": True, "weight_decay": 0.1}),
    ("Adam", {"maximize": True, "betas": (0.4, 0.9)}),
    ("Adam", {"decoupled_weight_decay": True, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.1}),
    ("AdamW", {"amsgrad": True, "weight_decay": 0.3, "maximize": True}),
    ("RMSprop", {}),
    ("RMSprop", {"centered": True}),
    ("RMSprop", {"momentum": 0.9, "weight_decay": 0.1}),
    ("RMSprop", {"momentum": 0.9, "centered": True, "maximize": True}),
    ("Adagrad", {}),
    ("Adagrad", {"lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.5, "maximize": True}),
    ("Adadelta", {}),
    ("Adadelta", {"weight_decay": 0.1, "maximize": True}),
    ("NAdam", {}),
    ("NAdam", {"weight_decay": 0.1, "maximize": True}),
    ("NAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("RAdam", {}),
    ("RAdam", {"weight_decay": 0.1, "betas": (0.9, 0.9)}),
    ("RAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("Adamax", {}),
    ("Adamax", {"weight_decay": 0.1, "maximize": True}),
    ("Rprop", {}),
    ("Rprop", {"maximize": True, "etas": (0.4, 1.5), "step_sizes": (1e-3, 0.1)}),
    ("ASGD", {}),
    ("ASGD", {"t0": 5, "weight_decay": 0.1, "lambd": 0.01, "maximize": True}),
]
IDS = [f"{name}-{'-'.join(options)}" for name, options in CASES]


def array(t):
    t = t.detach()
    return t.numpy() if t.is_complex() else t.double().numpy()


def numbers(rng, shape, dtype):
    values = rng.standard_normal(shape)
    return values + 1j * rng.standard_normal(shape) if dtype.startswith("complex") else values


def run(library, name, options, dtype, steps=STEPS, optimizer=None, params=None, begin=0):
    rng = np.random.default_rng(0)
    kind = getattr(library, dtype)
    start = [numbers(rng, shape, dtype) for shape in SHAPES]
    if params is None:
        params = [library.tensor(p, dtype=kind).requires_grad_() for p in start]
        optimizer = getattr(library.optim, name)(params, **options)
    for k in range(begin + steps):
        gradients = [numbers(rng, shape, dtype) for shape in SHAPES]
        if k < begin:
            continue
        for i, (p, g) in enumerate(zip(params, gradients, strict=True)):
            # One parameter gets its first gradient later.
            p.grad = None if i == 1 and k < 3 else library.tensor(g, dtype=kind)
        optimizer.step()
    return params, optimizer


def compare(ours, theirs, rtol):
    for p, q in zip(ours, theirs, strict=True):
        scale = np.abs(array(q)).max() if q.numel() else 1
        np.testing.assert_allclose(array(p), array(q), rtol=rtol, atol=rtol * max(scale, 1e-3))


@pytest.mark.parametrize(
    # Not float16: PyTorch's squares of gradients and its eps underflow there, and its parameters become NaN.
    ("dtype", "rtol"),
    [("float32", 1e-5), ("float64", 1e-10), ("complex64", 1e-5), ("bfloat16", 0.3)],
)
@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
def test_path_state_and_form(name, options, dtype, rtol):
    ours, a = run(lampas, name, options, dtype)
    theirs, b = run(torch, name, options, dtype)
    compare(ours, theirs, rtol)
    assert repr(a) == repr(b)
    mine, other = a.state_dict(), b.state_dict()
    assert mine["param_groups"] == other["param_groups"]
    assert list(mine["param_groups"][0]) == list(other["param_groups"][0])
    assert list(mine["state"]) == list(other["state"])
    for key, entry in other["state"].items():
        assert set(mine["state"][key]) == set(entry)
        for field, value in entry.items():
            got = mine["state"][key][field]
            assert str(got.dtype).split(".")[1] == str(value.dtype).split(".")[1] and tuple(got.shape) == tuple(
                value.shape
            )


@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
def test_state_of_pytorch_continues_here(name, options):
    theirs, b = run(torch, name, options, "float64", 10)
    ours, a = run(lampas, name, options, "float64", 0)
    with lampas.no_grad():
        for p, q in zip(ours, theirs, strict=True):
            p.copy_(lampas.tensor(array(q)))
    state = copy.deepcopy(b.state_dict())

    def here(value):
        if isinstance(value, torch.Tensor):
            return lampas.tensor(array(value), dtype=getattr(lampas, str(value.dtype).split(".")[1]))
        return value

    state["state"] = {key: {k: here(v) for k, v in entry.items()} for key, entry in state["state"].items()}
    a.load_state_dict(state)
    b.load_state_dict(copy.deepcopy(b.state_dict()))
    run(torch, name, options, "float64", 10, b, theirs, 10)
    run(lampas, name, options, "float64", 10, a, ours, 10)
    compare(ours, theirs, 1e-8)


@pytest.mark.parametrize(
    "options", [{"lr": 0.5}, {"line_search_fn": "strong_wolfe"}, {"lr": 0.1, "history_size": 3, "max_iter": 7}]
)
def test_lbfgs(options):
    rng = np.random.default_rng(0)
    x, start = rng.standard_normal((40, 6)), rng.standard_normal((6, 3)) * 0.3
    y = np.tanh(x @ rng.standard_normal((6, 3)))
    results = []
    for library in (lampas, torch):
        w = library.tensor(start).requires_grad_()
        xs, ys = library.tensor(x), library.tensor(y)
        optimizer = library.optim.LBFGS([w], **options)

        def closure():
            optimizer.zero_grad()  # noqa: B023
            loss = ((library.tanh(xs @ w) - ys) ** 2).mean()  # noqa: B023
            loss.backward()
            return loss

        losses = [optimizer.step(closure).item() for _ in range(3)]
        results.append((losses, optimizer.state[w]["func_evals"], optimizer.state[w]["n_iter"]))
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-6)
    assert results[0][1:] == results[1][1:]


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "NAdam", "RAdam", "ASGD"])
@pytest.mark.parametrize(
    "options", [{"lr": -1.0}, {"weight_decay": -1.0}, {"eps": -1.0}, {"betas": (1.0, 0.5)}, {"betas": (0.5, -1.0)}]
)
def test_refusals_are_of_one_type(name, options):
    errors = []
    for library in (lampas, torch):
        try:
            getattr(library.optim, name)([library.ones(1).requires_grad_()], **options)
            errors.append(None)
        except (TypeError, ValueError) as e:
            errors.append(type(e))
    assert errors[0] == errors[1]
