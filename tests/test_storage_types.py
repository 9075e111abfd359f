"""FloatStorage and its kin: what they make, what they recognise, and what a storage prints."""

import pickle
import warnings

import pytest

import lampas
from lampas import _deprecated


@pytest.fixture
def row():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield lambda tensor: tensor.storage()


def test_making():
    made = lampas.FloatStorage([1, 2, 3])
    assert made.dtype == lampas.float32 and made.tolist() == [1, 2, 3] and len(lampas.LongStorage(4)) == 4
    assert lampas.FloatStorage().size() == 0
    assert lampas.TypedStorage([1, 2], dtype=lampas.int32).tolist() == [1, 2]
    assert lampas.TypedStorage(3).dtype == lampas.float32
    t = lampas.arange(3)
    assert lampas.LongStorage(wrap_storage=t.untyped_storage()).data_ptr() == t.data_ptr()
    assert lampas.ByteStorage.from_buffer(b"12").tolist() == [49, 50]
    assert lampas.ShortStorage.from_buffer(b"\0\1\0\2", byte_order="big").tolist() == [1, 2]
    assert lampas.zeros(0).set_(made, 1, (2,)).tolist() == [2, 3]


def test_recognising(row):
    storage = row(lampas.ones(2))
    assert isinstance(storage, lampas.FloatStorage) and not isinstance(storage, lampas.DoubleStorage)
    assert isinstance(storage, lampas.TypedStorage) and not isinstance(lampas.ones(2), lampas.FloatStorage)
    assert lampas.ones(2).storage_type() is lampas.FloatStorage and lampas.FloatStorage.dtype == lampas.float32
    assert repr(lampas.BFloat16Storage) == "<class 'torch.BFloat16Storage'>"
    assert pickle.loads(pickle.dumps(lampas.IntStorage)) is lampas.IntStorage
    assert lampas.FloatStorage.__name__ == storage.pickle_storage_type() == "FloatStorage"


def test_converting(row):
    storage = row(lampas.tensor([1.5, 0.0]))
    assert storage.float() is storage and storage.double().tolist() == [1.5, 0]
    assert storage.long().tolist() == [1, 0] and storage.bool().tolist() == [True, False]
    assert storage.complex_float().dtype == lampas.complex64 and storage.bfloat16().dtype == lampas.bfloat16
    assert storage.type() == "torch.FloatStorage" and storage.type("torch.HalfStorage").dtype == lampas.float16
    storage.resize_(3)
    assert len(storage) == 3 and storage[0] == 1.5
    with pytest.raises(AttributeError, match="NoStorage"):
        lampas.storage.NoStorage


def test_printing(row):
    assert repr(row(lampas.arange(2))) == (
        " 0\n 1\n[lampas.storage.TypedStorage(dtype=torch.int64, device=cpu) of size 2]"
    )


def test_warning():
    _deprecated._warned.discard(next((m for m in _deprecated._warned if m.startswith("TypedStorage")), ""))
    with pytest.warns(UserWarning, match="use tensor.untyped_storage"):
        lampas.ones(1).storage()
    lampas.ones(1).storage()


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: lampas.FloatStorage(1, 2), RuntimeError, "invalid combination of arguments"),
        (lambda: lampas.FloatStorage("a"), TypeError, "a size or a sequence, got str"),
        (lambda: lampas.FloatStorage(-1), RuntimeError, "negative"),
    ],
)
def test_refusals(call, error, text):
    with pytest.raises(error, match=text):
        call()
