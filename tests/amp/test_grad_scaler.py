"""The scale's course, steps left out, and what is saved."""

import pickle

import pytest

import lampas
from lampas.amp import GradScaler


def problem():
    p = lampas.nn.Parameter(lampas.tensor([1.0, 2.0]))
    return p, lampas.optim.SGD([p], lr=0.5)


def test_gradients_arrive_unscaled():
    p, optimizer = problem()
    scaler = GradScaler("cpu", init_scale=1024.0)
    scaler.scale((p * lampas.tensor([3.0, -4.0])).sum()).backward()
    assert p.grad.tolist() == [3072, -4096]
    scaler.unscale_(optimizer)
    assert p.grad.tolist() == [3, -4]
    scaler.step(optimizer)
    scaler.update()
    assert p.tolist() == [-0.5, 4]


@pytest.mark.parametrize("bad", [float("inf"), float("nan"), -float("inf")])
def test_a_step_with_infinite_gradients_is_left_out(bad):
    p, optimizer = problem()
    scaler = GradScaler("cpu", init_scale=8.0, backoff_factor=0.25)
    scaler.scale((p * bad).sum()).backward()
    assert scaler.step(optimizer) is None
    scaler.update()
    assert p.tolist() == [1, 2]
    assert scaler.get_scale() == 2.0


def test_the_scale_grows():
    p, optimizer = problem()
    scaler = GradScaler("cpu", init_scale=4.0, growth_factor=3.0, growth_interval=2)
    scales = []
    for _ in range(5):
        optimizer.zero_grad()
        scaler.scale(p.sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        scales.append(scaler.get_scale())
    assert scales == [4, 12, 12, 36, 36]
    scaler.update(7.0)
    assert scaler.get_scale() == 7


def test_state_travels():
    p, optimizer = problem()
    scaler = GradScaler("cpu", init_scale=4.0, growth_interval=2)
    scaler.scale(p.sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    state = scaler.state_dict()
    assert state == {
        "scale": 4.0,
        "growth_factor": 2.0,
        "backoff_factor": 0.5,
        "growth_interval": 2,
        "_growth_tracker": 1,
    }
    other = GradScaler("cpu")
    other.load_state_dict(state)
    assert other.state_dict() == state == pickle.loads(pickle.dumps(scaler)).state_dict()


def test_lists_are_scaled():
    scaler = GradScaler("cpu", init_scale=2.0)
    x = lampas.ones(1)
    a, (b,) = scaler.scale((x, [x * 2]))
    assert a.item() == 2
    assert b.item() == 4
    with pytest.raises(ValueError, match="iterable of Tensors"):
        scaler.scale(3)


def test_disabled_passes_through():
    p, optimizer = problem()
    with pytest.warns(UserWarning, match="CUDA is not available"):
        scaler = GradScaler()
    assert not scaler.is_enabled()
    scaler.scale(p.sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    assert p.tolist() == [0.5, 1.5]
    assert scaler.get_scale() == 1.0
    assert scaler.state_dict() == {}


def test_misuse():
    p, optimizer = problem()
    scaler = GradScaler("cpu")
    for call in (scaler.update, lambda: scaler.step(optimizer), lambda: scaler.unscale_(optimizer)):
        with pytest.raises(AssertionError, match="_scale is None"):
            call()
    scaler.scale(p.sum()).backward()
    with pytest.raises(AssertionError, match="No inf checks"):
        scaler.update()
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="already been called on this optimizer"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match=r"step\(\) has already been called"):
        scaler.step(optimizer)
    with pytest.raises(RuntimeError, match=r"after step"):
        scaler.unscale_(optimizer)
    with pytest.raises(AssertionError, match="may only be pickled"):
        pickle.dumps(scaler)
    scaler.update()
    with pytest.raises(RuntimeError, match="Closure"):
        scaler.step(optimizer, closure=lambda: 0)
    with pytest.raises(AssertionError, match="growth factor must be > 1"):
        GradScaler("cpu", growth_factor=1.0)
    with pytest.raises(AssertionError, match="backoff factor must be < 1"):
        GradScaler("cpu", backoff_factor=1.0)
    with pytest.raises(RuntimeError, match="source state dict is empty"):
        scaler.load_state_dict({})
    half = lampas.nn.Parameter(lampas.ones(1, dtype=lampas.float16))
    half.grad = lampas.ones(1, dtype=lampas.float16)
    with pytest.raises(ValueError, match="FP16"):
        scaler.unscale_(lampas.optim.SGD([half], lr=1.0))
