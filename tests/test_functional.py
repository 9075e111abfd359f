"""Composites of the top namespace, against NumPy and SciPy."""

import itertools
import random

import numpy as np
import pytest

import lampas


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def t(array):
    return lampas.from_numpy(np.array(array))


def close(ours, expected, rtol=1e-10, atol=1e-12):
    expected = np.asarray(expected)
    assert tuple(ours.shape) == expected.shape
    np.testing.assert_allclose(ours.detach().numpy(), expected, rtol=rtol, atol=atol)


class TestEinsum:
    @pytest.mark.parametrize(
        ("equation", "shapes"),
        [
            ("ij,jk->ik", [(2, 3), (3, 4)]),
            ("bij,bjk->bik", [(5, 2, 3), (5, 3, 4)]),
            ("i,j->ij", [(2,), (3,)]),
            ("i,i->", [(4,), (4,)]),
            ("ii->i", [(3, 3)]),
            ("ii", [(3, 3)]),
            ("iij->j", [(3, 3, 2)]),
            ("ij->ji", [(2, 3)]),
            ("ij->", [(2, 3)]),
            ("ba", [(2, 3)]),
            ("...ij,...jk->...ik", [(2, 1, 2, 3), (5, 3, 4)]),
            ("...->...", [(2, 3)]),
            ("i...->...", [(2, 3, 4)]),
            ("bn,anm,bm->ba", [(2, 5), (3, 5, 4), (2, 4)]),
            ("ijkl,lm,jn,ko->imno", [(2, 3, 4, 5), (5, 2), (3, 2), (4, 3)]),
            ("ab,ab->ab", [(2, 3), (2, 3)]),
            ("bhqd,bhkd->bhqk", [(2, 3, 4, 5), (2, 3, 6, 5)]),
            ("ij,jk", [(0, 3), (3, 2)]),
            ("ij,jk->ik", [(2, 0), (0, 3)]),
        ],
    )
    def test_against_numpy(self, equation, shapes):
        arrays = [normal(*s, seed=i) for i, s in enumerate(shapes)]
        close(lampas.einsum(equation, *map(t, arrays)), np.einsum(equation, *arrays))
        close(lampas.einsum(equation, [t(a) for a in arrays]), np.einsum(equation, *arrays))

    def test_random_equations(self):
        rng = random.Random(0)
        for _ in range(200):
            size = {letter: rng.randint(1, 4) for letter in "abcdeXY"}
            terms = ["".join(rng.sample(sorted(size), rng.randint(0, 4))) for _ in range(rng.randint(1, 4))]
            present = sorted(set("".join(terms)))
            result = "".join(rng.sample(present, rng.randint(0, len(present))))
            arrays = [normal(*(size[x] for x in term), seed=i) for i, term in enumerate(terms)]
            equation = ",".join(terms) + "->" + result
            close(lampas.einsum(equation, *map(t, arrays)), np.einsum(equation, *arrays), atol=1e-10)

    def test_sizes_of_one_are_broadcast(self):
        a, b = normal(2, 1), normal(3, 4)
        close(lampas.einsum("ij,jk->ik", t(a), t(b)), np.broadcast_to(a, (2, 3)) @ b)

    def test_lists_of_labels(self):
        a, b = normal(2, 3), normal(3, 4)
        close(lampas.einsum(t(a), [0, 1], t(b), [1, 2], [0, 2]), a @ b)
        close(lampas.einsum(t(a), [..., 1], t(b), [1, 2]), a @ b)

    def test_integers(self):
        a = np.arange(6).reshape(2, 3)
        assert lampas.einsum("ij,kj->ik", t(a), t(a)).tolist() == (a @ a.T).tolist()

    def test_gradient(self):
        a, b = (t(normal(*s)).requires_grad_() for s in ((2, 3, 4), (2, 4, 3)))
        assert lampas.autograd.gradcheck(lambda x, y: lampas.einsum("bij,bji->b", x, y), (a, b))

    @pytest.mark.parametrize(
        ("equation", "shapes", "message"),
        [
            ("ij,jk->iz", [(2, 3), (3, 4)], "output subscript z does not appear"),
            ("ij->ii", [(2, 3)], "appears more than once"),
            ("ij,jk", [(2, 3), (4, 4)], "subscript j has size 4"),
            ("i1", [(2, 3)], "invalid subscript"),
            ("ijk", [(2, 3)], r"number of subscripts in the equation \(3\)"),
            ("ii", [(2, 3)], "repeated for one operand but the sizes don't match"),
            ("ij,jk", [(2, 3)], "2 operands are named"),
        ],
    )
    def test_errors(self, equation, shapes, message):
        with pytest.raises(RuntimeError, match=message):
            lampas.einsum(equation, *(lampas.zeros(s) for s in shapes))


class TestShapes:
    def test_broadcast_shapes(self):
        assert lampas.broadcast_shapes((2, 1), (3,), 1, (5, 1, 1)) == (5, 2, 3)
        assert lampas.broadcast_shapes((0,), (1,)) == (0,)
        with pytest.raises(RuntimeError, match="cannot be broadcast"):
            lampas.broadcast_shapes((2,), (3,))

    def test_broadcast_tensors(self):
        a, b = lampas.broadcast_tensors(lampas.ones(2, 1), lampas.ones(3))
        assert a.shape == b.shape == (2, 3) and a.stride() == (1, 0)

    def test_atleast(self):
        for function, reference in ((lampas.atleast_1d, np.atleast_1d), (lampas.atleast_2d, np.atleast_2d)):
            for shape in ((), (2,), (2, 3), (2, 3, 4)):
                assert tuple(function(lampas.ones(shape)).shape) == reference(np.ones(shape)).shape
        for shape in ((), (2,), (2, 3), (2, 3, 4)):
            assert tuple(lampas.atleast_3d(lampas.ones(shape)).shape) == np.atleast_3d(np.ones(shape)).shape
        assert [tuple(x.shape) for x in lampas.atleast_1d(lampas.ones(()), lampas.ones(2))] == [(1,), (2,)]

    def test_split(self):
        x = lampas.arange(7)
        assert [p.tolist() for p in lampas.split(x, 3)] == [[0, 1, 2], [3, 4, 5], [6]]
        assert [p.tolist() for p in x.split([2, 5])] == [[0, 1], [2, 3, 4, 5, 6]]
        assert len(lampas.split(lampas.zeros(0), 2)) == 1
        x.split(2)[0].fill_(9)
        assert x.tolist()[:3] == [9, 9, 2]
        with pytest.raises(RuntimeError, match="sum exactly to 7"):
            x.split([1, 2])
        with pytest.raises(IndexError, match="out of range"):
            x.split(2, 1)

    @pytest.mark.parametrize("indexing", ["ij", "xy"])
    def test_meshgrid(self, indexing):
        vectors = [np.arange(n) for n in (2, 3, 4)]
        for count in (1, 2, 3):
            ours = lampas.meshgrid(*map(t, vectors[:count]), indexing=indexing)
            for a, b in zip(ours, np.meshgrid(*vectors[:count], indexing=indexing), strict=True):
                close(a, b)
        with pytest.raises(RuntimeError, match="0D or 1D"):
            lampas.meshgrid(lampas.ones(2, 2))

    def test_products_and_choices(self):
        a, b = lampas.tensor([1, 2]), lampas.tensor([3, 4, 5])
        assert lampas.cartesian_prod(a, b).tolist() == [list(p) for p in itertools.product([1, 2], [3, 4, 5])]
        assert lampas.combinations(b).tolist() == [[3, 4], [3, 5], [4, 5]]
        expected = [list(p) for p in itertools.combinations_with_replacement([1, 2], 3)]
        assert lampas.combinations(a, 3, with_replacement=True).tolist() == expected
        assert lampas.combinations(a, 3).shape == (0, 3)

    def test_block_diag(self):
        from scipy.linalg import block_diag

        blocks = [normal(2, 3), normal(1, 2), normal(3, 1)]
        close(lampas.block_diag(*map(t, blocks)), block_diag(*blocks))
        with pytest.raises(RuntimeError, match="2 or fewer dimensions"):
            lampas.block_diag(lampas.ones(1, 1, 1))

    def test_unflatten(self):
        assert lampas.arange(12).unflatten(0, (3, -1)).shape == (3, 4)
        with pytest.raises(RuntimeError, match="don't multiply up to the size of dim 0"):
            lampas.arange(12).unflatten(0, (5, 2))

    def test_unravel_index(self):
        index = np.array([0, 7, 11])
        for a, b in zip(lampas.unravel_index(t(index), (3, 4)), np.unravel_index(index, (3, 4)), strict=True):
            assert a.tolist() == b.tolist()


class TestProducts:
    @pytest.mark.parametrize("dims", [0, 1, 2, ([1, 0], [0, 1]), ([-1], [1])])
    def test_tensordot(self, dims):
        a = normal(3, 4, 5) if dims == ([1, 0], [0, 1]) else normal(2, 3, 4)
        b = {0: normal(2), 1: normal(4, 2), 2: normal(3, 4, 2)}.get(dims) if isinstance(dims, int) else None
        b = b if b is not None else normal(4, 3, 2) if dims == ([1, 0], [0, 1]) else normal(2, 4)
        close(lampas.tensordot(t(a), t(b), dims=dims), np.tensordot(a, b, axes=dims))

    def test_tensordot_errors(self):
        with pytest.raises(RuntimeError, match="contracted dimensions need to match"):
            lampas.tensordot(lampas.ones(3, 4), lampas.ones(5, 6), 1)

    def test_chain_matmul(self):
        arrays = [normal(2, 30), normal(30, 4), normal(4, 50), normal(50, 1)]
        lampas.set_warn_always(True)
        try:
            with pytest.warns(UserWarning, match="chain_matmul is deprecated"):
                close(lampas.chain_matmul(*map(t, arrays)), np.linalg.multi_dot(arrays))
        finally:
            lampas.set_warn_always(False)


class TestNorms:
    @pytest.mark.parametrize("p", [0, 1, 2, 3, 0.5, float("inf"), float("-inf")])
    def test_vector(self, p):
        a = normal(3, 4)
        close(lampas.norm(t(a), p, dim=1), np.linalg.norm(a, p, axis=1))
        close(lampas.norm(t(a), p), np.linalg.norm(a.ravel(), p))
        assert t(a).norm(p, 0, keepdim=True).shape == (1, 4)

    def test_default_and_errors(self):
        a = normal(3, 4)
        close(t(a).norm(), np.linalg.norm(a))
        close(t(a).norm(dim=(0, 1)), np.linalg.norm(a))
        with pytest.raises(RuntimeError, match="floating point or complex"):
            lampas.arange(3).norm()

    def test_gradient_at_zero(self):
        x = lampas.zeros(3, requires_grad=True)
        x.norm().backward()
        assert x.grad.tolist() == [0, 0, 0]

    @pytest.mark.parametrize("p", [0, 1, 2, 3.5, float("inf")])
    @pytest.mark.parametrize("rows", [4, 40])
    def test_cdist(self, p, rows):
        from scipy.spatial.distance import cdist

        a, b = normal(rows, 5), normal(3, 5, seed=1)
        if p == 0:
            a, b = np.round(a), np.round(b)
            expected = (a[:, None] != b[None]).sum(-1)
        else:
            expected = cdist(a, b, "chebyshev") if p == float("inf") else cdist(a, b, "minkowski", p=p)
        close(lampas.cdist(t(a), t(b), p), expected, rtol=1e-6)

    @pytest.mark.parametrize("rows", [3, 30])
    def test_cdist_gradient(self, rows):
        a, b = t(normal(rows, 2)).requires_grad_(), t(normal(2, 2, seed=1)).requires_grad_()
        assert lampas.autograd.gradcheck(lampas.cdist, (a, b))
        x = t(normal(rows, 2)).requires_grad_()
        lampas.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist").sum().backward()
        assert bool(x.grad.isfinite().all())

    def test_cdist_errors(self):
        with pytest.raises(RuntimeError, match="same number of columns"):
            lampas.cdist(lampas.ones(2, 3), lampas.ones(2, 4))


class TestUnique:
    @pytest.mark.parametrize("dim", [None, 0, 1])
    @pytest.mark.parametrize("dtype", [np.int64, np.float32, np.bool_])
    def test_against_numpy(self, dim, dtype):
        a = np.random.default_rng(0).integers(0, 3, (8, 2)).astype(dtype)
        values, inverse, counts = lampas.unique(t(a), return_inverse=True, return_counts=True, dim=dim)
        expected, where, many = np.unique(a, return_inverse=True, return_counts=True, axis=dim)
        assert values.tolist() == expected.tolist() and counts.tolist() == many.tolist()
        assert inverse.tolist() == where.reshape(inverse.shape).tolist()

    def test_consecutive(self):
        x = lampas.tensor([1, 1, 2, 2, 3, 1, 1, 2])
        values, inverse, counts = x.unique_consecutive(return_inverse=True, return_counts=True)
        assert values.tolist() == [1, 2, 3, 1, 2]
        assert inverse.tolist() == [0, 0, 1, 1, 2, 3, 3, 4] and counts.tolist() == [2, 2, 1, 2, 1]

    def test_nothing(self):
        assert lampas.unique(lampas.zeros(0)).shape == (0,) and lampas.unique(lampas.zeros(0, 3), dim=0).shape == (0, 3)
        with pytest.raises(RuntimeError, match="0 sized dimensions"):
            lampas.unique(lampas.zeros(0, 3), dim=1)

    def test_nan(self):
        values = lampas.unique(lampas.tensor([float("nan"), 1.0, float("nan")])).tolist()
        assert values[0] == 1 and len(values) == 3


class TestFourier:
    @pytest.mark.parametrize("onesided", [True, False])
    @pytest.mark.parametrize("normalized", [True, False])
    def test_stft(self, onesided, normalized):
        signal, window = normal(50), np.hanning(16)
        found = lampas.stft(
            t(signal),
            16,
            4,
            window=t(window),
            center=False,
            normalized=normalized,
            onesided=onesided,
            return_complex=True,
        )
        frames = np.stack([signal[i : i + 16] * window for i in range(0, 50 - 15, 4)])
        expected = (np.fft.rfft(frames) if onesided else np.fft.fft(frames)).T / (4 if normalized else 1)
        close(found, expected, atol=1e-10)

    def test_there_and_back(self):
        signal = normal(2, 100)
        spectrum = lampas.stft(t(signal), 20, 5, window=t(np.hanning(20)), return_complex=True)
        close(lampas.istft(spectrum, 20, 5, window=t(np.hanning(20)), length=100), signal, rtol=1e-8)

    @pytest.mark.filterwarnings("ignore:stft without a window")
    def test_errors(self):
        with pytest.raises(RuntimeError, match="return_complex"):
            lampas.stft(lampas.zeros(50), 16)
        with pytest.raises(RuntimeError, match="hop_length > 0"):
            lampas.stft(lampas.zeros(50), 16, 0, return_complex=True)


class TestMethods:
    def test_contains(self):
        x = lampas.tensor([1.0, 2.0])
        assert 2 in x and 3 not in x and lampas.tensor(1.0) in x
        with pytest.raises(RuntimeError, match="only supports Tensor or scalar"):
            "a" in x

    def test_reversed_and_dir(self):
        x = lampas.tensor([1, 2, 3])
        x.note = 1
        assert reversed(x).tolist() == [3, 2, 1] and {"note", "sum", "backward"} <= set(dir(x))

    def test_numpy_protocol(self):
        x = lampas.tensor([1.0, 2.0])
        assert np.asarray(x).tolist() == [1, 2] and np.asarray(x, dtype=np.int32).dtype == np.int32
        assert np.sin(x.numpy()).shape == (2,)

    def test_names_are_refused(self):
        with pytest.raises(RuntimeError, match="no names"):
            lampas.ones(2).refine_names("a")

    def test_dim_order(self):
        assert lampas.ones(2, 3).dim_order() == (0, 1) and lampas.ones(2, 3).t().dim_order() == (1, 0)
