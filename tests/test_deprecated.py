"""Old forms of calls: what they give, and what they say."""

import numpy as np
import pytest

import lampas
from lampas import autograd


@pytest.fixture(autouse=True)
def every_warning():
    lampas.set_warn_always(True)
    yield
    lampas.set_warn_always(False)


def test_range_includes_its_end():
    with pytest.warns(UserWarning, match="torch.range is deprecated") as caught:
        assert lampas.range(1, 2, 0.5).tolist() == [1.0, 1.5, 2.0]
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("cholesky", lambda a: lampas.cholesky(a)),
        ("qr", lambda a: a.qr()),
        ("lu", lambda a: lampas.lu(a)),
        ("triangular_solve", lambda a: lampas.triangular_solve(a, a)),
        ("cross without dim", lambda a: lampas.cross(lampas.ones(3), lampas.ones(3))),
        ("chain_matmul", lambda a: lampas.chain_matmul(a, a)),
        ("meshgrid without indexing", lambda a: lampas.meshgrid(a[0], a[1])),
        ("stft without a window", lambda a: lampas.stft(lampas.ones(16), 4, return_complex=True)),
        ("stft with return_complex=False",
         lambda a: lampas.stft(lampas.ones(16), 4, window=lampas.ones(4), return_complex=False)),
        ("istft without a window", lambda a: lampas.istft(lampas.ones(3, 5, dtype=lampas.complex64), 4)),
        ("set_default_tensor_type", lambda a: lampas.set_default_tensor_type("torch.FloatTensor")),
        ("To copy construct", lambda a: a.new_tensor(a)),
        ("non-inplace resize is deprecated", lambda a: a.resize(4)),
        ("non-inplace resize_as is deprecated", lambda a: a.resize_as(lampas.ones(4))),
        ("volatile was removed", lambda a: a.volatile),
    ],
)  # fmt: skip
def test_warnings_name_the_line_that_calls(name, call):
    with pytest.warns(UserWarning, match=name) as caught:
        call(lampas.eye(2))
    assert caught[0].filename == __file__


def test_some_warnings_come_once():
    lampas.set_warn_always(False)
    with pytest.warns(UserWarning, match="cholesky"):
        lampas.set_warn_always(True)
        lampas.cholesky(lampas.eye(2))
    lampas.set_warn_always(False)
    lampas.cholesky(lampas.eye(2))


@pytest.mark.parametrize("name", ["eig", "symeig", "lstsq", "solve", "matrix_rank"])
def test_removed_functions_name_their_heirs(name):
    with pytest.raises(RuntimeError, match=rf"torch\.{name} was removed; use torch\.linalg\."):
        getattr(lampas, name)(lampas.eye(2))


def test_variable():
    v = autograd.Variable(lampas.ones(2), requires_grad=True)
    assert v.requires_grad and isinstance(v, autograd.Variable) and autograd.variable.Variable is autograd.Variable
    with pytest.raises(TypeError, match="Variable data has to be a tensor, but got list"):
        autograd.Variable([1.0])
    with pytest.warns(UserWarning, match="volatile was removed and has no effect"):
        autograd.Variable(lampas.ones(2), volatile=True)
    with pytest.warns(UserWarning), pytest.raises(ValueError, match="volatile and require_grad"):
        autograd.Variable(lampas.ones(2), True, True)


def test_typed_constructors():
    assert lampas.LongTensor([1.7, 2]).tolist() == [1, 2]
    assert lampas.FloatTensor(2, 3).shape == lampas.FloatTensor(lampas.Size([2, 3])).shape == (2, 3)
    assert lampas.FloatTensor(size=(2,)).shape == (2,) and lampas.FloatTensor().shape == (0,)
    assert lampas.DoubleTensor(np.array([1.0, 2.0])).dtype == lampas.float64
    assert lampas.zeros(1, dtype=lampas.int64).new([1, 2]).dtype == lampas.int64
    assert lampas.zeros(1).new(2, 3).shape == (2, 3) and lampas.zeros(1).new(range(2)).tolist() == [0.0, 1.0]
    x = lampas.ones(2)
    assert lampas.FloatTensor(x).data_ptr() == x.data_ptr()
    assert lampas.tensor([1.5]).type(lampas.LongTensor).tolist() == [1]
    assert lampas.ones(1, dtype=lampas.int64).type(lampas.Tensor).dtype == lampas.float32


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: lampas.FloatTensor(1.5), TypeError, r"new\(\) takes sizes|data must be a sequence \(got float\)"),
        (lambda: lampas.FloatTensor({}), TypeError, r"data must be a sequence \(got dict\)"),
        (lambda: lampas.zeros(1).new("a"), TypeError, r"data must be a sequence \(got str\)"),
        (lambda: lampas.FloatTensor(2.0, 3), TypeError, "takes sizes or one sequence, but got float, int"),
        (
            lambda: lampas.FloatTensor(lampas.zeros(2).double()),
            TypeError,
            r"expected torch.float32 \(got",
        ),
        (lambda: lampas.FloatTensor(2, device="cuda"), RuntimeError, "expects device type: cpu"),
        (lambda: lampas.zeros(1).type(int), ValueError, "invalid type: 'int'; give a dtype"),
        (lambda: lampas.set_default_tensor_type("torch.cuda.FloatTensor"), TypeError, "not available"),
        (lambda: lampas.set_default_tensor_type("torch.LongTensor"), TypeError, "only floating-point types"),
    ],
)
@pytest.mark.filterwarnings("ignore:torch.set_default_tensor_type")
def test_what_old_constructors_refuse(make, kind, message):
    with pytest.raises(kind, match=message):
        make()
