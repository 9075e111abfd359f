"""States that change libraries in the middle of a training: the second half here or there ends at one point."""

import importlib

import numpy as np
import pytest

import lampas

torch = pytest.importorskip("torch")

SHAPES = [(3, 4), (5,), (2, 3, 2)]
MATRICES = [(3, 4), (4, 3), (6, 6)]
CASES = [
    ("SGD", {"momentum": 0.9, "nesterov": True}),
    ("SGD", {"lr": 0.1, "foreach": True}),
    ("SGD", {"momentum": 0.5, "fused": True}),
    ("SGD", {"momentum": 0.5, "differentiable": True, "weight_decay": 0.1}),
    ("Adam", {"amsgrad": True, "foreach": True}),
    ("Adam", {"fused": True, "weight_decay": 0.1}),
    ("Adam", {"differentiable": True, "maximize": True}),
    ("AdamW", {"amsgrad": True, "maximize": True}),
    ("RMSprop", {"centered": True, "momentum": 0.9, "foreach": True}),
    ("RMSprop", {"differentiable": True}),
    ("Adagrad", {"lr_decay": 0.1, "initial_accumulator_value": 0.1}),
    ("Adagrad", {"fused": True}),
    ("Adadelta", {"weight_decay": 0.1, "foreach": True}),
    ("Adadelta", {"differentiable": True}),
    ("NAdam", {"decoupled_weight_decay": True, "weight_decay": 0.1}),
    ("NAdam", {"differentiable": True}),
    ("RAdam", {"lr": 0.1, "foreach": True}),
    ("RAdam", {"differentiable": True}),
    ("Adamax", {"maximize": True}),
    ("Adamax", {"differentiable": True}),
    ("Rprop", {"etas": (0.4, 1.3)}),
    ("Rprop", {"differentiable": True}),
    ("ASGD", {"t0": 3, "lambd": 0.01}),
    ("ASGD", {"differentiable": True}),
    ("Adafactor", {}),
    ("Adafactor", {"maximize": True, "weight_decay": 0.1, "eps": (1e-3, 1e-2), "d": 2.0, "foreach": True}),
    ("Muon", {}),
    ("Muon", {"nesterov": False, "adjust_lr_fn": "match_rms_adamw", "lr": 0.1, "momentum": 0.5}),
]
IDS = [f"{name}-{'-'.join(options)}" for name, options in CASES]


def gradient(rng, shape):
    return rng.standard_normal(shape)


class Run:
    """An optimizer of one library, fed with the same gradients as its twin."""

    def __init__(self, library, name, options, start=None):
        rng = np.random.default_rng(0)
        shapes = MATRICES if name == "Muon" else SHAPES
        values = [gradient(rng, shape) for shape in shapes] if start is None else start
        self.library = library
        leaves = [library.tensor(v, dtype=library.float64).requires_grad_() for v in values]
        # A differentiable step changes its parameter in place, which autograd refuses to do to a leaf.
        self.params = [p.clone() for p in leaves] if options.get("differentiable") else leaves
        groups = [{"params": self.params[:1]}, {"params": self.params[1:], "lr": 0.05}]
        self.optimizer = getattr(library.optim, name)(groups, **options)

    def steps(self, begin, end):
        for k in range(begin, end):
            rng = np.random.default_rng(100 + k)
            for p in self.params:
                p.grad = self.library.tensor(gradient(rng, tuple(p.shape)), dtype=self.library.float64)
            self.optimizer.step()
        return self

    def values(self):
        return [p.detach().numpy().copy() for p in self.params]


def carried(library, value):
    """The same value as the other library has it."""
    if isinstance(value, dict):
        return {k: carried(library, v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(carried(library, v) for v in value)
    if isinstance(value, (lampas.Tensor, torch.Tensor)):
        return library.tensor(value.detach().numpy(), dtype=getattr(library, str(value.dtype).split(".")[1]))
    return value


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
@pytest.mark.parametrize("first", ["here", "there"])
@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
def test_half_here_half_there(name, options, first):
    one, two = (lampas, torch) if first == "here" else (torch, lampas)
    whole = Run(torch, name, options).steps(0, 10)
    half = Run(one, name, options).steps(0, 5)
    other = Run(two, name, options, half.values())
    state, fresh = half.optimizer.state_dict(), other.optimizer.state_dict()
    assert [list(g) for g in state["param_groups"]] == [list(g) for g in fresh["param_groups"]]
    other.optimizer.load_state_dict(carried(two, state))
    other.steps(5, 10)
    for got, expected in zip(other.values(), whole.values(), strict=True):
        # Muon's matrix products are in bfloat16; step counters, which a differentiable step computes with, in float32.
        rtol = 1e-2 if name == "Muon" else 1e-4 if name == "ASGD" or options.get("differentiable") else 1e-8
        np.testing.assert_allclose(got, expected, rtol=rtol, atol=1e-12)
    ours, theirs = other.optimizer.state_dict()["state"], whole.optimizer.state_dict()["state"]
    assert {k: set(v) for k, v in ours.items()} == {k: set(v) for k, v in theirs.items()}


@pytest.mark.parametrize("first", ["here", "there"])
@pytest.mark.parametrize("options", [{"lr": 0.3, "max_iter": 4}, {"line_search_fn": "strong_wolfe", "max_iter": 3}])
def test_lbfgs_half_here_half_there(options, first):
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((30, 4)), rng.standard_normal((30, 2))

    def begin(library, start):
        w = library.tensor(start, dtype=library.float64).requires_grad_()
        return w, library.optim.LBFGS([w], **options)

    def go(library, w, optimizer, steps):
        xs, ys = library.tensor(x), library.tensor(y)

        def closure():
            optimizer.zero_grad()
            loss = ((library.tanh(xs @ w) - ys) ** 2).sum()
            loss.backward()
            return loss

        return [optimizer.step(closure).item() for _ in range(steps)]

    start = np.zeros((4, 2)) + 0.1
    w, optimizer = begin(torch, start)
    expected = go(torch, w, optimizer, 4)
    one, two = (lampas, torch) if first == "here" else (torch, lampas)
    w, optimizer = begin(one, start)
    losses = go(one, w, optimizer, 2)
    state = carried(two, optimizer.state_dict())
    w, optimizer = begin(two, w.detach().numpy().copy())
    optimizer.load_state_dict(state)
    losses += go(two, w, optimizer, 2)
    np.testing.assert_allclose(losses, expected, rtol=1e-7)


def caught(make):
    try:
        make()
    except Exception as error:
        return type(error).__name__
    return None


BAD = {
    "negative rate": lambda t, o: o([t.ones(2, 2).requires_grad_()], lr=-1),
    "rate of two numbers": lambda t, o: o([t.ones(2, 2).requires_grad_()], lr=t.tensor([0.1, 0.2])),
    "negative decay": lambda t, o: o([t.ones(2, 2).requires_grad_()], weight_decay=-1),
    "one tensor": lambda t, o: o(t.ones(2, 2).requires_grad_()),
    "no parameters": lambda t, o: o([]),
    "a string": lambda t, o: o(["weight"]),
    "a number": lambda t, o: o([1.0]),
    "no leaf": lambda t, o: o([t.ones(2, 2).requires_grad_() * 2]),
    "a set": lambda t, o: o([{"params": {t.ones(2, 2).requires_grad_()}}]),
    "a text for the rate": lambda t, o: o([t.ones(2, 2).requires_grad_()], lr="0.1"),
    "an unknown option": lambda t, o: o([t.ones(2, 2).requires_grad_()], nothing=1),
    "a group that is none": lambda t, o: o([t.ones(2, 2).requires_grad_()]).add_param_group([]),
    "names for some": lambda t, o: o([("a", t.ones(2, 2).requires_grad_()), t.ones(2, 2).requires_grad_()]),
    "groups of another number": lambda t, o: o([t.ones(2, 2).requires_grad_()]).load_state_dict(
        {"state": {}, "param_groups": []}
    ),
}
NAMES = sorted({name for name, _ in CASES}) + ["LBFGS"]


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("name", NAMES)
def test_errors_of_one_kind(name, case):
    ours, theirs = (caught(lambda library=library: BAD[case](library, getattr(library.optim, name))) for library in
                    (lampas, torch))  # fmt: skip
    assert ours == theirs


@pytest.mark.parametrize("name", NAMES)
def test_shared_parameter_in_two_groups(name):
    def twice(library):
        p = library.ones(2, 2).requires_grad_()
        getattr(library.optim, name)([{"params": [p]}, {"params": [p]}])

    assert caught(lambda: twice(lampas)) == caught(lambda: twice(torch)) == "ValueError"


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("Adafactor", {"beta2_decay": 0.5}),
        ("Adafactor", {"eps": (-1.0, 1.0)}),
        ("Adafactor", {"eps": (None, -1.0)}),
        ("Adafactor", {"d": 0.5}),
        ("Muon", {"momentum": -1}),
        ("Muon", {"adjust_lr_fn": "nothing"}),
        ("Adam", {"betas": (0.9, 1.0)}),
        ("Adam", {"betas": (0.9,)}),
        ("Adam", {"eps": -1}),
        ("Adam", {"fused": True, "foreach": True}),
        ("Adam", {"fused": True, "differentiable": True}),
        ("SGD", {"nesterov": True}),
        ("SGD", {"momentum": -1}),
        ("RMSprop", {"alpha": -1}),
        ("Rprop", {"etas": (1.2, 0.5)}),
        ("Adadelta", {"rho": 2}),
        ("NAdam", {"momentum_decay": -1}),
        ("Adagrad", {"initial_accumulator_value": -1}),
    ],
)
def test_options_out_of_range(name, options):
    def make(library):
        getattr(library.optim, name)([library.ones(2, 2).requires_grad_()], **options)

    assert caught(lambda: make(lampas)) == caught(lambda: make(torch))


@pytest.mark.parametrize("params", [{"shape": (3,)}, {"shape": (2, 2), "dtype": "complex64"}, {"steps": 100}])
def test_what_muon_refuses(params):
    def make(library):
        p = library.ones(params.get("shape", (2, 2)), dtype=getattr(library, params.get("dtype", "float32")))
        p.requires_grad_()
        optimizer = library.optim.Muon([p], ns_steps=params.get("steps", 5))
        p.grad = p.detach().clone()
        optimizer.step()

    ours, theirs = caught(lambda: make(lampas)), caught(lambda: make(torch))
    assert ours == theirs and ours is not None


@pytest.mark.parametrize("name", NAMES)
def test_hooks_groups_and_closures(name):
    def story(library):
        told = []
        first, second = (library.ones(2, 2).requires_grad_() for _ in range(2))
        optimizer = getattr(library.optim, name)([("first", first)], lr=library.tensor(0.1))
        if name != "LBFGS":
            optimizer.add_param_group({"params": [("second", second)], "lr": 0.2})
        module = importlib.import_module(f"{library.__name__}.optim.optimizer")
        handles = [
            optimizer.register_step_pre_hook(lambda o, args, kwargs: told.append(("pre", len(args)))),
            optimizer.register_step_post_hook(lambda o, args, kwargs: told.append(("post", len(args)))),
            optimizer.register_state_dict_pre_hook(lambda o: told.append("save")),
            optimizer.register_state_dict_post_hook(lambda o, s: told.append(sorted(s))),
            optimizer.register_load_state_dict_pre_hook(lambda o, s: told.append("load")),
            optimizer.register_load_state_dict_post_hook(lambda o: told.append("loaded")),
            module.register_optimizer_step_pre_hook(lambda o, args, kwargs: told.append("all pre")),
            module.register_optimizer_step_post_hook(lambda o, args, kwargs: told.append("all post")),
        ]

        def closure():
            optimizer.zero_grad(set_to_none=False)
            loss = (first**2).sum() + (second**2).sum()
            loss.backward()
            return loss

        told.append(round(optimizer.step(closure).item(), 5))
        saved = optimizer.state_dict()
        told += [[k for k in g if k != "params"] for g in saved["param_groups"]]
        told += [g["param_names"] for g in saved["param_groups"]]
        optimizer.load_state_dict(saved)
        for handle in handles:
            handle.remove()
        told.append(round(optimizer.step(closure).item(), 5))
        optimizer.zero_grad()
        told += [first.grad is None, [round(v, 5) for v in first.detach().flatten().tolist()]]
        return told

    assert story(lampas) == story(torch)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SGD", {"momentum": 0.9}),
        ("SGD", {"nesterov": True, "momentum": 0.9, "weight_decay": 0.1}),
        ("AdamW", {}),
        ("Adagrad", {"lr_decay": 0.1}),
        ("Adadelta", {}),
        ("NAdam", {}),
        ("RAdam", {}),
        ("ASGD", {"t0": 1}),
    ],
)
def test_gradients_through_steps(name, options):
    found = []
    for library in (lampas, torch):
        start = library.tensor([1.0, -2.5, 3.0], dtype=library.float64).requires_grad_()
        p = start.clone()
        optimizer = getattr(library.optim, name)([p], differentiable=True, **options)
        for k in range(3):
            p.grad = start * start * (k + 1) * 0.5 + start
            optimizer.step()
        (p**2).sum().backward()
        found.append(start.grad.numpy())
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6)
