"""Sparse tensors: what they are made of, what they say of themselves, what they refuse."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest

import lampas

INDICES, VALUES = [[0, 1, 1], [2, 0, 2]], [3.0, 4.0, 5.0]
DENSE = np.array([[0, 0, 3], [4, 0, 5]], dtype=np.float32)


def example(**kwargs):
    return lampas.sparse_coo_tensor(INDICES, VALUES, (2, 3), **kwargs)


def test_import_of_lampas_loads_nothing_sparse():
    code = "import lampas, sys; print([m for m in sys.modules if m.startswith(('lampas._sparse', 'lampas.sparse'))])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_facts():
    s = example()
    assert s.is_sparse and s.layout == lampas.sparse_coo and isinstance(s, lampas.Tensor)
    assert s.shape == (2, 3) and s.dim() == 2 and s.numel() == 6 and s.dtype == lampas.float32
    assert s.sparse_dim() == 2 and s.dense_dim() == 0 and s._nnz() == 3 and not s.is_coalesced()
    assert s.type() == "torch.sparse.FloatTensor" and len(s) == 2 and not s.is_contiguous()
    assert s._indices().tolist() == INDICES and s._values().tolist() == VALUES
    dense = lampas.ones(2)
    assert not dense.is_sparse and dense.layout == lampas.strided and dense.sparse_dim() == 0 and dense.dense_dim() == 1


def test_to_dense_and_back():
    np.testing.assert_array_equal(example().to_dense().numpy(), DENSE)
    back = lampas.from_numpy(DENSE).to_sparse()
    assert back.is_coalesced() and back.indices().tolist() == INDICES and back.values().tolist() == VALUES


@pytest.mark.parametrize("shape", [(), (5,), (4, 3), (2, 3, 4), (0, 3), (3, 0)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64", "bool", "complex64"])
def test_round_trip_of_any_shape(shape, dtype):
    rng = np.random.default_rng(0)
    array = (rng.integers(-2, 3, shape) * (rng.random(shape) < 0.5)).astype(dtype)
    dense = lampas.tensor(array)
    for sparse_dim in range(1 if shape else 0, len(shape) + 1):
        s = dense.to_sparse(sparse_dim)
        assert s.sparse_dim() == sparse_dim and s.shape == shape and s.dtype == dense.dtype
        np.testing.assert_array_equal(s.to_dense().numpy(), array)


def test_entries_of_one_place_count_together():
    s = lampas.sparse_coo_tensor([[1, 1, 0]], [1.0, 2.0, 3.0], (3,))
    assert s.to_dense().tolist() == [3.0, 3.0, 0.0]
    c = s.coalesce()
    assert c.is_coalesced() and c.coalesce() is c
    assert c.indices().tolist() == [[0, 1]] and c.values().tolist() == [3.0, 3.0]
    true = lampas.sparse_coo_tensor([[1, 1]], [True, True], (2,)).coalesce()
    assert true.values().tolist() == [True]


@pytest.mark.parametrize("sparse_dim", [1, 2, 3])
def test_coalesce_of_many_entries(sparse_dim):
    rng = np.random.default_rng(sparse_dim)
    size = (5, 4, 3)[:sparse_dim]
    at = np.stack([rng.integers(0, n, 200) for n in size])
    values = rng.standard_normal((200, 2))
    c = lampas.sparse_coo_tensor(at, values, (*size, 2)).coalesce()
    dense = np.zeros((*size, 2))
    np.add.at(dense, tuple(at), values)
    np.testing.assert_allclose(c.to_dense().numpy(), dense, rtol=1e-12)
    keys = np.ravel_multi_index(tuple(c.indices().numpy()), size)
    assert (np.diff(keys) > 0).all()


def test_size_is_found_and_dtype_taken():
    assert lampas.sparse_coo_tensor([[0, 2]], lampas.ones(2, 3)).shape == (3, 3)
    assert lampas.sparse_coo_tensor([[0]], [1.0], dtype=lampas.float64).dtype == lampas.float64
    assert lampas.sparse_coo_tensor([[0]], [1]).dtype == lampas.int64
    empty = lampas.sparse_coo_tensor((2, 3))
    assert empty._nnz() == 0 and empty.is_coalesced() and empty.to_dense().tolist() == [[0.0] * 3] * 2
    assert lampas.sparse_coo_tensor((2,), requires_grad=True).requires_grad


def test_values_share_memory():
    values = lampas.tensor([1.0, 2.0])
    s = lampas.sparse_coo_tensor([[0, 1]], values, (2,))
    values[0] = 7.0
    assert s.to_dense().tolist() == [7.0, 2.0]
    s.detach().mul_(2)
    assert values.tolist() == [14.0, 4.0]
    s.clone().mul_(2)
    assert values.tolist() == [14.0, 4.0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[-1]], [1.0], (2,)), "found negative index -1 for dim 0"),
        (([[3]], [1.0], (2,)), "size is inconsistent with indices: for dim 0, size is 2 but found index 3"),
        (([[0], [1]], [1.0], (2,)), "len.size. = 1, sparse_dim = 2, dense_dim = 0"),
        (([[0, 1]], [1.0], (2,)), "got nnz from indices: 2, nnz from values: 1"),
        (([0], [1.0], (2,)), r"indices must be sparse_dim x nnz, but got: \[1\]"),
        (([[0, 1]], [[1.0] * 3] * 2, (2, 4)), r"expected \[2, 4\], got \[2, 3\]"),
        (([[0]], [1.0], (-1,)), r"a size cannot be negative, got \[-1\]"),
        (([[0], [0]], [1.0], (2**40, 2**40)), "has more elements than an integer of 64 bits can count"),
    ],
)
def test_what_cannot_be_a_sparse_tensor(arguments, message):
    with pytest.raises(RuntimeError, match=message):
        lampas.sparse_coo_tensor(*arguments)


def test_a_wrong_claim_to_be_coalesced():
    with pytest.raises(RuntimeError, match="cannot set is_coalesced to true"):
        lampas.sparse_coo_tensor([[0, 0]], [1.0, 2.0], (2,), is_coalesced=True)
    assert lampas.sparse_coo_tensor([[0, 1]], [1.0, 2.0], (2,), is_coalesced=True).is_coalesced()


def test_indices_and_values_need_coalescing():
    with pytest.raises(RuntimeError, match="Cannot get indices on an uncoalesced tensor"):
        example().indices()
    with pytest.raises(RuntimeError, match="Cannot get values on an uncoalesced tensor"):
        example().values()


@pytest.mark.parametrize("name", ["coalesce", "indices", "values", "is_coalesced", "crow_indices", "_nnz", "_values"])
def test_dense_tensors_have_no_entries(name):
    with pytest.raises(RuntimeError, match=rf"{name}\(\) is for sparse tensors, this one has layout torch.strided"):
        getattr(lampas.ones(2), name)()


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("exp", lambda s: s.exp()),
        ("view", lambda s: s.view(6)),
        ("max", lambda s: s.max()),
        ("eq", lambda s: s == s),
        ("gelu", lambda s: lampas.nn.functional.gelu(s)),
        ("cumsum", lambda s: lampas.cumsum(s, 0)),
        ("index_select", lambda s: lampas.ones(3).index_select(0, s)),
        ("fill_", lambda s: s.fill_(1.0)),
        ("tolist", lambda s: s.tolist()),
        ("data_ptr", lambda s: s.data_ptr()),
        ("__getitem__", lambda s: s[0:1]),
    ],
)
@pytest.mark.parametrize("layout", [lampas.sparse_coo, lampas.sparse_csr])
def test_what_sparse_tensors_do_not_have(name, call, layout):
    s = example().to_sparse(layout=layout)
    with pytest.raises(NotImplementedError, match=rf"{name}\(\) is not defined for sparse tensors.*call to_dense\(\)"):
        call(s)


def test_the_engine_reads_no_memory_of_a_sparse_tensor():
    one = lampas.sparse_coo_tensor([[0], [0]], [2.0], (1, 1))
    for s in (one, example(), lampas.sparse_coo_tensor((0, 3))):
        plain = lampas.Tensor.__torch_function__
        for op in (lampas.exp, lampas.sum, lampas.Tensor.contiguous, lampas.Tensor.view_as):
            arguments = (s, s) if op is lampas.Tensor.view_as else (s,)
            if s.numel() == 0 and op is not lampas.exp:
                continue  # nothing is read
            try:
                result = plain(op, (), arguments, {})
            except NotImplementedError as error:
                assert "sparse" in str(error)
            else:
                assert result is s or result.layout != lampas.strided


def test_numpy_and_numbers():
    with pytest.raises(TypeError, match="is no NumPy array"):
        example().numpy()
    with pytest.raises(RuntimeError, match="a Tensor with 6 elements cannot be converted"):
        example().item()
    with pytest.raises(RuntimeError, match="Boolean value of Tensor with more than one value"):
        bool(example())
    with pytest.raises(TypeError, match="cannot be assigned to by index"):
        example()[0] = 1
    with pytest.raises(RuntimeError, match="nbytes is not defined"):
        _ = example().nbytes
    assert float(lampas.tensor(3.0).to_sparse()) == 3.0


def test_other_layouts_are_refused_where_tensors_are_made():
    with pytest.raises(NotImplementedError, match="makes strided tensors alone"):
        lampas.ones(2, layout=lampas.sparse_coo)


def test_printing():
    assert repr(example()) == (
        "tensor(indices=tensor([[0, 1, 1],\n                       [2, 0, 2]]),\n"
        "       values=tensor([3., 4., 5.]),\n       size=(2, 3), nnz=3, layout=torch.sparse_coo)"
    )
    assert repr(lampas.sparse_coo_tensor((2, 3), dtype=lampas.float64, requires_grad=True)) == (
        "tensor(indices=tensor([], size=(2, 0)),\n       values=tensor([], size=(0,)),\n"
        "       size=(2, 3), nnz=0, dtype=torch.float64, layout=torch.sparse_coo,\n       requires_grad=True)"
    )


def test_copies_and_pickles():
    s = example(requires_grad=True)
    for twin in (copy.deepcopy(s), pickle.loads(pickle.dumps(s)), s.clone(), s.detach()):
        assert twin is not s and repr(twin.detach()) == repr(s.detach())
    assert copy.deepcopy(s).requires_grad and copy.deepcopy(s)._values().data_ptr() != s._values().data_ptr()


def test_conversions():
    s = example()
    assert s.double().dtype == lampas.float64 and s.to(lampas.int64)._values().tolist() == [3, 4, 5]
    assert s.to(lampas.float32) is s and s.type_as(lampas.ones(1, dtype=lampas.float64)).dtype == lampas.float64
    assert s.to("cpu") is s and s.cpu() is s
    with pytest.raises(RuntimeError, match=r"to_dense.. of a sparse tensor keeps its dtype"):
        s.to_dense(dtype=lampas.float64)


def test_new_and_resized():
    s = example()
    made = s.new(lampas.tensor([[0]]), lampas.tensor([2.0]), lampas.Size([3]))
    assert made.to_dense().tolist() == [2.0, 0.0, 0.0]
    assert s.new_zeros(2, 2).is_sparse and s.new(2, 3).shape == (2, 3)
    assert lampas.zeros_like(s).is_sparse and lampas.zeros_like(s)._nnz() == 0
    assert lampas.zeros_like(s, layout=lampas.strided).layout == lampas.strided


def test_old_types():
    s = lampas.sparse.FloatTensor(lampas.tensor([[0, 1]]), lampas.ones(2), lampas.Size([3]))
    assert isinstance(s, lampas.sparse.FloatTensor) and not isinstance(s, lampas.sparse.DoubleTensor)
    assert not isinstance(lampas.ones(2), lampas.sparse.FloatTensor)
    assert lampas.sparse.LongTensor(2, 3).dtype == lampas.int64


def test_invariants_switch():
    switch = lampas.sparse.check_sparse_tensor_invariants
    assert not switch.is_enabled()
    with switch():
        assert switch.is_enabled()
    assert not switch.is_enabled()
    assert switch(True)(lambda: switch.is_enabled())() is True
    switch.enable()
    assert switch.is_enabled()
    switch.disable()
    assert not switch.is_enabled()
