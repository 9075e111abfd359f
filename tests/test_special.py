"""lampas.special against SciPy and finite differences."""

import numpy as np
import pytest
import scipy.special

import lampas
from lampas import special
from lampas.autograd import gradcheck, gradgradcheck

rng = np.random.default_rng(0)

# ours -> SciPy's name
NAMES = {
    "airy_ai": lambda x: scipy.special.airy(x)[0], "bessel_j0": "j0", "bessel_j1": "j1", "bessel_y0": "y0",
    "bessel_y1": "y1", "digamma": "digamma", "entr": "entr", "erf": "erf", "erfc": "erfc", "erfcx": "erfcx",
    "exp2": "exp2", "expit": "expit", "expm1": "expm1", "gammaln": "gammaln", "i0": "i0", "i0e": "i0e", "i1": "i1",
    "i1e": "i1e", "log1p": "log1p", "log_ndtr": "log_ndtr", "modified_bessel_k0": "k0", "modified_bessel_k1": "k1",
    "ndtr": "ndtr", "psi": "psi", "scaled_modified_bessel_k0": "k0e", "scaled_modified_bessel_k1": "k1e",
    "sinc": np.sinc, "spherical_bessel_j0": lambda x: np.sin(x) / x,
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_values_and_gradients(name):
    x = rng.uniform(0.3, 2.5, (3, 4))
    expected = NAMES[name](x) if callable(NAMES[name]) else getattr(scipy.special, NAMES[name])(x)
    function = getattr(special, name)
    np.testing.assert_allclose(function(lampas.tensor(x)).numpy(), expected, rtol=1e-11)
    assert gradcheck(function, lampas.tensor(x, requires_grad=True))
    assert gradgradcheck(function, lampas.tensor(x, requires_grad=True))
    for dtype in (lampas.float32, lampas.bfloat16):
        half = function(lampas.tensor(x).to(dtype))
        assert half.dtype == dtype
        np.testing.assert_allclose(half.float().numpy(), expected, rtol=0.1, atol=0.02)


def test_of_two():
    x, y = rng.uniform(0.3, 2.5, (2, 3, 4))
    for name, other in {"xlogy": "xlogy", "xlog1py": "xlog1py", "zeta": "zeta", "gammainc": "gammainc"}.items():
        a, b = lampas.tensor(x + 1), lampas.tensor(y, requires_grad=True)
        function = getattr(special, name)
        np.testing.assert_allclose(function(a, b).detach().numpy(), getattr(scipy.special, other)(x + 1, y), rtol=1e-11)
        assert gradcheck(lambda v: function(a, v), b)  # noqa: B023
    for n in range(4):
        np.testing.assert_allclose(special.polygamma(n, lampas.tensor(x)).numpy(), scipy.special.polygamma(n, x))
    ours = special.multigammaln(lampas.tensor(x + 2), 3)
    np.testing.assert_allclose(ours.numpy(), scipy.special.multigammaln(x + 2, 3))
    assert special.xlog1py(0.0, lampas.tensor([-2.0, float("nan")])).isnan().tolist() == [False, True]


def test_gamma_functions_far_out():
    """Everywhere but next to the poles, where the argument's own rounding is all."""
    x = np.concatenate([rng.uniform(-30, 30, 2001), np.geomspace(1e-30, 1e17, 501), [1.0, 2.0, 10.0, 0.5]])
    x = x[(x > 0) | (np.abs(x - np.round(x)) > 1e-2)]
    negative = x < 0
    sine = np.sin(np.pi * np.where(negative, x - np.round(x), 0.5))
    positive = scipy.special.polygamma(1, np.where(negative, 1 - x, x))
    trigamma = np.where(negative, (np.pi / sine) ** 2 - positive, positive)
    t = lampas.tensor(x, requires_grad=True)
    y = special.digamma(t)
    root = 1.4616321449683623  # of digamma, where only the absolute error is small
    np.testing.assert_allclose(y.detach().numpy(), scipy.special.digamma(x), rtol=1e-13, atol=1e-14 * root)
    np.testing.assert_allclose(lampas.autograd.grad(y.sum(), t)[0].numpy(), trigamma, rtol=1e-12)
    single = lampas.tensor(x, dtype=lampas.float32)
    exact = scipy.special.digamma(single.double().numpy())
    np.testing.assert_allclose(special.digamma(single).numpy(), exact, rtol=1.2e-7)


def test_erfinv():
    x = np.concatenate([rng.uniform(-1, 1, 2001), np.geomspace(1e-300, 1e-3, 301), 1 - np.geomspace(1e-7, 0.5, 301)])
    np.testing.assert_allclose(special.erfinv(lampas.tensor(x)).numpy(), scipy.special.erfinv(x), rtol=2e-13)
    single = lampas.tensor(x, dtype=lampas.float32)
    expected = scipy.special.erfinv(single.double().numpy())
    np.testing.assert_allclose(special.erfinv(single).numpy(), expected, rtol=1.2e-7, atol=1e-45)
    ends = special.erfinv(lampas.tensor([1.0, -1.0, 0.0, -0.0, 1.5, float("nan")])).tolist()
    assert ends[:4] == [float("inf"), -float("inf"), 0.0, 0.0]
    assert np.isnan(ends[4:]).all()


def test_limits():
    points = lampas.tensor([0.0], dtype=lampas.float64, requires_grad=True)
    for function, slope in ((special.i1, 0.5), (special.i1e, 0.5), (special.bessel_j1, 0.5), (special.sinc, 0.0)):
        assert lampas.autograd.grad(function(points).sum(), points)[0].item() == slope
    assert special.entr(lampas.tensor([0.0, -1.0])).tolist() == [0.0, -float("inf")]
    assert special.log_ndtr(lampas.tensor(-1e3, dtype=lampas.float64)).item() == pytest.approx(-500007.8267, rel=1e-9)


@pytest.mark.parametrize(
    ("name", "other"),
    [("chebyshev_polynomial_t", "eval_chebyt"), ("chebyshev_polynomial_u", "eval_chebyu"),
     ("hermite_polynomial_h", "eval_hermite"), ("hermite_polynomial_he", "eval_hermitenorm"),
     ("laguerre_polynomial_l", "eval_laguerre"), ("legendre_polynomial_p", "eval_legendre"),
     ("shifted_chebyshev_polynomial_t", "eval_sh_chebyt")],
)  # fmt: skip
def test_polynomials(name, other):
    x, n = rng.uniform(-0.9, 0.9, (6, 5)), np.arange(6)[:, None]
    ours = getattr(special, name)(lampas.tensor(x), lampas.tensor(n))
    np.testing.assert_allclose(ours.numpy(), getattr(scipy.special, other)(n, x), rtol=1e-10, atol=1e-10)
    assert gradcheck(lambda v: getattr(special, name)(v, lampas.tensor(n)), lampas.tensor(x, requires_grad=True))


def test_derivatives_that_do_not_exist_are_refused():
    with pytest.raises(RuntimeError, match="not implemented"):
        special.gammainc(lampas.ones(2, requires_grad=True), lampas.ones(2))
    with pytest.raises(RuntimeError, match="not implemented"):
        special.zeta(lampas.ones(2, requires_grad=True), 2.0)
    with pytest.raises(RuntimeError, match="negative n"):
        special.polygamma(-1, lampas.ones(2))
