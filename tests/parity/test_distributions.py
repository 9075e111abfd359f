"""Distributions against PyTorch: values, samples of one seed, their gradients, divergences, transforms, errors."""

from __future__ import annotations

import importlib
import inspect
import itertools
import pkgutil
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import torch.distributions as theirs  # noqa: E402

import lampas  # noqa: E402
import lampas.distributions as ours  # noqa: E402

# PyTorch finds every Wishart sample singular, and draws it again.
pytestmark = pytest.mark.filterwarnings("ignore:Singular sample")

PAIR = ((lampas, ours), (torch, theirs))


@pytest.fixture(autouse=True)
def arguments_are_checked() -> None:
    """PyTorch's compiler, where another test has used it, turns the checks off for the whole process."""
    theirs.Distribution.set_default_validate_args(True)


V = [0.3, 1.2, 2.5]  # positive parameters
P = [[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]]  # weights
COVARIANCE = [[2.0, 0.5], [0.5, 1.0]]

# name: (constructor of (D, t), its parameters by name as nested lists)
CASES = {
    "Bernoulli": ("Bernoulli(probs)", {"probs": P}),
    "Bernoulli logits": ("Bernoulli(logits=logits)", {"logits": [-1.0, 0.0, 2.0]}),
    "Beta": ("Beta(a, b)", {"a": V, "b": [[0.5], [3.0]]}),
    "Binomial": ("Binomial(n, probs)", {"n": [5.0, 40.0, 100.0], "probs": P}),
    "Binomial one count": ("Binomial(7, logits=logits)", {"logits": [-1.0, 0.5]}),
    "Categorical": ("Categorical(probs)", {"probs": P}),
    "Categorical logits": ("Categorical(logits=logits)", {"logits": [0.1, -2.0, 3.0]}),
    "Cauchy": ("Cauchy(loc, scale)", {"loc": [0.0, 1.0, -2.0], "scale": V}),
    "Chi2": ("Chi2(df)", {"df": V}),
    "ContinuousBernoulli": ("ContinuousBernoulli(probs)", {"probs": [0.1, 0.4995, 0.5, 0.7]}),
    "Dirichlet": ("Dirichlet(a)", {"a": [[0.5, 1.5, 3.0], [2.0, 2.0, 0.1]]}),
    "Exponential": ("Exponential(rate)", {"rate": V}),
    "FisherSnedecor": ("FisherSnedecor(a, b)", {"a": V, "b": [1.0, 3.0, 5.0]}),
    "Gamma": ("Gamma(a, rate)", {"a": V, "rate": [1.0, 2.0, 0.5]}),
    "GeneralizedPareto": (
        "GeneralizedPareto(loc, scale, k)",
        {"loc": [0.0, 1.0, 2.0], "scale": V, "k": [0.0, 0.3, 0.7]},
    ),
    "Geometric": ("Geometric(probs)", {"probs": P}),
    "Geometric logits": ("Geometric(logits=logits)", {"logits": [-1.0, 1.0]}),
    "Gumbel": ("Gumbel(loc, scale)", {"loc": [0.0, 1.0, -2.0], "scale": V}),
    "HalfCauchy": ("HalfCauchy(scale)", {"scale": V}),
    "HalfNormal": ("HalfNormal(scale)", {"scale": V}),
    "Independent": ("Independent(D.Normal(loc, scale), 1)", {"loc": [[0.0], [1.0]], "scale": V}),
    "InverseGamma": ("InverseGamma(a, rate)", {"a": [0.5, 1.5, 4.0], "rate": V}),
    "Kumaraswamy": ("Kumaraswamy(a, b)", {"a": [0.5, 1.5, 2.0], "b": [1.0, 2.0, 3.0]}),
    "Laplace": ("Laplace(loc, scale)", {"loc": [0.0, 1.0, -2.0], "scale": V}),
    "LKJCholesky": ("LKJCholesky(3, c)", {"c": [0.7, 2.0]}),
    "LogNormal": ("LogNormal(loc, scale)", {"loc": [0.0, 1.0, -2.0], "scale": [0.3, 0.5, 1.0]}),
    "LogisticNormal": ("LogisticNormal(loc, scale)", {"loc": [0.0, 1.0, -2.0], "scale": V}),
    "LowRankMultivariateNormal": (
        "LowRankMultivariateNormal(loc, w, d)",
        {"loc": [[0.0, 1.0], [2.0, 3.0], [0.0, 0.0]], "w": [[1.0], [-0.5]], "d": [0.5, 2.0]},
    ),
    "MixtureSameFamily": (
        "MixtureSameFamily(D.Categorical(probs), D.Normal(loc, scale))",
        {"probs": P, "loc": [[-1.0, 0.0, 3.0], [2.0, 0.0, 1.0]], "scale": V},
    ),
    "MixtureSameFamily vectors": (
        "MixtureSameFamily(D.Categorical(probs), D.Independent(D.Normal(loc, 1.0), 1))",
        {"probs": [0.3, 0.7], "loc": [[-1.0, 0.0, 3.0], [0.0, 1.0, 2.0]]},
    ),
    "Multinomial": ("Multinomial(5, probs)", {"probs": P}),
    "MultivariateNormal": (
        "MultivariateNormal(loc, s)",
        {"loc": [[0.0, 1.0], [2.0, 3.0], [0.0, 0.0]], "s": COVARIANCE},
    ),
    "MultivariateNormal precision": (
        "MultivariateNormal(loc, precision_matrix=s)",
        {"loc": [0.0, 1.0], "s": [COVARIANCE, [[1.0, 0.0], [0.0, 4.0]]]},
    ),
    "MultivariateNormal tril": (
        "MultivariateNormal(loc, scale_tril=s)",
        {"loc": [0.0, 1.0], "s": [[1.0, 0.0], [-0.5, 2.0]]},
    ),
    "NegativeBinomial": ("NegativeBinomial(n, probs)", {"n": V, "probs": P}),
    "NegativeBinomial logits": ("NegativeBinomial(3.0, logits=logits)", {"logits": [-1.0, 0.5]}),
    "Normal": ("Normal(loc, scale)", {"loc": [[0.0], [1.0]], "scale": V}),
    "OneHotCategorical": ("OneHotCategorical(probs)", {"probs": P}),
    "OneHotCategoricalStraightThrough": ("OneHotCategoricalStraightThrough(logits=l)", {"l": P}),
    "Pareto": ("Pareto(scale, alpha)", {"scale": V, "alpha": [0.5, 1.5, 3.0]}),
    "Poisson": ("Poisson(rate)", {"rate": [0.5, 4.0, 30.0]}),
    "RelaxedBernoulli": ("RelaxedBernoulli(temperature, probs)", {"temperature": 0.7, "probs": P}),
    "RelaxedOneHotCategorical": ("RelaxedOneHotCategorical(temperature, probs)", {"temperature": 0.7, "probs": P}),
    "StudentT": ("StudentT(df, loc, scale)", {"df": [0.7, 1.5, 4.0], "loc": [0.0, 1.0, 2.0], "scale": V}),
    "TransformedDistribution": (
        "TransformedDistribution(D.Normal(loc, scale), [D.AffineTransform(1.0, -2.0), D.SigmoidTransform()])",
        {"loc": [0.0, 1.0, -2.0], "scale": V},
    ),
    "Uniform": ("Uniform(low, high)", {"low": [0.0, -1.0, 2.0], "high": [1.0, 2.0, 5.0]}),
    "VonMises": ("VonMises(loc, k)", {"loc": [0.0, 1.0, -2.0], "k": [0.1, 1.0, 20.0]}),
    "Weibull": ("Weibull(scale, k)", {"scale": V, "k": [0.5, 1.5, 3.0]}),
    "Wishart": ("Wishart(df, s)", {"df": [4.0, 7.5], "s": COVARIANCE}),
    "Wishart tril": ("Wishart(df, scale_tril=s)", {"df": 5.0, "s": [[1.0, 0.0], [-0.5, 2.0]]}),
}
# Statistics of a draw's moments, of its gradient, by implicit differentiation: PyTorch approximates it.
IMPLICIT = ("Beta", "Chi2", "Dirichlet", "FisherSnedecor", "Gamma", "InverseGamma", "StudentT", "Wishart")


def build(name: str, grad: bool = False) -> list:
    """[(library, parameters, distribution), ...] of lampas and PyTorch."""
    text, parameters = CASES[name]
    made = []
    for library, package in PAIR:
        values = {k: library.tensor(v, requires_grad=grad) for k, v in parameters.items()}
        made.append((library, values, eval(f"D.{text}", {"D": package, **values})))
    return made


def same(ours, theirs, rtol=2e-4, atol=2e-5):
    assert str(ours.dtype).split(".")[1] == str(theirs.dtype).split(".")[1]
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=rtol, atol=atol)
    assert tuple(ours.shape) == tuple(theirs.shape)


def attempt(call):
    """The value, or the type of the exception that computing it raises."""
    try:
        return call()
    except (NotImplementedError, ValueError) as error:
        return type(error)


def alike(ours, theirs, **tolerance):
    if isinstance(theirs, torch.Tensor):
        same(ours, theirs, **tolerance)
    else:
        assert ours == theirs


# PyTorch's formulas for these modes give NaN, and the scale where the mode is 0; lampas' are tested in tests/.
WRONG_THERE = {("Kumaraswamy", "mode"), ("Weibull", "mode")}


@pytest.mark.parametrize("name", CASES)
def test_facts(name):
    (_, _, mine), (_, _, other) = build(name)
    assert repr(mine) == repr(other)
    assert tuple(mine.batch_shape) == tuple(other.batch_shape)
    assert tuple(mine.event_shape) == tuple(other.event_shape)
    assert (mine.has_rsample, mine.has_enumerate_support) == (other.has_rsample, other.has_enumerate_support)
    assert repr(mine.support) == repr(other.support)
    assert repr(mine.arg_constraints) == repr(other.arg_constraints)
    for what in ("mean", "variance", "stddev", "mode"):
        if (name, what) in WRONG_THERE:
            continue
        alike(attempt(lambda: getattr(mine, what)), attempt(lambda: getattr(other, what)))  # noqa: B023
    alike(attempt(mine.entropy), attempt(other.entropy))
    alike(attempt(mine.enumerate_support), attempt(other.enumerate_support))


@pytest.mark.parametrize("name", CASES)
def test_samples_and_their_probabilities(name):
    (_, _, mine), (_, _, other) = build(name)
    lampas.manual_seed(3)
    torch.manual_seed(3)
    same(mine.sample(), other.sample())
    drawn, expected = mine.sample([50]), other.sample([50])
    same(drawn, expected, rtol=2e-3, atol=1e-5)
    same(lampas.rand(1), torch.rand(1))  # the stream went on by as much
    mine._validate_args = other._validate_args = False
    value = lampas.tensor(expected.numpy())
    same(mine.log_prob(value), other.log_prob(expected), rtol=1e-3, atol=1e-4)
    alike(attempt(lambda: mine.cdf(value)), attempt(lambda: other.cdf(expected)), atol=1e-4)
    if len(mine.event_shape) == 0:
        u = np.random.default_rng(0).uniform(0.01, 0.99, (4, *mine.batch_shape)).astype(np.float32)
        alike(attempt(lambda: mine.icdf(lampas.tensor(u))), attempt(lambda: other.icdf(torch.tensor(u))), rtol=2e-3)


@pytest.mark.parametrize("name", CASES)
def test_gradients(name):
    grads = []
    for library, values, made in build(name, grad=True):
        library.manual_seed(5)
        made._validate_args = False
        with library.no_grad():
            value = made.sample([6])
        total = made.log_prob(value).sum()
        if made.has_rsample and "Wishart" not in name:  # PyTorch changes a mask in place and cannot go back
            library.manual_seed(5)
            drawn = made.rsample([6])
            assert drawn.requires_grad
            weights = library.linspace(0.5, 1.5, drawn.numel()).reshape(drawn.shape)
            total = total + (drawn * weights).sum() * 0.1
        total.backward()
        grads.append({k: v.grad for k, v in values.items()})
    for key, expected in grads[1].items():
        if expected is None:
            assert grads[0][key] is None
        else:
            if (name, key) == ("Wishart tril", "s"):  # PyTorch's has numbers in the half that nobody reads
                expected = expected.tril()
            same(grads[0][key], expected, rtol=3e-2 if name.split()[0] in IMPLICIT else 2e-3, atol=2e-3)


@pytest.mark.parametrize("name", CASES)
def test_expand(name):
    (_, _, mine), (_, _, other) = build(name)
    mine, other = mine.expand((2, *mine.batch_shape)), other.expand((2, *other.batch_shape))
    assert repr(mine) == repr(other)
    assert tuple(mine.batch_shape) == tuple(other.batch_shape)
    lampas.manual_seed(1)
    torch.manual_seed(1)
    expected = other.sample([3])
    same(mine.sample([3]), expected, rtol=2e-3)
    mine._validate_args = other._validate_args = False
    same(mine.log_prob(lampas.tensor(expected.numpy())), other.log_prob(expected), rtol=1e-3, atol=1e-4)


def test_double_precision_samples_and_gradients():
    for name in ("Gamma", "Dirichlet", "Beta", "StudentT", "Binomial", "VonMises"):
        text, parameters = CASES[name]
        drawn = []
        for library, package in PAIR:
            library.manual_seed(9)
            values = {k: library.tensor(v, dtype=library.float64) for k, v in parameters.items()}
            drawn.append(eval(f"D.{text}", {"D": package, **values}).sample([20]))
        same(*drawn, rtol=1e-12, atol=1e-14)


KL = {
    "Bernoulli": "Bernoulli(t([0.1, 0.9, {}]))",
    "Beta": "Beta(t([0.5, 2.0, {}]), t([1.0, 0.7, 2.0]))",
    "Binomial": "Binomial(5, t([0.1, 0.9, {} / 4]))",
    "Categorical": "Categorical(t([0.1, 0.9, {}]))",
    "Cauchy": "Cauchy(t([0.0, 1.0, {}]), t([1.0, {}, 2.0]))",
    "ContinuousBernoulli": "ContinuousBernoulli(t([0.1, 0.9, {} / 4]))",
    "Dirichlet": "Dirichlet(t([0.1, 0.9, {}]))",
    "Exponential": "Exponential(t([0.1, 0.9, {}]))",
    "Gamma": "Gamma(t([0.1, 0.9, {}]), t([1.0, {}, 2.0]))",
    "Geometric": "Geometric(t([0.1, 0.9, {} / 4]))",
    "Gumbel": "Gumbel(t([0.0, 1.0, {}]), t([1.0, {}, 2.0]))",
    "HalfNormal": "HalfNormal(t([0.1, 0.9, {}]))",
    "Independent": "Independent(D.Normal(t([0.0, 1.0, {}]), t([1.0, {}, 2.0])), 1)",
    "Laplace": "Laplace(t([0.0, 1.0, {}]), t([1.0, {}, 2.0]))",
    "LogNormal": "LogNormal(t([0.0, 1.0, {}]), t([1.0, {}, 2.0]))",
    "LowRankMultivariateNormal": "LowRankMultivariateNormal(t([{}, 1.0]), t([[1.0], [{}]]), t([0.5, {}]))",
    "MultivariateNormal": "MultivariateNormal(t([[{}, 1.0], [0.0, 2.0]]), t([[2.0, 0.5], [0.5, {}]]))",
    "Normal": "Normal(t([0.0, 1.0, {}]), t([1.0, {}, 2.0]))",
    "OneHotCategorical": "OneHotCategorical(t([0.1, 0.9, {}]))",
    "Pareto": "Pareto(t([0.5, 1.0, {}]), t([1.5, 2.5, {} + 2]))",
    "Poisson": "Poisson(t([0.1, 0.9, {}]))",
    "StudentT": "StudentT(t([0.1, 0.9, {}]))",
    "Uniform": "Uniform(t([0.2, 0.1, {} / 8]), t([0.7, 2.0, {}]))",
    "Wishart": "Wishart(t(4.0), t([[2.0, 0.5], [0.5, {}]]))",
}


@pytest.mark.parametrize("p", KL)
def test_kl(p):
    for q in KL:
        found = []
        for library, package in PAIR:
            names = {"D": package, "t": library.tensor}
            a, b = (eval("D." + KL[k].format(*[n] * 3), names) for k, n in ((p, 0.6), (q, 0.8)))
            found.append(attempt(lambda: package.kl_divergence(a, b)))  # noqa: B023
        try:
            alike(*found, rtol=2e-3, atol=1e-4)
        except AssertionError as error:
            raise AssertionError(f"KL({p} || {q}): {found}") from error


TRANSFORMS = {
    "AbsTransform()": (3,),
    "AffineTransform(1.0, -2.0)": (3,),
    "AffineTransform(t([1.0, 2.0, 3.0]), t([-1.0, 2.0, 0.5]), event_dim=1)": (2, 3),
    "CatTransform([D.ExpTransform(), D.TanhTransform()], dim=-1, lengths=[1, 2])": (2, 3),
    "ComposeTransform([D.AffineTransform(0.5, 2.0), D.SigmoidTransform(), D.PowerTransform(t(2.0))])": (3,),
    "ComposeTransform([D.ExpTransform(), D.StickBreakingTransform()])": (2, 3),
    "CorrCholeskyTransform()": (2, 6),
    "CumulativeDistributionTransform(D.Normal(0.5, 2.0))": (3,),
    "ExpTransform()": (3,),
    "IndependentTransform(D.ExpTransform(), 1)": (2, 3),
    "LowerCholeskyTransform()": (2, 3, 3),
    "PositiveDefiniteTransform()": (2, 3, 3),
    "PowerTransform(t(2.0)).inv.inv": (3,),
    "ReshapeTransform((2, 3), (6,))": (4, 2, 3),
    "SigmoidTransform()": (3,),
    "SoftmaxTransform()": (2, 3),
    "SoftplusTransform()": (3,),
    "StackTransform([D.ExpTransform(), D.TanhTransform()], dim=1)": (3, 2),
    "StickBreakingTransform()": (2, 3),
    "TanhTransform()": (3,),
    "ExpTransform().inv": (3,),
}


@pytest.mark.parametrize("text", TRANSFORMS)
def test_transforms(text):
    x = np.random.default_rng(1).normal(size=TRANSFORMS[text]).astype(np.float32)
    if "Power" in text or ".inv" in text:
        x = abs(x)
    rows = []
    for library, package in PAIR:
        made = eval("D." + text, {"D": package, "t": library.tensor})
        at = library.tensor(x, requires_grad=True)
        y = made(at)
        slope = attempt(lambda: made.log_abs_det_jacobian(at, y))  # noqa: B023
        if slope is not NotImplementedError and slope.requires_grad:
            slope.sum().backward(retain_graph=True)
        y.sin().sum().backward()
        facts = (
            repr(made), repr(made.inv), repr(made.domain), repr(made.codomain), made.bijective,
            tuple(made.forward_shape(x.shape)), tuple(made.inverse_shape(y.shape)),
            str(attempt(lambda: made.sign)), str(attempt(lambda: made.event_dim)),  # noqa: B023
            made == eval("D." + text, {"D": package, "t": library.tensor}), made == package.ExpTransform(),
        )  # fmt: skip
        rows.append((facts, y, made.inv(y), slope, at.grad))
    facts, expected = rows[0][0], rows[1][0]
    assert [f.replace("torch.", "") if isinstance(f, str) else f for f in facts] == [
        f.replace("torch.", "") if isinstance(f, str) else f for f in expected
    ]
    for mine, other in zip(rows[0][1:], rows[1][1:], strict=True):
        alike(mine, other, rtol=2e-3, atol=2e-4)


CONSTRAINTS = [
    "boolean",
    "one_hot",
    "nonnegative_integer",
    "positive_integer",
    "real",
    "real_vector",
    "positive",
    "nonnegative",
    "unit_interval",
    "simplex",
    "lower_triangular",
    "lower_cholesky",
    "corr_cholesky",
    "square",
    "symmetric",
    "positive_semidefinite",
    "positive_definite",
    "greater_than(0.5)",
    "greater_than_eq(1)",
    "less_than(1)",
    "multinomial(2)",
    "interval(0,2)",
    "half_open_interval(0,1)",
    "integer_interval(0,1)",
    "independent(positive,1)",
    "independent(real,2)",
    "stack([real,positive],1)",
    "cat([real,positive],-1,[1,1])",
    "MixtureSameFamilyConstraint(real)",
]


@pytest.mark.parametrize("text", CONSTRAINTS)
def test_constraints(text):
    values = (
        [[1.0, 0.0], [0.0, 1.0]],
        [[1.0, 0.0], [0.6, 0.8]],
        [[0.5, 0.5], [0.25, 0.75]],
        [[2.0, 1.0], [1.0, -3.0]],
    )
    for value in values:
        answers = []
        for library, package in PAIR:
            constraint = eval(text, vars(package.constraints))
            answers.append(constraint.check(library.tensor(value)))
            facts = (repr(constraint), constraint.event_dim, constraint.is_discrete)
            answers.append(facts)
            for registry in (package.biject_to, package.transform_to):
                answers.append(attempt(lambda: repr(registry(constraint))))  # noqa: B023
        half = len(answers) // 2
        same(answers[0], answers[half])
        assert answers[1:half] == answers[half + 1 :]


ERRORS = """Normal(0.0, -1.0)
Normal(t(0.0), t([1.0, -1.0]))
Normal(0.0, 1.0).log_prob(t(float("nan")))
Normal(t([0.0, 1.0]), 1.0).log_prob(t([1.0, 2.0, 3.0]))
Bernoulli()
Bernoulli(0.3, 0.4)
Bernoulli(1.4)
Categorical(t(1.0))
Categorical(t([0.5, -0.6]))
Categorical(t([0.3, 0.7])).log_prob(t(3))
Independent(D.Normal(t([0.0]), 1.0), 2)
MultivariateNormal(t(0.0), t([[1.0]]))
MultivariateNormal(t([0.0, 1.0]), t([1.0, 1.0]))
MultivariateNormal(t([0.0, 1.0]), t([[-1.0, 0.0], [0.0, -1.0]]))
Uniform(1.0, 0.0)
Uniform(0.0, 1.0).log_prob(t(2.0))
LKJCholesky(1)
Dirichlet(t(1.0))
Binomial(t([3, 4]), t([0.3, 0.7])).enumerate_support()
Geometric(0.0)
Wishart(1.0, t([[1.0, 0.0], [0.0, 1.0]]))
MixtureSameFamily(D.Categorical(t([1.0, 1.0])), D.Normal(t([0.0, 0.0, 0.0]), 1.0))
TransformedDistribution(D.Normal(0.0, 1.0), 3)
TransformedDistribution(D.Normal(0.0, 1.0), D.StickBreakingTransform())
kl_divergence(D.StudentT(2.0), D.Cauchy(0.0, 1.0))
biject_to(D.constraints.boolean)
HalfNormal(1.0).log_prob(t(-1.0))""".splitlines()


@pytest.mark.parametrize("text", ERRORS)
def test_errors_are_the_same(text):
    raised = []
    for library, package in PAIR:
        with pytest.raises(Exception) as caught:
            eval("D." + text, {"D": package, "t": library.tensor})
        raised.append((caught.type, str(caught.value)))
    assert raised[0] == raised[1]


def test_user_distributions():
    """Subclasses as programs write them, and their refusals."""
    for _, package in PAIR:

        class Shifted(package.Normal):
            def __init__(self, loc):
                super().__init__(loc + 1, 1.0)

        class Bare(package.Distribution):
            """Has no constraints."""

        with pytest.raises(NotImplementedError, match="custom"):
            Shifted(0.0).expand([2])
        with pytest.warns(UserWarning, match="arg_constraints"):
            made = Bare()
        with pytest.raises(NotImplementedError):
            made.expand([2])

        @package.register_kl(Shifted, package.Normal)
        def _kl(p, q):
            return "mine"

        assert package.kl_divergence(Shifted(0.0), package.Normal(0.0, 1.0)) == "mine"
        assert package.kl_divergence(package.Normal(0.0, 1.0), Shifted(0.0)) == 0.5


def test_wishart_warns_of_few_degrees_of_freedom():
    for library, package in PAIR:
        with pytest.warns(UserWarning, match="Low df values"):
            package.Wishart(1.5, library.eye(2))


def test_names():
    assert sorted(ours.__all__) == sorted(theirs.__all__)
    pairs = [{(a.__name__, b.__name__) for a, b in package.kl._KL_REGISTRY} for package in (ours, theirs)]
    known = {(a, b) for a, b in itertools.product(*[[n for n in theirs.__all__]] * 2)}
    assert pairs[0] & known == pairs[1] & known


MODULES = [m.name for m in pkgutil.iter_modules(theirs.__path__)]


def signature(function):
    """Names, kinds and defaults; None where there is no signature. A default tuple is as good as an empty Size."""
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    defaults = [() if p.default == () else p.default for p in found]
    return [(p.name, p.kind.name, d) for p, d in zip(found, defaults, strict=True)]


@pytest.mark.parametrize("module", MODULES)
def test_public_names_and_signatures(module):
    mine, other = (importlib.import_module(f"{p.__name__}.{module}") for p in (ours, theirs))
    assert sorted(mine.__all__) == sorted(other.__all__)
    for name in other.__all__:
        a, b = getattr(mine, name), getattr(other, name)
        assert inspect.isclass(a) == inspect.isclass(b), name
        assert type(a).__name__ == type(b).__name__ or callable(a), name
        if callable(b):
            assert signature(a) in (signature(b), None), name
        if inspect.isclass(b):
            assert a.__module__.split(".")[1:] == b.__module__.split(".")[1:]
            for attribute in dir(b):
                if not attribute.startswith("_"):
                    x, y = getattr(a, attribute), getattr(b, attribute)
                    if inspect.isfunction(y) and attribute != "check":
                        assert signature(x) == signature(y), (name, attribute)


# The others pass the stream's numbers through float32 exp or log or a matrix product, whose last digit is the kernel's.
EXACT = [
    "Bernoulli", "Beta", "Binomial", "Categorical", "Cauchy", "Chi2", "Dirichlet", "Exponential", "FisherSnedecor",
    "Gamma", "Geometric", "HalfCauchy", "HalfNormal", "Independent", "LowRankMultivariateNormal", "MixtureSameFamily",
    "Multinomial", "NegativeBinomial", "Normal", "OneHotCategorical", "OneHotCategoricalStraightThrough", "Poisson",
    "Uniform", "VonMises",
]  # fmt: skip


@pytest.mark.parametrize("name", [c for c in CASES if c.split()[0] in EXACT])
def test_samples_to_the_last_digit(name):
    drawn = []
    for library, _, made in build(name):
        library.manual_seed(7)
        drawn.append(made.sample([200]).numpy())
    np.testing.assert_array_equal(*drawn)


@pytest.mark.parametrize("count", [1, 5, 40000])
def test_streams_go_on_alike(count):
    """Gamma, binomial and normal numbers in turn; the second of a pair of normal numbers waits for its turn."""
    drawn = []
    for library, package in PAIR:
        library.manual_seed(3)
        library.randn(3)
        row = [package.Gamma(library.tensor([0.4, 2.0]), 1.0).sample((count,)), library.randn(5)]
        row += [package.Binomial(30, library.tensor([0.1, 0.5, 0.9])).sample((count,)), library.rand(3)]
        row += [package.Dirichlet(library.tensor([0.5, 1.0, 3.0])).sample((count,)), library.randn(20)]
        drawn.append(row)
    for mine, other in zip(*drawn, strict=True):
        np.testing.assert_array_equal(mine.numpy(), other.numpy())


def test_policy_gradient_of_one_seed():
    """A REINFORCE loop: actions drawn, their log-probabilities weighted, parameters moved."""
    losses = []
    for library, package in PAIR:
        library.manual_seed(0)
        weights = library.zeros(4, 3, requires_grad=True)
        states, row = library.eye(4), []
        for _ in range(30):
            policy = package.Categorical(logits=states @ weights)
            action = policy.sample()
            reward = (action == library.arange(4) % 3).float()
            loss = -(policy.log_prob(action) * reward).mean() - 0.01 * policy.entropy().mean()
            (grad,) = library.autograd.grad(loss, weights)
            with library.no_grad():
                weights -= grad
            row.append(loss.item())
        losses.append(row)
    with warnings.catch_warnings():
        np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4, atol=1e-6)
