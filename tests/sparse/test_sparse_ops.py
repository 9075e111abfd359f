"""Ops on sparse tensors against the same ops on dense ones, values and gradients."""

import numpy as np
import pytest

import lampas

RNG = np.random.default_rng(0)


def matrix(m=4, n=5, density=0.5, dtype=np.float64):
    return lampas.tensor((RNG.standard_normal((m, n)) * (RNG.random((m, n)) < density)).astype(dtype))


def close(got, expected):
    got = got.to_dense() if got.layout != lampas.strided else got
    assert got.shape == expected.shape and got.dtype == expected.dtype
    np.testing.assert_allclose(got.detach().numpy(), expected.detach().numpy(), rtol=1e-9, atol=1e-12)


def doubled(s):
    """The same tensor with each entry in two parts: not coalesced."""
    indices, values = s.indices(), s.values()
    return lampas.sparse_coo_tensor(
        lampas.cat([indices, indices], 1), lampas.cat([values * 0.25, values * 0.75]), s.shape
    )


ONES = lampas.ones(5, 2, dtype=lampas.float64)
UNARY = {
    "neg": lambda x: -x,
    "abs": abs,
    "sin": lambda x: x.sin(),
    "tanh": lambda x: x.tanh(),
    "expm1": lampas.expm1,
    "log1p": lambda x: x.abs().log1p() if not x.is_sparse else abs(x).log1p(),
    "sqrt": lambda x: abs(x).sqrt(),
    "square": lampas.square,
    "relu": lampas.nn.functional.relu,
    "floor": lampas.floor,
    "sign": lampas.sign,
    "isnan": lampas.isnan,
    "power": lambda x: x**3,
    "double": lambda x: x * 2,
    "reflected": lambda x: 2 * x,
    "half": lambda x: x / 2,
    "floored": lambda x: x // 0.3,
    "truncated": lambda x: lampas.div(x, 0.3, rounding_mode="trunc"),
    "by a 0-d tensor": lambda x: x * lampas.tensor(3.0, dtype=lampas.float64),
    "t": lambda x: x.t(),
    "T": lambda x: x.T,
    "permute": lambda x: x.permute(1, 0),
    "transpose": lambda x: lampas.transpose(x, 0, -1),
    "unsqueeze": lambda x: x.unsqueeze(1),
    "row": lambda x: x[1],
    "column": lambda x: x[:, -1],
    "select": lambda x: x.select(1, 2),
    "element": lambda x: x[1, 2],
    "ellipsis": lambda x: x[..., 0],
    "index_select": lambda x: x.index_select(1, lampas.tensor([4, 0, 0])),
    "narrow_copy": lambda x: x.narrow_copy(1, 1, 3),
    "cat": lambda x: lampas.cat([x, x * 2], 1),
    "stack": lambda x: lampas.stack([x, x], 1),
    "sum": lambda x: x.sum(),
    "sum of rows": lambda x: x.sum(1),
    "sum of columns": lambda x: x.sum(0, keepdim=True),
    "sum of both": lambda x: x.sum((0, 1)),
    "norm": lambda x: x.norm(),
    "norm 1": lambda x: x.norm(1),
    "norm inf": lambda x: lampas.linalg.vector_norm(x, float("inf")),
    "complex": lambda x: x.to(lampas.complex128),
    "clone": lambda x: x.clone(),
    "sub": lambda x: x - x * 3,
    "add": lambda x: lampas.add(x, x * x, alpha=2),
    "dense plus": lambda x: lampas.ones(4, 5, dtype=lampas.float64) + x,
    "dense minus": lambda x: lampas.ones(4, 5, dtype=lampas.float64) - x,
    "times dense": lambda x: x * lampas.arange(5.0, dtype=lampas.float64),
    "dense times": lambda x: lampas.arange(20.0, dtype=lampas.float64).view(4, 5) * x,
    "mm": lambda x: x @ lampas.arange(15.0, dtype=lampas.float64).view(5, 3),
    "mv": lambda x: x @ lampas.arange(5.0, dtype=lampas.float64),
    "dense mm": lambda x: lampas.arange(12.0, dtype=lampas.float64).view(3, 4) @ x,
    "dense batch": lambda x: lampas.arange(24.0, dtype=lampas.float64).view(2, 3, 4) @ x,
    "vector": lambda x: lampas.arange(4.0, dtype=lampas.float64) @ x,
    "linear": lambda x: lampas.nn.functional.linear(lampas.ones(2, 5, dtype=lampas.float64), x),
    "addmm": lambda x: lampas.addmm(ONES[:4], x, ONES, beta=2, alpha=3),
    "gram": lambda x: x @ x.t(),
}  # fmt: skip


@pytest.mark.parametrize("coalesced", [True, False])
@pytest.mark.parametrize("name", UNARY)
def test_like_dense(name, coalesced):
    op = UNARY[name]
    dense = matrix()
    s = dense.to_sparse()
    close(op(s if coalesced else doubled(s)), op(dense))


@pytest.mark.parametrize(
    "name", [n for n in UNARY if n not in ("isnan", "floor", "sign", "floored", "truncated", "complex", "norm inf")]
)
def test_gradients_like_dense(name):
    """At the places of the entries the gradient is the dense computation's."""
    op = UNARY[name]
    values = matrix().to_sparse().values()
    indices = matrix(density=1.0).to_sparse().indices()[:, RNG.permutation(20)[: len(values)]]
    weights = lampas.tensor(RNG.standard_normal(op(matrix()).shape))

    def loss(x):
        y = op(x)
        return ((y.to_dense() if y.layout != lampas.strided else y) * weights).sum()

    given = values.clone().requires_grad_()
    loss(lampas.sparse_coo_tensor(indices, given, (4, 5))).backward()
    dense = lampas.sparse_coo_tensor(indices, values, (4, 5)).to_dense().requires_grad_()
    loss(dense).backward()
    expected = dense.grad[tuple(indices)]
    np.testing.assert_allclose(given.grad.numpy(), expected.numpy(), rtol=1e-7, atol=1e-9)
    leaf = lampas.sparse_coo_tensor(indices, values, (4, 5), requires_grad=True)
    loss(leaf).backward()
    assert leaf.grad.is_sparse
    np.testing.assert_allclose(leaf.grad.to_dense()[tuple(indices)].numpy(), expected.numpy(), rtol=1e-7, atol=1e-9)


HYBRID = {
    "sum of dense": lambda x: x.sum(2),
    "sum of sparse": lambda x: x.sum(1),
    "sum of all sparse": lambda x: x.sum((0, 1)),
    "sum of one each": lambda x: x.sum((1, 2), keepdim=True),
    "transpose": lambda x: x.transpose(0, 1),
    "dense permute": lambda x: x.permute(1, 0, 2),
    "select sparse": lambda x: x[1],
    "select dense": lambda x: x[:, :, 1],
    "index_select dense": lambda x: x.index_select(2, lampas.tensor([1, 0, 1])),
    "narrow_copy dense": lambda x: x.narrow_copy(2, 1, 1),
    "cat dense": lambda x: lampas.cat([x, x], 2),
    "cat sparse": lambda x: lampas.cat([x, x], 0),
    "unsqueeze end": lambda x: x.unsqueeze(-1),
    "unsqueeze": lambda x: x.unsqueeze(0),
    "times": lambda x: x * lampas.tensor([2.0, 3.0], dtype=lampas.float64),
    "dense plus": lambda x: lampas.ones(3, 4, 2, dtype=lampas.float64) + x,
    "sub": lambda x: x - x * x,
}


@pytest.mark.parametrize("name", HYBRID)
def test_values_with_dimensions(name):
    dense = lampas.tensor(RNG.standard_normal((3, 4, 2)) * (RNG.random((3, 4, 1)) < 0.5))
    s = dense.to_sparse(2)
    close(HYBRID[name](s), HYBRID[name](dense))
    close(HYBRID[name](doubled(s)), HYBRID[name](dense))


def test_two_patterns():
    a, b = matrix(), matrix()
    for x, y in (
        (a.to_sparse(), b.to_sparse()),
        (doubled(a.to_sparse()), b.to_sparse()),
        (a.to_sparse(), doubled(b.to_sparse())),
    ):
        close(x + y, a + b)
        close(x - y, a - b)
        close(x * y, a * b)
        close(lampas.sparse.mm(x, y.t()), a @ b.t())
    assert (a.to_sparse() + b.to_sparse()).is_coalesced()
    assert not (doubled(a.to_sparse()) + b.to_sparse()).is_coalesced()
    mixed = lampas.sparse_coo_tensor([[0]], [1], (2,)) + lampas.sparse_coo_tensor([[0]], [1.5], (2,))
    assert mixed.dtype == lampas.float32 and mixed.to_dense().tolist() == [2.5, 0.0]


def test_bmm():
    dense = lampas.tensor(RNG.standard_normal((3, 4, 5)) * (RNG.random((3, 4, 5)) < 0.4))
    other = lampas.tensor(RNG.standard_normal((3, 5, 2)))
    close(lampas.bmm(dense.to_sparse(), other), lampas.bmm(dense, other))
    close(dense.to_sparse() @ other, dense @ other)


def test_products_are_summed_in_parts(monkeypatch):
    from lampas._sparse import products

    monkeypatch.setattr(products, "_CHUNK", 7)
    a, b = matrix(9, 8), matrix(8, 3).requires_grad_()
    s = a.to_sparse().requires_grad_()
    out = lampas.sparse.mm(s, b)
    close(out, a @ b)
    out.square().sum().backward()
    g = 2 * (a @ b).detach()
    close(b.grad, a.t() @ g)
    close(s.grad.to_dense(), (g @ b.detach().t()) * (a != 0))


def test_products_in_an_autocast_region():
    s, b = matrix(dtype=np.float32).to_sparse(), lampas.tensor(RNG.standard_normal((5, 3)).astype(np.float32))
    with lampas.autocast("cpu"):
        for out in (s @ b, lampas.sparse.mm(s, b.bfloat16()), b.t() @ s.t(), lampas.sparse.addmm(b[:4], s, b)):
            assert out.dtype == lampas.bfloat16
        assert s.sum().dtype == lampas.float32
        np.testing.assert_allclose((s @ b).float().numpy(), (s.to_dense() @ b).float().numpy(), rtol=0.1, atol=0.05)


def test_gradgrad_of_products():
    indices = lampas.tensor([[0, 1, 1, 3], [2, 0, 2, 1]])

    def product(values, dense):
        return lampas.sparse.mm(lampas.sparse_coo_tensor(indices, values, (4, 3)), dense)

    values = lampas.tensor(RNG.standard_normal(4), requires_grad=True)
    dense = lampas.tensor(RNG.standard_normal((3, 2)), requires_grad=True)
    assert lampas.autograd.gradcheck(product, (values, dense))
    assert lampas.autograd.gradgradcheck(product, (values, dense))


@pytest.mark.parametrize(
    "use",
    [
        lambda s: s.to_dense() ** 2,
        lambda s: s.to_dense() * (s * 3).to_dense(),
        lambda s: s.coalesce().values() ** 3,
        lambda s: (s * s).to_dense() + s.to_dense(),
        lambda s: (s + s * s).sum(0).to_dense(),
        lambda s: s.t().to_dense().t() * s.sum(),
        lambda s: s[1].to_dense() * s.norm(),
        lambda s: s @ s.to_dense().t(),
        lambda s: lampas.sparse.mm(s, s.t()).to_dense(),
        lambda s: lampas.cat([s, s]).to_dense() ** 2,
        lambda s: s.to_sparse_csr().to_dense() ** 2,
        lambda s: s.sparse_mask(s.detach().coalesce()).to_dense() ** 2,
    ],
)
def test_gradients_with_several_entries_in_one_place(use):
    """Each entry's derivative is that of the sum it is part of, however often the tensor is used."""
    indices = lampas.tensor([[1, 0, 1, 1, 1], [2, 0, 0, 2, 2]])
    values = lampas.tensor(RNG.standard_normal(5), requires_grad=True)
    assert lampas.autograd.gradcheck(lambda v: use(lampas.sparse_coo_tensor(indices, v, (2, 3))), (values,))


def test_other_products():
    a, b = matrix(), lampas.tensor(RNG.standard_normal((5, 3)))
    s = a.to_sparse()
    for f in (lampas.spmm, lampas.dsmm, lampas.smm, lampas.hspmm, lampas.sparse.mm):
        close(f(s, b), a @ b)
    assert lampas.smm(s, b).is_sparse and lampas.hspmm(s, b).sparse_dim() == 1
    assert s.smm(b).is_sparse
    c = matrix(4, 3)
    close(lampas.sspaddmm(c.to_sparse(), s, b, beta=2, alpha=3), 2 * c + 3 * (a @ b))
    close(lampas.sparse.addmm(c, s, b, beta=2, alpha=3), 2 * c + 3 * (a @ b))
    left, right = lampas.tensor(RNG.standard_normal((4, 2))), lampas.tensor(RNG.standard_normal((2, 5)))
    close(lampas.sparse.sampled_addmm(s, left, right, beta=2, alpha=3), (3 * (left @ right) + 2 * a) * (a != 0))


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("dim", [0, 1, 2, -1])
def test_softmax(log, dim):
    dense = lampas.tensor(RNG.standard_normal((3, 4, 2)) * (RNG.random((3, 4, 1)) < 0.6))
    s = dense.to_sparse(2)
    there = s._indices()
    full = lampas.full_like(dense, -np.inf)
    full[tuple(there)] = dense[tuple(there)]
    expected = full.log_softmax(dim) if log else full.softmax(dim)
    got = (lampas.sparse.log_softmax if log else lampas.sparse.softmax)(doubled(s), dim)
    np.testing.assert_allclose(got.values().numpy(), expected[tuple(there)].numpy(), rtol=1e-9)


@pytest.mark.parametrize("dim", [0, 1])
def test_softmax_gradient(dim):
    indices = matrix(3, 4).to_sparse().indices()
    values = lampas.tensor(RNG.standard_normal(indices.shape[1]), requires_grad=True)
    for f in (lampas.sparse.softmax, lampas.sparse.log_softmax):
        assert lampas.autograd.gradcheck(
            lambda v, f=f: f(lampas.sparse_coo_tensor(indices, v, (3, 4)), dim).values(), (values,)
        )


def test_sparse_sum():
    dense = matrix()
    close(lampas.sparse.sum(dense.to_sparse(), 0), dense.sum(0))
    close(lampas.sparse.sum(dense.to_sparse(), dim=[1]), dense.sum(1))
    assert lampas.sparse.sum(lampas.sparse_coo_tensor([[0, 1]], [1, 2]), dtype=lampas.float64).dtype == lampas.float64
    small = lampas.sparse_coo_tensor([[0]], lampas.tensor([1], dtype=lampas.int32), (2,))
    assert small.sum().dtype == lampas.int64
    with pytest.raises(
        NotImplementedError, match=r"sparse.sum\(\) needs a sparse tensor, got one of layout torch.strided"
    ):
        lampas.sparse.sum(dense)
    with pytest.raises(IndexError, match="Dimension out of range"):
        dense.to_sparse().sum(2)


def test_spdiags():
    made = lampas.sparse.spdiags(lampas.arange(1, 10).view(3, 3), lampas.tensor([0, 1, -1]), (3, 3))
    assert made.to_dense().tolist() == [[1, 5, 0], [7, 2, 6], [0, 8, 3]]
    with pytest.raises(RuntimeError, match="Offset tensor contains duplicate values"):
        lampas.sparse.spdiags(lampas.ones(2, 3), lampas.tensor([1, 1]), (3, 3))


def test_sparse_mask():
    dense, mask = matrix(), matrix().to_sparse()
    expected = dense * (mask.to_dense() != 0)
    close(dense.sparse_mask(mask), expected)
    close(dense.to_sparse().sparse_mask(mask), expected)
    close(doubled(dense.to_sparse()).sparse_mask(doubled(mask))._values()[: mask._nnz()], dense[tuple(mask.indices())])
    with pytest.raises(RuntimeError, match="operands have incompatible sizes"):
        lampas.ones(2).sparse_mask(mask)
    x = matrix(density=1).requires_grad_()
    (x.sparse_mask(mask) * 3).to_dense().sum().backward()
    close(x.grad, 3.0 * (mask.to_dense() != 0).double())


def test_in_place():
    a, b = matrix(), matrix()
    s = a.to_sparse()
    same = s
    s += b.to_sparse()
    s -= (b * 2).to_sparse()
    s.mul_(3).div_(2)
    s.neg_()
    assert s is same
    close(s, -(a - b) * 1.5)
    dense = b.clone()
    dense += a.to_sparse()
    dense.sub_(a.to_sparse(), alpha=3)
    close(dense, b - 2 * a)
    s.copy_(a.to_sparse())
    close(s, a)
    close(s.zero_(), a * 0)
    s.t_()
    assert s.shape == (5, 4)
    s.sparse_resize_((6, 6), 2, 0)
    assert s.shape == (6, 6)
    with pytest.raises(RuntimeError, match="can only grow"):
        a.to_sparse().sparse_resize_((2, 2), 2, 0)
    assert a.to_sparse().sparse_resize_and_clear_((2, 2), 1, 1)._nnz() == 0


def test_in_place_with_gradients_is_refused():
    s = matrix().to_sparse().requires_grad_()
    with pytest.raises(RuntimeError, match=r"requires grad.*cannot be changed in place"):
        s.mul_(2)
    with pytest.raises(RuntimeError, match=r"requires grad.*cannot be changed in place"):
        matrix().to_sparse().add_(s)
    with lampas.no_grad():
        s.mul_(2)


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (RuntimeError, "write dense . sparse", lambda s, d: s + d),
        (RuntimeError, "write dense . sparse", lambda s, d: s + 1),
        (RuntimeError, "would be dense", lambda s, d: s - d),
        (RuntimeError, "would be dense", lambda s, d: 1 - s),
        (RuntimeError, "there is no broadcasting", lambda s, d: lampas.ones(5, dtype=lampas.float64) + s),
        (RuntimeError, "to match, but", lambda s, d: s + s.t()),
        (RuntimeError, "same density", lambda s, d: s + d.to_sparse(1)),
        (RuntimeError, "requires a scalar or zero-dim dense tensor", lambda s, d: s / d),
        (RuntimeError, "would divide by zero", lambda s, d: d / s),
        (RuntimeError, "to the power 0 would be dense", lambda s, d: s**0),
        (NotImplementedError, "needs a sparse base", lambda s, d: d**s),
        (RuntimeError, "does not broadcast", lambda s, d: s * lampas.ones(3)),
        (RuntimeError, "5 columns meet 4 rows", lambda s, d: s @ d),
        (RuntimeError, "the same dtype, got torch.float64 and torch.float32", lambda s, d: s @ d.t().float()),
        (RuntimeError, "must be a matrix", lambda s, d: d.to_sparse(1) @ d.t()),
        (RuntimeError, "t.. expects a tensor with <= 2 sparse", lambda s, d: d.to_sparse(1).t()),
        (RuntimeError, "would exchange one of each kind", lambda s, d: d.to_sparse(1).transpose(0, 1)),
        (RuntimeError, "either all tensors must be sparse or none", lambda s, d: lampas.cat([s, d])),
        (RuntimeError, "must agree but in dimension 0", lambda s, d: lampas.cat([s, s.t()])),
        (RuntimeError, "copy_.. between dense and sparse", lambda s, d: d.copy_(s)),
        (RuntimeError, "copy_.. between dense and sparse", lambda s, d: s.copy_(d)),
        (RuntimeError, "mul_.. is not defined", lambda s, d: d.mul_(s)),
        (NotImplementedError, "for positive orders", lambda s, d: s.norm(0)),
        (NotImplementedError, "over all elements", lambda s, d: s.norm(2, 1)),
        (NotImplementedError, "can only be summed", lambda s, d: lampas.sparse.mm(s, d.t(), "mean")),
        (RuntimeError, r"in \[1,2\] range, but 3 is given", lambda s, d: d.to_sparse(3)),
        (RuntimeError, "by way of to_dense", lambda s, d: s.to_sparse(1)),
        (IndexError, "index 7 out of range", lambda s, d: s[7]),
        (IndexError, "too many indices", lambda s, d: s[0, 0, 0]),
        (IndexError, "Dimension out of range", lambda s, d: s.select(2, 0)),
        (IndexError, "index out of range", lambda s, d: s.index_select(0, lampas.tensor([9]))),
        (RuntimeError, "exceed dimension 1", lambda s, d: s.narrow_copy(1, 3, 9)),
        (NotImplementedError, "sparse mask", lambda s, d: d.sparse_mask(d)),
    ],
)  # fmt: skip
def test_errors_say_what_to_do(error, message, call):
    dense = matrix()
    with pytest.raises(error, match=message):
        call(dense.to_sparse(), dense)
