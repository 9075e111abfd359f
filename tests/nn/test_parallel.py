"""Modules on several devices of one process, of which the CPU may be every one."""

from collections import namedtuple

import pytest

import lampas
from lampas import nn
from lampas.nn import parallel

Pair = namedtuple("Pair", "a b")


def test_data_parallel_runs_the_module():
    model = nn.Linear(2, 3)
    wrapped = nn.DataParallel(model, device_ids=[0, 1])
    x = lampas.randn(5, 2)
    assert wrapped.module is model and wrapped.device_ids == []
    assert list(wrapped.state_dict()) == ["module.weight", "module.bias"]
    assert lampas.equal(wrapped(x), model(x))
    wrapped(x).sum().backward()
    assert model.weight.grad is not None
    other = nn.DataParallel(nn.Linear(2, 3))
    other.load_state_dict(wrapped.state_dict())
    assert lampas.equal(other.module.weight, model.weight)


@pytest.mark.parametrize("devices", [None, [0], ["cpu"], ["cpu"] * 2, ["cpu"] * 9])
def test_function_gives_what_the_module_gives(devices):
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.BatchNorm1d(3).eval())
    x = lampas.randn(5, 2)
    got = parallel.data_parallel(model, x, devices)
    assert lampas.allclose(got, model(x))
    got.sum().backward()
    split = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    model(x).sum().backward()
    assert all(lampas.allclose(a, p.grad, atol=1e-6) for a, p in zip(split, model.parameters(), strict=True))


def test_keyword_arguments_are_cut_too():
    class Scaled(nn.Module):
        def forward(self, x, by, times=1):
            return x * by * times

    x, by = lampas.arange(6.0).view(3, 2), lampas.tensor([[1.0], [2.0], [3.0]])
    got = parallel.data_parallel(Scaled(), (x,), ["cpu"] * 3, module_kwargs={"by": by, "times": 2})
    assert lampas.equal(got, x * by * 2)


def test_scatter_and_gather_are_inverse():
    batch = {"x": lampas.arange(10).view(5, 2), "y": [lampas.arange(5), Pair(lampas.ones(5), lampas.zeros(5))]}
    parts = parallel.scatter(batch, ["cpu"] * 3)
    assert [len(part["x"]) for part in parts] == [2, 2, 1]
    whole = parallel.gather(parts, "cpu")
    assert lampas.equal(whole["x"], batch["x"]) and lampas.equal(whole["y"][1].b, batch["y"][1].b)
    assert isinstance(whole["y"][1], Pair)
    assert parallel.scatter(3, ["cpu"] * 2) == [3, 3]
    assert parallel.gather([None, None], "cpu") is None
    assert lampas.equal(parallel.gather([lampas.ones(2, 1), lampas.zeros(2, 2)], "cpu", dim=1)[0],
                        lampas.tensor([1.0, 0.0, 0.0]))  # fmt: skip


def test_gather_of_numbers_and_of_what_cannot_be():
    with pytest.warns(UserWarning, match="it gives a vector"):
        assert parallel.gather([lampas.tensor(1.0), lampas.tensor(2.0)], "cpu").tolist() == [1.0, 2.0]
    with pytest.raises(TypeError, match="'int' object cannot be gathered"):
        parallel.gather([1, 2], "cpu")
    with pytest.raises(ValueError, match="All dicts must have the same number of keys"):
        parallel.gather([{"a": lampas.ones(1)}, {}], "cpu")


def test_replicas_share_or_forget():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model.append(model[0])
    one, two = parallel.replicate(model, ["cpu", "cpu"])
    assert one[0] is one[2] and one[0] is not two[0] and one[0] is not model[0]
    (one(lampas.ones(1, 2)) + two(lampas.ones(1, 2))).sum().backward()
    assert model[1].bias.grad.tolist() != [0.0, 0.0]
    (alone,) = parallel.replicate(model, ["cpu"], detach=True)
    assert not alone(lampas.ones(1, 2)).requires_grad
    one.extra = 3
    assert not hasattr(model, "extra")


def test_parallel_apply_names_the_replica():
    modules = [nn.Linear(2, 1), nn.Linear(3, 1)]
    assert len(parallel.parallel_apply(modules, [lampas.ones(1, 2), (lampas.ones(1, 3),)], devices=["cpu"] * 2)) == 2
    with pytest.raises(RuntimeError) as caught:
        parallel.parallel_apply(modules, [lampas.ones(1, 2)] * 2)
    assert "in replica 1 of 2" in caught.value.__notes__
    with pytest.raises(AssertionError, match="2 modules need as many inputs, but there are 1"):
        parallel.parallel_apply(modules, [lampas.ones(1, 2)])
