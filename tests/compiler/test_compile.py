"""`compile`: what it gives back runs as what it was given, in PyTorch's form."""

import copy
import pickle

import pytest

import lampas
from lampas import nn


def double(x, *, times=1):
    """Twice."""
    return 2 * times * x


class TestFunctions:
    def test_values_and_gradients(self):
        x = lampas.tensor([1.0, 2.0], requires_grad=True)
        compiled = lampas.compile(double)
        compiled(x, times=3).sum().backward()
        assert x.grad.tolist() == [6.0, 6.0]
        assert compiled is not double and compiled.__name__ == "double" and compiled.__doc__ == "Twice."
        assert compiled._torchdynamo_orig_callable is double

    def test_as_decorator(self):
        @lampas.compile
        def plain(x):
            return x + 1

        @lampas.compile(fullgraph=True, dynamic=False, mode="reduce-overhead")
        def with_options(x):
            return x + 2

        assert plain(lampas.tensor(1)) == 2 and with_options(lampas.tensor(1)) == 3

    def test_disabled(self):
        assert lampas.compile(double, disable=True) is double

    def test_inside_it_is_no_compiler(self):
        seen = []
        lampas.compile(lambda: seen.append(lampas.compiler.is_compiling()))()
        assert seen == [False]


class TestModules:
    def make(self):
        model = nn.Sequential(nn.Linear(2, 3), nn.Dropout(0.5))
        return model, lampas.compile(model, backend="eager")

    def test_shares_everything(self):
        model, compiled = self.make()
        assert isinstance(compiled, nn.Module) and compiled._orig_mod is model
        assert list(compiled.state_dict()) == ["_orig_mod.0.weight", "_orig_mod.0.bias"]
        assert all(a is b for a, b in zip(compiled.parameters(), model.parameters(), strict=True))
        assert str(compiled).startswith("OptimizedModule(\n  (_orig_mod): Sequential(")

    def test_attributes_reach_the_model(self):
        model, compiled = self.make()
        compiled.note = "here"
        assert model.note == "here" and compiled.note == "here"
        del compiled.note
        assert not hasattr(model, "note") and not hasattr(compiled, "note")
        compiled.head = nn.Linear(3, 1)
        assert "head" in dict(model.named_children())

    def test_mode(self):
        model, compiled = self.make()
        assert compiled.eval() is compiled and not model.training and not model[1].training and not compiled.training
        model.train()
        assert compiled.training

    def test_trains(self):
        lampas.manual_seed(0)
        model = nn.Linear(2, 1)
        compiled = lampas.compile(model)
        optimizer = lampas.optim.SGD(compiled.parameters(), lr=0.1)
        x, y = lampas.randn(32, 2), lampas.randn(32, 1)
        losses = []
        for _ in range(5):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(compiled(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses == sorted(losses, reverse=True) and losses[0] > losses[-1]

    def test_hooks_of_both(self):
        model, compiled = self.make()
        calls = []
        model.register_forward_hook(lambda *_: calls.append("inside"))
        compiled.register_forward_hook(lambda *_: calls.append("outside"))
        compiled(lampas.ones(1, 2))
        assert calls == ["inside", "outside"]

    def test_copies_and_pickles(self):
        _, compiled = self.make()
        for again in (copy.deepcopy(compiled), pickle.loads(pickle.dumps(compiled))):
            assert type(again) is type(compiled) and again._orig_mod is not compiled._orig_mod
            x = lampas.ones(1, 2)
            assert lampas.equal(again.eval()(x), compiled.eval()(x))

    def test_in_place(self):
        model = nn.Linear(2, 1)
        before = model(lampas.ones(1, 2))
        model.compile(mode="max-autotune")
        assert lampas.equal(model(lampas.ones(1, 2)), before) and list(model.state_dict()) == ["weight", "bias"]


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: lampas.compile(double, backend="nope"), RuntimeError, "Invalid backend: 'nope'.*list_backends"),
        (lambda: lampas.compile(double, mode="nope"), RuntimeError, "Unrecognized mode=nope, .*reduce-overhead"),
        (lambda: lampas.compile(double, mode="default", options={}), RuntimeError, "mode or options, not both"),
        (lambda: lampas.compile(double, backend=lambda graph, inputs: graph), RuntimeError, "lampas makes none"),
        (lambda: lampas.compile(3), AssertionError, "A callable function is expected"),
        (lambda: lampas.compile(double, fast=True), TypeError, "unexpected keyword argument 'fast'"),
        (lambda: lampas.compiler.set_stance("nope"), RuntimeError, "invalid torch.compile stance 'nope'"),
        (lambda: lampas.compiler.allow_in_graph(3), AssertionError, "expects a callable"),
    ],
)
def test_refusals(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_compiler_names():
    assert "inductor" in lampas.compiler.list_backends() and "eager" not in lampas.compiler.list_backends()
    assert "eager" in lampas.compiler.list_backends(None)
    assert lampas.compiler.disable(double) is double and lampas.compiler.disable()(double) is double
    lampas.compiler.reset()
    with lampas.compiler.set_stance("force_eager"):
        assert lampas.compile(double)(lampas.tensor(1)) == 2


def test_tracer_names():
    dynamo = lampas._dynamo
    dynamo.reset()
    dynamo.config.suppress_errors = True
    assert dynamo.config.suppress_errors is True
    dynamo.config.suppress_errors = False
    assert isinstance(lampas.compile(nn.ReLU()), dynamo.eval_frame.OptimizedModule)
    assert dynamo.optimize("eager")(double)(lampas.tensor(2)) == 4
