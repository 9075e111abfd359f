"""CSR, CSC and their kin in blocks against dense matrices and SciPy."""

import copy
import io
import pickle

import numpy as np
import pytest

import lampas

LAYOUTS = [lampas.sparse_csr, lampas.sparse_csc, lampas.sparse_bsr, lampas.sparse_bsc]
RNG = np.random.default_rng(0)


def matrix(m=4, n=6):
    return lampas.tensor(RNG.standard_normal((m, n)) * (RNG.random((m, n)) < 0.4))


def compressed(dense, layout):
    block = (2, 3) if layout in LAYOUTS[2:] else None
    return dense.to_sparse(layout=layout, blocksize=block)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_indices_are_scipys(layout):
    sparse = pytest.importorskip("scipy.sparse")
    dense = matrix()
    ours = compressed(dense, layout)
    array = dense.numpy()
    if layout == lampas.sparse_csr:
        theirs = sparse.csr_matrix(array)
    elif layout == lampas.sparse_csc:
        theirs = sparse.csc_matrix(array)
    elif layout == lampas.sparse_bsr:
        theirs = sparse.bsr_matrix(array, blocksize=(2, 3))
        theirs.eliminate_zeros()
    else:
        theirs = sparse.bsr_matrix(np.ascontiguousarray(array.T), blocksize=(3, 2))
        theirs.eliminate_zeros()
    theirs.sort_indices()
    starts, places = (
        (ours.crow_indices(), ours.col_indices())
        if layout in (lampas.sparse_csr, lampas.sparse_bsr)
        else (ours.ccol_indices(), ours.row_indices())
    )
    np.testing.assert_array_equal(starts.numpy(), theirs.indptr)
    np.testing.assert_array_equal(places.numpy(), theirs.indices)
    data = theirs.data.transpose(0, 2, 1) if layout == lampas.sparse_bsc else theirs.data
    np.testing.assert_array_equal(ours.values().numpy(), data)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_like_dense(layout):
    dense = matrix()
    c = compressed(dense, layout)
    assert c.layout == layout and not c.is_sparse and c.is_sparse_csr == (layout == lampas.sparse_csr)
    other = lampas.tensor(RNG.standard_normal((6, 3)))

    def same(got, expected, kept=True):
        assert (got.layout == layout) == kept
        np.testing.assert_allclose(got.to_dense().numpy(), expected.numpy(), rtol=1e-10, atol=1e-12)

    same(c, dense)
    same(c * 2, dense * 2)
    same(-c, -dense)
    same(c.sin(), dense.sin())
    same(c + c * c, dense + dense * dense)
    same(c.float(), dense.float())
    same(c.clone(), dense)
    same(c @ other, dense @ other, kept=False)
    same(c @ other[:, 0], dense @ other[:, 0], kept=False)
    same(other.t() @ c.T, other.t() @ dense.T, kept=False)
    same(lampas.sparse.mm(c, other), dense @ other, kept=False)
    same(c.sum(), dense.sum(), kept=False)
    same(lampas.ones(4, 6, dtype=lampas.float64) + c, 1 + dense, kept=False)
    assert c.t().layout == {0: LAYOUTS[1], 1: LAYOUTS[0], 2: LAYOUTS[3], 3: LAYOUTS[2]}[LAYOUTS.index(layout)]
    same(c.t(), dense.t(), kept=False)
    same(c[1], dense[1], kept=False)
    for other_layout in LAYOUTS:
        turned = compressed(c, other_layout)
        assert turned.layout == other_layout
        np.testing.assert_array_equal(turned.to_dense().numpy(), dense.numpy())
    assert c.to_sparse().layout == lampas.sparse_coo
    np.testing.assert_array_equal(c.to_sparse_coo().to_dense().numpy(), dense.numpy())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gradients(layout):
    dense, other = matrix(), lampas.tensor(RNG.standard_normal((6, 3)), requires_grad=True)
    x = dense.clone().requires_grad_()
    (compressed(x, layout) @ other).square().sum().backward()
    g = 2 * dense @ other.detach()
    mask = compressed(dense.ne(0).double() + (dense == 0) * 0.0, layout)
    np.testing.assert_allclose(other.grad.numpy(), (dense.t() @ g).numpy(), rtol=1e-9)
    entries = (
        (dense != 0)
        if layout in LAYOUTS[:2]
        else (compressed(dense, layout) * 0 + compressed(dense, layout)).to_dense() != 0
    )
    np.testing.assert_allclose((x.grad * entries).numpy(), ((g @ other.detach().t()) * entries).numpy(), rtol=1e-9)
    leaf = compressed(dense, layout).requires_grad_()
    (leaf @ other.detach()).square().sum().backward()
    assert leaf.grad.layout == layout and mask.layout == layout
    np.testing.assert_allclose((leaf.grad.to_dense() * entries).numpy(), (x.grad * entries).numpy(), rtol=1e-9)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_files_pickles_and_copies(layout):
    c = compressed(matrix(), layout)
    for old in (False, True):
        file = io.BytesIO()
        lampas.save({"c": c}, file, _use_new_zipfile_serialization=not old)
        file.seek(0)
        assert repr(lampas.load(file)["c"]) == repr(c)
    assert repr(pickle.loads(pickle.dumps(c))) == repr(c) == repr(copy.deepcopy(c))


def test_makers():
    csr = lampas.sparse_csr_tensor([0, 1, 2], [0, 1], [1.0, 2.0])
    assert csr.shape == (2, 2) and csr.to_dense().tolist() == [[1.0, 0.0], [0.0, 2.0]]
    assert lampas.sparse_csr_tensor(crow_indices=[0, 1], col_indices=[1], values=[1.0]).shape == (1, 2)
    csc = lampas.sparse_csc_tensor([0, 0, 2], [0, 1], [1.0, 2.0], (2, 2))
    assert csc.to_dense().tolist() == [[0.0, 1.0], [0.0, 2.0]]
    bsr = lampas.sparse_bsr_tensor([0, 1, 2], [0, 1], lampas.ones(2, 2, 2))
    assert bsr.to_dense().tolist() == [[1.0, 1.0, 0.0, 0.0]] * 2 + [[0.0, 0.0, 1.0, 1.0]] * 2
    assert lampas.sparse_bsc_tensor([0, 1], [0], lampas.ones(1, 2, 3)).shape == (2, 3)
    general = lampas.sparse_compressed_tensor(
        [0, 1, 2], [0, 1], [1.0, 2.0], layout=lampas.sparse_csr, dtype=lampas.float64
    )
    assert general.dtype == lampas.float64
    narrow = lampas.sparse_csr_tensor(
        lampas.tensor([0, 1], dtype=lampas.int32), lampas.tensor([0], dtype=lampas.int32), [1.0]
    )
    assert narrow.crow_indices().dtype == lampas.int32


def test_printing():
    assert repr(lampas.eye(3).to_sparse_csr()) == (
        "tensor(crow_indices=tensor([0, 1, 2, 3]),\n       col_indices=tensor([0, 1, 2]),\n"
        "       values=tensor([1., 1., 1.]), size=(3, 3), nnz=3,\n       layout=torch.sparse_csr)"
    )


@pytest.mark.parametrize(
    ("message", "make"),
    [
        ("crow_indices must have 3 entries", lambda: lampas.sparse_csr_tensor([0, 1], [0, 1], [1.0, 2.0], (2, 2))),
        ("must begin with 0 and end with", lambda: lampas.sparse_csr_tensor([0, 1, 3], [0, 1], [1.0, 2.0], (2, 2))),
        ("must not decrease", lambda: lampas.sparse_csr_tensor([0, 2, 1, 2], [0, 1], [1.0, 2.0], (3, 2))),
        ("0 <= col_indices < 2` is not", lambda: lampas.sparse_csr_tensor([0, 1, 2], [0, 5], [1.0, 2.0], (2, 2))),
        ("has 1 entries, values has 2", lambda: lampas.sparse_csr_tensor([0, 1, 2], [0], [1.0, 2.0], (2, 2))),
        ("must be int32 or int64", lambda: lampas.sparse_csr_tensor(lampas.tensor([0.0, 1.0]), [0], [1.0])),
        ("matrices alone", lambda: lampas.ones(2, 2, 2).to_sparse_csr()),
        ("divisible by the blocksize", lambda: lampas.ones(3, 3).to_sparse_bsr((2, 2))),
        ("needs a blocksize", lambda: lampas.ones(2, 2).to_sparse(layout=lampas.sparse_bsr)),
        ("it has crow_indices.. and col_indices", lambda: lampas.eye(2).to_sparse_csr().row_indices()),
        ("layout must be one of", lambda: lampas.sparse_compressed_tensor([0], [0], [1.0])),
        ("divisible by the blocks' size", lambda: lampas.sparse_bsr_tensor([0, 1], [0], lampas.ones(1, 2, 2), (3, 2))),
    ],
)  # fmt: skip
def test_what_cannot_be_made(message, make):
    with pytest.raises(RuntimeError, match=message):
        make()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gradients_add_up(layout):
    other = lampas.tensor(RNG.standard_normal((6, 3)))
    leaf = compressed(matrix(), layout).requires_grad_()
    (leaf @ other).sum().backward()
    once = leaf.grad.to_dense().clone()
    ((leaf @ other).sum() + (leaf @ other).sum()).backward()
    assert leaf.grad.layout == layout
    np.testing.assert_allclose(leaf.grad.to_dense().numpy(), 3 * once.numpy(), rtol=1e-12)
    leaf.backward(lampas.ones(4, 6, dtype=lampas.float64))
    leaf.grad = None
    (leaf.to_dense() ** 2).sum().backward()
    np.testing.assert_allclose(leaf.grad.to_dense().numpy(), 2 * leaf.detach().to_dense().numpy(), rtol=1e-12)


def test_narrow_indices():
    starts, places = (lampas.tensor(x, dtype=lampas.int32) for x in ([0, 1, 3], [2, 0, 2]))
    values = lampas.tensor([1.0, 2.0, 3.0], requires_grad=True)
    c = lampas.sparse_csr_tensor(starts, places, values, (2, 3))
    assert c.to_dense().tolist() == [[0.0, 0.0, 1.0], [2.0, 0.0, 3.0]]
    c.backward(lampas.arange(6.0).view(2, 3))
    assert values.grad.tolist() == [2.0, 3.0, 5.0]
