"""Distributions as objects: loading on demand, copies, expansion, subclasses, caches, constraints' kinds."""

from __future__ import annotations

import copy
import io
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import lampas
import lampas.distributions as D

MADE = (
    "Normal(lampas.zeros(3), 1.0)",
    "Categorical(logits=lampas.tensor([[0.5, 1.0, -2.0], [0.0, 0.0, 1.0]]))",
    "Bernoulli(lampas.tensor([0.2, 0.7]))",
    "Beta(lampas.tensor([0.5, 2.0]), 1.0)",
    "Independent(D.Normal(lampas.zeros(2, 3), 1.0), 1)",
    "MixtureSameFamily(D.Categorical(lampas.ones(2)), D.Normal(lampas.tensor([-1.0, 1.0]), 1.0))",
    "MultivariateNormal(lampas.zeros(2), lampas.tensor([[2.0, 0.5], [0.5, 1.0]]))",
    "LowRankMultivariateNormal(lampas.zeros(2), lampas.ones(2, 1), lampas.ones(2))",
    "OneHotCategorical(lampas.tensor([0.2, 0.8]))",
    "Gumbel(lampas.zeros(2), 1.0)",
    "StudentT(lampas.tensor([3.0, 5.0]))",
    "LKJCholesky(3, lampas.tensor([0.5, 2.0]))",
    "Wishart(lampas.tensor(4.0), lampas.eye(2))",
    "VonMises(lampas.zeros(2), 1.0)",
    "TransformedDistribution(D.Normal(lampas.zeros(2), 1.0), [D.TanhTransform(cache_size=1), D.AffineTransform(1, 2)])",
)


def make(text: str) -> Any:
    return eval("D." + text, {"D": D, "lampas": lampas})


def draw(made: Any) -> lampas.Tensor:
    lampas.manual_seed(0)
    return made.sample((4,))


def saved_and_loaded(made: Any) -> Any:
    file = io.BytesIO()
    lampas.save(made, file)
    file.seek(0)
    return lampas.load(file, weights_only=False)


def run(*arguments: str) -> str:
    environment = {"PYTHONPATH": str(Path(lampas.__file__).parents[1]), "PATH": ""}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=True, env=environment
    ).stdout.strip()


def test_loaded_on_demand() -> None:
    code = """
import sys, lampas
print(any(name.startswith("lampas.distributions") for name in sys.modules), lampas.distributions.Normal(0.0, 1.0))
"""
    assert run("-c", code) == "False Normal(loc: 0.0, scale: 1.0)"


def test_under_pytorchs_name(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        """
import torch
from torch.distributions import Categorical, constraints, kl_divergence
from torch.distributions.normal import Normal
from torch.distributions.transforms import TanhTransform
from torch.distributions.utils import lazy_property
print(Categorical(logits=torch.zeros(3)), Normal is torch.distributions.Normal, TanhTransform(), constraints.positive)
"""
    )
    expected = "Categorical(logits: torch.Size([3])) True TanhTransform() GreaterThan(lower_bound=0.0)"
    assert run("-m", "lampas", str(program)) == expected


@pytest.mark.parametrize("again", [lambda d: pickle.loads(pickle.dumps(d)), copy.deepcopy, copy.copy, saved_and_loaded])
@pytest.mark.parametrize("text", MADE)
def test_copies(text: str, again: Any) -> None:
    made = make(text)
    other = again(made)
    assert repr(other) == repr(made)
    value = draw(made)
    assert (draw(other) == value).all()
    assert (other.log_prob(value) == made.log_prob(value)).all()


@pytest.mark.parametrize("text", MADE)
def test_expansion(text: str) -> None:
    made = make(text)
    wide = made.expand((5, *made.batch_shape))
    assert type(wide) is type(made)
    assert (wide.batch_shape, wide.event_shape) == ((5, *made.batch_shape), made.event_shape)
    value = wide.sample((2,))
    assert value.shape == (2, 5, *made.batch_shape, *made.event_shape)
    narrow = made.log_prob(value)
    assert narrow.shape == (2, 5, *made.batch_shape)
    assert lampas.allclose(wide.log_prob(value), narrow, rtol=1e-4, atol=1e-5)


def test_users_subclasses() -> None:
    class Squashed(D.TransformedDistribution):
        """As policies of continuous actions have them."""

        def __init__(self, loc: lampas.Tensor, scale: lampas.Tensor) -> None:
            self.loc, self.scale = loc, scale
            super().__init__(D.Normal(loc, scale), [D.TanhTransform(cache_size=1)])

        def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
            new = self._get_checked_instance(Squashed, _instance)
            new.loc, new.scale = self.loc.expand(batch_shape), self.scale.expand(batch_shape)
            return super().expand(batch_shape, _instance=new)

        @property
        def mean(self) -> lampas.Tensor:
            mean = self.loc
            for transform in self.transforms:
                mean = transform(mean)
            return mean

    made = Squashed(lampas.zeros(2, requires_grad=True), lampas.ones(2))
    action = made.rsample()
    found = made.log_prob(action)
    z = action.atanh()
    expected = D.Normal(0.0, 1.0).log_prob(z) - (1 - action.pow(2)).log()
    assert lampas.allclose(found, expected, atol=1e-5)
    found.sum().backward()
    assert made.loc.grad is not None
    assert made.mean.tolist() == [0.0, 0.0]
    assert made.expand((3, 2)).loc.shape == (3, 2)

    class Shifted(D.Normal):
        """Has a constructor of its own, and no expand()."""

        def __init__(self, loc: float) -> None:
            super().__init__(loc + 1, 1.0)

    with pytest.raises(NotImplementedError, match=r"Subclass Shifted of Normal that defines a custom __init__ method"):
        Shifted(0.0).expand((2,))

    class Point(D.Distribution):
        """A distribution from nothing, in PyTorch's pattern."""

        arg_constraints = {"at": D.constraints.real}
        support = D.constraints.real

        def __init__(self, at: lampas.Tensor, validate_args: bool | None = None) -> None:
            self.at = at
            super().__init__(at.shape, validate_args=validate_args)

        def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
            new = self._get_checked_instance(Point, _instance)
            new.at = self.at.expand(batch_shape)
            super(Point, new).__init__(lampas.Size(batch_shape), validate_args=False)
            new._validate_args = self._validate_args
            return new

        def rsample(self, sample_shape: Any = ()) -> lampas.Tensor:
            return self.at.expand(self._extended_shape(sample_shape))

    assert Point(lampas.ones(2)).expand((3, 2)).sample((4,)).shape == (4, 3, 2)
    with pytest.raises(ValueError, match=r"parameter at .* constraint Real\(\)"):
        Point(lampas.tensor([float("nan")]))


def test_cached_pairs() -> None:
    x = lampas.tensor([20.0], requires_grad=True)
    cached, plain = D.TanhTransform(cache_size=1), D.TanhTransform()
    assert cached.inv(cached(x)) is x
    assert plain.inv(plain(x)).isinf().all()
    assert plain.with_cache()._cache_size == 1
    assert cached.inv.inv is cached
    assert D.ComposeTransform([plain, D.ExpTransform()]).with_cache().parts[0]._cache_size == 1


def test_lazy_properties_are_computed_once() -> None:
    weights = lampas.tensor([0.2, 0.8], requires_grad=True)
    made = D.Categorical(weights)
    assert "logits" not in made.__dict__
    with lampas.no_grad():
        logits = made.logits
    assert made.logits is logits
    assert logits.requires_grad
    assert isinstance(D.Categorical.logits, D.utils.lazy_property)


def test_kinds_of_constraints() -> None:
    c = D.constraints
    assert not isinstance(c.greater_than_eq(0), c.greater_than)
    assert not isinstance(c.half_open_interval(0, 1), c.interval)
    assert not isinstance(c.integer_interval(0, 1), c.interval)
    assert not isinstance(c.positive_integer, c.greater_than)
    assert c.is_dependent(D.Uniform.support)
    assert not c.is_dependent(D.Uniform(0.0, 1.0).support)
    assert D.Categorical.support.is_discrete
    assert D.Categorical.support.event_dim == 0


def test_a_constraint_of_ones_own() -> None:
    class Even(D.constraints.Constraint):
        """Even numbers."""

        def check(self, value: lampas.Tensor) -> lampas.Tensor:
            return value % 2 == 0

    assert repr(Even()) == "Even()"

    @D.transform_to.register(Even)
    def doubled(constraint: Even) -> D.Transform:
        return D.AffineTransform(0.0, 2.0)

    try:
        assert D.transform_to(Even())(lampas.tensor(3.0)) == 6
    finally:
        del D.transform_to._registry[Even]


@pytest.mark.parametrize(
    "constraint",
    ["positive", "nonnegative", "unit_interval", "interval(-2.0, 3.0)", "less_than(1.0)", "simplex", "real",
     "half_open_interval(0.0, 2.0)", "independent(positive, 1)", "greater_than_eq(2.0)"],
)  # fmt: skip
@pytest.mark.parametrize("registry", ["biject_to", "transform_to"])
def test_transforms_onto_constraints(registry: str, constraint: str) -> None:
    wanted = eval(constraint, vars(D.constraints))
    transform = getattr(D, registry)(wanted)
    lampas.manual_seed(0)
    x = lampas.randn(4, 3)
    y = transform(x)
    assert wanted.check(y).all()
    if transform.bijective:
        assert lampas.allclose(transform.inv(y), x, atol=1e-4)
        first = x[0].double()
        jacobian = lampas.autograd.functional.jacobian(lambda v: transform(v), first)
        jacobian = jacobian[: first.numel()]
        slope = transform.log_abs_det_jacobian(first, transform(first)).sum()
        assert slope.item() == pytest.approx(jacobian.det().abs().log().item(), abs=1e-5)


def test_matrices_of_constraints() -> None:
    x = lampas.randn(2, 3, 3)
    assert D.constraints.lower_cholesky.check(D.transform_to(D.constraints.lower_cholesky)(x)).all()
    assert D.constraints.positive_definite.check(D.transform_to(D.constraints.positive_definite)(x)).all()
    onto = D.biject_to(D.constraints.corr_cholesky)
    v = lampas.randn(2, 6)
    assert D.constraints.corr_cholesky.check(onto(v)).all()
    assert lampas.allclose(onto.inv(onto(v)), v, atol=1e-3)
