"""Ops written in Python look like the engine's own, and nothing is imported before it is used."""

import importlib
import inspect
import subprocess
import sys

import pytest

import lampas
from lampas import _ops


@pytest.mark.parametrize("module", sorted({*_ops.FUNCTIONS, *_ops.METHODS}))
def test_the_index_is_right(module):
    found = importlib.import_module(f"lampas.{module}")
    for name in _ops.FUNCTIONS.get(module, "").split():
        assert getattr(lampas, name) is getattr(found, name)
    for name in _ops.METHODS.get(module, "").split():
        assert callable(getattr(lampas.Tensor, name)) and getattr(lampas.Tensor, name).__name__ == name
    defined = {n.removeprefix("lampas.") for n in _ops.registry if n.count(".") == 1}
    listed = {n for names in (*_ops.FUNCTIONS.values(), *_ops.METHODS.values()) for n in names.split()}
    assert defined <= listed


def test_imports_are_late():
    program = (
        "import sys, lampas; x = lampas.eye(2); heavy = {'numpy', 'scipy', 'lampas.linalg', 'lampas.fft',"
        " 'lampas._composites'}; assert not heavy & set(sys.modules), heavy & set(sys.modules);"
        " assert hasattr(x, 'slogdet') and 'lampas.linalg' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_forms():
    x = lampas.tensor([1.0, 2.0])
    assert x.i0().equal(lampas.i0(x)) and lampas.Tensor.i0(x).equal(lampas.i0(x))
    y = x.clone()
    assert y.i0_() is y and y._version == 1 and y.equal(lampas.i0(x))
    out = lampas.empty(0)
    assert lampas.i0(x, out=out) is out and out.equal(y)
    assert lampas.kron(input=x, other=x).tolist() == [1, 2, 2, 4]
    assert lampas.polygamma(1, x).equal(x.polygamma(1))
    assert list(inspect.signature(lampas.kron).parameters) == ["input", "other"]
    assert lampas.kron.__doc__.startswith("kron(Tensor input, Tensor other) -> Tensor")


def test_in_place_keeps_the_gradient():
    x = lampas.tensor([0.5, 1.5], dtype=lampas.float64, requires_grad=True)
    (x * 1).i0_().sum().backward()
    assert lampas.allclose(x.grad, lampas.special.i1(x.detach()))
    with pytest.raises(RuntimeError, match="leaf"):
        x.i0_()
    with pytest.raises(RuntimeError, match="Float can't be cast to the desired output type Long"):
        lampas.ones(2, dtype=lampas.int64).i0_()


def test_named_results():
    result = lampas.slogdet(lampas.eye(2))
    sign, size = result
    assert result.sign is sign and result.logabsdet is size and isinstance(result, tuple)
    assert repr(result) == "torch.return_types.slogdet(\nsign=tensor(1.),\nlogabsdet=tensor(0.))"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: lampas.kron(1, 2), r"argument 'input' \(position 1\) must be Tensor, not int"),
        (lambda: lampas.kron(lampas.ones(2)), 'missing 1 required positional arguments: "other"'),
        (lambda: lampas.kron(lampas.ones(2), lampas.ones(2), 3), "takes 2 positional arguments but 3 were given"),
        (lambda: lampas.kron(lampas.ones(2), other=lampas.ones(2), bad=3), "unexpected keyword argument 'bad'"),
        (lambda: lampas.kron(lampas.ones(2), input=lampas.ones(2)), "multiple values for argument 'input'"),
        (lambda: lampas.i0(lampas.ones(2), out=3), "argument 'out' must be Tensor, not int"),
        (lambda: lampas.slogdet(lampas.eye(2), out=lampas.ones(1)), "tuple of 2 Tensors"),
    ],
)
def test_messages(call, words):
    with pytest.raises(TypeError, match=words):
        call()


def test_overrides():
    class Logged(lampas.Tensor):
        calls = []

        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            cls.calls.append(func)
            return super().__torch_function__(func, types, args, kwargs or {})

    x = lampas.eye(2).as_subclass(Logged)
    result = lampas.inverse(x)
    assert Logged.calls[0] is lampas.inverse and type(result) is Logged
    Logged.calls.clear()
    assert type(x.inverse()) is Logged and Logged.calls[0] is lampas.Tensor.inverse

    class Refusing:
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return "mine" if func is lampas.kron else NotImplemented

    assert lampas.kron(lampas.ones(2), Refusing()) == "mine"
    with pytest.raises(TypeError, match="no implementation found for 'vander'"):
        lampas.vander(Refusing())


def test_settings():
    assert lampas.get_float32_matmul_precision() == "highest"
    lampas.set_float32_matmul_precision("high")
    assert lampas.get_float32_matmul_precision() == "high"
    lampas.set_float32_matmul_precision("highest")
    with pytest.raises(RuntimeError, match="highest, high, medium"):
        lampas.set_float32_matmul_precision("low")
    lampas.set_deterministic_debug_mode("error")
    assert lampas.get_deterministic_debug_mode() == 2 and lampas.are_deterministic_algorithms_enabled()
    lampas.set_deterministic_debug_mode(0)
    assert lampas.get_deterministic_debug_mode() == 0
    with pytest.raises(RuntimeError, match="not a mode"):
        lampas.set_deterministic_debug_mode(3)
