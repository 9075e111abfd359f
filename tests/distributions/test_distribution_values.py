"""Densities, distribution functions, entropies and moments against SciPy; samples against their distributions."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special
import scipy.stats as st

import lampas
import lampas.distributions as D


def f64(values: Any) -> lampas.Tensor:
    return lampas.tensor(values, dtype=lampas.float64)


A, B = np.array([0.4, 1.5, 4.0]), np.array([[0.8], [2.5]])

# ours, SciPy's, for parameters A and B that broadcast
CONTINUOUS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "Beta": (D.Beta, lambda a, b: st.beta(a, b)),
    "Cauchy": (D.Cauchy, lambda a, b: st.cauchy(a, b)),
    "Chi2": (lambda a, b: D.Chi2(a * b), lambda a, b: st.chi2(a * b)),
    "Exponential": (lambda a, b: D.Exponential(a * b), lambda a, b: st.expon(scale=1 / (a * b))),
    "FisherSnedecor": (lambda a, b: D.FisherSnedecor(a, b + 5), lambda a, b: st.f(a, b + 5)),
    "Gamma": (D.Gamma, lambda a, b: st.gamma(a, scale=1 / b)),
    "GeneralizedPareto": (
        lambda a, b: D.GeneralizedPareto(a, b, a / 10),
        lambda a, b: st.genpareto(a / 10, loc=a, scale=b),
    ),
    "Gumbel": (D.Gumbel, lambda a, b: st.gumbel_r(a, b)),
    "HalfCauchy": (lambda a, b: D.HalfCauchy(a * b), lambda a, b: st.halfcauchy(scale=a * b)),
    "HalfNormal": (lambda a, b: D.HalfNormal(a * b), lambda a, b: st.halfnorm(scale=a * b)),
    "InverseGamma": (lambda a, b: D.InverseGamma(a + 2.5, b), lambda a, b: st.invgamma(a + 2.5, scale=b)),
    "Laplace": (D.Laplace, lambda a, b: st.laplace(a, b)),
    "LogNormal": (lambda a, b: D.LogNormal(a, b / 3), lambda a, b: st.lognorm(b / 3, scale=np.exp(a))),
    "Normal": (D.Normal, lambda a, b: st.norm(a, b)),
    "Pareto": (lambda a, b: D.Pareto(a, b + 2.1), lambda a, b: st.pareto(b + 2.1, scale=a)),
    "StudentT": (lambda a, b: D.StudentT(b + 2.5, a, b), lambda a, b: st.t(b + 2.5, a, b)),
    "Uniform": (lambda a, b: D.Uniform(a, a + b), lambda a, b: st.uniform(a, b)),
    "VonMises": (lambda a, b: D.VonMises(a - 1, b), lambda a, b: st.vonmises(b, loc=a - 1)),
    "Weibull": (D.Weibull, lambda a, b: st.weibull_min(b, scale=a)),
}
DISCRETE: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "Bernoulli": (lambda a, b: D.Bernoulli(a * b / 11), lambda a, b: st.bernoulli(a * b / 11)),
    "Binomial": (lambda a, b: D.Binomial(30, a * b / 11), lambda a, b: st.binom(30, a * b / 11)),
    "Geometric": (lambda a, b: D.Geometric(a * b / 11), lambda a, b: st.geom(a * b / 11, loc=-1)),
    "NegativeBinomial": (lambda a, b: D.NegativeBinomial(a, b / 3), lambda a, b: st.nbinom(a, 1 - b / 3)),
    "Poisson": (lambda a, b: D.Poisson(a * b), lambda a, b: st.poisson(a * b)),
}


def close(ours: lampas.Tensor, expected: Any, rtol: float = 1e-6) -> None:
    assert ours.dtype == lampas.float64
    np.testing.assert_allclose(ours.numpy(), np.broadcast_to(expected, ours.shape), rtol=rtol, atol=1e-9)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_continuous_values(name: str) -> None:
    ours, theirs = (make(*args) for make, args in zip(CONTINUOUS[name], ((f64(A), f64(B)), (A, B)), strict=True))
    assert ours.batch_shape == (2, 3)
    assert ours.event_shape == ()
    levels = np.array([0.05, 0.3, 0.5, 0.9]).reshape(4, 1, 1)
    x = theirs.ppf(levels)
    close(ours.log_prob(f64(x)), theirs.logpdf(x))
    for compute, expected in (("cdf", theirs.cdf(x)), ("icdf", x)):
        try:
            found = getattr(ours, compute)(f64(levels if compute == "icdf" else x))
        except NotImplementedError:
            continue
        close(found, expected)
    if name not in ("FisherSnedecor", "VonMises"):  # without entropy; with circular moments
        close(ours.entropy(), theirs.entropy())
    if name not in ("Cauchy", "HalfCauchy", "VonMises"):
        close(ours.mean, theirs.mean())
        close(ours.variance, theirs.var())
        close(ours.stddev, theirs.std())


@pytest.mark.parametrize("name", DISCRETE)
def test_discrete_values(name: str) -> None:
    ours, theirs = (make(*args) for make, args in zip(DISCRETE[name], ((f64(A), f64(B)), (A, B)), strict=True))
    k = np.arange(2.0).reshape(2, 1, 1) if name == "Bernoulli" else np.arange(9.0).reshape(9, 1, 1)
    close(ours.log_prob(f64(k)), theirs.logpmf(k))
    close(ours.mean, theirs.mean())
    close(ours.variance, theirs.var())
    if name in ("Bernoulli", "Binomial", "Geometric", "Poisson"):
        close(ours.entropy(), theirs.entropy(), rtol=1e-5) if name != "Poisson" else None
    best = np.arange(31.0).reshape(-1, 1, 1)
    if name == "Bernoulli":
        best = best[:2]
    # of a whole rate, two counts are most likely
    np.testing.assert_allclose(theirs.pmf(ours.mode.numpy()), theirs.pmf(best).max(0), rtol=1e-9)


@pytest.mark.parametrize("name", {**CONTINUOUS, **DISCRETE})
def test_samples_follow_the_distribution(name: str) -> None:
    """The distribution function of samples is uniform; counts have the right frequencies."""
    lampas.manual_seed(11)
    ours, theirs = (make(*v) for make, v in zip((CONTINUOUS | DISCRETE)[name], ((f64(A), f64(B)), (A, B)), strict=True))
    drawn = ours.sample((4000,))
    assert drawn.shape == (4000, 2, 3)
    assert ours.support.check(drawn).all()
    assert not drawn.requires_grad
    if name in CONTINUOUS:
        centre = A - 1 if name == "VonMises" else 0
        turned = drawn.numpy()
        if name == "VonMises":
            turned = (turned - centre + np.pi) % (2 * np.pi) - np.pi + centre
        u = theirs.cdf(turned)
        for i in np.ndindex(2, 3):
            assert st.kstest(u[(slice(None), *i)], "uniform").pvalue > 1e-4
    else:
        for k in range(3):
            p = theirs.pmf(k)
            np.testing.assert_allclose((drawn.numpy() == k).mean(0), p, atol=5 * np.sqrt(0.25 / 4000))


def test_binomial_of_many_trials() -> None:
    """Both of its algorithms, on both sides of 1/2."""
    lampas.manual_seed(2)
    n, p = f64([100.0, 100.0, 20.0, 20.0, 5.0, 5.0, 5.0]), f64([0.3, 0.8, 0.1, 0.95, 0.0, 1.0, 0.5])
    drawn = D.Binomial(n, p).sample((4000,))
    np.testing.assert_allclose(drawn.mean(0).numpy(), (n * p).numpy(), atol=0.3)
    np.testing.assert_allclose(drawn.var(0).numpy(), (n * p * (1 - p)).numpy(), rtol=0.1, atol=1e-12)


def test_many_samples_are_the_same_in_pieces() -> None:
    for made in (D.Gamma(f64(0.6), f64(1.0)), D.Binomial(50, f64(0.4))):
        lampas.manual_seed(6)
        whole, after = made.sample((30000,)), lampas.rand(1)
        lampas.manual_seed(6)
        pieces = lampas.cat([made.sample((n,)) for n in (1, 2, 9997, 20000)])
        assert (pieces == whole).all()
        assert lampas.rand(1) == after


def test_vectors_against_scipy() -> None:
    rng = np.random.default_rng(0)
    root = rng.normal(size=(4, 3))
    covariance, loc, x = root.T @ root, rng.normal(size=3), rng.normal(size=(5, 3))
    expected = st.multivariate_normal(loc, covariance)
    factor = np.linalg.cholesky(covariance)
    for made in (
        D.MultivariateNormal(f64(loc), f64(covariance)),
        D.MultivariateNormal(f64(loc), precision_matrix=f64(np.linalg.inv(covariance))),
        D.MultivariateNormal(f64(loc), scale_tril=f64(factor)),
    ):
        close(made.log_prob(f64(x)), expected.logpdf(x))
        close(made.entropy(), expected.entropy())
        close(made.covariance_matrix, covariance)
        close(made.precision_matrix, np.linalg.inv(covariance))
        close(made.scale_tril, factor)
        close(made.variance, np.diag(covariance))
    w, d = rng.normal(size=(3, 2)), np.array([0.5, 1.0, 2.0])
    low = D.LowRankMultivariateNormal(f64(loc), f64(w), f64(d))
    full = st.multivariate_normal(loc, w @ w.T + np.diag(d))
    close(low.log_prob(f64(x)), full.logpdf(x))
    close(low.entropy(), full.entropy())
    close(low.scale_tril @ low.scale_tril.mT, full.cov)
    close(low.precision_matrix, np.linalg.inv(full.cov))
    a = np.array([0.7, 2.0, 3.0])
    weights = rng.dirichlet(a, size=4)
    close(D.Dirichlet(f64(a)).log_prob(f64(weights)), [st.dirichlet(a).logpdf(v) for v in weights])
    close(D.Dirichlet(f64(a)).entropy(), st.dirichlet(a).entropy())
    close(D.Dirichlet(f64(a)).variance, st.dirichlet(a).var())
    p, counts = np.array([0.2, 0.3, 0.5]), np.array([[1.0, 2.0, 4.0], [0.0, 0.0, 7.0]])
    close(D.Multinomial(7, f64(p)).log_prob(f64(counts)), st.multinomial(7, p).logpmf(counts))
    close(D.Multinomial(7, f64(p)).entropy(), st.multinomial(7, p).entropy())
    wishart = D.Wishart(f64(5.5), f64(covariance))
    close(wishart.log_prob(f64(covariance * 2)), st.wishart(5.5, covariance).logpdf(covariance * 2))
    close(wishart.entropy(), st.wishart(5.5, covariance).entropy())
    close(wishart.variance, st.wishart(5.5, covariance).var())


def test_vector_samples() -> None:
    lampas.manual_seed(0)
    covariance = f64([[2.0, 0.5], [0.5, 1.0]])
    for made in (
        D.MultivariateNormal(f64([1.0, -1.0]), covariance),
        D.LowRankMultivariateNormal(f64([1.0, -1.0]), f64([[1.0], [0.5]]), f64([1.0, 0.75])),
    ):
        drawn = made.sample((20000,))
        np.testing.assert_allclose(drawn.mean(0).numpy(), [1.0, -1.0], atol=0.05)
        np.testing.assert_allclose(drawn.T.cov().numpy(), covariance.numpy(), atol=0.08)
    drawn = D.Wishart(f64(4.0), covariance).sample((5000,))
    np.testing.assert_allclose(drawn.mean(0).numpy(), 4 * covariance.numpy(), atol=0.3)
    weights = D.Dirichlet(f64([0.5, 1.0, 2.5])).sample((5000,))
    np.testing.assert_allclose(weights.mean(0).numpy(), [0.125, 0.25, 0.625], atol=0.02)
    counts = D.Multinomial(10, f64([0.2, 0.8])).sample((2000,))
    assert (counts.sum(-1) == 10).all()
    np.testing.assert_allclose(counts.mean(0).numpy(), [2.0, 8.0], atol=0.15)
    factors = D.LKJCholesky(3, 2.0).sample((4000,))
    assert D.constraints.corr_cholesky.check(factors).all()
    # an off-diagonal correlation r has (r + 1) / 2 from Beta(c + n/2 - 1, ...) (Lewandowski et al.)
    r = (factors @ factors.mT)[:, 1, 0].numpy()
    assert st.kstest((r + 1) / 2, st.beta(2.5, 2.5).cdf).pvalue > 1e-4


def test_lkj_density_integrates_to_one() -> None:
    r = np.linspace(-1, 1, 20001)[1:-1]
    factors = np.zeros((len(r), 2, 2))
    factors[:, 0, 0], factors[:, 1, 0], factors[:, 1, 1] = 1, r, np.sqrt(1 - r * r)
    density = D.LKJCholesky(2, f64(1.7)).log_prob(f64(factors)).exp().numpy()
    assert density.sum() * (r[1] - r[0]) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("p", [0.02, 0.4, 0.4995, 0.5, 0.9])
def test_continuous_bernoulli_by_integration(p: float) -> None:
    made = D.ContinuousBernoulli(f64(p))
    x = f64((np.arange(20000) + 0.5) / 20000)
    density = made.log_prob(x).exp()
    assert density.mean().item() == pytest.approx(1, abs=1e-6)
    mean = (density * x).mean()
    assert made.mean.item() == pytest.approx(mean.item(), abs=1e-6)
    assert made.variance.item() == pytest.approx((density * (x - mean) ** 2).mean().item(), abs=1e-6)
    assert made.entropy().item() == pytest.approx(-(density * density.log()).mean().item(), abs=1e-6)
    np.testing.assert_allclose(made.icdf(made.cdf(x)).numpy(), x.numpy(), atol=1e-6)


def test_kumaraswamy_and_weibull_modes_by_search() -> None:
    x = f64((np.arange(100000) + 0.5) / 20000)
    for k in (1.5, 3.0):
        made = D.Weibull(f64(1.3), f64(k))
        assert made.mode.item() == pytest.approx(x[made.log_prob(x).argmax()].item(), abs=1e-4)
    assert D.Weibull(1.3, 0.5).mode == 0
    inside = x[:20000]
    made = D.Kumaraswamy(f64(2.0), f64(3.0))
    assert made.mode.item() == pytest.approx(inside[made.log_prob(inside).argmax()].item(), abs=1e-4)
    density = made.log_prob(inside).exp()
    assert density.mean().item() == pytest.approx(1, abs=1e-4)
    assert made.entropy().item() == pytest.approx(-(density * density.log()).mean().item(), abs=1e-4)
    assert D.Kumaraswamy(0.5, 0.5).mode.isnan()


def test_relaxed_densities_integrate_to_one() -> None:
    x = f64((np.arange(20000) + 0.5) / 20000)
    made = D.RelaxedBernoulli(f64(0.8), f64(0.3))
    assert made.log_prob(x).exp().mean().item() == pytest.approx(1, abs=1e-2)
    both = lampas.stack([x, 1 - x], -1)
    made = D.RelaxedOneHotCategorical(f64(0.8), f64([0.3, 0.7]))
    assert made.log_prob(both).exp().mean().item() == pytest.approx(1, abs=1e-2)


def test_categorical() -> None:
    weights = lampas.tensor([[1.0, 3.0, 0.0], [2.0, 2.0, 4.0]])
    made = D.Categorical(weights)
    assert made.probs.tolist() == [[0.25, 0.75, 0.0], [0.25, 0.25, 0.5]]
    assert made.log_prob(lampas.tensor([1, 2])).exp().tolist() == pytest.approx([0.75, 0.5])
    assert made.entropy().tolist() == pytest.approx([st.entropy([1, 3]), st.entropy([1, 1, 2])], rel=1e-5)
    lampas.manual_seed(0)
    drawn = made.sample((3000,))
    assert drawn.dtype == lampas.int64
    frequency = lampas.stack([(drawn == k).float().mean(0) for k in range(3)], -1)
    np.testing.assert_allclose(frequency.numpy(), made.probs.numpy(), atol=0.04)
    one_hot = D.OneHotCategorical(weights)
    lampas.manual_seed(0)
    assert (one_hot.sample((3000,)).argmax(-1) == drawn).all()


def test_mixture() -> None:
    made = D.MixtureSameFamily(D.Categorical(f64([0.25, 0.75])), D.Normal(f64([-1.0, 2.0]), f64([0.5, 1.0])))
    x = np.linspace(-3, 5, 9)
    density = 0.25 * st.norm(-1, 0.5).pdf(x) + 0.75 * st.norm(2, 1).pdf(x)
    close(made.log_prob(f64(x)), np.log(density))
    close(made.cdf(f64(x)), 0.25 * st.norm(-1, 0.5).cdf(x) + 0.75 * st.norm(2, 1).cdf(x))
    close(made.mean, 1.25)
    close(made.variance, 0.25 * (0.25 + 2.25**2) + 0.75 * (1 + 0.75**2))
    lampas.manual_seed(4)
    drawn = made.sample((5000,))
    assert drawn.mean().item() == pytest.approx(1.25, abs=0.1)
    wide = made.expand((3,))
    assert wide.sample((2,)).shape == (2, 3)


# --- gradients of samples -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("a", [1e-3, 0.05, 0.5, 1.0, 3.0, 30.0, 1e3, 1e5])
def test_gamma_gradient_by_differences_of_quantiles(a: float) -> None:
    for level in (1e-4, 0.1, 0.5, 0.9, 0.9999):
        x, h = scipy.special.gammaincinv(a, level), a * 1e-5
        if x < 1e-280:
            continue
        ends = [scipy.special.gammaincinv(a + s * h, level) for s in (-1, 1)]
        expected = (ends[1] - ends[0]) / (2 * h)
        assert lampas._standard_gamma_grad(f64([a]), f64([x])).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("a", "b"), [(0.3, 0.2), (1.0, 3.0), (20.0, 5.0), (300.0, 2000.0), (0.01, 10.0)])
def test_beta_gradient_by_differences_of_quantiles(a: float, b: float) -> None:
    for level in (0.01, 0.5, 0.99):
        x, h = scipy.special.betaincinv(a, b, level), a * 1e-5
        if not 1e-280 < x < 1 - 1e-9:
            continue
        ends = [scipy.special.betaincinv(a + s * h, b, level) for s in (-1, 1)]
        expected = (ends[1] - ends[0]) / (2 * h) / (1 - x)
        assert lampas._dirichlet_grad(f64([x]), f64([a]), f64([a + b])).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    "make",
    [
        lambda a: D.Normal(a, a),
        lambda a: D.Laplace(a, a),
        lambda a: D.Gumbel(a, a),
        lambda a: D.Uniform(a, 3 * a),
        lambda a: D.LogNormal(a, a),
        lambda a: D.Weibull(a, a),
        lambda a: D.MultivariateNormal(a.reshape(1), a.reshape(1, 1)),
        lambda a: D.RelaxedBernoulli(f64(0.5), a / 4),
        lambda a: D.TransformedDistribution(D.Normal(a, 1.0), [D.TanhTransform(), D.AffineTransform(a, a)]),
    ],
)
def test_rsample_is_the_derivative_of_the_sample(make: Callable[..., Any]) -> None:
    def drawn(value: float) -> lampas.Tensor:
        lampas.manual_seed(0)
        return make(f64(value)).rsample((5,)).sum()

    a, h = f64(1.3).requires_grad_(), 1e-5
    lampas.manual_seed(0)
    make(a).rsample((5,)).sum().backward()
    expected = (drawn(1.3 + h) - drawn(1.3 - h)).item() / (2 * h)
    assert a.grad.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("make", [lambda a: D.Dirichlet(a), lambda a: D.Wishart(a.sum() + 1, lampas.eye(2).double())])
def test_gradients_of_expectations(make: Callable[..., Any]) -> None:
    """The mean gradient of samples is the gradient of the mean."""
    a = f64([0.8, 1.5, 2.0]).requires_grad_()
    lampas.manual_seed(0)
    drawn = make(a).rsample((20000,)).mean(0)
    weights = lampas.linspace(1, 3, drawn.numel(), dtype=lampas.float64).reshape(drawn.shape)
    (found,) = lampas.autograd.grad((drawn * weights).sum(), a)
    (expected,) = lampas.autograd.grad((make(a).mean * weights).sum(), a)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=0.02 * max(1, expected.abs().max().item()))


def test_straight_through() -> None:
    logits = lampas.zeros(3, requires_grad=True)
    drawn = D.OneHotCategoricalStraightThrough(logits=logits).rsample()
    assert sorted(drawn.tolist()) == [0.0, 0.0, 1.0]
    drawn[0].backward()
    assert logits.grad.tolist() == pytest.approx([2 / 9, -1 / 9, -1 / 9])


def test_exponential_family_entropy_agrees() -> None:
    for made in (
        D.Normal(f64(1.0), f64(2.0)),
        D.Gamma(f64(2.0), f64(3.0)),
        D.Bernoulli(f64(0.3)),
        D.Exponential(f64(2.0)),
    ):
        assert D.ExponentialFamily.entropy(made).item() == pytest.approx(made.entropy().item())
    assert D.Normal(0.0, 1.0).perplexity().item() == pytest.approx(math.sqrt(2 * math.pi * math.e))
