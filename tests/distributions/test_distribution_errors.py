"""What users get wrong: the type and the message of each error."""

from __future__ import annotations

import builtins

import pytest

import lampas
import lampas.distributions as D

# An expression; below it the type and a part of the message.
ERRORS = r"""
D.utils.broadcast_all("a")
    ValueError: Input arguments must all be instances of Number, torch.Tensor or objects implementing
D.utils.broadcast_all([1.0], 2.0)
    ValueError: Input arguments must all be instances of Number, torch.Tensor or objects implementing
D.utils.tril_matrix_to_vec(t([[1.0]]), 3)
    ValueError: diag (3) provided is outside [-1, 0].
D.utils.vec_to_tril_matrix(t([1.0, 2.0]))
    ValueError: The size of last dimension is 2 which cannot be expressed as a lower triangle.
D.constraints.dependent.check(t(1.0))
    ValueError: Cannot determine validity of dependent constraint; ask an instance for its own
D.constraints.dependent.event_dim
    NotImplementedError: .event_dim cannot be determined statically
D.constraints.dependent.is_discrete
    NotImplementedError: .is_discrete cannot be determined statically
D.constraints.independent(1, 1)
    AssertionError: base_constraint must be a Constraint, got int
D.constraints.independent(D.constraints.real, -1)
    AssertionError: reinterpreted_batch_ndims must be a non-negative int, got -1
D.constraints.independent(D.constraints.real, 2).check(t(1.0))
    ValueError: Expected value.dim() >= 2 but got 0
D.constraints.MixtureSameFamilyConstraint(2)
    AssertionError: base_constraint must be a Constraint, got int
D.constraints.cat([1])
    AssertionError: All elements of cseq must be Constraint instances
D.constraints.cat([D.constraints.real], 0, [1, 2])
    AssertionError: lengths has 2 entries, expected one for each of 1
D.constraints.cat([D.constraints.real], 0, [2]).check(t([1.0]))
    AssertionError: value.size(0) is 1, expected 2
D.constraints.cat([D.constraints.real], 1, [2]).check(t([1.0]))
    AssertionError: dim 1 not in range [-1, 1)
D.constraints.stack([1])
    AssertionError: All elements of cseq must be Constraint instances
D.constraints.stack([D.constraints.real], 2).check(t([1.0]))
    AssertionError: dim 2 not in range [-1, 1)
D.constraints.Constraint().check(1)
    NotImplementedError: Constraint does not define check()
D.Distribution().mean
    NotImplementedError: Distribution'> does not implement mean
D.Distribution().log_prob(1)
    NotImplementedError: Distribution'> does not implement log_prob
D.Distribution().support
    NotImplementedError: Distribution'> does not implement support
D.Distribution().expand([2])
    NotImplementedError: Distribution does not define expand()
D.Normal(0.0, 1.0).log_prob(1.0)
    ValueError: The value argument to log_prob must be a Tensor, got float
D.Normal(t([0.0, 1.0]), 1.0).log_prob(t([1.0, 2.0, 3.0]))
    ValueError: Value is not broadcastable with batch_shape+event_shape: torch.Size([3]) vs torch.Size([2]).
D.MultivariateNormal(t([0.0, 1.0]), lampas.eye(2)).log_prob(t([0.0, 1.0, 2.0]))
    ValueError: The right-most size of value must match event_shape: torch.Size([3]) vs torch.Size([2]).
D.MultivariateNormal(t([0.0, 1.0]))
    ValueError: Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified, got none
D.MultivariateNormal(t([0.0, 1.0]), lampas.eye(2), lampas.eye(2))
    ValueError: Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified, got
D.MultivariateNormal(t([0.0, 1.0]), precision_matrix=t(1.0))
    ValueError: precision_matrix must be at least two-dimensional, with optional leading batch dimensions
D.MultivariateNormal(t([0.0, 1.0]), scale_tril=t(1.0))
    ValueError: scale_tril matrix must be at least two-dimensional, with optional leading batch dimensions
D.LowRankMultivariateNormal(t(1.0), t([[1.0]]), t([1.0]))
    ValueError: loc must be at least one-dimensional.
D.LowRankMultivariateNormal(t([1.0]), t([1.0]), t([1.0]))
    ValueError: cov_factor must be at least two-dimensional, with optional leading batch dimensions
D.LowRankMultivariateNormal(t([1.0]), t([[1.0], [2.0]]), t([1.0]))
    ValueError: cov_factor must be a batch of matrices with shape 1 x m, got torch.Size([2, 1])
D.LowRankMultivariateNormal(t([1.0]), t([[1.0]]), t([1.0, 2.0]))
    ValueError: cov_diag must be a batch of vectors with shape torch.Size([1]), got torch.Size([2])
D.LowRankMultivariateNormal(t([[1.0], [2.0]]), lampas.ones(3, 1, 1), t([1.0]))
    ValueError: Incompatible batch shapes: loc torch.Size([2, 1]), cov_factor torch.Size([3, 1, 1]),
D.LowRankMultivariateNormal(t([1.0]), t([[1.0]]), t([-5.0]))
    ValueError: satisfy the constraint IndependentConstraint(GreaterThan(lower_bound=0.0), 1), but found
D.Wishart(1.0, lampas.eye(2))
    ValueError: Value of df=1.0 expected to be greater than ndim - 1 = 1.
D.Wishart(3.0)
    AssertionError: Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified, got none
D.Wishart(3.0, t([1.0]))
    ValueError: covariance_matrix must be at least two-dimensional, with optional leading batch dimensions
D.Categorical()
    ValueError: Either `probs` or `logits` must be specified, but not both.
D.Categorical(t([0.5, 0.5]), t([0.5, 0.5]))
    ValueError: Either `probs` or `logits` must be specified, but not both.
D.Categorical(logits=t(0.5))
    ValueError: `logits` parameter must be at least one-dimensional.
D.Categorical(t([0.5, 0.5])).log_prob(t(2))
    ValueError: within the support (IntegerInterval(lower_bound=0, upper_bound=1)) of the distribution
D.Categorical(t([0.5, 0.5])).log_prob(t(0.5))
    ValueError: within the support (IntegerInterval(lower_bound=0, upper_bound=1)) of the distribution
D.OneHotCategorical(t([0.5, 0.5])).log_prob(t([1.0, 1.0]))
    ValueError: within the support (OneHot()) of the distribution OneHotCategorical(), but found invalid values:
D.Multinomial(t(3.0), t([0.5, 0.5]))
    NotImplementedError: inhomogeneous total_count is not supported; pass one int for the whole batch
D.Multinomial(3, t([0.5, 0.5])).log_prob(t([1.0, 3.0]))
    ValueError: within the support (Multinomial()) of the distribution Multinomial(), but found invalid values:
D.Geometric()
    ValueError: Either `probs` or `logits` must be specified, but not both.
D.Geometric(t([0.0]))
    ValueError: to be positive but found invalid values:
D.Geometric(1.5)
    ValueError: satisfy the constraint Interval(lower_bound=0.0, upper_bound=1.0), but found invalid values:
D.ContinuousBernoulli(2.0, validate_args=True)
    ValueError: The parameter probs has invalid values: 2.0; expected numbers of [0, 1]
D.Uniform(1.0, 1.0)
    ValueError: satisfy the constraint LessThan(upper_bound=1.0), but found invalid values:
D.Uniform(1.0, 0.0)
    ValueError: satisfy the constraint LessThan(upper_bound=0.0), but found invalid values:
D.Uniform(t([0.0]), 1.0).log_prob(t([1.5]))
    ValueError: within the support (Interval(lower_bound=tensor([0.]), upper_bound=tensor([1.]))) of the
D.GeneralizedPareto(0.0, -1.0, 0.2)
    ValueError: satisfy the constraint GreaterThan(lower_bound=0.0), but found invalid values:
D.Pareto(1.0, 2.0).log_prob(t(0.5))
    ValueError: within the support (GreaterThanEq(lower_bound=1.0)) of the distribution Pareto(alpha:
D.Independent(D.Normal(t([0.0]), 1.0), 1).enumerate_support()
    NotImplementedError: Enumeration over cartesian product is not implemented
D.Independent(D.Normal(0.0, 1.0), 1)
    ValueError: Expected reinterpreted_batch_ndims <= len(base_distribution.batch_shape), actual 1 vs 0
D.Normal(0.0, 1.0).enumerate_support()
    NotImplementedError: Normal'> does not implement enumerate_support
D.HalfCauchy(1.0).log_prob(t(-1.0))
    ValueError: within the support (GreaterThanEq(lower_bound=0.0)) of the distribution HalfCauchy(), but
D.HalfNormal(1.0).cdf(t(-1.0))
    ValueError: within the support (GreaterThanEq(lower_bound=0.0)) of the distribution HalfNormal(), but
D.Gamma(1.0, 1.0).log_prob(t(-1.0))
    ValueError: within the support (GreaterThanEq(lower_bound=0.0)) of the distribution
D.Beta(1.0, 1.0).log_prob(t(2.0))
    ValueError: within the support (Interval(lower_bound=0.0, upper_bound=1.0)) of the distribution
D.Dirichlet(t([1.0, 1.0])).log_prob(t([0.5, 0.6]))
    ValueError: within the support (Simplex()) of the distribution Dirichlet(concentration:
D.Dirichlet(t([1.0, -1.0]))
    ValueError: satisfy the constraint IndependentConstraint(GreaterThan(lower_bound=0.0), 1), but found
D.Poisson(-1.0)
    ValueError: satisfy the constraint GreaterThanEq(lower_bound=0.0), but found invalid values:
D.Poisson(1.0).log_prob(t(0.5))
    ValueError: within the support (IntegerGreaterThan(lower_bound=0)) of the distribution Poisson(rate:
D.Binomial(3, 0.5).log_prob(t(4.0))
    ValueError: within the support (IntegerInterval(lower_bound=0, upper_bound=3.0)) of the distribution
D.Binomial(-1, 0.5)
    ValueError: satisfy the constraint IntegerGreaterThan(lower_bound=0), but found invalid values:
D.NegativeBinomial(1.0, 1.0)
    ValueError: satisfy the constraint HalfOpenInterval(lower_bound=0.0, upper_bound=1.0), but found invalid values:
D.LKJCholesky(2, -1.0)
    ValueError: satisfy the constraint IndependentConstraint(GreaterThan(lower_bound=0.0), 1), but found
D.LKJCholesky(2, 1.0).log_prob(lampas.ones(2, 2))
    ValueError: within the support (CorrCholesky()) of the distribution LKJCholesky(concentration: 1.0),
D.VonMises(0.0, 0.0)
    ValueError: satisfy the constraint GreaterThan(lower_bound=0.0), but found invalid values:
D.StudentT(-1.0)
    ValueError: satisfy the constraint GreaterThan(lower_bound=0.0), but found invalid values:
D.RelaxedBernoulli(t(0.5), 2.0)
    ValueError: satisfy the constraint Interval(lower_bound=0.0, upper_bound=1.0), but found invalid values:
D.RelaxedOneHotCategorical(t(0.5), t([0.5, 0.5])).log_prob(t([0.5, 0.6]))
    ValueError: within the support (Simplex()) of the distribution RelaxedOneHotCategorical(), but found
D.MixtureSameFamily(D.Normal(0.0, 1.0), D.Normal(t([0.0, 1.0]), 1.0))
    ValueError: The Mixture distribution needs to be an instance of torch.distributions.Categorical, got Normal
D.MixtureSameFamily(D.Categorical(t([0.5, 0.5])), 1)
    ValueError: The Component distribution needs to be an instance of torch.distributions.Distribution, got int
D.MixtureSameFamily(D.Categorical(t([[0.5, 0.5]] * 3)), D.Normal(lampas.zeros(2, 2), 1.0))
    ValueError: `mixture_distribution.batch_shape` (torch.Size([3])) is not compatible with
D.TransformedDistribution(D.Normal(0.0, 1.0), [1])
    ValueError: transforms must be a Transform or a list of Transforms, got [1]
D.TransformedDistribution(D.Normal(0.0, 1.0), None)
    ValueError: transforms must be a Transform or list, but was None
D.TransformedDistribution(D.Normal(0.0, 1.0), D.AbsTransform()).log_prob(t(1.0))
    NotImplementedError: AbsTransform does not define log_abs_det_jacobian()
D.TransformedDistribution(D.Normal(0.0, 1.0), D.AbsTransform()).cdf(t(1.0))
    NotImplementedError: AbsTransform does not define sign
D.TransformedDistribution(D.Normal(0.0, 1.0), D.ExpTransform()).log_prob(t(-1.0))
    ValueError: within the support (GreaterThan(lower_bound=0.0)) of the distribution
D.TransformedDistribution(D.Normal(0.0, 1.0), D.ExpTransform()).entropy()
    NotImplementedError: TransformedDistribution'> does not implement entropy
D.LogNormal(0.0, 1.0).log_prob(t(-1.0))
    ValueError: within the support (GreaterThan(lower_bound=0.0)) of the distribution LogNormal(), but
D.ExpTransform(cache_size=2)
    ValueError: cache_size must be 0 or 1, got 2
D.transforms.Transform()(t(1.0))
    NotImplementedError: Transform does not define _call()
D.transforms.Transform().inv(t(1.0))
    NotImplementedError: Transform does not define _inverse()
D.transforms.Transform().sign
    NotImplementedError: Transform does not define sign
D.CorrCholeskyTransform().event_dim
    ValueError: Please use either .domain.event_dim or .codomain.event_dim; they differ here
D.ReshapeTransform((2,), (3,))
    ValueError: in_shape, out_shape have different numbers of elements: torch.Size([2]) and torch.Size([3])
D.ReshapeTransform((2,), (1, 2)).forward_shape((3,))
    ValueError: Shape mismatch: expected (3,) but got torch.Size([2])
D.ReshapeTransform((2,), (1, 2)).forward_shape(())
    ValueError: Too few dimensions on input: 0, expected at least 1
D.ReshapeTransform((2,), (1, 2)).inverse_shape((2,))
    ValueError: Too few dimensions on input: 1, expected at least 2
D.ReshapeTransform((2,), (1, 2)).inverse_shape((2, 2))
    ValueError: Shape mismatch: expected (2, 2) but got torch.Size([1, 2])
D.SoftmaxTransform().forward_shape(())
    ValueError: Too few dimensions on input: 0, expected at least 1
D.SoftmaxTransform().log_abs_det_jacobian(t([1.0]), t([1.0]))
    NotImplementedError: SoftmaxTransform does not define log_abs_det_jacobian()
D.StickBreakingTransform().forward_shape(())
    ValueError: Too few dimensions on input: 0, expected at least 1
D.StickBreakingTransform().inverse_shape(())
    ValueError: Too few dimensions on input: 0, expected at least 1
D.LowerCholeskyTransform().log_abs_det_jacobian(lampas.eye(2), lampas.eye(2))
    NotImplementedError: LowerCholeskyTransform does not define log_abs_det_jacobian()
D.CorrCholeskyTransform().forward_shape((2,))
    ValueError: Input is not a flattened lower-diagonal number: 2
D.CorrCholeskyTransform().forward_shape(())
    ValueError: Too few dimensions on input: 0, expected at least 1
D.CorrCholeskyTransform().inverse_shape((2,))
    ValueError: Too few dimensions on input: 1, expected at least 2
D.CorrCholeskyTransform().inverse_shape((2, 3))
    ValueError: Input is not square: 2 by 3
D.IndependentTransform(D.ExpTransform(), 2)(t([1.0]))
    ValueError: Too few dimensions on input: 1, expected at least 2
D.IndependentTransform(D.ExpTransform(), 2).inv(t([1.0]))
    ValueError: Too few dimensions on input: 1, expected at least 2
D.CatTransform([1])
    AssertionError: All elements of tseq must be Transform instances
D.CatTransform([D.ExpTransform()], lengths=[1, 2])
    AssertionError: lengths has 2 entries, expected 1
D.CatTransform([D.ExpTransform()])(t([1.0, 2.0]))
    AssertionError: x.size(0) = 2 must equal length 1
D.CatTransform([D.ExpTransform()], dim=3)(t([1.0]))
    AssertionError: dim 3 is out of range for x with 1 dimensions
D.CatTransform([D.ExpTransform()], dim=3).inv(t([1.0]))
    AssertionError: dim 3 is out of range for y with 1 dimensions
D.StackTransform([1])
    AssertionError: All elements of tseq must be Transform instances
D.StackTransform([D.ExpTransform()])(t([1.0, 2.0]))
    AssertionError: x.size(0) = 2 must equal 1
D.StackTransform([D.ExpTransform()], dim=3)(t([1.0]))
    AssertionError: dim 3 is out of range for x with 1 dimensions
D.CumulativeDistributionTransform(D.Gamma(2.0, 1.0)).inv(t(0.5))
    NotImplementedError: Gamma'> does not implement icdf
D.biject_to.register(3, 4)
    TypeError: Expected constraint to be either a Constraint subclass or instance, but got 3
D.biject_to(D.constraints.boolean)
    NotImplementedError: Cannot transform _Boolean constraints
D.transform_to(D.constraints.lower_triangular)
    NotImplementedError: Cannot transform _LowerTriangular constraints
D.biject_to(D.constraints.lower_cholesky)
    NotImplementedError: Cannot transform _LowerCholesky constraints
D.biject_to(D.constraints.positive_definite)
    NotImplementedError: Cannot transform _PositiveDefinite constraints
D.transform_to(D.constraints.positive_integer)
    NotImplementedError: Cannot transform _IntegerGreaterThan constraints
D.Normal("a", 1.0)
    ValueError: Input arguments must all be instances of Number, torch.Tensor or objects implementing
D.Normal(0.0, 1.0).expand(3).batch_shape
    TypeError: 'int' object is not iterable
D.Normal(t([0.0, 1.0]), 1.0).expand((3,))
    RuntimeError: The expanded size of the tensor (3) must match the existing size (2) at non-singleton
D.Exponential(0.0)
    ValueError: satisfy the constraint GreaterThan(lower_bound=0.0), but found invalid values:
D.Weibull(1.0, 0.0)
    ValueError: satisfy the constraint GreaterThan(lower_bound=0.0), but found invalid values:
D.FisherSnedecor(1.0, -1.0)
    ValueError: satisfy the constraint GreaterThan(lower_bound=0.0), but found invalid values:
D.Kumaraswamy(1.0, -1.0)
    ValueError: satisfy the constraint GreaterThan(lower_bound=0.0), but found invalid values:
D.Bernoulli(0.5).log_prob(t(0.5))
    ValueError: within the support (Boolean()) of the distribution Bernoulli(probs: 0.5), but found invalid values:
D.Bernoulli("a")
    ValueError: Input arguments must all be instances of Number, torch.Tensor or objects implementing
D.Bernoulli(logits=0.3, probs=0.2)
    ValueError: Either `probs` or `logits` must be specified, but not both.
D.Categorical(t([float("nan"), 0.5]))
    ValueError: satisfy the constraint Simplex(), but found invalid values:
D.Categorical(t([0.0, 0.0]))
    ValueError: satisfy the constraint Simplex(), but found invalid values:
D.Categorical(logits=t([float("nan"), 0.5]))
    ValueError: satisfy the constraint IndependentConstraint(Real(), 1), but found invalid values:
D.Normal(0.0, 1.0).cdf(2.0)
    ValueError: The value argument to log_prob must be a Tensor, got float
D.kl_divergence(D.StudentT(2.0), D.Cauchy(0.0, 1.0))
    NotImplementedError: No KL(p || q) is implemented for p type StudentT and q type Cauchy
D.LKJCholesky(1)
    ValueError: Expected dim to be an integer greater than or equal to 2. Found dim=1.
D.Dirichlet(t(1.0))
    ValueError: `concentration` parameter must be at least one-dimensional.
D.Binomial(t([3.0, 4.0]), t([0.3, 0.7])).enumerate_support()
    NotImplementedError: Inhomogeneous total count not supported by `enumerate_support`.
D.Binomial(t([3.0, 4.0]), t([0.3, 0.7])).entropy()
    NotImplementedError: Inhomogeneous total count not supported by `entropy`.
D.Multinomial(3, t([0.5, 0.5])).enumerate_support()
    NotImplementedError: Multinomial'> does not implement enumerate_support
D.MultivariateNormal(t(0.0), lampas.eye(1))
    ValueError: loc must be at least one-dimensional.
D.Normal(0.0, 1.0).expand([2]).expand([3])
    RuntimeError: The expanded size of the tensor (3) must match the existing size (2) at non-singleton
""".splitlines()[1:]


@pytest.mark.filterwarnings("ignore:.*arg_constraints")
@pytest.mark.parametrize(("expression", "error"), list(zip(ERRORS[::2], ERRORS[1::2], strict=True)))
def test_errors(expression: str, error: str) -> None:
    kind, message = error.strip().split(": ", 1)
    with pytest.raises(getattr(builtins, kind)) as caught:
        eval(expression, {"D": D, "lampas": lampas, "t": lampas.tensor})
    assert message in str(caught.value)


def test_checks_can_be_turned_off() -> None:
    assert D.Normal(0.0, -1.0, validate_args=False).scale == -1
    assert D.Uniform(0.0, 1.0, validate_args=False).log_prob(lampas.tensor(2.0)) == -float("inf")
    D.Distribution.set_default_validate_args(False)
    try:
        assert D.Normal(0.0, -1.0).scale == -1
        with pytest.raises(ValueError, match="satisfy the constraint GreaterThan"):
            D.Normal(0.0, -1.0, validate_args=True)
    finally:
        D.Distribution.set_default_validate_args(True)
    with pytest.raises(ValueError, match="expects True or False, got 3"):
        D.Distribution.set_default_validate_args(3)


def test_message_shows_the_values() -> None:
    with pytest.raises(ValueError, match=r"(?s)parameter scale \(Tensor of shape \(2,\)\).*tensor\(\[ 1\., -1\.\]\)"):
        D.Normal(0.0, lampas.tensor([1.0, -1.0]))
    with pytest.raises(ValueError, match=r"(?s)IntegerInterval\(lower_bound=0, upper_bound=1\).*values:\n3"):
        D.Categorical(lampas.ones(2)).log_prob(lampas.tensor(3))


def test_warnings() -> None:
    class Bare(D.Distribution):
        """Says nothing of its parameters."""

        def log_prob(self, value: lampas.Tensor) -> lampas.Tensor:
            self._validate_sample(value)
            return value

    with pytest.warns(UserWarning, match="does not define `arg_constraints`"):
        bare = Bare()
    with pytest.warns(UserWarning, match="does not define `support`"):
        bare.log_prob(lampas.tensor(1.0))
    with pytest.warns(FutureWarning, match="sample_n"):
        assert D.Normal(0.0, 1.0).sample_n(3).shape == (3,)
    with pytest.warns(UserWarning, match="Low df values"):
        D.Wishart(1.5, lampas.eye(2))
