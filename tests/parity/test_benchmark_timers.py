"""Measurements and comparisons print as PyTorch's do."""

import importlib
import itertools

import pytest

torch = pytest.importorskip("torch")

TIMES = [
    [1e-5],
    [1e-5, 1.1e-5],
    [1e-6, 2e-6],
    [1e-6, 2e-6, 1.5e-6],
    [1.0, 1.2, 1.1, 2.0],
    [1e-9, 2e-9, 3e-9, 4e-9],
    [0.5, 0.5, 0.6, 0.51] * 6,
]
TEXTS = [
    {},
    {"label": "L", "description": "D", "num_threads": 4},
    {"label": "L", "sub_label": "S", "env": "E"},
    {"stmt": "a\nb", "setup": "c\nd\n"},
    {"stmt": "a\nb", "setup": "c", "sub_label": "S", "description": "d"},
    {"setup": "x=1", "sub_label": "q"},
]


def measured(b, times, stmt="f(x)", setup="", **texts):
    return b.Measurement(10, [t * 10 for t in times], b.TaskSpec(stmt=stmt, setup=setup, **texts))


def grid(b):
    for a, d, threads, env in itertools.product((1, 30), (1, 7), (1, 2), ("e2", "e1")):
        times = [(1.7 if env == "e2" else 1) * a * d * threads * 1e-6] * 3
        yield measured(b, times, label="L", sub_label=f"s{a}", description=f"d{d}", num_threads=threads, env=env)


RESULTS = {
    "grid": grid,
    "labels": lambda b: [
        measured(b, [a * 1.5e-6] * 3, label=label, sub_label=f"s{a}", description="only one")
        for a in (1, 3000)
        for label in ("x", "y")
    ],
    "noise and holes": lambda b: [
        measured(b, [1e-6 * i for i in range(1, 6)], description="noisy", label="q"),
        measured(b, [1e-6, 1.3e-6], description="o", label="q"),
        measured(b, [1.25e-6, 1.3e-6], description="o", sub_label="other", label="q"),
    ],
    "wide": lambda b: [
        measured(
            b, [a * 1e-3 * d], label="products of all sizes", sub_label=f"s{a}", description=f"d{d}", num_threads=t
        )
        for a in (1, 2, 3)
        for d in (1, 1.05, 1.5, 2.5, 8)
        for t in (4, 1)
    ],
    "no label": lambda b: [measured(b, [2e-6], description="A"), measured(b, [3e-6], description="B")],
}
STEPS = [
    [],
    ["trim_significant_figures"],
    ["colorize"],
    ["rowwise"],
    ["highlight_warnings"],
    ["trim_significant_figures", "colorize", "highlight_warnings"],
]


def libraries():
    return [importlib.import_module(f"{name}.utils.benchmark") for name in ("lampas", "torch")]


@pytest.mark.parametrize("texts", TEXTS, ids=str)
@pytest.mark.parametrize("times", TIMES, ids=str)
def test_same_measurement(times, texts):
    ours, theirs = (measured(b, times, **texts) for b in libraries())
    assert repr(ours).splitlines()[1:] == repr(theirs).splitlines()[1:]
    for name in ("significant_figures", "has_warnings", "title", "as_row_name", "env", "label"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.meets_confidence() == theirs.meets_confidence()
    assert ours.task_spec.summarize() == theirs.task_spec.summarize()


@pytest.mark.parametrize("steps", STEPS, ids=str)
@pytest.mark.parametrize("results", RESULTS)
def test_same_table(results, steps):
    texts = []
    for b in libraries():
        compare = b.Compare(list(RESULTS[results](b)))
        for step in steps:
            if step == "rowwise":
                compare.colorize(rowwise=True)
            else:
                getattr(compare, step)()
        texts.append(str(compare))
    assert texts[0] == texts[1]
