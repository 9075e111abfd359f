"""Divergences against sums and integrals; their look-up by class."""

import numpy as np
import pytest

import lampas
import lampas.distributions as D


def f64(values):
    return lampas.tensor(values, dtype=lampas.float64)


NUMBERS = {
    "Beta": (D.Beta(f64(2.0), f64(3.0)), D.Beta(f64(1.5), f64(0.7))),
    "Cauchy": (D.Cauchy(f64(0.0), f64(0.2)), D.Cauchy(f64(0.1), f64(0.3))),
    "ContinuousBernoulli": (D.ContinuousBernoulli(f64(0.3)), D.ContinuousBernoulli(f64(0.8))),
    "Exponential": (D.Exponential(f64(3.0)), D.Exponential(f64(2.0))),
    "Gamma": (D.Gamma(f64(3.0), f64(4.0)), D.Gamma(f64(2.0), f64(2.5))),
    "Gumbel": (D.Gumbel(f64(0.3), f64(0.5)), D.Gumbel(f64(0.0), f64(0.8))),
    "Laplace": (D.Laplace(f64(0.3), f64(0.5)), D.Laplace(f64(0.0), f64(0.8))),
    "Normal": (D.Normal(f64(0.3), f64(0.5)), D.Normal(f64(0.0), f64(0.8))),
    "Pareto": (D.Pareto(f64(1.0), f64(6.0)), D.Pareto(f64(0.5), f64(4.0))),
    "Uniform": (D.Uniform(f64(0.25), f64(0.75)), D.Uniform(f64(0.0), f64(1.0))),
}
GRID = f64((np.arange(400000) + 0.5) / 10000 - 20)


def density(made: D.Distribution) -> lampas.Tensor:
    """On the grid; 0 outside the support."""
    inside = made.support.check(GRID)
    made._validate_args = False
    at = lampas.where(inside, GRID, made.sample())
    return lampas.where(inside, made.log_prob(at), -float("inf"))


@pytest.mark.parametrize("p", NUMBERS)
def test_continuous_divergences_by_integration(p: str) -> None:
    one = NUMBERS[p][0]
    log_p = density(one)
    weights = log_p.exp() * 1e-4
    for q, (_, other) in NUMBERS.items():
        if p == "Cauchy" and q != "Cauchy":
            continue
        try:
            found = D.kl_divergence(one, other)
        except NotImplementedError:
            continue
        log_q = density(other)
        if (q == "Uniform") and p in ("Beta", "ContinuousBernoulli"):
            log_q = lampas.where((GRID >= 0) & (GRID <= 1), 0.0, log_q)
        if ((log_q == -float("inf")) & (weights > 0)).any():
            assert found == float("inf"), (p, q)
        else:
            used = weights > 0
            expected = (weights[used] * (log_p[used] - log_q[used])).sum().item()
            assert found.item() == pytest.approx(expected, abs=0.02 if p == "Cauchy" else 2e-4), (p, q)


def test_discrete_divergences_by_summation() -> None:
    k = f64(np.arange(200.0))
    pairs = (
        (D.Bernoulli(f64(0.3)), D.Bernoulli(f64(0.6)), k[:2]),
        (D.Bernoulli(f64(0.3)), D.Poisson(f64(0.6)), k[:2]),
        (D.Binomial(7, f64(0.3)), D.Binomial(7, f64(0.6)), k[:8]),
        (D.Categorical(f64([0.3, 0.5, 0.2])), D.Categorical(f64([0.6, 0.2, 0.2])), k[:3]),
        (D.Geometric(f64(0.3)), D.Geometric(f64(0.6)), k),
        (D.Poisson(f64(3.0)), D.Poisson(f64(5.0)), k[:60]),
    )
    for p, q, values in pairs:
        log_p = p.log_prob(values)
        expected = (log_p.exp() * (log_p - q.log_prob(values))).sum()
        assert D.kl_divergence(p, q).item() == pytest.approx(expected.item(), rel=1e-6)
    assert D.kl_divergence(D.Bernoulli(0.5), D.Bernoulli(0.0)) == float("inf")
    assert D.kl_divergence(D.Categorical(f64([0.0, 1.0])), D.Categorical(f64([0.5, 0.5]))).item() == pytest.approx(
        np.log(2)
    )
    with pytest.raises(NotImplementedError, match=r"q.total_count > p.total_count"):
        D.kl_divergence(D.Binomial(3, f64(0.3)), D.Binomial(4, f64(0.3)))


def test_vector_divergences() -> None:
    rng = np.random.default_rng(0)
    w, v = rng.normal(size=(2, 3, 2))
    low = [D.LowRankMultivariateNormal(f64(m), f64(a), f64([0.5, 1.0, 2.0])) for m, a in ((w[:, 0], w), (v[:, 0], v))]
    full = [D.MultivariateNormal(d.loc, d.covariance_matrix) for d in low]
    p, q = full[0].covariance_matrix.numpy(), full[1].covariance_matrix.numpy()
    apart = w[:, 0] - v[:, 0]
    solved = np.linalg.inv(q)
    expected = 0.5 * (
        np.trace(solved @ p) - 3 + apart @ solved @ apart + np.linalg.slogdet(q)[1] - np.linalg.slogdet(p)[1]
    )
    for a in (low[0], full[0]):
        for b in (low[1], full[1]):
            assert D.kl_divergence(a, b).item() == pytest.approx(expected)
    one, other = D.Dirichlet(f64([0.5, 2.0, 3.0])), D.Dirichlet(f64([1.0, 1.0, 4.0]))
    lampas.manual_seed(0)
    x = one.sample((200000,))
    estimate = (one.log_prob(x) - other.log_prob(x)).mean().item()
    assert D.kl_divergence(one, other).item() == pytest.approx(estimate, abs=0.02)
    with pytest.raises(ValueError, match="different event shapes"):
        D.kl_divergence(full[0], D.MultivariateNormal(f64([0.0]), f64([[1.0]])))


@pytest.mark.parametrize("q", [D.Normal(f64(0.5), f64(2.0)), D.Exponential(f64(0.5)), D.Gamma(f64(2.0), f64(0.5))])
def test_infinite_moments_leave_other_gradients_alone(q: D.Distribution) -> None:
    """Of a Pareto distribution's moments, the first few are finite."""
    alpha = f64([0.5, 0.9, 3.5]).requires_grad_()
    found = D.kl_divergence(D.Pareto(f64(1.0), alpha), q)
    assert found.isinf().tolist() == [True, True, False]
    found[2].backward()
    assert alpha.grad[:2].tolist() == [0.0, 0.0]
    above, below = (D.kl_divergence(D.Pareto(f64(1.0), f64(3.5 + h)), q).item() for h in (1e-5, -1e-5))
    assert alpha.grad[2].item() == pytest.approx((above - below) / 2e-5, rel=1e-6)


def test_vae_loss_has_gradients() -> None:
    mean, log_scale = lampas.zeros(4, 2, requires_grad=True), lampas.zeros(4, 2, requires_grad=True)
    q = D.Independent(D.Normal(mean, log_scale.exp()), 1)
    p = D.Independent(D.Normal(lampas.ones(4, 2), lampas.ones(4, 2)), 1)
    loss = D.kl_divergence(q, p)
    assert loss.tolist() == [1.0] * 4
    loss.sum().backward()
    assert (mean.grad == -1).all()
    assert (log_scale.grad == 0).all()


def test_families_by_bregman_divergence() -> None:
    from lampas.distributions.kl import _kl_expfamily_expfamily

    for p, q in (
        (D.Normal(f64(0.3), f64(0.5)), D.Normal(f64(0.0), f64(0.8))),
        (D.Gamma(f64(3.0), f64(4.0)), D.Gamma(f64(2.0), f64(2.5))),
        (D.Dirichlet(f64([0.5, 2.0])), D.Dirichlet(f64([1.0, 1.5]))),
    ):
        assert _kl_expfamily_expfamily(p, q).item() == pytest.approx(D.kl_divergence(p, q).item())
    with pytest.raises(NotImplementedError, match="Bregman divergences: Normal and Poisson"):
        D.kl_divergence(D.Normal(0.0, 1.0), D.Poisson(1.0))


def test_look_up_by_class() -> None:
    class Base(D.Normal):
        """A normal distribution by another name."""

    class Left(Base):
        """Nearer on the left."""

    assert D.kl_divergence(Left(0.0, 1.0), D.Normal(1.0, 1.0)).item() == 0.5
    D.register_kl(Left, D.Normal)(lambda p, q: "left")
    D.register_kl(D.Normal, Base)(lambda p, q: "right")
    try:
        assert D.kl_divergence(Left(0.0, 1.0), D.Normal(1.0, 1.0)) == "left"
        assert D.kl_divergence(D.Normal(0.0, 1.0), Left(1.0, 1.0)) == "right"
        with pytest.warns(RuntimeWarning, match=r"Ambiguous kl_divergence\(Left, Base\)"):
            assert D.kl_divergence(Left(0.0, 1.0), Base(1.0, 1.0)) == "left"
    finally:
        for pair in ((Left, D.Normal), (D.Normal, Base)):
            del D.kl._KL_REGISTRY[pair]
        D.kl._found.clear()
    with pytest.raises(
        NotImplementedError, match=r"No KL\(p \|\| q\) is implemented for p type StudentT and q type Cauchy"
    ):
        D.kl_divergence(D.StudentT(2.0), D.Cauchy(0.0, 1.0))
    with pytest.raises(TypeError, match="Expected the type of a Distribution, a class, but got 3"):
        D.register_kl(3, D.Normal)
    with pytest.raises(NotImplementedError, match="same reinterpreted_batch_ndims, got 1 and 0"):
        normal = D.Normal(lampas.zeros(2), 1.0)
        D.kl_divergence(D.Independent(normal, 1), D.Independent(normal, 0))
    with pytest.raises(NotImplementedError, match="same transforms"):
        D.kl_divergence(D.LogNormal(0.0, 1.0), D.HalfCauchy(1.0))
