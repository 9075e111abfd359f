"""Sparse tensors beside PyTorch's: values, printed forms, gradients, files, optimizers."""

import io
import warnings

import numpy as np
import pytest

import lampas

torch = pytest.importorskip("torch")
LIBRARIES = (lampas, torch)
pytestmark = [
    pytest.mark.filterwarnings("ignore:Sparse .* tensor support is in beta state:UserWarning"),
    pytest.mark.filterwarnings("ignore:Sparse invariant checks:UserWarning"),
]

INDICES, VALUES = [[0, 1, 1], [2, 0, 2]], [3.0, 4.0, 5.0]


def example(t, **kwargs):
    return t.sparse_coo_tensor(INDICES, VALUES, (2, 3), **kwargs)


def hybrid(t):
    return t.sparse_coo_tensor([[0, 2, 2]], t.arange(9.0).view(3, 3), (4, 3))


def shown(thing):
    return repr(thing).replace("lampas.", "torch.")


PRINTED = {
    "uncoalesced": example,
    "coalesced": lambda t: example(t).coalesce(),
    "found size": lambda t: t.sparse_coo_tensor(INDICES, VALUES),
    "empty": lambda t: t.sparse_coo_tensor((2, 3)),
    "no entries": lambda t: t.sparse_coo_tensor(t.empty(2, 0, dtype=t.int64), t.empty(0, 4), (2, 3, 4)),
    "hybrid": hybrid,
    "merged": lambda t: hybrid(t).coalesce(),
    "double leaf": lambda t: example(t, dtype=t.float64, requires_grad=True),
    "integers": lambda t: t.sparse_coo_tensor([[0, 1]], t.arange(2), (4,)),
    "int32": lambda t: t.sparse_coo_tensor([[0, 1]], t.arange(2, dtype=t.int32), (4,)),
    "bools": lambda t: t.eye(2, dtype=t.bool).to_sparse(),
    "complex": lambda t: t.sparse_coo_tensor([[0]], t.tensor([1 + 2j]), (4,)),
    "wide": lambda t: t.sparse_coo_tensor([[0, 1]], t.arange(2000.0).view(2, 1000), (4, 1000)),
    "long": lambda t: t.sparse_coo_tensor(t.arange(1200).view(1, -1), t.arange(1200.0), (4000,)),
    "0-d": lambda t: t.tensor(3.0).to_sparse(),
    "to_sparse": lambda t: t.tensor([1.0, 0, 2], requires_grad=True).to_sparse(),
    "to_sparse(1)": lambda t: t.ones(2, 3, requires_grad=True).to_sparse(1),
    "product": lambda t: t.tensor([1.0, 0, 2], requires_grad=True).to_sparse() * 2,
    "csr": lambda t: t.eye(3).to_sparse_csr(),
    "csc": lambda t: t.eye(4).to_sparse_csc(),
    "bsr": lambda t: t.eye(4).to_sparse_bsr((2, 2)),
    "bsc": lambda t: t.eye(4).to_sparse_bsc((2, 1)),
    "csr leaf": lambda t: t.sparse_csr_tensor([0, 1, 2], [0, 1], [1.0, 2.0], dtype=t.float64, requires_grad=True),
}  # fmt: skip


@pytest.mark.parametrize("name", PRINTED)
def test_printed_forms(name):
    ours, theirs = (PRINTED[name](t) for t in LIBRARIES)
    assert repr(ours) == repr(theirs)


OPS = {
    "neg": lambda t, s: -s,
    "uncoalesced neg": lambda t, s: -t.sparse_coo_tensor([[0, 0]], [1.0, 2.0], (2,)),
    "sqrt": lambda t, s: s.sqrt(),
    "merging sqrt": lambda t, s: t.sparse_coo_tensor([[0, 0]], [1.0, 2.0], (2,)).sqrt(),
    "pow": lambda t, s: s**2,
    "mul": lambda t, s: 2 * s,
    "div": lambda t, s: s / 2,
    "floor": lambda t, s: s // 2,
    "by dense": lambda t, s: s * t.arange(3.0),
    "dense by": lambda t, s: t.ones(2, 3) * s,
    "with itself": lambda t, s: s + s,
    "difference": lambda t, s: s.coalesce() - t.tensor([[1.0, 0, 0], [0, 2, 0]]).to_sparse(),
    "common": lambda t, s: s * s,
    "dense plus": lambda t, s: t.ones(2, 3) + s,
    "dense minus": lambda t, s: t.ones(2, 3) - s,
    "alpha": lambda t, s: t.ones(2, 3).add(s, alpha=2),
    "mm": lambda t, s: s @ t.arange(6.0).view(3, 2),
    "sparse.mm": lambda t, s: t.sparse.mm(s, t.arange(6.0).view(3, 2)),
    "mv": lambda t, s: s @ t.arange(3.0),
    "dense mm": lambda t, s: t.ones(2, 2) @ s,
    "gram": lambda t, s: t.sparse.mm(s, s.t()),
    "addmm": lambda t, s: t.addmm(t.ones(2, 2), s, t.ones(3, 2), beta=2, alpha=3),
    "sparse.addmm": lambda t, s: t.sparse.addmm(t.ones(2, 2), s, t.ones(3, 2), beta=2, alpha=3),
    "hspmm": lambda t, s: t.hspmm(s, t.ones(3, 2)),
    "smm": lambda t, s: t.smm(s, t.ones(3, 2)),
    "sspaddmm": lambda t, s: t.sspaddmm(s, s, t.ones(3, 3)),
    "sampled": lambda t, s: t.sparse.sampled_addmm(s.to_sparse_csr(), t.ones(2, 2), t.ones(2, 3)),
    "bmm": lambda t, s: t.stack([s, s]).bmm(t.ones(2, 3, 2)),
    "t": lambda t, s: s.t(),
    "transpose": lambda t, s: s.transpose(0, 1),
    "permute": lambda t, s: s.permute(1, 0),
    "sum": lambda t, s: s.sum(),
    "sum 0": lambda t, s: s.sum(0),
    "sum keep": lambda t, s: s.sum(1, keepdim=True),
    "sparse.sum": lambda t, s: t.sparse.sum(s, 1, dtype=t.float64),
    "hybrid sum": lambda t, s: t.sparse.sum(hybrid(t), 1),
    "hybrid sum 0": lambda t, s: t.sparse.sum(hybrid(t), 0),
    "integer sum": lambda t, s: t.sparse_coo_tensor([[0, 1]], t.tensor([1, 2], dtype=t.int32), (2,)).sum(),
    "norm": lambda t, s: s.norm(),
    "softmax": lambda t, s: t.sparse.softmax(s, 0),
    "log_softmax": lambda t, s: t.sparse.log_softmax(s, 1, dtype=t.float64),
    "hybrid softmax": lambda t, s: t.sparse.softmax(hybrid(t), 0),
    "row": lambda t, s: s[1],
    "element": lambda t, s: s[1, 2],
    "hybrid row": lambda t, s: hybrid(t)[2],
    "select": lambda t, s: hybrid(t).select(1, 1),
    "index_select": lambda t, s: s.coalesce().index_select(1, t.tensor([2, 0])).coalesce(),
    "narrow_copy": lambda t, s: s.narrow_copy(1, 1, 2),
    "cat": lambda t, s: t.cat([s, s]),
    "cat of values": lambda t, s: t.cat([hybrid(t)] * 2, 1),
    "stack": lambda t, s: t.stack([s, s]),
    "unbind": lambda t, s: s.unbind(),
    "unsqueeze": lambda t, s: s.unsqueeze(0),
    "unsqueeze values": lambda t, s: hybrid(t).unsqueeze(-1),
    "double": lambda t, s: s.double(),
    "clone": lambda t, s: s.clone(),
    "zeros_like": lambda t, s: t.zeros_like(s),
    "zero_": lambda t, s: s.clone().zero_(),
    "new_zeros": lambda t, s: s.new_zeros(2),
    "resize": lambda t, s: s.clone().sparse_resize_((3, 4), 2, 0),
    "sparse_mask": lambda t, s: t.arange(6.0).view(2, 3).sparse_mask(s.coalesce()),
    "spdiags": lambda t, s: t.sparse.spdiags(t.arange(1, 9).view(2, 4), t.tensor([2, -1]), (3, 5)),
    "to_sparse_csr": lambda t, s: s.to_sparse_csr(),
    "csr mm": lambda t, s: s.to_sparse_csr() @ t.ones(3, 2),
    "csr twice": lambda t, s: s.to_sparse_csr() * 2,
    "csr sum": lambda t, s: s.to_sparse_csr() + s.to_sparse_csr(),
    "csr t": lambda t, s: s.to_sparse_csr().t(),
    "csr relu": lambda t, s: s.to_sparse_csr().relu(),
    "csr back": lambda t, s: s.to_sparse_csr().to_sparse(),
    "csr row": lambda t, s: s.to_sparse_csr()[1],
    "bsr dense": lambda t, s: t.sparse_bsr_tensor([0, 1, 2], [0, 1], t.ones(2, 2, 2)).to_dense(),
    "facts": lambda t, s: (s._nnz(), s.sparse_dim(), s.dense_dim(), s.type(), str(s.layout), s.stride()),
    "flags": lambda t, s: [
        x.is_coalesced()
        for x in (
            *(s.coalesce() * 2, s.coalesce().t(), s.coalesce().clone(), s.coalesce() + s.coalesce(), s * 2, s.double()),
            *(t.eye(2).to_sparse(), t.sparse_coo_tensor((2,)), t.sparse_coo_tensor([[0]], [1.0])),
        )
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", OPS)
def test_results_print_alike(name):
    ours, theirs = (shown(OPS[name](t, example(t))) for t in LIBRARIES)
    assert ours == theirs


ERRORS = {
    "indices": lambda t, s: s.indices(),
    "values": lambda t, s: s.values(),
    "exp": lambda t, s: s.exp(),
    "view": lambda t, s: s.view(6),
    "eq": lambda t, s: s == s,
    "mean": lambda t, s: s.mean(),
    "sparse plus dense": lambda t, s: s + t.ones(2, 3),
    "sparse plus number": lambda t, s: s + 1,
    "number minus sparse": lambda t, s: 1 - s,
    "quotient": lambda t, s: s / s,
    "power 0": lambda t, s: s**0,
    "shapes": lambda t, s: s + s.t(),
    "densities": lambda t, s: t.ones(4, 3).to_sparse() + hybrid(t),
    "mm shapes": lambda t, s: s @ t.ones(2, 2),
    "hybrid mm": lambda t, s: hybrid(t) @ t.ones(3, 3),
    "hybrid t": lambda t, s: hybrid(t).t(),
    "hybrid permute": lambda t, s: hybrid(t).permute(1, 0),
    "numpy": lambda t, s: s.numpy(),
    "item": lambda t, s: s.item(),
    "bool": lambda t, s: bool(s),
    "setitem": lambda t, s: s.__setitem__(0, 1),
    "slice": lambda t, s: s[0:1],
    "nbytes": lambda t, s: s.nbytes,
    "dim_order": lambda t, s: s.dim_order(),
    "dense coalesce": lambda t, s: t.ones(2).coalesce(),
    "dense values": lambda t, s: t.ones(2).values(),
    "dense _nnz": lambda t, s: t.ones(2)._nnz(),
    "crow_indices": lambda t, s: t.eye(2).to_sparse_csc().crow_indices(),
    "to_sparse(3)": lambda t, s: t.ones(2, 3).to_sparse(3),
    "to_sparse(0)": lambda t, s: t.ones(2, 3).to_sparse(0),
    "indices' shape": lambda t, s: t.sparse_coo_tensor([0], [1.0], (2,)),
    "nnz": lambda t, s: t.sparse_coo_tensor([[0, 1]], [1.0], (2,)),
    "size": lambda t, s: t.sparse_coo_tensor([[0], [1]], [1.0], (2,)),
    "values' size": lambda t, s: t.sparse_coo_tensor([[0, 1]], t.ones(2, 3), (2, 4)),
    "integer leaf": lambda t, s: t.sparse_coo_tensor([[0]], [1], requires_grad=True),
    "negative index": lambda t, s: t.sparse_coo_tensor([[-1]], [1.0], (2,), check_invariants=True),
    "large index": lambda t, s: t.sparse_coo_tensor([[3]], [1.0], (2,), check_invariants=True),
    "clip values": lambda t, s: clip_value(t),
    "frequencies": lambda t, s: table(t, scale_grad_by_freq=True)(t.tensor([1])).sum().backward(),
}  # fmt: skip


def clip_value(t):
    p = t.nn.Parameter(t.ones(3, 2))
    p.grad = t.sparse_coo_tensor([[0]], t.ones(1, 2), (3, 2))
    t.nn.utils.clip_grad_value_([p], 0.5)


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_of_the_same_type(name):
    raised = []
    for t in LIBRARIES:
        with pytest.raises(Exception) as info:
            ERRORS[name](t, example(t))
        raised.append(info.type)
    assert issubclass(raised[0], raised[1])


def leaves(t, *shapes):
    return [t.arange(1.0, 1 + int(np.prod(s))).view(s).requires_grad_() for s in shapes]


def made(t, v):
    return t.sparse_coo_tensor(t.tensor(INDICES), v, (2, 3))


GRADIENTS = {
    "to_dense": (lambda t, v: made(t, v).to_dense(), (3,)),
    "values": (lambda t, v: made(t, v).coalesce().values() * 2, (3,)),
    "sparse.mm": (lambda t, v, d: t.sparse.mm(made(t, v), d), (3,), (3, 2)),
    "matmul": (lambda t, v, d: made(t, v) @ d, (3,), (3, 2)),
    "dense first": (lambda t, d, v: d @ made(t, v), (2, 2), (3,)),
    "sparse.addmm": (lambda t, c, v, d: t.sparse.addmm(c, made(t, v), d, beta=2, alpha=3), (2, 2), (3,), (3, 2)),
    "sum": (lambda t, v: t.sparse.sum(made(t, v)), (3,)),
    "sum 0": (lambda t, v: t.sparse.sum(made(t, v), 0), (3,)),
    "mul": (lambda t, v: made(t, v) * 2, (3,)),
    "product": (lambda t, v: made(t, v) * made(t, v * 2), (3,)),
    "by dense": (lambda t, v, d: made(t, v) * d, (3,), (2, 3)),
    "add": (lambda t, v: made(t, v) + made(t, v), (3,)),
    "dense plus": (lambda t, d, v: d + made(t, v), (2, 3), (3,)),
    "t": (lambda t, v: made(t, v).t(), (3,)),
    "relu": (lambda t, v: made(t, v).relu(), (3,)),
    "pow": (lambda t, v: made(t, v).coalesce() ** 2, (3,)),
    "log_softmax": (lambda t, v: t.sparse.log_softmax(made(t, v), 1), (3,)),
    "sparse_mask": (lambda t, d: d.sparse_mask(made(t, t.ones(3)).coalesce()), (2, 3)),
    "to_sparse": (lambda t, d: (d.to_sparse() * 2).to_dense(), (2, 3)),
    "two sparse": (lambda t, v, w: t.sparse.mm(made(t, v), made(t, w).t()), (3,), (3,)),
    "double": (lambda t, v: made(t, v).double(), (3,)),
    "csr": (lambda t, d, e: d.to_sparse_csr() @ e, (2, 3), (3, 2)),
    "csr of values": (lambda t, v, e: t.sparse_csr_tensor([0, 1, 3], [2, 0, 2], v, (2, 3)) @ e, (3,), (3, 2)),
}  # fmt: skip


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients(name):
    compute, *shapes = GRADIENTS[name]
    found = []
    for t in LIBRARIES:
        given = leaves(t, *shapes)
        out = compute(t, *given)
        total = out.sum() if out.layout == t.strided else t.sparse.sum(out * 3)
        total.backward()
        found.append([np.asarray(x.grad.to_dense().numpy()) for x in given])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


LEAVES = {
    "mm": lambda t, s: t.sparse.mm(s, t.arange(6.0).view(3, 2)).sum(),
    "to_dense": lambda t, s: (s.to_dense() ** 2).sum(),
    "sum": lambda t, s: t.sparse.sum(s * 2),
    "values": lambda t, s: (s.coalesce().values() * t.tensor([1.0, 2.0, 3.0])).sum(),
}


@pytest.mark.parametrize("name", LEAVES)
def test_gradients_of_sparse_leaves(name):
    printed = []
    for t in LIBRARIES:
        s = example(t, requires_grad=True)
        LEAVES[name](t, s).backward()
        printed.append(repr(s.grad))
    assert printed[0] == printed[1]


# --- embeddings and optimizers --------------------------------------------------------------------------------------


def table(t, **kwargs):
    emb = t.nn.Embedding(4, 2, sparse=True, **kwargs)
    with t.no_grad():
        emb.weight.copy_(t.arange(8.0).view(4, 2))
    return emb


@pytest.mark.parametrize("padding_idx", [None, 1])
def test_embedding(padding_idx):
    printed = []
    for t in LIBRARIES:
        emb = table(t, padding_idx=padding_idx)
        emb(t.tensor([[0, 1], [3, 3]])).sum().backward()
        first, text = emb.weight.grad, repr(emb.weight.grad)
        emb(t.tensor([2])).sum().backward()
        # In which order the entries stand before they are coalesced, PyTorch makes depend on the strides of values.
        printed.append((text, repr(emb.weight.grad.coalesce()), emb.weight.grad is first))
        emb.double()
        printed[-1] += (repr(emb.weight.grad.coalesce()),)
        emb.zero_grad(set_to_none=False)
        printed[-1] += (repr(emb.weight.grad),)
        emb.weight.sum().backward()
        printed[-1] += (repr(emb.weight.grad),)
    assert printed[0] == printed[1]


@pytest.mark.parametrize("mode", ["sum", "mean"])
@pytest.mark.parametrize("options", [{}, {"padding_idx": 1}, {"include_last_offset": True}])
def test_bags(mode, options):
    printed = []
    for t in LIBRARIES:
        emb = t.nn.EmbeddingBag(5, 2, mode=mode, sparse=True, **options)
        offsets = t.tensor([0, 2, 2, 4] if options.get("include_last_offset") else [0, 2, 2])
        (emb(t.tensor([0, 1, 3, 3]), offsets) * t.arange(1.0, 7.0).view(3, 2)).sum().backward()
        printed.append(repr(emb.weight.grad))
    assert printed[0] == printed[1]


OPTIMIZERS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.5}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"lr": 0.1, "maximize": True, "foreach": True}),
    ("Adagrad", {"lr": 0.1}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "maximize": True, "foreach": True}),
    ("SparseAdam", {"lr": 0.1}),
    ("SparseAdam", {"lr": 0.1, "maximize": True, "betas": (0.5, 0.8), "eps": 1e-3}),
]


def train(t, emb, optimizer, steps):
    for k in steps:
        optimizer.zero_grad()
        (emb(t.tensor([1, 1, k])) ** 2).sum().backward()
        optimizer.step()


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS)
def test_optimizers_and_exchange_of_state(name, options):
    trained = []
    for t in LIBRARIES:
        emb = table(t)
        optimizer = getattr(t.optim, name)(emb.parameters(), **options)
        train(t, emb, optimizer, range(3))
        trained.append((emb, optimizer))
    (ours, our_optimizer), (theirs, their_optimizer) = trained
    np.testing.assert_allclose(ours.weight.detach().numpy(), theirs.weight.detach().numpy(), rtol=1e-5, atol=1e-6)
    # Each goes on with the other's state, through a file.
    for t, other, emb, optimizer in (
        (lampas, torch, ours, their_optimizer),
        (torch, lampas, theirs, our_optimizer),
    ):
        file = io.BytesIO()
        other.save(optimizer.state_dict(), file)
        file.seek(0)
        continued = getattr(t.optim, name)(emb.parameters(), **{**options, "lr": 0.5})
        continued.load_state_dict(t.load(file))
        train(t, emb, continued, [3, 1, 0])
    np.testing.assert_allclose(ours.weight.detach().numpy(), theirs.weight.detach().numpy(), rtol=1e-5, atol=1e-5)


def test_optimizer_state_and_repr():
    ours, theirs = (t.optim.SparseAdam([t.nn.Parameter(t.ones(2))]) for t in LIBRARIES)
    assert repr(ours) == repr(theirs) and repr(ours.state_dict()) == repr(theirs.state_dict())


REFUSALS = [
    *((name, {}) for name in ("Adam", "AdamW", "Adamax", "RMSprop", "Rprop", "Adadelta", "ASGD", "NAdam", "RAdam")),
    *(("Adafactor", {}), ("Muon", {}), ("SGD", {"weight_decay": 0.1}), ("Adagrad", {"weight_decay": 0.1})),
    *(("SGD", {"fused": True}), ("Adagrad", {"fused": True})),
]


@pytest.mark.parametrize(("name", "options"), REFUSALS)
def test_optimizers_that_refuse(name, options):
    raised = []
    for t in LIBRARIES:
        emb = table(t)
        with pytest.raises(Exception) as info:
            train(t, emb, getattr(t.optim, name)(emb.parameters(), lr=0.1, **options), [0])
        raised.append(info.type)
    assert raised[0] is raised[1]


# --- files ----------------------------------------------------------------------------------------------------------


def everything(t):
    return {
        "coo": hybrid(t),
        "coalesced": t.eye(3).to_sparse(),
        "csr": t.eye(3).to_sparse_csr(),
        "csc": t.eye(3).to_sparse_csc(),
        "bsr": t.eye(4).to_sparse_bsr((2, 2)),
        "bsc": t.eye(4).to_sparse_bsc((2, 2)),
    }


@pytest.mark.parametrize("old", [False, True])
def test_files_go_both_ways(old):
    expected = repr(everything(torch))
    for writer, reader in (LIBRARIES, LIBRARIES[::-1]):
        file = io.BytesIO()
        writer.save(everything(writer), file, _use_new_zipfile_serialization=not old)
        file.seek(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            back = reader.load(file, weights_only=True)
        assert repr(back) == expected
        assert back["coalesced"].is_coalesced() and not back["coo"].is_coalesced()
