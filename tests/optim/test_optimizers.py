"""Optimizers against the formulas of their papers, written in NumPy."""

import copy
import pickle

import numpy as np
import pytest

import lampas
from lampas import optim

STEPS = 8


def sgd(p, g, s, t, lr=1e-3, momentum=0, dampening=0, weight_decay=0, nesterov=False):
    g = g + weight_decay * p
    if momentum:
        s["b"] = g if t == 1 else momentum * s["b"] + (1 - dampening) * g
        g = g + momentum * s["b"] if nesterov else s["b"]
    return p - lr * g


def adam(p, g, s, t, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, amsgrad=False, decoupled=False):
    if decoupled:
        p = p * (1 - lr * weight_decay)
    else:
        g = g + weight_decay * p
    s["m"] = betas[0] * s.get("m", 0) + (1 - betas[0]) * g
    s["v"] = betas[1] * s.get("v", 0) + (1 - betas[1]) * g**2
    s["x"] = np.maximum(s.get("x", 0), s["v"])
    v = s["x"] if amsgrad else s["v"]
    return p - lr * (s["m"] / (1 - betas[0] ** t)) / (np.sqrt(v / (1 - betas[1] ** t)) + eps)


def adamw(p, g, s, t, weight_decay=1e-2, **kw):
    return adam(p, g, s, t, weight_decay=weight_decay, decoupled=True, **kw)


def rmsprop(p, g, s, t, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, centered=False):
    g = g + weight_decay * p
    s["v"] = alpha * s.get("v", 0) + (1 - alpha) * g**2
    s["m"] = alpha * s.get("m", 0) + (1 - alpha) * g
    change = g / (np.sqrt(s["v"] - s["m"] ** 2 if centered else s["v"]) + eps)
    if momentum:
        change = s["b"] = momentum * s.get("b", 0) + change
    return p - lr * change


def adagrad(p, g, s, t, lr=1e-2, lr_decay=0, weight_decay=0, initial_accumulator_value=0, eps=1e-10):
    g = g + weight_decay * p
    s["sum"] = s.get("sum", initial_accumulator_value) + g**2
    return p - lr / (1 + (t - 1) * lr_decay) * g / (np.sqrt(s["sum"]) + eps)


CASES = [
    (optim.SGD, sgd, {"lr": 0.1}),
    (optim.SGD, sgd, {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    (optim.SGD, sgd, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    (optim.Adam, adam, {"lr": 0.1}),
    (optim.Adam, adam, {"lr": 0.1, "betas": (0.4, 0.8), "weight_decay": 0.1, "amsgrad": True}),
    (optim.AdamW, adamw, {"lr": 0.1}),
    (optim.AdamW, adamw, {"lr": 0.1, "weight_decay": 0.3, "amsgrad": True}),
    (optim.RMSprop, rmsprop, {}),
    (optim.RMSprop, rmsprop, {"momentum": 0.9, "weight_decay": 0.1}),
    (optim.RMSprop, rmsprop, {"centered": True}),
    (optim.RMSprop, rmsprop, {"momentum": 0.9, "centered": True}),
    (optim.Adagrad, adagrad, {"lr": 0.1}),
    (optim.Adagrad, adagrad, {"lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.5}),
]
IDS = [f"{c[0].__name__}-{'-'.join(c[2])}" for c in CASES]
ALL = ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "NAdam", "RAdam", "Adamax", "Rprop", "ASGD"]
SHAPES = [(3, 4), (5,), (), (0, 3), (33, 17), (300, 200)]


def problem(seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(s) for s in SHAPES], [[rng.standard_normal(s) for s in SHAPES] for _ in range(STEPS)]


def run(cls, options, dtype, sign=1, **more):
    start, gradients = problem()
    params = [lampas.tensor(p, dtype=dtype).requires_grad_() for p in start]
    optimizer = cls(params, **options, **more)
    for step in gradients:
        for p, g in zip(params, step, strict=True):
            p.grad = lampas.tensor(sign * g, dtype=dtype)
        optimizer.step()
    return params, optimizer


def reference(rule, options):
    values, gradients = problem()
    states = [{} for _ in values]
    for t, step in enumerate(gradients, 1):
        values = [rule(p, g, s, t, **options) for p, g, s in zip(values, step, states, strict=True)]
    return values


def check(params, expected, rtol):
    for p, e in zip(params, expected, strict=True):
        np.testing.assert_allclose(p.detach().double().numpy(), e, rtol=rtol, atol=rtol)


@pytest.mark.parametrize(("cls", "rule", "options"), CASES, ids=IDS)
@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-12), ("float32", 2e-5)])
def test_formula(cls, rule, options, dtype, rtol):
    check(run(cls, options, getattr(lampas, dtype))[0], reference(rule, options), rtol)


@pytest.mark.parametrize(("cls", "rule", "options"), CASES, ids=IDS)
def test_maximize_is_the_negative_gradient(cls, rule, options):
    check(run(cls, options, lampas.float64, sign=-1, maximize=True)[0], reference(rule, options), 1e-12)


@pytest.mark.parametrize(("cls", "rule", "options"), CASES, ids=IDS)
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_sixteen_bits_compute_in_32(cls, rule, options, dtype):
    options = options | {"eps": 1e-3} if cls is not optim.SGD else options
    check(run(cls, options, getattr(lampas, dtype))[0], reference(rule, options), 0.1)


@pytest.mark.parametrize(("cls", "rule", "options"), CASES, ids=IDS)
def test_differentiable_rule_equals_the_kernel(cls, rule, options):
    start, gradients = problem()
    leaves = [lampas.tensor(p, dtype=lampas.float64).requires_grad_() for p in start]
    params = [leaf * 1 for leaf in leaves]
    optimizer = cls(params, **options, differentiable=True)
    for step in gradients:
        for p, g in zip(params, step, strict=True):
            p.grad = lampas.tensor(g, dtype=lampas.float64)
        optimizer.step()
    check(params, reference(rule, options), 1e-11)
    # Only weight decay makes a step depend on where it starts.
    params[0].sum().backward()
    decays = options.get("weight_decay") or cls is optim.AdamW
    assert bool((leaves[0].grad != 1).all()) if decays else bool((leaves[0].grad == 1).all())


@pytest.mark.parametrize("name", ALL)
def test_gradient_is_left_alone(name):
    p = lampas.tensor([1.0, -2.0, 3.0]).requires_grad_()
    optimizer = getattr(optim, name)([p], maximize=True, **({} if name == "Rprop" else {"weight_decay": 0.1}))
    for _ in range(3):
        p.grad = lampas.tensor([0.5, -0.25, 2.0])
        optimizer.step()
        assert p.grad.tolist() == [0.5, -0.25, 2.0]


@pytest.mark.parametrize("name", ALL)
def test_reaches_the_minimum(name):
    lr = {"Adadelta": 40.0, "SGD": 0.1, "ASGD": 0.1, "Adagrad": 0.5}.get(name, 0.05)
    p = lampas.tensor([2.0, -1.0], dtype=lampas.float64).requires_grad_()
    target = lampas.tensor([0.5, 0.25], dtype=lampas.float64)
    optimizer = getattr(optim, name)([p], lr=lr)

    def closure():
        optimizer.zero_grad()
        loss = ((p - target) ** 2).sum()
        loss.backward()
        return loss

    first = optimizer.step(closure).item()
    for _ in range(400):
        last = optimizer.step(closure).item()
    assert last < first * 1e-2


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_lbfgs_solves_rosenbrock(search):
    p = lampas.tensor([-1.2, 1.0], dtype=lampas.float64).requires_grad_()
    optimizer = optim.LBFGS([p], lr=1 if search else 0.1, max_iter=100, max_eval=1000, line_search_fn=search)

    def closure():
        optimizer.zero_grad()
        loss = (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2
        loss.backward()
        return loss

    for _ in range(10 if search else 40):
        optimizer.step(closure)
    np.testing.assert_allclose(p.tolist(), [1, 1], atol=1e-4 if search else 0.2)


def test_lbfgs_bad_line_search():
    p = lampas.ones(1).requires_grad_()
    optimizer = optim.LBFGS([p], line_search_fn="armijo")
    with pytest.raises(RuntimeError, match="only 'strong_wolfe' is supported"):
        optimizer.step(lambda: (p**2).sum())


def test_parameters_without_gradient_stay():
    a, b = lampas.ones(2).requires_grad_(), lampas.ones(2).requires_grad_()
    optimizer = optim.SGD([a, b], lr=1.0, momentum=0.5)
    a.grad = lampas.ones(2)
    optimizer.step()
    assert b.tolist() == [1, 1] and b not in set(optimizer.state)
    # b's first step comes later: its buffer starts with its gradient, a's goes on.
    b.grad = lampas.ones(2)
    optimizer.step()
    assert b.tolist() == [0, 0] and a.tolist() == [-1.5, -1.5]


def test_transposed_parameter_and_gradient():
    values, gradient = np.arange(12.0).reshape(3, 4), np.linspace(-1, 1, 12).reshape(3, 4)
    results = []
    for transposed_param, transposed_grad in [(0, 0), (1, 0), (0, 1), (1, 1)]:
        base = lampas.tensor(values.T if transposed_param else values)
        p = (base.t() if transposed_param else base).detach().requires_grad_()
        optimizer = optim.Adam([p], lr=0.1)
        for _ in range(3):
            p.grad = lampas.tensor(gradient.T).t() if transposed_grad else lampas.tensor(gradient)
            optimizer.step()
        results.append(p.tolist())
    assert results[0] == results[1] == results[2] == results[3]


def test_strided_parameter():
    storage = lampas.zeros(6, dtype=lampas.float64)
    p = storage[::2].requires_grad_()
    optimizer = optim.SGD([p], lr=1.0)
    p.grad = lampas.tensor([1.0, 2.0, 3.0], dtype=lampas.float64)
    optimizer.step()
    assert storage.tolist() == [-1, 0, -2, 0, -3, 0]


def test_complex_moves_as_pairs():
    z = lampas.tensor([1 + 2j, -1j]).requires_grad_()
    r = lampas.tensor([[1.0, 2.0], [0.0, -1.0]]).requires_grad_()
    for p, g in ((z, lampas.tensor([0.5 - 1j, 2j])), (r, lampas.tensor([[0.5, -1.0], [0.0, 2.0]]))):
        optimizer = optim.Adam([p], lr=0.1)
        for _ in range(3):
            p.grad = g
            optimizer.step()
    got = [[c.real, c.imag] for c in z.tolist()]
    np.testing.assert_allclose(got, r.tolist(), rtol=1e-6)


def test_two_groups_and_types_in_one_optimizer():
    a = lampas.ones(3).requires_grad_()
    b = lampas.ones(3, dtype=lampas.float64).requires_grad_()
    c = lampas.ones(3).requires_grad_()
    optimizer = optim.SGD([{"params": [a, b]}, {"params": [c], "lr": 0.5}], lr=0.25)
    for p in (a, b, c):
        p.grad = lampas.ones_like(p)
    optimizer.step()
    assert (a[0].item(), b[0].item(), c[0].item()) == (0.75, 0.75, 0.5)


def test_step_bumps_the_version():
    p = lampas.ones(3).requires_grad_()
    optimizer = optim.SGD([p], lr=1.0)
    product = (p * p).sum()
    p.grad = lampas.ones(3)
    optimizer.step()
    with pytest.raises(RuntimeError):
        product.backward()


def test_step_counter_is_a_tensor():
    _, optimizer = run(optim.Adam, {}, lampas.float32)
    step = next(iter(optimizer.state.values()))["step"]
    assert step.shape == () and step.dtype == lampas.float32 and step.item() == STEPS


@pytest.mark.parametrize("name", ALL)
def test_state_dict_continues(name):
    def fresh():
        p = lampas.tensor([1.0, 2.0, 3.0], dtype=lampas.float64).requires_grad_()
        return p, getattr(optim, name)([p])

    def go(p, optimizer, steps):
        for k in steps:
            p.grad = lampas.tensor([1.0, -k, 0.5 * k], dtype=lampas.float64)
            optimizer.step()

    p, whole = fresh()
    go(p, whole, range(6))
    q, first = fresh()
    go(q, first, range(3))
    r, second = fresh()
    with lampas.no_grad():
        r.copy_(q)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    go(r, second, range(3, 6))
    # Loading casts float32 scalars of the state to the parameters' float64.
    np.testing.assert_allclose(r.tolist(), p.tolist(), rtol=1e-9)


def test_state_dict_form():
    p = lampas.ones(2).requires_grad_()
    optimizer = optim.Adam([{"params": [p], "lr": 0.5}])
    p.grad = lampas.ones(2)
    optimizer.step()
    state = optimizer.state_dict()
    assert list(state) == ["state", "param_groups"]
    assert set(state["state"][0]) == {"step", "exp_avg", "exp_avg_sq"}
    assert state["param_groups"][0]["params"] == [0] and state["param_groups"][0]["lr"] == 0.5
    assert optim.SGD([p]).state_dict()["state"] == {}


def test_old_checkpoint_with_a_plain_step():
    p = lampas.ones(2).requires_grad_()
    p.grad = lampas.ones(2)
    optimizer = optim.Adam([p])
    optimizer.step()
    state = copy.deepcopy(optimizer.state_dict())
    state["state"][0]["step"] = 7
    del state["param_groups"][0]["maximize"]
    optimizer.load_state_dict(state)
    optimizer.step()
    assert optimizer.state[p]["step"].item() == 8


def test_load_casts_to_the_parameters_type():
    p = lampas.ones(2).requires_grad_()
    p.grad = lampas.ones(2)
    optimizer = optim.Adam([p])
    optimizer.step()
    q = lampas.ones(2, dtype=lampas.float64).requires_grad_()
    other = optim.Adam([q])
    other.load_state_dict(optimizer.state_dict())
    assert other.state[q]["exp_avg"].dtype == lampas.float64 and other.state[q]["step"].dtype == lampas.float32


def test_load_errors():
    a, b = lampas.ones(2).requires_grad_(), lampas.ones(2).requires_grad_()
    with pytest.raises(ValueError, match="has 1 parameter groups, but the optimizer has 2"):
        optim.SGD([{"params": [a]}, {"params": [b]}]).load_state_dict(optim.SGD([a, b]).state_dict())
    with pytest.raises(ValueError, match="has 2 parameters in group 0"):
        optim.SGD([a]).load_state_dict(optim.SGD([a, b]).state_dict())


def test_pickle():
    p = lampas.ones(2).requires_grad_()
    p.grad = lampas.ones(2)
    optimizer = optim.Adam([p], lr=0.5)
    optimizer.step()
    other = pickle.loads(pickle.dumps(optimizer))
    (q,) = other.param_groups[0]["params"]
    assert q.tolist() == p.tolist() and other.state[q]["step"].item() == 1


def test_hooks():
    p = lampas.ones(1).requires_grad_()
    p.grad = lampas.ones(1)
    optimizer, calls = optim.SGD([p], lr=0.5), []
    from lampas.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

    handles = [
        optimizer.register_step_pre_hook(lambda o, args, kwargs: calls.append("pre")),
        optimizer.register_step_post_hook(lambda o, args, kwargs: calls.append("post")),
        register_optimizer_step_pre_hook(lambda o, args, kwargs: calls.append("all pre")),
        register_optimizer_step_post_hook(lambda o, args, kwargs: calls.append("all post")),
    ]
    optimizer.step()
    assert calls == ["all pre", "pre", "post", "all post"]
    for handle in handles:
        handle.remove()
    optimizer.step()
    assert len(calls) == 4
    with optimizer.register_step_pre_hook(lambda o, args, kwargs: 1), pytest.raises(RuntimeError, match="pre-hook"):
        optimizer.step()


def test_state_dict_hooks():
    optimizer, calls = optim.SGD([lampas.ones(1).requires_grad_()]), []
    optimizer.register_state_dict_pre_hook(lambda o: calls.append("pre"))
    optimizer.register_state_dict_pre_hook(lambda o: calls.append("first"), prepend=True)
    optimizer.register_state_dict_post_hook(lambda o, state: state | {"extra": 1})
    optimizer.register_load_state_dict_pre_hook(lambda o, state: calls.append(state["extra"]))
    optimizer.register_load_state_dict_post_hook(lambda o: calls.append("loaded"))
    optimizer.load_state_dict(optimizer.state_dict())
    assert calls == ["first", "pre", 1, "loaded"]


def test_own_optimizer():
    class Halve(optim.Optimizer):
        def __init__(self, params):
            super().__init__(params, {"lr": 1.0})

        def step(self, closure=None):
            with lampas.no_grad():
                for p in self.param_groups[0]["params"]:
                    p.mul_(0.5)

    p, calls = lampas.ones(1).requires_grad_(), []
    optimizer = Halve([p])
    optimizer.register_step_post_hook(lambda *_: calls.append(1))
    optimizer.step()
    assert p.item() == 0.5 and calls == [1]


def test_repr():
    p = lampas.ones(1).requires_grad_()
    assert repr(optim.SGD([p], lr=0.1)) == (
        "SGD (\nParameter Group 0\n    dampening: 0\n    differentiable: False\n    foreach: None\n    fused: None\n"
        "    lr: 0.1\n    maximize: False\n    momentum: 0\n    nesterov: False\n    weight_decay: 0\n)"
    )


def test_zero_grad():
    p = lampas.ones(2).requires_grad_()
    p.grad = lampas.ones(2)
    optimizer = optim.SGD([p])
    optimizer.zero_grad(set_to_none=False)
    assert p.grad.tolist() == [0, 0]
    optimizer.zero_grad()
    assert p.grad is None


def test_named_parameters():
    a, b = lampas.ones(1).requires_grad_(), lampas.ones(1).requires_grad_()
    optimizer = optim.SGD([("a", a), ("b", b)])
    assert optimizer.param_groups[0]["param_names"] == ["a", "b"]
    with pytest.raises(ValueError, match="with names or all without"):
        optim.SGD([("a", a), b])
    with pytest.raises(ValueError, match="with names or all without"):
        optimizer.add_param_group({"params": [lampas.ones(1).requires_grad_()]})


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda p: optim.SGD(p), TypeError, r"got a single Tensor; write \[param\]"),
        (lambda p: optim.SGD([]), ValueError, "empty parameter list"),
        (lambda p: optim.SGD([1]), TypeError, "one of the params is int"),
        (lambda p: optim.SGD([p * 1]), ValueError, "can't optimize a non-leaf Tensor"),
        (lambda p: optim.SGD([{"params": {p}}]), TypeError, "give a list instead"),
        (lambda p: optim.SGD([{"params": [p]}, {"params": [p]}]), ValueError, "more than one parameter group"),
        (lambda p: optim.SGD([p]).add_param_group([p]), TypeError, "param_group must be a dict"),
        (lambda p: optim.SGD([p], lr=-1.0), ValueError, "Invalid learning rate: -1.0"),
        (lambda p: optim.SGD([p], lr=lampas.ones(2)), ValueError, "Tensor lr must be 1-element"),
        (lambda p: optim.SGD([p], momentum=-1.0), ValueError, "Invalid momentum value: -1.0"),
        (lambda p: optim.SGD([p], nesterov=True), ValueError, "Nesterov momentum requires"),
        (lambda p: optim.Adam([p], betas=(1.0, 0.9)), ValueError, "Invalid beta parameter at index 0: 1.0"),
        (lambda p: optim.Adam([p], eps=-1.0), ValueError, "Invalid epsilon value: -1.0"),
        (lambda p: optim.Adam([p], betas=(0, 0.9)), ValueError, "both floats or both Tensors"),
        (lambda p: optim.Adam([p], fused=True, foreach=True), RuntimeError, "cannot be `True` together"),
        (lambda p: optim.Adam([p], fused=True, differentiable=True), RuntimeError, "does not support `differentiable`"),
        (lambda p: optim.Adadelta([p], rho=1.5), ValueError, "Invalid rho value: 1.5"),
        (lambda p: optim.Rprop([p], etas=(1.5, 2)), ValueError, "Invalid eta values: 1.5, 2"),
        (lambda p: optim.LBFGS([{"params": [p]}, {"params": []}]), ValueError, "got 2 parameter groups"),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make(lampas.ones(2).requires_grad_())


def test_duplicates_warn():
    p = lampas.ones(2).requires_grad_()
    with pytest.warns(UserWarning, match="duplicate parameters"):
        optim.SGD([p, p])


def test_state_of_another_type_is_refused():
    p = lampas.ones(2).requires_grad_()
    p.grad = lampas.ones(2)
    optimizer = optim.Adam([p])
    optimizer.step()
    optimizer.state[p]["exp_avg"] = lampas.zeros(2, dtype=lampas.float64)
    with pytest.raises(RuntimeError, match="move the model before making the optimizer"):
        optimizer.step()
    assert optimizer.state[p]["step"].item() == 1


def test_groups_are_printed_with_a_line_between_them():
    weights = [lampas.zeros(1, requires_grad=True) for _ in range(2)]
    lines = repr(lampas.optim.SGD([{"params": [w]} for w in weights], lr=0.1)).splitlines()
    second = lines.index("Parameter Group 1")
    assert lines[0] == "SGD (" and lines[1] == "Parameter Group 0" and lines[second - 1] == "" and lines[-1] == ")"
