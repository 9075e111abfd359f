"""`overrides`: functions of Python that honour ``__torch_function__``, and function modes; `types`."""

import pytest

import lampas
from lampas import overrides


class Tagged:
    def __init__(self, tag="a"):
        self.tag = tag

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return (cls.__name__, func.__name__, args, kwargs, types)


class Special(Tagged):
    pass


class Declines:
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return NotImplemented


def own(a, b=None):
    if overrides.has_torch_function((a, b)):
        return overrides.handle_torch_function(own, (a, b), a, b=b)
    return "plain"


class Log(overrides.TorchFunctionMode):
    def __init__(self, seen, name=""):
        self.seen, self.name = seen, name

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.seen.append(self.name + func.__name__)
        return func(*args, **(kwargs or {}))


def test_who_is_asked():
    assert own(1) == "plain" and own(lampas.ones(1), lampas.ones(1)) == "plain"
    x = Tagged()
    assert own(1, x) == ("Tagged", "own", (1,), {"b": x}, (Tagged,))
    assert own(Tagged(), Special())[0] == "Special" and own(Tagged(), Special())[-1] == (Special, Tagged)
    assert own(Declines(), Tagged())[0] == "Tagged"
    with pytest.raises(TypeError, match=r"no implementation found for '.*own' on types that implement.*Declines"):
        own(Declines())


def test_has():
    assert overrides.has_torch_function((1, Tagged())) and not overrides.has_torch_function((1, lampas.ones(1)))
    assert overrides.has_torch_function_unary(Tagged()) and overrides.has_torch_function_variadic(1, Tagged())
    assert not overrides.has_torch_function((lampas.nn.Parameter(lampas.ones(1)),))
    assert overrides.is_tensor_like(Tagged()) and overrides.is_tensor_like(lampas.ones(1))
    assert not overrides.is_tensor_like(3)


def test_wrapping():
    @overrides.wrap_torch_function(lambda a, b=0: (a,))
    def wrapped(a, b=0):
        """Says so."""
        return "plain"

    assert wrapped(1) == "plain" and wrapped.__doc__ == "Says so."
    assert wrapped(Tagged(), b=2)[1:4:2] == ("wrapped", {"b": 2})
    assert wrapped(1, b=Tagged()) == "plain"


def test_modes():
    seen = []
    with Log(seen, "1:"), Log(seen, "2:"):
        y = lampas.ones(2) + 1
        assert own(3) == "plain"
        assert overrides._get_current_function_mode().name == "2:"
    assert y.tolist() == [2, 2]
    # the inner mode's own call goes through the outer one
    assert seen[:4] == ["2:ones", "1:ones", "2:add", "1:add"] and "2:own" in seen
    assert overrides._get_current_function_mode() is None and not overrides.has_torch_function((1,))


def test_a_mode_ends_with_an_error():
    seen = []
    with pytest.raises(RuntimeError), Log(seen):
        lampas.ones(2) @ lampas.ones(3)
    assert overrides._get_current_function_mode() is None
    with overrides.BaseTorchFunctionMode():
        assert lampas.ones(1).add(1) == 2
    with pytest.raises(NotImplementedError, match="needs a method __torch_function__"), overrides.TorchFunctionMode():
        lampas.ones(1)


def test_names():
    assert overrides.resolve_name(lampas.add) == "torch.add"
    assert overrides.resolve_name(lampas.Tensor.add) == "torch.Tensor.add"
    assert overrides.resolve_name(lampas.nn.functional.relu) == "torch.nn.functional.relu"
    assert overrides.resolve_name(own) is None
    assert overrides.is_tensor_method_or_property(lampas.Tensor.add)
    assert not overrides.is_tensor_method_or_property(lampas.add)


def test_types():
    from lampas import types

    assert isinstance(3, types.Number) and isinstance(lampas.device("cpu"), types.Device)
    assert isinstance(lampas.ones(1).untyped_storage(), types.Storage)
    assert types._dtype is lampas.dtype and types._int is int


class Noted(lampas.Tensor):
    calls: list = []

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        cls.calls.append(func.__name__)
        return super().__torch_function__(func, types, args, kwargs or {})


def test_regions_without_classes():
    x = lampas.ones(2).as_subclass(Noted)
    Noted.calls.clear()
    for region in (lampas._C.DisableTorchFunctionSubclass(), lampas._C.DisableTorchFunction()):
        with region:
            assert type(x + 1) is lampas.Tensor and type(lampas.nn.functional.relu(x)) is lampas.Tensor
            with lampas._C.DisableTorchFunctionSubclass():
                assert type(x.exp()) is lampas.Tensor
            assert type(x.exp()) is lampas.Tensor
    assert Noted.calls == []
    assert type(x + 1) is Noted and Noted.calls == ["add"]


def test_regions_without_modes():
    seen = []
    with Log(seen):
        with lampas._C.DisableTorchFunctionSubclass():
            lampas.ones(2).exp()
        assert "exp" in seen
        seen.clear()
        with pytest.raises(ValueError, match="left"), lampas._C.DisableTorchFunction():
            lampas.ones(2).exp()
            raise ValueError("left")
        assert seen == []
        lampas.ones(2).sin()
        assert "sin" in seen
