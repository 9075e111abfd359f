"""`utils.checkpoint`: the values, gradients, warnings and kinds of errors of PyTorch's."""

import importlib
import warnings

import pytest

import lampas

torch = pytest.importorskip("torch")


def basic(t, c, **options):
    t.manual_seed(0)
    model = t.nn.Sequential(t.nn.Linear(3, 4), t.nn.Dropout(0.5), t.nn.Tanh())
    x = t.randn(2, 3, requires_grad=True)
    y = c.checkpoint(model, x, **options)
    (y * y).sum().backward()
    return rounded(x.grad), rounded(model[0].weight.grad)


def rounded(x):
    return [round(v, 4) for v in x.flatten().tolist()]


def only_parameters(t, c, **options):
    model = t.nn.Linear(2, 2)
    y = c.checkpoint(model, t.ones(1, 2), **options)
    if y.requires_grad:
        y.sum().backward()
    return y.requires_grad, model.weight.grad is not None


def keywords(t, c, **options):
    x, z = t.ones(2, requires_grad=True), t.ones(2, requires_grad=True)
    c.checkpoint(lambda a, *, b: a * b * 2, x, b=z, **options).sum().backward()
    return rounded(x.grad), rounded(z.grad)


def nested(t, c, **options):
    x = t.ones(2, requires_grad=True)

    def outer(a):
        return c.checkpoint(lambda b: b.sin() * 2, a, **options).exp()

    c.checkpoint(outer, x, **options).sum().backward()
    return rounded(x.grad)


def structures(t, c, **options):
    x = t.ones(2, requires_grad=True)
    y = c.checkpoint(lambda d: (d[0] * 2, 3, None), (x,), **options)
    return [type(v).__name__ for v in y]


def dictionaries(t, c, **options):
    x = t.ones(2, requires_grad=True)
    y = c.checkpoint(lambda b: {"a": b * 2, "l": [b * 3]}, x, **options)
    (y["a"] + y["l"][0]).sum().backward()
    return rounded(x.grad)


def sequential(t, c, **options):
    t.manual_seed(0)
    model = t.nn.Sequential(*[t.nn.Linear(3, 3) for _ in range(5)])
    x = t.randn(2, 3, requires_grad=True)
    c.checkpoint_sequential(model, 2, x, **options).sum().backward()
    return rounded(x.grad)


def other_shape(t, c, **options):
    x = t.ones(2, requires_grad=True)
    runs = []

    def f(a):
        runs.append(1)
        return a.sin() if len(runs) == 1 else a[:1].sin()

    c.checkpoint(f, x, **options).sum().backward()


def unknown(t, c, **options):
    return c.checkpoint(lambda a: a, t.ones(1, requires_grad=True), nope=3, **options)


def retained(t, c, **options):
    x = t.ones(2, requires_grad=True)
    y = c.checkpoint(lambda a: a.sin().exp(), x, **options)
    y.sum().backward(retain_graph=True)
    y.sum().backward()
    return rounded(x.grad)


PROGRAMS = (
    basic,
    only_parameters,
    keywords,
    nested,
    structures,
    dictionaries,
    sequential,
    other_shape,
    unknown,
    retained,
)


@pytest.mark.parametrize("use_reentrant", [True, False])
@pytest.mark.parametrize("program", PROGRAMS)
def test_same_outcome(program, use_reentrant):
    if program is dictionaries and use_reentrant:
        pytest.skip("PyTorch takes such a result and fails in the backward pass")
    results = []
    for t in (lampas, torch):
        c = importlib.import_module(f"{t.__name__}.utils.checkpoint")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                result = program(t, c, use_reentrant=use_reentrant)
            except Exception as error:
                result = type(error).__name__
        results.append((result, [w.category.__name__ for w in caught]))
    assert results[0] == results[1]
