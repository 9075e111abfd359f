"""Sparse gradients: of embedding tables, through the engine, in .grad, in files, and what they cost."""

import copy
import io

import numpy as np
import pytest

import lampas
from lampas import nn

F = nn.functional


def table(rows=6, dim=2, **kwargs):
    made = nn.Embedding(rows, dim, sparse=True, **kwargs)
    with lampas.no_grad():
        made.weight.copy_(lampas.arange(float(rows * dim)).view(rows, dim))
    return made


def test_gradient_names_the_rows():
    emb = table(padding_idx=1)
    emb(lampas.tensor([[0, 1], [3, 3]])).sum().backward()
    g = emb.weight.grad
    assert g.is_sparse and g.shape == (6, 2) and g.sparse_dim() == 1 and not g.is_coalesced()
    assert g._indices().tolist() == [[0, 3, 3]] and g._values().tolist() == [[1.0, 1.0]] * 3


def test_all_rows_padding():
    emb = table(padding_idx=1)
    emb(lampas.tensor([1, 1])).sum().backward()
    assert emb.weight.grad._nnz() == 0 and not emb.weight.grad.to_dense().any()


@pytest.mark.parametrize("index_dtype", [lampas.int32, lampas.int64])
@pytest.mark.parametrize("padding_idx", [None, 2])
def test_embedding_like_dense(index_dtype, padding_idx):
    weight = lampas.randn(5, 3, dtype=lampas.float64)
    at = lampas.tensor([[0, 2, 2], [4, 0, 1]], dtype=index_dtype)
    grads = []
    for sparse in (True, False):
        w = weight.clone().requires_grad_()
        (F.embedding(at, w, padding_idx, sparse=sparse) ** 3).sum().backward()
        grads.append(w.grad.to_dense().numpy())
    np.testing.assert_allclose(*grads)


@pytest.mark.parametrize(("mode", "weighted"), [("sum", False), ("sum", True), ("mean", False)])
@pytest.mark.parametrize("padding_idx", [None, 1, -5])
@pytest.mark.parametrize("last", [False, True])
def test_bags_like_dense(mode, weighted, padding_idx, last):
    rng = np.random.default_rng(0)
    weight, factors = rng.standard_normal((6, 3)), rng.standard_normal(7)
    at = lampas.tensor([0, 1, 3, 3, 1, 1, 5])
    offsets = lampas.tensor([0, 2, 2, 4, 6, 7] if last else [0, 2, 2, 4, 6])
    found = []
    for sparse in (True, False):
        w = lampas.tensor(weight, requires_grad=True)
        f = lampas.tensor(factors, requires_grad=True) if weighted else None
        bags = F.embedding_bag(
            *(at, w, offsets),
            mode=mode,
            sparse=sparse,
            per_sample_weights=f,
            include_last_offset=last,
            padding_idx=padding_idx,
        )
        (bags * lampas.arange(15.0, dtype=lampas.float64).view(5, 3)).sum().backward()
        assert w.grad.is_sparse == sparse
        found.append((bags.detach().numpy(), w.grad.to_dense().numpy(), f.grad.numpy() if weighted else None))
    for ours, expected in zip(*found, strict=True):
        if ours is not None:
            np.testing.assert_allclose(ours, expected, rtol=1e-12)


def test_frequencies_are_refused():
    for module in (nn.Embedding, nn.EmbeddingBag):
        emb = module(4, 2, sparse=True, scale_grad_by_freq=True)
        with pytest.raises(RuntimeError, match="scale_grad_by_freq is not defined for sparse gradients"):
            emb(lampas.tensor([[1, 1]])).sum().backward()


def test_without_recording_nothing_is_sparse():
    emb = table()
    with lampas.no_grad():
        assert emb(lampas.tensor([1])).grad_fn is None
    emb.weight.requires_grad_(False)
    assert not emb(lampas.tensor([1])).requires_grad


# --- .grad ----------------------------------------------------------------------------------------------------------


def test_sparse_and_sparse_stay_sparse():
    emb = table()
    emb(lampas.tensor([1])).sum().backward()
    first = emb.weight.grad
    emb(lampas.tensor([4, 1])).sum().backward()
    assert emb.weight.grad is first and first._indices().tolist() == [[1, 4, 1]]
    assert first.to_dense()[:, 0].tolist() == [0, 2, 0, 0, 1, 0]


def test_dense_and_sparse_give_dense():
    for dense_first in (True, False):
        emb = table()
        parts = [lambda emb=emb: emb.weight.sum(), lambda emb=emb: emb(lampas.tensor([1, 1])).sum()]
        for part in parts if dense_first else parts[::-1]:
            part().backward()
        assert emb.weight.grad.layout == lampas.strided
        assert emb.weight.grad[:, 0].tolist() == [1, 3, 1, 1, 1, 1]
    emb = table()
    (emb.weight.sum() + emb(lampas.tensor([1, 1])).sum()).backward()
    assert emb.weight.grad.layout == lampas.strided and emb.weight.grad[:, 0].tolist() == [1, 3, 1, 1, 1, 1]


def test_many_backward_passes_do_not_grow_without_bound():
    emb = table()
    for _ in range(50):
        emb(lampas.tensor([1, 2])).sum().backward()
    assert emb.weight.grad._nnz() <= 2 * 6 and emb.weight.grad.to_dense()[1, 0] == 50


def test_two_uses_in_one_pass_and_two_leaves():
    emb = table()
    (emb(lampas.tensor([1])).sum() * 2 + emb(lampas.tensor([3])).sum()).backward()
    assert emb.weight.grad.is_sparse and emb.weight.grad.to_dense()[:, 0].tolist() == [0, 2, 0, 1, 0, 0]

    class Twice(lampas.autograd.Function):
        @staticmethod
        def forward(ctx, a, b):
            return (a + b).sum()

        @staticmethod
        def backward(ctx, g):
            made = lampas.sparse_coo_tensor([[1]], lampas.ones(1, 2), (6, 2))
            return made, made

    a, b = (lampas.zeros(6, 2, requires_grad=True) for _ in range(2))
    Twice.apply(a, b).backward()
    a.grad.mul_(5)
    assert a.grad.to_dense()[1].tolist() == [5, 5] and b.grad.to_dense()[1].tolist() == [1, 1]


def test_gradient_does_not_share_the_incoming_ones_memory():
    emb = table()
    out = emb(lampas.tensor([1, 2]))
    out.retain_grad()
    (out * 3).sum().backward()
    emb.weight.grad.mul_(0)
    assert out.grad.tolist() == [[3, 3], [3, 3]]


def test_autograd_grad_inputs_and_hooks():
    emb = table()
    seen = []
    handle = emb.weight.register_hook(lambda g: seen.append(g.is_sparse))
    (g,) = lampas.autograd.grad(emb(lampas.tensor([1])).sum(), emb.weight)
    assert g.is_sparse and emb.weight.grad is None
    emb(lampas.tensor([1])).sum().backward(inputs=[emb.weight])
    assert emb.weight.grad.is_sparse and seen and all(seen)
    handle.remove()
    emb.weight.grad = None
    emb.weight.register_hook(lambda g: g * 2)
    emb(lampas.tensor([1])).sum().backward()
    assert emb.weight.grad.to_dense()[1].tolist() == [2, 2]


def test_through_an_op_of_the_engine_it_becomes_dense():
    w = lampas.ones(4, 2, requires_grad=True)
    F.embedding(lampas.tensor([1]), w * 2, sparse=True).sum().backward()
    assert w.grad.tolist() == [[0, 0], [2, 2], [0, 0], [0, 0]]


def test_gradient_of_gradient():
    w = lampas.ones(3, 2, dtype=lampas.float64, requires_grad=True)
    out = F.embedding(lampas.tensor([1, 1]), w, sparse=True).pow(3).sum()
    (g,) = lampas.autograd.grad(out, w, create_graph=True)
    assert g.is_sparse and g.requires_grad
    (gg,) = lampas.autograd.grad(g.to_dense().pow(2).sum(), w)
    # g = 2 * 3 w^2 in row 1; d(g^2)/dw = 2 g * 12 w
    assert gg.to_dense()[:, 0].tolist() == [0, 144, 0]


def test_dtype_of_the_gradient_is_the_leafs():
    w = lampas.ones(3, 2, dtype=lampas.float64, requires_grad=True)

    class Narrow(lampas.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.sum()

        @staticmethod
        def backward(ctx, g):
            return lampas.sparse_coo_tensor([[1]], lampas.ones(1, 2), (3, 2))

    Narrow.apply(w).backward()
    assert w.grad.is_sparse and w.grad.dtype == lampas.float64


def test_assigning_and_clearing():
    emb = table()
    emb.weight.grad = lampas.sparse_coo_tensor([[1]], lampas.ones(1, 2), (6, 2))
    emb.zero_grad(set_to_none=False)
    assert emb.weight.grad.is_sparse and emb.weight.grad._nnz() == 0
    emb.zero_grad()
    assert emb.weight.grad is None
    with pytest.raises(RuntimeError, match="assigned grad has data of a different size"):
        emb.weight.grad = lampas.sparse_coo_tensor([[1]], lampas.ones(1, 2), (7, 2))


def test_clipping():
    emb = table()
    emb(lampas.tensor([1, 1, 2])).sum().backward()
    g = emb.weight.grad
    norm = nn.utils.clip_grad_norm_(emb.parameters(), 1.0)
    assert norm.item() == pytest.approx(10**0.5)  # row 1 twice: its gradient is 2
    assert emb.weight.grad is g and g.coalesce().values().norm().item() == pytest.approx(1.0, rel=1e-5)


def test_scaled_losses():
    emb = table()
    scaler = lampas.amp.GradScaler("cpu", init_scale=8.0)
    optimizer = lampas.optim.SGD(emb.parameters(), lr=1.0)
    before = emb.weight.detach().clone()
    scaler.scale(emb(lampas.tensor([1])).sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    assert (before - emb.weight.detach())[:, 0].tolist() == [0, 1, 0, 0, 0, 0]


def test_conversion_of_modules_with_sparse_gradients():
    emb = table()
    emb(lampas.tensor([1])).sum().backward()
    g = copy.deepcopy(emb.weight.grad)
    emb.double()
    assert emb.weight.grad.is_sparse and emb.weight.grad.dtype == emb.weight.grad._values().dtype == lampas.float64
    assert lampas.equal(emb.weight.grad.to_dense(), g.to_dense().double())
    emb(lampas.tensor([1])).sum().backward()
    assert emb.weight.grad.to_dense()[1].tolist() == [2, 2]


def test_a_leaf_that_is_sparse():
    a = lampas.tensor([[0.0, 2.0], [3.0, 0.0]]).to_sparse().requires_grad_()
    b = lampas.ones(2, 2, requires_grad=True)
    lampas.sparse.mm(a, b).sum().backward()
    assert a.grad.is_sparse and a.grad.to_dense().tolist() == [[0, 2], [2, 0]]
    assert b.grad.tolist() == [[3, 3], [2, 2]]
    a.to_dense().sum().backward()
    assert a.grad.to_dense().tolist() == [[0, 3], [3, 0]]


def test_seeded_with_a_sparse_gradient():
    d = lampas.eye(2).requires_grad_()
    d.to_sparse().backward(lampas.tensor([[2.0, 5.0], [0.0, 3.0]]).to_sparse())
    assert d.grad.tolist() == [[2, 0], [0, 3]]
    d.grad = None
    d.to_sparse().backward(lampas.tensor([[2.0, 5.0], [0.0, 3.0]]))
    assert d.grad.tolist() == [[2, 0], [0, 3]]


def test_values_of_an_intermediate_tensor_keep_their_history():
    v = lampas.tensor([1.0, 2.0, 3.0], requires_grad=True)
    s = lampas.sparse_coo_tensor([[0, 0, 1]], v, (2,))
    c = s.coalesce()
    assert type(c.grad_fn).__name__ == "CoalesceBackward0" and type(c.values().grad_fn).__name__ == "ValuesBackward0"
    (c.values() * lampas.tensor([10.0, 1.0])).sum().backward()
    assert v.grad.tolist() == [10, 10, 1]
    assert not s._values().requires_grad


def test_files():
    emb = table()
    emb(lampas.tensor([1])).sum().backward()
    for old in (False, True):
        file = io.BytesIO()
        lampas.save(
            {"g": emb.weight.grad, "c": emb.weight.grad.coalesce()}, file, _use_new_zipfile_serialization=not old
        )
        file.seek(0)
        back = lampas.load(file, weights_only=True)
        assert repr(back["g"]) == repr(emb.weight.grad) and back["c"].is_coalesced()


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("layout", [lampas.sparse_coo, lampas.sparse_csr])
def test_damaged_files_are_refused(old, layout):
    s = lampas.eye(3).to_sparse(layout=layout)
    places = s.indices() if layout == lampas.sparse_coo else s.col_indices()
    kept = places.clone()
    file = io.BytesIO()
    places.view(-1)[-1] = 77
    lampas.save(s, file, _use_new_zipfile_serialization=not old)
    places.copy_(kept)
    file.seek(0)
    with pytest.raises(RuntimeError, match=r"77|not satisfied"):
        lampas.load(file)


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda p: lampas.optim.SGD(p, lr=0.1),
        lambda p: lampas.optim.SGD(p, lr=0.1, momentum=0.9),
        lambda p: lampas.optim.Adagrad(p, lr=0.1),
        lambda p: lampas.optim.SparseAdam(p, lr=0.1),
    ],
    ids=["SGD", "momentum", "Adagrad", "SparseAdam"],
)
def test_memory_follows_the_rows_in_use(optimizer):
    """A step over 128 of 100,000 rows makes nothing of the table's size."""
    emb = nn.Embedding(100_000, 64, sparse=True)
    steps = optimizer(emb.parameters())
    at = lampas.arange(128) * 781

    def step():
        steps.zero_grad()
        (emb(at) ** 2).sum().backward()
        steps.step()

    step()  # may make the optimizer's own tables
    lampas._C._reset_peak_memory()
    before = lampas._C._memory_stats()["peak_bytes"]
    step()
    assert lampas._C._memory_stats()["peak_bytes"] - before < emb.weight.nbytes / 20


def test_retained_gradients():
    w = lampas.ones(3, 2, requires_grad=True)
    middle = w * 2
    middle.retain_grad()
    F.embedding(lampas.tensor([1]), middle, sparse=True).sum().backward()
    assert middle.grad.is_sparse and middle.grad.to_dense()[1].tolist() == [1, 1]
    s = w.to_sparse() * 2
    s.retain_grad()
    s.to_dense().sum().backward()
    assert s.grad.is_sparse and s.grad.to_dense().tolist() == [[1, 1]] * 3
