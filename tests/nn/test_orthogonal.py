"""`parametrizations.orthogonal`: the weight is orthogonal, before and after training."""

import numpy as np
import pytest

import lampas
from lampas import nn
from lampas.nn.utils.parametrizations import orthogonal


def assert_orthonormal(weight, atol=1e-5):
    w = weight.detach().numpy()
    tall = w if w.shape[-2] >= w.shape[-1] else w.swapaxes(-1, -2)
    gram = tall.conj().swapaxes(-1, -2) @ tall
    np.testing.assert_allclose(gram, np.broadcast_to(np.eye(gram.shape[-1]), gram.shape), atol=atol)


@pytest.mark.parametrize("trivialization", [True, False])
@pytest.mark.parametrize("map", ["matrix_exp", "cayley", "householder", None])
@pytest.mark.parametrize("shape", [(4, 4), (3, 6), (6, 3)])
def test_stays_orthogonal(shape, map, trivialization):
    lampas.manual_seed(0)
    layer = orthogonal(nn.Linear(*shape).double(), orthogonal_map=map, use_trivialization=trivialization)
    assert_orthonormal(layer.weight)
    before = layer.weight.detach().clone()
    optimizer = lampas.optim.SGD(layer.parameters(), lr=0.5)
    x = lampas.randn(8, shape[0], dtype=lampas.float64)
    for _ in range(3):
        optimizer.zero_grad()
        layer(x).pow(3).mean().backward()
        optimizer.step()
    assert_orthonormal(layer.weight)
    assert (layer.weight - before).abs().max() > 1e-3


@pytest.mark.parametrize("map", ["matrix_exp", "cayley", "householder"])
def test_gradient(map):
    lampas.manual_seed(0)
    layer = orthogonal(nn.Linear(3, 4).double(), orthogonal_map=map)
    part = layer.parametrizations.weight[0]
    below = (0.3 * lampas.randn(4, 3, dtype=lampas.float64)).requires_grad_()
    # the diagonal is made of signs
    assert lampas.autograd.gradcheck(lambda x: part(x.tril(-1) - lampas.eye(4, 3, dtype=x.dtype)), (below,))


def test_begins_at_the_weight():
    lampas.manual_seed(0)
    layer = nn.Linear(5, 5)
    nn.init.orthogonal_(layer.weight)
    before = layer.weight.detach().clone()
    orthogonal(layer)
    np.testing.assert_allclose(layer.weight.detach(), before, atol=1e-5)
    layer.weight = lampas.eye(5)
    np.testing.assert_allclose(layer.weight.detach(), np.eye(5), atol=1e-6)
    layer = orthogonal(nn.Linear(4, 4), use_trivialization=False, orthogonal_map="householder")
    wanted = nn.init.orthogonal_(lampas.empty(4, 4))
    layer.weight = wanted
    np.testing.assert_allclose(layer.weight.detach(), wanted, atol=1e-5)


def test_batches_and_complex_weights():
    layer = orthogonal(nn.Conv2d(2, 3, 4))
    assert_orthonormal(layer.weight)
    layer = nn.Linear(3, 3).to(lampas.complex64)
    assert_orthonormal(orthogonal(layer).weight)


def test_checkpoints():
    layer, other = orthogonal(nn.Linear(3, 3)), orthogonal(nn.Linear(3, 3))
    assert list(layer.state_dict()) == ["bias", "parametrizations.weight.original", "parametrizations.weight.0.base"]
    other.load_state_dict(layer.state_dict())
    assert lampas.equal(other.weight, layer.weight)
    nn.utils.parametrize.remove_parametrizations(layer, "weight")
    assert_orthonormal(layer.weight)


def test_refusals():
    with pytest.raises(ValueError, match=r'one of "matrix_exp", "cayley", "householder"\. Got: nope'):
        orthogonal(nn.Linear(2, 2), orthogonal_map="nope")
    with pytest.raises(ValueError, match="no parameter or buffer with name 'nope'"):
        orthogonal(nn.Linear(2, 2), "nope")
    with pytest.raises(ValueError, match=r"Expected a matrix or batch of matrices\. Got a tensor of 1 dim"):
        orthogonal(nn.Linear(2, 2), "bias")
    with pytest.raises(ValueError, match="does not support complex"):
        orthogonal(nn.Linear(2, 2).to(lampas.complex64), orthogonal_map="householder")
    layer = orthogonal(nn.Linear(2, 2), use_trivialization=False)
    with pytest.raises(NotImplementedError, match="use householder, or use_trivialization=True"):
        layer.weight = lampas.eye(2)
