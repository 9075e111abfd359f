"""`utils.checkpoint`: the same gradients for less memory, run twice under the same circumstances."""

import contextlib

import pytest

import lampas
from lampas import nn
from lampas.utils.checkpoint import CheckpointError, checkpoint, checkpoint_sequential, detach_variable


def block():
    lampas.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Tanh(), nn.Linear(4, 2))


@pytest.mark.parametrize("use_reentrant", [True, False])
class TestBothWays:
    def test_gradients(self, use_reentrant):
        x = lampas.randn(5, 3)
        results = []
        for call in (lambda m, a: m(a), lambda m, a: checkpoint(m, a, use_reentrant=use_reentrant)):
            model = block()
            leaf = x.clone().requires_grad_()
            (call(model, leaf) ** 2).sum().backward()
            results.append([leaf.grad, *(p.grad for p in model.parameters())])
        for plain, saved in zip(*results, strict=True):
            assert lampas.equal(plain, saved)  # dropout too: the same random numbers

    def test_random_numbers_go_on(self, use_reentrant):
        x = lampas.ones(2, requires_grad=True)
        lampas.manual_seed(0)
        y = checkpoint(lambda a: a * lampas.rand(2), x, use_reentrant=use_reentrant)
        following = lampas.rand(2)
        state = lampas.get_rng_state()
        y.sum().backward()
        assert lampas.equal(lampas.get_rng_state(), state)
        lampas.manual_seed(0)
        first = lampas.rand(2)
        assert lampas.equal(x.grad, first) and lampas.equal(following, lampas.rand(2))

    def test_autocast(self, use_reentrant):
        seen = []

        def product(a):
            result = a @ a
            seen.append(result.dtype)
            return result

        x = lampas.ones(2, 2, requires_grad=True)
        with lampas.autocast("cpu", dtype=lampas.bfloat16):
            y = checkpoint(product, x, use_reentrant=use_reentrant)
        y.sum().backward()
        assert seen == [lampas.bfloat16, lampas.bfloat16] and x.grad.tolist() == [[4, 4], [4, 4]]

    def test_memory(self, use_reentrant):
        def held():
            return lampas._C._memory_stats()["allocated_bytes"]

        def layer(a):
            return a.sin().cos().exp().sin()

        def kept(call):
            leaf = lampas.ones(100_000, requires_grad=True)
            before, y = held(), leaf
            for _ in range(4):
                y = call(y)
            found = (held() - before) / 400_000
            y.sum().backward()
            assert leaf.grad is not None
            return found

        assert kept(layer) > 12
        assert kept(lambda a: checkpoint(layer, a, use_reentrant=use_reentrant)) < 6

    def test_sequential(self, use_reentrant):
        model = nn.Sequential(*[nn.Linear(3, 3) for _ in range(5)])
        x = lampas.randn(2, 3)
        grads = []
        for call in (model, lambda a: checkpoint_sequential(model, 2, a, use_reentrant=use_reentrant)):
            leaf = x.clone().requires_grad_()
            call(leaf).pow(2).sum().backward()
            grads.append(leaf.grad)
        assert lampas.equal(*grads)

    def test_without_recording(self, use_reentrant):
        with lampas.no_grad():
            assert not checkpoint(
                lambda a: 2 * a, lampas.ones(1, requires_grad=True), use_reentrant=use_reentrant
            ).requires_grad


class TestByHooks:
    def test_runs_again_when_needed(self):
        calls = []

        def f(a):
            calls.append(lampas.is_grad_enabled())
            return a.sin().exp()

        x = lampas.ones(2, requires_grad=True)
        y = checkpoint(f, x, use_reentrant=False)
        assert calls == [True]
        y.sum().backward(retain_graph=True)
        assert calls == [True, True]
        first = x.grad.clone()
        y.sum().backward()
        assert lampas.allclose(x.grad, 2 * first) and len(calls) == 3

    def test_any_arguments_and_results(self):
        x, z = lampas.ones(2, requires_grad=True), lampas.full((2,), 3.0, requires_grad=True)
        found = checkpoint(
            lambda d, *, b, flag: {"y": d["x"] * b if flag else None, "more": [b.exp()]},
            {"x": x},
            b=z,
            flag=True,
            use_reentrant=False,
        )
        (found["y"].sum() + found["more"][0].sum()).backward()
        assert x.grad.tolist() == [3, 3]
        assert lampas.allclose(z.grad, 1 + z.detach().exp())

    def test_only_parameters_want_gradients(self):
        model = nn.Linear(2, 2)
        checkpoint(model, lampas.ones(1, 2), use_reentrant=False).sum().backward()
        assert model.weight.grad.tolist() == [[1, 1], [1, 1]]

    def test_nested(self):
        def inner(a):
            return (a**3).sin() * a.exp()

        def outer(a, call):
            return call(inner, a.sin()).tanh()

        grads = []
        for call in (lambda f, a: f(a), lambda f, a: checkpoint(f, a, use_reentrant=False)):
            x = lampas.linspace(-1, 1, 5).requires_grad_()
            call(lambda a: outer(a, call), 2 * x).sum().backward()  # noqa: B023
            grads.append(x.grad)
        assert lampas.equal(*grads)

    def test_autograd_grad(self):
        x = lampas.ones(2, requires_grad=True)
        (found,) = lampas.autograd.grad(checkpoint(lambda a: a**3, x, use_reentrant=False).sum(), x)
        assert found.tolist() == [3, 3] and x.grad is None

    def test_regions(self):
        seen = []

        @contextlib.contextmanager
        def region(name):
            seen.append(name)
            yield

        x = lampas.ones(2, requires_grad=True)
        y = checkpoint(
            lambda a: a.sin(), x, use_reentrant=False, context_fn=lambda: (region("first"), region("second"))
        )
        assert seen == ["first"]
        y.sum().backward()
        assert seen == ["first", "second"]

    def test_other_results_are_found_out(self):
        x = lampas.ones(2, requires_grad=True)
        runs = []

        def narrower(a):
            runs.append(1)
            return a.sin() if len(runs) == 1 else a[:1].sin()

        with pytest.raises(CheckpointError, match=r"different metadata[^$]*position 0: saved shape \[2\].*shape \[1\]"):
            checkpoint(narrower, x, use_reentrant=False).sum().backward()
        runs.clear()

        def longer(a):
            runs.append(1)
            return a.sin() if len(runs) == 1 else a.sin().exp()

        with pytest.raises(CheckpointError, match=r"forward: 1\nNumber of tensors saved during recomputation: 2"):
            checkpoint(longer, x, use_reentrant=False).sum().backward()

    def test_gradients_of_gradients(self):
        def inner(a):
            return a.exp() * a**3

        def outer(a, call):
            return (call(inner, a * a) * a).tanh()

        found = []
        for call in (lambda f, a: f(a), lambda f, a: checkpoint(f, a, use_reentrant=False)):
            x = lampas.tensor([0.3, -0.5], dtype=lampas.float64, requires_grad=True)
            y = call(lambda a: outer(a, call), 2 * x)  # noqa: B023
            orders = []
            for _ in range(3):
                (y,) = lampas.autograd.grad(y.sum(), x, create_graph=True)
                orders.append(y.detach())
            found.append(orders)
        for plain, again in zip(*found, strict=True):
            assert lampas.allclose(plain, again, rtol=1e-12)
        assert found[0][2].abs().min() > 0.1

    def test_backward_with_a_graph(self):
        layer = nn.Linear(2, 1, dtype=lampas.float64)
        x = lampas.tensor([[0.3, -0.5]], dtype=lampas.float64, requires_grad=True)
        penalties = []
        for call in (lambda f, a: f(a), lambda f, a: checkpoint(f, a, use_reentrant=False)):
            layer.zero_grad()
            (g,) = lampas.autograd.grad(call(lambda a: layer(a).tanh(), x).sum(), x, create_graph=True)
            g.square().sum().backward()
            penalties.append(layer.weight.grad.clone())
        assert lampas.allclose(*penalties, rtol=1e-12) and penalties[0].abs().min() > 0.01


class TestArguments:
    def test_the_way_should_be_chosen(self):
        x = lampas.ones(1, requires_grad=True)
        with pytest.warns(UserWarning, match="use_reentrant parameter should be passed explicitly"):
            checkpoint(lambda a: a * 2, x).backward()
        with pytest.warns(UserWarning, match="use_reentrant"):
            checkpoint_sequential([lambda a: a * 2, lambda a: a + 1], 2, x)
        assert x.grad == 2

    def test_nothing_to_differentiate(self):
        with pytest.warns(UserWarning, match="None of the inputs have requires_grad=True"):
            assert not checkpoint(nn.Linear(1, 1), lampas.ones(1), use_reentrant=True).requires_grad

    @pytest.mark.parametrize(
        ("call", "error", "text"),
        [
            (
                lambda x: checkpoint(lambda a: a, x, use_reentrant=True, b=1),
                ValueError,
                "Unexpected keyword arguments: b",
            ),
            (lambda x: checkpoint(abs, x, use_reentrant=True, debug=True), ValueError, "only supported when use_reent"),
            (lambda x: checkpoint(abs, x, use_reentrant=False, determinism_check="x"), ValueError, "but got x"),
            (lambda x: checkpoint(lambda a: a, x, use_reentrant=False, nope=1), TypeError, "nope"),
            (lambda x: checkpoint_sequential([abs], 1, x, use_reentrant=False, b=1), ValueError, "arguments: b"),
            (lambda x: detach_variable([x]), RuntimeError, "Unsupported input type: list"),
        ],
    )
    def test_refusals(self, call, error, text):
        with pytest.raises(error, match=text):
            call(lampas.ones(1, requires_grad=True))

    def test_detaching(self):
        x, y = lampas.ones(1, requires_grad=True), lampas.ones(1)
        a, b, c = detach_variable((x, y, 3))
        assert a.requires_grad and a.is_leaf and a is not x and not b.requires_grad and c == 3
