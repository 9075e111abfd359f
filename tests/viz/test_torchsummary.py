"""torchsummary's table, to the character."""

from __future__ import annotations

import pytest

import lampas
from lampas import nn
from lampas.viz.torchsummary import summary

TABLE = """\
----------------------------------------------------------------
        Layer (type)               Output Shape         Param #
================================================================
            Conv2d-1            [-1, 8, 28, 28]              80
              ReLU-2            [-1, 8, 28, 28]               0
         MaxPool2d-3            [-1, 8, 14, 14]               0
           Flatten-4                 [-1, 1568]               0
            Linear-5                   [-1, 10]          15,690
================================================================
Total params: 15,770
Trainable params: 15,770
Non-trainable params: 0
----------------------------------------------------------------
Input size (MB): 0.00
Forward/backward pass size (MB): 0.12
Params size (MB): 0.06
Estimated Total Size (MB): 0.18
----------------------------------------------------------------
"""


def cnn():
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8 * 14 * 14, 10)
    )


@pytest.mark.parametrize("device", ["cpu", "cuda", "CPU"])
def test_table(capsys, device):
    assert summary(cnn(), (1, 28, 28), device=device) is None
    assert capsys.readouterr().out == TABLE


def test_batch_size_and_frozen_parameters(capsys):
    model = cnn()
    model[0].weight.requires_grad_(False)
    summary(model, (1, 28, 28), batch_size=32, device="cpu")
    out = capsys.readouterr().out
    assert "            Conv2d-1            [32, 8, 28, 28]              80\n" in out
    assert "Trainable params: 15,690\nNon-trainable params: 80\n" in out
    assert "Input size (MB): 0.10\nForward/backward pass size (MB): 3.83\n" in out


def test_several_inputs_and_several_outputs(capsys):
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Bilinear(3, 5, 2)
            self.b = nn.LSTM(2, 4)

        def forward(self, x, y):
            return self.b(self.a(x, y))

    summary(Two(), [(3,), (5,)], device="cpu")
    out = capsys.readouterr().out
    assert "          Bilinear-1                    [-1, 2]              32\n" in out
    assert "[[-1, 4], [-1, 4], [-1, 4]]" in out


def test_the_hooks_go_and_a_wrong_device_is_an_error():
    model = cnn()
    with pytest.raises(RuntimeError):
        summary(model, (3, 28, 28), device="cpu")
    assert not any(module._forward_hooks for module in model.modules())
    with pytest.raises(AssertionError, match="'cuda' or 'cpu', but is 'tpu'"):
        summary(model, (1, 28, 28), device="tpu")


def test_random_numbers_are_used_as_there(capsys):
    lampas.manual_seed(0)
    summary(nn.Sequential(nn.ReLU()), (7,), device="cpu")
    after = lampas.rand(1)
    lampas.manual_seed(0)
    lampas.rand(2, 7)
    assert lampas.equal(after, lampas.rand(1))
    assert "Total params: 0" in capsys.readouterr().out
