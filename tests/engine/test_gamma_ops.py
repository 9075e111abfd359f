"""Gamma, Dirichlet and binomial samples as ops, and how samples move with their parameters."""

import math

import numpy as np
import pytest
import scipy.stats

import lampas

# dx/d(parameter) at 35 digits, from derivatives of the distribution functions.
GAMMA = [
    (391.85449355287426, 382.9075323848941, 0.9889164637380934),
    (46.84418527502905, 47.25372167987637, 1.0079395393820294),
    (35.867168767604916, 37.64258390099744, 1.0291242483911793),
    (0.8072207844839994, 3.759993292138743, 2.383450659515724),
]
BETA = [  # alpha, beta, x, dx/d alpha / (1 - x)
    (80.41909166632693, 0.51218389848353, 0.9945733443381205, 0.012438630231300058),
    (333.8357933473788, 1.1490801077748354, 0.9983601124793953, 0.002992359948145602),
    (367.69576576281196, 40.37972248252032, 0.9092380299376056, 0.002464763545425446),
]


def f64(*values):
    return lampas.tensor(values, dtype=lampas.float64)


@pytest.mark.parametrize(("a", "x", "slope"), GAMMA)
def test_gamma_slopes(a, x, slope):
    assert lampas._standard_gamma_grad(f64(a), f64(x)).item() == pytest.approx(slope, rel=1e-12)


@pytest.mark.parametrize(("a", "b", "x", "slope"), BETA)
def test_beta_slopes(a, b, x, slope):
    assert lampas._dirichlet_grad(f64(x), f64(a), f64(a + b)).item() == pytest.approx(slope, rel=1e-10)


def test_simple_slopes():
    # at the lower end nothing moves
    assert lampas._standard_gamma_grad(f64(2.0), f64(0.0)).item() == 0
    assert lampas._dirichlet_grad(f64(0.0), f64(1.0), f64(2.0)).item() == 0
    # beta(a, 1): x = u^(1/a), so dx/da = -x log(x) / a
    for x in (1e-6, 0.3, 0.9):
        for a in (0.2, 1.0, 7.0, 30.0):
            expected = -x * math.log(x) / a / (1 - x)
            assert lampas._dirichlet_grad(f64(x), f64(a), f64(a + 1)).item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("a", "b"), [(0.05, 0.3), (0.5, 9.0), (9.0, 0.5), (3.0, 5.0), (20.0, 30.0), (0.5, 500.0)])
def test_beta_slopes_of_the_two_ends_agree(a, b):
    # x of beta(a, b) is 1 - x of beta(b, a): moving a moves both alike
    h = 1e-6 * a
    for level in (0.05, 0.5, 0.95):
        x = scipy.stats.beta.ppf(level, a, b)
        if not 1e-200 < x < 1 - 1e-12:
            continue
        ends = [scipy.stats.beta.ppf(level, a + s * h, b) for s in (-1, 1)]
        found = lampas._dirichlet_grad(f64(x), f64(a), f64(a + b)).item() * (1 - x)
        assert found == pytest.approx((ends[1] - ends[0]) / (2 * h), rel=1e-4)


@pytest.mark.parametrize("dtype", [lampas.float32, lampas.float64])
@pytest.mark.parametrize("a", [0.1, 0.7, 1.0, 5.0, 200.0])
def test_gamma_samples(a, dtype):
    lampas.manual_seed(1)
    x = lampas._standard_gamma(lampas.full((20_000,), a, dtype=dtype))
    assert x.dtype == dtype and (x > 0).all()
    assert scipy.stats.kstest(x.double().numpy(), scipy.stats.gamma(a).cdf).pvalue > 1e-3


def test_dirichlet_samples():
    lampas.manual_seed(1)
    x = lampas._sample_dirichlet(lampas.tensor([0.5, 1.5, 3.0]).expand(20_000, 3))
    assert lampas.allclose(x.sum(1), lampas.ones(20_000))
    assert scipy.stats.kstest(x[:, 0].numpy(), scipy.stats.beta(0.5, 4.5).cdf).pvalue > 1e-3
    assert lampas._sample_dirichlet(lampas.ones(0)).shape == (0,)
    assert lampas._sample_dirichlet(lampas.ones(())).item() == pytest.approx(1)


@pytest.mark.parametrize(("n", "p"), [(5, 0.3), (40, 0.1), (40, 0.5), (40, 0.9), (1000, 0.7)])
def test_binomial_samples(n, p):
    lampas.manual_seed(1)
    x = lampas.binomial(lampas.full((20_000,), float(n)), lampas.tensor(p)).numpy()
    counts = np.bincount(x.astype(int), minlength=n + 1)
    expected = scipy.stats.binom(n, p).pmf(np.arange(n + 1)) * 20_000
    used = expected > 10
    assert ((counts - expected)[used] ** 2 / expected[used]).sum() < scipy.stats.chi2.ppf(0.9999, used.sum())


def test_binomial_edges():
    n = lampas.tensor([7.0, 7.0, -1.0, float("nan"), 0.0])
    found = lampas.binomial(n, lampas.tensor([0.0, 1.0, 0.5, 0.5, 0.5])).tolist()
    assert found[:3] == [0, 7, 0] and math.isnan(found[3]) and found[4] == 0


def test_one_generator():
    a = lampas.tensor([0.4, 3.0, 1.0])
    draw = [lampas._standard_gamma(a, generator=lampas.Generator().manual_seed(5)) for _ in range(2)]
    assert lampas.equal(*draw)
    lampas.manual_seed(5)
    assert lampas.equal(draw[0], lampas._standard_gamma(a))


def test_gradients():
    a = f64(0.4, 3.0).requires_grad_()
    x = lampas._standard_gamma(a)
    (g,) = lampas.autograd.grad(x.sum(), a, create_graph=True)
    assert lampas.equal(g, lampas._standard_gamma_grad(a.detach(), x.detach()))
    with pytest.raises(NotImplementedError, match="derivative for '_standard_gamma_grad'"):
        g.sum().backward()
    # the sum of a Dirichlet sample is 1 whatever the parameters are
    (g,) = lampas.autograd.grad(lampas._sample_dirichlet(a).sum(), a)
    assert lampas.allclose(g, lampas.zeros_like(g), atol=1e-12)
    with pytest.raises(RuntimeError, match="binomial' is not implemented"):
        lampas.binomial(a, lampas.full_like(a, 0.5).detach()).sum().backward()


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: lampas._standard_gamma(lampas.ones(2).half()), NotImplementedError, "not implemented for float16"),
        (lambda: lampas._sample_dirichlet(lampas.ones(2).long()), NotImplementedError, "not implemented for int64"),
        (lambda: lampas.binomial(lampas.ones(2).long(), lampas.ones(2)), ValueError, "floating-point dtypes for count"),
        (
            lambda: lampas.binomial(lampas.ones(2), lampas.ones(2).double()),
            RuntimeError,
            "float64 but expected float32",
        ),
        (lambda: lampas.binomial(lampas.ones(2), lampas.ones(3)), RuntimeError, "size"),
        (lambda: lampas._standard_gamma_grad(lampas.ones(2), f64(1.0)), RuntimeError, "expected float32"),
    ],
)
def test_refusals(call, error, text):
    with pytest.raises(error, match=text):
        call()
