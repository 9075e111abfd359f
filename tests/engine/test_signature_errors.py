"""Wrong arguments: the message names the function, the argument and what was given."""

from __future__ import annotations

import numpy as np
import pytest

import lampas
from lampas import _C

x = lampas.ones(2, 3)

CALLS = {
    # wrong types
    "a string for a tensor": (lambda: lampas.exp("abc"), ("exp()", "input", "Tensor", "str")),
    "a list for a tensor": (lambda: lampas.relu([1.0]), ("relu()", "input", "Tensor", "list")),
    "None for a tensor": (lambda: lampas.sin(None), ("sin()", "input", "NoneType")),
    "an array for a tensor": (lambda: lampas.tanh(np.ones(2)), ("tanh()", "Tensor", "ndarray")),
    "a string for an int": (lambda: x.flatten("a"), ("flatten()", "start_dim", "int", "str")),
    "a float for an int": (lambda: x.unsqueeze(1.0), ("unsqueeze()", "dim", "int", "float")),
    "a tensor of two for an int": (lambda: x.unsqueeze(lampas.ones(2)), ("unsqueeze()", "dim", "int", "Tensor")),
    "a string for a bool": (lambda: lampas.cumsum(x, 0, dtype="float32"), ("cumsum()", "dtype", "str")),
    "a string for a dtype": (lambda: lampas.zeros(2, dtype="float32"), ("zeros()", "dtype", "str")),
    "an int for a dtype": (lambda: lampas.ones(2, dtype=3), ("ones()", "dtype", "int")),
    "a type for a device": (lambda: lampas.zeros(2, device=float), ("zeros()", "device")),
    "a string in a size": (lambda: lampas.zeros(2, "3"), ("zeros()", "size", "must be tuple of ints")),
    "a float in a size": (lambda: lampas.zeros(2.5), ("zeros()", "size", "float")),
    "a float in a size list": (lambda: lampas.zeros([2, 2.5]), ("zeros()", "size")),
    "a float as shape": (lambda: x.reshape(2.0, 3), ("reshape()", "shape", "float")),
    "a string as dims": (lambda: x.permute("ab"), ("permute()", "dims", "str")),
    "a number in a list of tensors": (lambda: lampas.cat([x, 3]), ("Tensor", "element 1", "int")),
    "a number for a list of tensors": (lambda: lampas.stack(3), ("stack()", "tensors", "int")),
    "a string for a number": (lambda: lampas.full((2,), "a"), ("full()", "fill_value", "str")),
    "a list for a generator": (lambda: lampas.rand(2, generator=[1]), ("rand()", "generator", "list")),
    "an operator with a string": (lambda: x + "a", ("+", "Tensor", "str")),
    "an operator with a list": (lambda: x - [1], ("-", "Tensor", "list")),
    "an operator with None": (lambda: None * x, ("*", "NoneType")),
    "in place with a string": (lambda: x.clone().__iadd__("a") + 1, ("NotImplementedType",)),
    "a comparison with None": (lambda: x < None, ("NoneType",)),
    "a product with a number": (lambda: x @ 3, ("@", "Tensor", "int")),
    "out that is no tensor": (lambda: lampas.exp(x, out=3), ("exp()", "out", "Tensor", "int")),
    # keywords
    "an unknown keyword": (lambda: lampas.exp(x, foo=1), ("exp()", "foo")),
    "an unknown keyword of a method": (lambda: x.exp(foo=1), ("exp()", "foo")),
    "an unknown keyword of several forms": (lambda: x.sum(axes=1), ("sum()", "axes=int")),
    "given twice": (lambda: x.flatten(0, start_dim=1), ("flatten()", "start_dim", "multiple")),
    "given twice, input": (lambda: lampas.exp(x, input=x), ("exp()", "input", "multiple")),
    "a keyword that must be one": (lambda: lampas.zeros((2,), lampas.float32), ("zeros()",)),
    # number of arguments
    "nothing": (lambda: lampas.exp(), ("exp()", "missing", "input")),
    "nothing for several forms": (lambda: lampas.cat(), ("cat()",)),
    "one missing": (lambda: lampas.flip(x), ("flip()", "missing", "dims")),
    "one missing of a method": (lambda: x.repeat_interleave(), ("repeat_interleave()",)),
    "one too many": (lambda: x.exp(1), ("exp()", "0", "1")),
    "two too many": (lambda: lampas.exp(x, 1, 2), ("exp()", "1", "3")),
    "a method without self": (lambda: lampas.Tensor.exp(), ("exp()",)),
    "a method of something else": (lambda: lampas.Tensor.exp(3), ("exp()", "Tensor", "int")),
    "set_num_threads": (lambda: lampas.set_num_threads("two"), ("set_num_threads", "int", "str")),
    "tensor without data": (lambda: lampas.tensor(), ("tensor()",)),
    "tensor with a keyword": (lambda: lampas.tensor(1, kind=2), ("kind",)),
    "tensor with a bad dtype": (lambda: lampas.tensor(1, dtype=int), ("tensor()", "dtype", "type")),
    "size of a string": (lambda: x.size("a"), ("size()", "dim", "str")),
    "numpy with a position": (lambda: x.numpy(1), ("numpy()",)),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_type_errors(name):
    call, words = CALLS[name]
    with pytest.raises(TypeError) as caught:
        call()
    message = str(caught.value)
    for word in words:
        assert word in message, message
    assert x.tolist() == [[1, 1, 1], [1, 1, 1]]


def test_the_forms_are_listed():
    with pytest.raises(TypeError) as caught:
        lampas.add(x)
    message = str(caught.value)
    assert "add()" in message
    with pytest.raises(TypeError) as caught:
        lampas.max(x, "a", 3)
    message = str(caught.value)
    assert "max() received an invalid combination of arguments - got (" in message
    assert "Tensor, str, int)" in message
    assert message.count("\n * (") >= 2, "one line for each form"


def test_names_of_arguments_are_pytorchs():
    assert lampas.sum(input=x, dim=0, keepdim=True).shape == (1, 3)
    assert lampas.add(input=x, other=x, alpha=2).sum() == 18
    assert lampas.clamp(input=x, min=2).sum() == 12
    assert lampas.cat(tensors=[x, x], dim=1).shape == (2, 6)
    assert lampas.transpose(input=x, dim0=0, dim1=1).shape == (3, 2)
    assert x.sum(axis=0).shape == (3,), "NumPy's name is understood too"
    assert lampas.full(size=(2,), fill_value=3).tolist() == [3, 3]


def test_sizes_in_all_spellings():
    for made in (
        lampas.zeros(2, 3), lampas.zeros((2, 3)), lampas.zeros([2, 3]), lampas.zeros(size=(2, 3)),
        lampas.zeros(lampas.Size([2, 3])), lampas.zeros(x.shape), lampas.zeros(np.int64(2), np.int32(3)),
        lampas.zeros(lampas.tensor(2), 3), lampas.zeros(*x.shape), lampas.zeros((np.int64(2), 3)),
    ):  # fmt: skip
        assert made.shape == (2, 3)


def test_numbers_in_all_spellings():
    for number in (2, 2.0, np.int64(2), np.float32(2), np.float64(2), lampas.tensor(2), lampas.tensor(2.0)):
        assert (x * number).sum().item() == 12
        assert lampas.full((3,), float(number)).sum() == 6
    assert (x * True).sum().item() == 6
    assert x.unsqueeze(np.int64(0)).shape == (1, 2, 3)
    assert x.unsqueeze(lampas.tensor(0)).shape == (1, 2, 3)


def test_every_function_complains_about_a_string():
    """No op of the registry crashes on nonsense."""
    seen = 0
    for entry in _C._registry():
        kinds, name = set(entry["kinds"]), entry["name"]
        if "function" not in kinds or not hasattr(_C, name):
            continue
        function = getattr(_C, name)
        for arguments in (
            ("nonsense",),
            ("nonsense", "nonsense"),
            (None,),
            (object(), 1),
            (
                x,
                "nonsense",
                "nonsense",
                "nonsense",
                "nonsense",
                "nonsense",
                "nonsense",
                "nonsense",
                "nonsense",
                "nonsense",
            ),
        ):
            with pytest.raises((TypeError, ValueError, RuntimeError, IndexError)) as caught:
                function(*arguments)
            assert str(caught.value)
            seen += 1
        with pytest.raises((TypeError, ValueError, RuntimeError)):
            function(x, no_such_argument=1)
    assert seen > 500


@pytest.mark.parametrize("method", [False, True])
def test_every_op_survives_odd_tensors(method):
    """Empty, zero-dimensional, large-dimensional and meta tensors give a result or an error, never a crash."""
    odd = [
        lampas.empty(0),
        lampas.ones(()),
        lampas.ones(1, 0, 2),
        lampas.ones((1,) * 12),
        lampas.ones(2, 2, dtype=lampas.bool),
        lampas.ones(2, dtype=lampas.complex64),
        lampas.ones(3, device="meta"),
    ]
    for entry in _C._registry():
        kinds, name = set(entry["kinds"]), entry["name"]
        if ("method" if method else "function") not in kinds or "Tensor" not in entry["signature"].split("->")[0]:
            continue
        function = getattr(lampas.Tensor if method else _C, name, None)
        if function is None or name in ("from_file", "exit"):
            continue
        for t in odd:
            for arguments in ((t,), (t, t), (t, 0), (t, -1), (t, t, t), (t, 100), (t, [0]), (t, -1, 0)):
                try:
                    function(*arguments)
                except (
                    TypeError,
                    ValueError,
                    RuntimeError,
                    IndexError,
                    NotImplementedError,
                    OverflowError,
                    AssertionError,
                ) as error:
                    assert str(error)
