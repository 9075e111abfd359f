"""`jit`: scripted and traced modules are the modules; files; what TorchScript has and lampas has not."""

import copy
import io
import zipfile

import pytest

import lampas
from lampas import jit, nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 3)
        self.register_buffer("count", lampas.zeros(()))

    def forward(self, x):
        if x.sum() > 0:
            return self.layer(x)
        return -self.layer(x)

    @jit.export
    def scaled(self, x, by: int = 2):
        return by * self.layer(x)


def twice(x):
    return x + x


@pytest.fixture(params=["script", "trace"])
def make(request):
    def make(model):
        return jit.script(model) if request.param == "script" else jit.trace(model, lampas.ones(1, 2))

    return make


class TestModules:
    def test_is_the_model(self, make):
        model = Net()
        made = make(model)
        x = lampas.randn(4, 2)
        assert isinstance(made, jit.ScriptModule) and isinstance(made, nn.Module)
        assert lampas.equal(made(x), model(x)) and lampas.equal(made(-x.abs()), model(-x.abs()))
        assert list(made.state_dict()) == ["count", "layer.weight", "layer.bias"]
        assert made.layer.weight is model.layer.weight and made.original_name == "Net"
        assert made.scaled(x, by=3).shape == (4, 3)

    def test_printed(self, make):
        text = str(make(nn.Sequential(nn.Linear(2, 3), nn.ReLU())))
        assert "original_name=Sequential" in text and "original_name=ReLU" in text

    def test_mode_dtype_and_gradients(self, make):
        model = Net()
        made = make(model)
        assert made.eval() is made and not model.training and not model.layer.training
        made.double()
        assert model.layer.weight.dtype == made.layer.weight.dtype == lampas.float64
        assert made.count.dtype == lampas.float64
        made(lampas.ones(1, 2).double()).sum().backward()
        assert model.layer.weight.grad is not None
        assert next(made.parameters()) is model.layer.weight

    def test_containers(self, make):
        made = make(nn.Sequential(nn.Linear(2, 2), nn.ReLU()))
        assert len(made) == 2 and isinstance(made[0], jit.ScriptModule)
        x = lampas.randn(1, 2)
        for part in made:
            x = part(x)
        assert x.shape == (1, 2)

    def test_copies_stand_alone(self, make):
        made = make(Net())
        again = copy.deepcopy(made)
        with lampas.no_grad():
            again.layer.weight.fill_(0)
        assert made.layer.weight.abs().sum() > 0 and again._wrapped.layer.weight.abs().sum() == 0

    def test_attributes(self, make):
        model = Net()
        made = make(model)
        made.note = 4
        assert model.note == 4
        made.head = nn.Linear(3, 1)
        assert model.head.weight is made.head.weight and isinstance(made.head, jit.ScriptModule)

    def test_no_program(self, make):
        made = make(Net())
        assert not hasattr(made, "graph")
        with pytest.raises(AttributeError, match=r"runs the Python it was made from and has no 'code'.*summary"):
            made.code


class TestFunctions:
    def test_script(self):
        made = jit.script(twice)
        assert isinstance(made, jit.ScriptFunction) and made.name == made.__name__ == "twice"
        assert made(lampas.tensor(2)) == 4 and jit.script(made) is made
        with pytest.raises(AttributeError, match="has no 'graph'"):
            made.graph

    def test_trace_calls_once(self):
        seen = []

        def watched(x, y):
            seen.append(jit.is_tracing())
            return x * y

        made = jit.trace(watched, (lampas.tensor(2.0), lampas.tensor(3.0)))
        assert made(lampas.tensor(2.0), lampas.tensor(4.0)) == 8 and seen == [True, False]

    def test_trace_by_name(self):
        made = jit.trace(lambda x, y: x - y, example_kwarg_inputs={"y": lampas.ones(1), "x": lampas.zeros(1)})
        assert made(y=lampas.ones(1), x=lampas.zeros(1)) == -1

    def test_trace_module(self):
        made = jit.trace_module(Net(), {"forward": lampas.ones(1, 2), "scaled": (lampas.ones(1, 2),)})
        assert made.scaled(lampas.ones(1, 2)).shape == (1, 3)

    def test_marks_do_nothing(self):
        for mark in (
            jit.ignore,
            jit.unused,
            jit.export,
            jit.script_if_tracing,
            jit.script_method,
            jit.ignore(drop=True),
        ):
            assert mark(twice) is twice
        assert jit.annotate(list[int], [1]) == [1] and jit.Attribute(3, int) == 3 and not jit.is_scripting()
        assert jit.fork(twice, lampas.tensor(1)).wait() == 2 and jit.wait(jit.fork(twice, lampas.tensor(2))) == 4
        assert jit.script(Net) is Net


class TestFiles:
    def test_round_trip(self, make, tmp_path):
        made = make(Net())
        with pytest.warns(UserWarning, match="PyTorch and libtorch do not"):
            made.save(tmp_path / "net.pt")
        again = jit.load(tmp_path / "net.pt")
        x = lampas.randn(3, 2)
        assert (
            type(again) is type(made)
            and lampas.equal(again(x), made(x))
            and again.layer.weight is not made.layer.weight
        )

    def test_buffers_and_extra_files(self):
        buffer = io.BytesIO()
        with pytest.warns(UserWarning):
            jit.save(jit.script(twice), buffer, _extra_files={"note.txt": "hello"})
        buffer.seek(0)
        extra = {"note.txt": ""}
        assert jit.load(buffer, _extra_files=extra)(lampas.tensor(3)) == 6
        assert extra == {"note.txt": b"hello"}

    def test_torchscript_files_are_named(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "m.pt", "w") as archive:
            archive.writestr("m/constants.pkl", b"")
            archive.writestr("m/data.pkl", b"")
        with pytest.raises(RuntimeError, match="TorchScript program, which lampas cannot run"):
            jit.load(str(tmp_path / "m.pt"))

    def test_other_files(self, tmp_path):
        lampas.save({"weight": lampas.ones(1)}, tmp_path / "w.pt")
        with pytest.raises(RuntimeError, match=r"did not write this file; lampas.load\(\) may"):
            jit.load(tmp_path / "w.pt")
        with pytest.raises(ValueError, match="does not exist"):
            jit.load(tmp_path / "nothing.pt")
        with pytest.raises(AttributeError, match=r"takes what jit\.script"):
            jit.save(Net(), tmp_path / "net.pt")


def test_freezing():
    made = jit.script(Net())
    with pytest.raises(RuntimeError, match="evaluation mode"):
        jit.freeze(made)
    assert jit.freeze(made.eval()) is made and not jit.optimize_for_inference(jit.script(Net())).training
    for refuse in (jit.freeze, jit.optimize_for_inference):
        with pytest.raises(RuntimeError, match="ScriptModule as input"):
            refuse(Net())


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: jit.script(3), TypeError, "a module, a function or a class, not int"),
        (lambda: jit.trace(twice), RuntimeError, "needs example_inputs"),
        (lambda: jit.trace(lambda x: 3, lampas.ones(1)), RuntimeError, "must give tensors, but it gave int"),
        (lambda: jit.trace(twice, lampas.ones(1), fast=1), TypeError, "unexpected keyword argument 'fast'"),
        (lambda: jit.trace_module(twice, {}), AttributeError, "expected torch.nn.Module"),
        (lambda: jit.ignore(3), RuntimeError, "bool or a function"),
    ],
)
def test_refusals(call, error, text):
    with pytest.raises(error, match=text):
        call()
