"""`func`: derivatives against formulas and finite differences, transforms of transforms, modules as functions."""

import numpy as np
import pytest

import lampas
from lampas import nn
from lampas.func import (
    functional_call,
    grad,
    grad_and_value,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    linearize,
    replace_all_batch_norm_modules_,
    stack_module_state,
    vjp,
    vmap,
)

A = np.array([[2.0, 1.0, 0.0], [0.5, 3.0, -1.0]])
X = np.array([0.3, -1.2, 2.0])


def t(array):
    return lampas.tensor(np.asarray(array, dtype=np.float64))


def close(found, expected):
    found = found.detach().numpy() if isinstance(found, lampas.Tensor) else found
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def quadratic(x):
    return (t(A) @ x).pow(2).sum()


class TestGrad:
    def test_values(self):
        close(grad(quadratic)(t(X)), 2 * A.T @ A @ X)
        found, value = grad_and_value(quadratic)(t(X))
        close(found, 2 * A.T @ A @ X)
        close(value, ((A @ X) ** 2).sum())

    def test_results_are_free(self):
        x = t(X)
        found, value = grad_and_value(quadratic)(x)
        assert not found.requires_grad and not value.requires_grad and not x.requires_grad and x.grad is None

    def test_nested(self):
        for order, formula in enumerate((np.cos, lambda v: -np.sin(v), lambda v: -np.cos(v)), 1):
            f = lampas.sin
            for _ in range(order):
                f = grad(f)
            close(f(t(0.7)), formula(0.7))

    def test_arguments(self):
        def f(a, b, *, c=1):
            return (a * b * c).sum()

        a, b = t(X), t(X + 1)
        close(grad(f, argnums=1)(a, b, c=2), 2 * X)
        both = grad(f, argnums=(1, -2))(a, b)
        close(both[0], X)
        close(both[1], X + 1)
        close(grad(lambda d: (d["x"] * d["y"][0]).sum())({"x": a, "y": [b]})["y"][0], X)

    def test_aux(self):
        found, aux = grad(lambda x: (x.sum(), {"twice": 2 * x}), has_aux=True)(t(X))
        close(found, np.ones(3))
        close(aux["twice"], 2 * X)
        assert not aux["twice"].requires_grad
        found, (value, aux) = grad_and_value(lambda x: (x.sum(), 3 * x), has_aux=True)(t(X))
        close(value, X.sum())
        close(aux, 3 * X)

    def test_what_nothing_depends_on(self):
        unused = grad(lambda a, b: a.sum(), argnums=(0, 1))(t(X), t(X))[1]
        close(unused, np.zeros(3))
        close(grad(lambda a: lampas.tensor(1.0))(t(X)), np.zeros(3))

    def test_graphs_of_the_program_go_through(self):
        w = t(X).requires_grad_()
        found = grad(lambda x: (x * x * w).sum())(t(X))  # 2 x w
        found.sum().backward()
        close(w.grad, 2 * X)
        w.grad = None
        found, value = grad_and_value(lambda x: (x**3).sum())(w)
        (found.sum() + value).backward()
        close(w.grad, 6 * X + 3 * X**2)
        assert not grad(lambda x: (x * 2).sum())(w).requires_grad
        with lampas.no_grad():
            assert not grad(lambda x: (x * x * w).sum())(t(X)).requires_grad
        assert w.grad is not None

    def test_a_step_within_a_loss(self):
        """As in meta-learning: the loss after one step, differentiated by the start."""

        def after_step(x):
            return quadratic(x - 0.1 * grad(quadratic)(x))

        step = np.eye(3) - 0.2 * A.T @ A
        close(grad(after_step)(t(X)), 2 * step.T @ A.T @ A @ step @ X)

    @pytest.mark.parametrize(
        ("call", "error", "text"),
        [
            (
                lambda: grad(lambda x: x)(t(X)),
                RuntimeError,
                "return a scalar Tensor, got tensor with 1 dims.*vjp or jac",
            ),
            (lambda: grad(lambda x: 3.0)(t(X)), RuntimeError, "return a Tensor, got <class 'float'>"),
            (lambda: grad(quadratic)(3.0), ValueError, "must be Tensor, got <class 'float'>"),
            (lambda: grad(quadratic)(lampas.tensor([1])), RuntimeError, "floating point dtype.*has torch.int64"),
            (lambda: grad(quadratic, argnums=1)(t(X)), RuntimeError, "Got argnum=1, but only 1 positional inputs"),
            (lambda: grad(quadratic, argnums="x")(t(X)), RuntimeError, "argnums must be int or Tuple"),
            (lambda: grad(quadratic, argnums=())(t(X)), RuntimeError, "argnums must be non-empty"),
            (lambda: grad(quadratic, argnums=(0, -1))(t(X)), RuntimeError, r"must be unique, got \(0, -1\)"),
            (lambda: grad(quadratic, has_aux=True)(t(X)), RuntimeError, r"should be a tuple: \(output, aux\)"),
            (lambda: grad(lambda x: (x.sum(), "a"), has_aux=True)(t(X)), RuntimeError, "Expected tensors, got .*str"),
        ],
    )
    def test_refusals(self, call, error, text):
        with pytest.raises(error, match=text):
            call()


class TestProducts:
    def test_vjp(self):
        output, product = vjp(lambda x: t(A) @ x, t(X))
        close(output, A @ X)
        u = np.array([1.0, -2.0])
        for _ in range(2):
            close(product(t(u))[0], A.T @ u)
        assert not output.requires_grad

    def test_vjp_of_structures(self):
        _, product, aux = vjp(lambda d, y: ({"o": d["x"] * y}, y + 1), {"x": t(X)}, t(X + 1), has_aux=True)
        first, second = product({"o": t(np.ones(3))})
        close(first["x"], X + 1)
        close(second, X)
        close(aux, X + 2)

    def test_vjp_can_be_differentiated(self):
        u = t(X).requires_grad_()
        (found,) = vjp(lambda x: x.sin(), t(X))[1](u)
        found.sum().backward()
        close(u.grad, np.cos(X))

    def test_jvp_and_linearize(self):
        v = np.array([1.0, 0.5, -1.0])
        for f, formula in ((lambda x: t(A) @ x, A @ v), (lambda x: x.sin(), np.cos(X) * v)):
            output, product = jvp(f, (t(X),), (t(v),))
            close(output, f(t(X)))
            close(product, formula)
            output, times = linearize(f, t(X))
            close(times(t(v)), formula)
            close(times(t(2 * v)), 2 * formula)

    def test_jvp_of_several(self):
        _, product, aux = jvp(lambda a, b: ((a * b, a.sum()), b), (t(X), t(X + 1)), (t(X * 2), t(X * 3)), has_aux=True)
        close(product[0], 2 * X * (X + 1) + X * 3 * X)
        close(product[1], 2 * X.sum())
        close(aux, X + 1)
        close(jvp(lambda a: lampas.ones(2), (t(X),), (t(X),))[1], np.zeros(2))

    def test_products_agree(self):
        def f(x):
            return lampas.stack([x.prod(), x.norm(), (x * x.exp()).sum()])

        u, v = t([1.0, 2.0, -1.0]), t([0.5, -1.0, 2.0])
        left = vjp(f, t(X))[1](u)[0] @ v
        right = u @ jvp(f, (t(X),), (v,))[1]
        close(left, right)

    @pytest.mark.parametrize(
        ("call", "text"),
        [
            (lambda: vjp(lambda x: 3, t(X)), "return only tensors, got unsupported type <class 'int'>"),
            (lambda: vjp(lambda x: (x, x), t(X))[1](t(X)), r"structure of cotangents.*cotangents: \*, .*\(\*, \*\)"),
            (lambda: vjp(lambda x: x, t(X))[1](t([1.0])), "Mismatch in shape"),
            (lambda: jvp(lambda x: x, t(X), t(X)), "Expected primals to be a tuple"),
            (lambda: jvp(lambda x: x, (t(X),), (t(X), t(X))), "same python structure"),
            (lambda: jvp(lambda x: x, (t(X),), (t([1.0]),)), r"size of its primal: \[3\], but it has \[1\]"),
            (lambda: jvp(lambda x: lampas.ones(1), (t(X),), (t(X),), strict=True), "strict=True forbids"),
            (lambda: linearize(lambda x: x, t(X))[1](t(X), t(X)), "structure of the primals"),
        ],
    )
    def test_refusals(self, call, text):
        with pytest.raises(RuntimeError, match=text):
            call()


@pytest.mark.parametrize("jacobian", [jacrev, jacfwd])
class TestJacobians:
    def test_values(self, jacobian):
        close(jacobian(lambda x: t(A) @ x)(t(X)), A)
        close(jacobian(lambda x: x.sin())(t(X)), np.diag(np.cos(X)))
        assert jacobian(lambda x: x.sum(0))(lampas.ones(2, 3)).shape == (3, 2, 3)
        assert jacobian(lambda x: x.sum())(lampas.ones(2, 3)).shape == (2, 3)

    def test_structures(self, jacobian):
        found = jacobian(lambda a, b: {"p": a * b, "s": a.sum()}, argnums=(0, 1))(t(X), t(X + 1))
        close(found["p"][0], np.diag(X + 1))
        close(found["p"][1], np.diag(X))
        close(found["s"][0], np.ones(3))
        close(found["s"][1], np.zeros(3))
        found, aux = jacobian(lambda d: (d["x"] * 2, d["x"] + 1), has_aux=True)({"x": t(X)})
        close(found["x"], 2 * np.eye(3))
        close(aux, X + 1)

    def test_can_be_differentiated(self, jacobian):
        x = t(X).requires_grad_()
        jacobian(lambda v: v**3)(x).sum().backward()
        close(x.grad, 6 * X)

    def test_refusals(self, jacobian):
        with pytest.raises(RuntimeError, match="return only tensors"):
            jacobian(lambda x: 3)(t(X))


def test_hessians():
    close(hessian(quadratic)(t(X)), 2 * A.T @ A)
    (aa, ab), (ba, bb) = hessian(lambda a, b: (a * a * b).sum(), argnums=(0, 1))(t(X), t(X + 1))
    close(aa, np.diag(2 * (X + 1)))
    close(ab, np.diag(2 * X))
    close(ba, np.diag(2 * X))
    close(bb, np.zeros((3, 3)))
    third = jacrev(hessian(lambda x: (x**3).sum()))(t(X))
    assert third.shape == (3, 3, 3) and third[1, 1, 1] == 6 and third.sum() == 18


def test_other_refusals_of_jacobians():
    with pytest.raises(ValueError, match="greater than 0"):
        jacrev(quadratic, chunk_size=0)
    with pytest.raises(RuntimeError, match="Got sometimes"):
        jacfwd(quadratic, randomness="sometimes")


class TestModules:
    def test_functional_call(self):
        model = nn.Linear(2, 1)
        given = {"weight": lampas.ones(1, 2)}, {"bias": lampas.zeros(1)}
        assert functional_call(model, given, lampas.ones(2)) == 2
        assert functional_call(model, given[0] | given[1], (lampas.ones(2),), strict=True) == 2
        with pytest.raises(ValueError, match=r"\['weight'\] appeared in multiple"):
            functional_call(model, (given[0], given[0]), lampas.ones(2))
        with pytest.raises(ValueError, match="to be a dict, or a list/tuple of dicts"):
            functional_call(model, 3, lampas.ones(2))

    def test_gradients_of_each_sample(self):
        lampas.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
        x, y = lampas.randn(5, 3, dtype=lampas.float64), lampas.tensor([0, 1, 1, 0, 1])

        def loss(parameters, one, target):
            output = functional_call(model, parameters, (one.unsqueeze(0),))
            return nn.functional.cross_entropy(output, target.unsqueeze(0))

        parameters = {name: p.detach() for name, p in model.named_parameters()}
        found = vmap(grad(loss), in_dims=(None, 0, 0))(parameters, x, y)
        for i in range(5):
            model.zero_grad()
            nn.functional.cross_entropy(model(x[i : i + 1]), y[i : i + 1]).backward()
            for name, p in model.named_parameters():
                close(found[name][i], p.grad)

    def test_ensembles(self):
        models = [nn.Linear(3, 2) for _ in range(4)]
        parameters, buffers = stack_module_state(models)
        assert parameters["weight"].shape == (4, 2, 3) and parameters["weight"].is_leaf and buffers == {}
        x = lampas.randn(5, 3)
        found = vmap(lambda p, b: functional_call(models[0], (p, b), (x,)))(parameters, buffers)
        np.testing.assert_allclose(
            found.detach(), np.stack([model(x).detach().numpy() for model in models]), rtol=1e-5, atol=1e-6
        )
        found.sum().backward()
        assert parameters["weight"].grad.shape == (4, 2, 3)

    def test_refusals_of_stacking(self):
        with pytest.raises(RuntimeError, match="at least one model, got 0"):
            stack_module_state([])
        with pytest.raises(RuntimeError, match="same class"):
            stack_module_state([nn.Linear(1, 1), nn.ReLU()])
        with pytest.raises(RuntimeError, match="same training/eval mode"):
            stack_module_state([nn.ReLU(), nn.ReLU().eval()])

    def test_batch_norms(self):
        model = nn.Sequential(nn.BatchNorm1d(2), nn.ReLU())
        assert replace_all_batch_norm_modules_(model) is model
        assert model[0].running_mean is None and not model[0].track_running_stats
        assert model(lampas.randn(4, 2)).shape == (4, 2)
