"""lampas.linalg against NumPy, SciPy and finite differences."""

import numpy as np
import pytest
import scipy.linalg

import lampas
from lampas import linalg
from lampas.autograd import gradcheck, gradgradcheck

rng = np.random.default_rng(0)


def t(values):
    return lampas.tensor(values, requires_grad=True)


def close(ours, expected, tolerance=1e-9):
    np.testing.assert_allclose(ours.detach().numpy(), expected, rtol=tolerance, atol=tolerance)


def square(kind="real"):
    values = rng.standard_normal((2, 3, 3)) + 2 * np.eye(3)
    return values + 1j * rng.standard_normal((2, 3, 3)) if kind == "complex" else values


@pytest.mark.parametrize("kind", ["real", "complex"])
class TestAgainstNumPy:
    def test_inverse_and_determinant(self, kind):
        a = square(kind)
        close(linalg.inv(t(a)), np.linalg.inv(a))
        close(linalg.det(t(a)), np.linalg.det(a))
        sign, size = linalg.slogdet(t(a))
        close(sign * size.exp(), np.linalg.det(a))

    def test_factors_multiply_to_the_matrix(self, kind):
        a = square(kind)
        x = t(a)
        L = linalg.cholesky(x @ x.mH)
        close(L @ L.mH, a @ a.conj().swapaxes(-1, -2))
        Q, R = linalg.qr(x)
        close(Q @ R, a)
        P, L, U = linalg.lu(x)
        close(P @ L @ U, a)
        U, S, Vh = linalg.svd(x)
        close(U * S.unsqueeze(-2).to(U.dtype) @ Vh, a)
        values, vectors = linalg.eig(x)
        close(x.to(vectors.dtype) @ vectors, (vectors * values.unsqueeze(-2)).detach().numpy())
        LU, pivots = linalg.lu_factor(x)
        b = lampas.tensor(rng.standard_normal((2, 3, 2)).astype(a.dtype))
        close(x @ linalg.lu_solve(LU, pivots, b), b.numpy())

    def test_powers(self, kind):
        a = square(kind)
        close(linalg.matrix_exp(t(a)), np.stack([scipy.linalg.expm(m) for m in a]))
        close(linalg.matrix_power(t(a), -2), np.linalg.matrix_power(a, -2))
        close(linalg.pinv(t(a[:, :2])), np.linalg.pinv(a[:, :2]))

    def test_norms(self, kind):
        a = square(kind)[0]
        for order in (None, "fro", "nuc", np.inf, -np.inf, 1, -1, 2, -2):
            close(linalg.norm(t(a), order), np.linalg.norm(a, order))
            if order not in ("fro", "nuc"):
                close(linalg.cond(t(a), order), np.linalg.cond(a, order))


FUNCTIONS = {
    "inv": linalg.inv,
    "det": linalg.det,
    "slogdet": lambda x: linalg.slogdet(x)[1],
    "cholesky": lambda x: linalg.cholesky(x @ x.mT + lampas.eye(3, dtype=x.dtype)),
    "qr": lambda x: tuple(linalg.qr(x)),
    "eigh": lambda x: (linalg.eigh(x + x.mT)[0], linalg.eigh(x + x.mT)[1].abs()),
    "svd": lambda x: tuple(r.abs() for r in linalg.svd(x, full_matrices=False)),
    "pinv": lambda x: linalg.pinv(x[..., :2]),
    "lu": lambda x: tuple(linalg.lu(x))[1:],
    "solve": lambda x: linalg.solve(x, x[..., :1]),
    "solve_triangular": lambda x: linalg.solve_triangular(x, x + 1, upper=True),
    "matrix_exp": linalg.matrix_exp,
    "lstsq": lambda x: linalg.lstsq(x[..., :2], x[..., 2:])[0],
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients(name):
    assert gradcheck(FUNCTIONS[name], t(square()))


@pytest.mark.parametrize("name", ["inv", "det", "cholesky", "qr", "eigh", "svd", "solve", "matrix_exp"])
def test_gradients_of_gradients(name):
    assert gradgradcheck(FUNCTIONS[name], t(square()[0]))


def test_gradient_of_the_determinant_of_a_singular_matrix():
    x = t([[1.0, 2.0], [2.0, 4.0]])
    linalg.det(x).backward()
    close(x.grad, [[4.0, -2.0], [-2.0, 1.0]], 1e-5)


def test_info_says_which_matrix_failed():
    pair = lampas.stack([lampas.eye(2), lampas.zeros(2, 2)])
    inverse, info = linalg.inv_ex(pair)
    assert info.tolist() == [0, 1] and inverse[0].equal(lampas.eye(2)) and inverse[1].isnan().all()
    assert linalg.cholesky_ex(lampas.stack([lampas.eye(2), -lampas.eye(2)])).info.tolist() == [0, 1]
    result, info = linalg.solve_ex(pair, lampas.ones(2, 2, 1))
    assert info.tolist() == [0, 1] and result[0].tolist() == [[1.0], [1.0]]


def test_empty_batches_and_matrices():
    assert linalg.inv(lampas.ones(0, 3, 3)).shape == (0, 3, 3)
    assert linalg.det(lampas.ones(2, 0, 0)).tolist() == [1.0, 1.0]
    assert linalg.svdvals(lampas.ones(0, 4, 2)).shape == (0, 2)
    assert [x.shape for x in linalg.lu_factor(lampas.ones(0, 3, 3))] == [(0, 3, 3), (0, 3)]
    assert linalg.solve_triangular(lampas.ones(0, 2, 2), lampas.ones(0, 2, 1), upper=True).shape == (0, 2, 1)


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: linalg.inv(lampas.ones(2, 3)), RuntimeError, "square matrices, but they are 2 by 3"),
        (lambda: linalg.inv(lampas.zeros(2, 2)), linalg.LinAlgError, "singular"),
        (lambda: linalg.inv(lampas.ones(3, 1, 1) * 0), linalg.LinAlgError, r"\(Batch element 0\)"),
        (lambda: linalg.cholesky(-lampas.eye(2)), linalg.LinAlgError, "order 1 is not positive-definite"),
        (lambda: linalg.solve(lampas.eye(2), lampas.ones(3, 1)), RuntimeError, "Incompatible shapes"),
        (lambda: linalg.solve(lampas.eye(2), lampas.ones(2).double()), RuntimeError, "same dtype"),
        (lambda: linalg.det(lampas.eye(2).long()), RuntimeError, "floating point or complex"),
        (lambda: linalg.det(lampas.eye(2).half()), RuntimeError, "Low precision"),
        (lambda: linalg.qr(lampas.eye(2), "all"), RuntimeError, "'reduced'"),
        (lambda: linalg.eigh(lampas.eye(2), "X"), RuntimeError, "'L' or 'U'"),
        (lambda: linalg.matrix_norm(lampas.eye(2), 3), RuntimeError, "Order 3 not supported"),
        (lambda: linalg.multi_dot([lampas.eye(2)]), RuntimeError, "at least 2 tensors"),
        (lambda: linalg.cross(lampas.ones(2), lampas.ones(2)), RuntimeError, "length 3"),
        (lambda: linalg.lstsq(lampas.ones(3, 2), lampas.ones(3, 1), driver="x"), RuntimeError, "driver"),
    ],
)
def test_bad_input(call, kind, words):
    with pytest.raises(kind, match=words):
        call()
