"""Jacobians, Hessians and their products with vectors, against formulas."""

import numpy as np
import pytest

import lampas
from lampas.autograd import functional


def t(array):
    return lampas.from_numpy(np.array(array, dtype=np.float64))


A = np.array([[2.0, 1.0, 0.0], [0.5, 3.0, -1.0]])
X = np.array([0.3, -1.2, 2.0])


def close(found, expected):
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-9, atol=1e-12)


def quadratic(x):
    return (t(A) @ x).pow(2).sum()


def linear(x):
    return t(A) @ x


class TestFirst:
    def test_jacobian(self):
        close(functional.jacobian(linear, t(X)), A)
        close(functional.jacobian(lambda x: x**2, t(X)), np.diag(2 * X))
        pair = functional.jacobian(lambda x, y: (x * y, y), (t(X), t(X + 1)))
        close(pair[0][0], np.diag(X + 1))
        close(pair[0][1], np.diag(X))
        close(pair[1][0], np.zeros((3, 3)))
        assert functional.jacobian(lambda x: x.sum(), t(np.ones((2, 3)))).shape == (2, 3)

    def test_products(self):
        v = np.array([1.0, -2.0])
        value, product = functional.vjp(linear, t(X), t(v))
        close(value, A @ X)
        close(product, v @ A)
        value, product = functional.jvp(linear, t(X), t(X))
        close(value, A @ X)
        close(product, A @ X)
        close(functional.vjp(quadratic, t(X))[1], 2 * A.T @ A @ X)


class TestSecond:
    def test_hessian(self):
        close(functional.hessian(quadratic, t(X)), 2 * A.T @ A)
        close(functional.hessian(lambda x: x.sum(), t(X)), np.zeros((3, 3)))
        blocks = functional.hessian(lambda x, y: (x * y).sum(), (t(X), t(X)))
        close(blocks[0][1], np.eye(3))
        close(blocks[1][1], np.zeros((3, 3)))

    @pytest.mark.parametrize("function", [functional.hvp, functional.vhp])
    def test_products(self, function):
        value, product = function(quadratic, t(X), t(X))
        close(value, (A @ X) @ (A @ X))
        close(product, 2 * A.T @ A @ X)


def test_results_are_differentiable_on_request():
    x = t(X).requires_grad_()
    assert not functional.jacobian(lambda v: v**3, x).requires_grad
    j = functional.jacobian(lambda v: v**3, x, create_graph=True)
    close(lampas.autograd.grad(j.sum(), x)[0], 6 * X)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: functional.jacobian(lambda a, b: a * 2, (x, x), strict=True), RuntimeError, "strict=True"),
        (lambda x: functional.hessian(lambda a: a * 2, x), RuntimeError, "single Tensor"),
        (lambda x: functional.jacobian(lambda a: 3, x), TypeError, "must be a Tensor"),
        (lambda x: functional.vjp(lambda a: a, x), RuntimeError, "v can only be None"),
        (lambda x: functional.jvp(lambda a: a, x, x[:2]), RuntimeError, "has shape"),
        (lambda x: functional.jacobian(lambda a: a, [1.0]), TypeError, "index 0 of inputs"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call(t(X))
