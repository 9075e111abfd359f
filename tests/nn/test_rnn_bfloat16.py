"""Recurrent layers on bfloat16, against the same rounded weights and inputs in float64."""

from __future__ import annotations

import pytest

import lampas
from lampas import Tensor, nn
from lampas.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

# What the rounding of states and gradients at each step makes of a result, relative to its size. PyTorch's own results
# lie up to 0.011 away.
BOUND = 0.01

# input, hidden, batch, steps, layers, both directions
SHAPES = [
    (64, 256, 32, 12, 2, False),
    (10, 20, 3, 5, 1, True),
    (9, 20, 3, 5, 1, False),
    (8, 40, 70, 1, 1, False),
    (16, 34, 13, 7, 2, True),
    (128, 128, 64, 9, 1, False),
]


def network(kind: str, shape: tuple, **options: object) -> nn.Module:
    features, hidden, _, _, layers, bidirectional = shape
    lampas.manual_seed(1)
    made = getattr(nn, kind)(features, hidden, layers, batch_first=True, bidirectional=bidirectional, **options)
    return made.bfloat16()


def passes(module: nn.Module, dtype: lampas.dtype, x: Tensor, g: Tensor, lengths: list[int] | None) -> list[Tensor]:
    """Output, last states, and the gradients of the input and of all parameters."""
    module = module.to(dtype)
    module.zero_grad()
    x = x.to(dtype).detach().requires_grad_()
    if lengths is None:
        y, states = module(x)
    else:
        y, states = module(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))
        y, _ = pad_packed_sequence(y, batch_first=True, total_length=x.shape[1])
    states = states if isinstance(states, tuple) else (states,)
    assert all(t.dtype == dtype for t in (y, *states))
    ((y * g.to(dtype)).sum() + sum(s.square().sum() for s in states)).backward()
    return [t.detach().double() for t in (y, *states, x.grad, *(p.grad for p in module.parameters()))]


def assert_near(kind: str, shape: tuple, lengths: list[int] | None = None, **options: object) -> None:
    module = network(kind, shape, **options)
    _, hidden, batch, steps, _, bidirectional = shape
    lampas.manual_seed(2)
    x = lampas.randn(batch, steps, shape[0]).bfloat16()
    g = lampas.randn(batch, steps, (options.get("proj_size") or hidden) * (1 + bidirectional)).bfloat16()
    found = passes(module, lampas.bfloat16, x, g, lengths)
    for a, b in zip(found, passes(module, lampas.float64, x, g, lengths), strict=True):
        assert float((a - b).norm()) <= BOUND * float(b.norm())


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_results_and_gradients(kind: str, shape: tuple) -> None:
    assert_near(kind, shape)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_projections(shape: tuple) -> None:
    assert_near("LSTM", shape, proj_size=6)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_sequences_of_different_lengths(kind: str) -> None:
    assert_near(kind, (12, 24, 5, 7, 2, True), [3, 7, 1, 7, 2])


def test_without_biases() -> None:
    assert_near("LSTM", (12, 24, 5, 7, 1, False), bias=False)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_any_number_of_threads(threads: int) -> None:
    before = lampas.get_num_threads()
    lampas.set_num_threads(threads)
    try:
        assert_near("LSTM", (64, 128, 48, 6, 1, False))
        assert_near("LSTM", (256, 512, 8, 3, 1, False))
    finally:
        lampas.set_num_threads(before)


def test_under_autocast_the_weights_get_gradients_of_their_own_type() -> None:
    module = nn.LSTM(8, 16)
    with lampas.autocast("cpu", dtype=lampas.bfloat16):
        y, (h, c) = module(lampas.randn(3, 2, 8))
    assert y.dtype == h.dtype == c.dtype == lampas.bfloat16
    y.float().square().sum().backward()
    assert all(p.grad.dtype == lampas.float32 and p.grad.any() for p in module.parameters())


def test_gradient_of_the_gradient() -> None:
    def second(dtype: lampas.dtype) -> Tensor:
        lampas.manual_seed(3)
        module = nn.LSTM(6, 8).bfloat16().to(dtype)
        x = lampas.randn(4, 2, 6).bfloat16().to(dtype).detach().requires_grad_()
        (first,) = lampas.autograd.grad(module(x)[0].square().sum(), x, create_graph=True)
        (found,) = lampas.autograd.grad(first.square().sum(), x)
        assert found.dtype == dtype
        return found.double()

    wanted = second(lampas.float64)
    assert float((second(lampas.bfloat16) - wanted).norm() / wanted.norm()) < 4 * BOUND
