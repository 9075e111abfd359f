"""Recurrent layers on batches, whose rows or units threads share: the same as on every sequence by itself."""

from __future__ import annotations

import pytest

import lampas
from lampas.nn.utils import rnn

LAYERS = {
    "lstm": lambda: lampas.nn.LSTM(5, 40, 2, bidirectional=True),
    "lstm with projections": lambda: lampas.nn.LSTM(7, 36, proj_size=10),
    "gru": lambda: lampas.nn.GRU(6, 33, 2),
    "gru without biases": lambda: lampas.nn.GRU(6, 33, bias=False, bidirectional=True),
    "tanh": lambda: lampas.nn.RNN(3, 70),
    "relu": lambda: lampas.nn.RNN(3, 20, nonlinearity="relu"),
    "weights beyond a thread's cache": lambda: lampas.nn.LSTM(20, 130),
}
LENGTHS = [9, 3, 1, 7, 7, 2, 9, 5, 1, 4, 6, 8, 2, 3, 9, 1, 5, 5, 2]


@pytest.fixture(params=[1, 2, 3])
def threads(request):
    before = lampas.get_num_threads()
    lampas.set_num_threads(request.param)
    yield
    lampas.set_num_threads(before)


def tensors(state):
    return state if isinstance(state, tuple) else (state,)


@pytest.mark.parametrize("name", LAYERS)
def test_a_batch_is_its_sequences(name, threads):
    lampas.manual_seed(0)
    layer = LAYERS[name]().double()
    sequences = [lampas.randn(length, layer.input_size).double().requires_grad_() for length in LENGTHS]
    packed = rnn.pack_sequence(sequences, enforce_sorted=False)
    outputs, last = layer(packed)
    outputs = rnn.unpad_sequence(*rnn.pad_packed_sequence(outputs), batch_first=False)
    loss = sum(y.sin().sum() for y in outputs) + sum((t * t).sum() for t in tensors(last))
    found = lampas.autograd.grad(loss, [*sequences, *layer.parameters()])

    alone = [layer(sequence) for sequence in sequences]
    for i, (y, state) in enumerate(alone):
        lampas.testing.assert_close(outputs[i], y)
        for t, s in zip(tensors(last), tensors(state), strict=True):
            lampas.testing.assert_close(t[:, i], s)
    loss = sum(y.sin().sum() for y, _ in alone) + sum((t * t).sum() for _, state in alone for t in tensors(state))
    expected = lampas.autograd.grad(loss, [*sequences, *layer.parameters()])
    lampas.testing.assert_close(found, expected)

    with lampas.no_grad():
        again, state = layer(packed)
    lampas.testing.assert_close(again.data, layer(packed)[0].data, rtol=0, atol=0)
    for t, s in zip(tensors(state), tensors(last), strict=True):
        lampas.testing.assert_close(t, s, rtol=0, atol=0)


@pytest.mark.parametrize("batch", [7, 8, 48, 64])
def test_rows_of_a_batch(batch, threads):
    lampas.manual_seed(1)
    layer = lampas.nn.LSTM(200, 160)  # large weights: rows are shared out from a batch on that uses them often
    x = lampas.randn(4, batch, 200)
    y, (h, c) = layer(x)
    alone = [layer(x[:, i]) for i in range(batch)]
    lampas.testing.assert_close(y, lampas.stack([part for part, _ in alone], 1))
    lampas.testing.assert_close(c, lampas.stack([state[1] for _, state in alone], 1))
    lampas.testing.assert_close(h, lampas.stack([state[0] for _, state in alone], 1))
