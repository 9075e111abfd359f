"""Memory shared with NumPy, by the buffer protocol and by DLPack."""

from __future__ import annotations

import array
import gc
import weakref

import numpy as np
import pytest

import lampas
from lampas import _C

NUMPY = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64", "complex64", "complex128"]
SHARED = [n for n in NUMPY]


@pytest.mark.parametrize("name", NUMPY)
def test_from_numpy_shares(name):
    a = np.array([[0, 1, 1], [1, 0, 1]]).astype(name)
    t = lampas.from_numpy(a)
    assert str(t.dtype) == f"torch.{name}"
    assert t.data_ptr() == a.ctypes.data
    a[0, 0] = 1
    assert t[0, 0].item() == 1
    t[1, 1] = 1
    assert a[1, 1] == 1


@pytest.mark.parametrize("name", NUMPY)
def test_numpy_shares(name):
    t = lampas.tensor([[0, 1, 1], [1, 0, 1]]).to(getattr(lampas, name))
    a = t.numpy()
    assert a.dtype == np.dtype(name)
    assert a.ctypes.data == t.data_ptr()
    a[0, 0] = 1
    assert t[0, 0].item() == 1
    t.zero_()
    assert not a.any()


LAYOUTS = {
    "transposed": lambda a: a.T,
    "strided": lambda a: a[::2, 1:],
    "column": lambda a: a[:, 2],
    "empty": lambda a: a[:0],
    "scalar": lambda a: a[1, 1:2].reshape(()),
    "broadcast": lambda a: np.broadcast_to(a[0], (3, 4)),
    "fortran": np.asfortranarray,
    "permuted": lambda a: a.reshape(2, 2, 4).transpose(2, 0, 1),
}


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.filterwarnings("ignore:.*not writable")
def test_strides_are_kept(name):
    a = LAYOUTS[name](np.arange(16.0).reshape(4, 4))
    t = lampas.from_numpy(a)
    np.testing.assert_array_equal(t.numpy(), a)
    assert t.stride() == tuple(s // 8 for s in a.strides) or a.size == 0
    assert (t * 2).tolist() == (a * 2).tolist()
    assert t.sum().item() == a.sum()


@pytest.mark.parametrize(
    "make",
    [
        lambda t: t.t(),
        lambda t: t[:, ::2],
        lambda t: t[1],
        lambda t: t[0, 0],
        lambda t: t[:0],
        lambda t: t.expand(2, 4, 4),
    ],
)
def test_strides_of_tensors_are_kept(make):
    t = make(lampas.arange(16.0).reshape(4, 4))
    a = t.numpy()
    assert a.shape == tuple(t.shape)
    assert a.tolist() == t.tolist()
    assert a.ctypes.data == t.data_ptr() or t.numel() == 0


def test_the_array_keeps_the_memory_alive():
    t = lampas.full((1000,), 7.0)
    a = t.numpy()
    del t
    gc.collect()
    [lampas.zeros(1000) for _ in range(10)]
    assert (a == 7).all()


def test_the_tensor_keeps_the_array_alive_and_lets_go():
    class Owner(np.ndarray):
        pass

    a = np.full(1000, 7.0).view(Owner)
    gone = weakref.ref(a)
    t = lampas.from_numpy(a)
    view = t[5:10]
    del a, t
    gc.collect()
    assert gone() is not None
    assert view.tolist() == [7] * 5
    del view
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize(("shape", "index"), [((5,), np.s_[::-1]), ((3, 4), np.s_[:, ::-2]), ((3, 4), np.s_[::-1, 1:])])
def test_negative_strides(shape, index):
    a = np.arange(float(np.prod(shape))).reshape(shape)[index]
    for convert in (lampas.from_numpy, lampas.as_tensor):
        with pytest.raises(ValueError, match="negative") as caught:
            convert(a)
        assert "copy()" in str(caught.value)
    with pytest.raises(ValueError, match="negative"):
        lampas.tensor(a)
    assert lampas.from_numpy(a.copy()).tolist() == a.tolist()


def test_read_only_arrays_warn():
    a = np.ones(3)
    a.flags.writeable = False
    with pytest.warns(UserWarning, match="not writable"):
        t = lampas.from_numpy(a)
    assert t.tolist() == [1, 1, 1]
    assert lampas.tensor(a).add_(1).tolist() == [2, 2, 2], "a copy needs no warning"


@pytest.mark.parametrize("name", ["uint16", "uint32", "uint64", "U3", "object", "datetime64[s]", "S2", "longdouble"])
def test_types_we_do_not_have(name):
    a = np.zeros(2, dtype=name)
    with pytest.raises(TypeError) as caught:
        lampas.from_numpy(a)
    assert "np.ndarray" in str(caught.value)
    assert repr(a.dtype) in str(caught.value), "the type given"
    assert "float32" in str(caught.value), "the types that can be had"


def test_foreign_byte_order():
    with pytest.raises((TypeError, ValueError)):
        lampas.from_numpy(np.arange(3, dtype=">i4"))


def test_strides_that_are_no_multiple_of_the_item():
    a = np.zeros(3, dtype=[("a", "i1"), ("b", "f4")])["b"]
    with pytest.raises(ValueError):
        lampas.from_numpy(a)


def test_what_is_no_array():
    for bad in ([1, 2], 3, None, "abc", lampas.ones(2)):
        with pytest.raises(TypeError, match=r"expected np\.ndarray"):
            lampas.from_numpy(bad)


def test_tensor_copies_and_as_tensor_shares():
    a = np.zeros(3)
    copied, shared = lampas.tensor(a), lampas.as_tensor(a)
    a[0] = 5
    assert copied.tolist() == [0, 0, 0]
    assert shared.tolist() == [5, 0, 0]
    assert lampas.as_tensor(a, dtype=lampas.float32).dtype == lampas.float32


def test_numpy_functions_take_tensors():
    t = lampas.arange(4.0)
    assert np.sum(np.asarray(t)) == 6
    np.testing.assert_array_equal(np.array(t, dtype="int32"), [0, 1, 2, 3])
    assert isinstance(np.asarray(t), np.ndarray)
    assert np.shares_memory(np.asarray(t), t.numpy())
    assert not np.shares_memory(np.array(t), t.numpy())


def test_numpy_of_a_tensor_in_a_graph():
    t = lampas.ones(2, requires_grad=True)
    for bad in (t.numpy, (t * 2).numpy):
        with pytest.raises(RuntimeError, match=r"detach\(\)\.numpy\(\)"):
            bad()
    assert t.detach().numpy().tolist() == [1, 1]
    assert t.numpy(force=True).tolist() == [1, 1]


def test_numpy_of_bfloat16():
    with pytest.raises(TypeError, match="BFloat16"):
        lampas.ones(2, dtype=lampas.bfloat16).numpy()


def test_numpy_of_meta():
    with pytest.raises((TypeError, NotImplementedError), match="meta"):
        lampas.ones(2, device="meta").numpy()


# ---- buffers ----


def test_buffer_of_a_tensor():
    t = lampas.arange(6, dtype=lampas.int32).reshape(2, 3)
    view = memoryview(t)
    assert view.shape == (2, 3)
    assert view.format == "i"
    assert view.itemsize == 4
    assert view.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert not view.readonly
    view[1, 2] = 50
    assert t[1, 2].item() == 50
    assert bytes(t) == t.numpy().tobytes()
    assert memoryview(t.t()).strides == (4, 12)


def test_a_buffer_keeps_the_tensor():
    t = lampas.full((100,), 3.0)
    gone = weakref.ref(t)
    view = memoryview(t)
    del t
    assert gone() is not None
    assert view[99] == 3
    view.release()
    assert gone() is None


def test_buffer_that_must_be_contiguous():
    t = lampas.arange(6.0).reshape(2, 3).t()
    with pytest.raises((BufferError, RuntimeError)):
        array.array("f").frombytes(t)  # wants plain bytes


def test_frombuffer():
    data = bytearray(np.arange(5, dtype="float32").tobytes())
    t = lampas.frombuffer(data, dtype=lampas.float32)
    assert t.tolist() == [0, 1, 2, 3, 4]
    t[0] = 9
    assert np.frombuffer(data, "float32")[0] == 9
    assert lampas.frombuffer(data, dtype=lampas.float32, offset=8, count=2).tolist() == [2, 3]
    with pytest.raises(BufferError):
        data.append(1)  # still in use
    del t


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"offset": 20}, "20"),
        ({"offset": -1}, "-1"),
        ({"count": 0}, "0"),
        ({"count": 6}, "6"),
        ({"offset": 1}, "19"),
    ],
)
def test_bad_buffers(arguments, words):
    data = bytearray(20)
    with pytest.raises(ValueError, match=words):
        lampas.frombuffer(data, dtype=lampas.float32, **arguments)
    data.append(1)  # nobody holds it


def test_frombuffer_of_what_has_none():
    with pytest.raises((TypeError, ValueError), match="buffer"):
        lampas.frombuffer([1, 2], dtype=lampas.float32)
    with pytest.raises(ValueError):
        lampas.frombuffer(b"", dtype=lampas.float32)


def test_arrays_from_elsewhere():
    assert lampas.tensor(array.array("d", [1.0, 2.0])).tolist() == [1, 2]
    assert lampas.frombuffer(array.array("i", [1, 2]), dtype=lampas.int32).tolist() == [1, 2]


# ---- DLPack ----


@pytest.mark.parametrize("name", SHARED)
def test_dlpack_to_numpy(name):
    t = lampas.tensor([[0, 1, 1], [1, 0, 1]]).to(getattr(lampas, name))
    a = np.from_dlpack(t)
    assert a.dtype == np.dtype(name)
    assert a.ctypes.data == t.data_ptr()
    np.testing.assert_array_equal(a, t.numpy())


@pytest.mark.parametrize("name", SHARED)
def test_dlpack_from_numpy(name):
    a = np.array([[0, 1, 1], [1, 0, 1]]).astype(name)
    t = lampas.from_dlpack(a)
    assert str(t.dtype) == f"torch.{name}"
    assert t.data_ptr() == a.ctypes.data
    t[0, 0] = 1
    assert a[0, 0] == 1


def test_dlpack_strides_and_offsets():
    t = lampas.arange(24.0).reshape(2, 3, 4)
    for view in (t[1], t[:, 1:], t.permute(2, 0, 1), t[..., ::2], t[0, 0, 0], t[:0]):
        a = np.from_dlpack(view)
        assert a.tolist() == view.tolist()
    a = np.arange(24.0).reshape(2, 3, 4)
    for view in (a[1], a[:, 1:], a.transpose(2, 0, 1), a[..., ::2]):
        assert lampas.from_dlpack(view).tolist() == view.tolist()


def test_dlpack_round_trip_and_life():
    t = lampas.full((50,), 4.0)
    gone = weakref.ref(t)
    back = lampas.from_dlpack(t)
    assert back.data_ptr() == t.data_ptr()
    del t
    gc.collect()
    assert gone() is not None
    assert back.tolist() == [4] * 50
    del back
    gc.collect()
    assert gone() is None


def test_dlpack_capsules():
    t = lampas.ones(3)
    assert t.__dlpack_device__() == (1, 0)
    capsule = t.__dlpack__()
    shared = lampas.from_dlpack(capsule)
    assert shared.data_ptr() == t.data_ptr()
    with pytest.raises(RuntimeError, match=r"invalid capsule.*only once.*used_dltensor"):
        lampas.from_dlpack(capsule)
    unused = t.__dlpack__()
    gone = weakref.ref(t)
    del t, shared, capsule
    gc.collect()
    assert gone() is not None
    del unused
    assert gone() is None


def test_dlpack_of_negative_strides():
    with pytest.raises((RuntimeError, ValueError), match=r"negative|strides"):
        lampas.from_dlpack(np.arange(4.0)[::-1])


def test_dlpack_errors():
    with pytest.raises(BufferError, match="require gradient"):
        lampas.ones(2, requires_grad=True).__dlpack__()
    with pytest.raises(RuntimeError, match=r"none of DLPack's: \[1, 2\]"):
        lampas.from_dlpack([1, 2])
    with pytest.raises(BufferError, match="device='cpu'"):
        lampas.from_dlpack(lampas.ones(1), device="meta")
    with pytest.raises(AssertionError, match="no CUDA device"):
        lampas.from_dlpack(lampas.ones(1), device="cuda")
    with pytest.raises(AssertionError, match="asked of the array"):
        lampas.from_dlpack(lampas.ones(1).__dlpack__(), copy=True)
    with pytest.raises(RuntimeError):
        lampas.from_dlpack(np.zeros(2, "uint16"))
    with pytest.raises((RuntimeError, BufferError, TypeError)):
        lampas.ones(2, device="meta").__dlpack__()


def test_dlpack_copy_is_a_copy():
    t = lampas.ones(3)
    a = np.from_dlpack(t, copy=True) if np.lib.NumpyVersion(np.__version__) >= "2.1.0" else np.from_dlpack(t).copy()
    a[0] = 9
    assert t.tolist() == [1, 1, 1]


class OldProducer:
    """An array of the time before arguments."""

    def __init__(self, tensor):
        self.tensor = tensor

    def __dlpack__(self):
        return self.tensor.__dlpack__()


@pytest.mark.parametrize("producer", [lambda t: t, OldProducer])
@pytest.mark.parametrize("device", [None, "cpu", lampas.device("cpu")])
@pytest.mark.parametrize("copy", [None, False, True])
def test_dlpack_wishes(producer, device, copy):
    t = lampas.ones(3)
    found = lampas.from_dlpack(producer(t), device=device, copy=copy)
    found[0] = 9
    assert t.tolist() == ([1, 1, 1] if copy else [9, 1, 1])


def test_nothing_is_leaked():
    def job():
        a = np.ones(300)
        lampas.from_numpy(a).numpy()
        lampas.from_dlpack(np.from_dlpack(lampas.ones(300)))
        memoryview(lampas.ones(300)).release()
        lampas.frombuffer(bytearray(40), dtype=lampas.float32)
        for bad in (lambda: lampas.from_numpy(a[::-1]), lambda: lampas.from_numpy(np.zeros(2, "U3"))):
            with pytest.raises((TypeError, ValueError)):
                bad()

    for _ in range(3):
        job()
    gc.collect()
    before = _C._memory_stats()["allocated_bytes"]
    for _ in range(20):
        job()
    gc.collect()
    assert _C._memory_stats()["allocated_bytes"] == before


@pytest.mark.parametrize("data", ["a", [1, "a"], [[1], ["a"]], [[1], "a"], [1, "ab"]])
def test_strings_are_no_data(data):
    with pytest.raises(TypeError, match=r"new\(\): invalid data type 'str'"):
        lampas.tensor(data)


@pytest.mark.parametrize("data", [["a"], ["ab", "b"], [["a"]]])
def test_strings_are_no_sequences(data):
    with pytest.raises(ValueError, match="too many dimensions 'str'"):
        lampas.tensor(data)
