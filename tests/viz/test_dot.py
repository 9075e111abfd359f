"""make_dot's text: boxes, lines, colours, labels."""

from __future__ import annotations

import pathlib
import re
import shutil

import pytest

import lampas
from lampas import nn

pytest.importorskip("graphviz")
from lampas.viz import make_dot, make_dot_from_trace


def lines(dot):
    """The statements, with boxes numbered in the order they occur."""
    numbers = {}
    body = "".join(dot.body)
    body = re.sub(r"\d{6,}", lambda found: str(numbers.setdefault(found.group(), len(numbers))), body)
    return [line.strip() for line in body.replace("\n (", " (").split("\n") if line.strip()]


def test_the_graph_of_two_ops():
    x = lampas.ones(5, requires_grad=True)
    dot = make_dot((x * 2) ** 2, params={"x": x})
    assert lines(dot) == [
        '0 [label=" (5)" fillcolor=darkolivegreen1]',
        "1 [label=PowBackward0]",
        "2 -> 1",
        "2 [label=MulBackward0]",
        "3 -> 2",
        '4 [label="x (5)" fillcolor=lightblue]',
        "4 -> 3",
        "3 [label=AccumulateGrad]",
        "1 -> 0",
    ]
    assert 'graph [size="12,12"]' in dot.source
    assert (
        "node [align=left fontname=monospace fontsize=10 height=0.2 ranksep=0.1 shape=box style=filled]" in dot.source
    )


def test_a_view_leads_to_its_base():
    x = lampas.ones(4, requires_grad=True)
    found = lines(make_dot((x * 2).view(2, 2)))
    assert '0 [label=" (2, 2)" fillcolor=darkolivegreen1]' in found
    assert sum("darkolivegreen3" in line for line in found) == 1
    assert found[-1].endswith("-> 0 [style=dotted]")


def test_a_tuple_of_outputs_shares_its_boxes():
    x = lampas.ones(4, requires_grad=True)
    y = x * 2
    found = lines(make_dot((y.exp(), y.sin())))
    assert sum("darkolivegreen1" in line for line in found) == 2
    assert sum("MulBackward0" in line for line in found) == 1
    assert sum("lightblue" in line for line in found) == 1


def test_saved_tensors_are_drawn_when_asked_for():
    x = lampas.ones(4, requires_grad=True)
    y = x.sigmoid().sum()
    assert not any("orange" in line for line in lines(make_dot(y)))
    found = lines(make_dot(y, show_saved=True))
    assert [line for line in found if "orange" in line] == ['3 [label="result (4)" fillcolor=orange]']
    assert any(line.endswith("[dir=none]") for line in found)


def test_saved_tensors_of_custom_functions_are_always_drawn():
    class Keep(lampas.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            ctx.save_for_backward(x, y)
            return y

        @staticmethod
        def backward(ctx, g):
            return g

    found = lines(make_dot(Keep.apply(lampas.ones(3, requires_grad=True) * 2)))
    assert sum("fillcolor=orange" in line for line in found) == 2
    assert any("KeepBackward" in line for line in found)


def test_attributes_are_listed_and_cut():
    x = lampas.ones(4, requires_grad=True)
    source = make_dot(x.sigmoid(), show_attrs=True).source
    assert re.search(r"SigmoidBackward0\n-+\nresult: \[saved tensor\]", source)
    assert re.search(r"result: \[sa\.\.\.", make_dot(x.sigmoid(), show_attrs=True, max_attr_chars=6).source)


def test_large_graphs_are_larger_and_long_chains_are_drawn():
    x = y = lampas.ones(1, requires_grad=True)
    for _ in range(5000):
        y = y + 1
    dot = make_dot(y)
    rows = len(dot.body)
    assert rows > 10000
    assert dot.graph_attr["size"] == f"{rows * 0.15},{rows * 0.15}"
    assert x.grad is None


def test_a_models_parameters_have_their_names():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    source = make_dot(model(lampas.ones(1, 3)).sum(), params=dict(model.named_parameters())).source
    for name, parameter in model.named_parameters():
        assert f'"{name}\n ({", ".join(map(str, parameter.shape))})" fillcolor=lightblue' in source


def test_errors():
    with pytest.raises(AssertionError, match=r"params\['x'\] must be a tensor, but is a int"):
        make_dot(lampas.ones(1), params={"x": 1})
    with pytest.raises(TypeError, match="a tensor or of a tuple of tensors, but was given a str"):
        make_dot("x")
    with pytest.raises(NotImplementedError, match="add_graph"):
        make_dot_from_trace(None)


def test_missing_graphviz_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "graphviz", None)
    with pytest.raises(ImportError, match="pip install graphviz"):
        make_dot(lampas.ones(1, requires_grad=True) * 2)


def test_rendering(tmp_path, monkeypatch):
    import graphviz

    dot = make_dot(lampas.ones(2, requires_grad=True) * 2)
    if shutil.which("dot"):
        assert "MulBackward0" in pathlib.Path(dot.render(tmp_path / "g", format="svg")).read_text()
    monkeypatch.setenv("PATH", str(tmp_path))
    for draw in (lambda: dot.render(tmp_path / "h", format="svg"), lambda: dot.pipe(format="svg")):
        with pytest.raises(graphviz.ExecutableNotFound) as caught:
            draw()
        assert "apt install graphviz" in caught.value.__notes__[0]
