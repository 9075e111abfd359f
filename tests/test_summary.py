"""lampas.summary: the tree, the counts, and that the model is left as it was."""

from __future__ import annotations

import pytest

import lampas
from lampas import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 8, 3, groups=2, bias=False)
        self.norm = nn.BatchNorm2d(8)

    def forward(self, x):
        return self.norm(self.conv(x))


def row(found, name):
    return next(r for r in found.rows() if r.name == name)


def test_counts():
    found = lampas.summary(nn.Sequential(Block(), nn.Flatten(), nn.Linear(128, 10)), input_size=(2, 4, 6, 6))
    assert found.total_params == 8 * 2 * 9 + 16 + 1290 == found.trainable_params
    # a number of the convolution's output is a sum over (4 / 2) * 3 * 3 products
    assert row(found, "conv").mult_adds == 2 * 8 * 4 * 4 * 18
    assert found.mult_adds == 2 * 8 * 4 * 4 * 18 + 2 * 10 * 128
    assert row(found, "conv").output_shape == [2, 8, 4, 4]
    assert found.input_bytes == 2 * 4 * 36 * 4
    assert found.buffer_bytes == 8 * 4 * 2 + 8
    assert found.output_bytes == 4 * (256 + 256 + 256 + 20)


@pytest.mark.parametrize(
    ("module", "shape", "expected"),
    [
        (nn.Linear(5, 7), (3, 4, 5), 3 * 4 * 5 * 7),
        (nn.ConvTranspose1d(4, 6, 3, stride=2), (2, 4, 5), 2 * 4 * 5 * 6 * 3),
        (nn.LSTM(3, 4, batch_first=True), (2, 5, 3), 2 * 5 * 4 * 4 * (3 + 4)),
        (nn.GRU(3, 4), (5, 2, 3), 2 * 5 * 3 * 4 * (3 + 4)),
        (nn.GRUCell(3, 4), (2, 3), 2 * 3 * 4 * (3 + 4)),
        (nn.ReLU(), (3, 3), 0),
    ],
)
def test_multiply_adds(module, shape, expected):
    assert lampas.summary(module, input_size=shape).mult_adds == expected


def test_products_outside_modules_count():
    class Net(nn.Module):
        def forward(self, x, *, scale):
            return (x @ x.T) * scale

    assert lampas.summary(Net(), lampas.ones(3, 5), scale=2).mult_adds == 3 * 3 * 5


def test_shared_frozen_and_uncalled():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].weight = model[0].weight
    model[2].bias.requires_grad_(False)
    found = lampas.summary(model, input_size=(1, 4))
    assert found.total_params == 16 + 4 + 4 + 20
    assert found.trainable_params == 40
    assert [r.params for r in found.rows()] == [44, 20, 4, 20]
    text = str(found)
    assert "44 (40 trainable, 4 frozen)" in text
    assert "20*" in text
    model.register_module("spare", nn.Linear(2, 2))
    model.forward = lambda x: model[0](model[0](x))
    found = lampas.summary(model, input_size=(1, 4))
    assert row(found, "0").calls == 2 and "0: Linear ×2" in str(found)
    assert row(found, "spare").output_shape is None and "not called" in str(found)


def test_table():
    model = nn.Sequential(nn.Sequential(nn.Linear(2000, 3), nn.ReLU()), nn.Linear(3, 1))
    lines = str(lampas.summary(model, input_size=(4, 2000))).splitlines()
    assert lines[0].split() == ["Layer", "Output", "shape", "Parameters", "Multiply-adds"]
    assert [line[: line.index("[")].rstrip() for line in lines[2:7]] == [
        "Sequential",
        "├─ 0: Sequential",
        "│  ├─ 0: Linear",
        "│  └─ 1: ReLU",
        "└─ 1: Linear",
    ]
    assert lines[2].split()[-2:] == ["6,007", "24,012"]
    short = lampas.summary(model, input_size=(4, 2000), depth=1)
    assert "0: Sequential (+)" in str(short) and "ReLU" not in str(short)
    assert short.total_params == 6007
    assert repr(short) == str(short)
    assert max(map(len, str(lampas.summary(model, input_size=(4, 2000), width=60)).splitlines()[:7])) <= 60


def test_integer_inputs():
    found = lampas.summary(nn.Embedding(10, 3), input_size=(2, 5), dtype=lampas.int64)
    assert found.root.output_shape == [2, 5, 3]


def test_the_run_leaves_no_trace():
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5))
    model[1].eval()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    lampas.manual_seed(3)
    lampas.summary(model, input_size=(4, 3))
    after = lampas.rand(2)
    lampas.manual_seed(3)
    assert lampas.equal(after, lampas.rand(2))
    assert all(lampas.equal(v, before[k]) for k, v in model.state_dict().items())
    assert model[0].training and not model[1].training
    with pytest.raises(RuntimeError):
        lampas.summary(model, input_size=(4, 5))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert model[0].training


def test_errors():
    with pytest.raises(TypeError, match="expects a module, but was given a int"):
        lampas.summary(3, input_size=(1,))
    with pytest.raises(TypeError, match="give inputs, or input_size"):
        lampas.summary(nn.ReLU())
    with pytest.raises(TypeError, match="not both"):
        lampas.summary(nn.ReLU(), lampas.ones(1), input_size=(1,))
    with pytest.raises(ValueError, match="1 input sizes need as many dtypes, but 2"):
        lampas.summary(nn.ReLU(), input_size=(1,), dtype=[lampas.float32, lampas.int64])
