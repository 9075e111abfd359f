"""Probability distributions and transforms of random variables: ``lampas.distributions``.

Policy gradients: ``loss = -Categorical(logits=...).log_prob(action) * reward``. Differentiable samples: ``rsample()``.

>>> d = Normal(lampas.tensor([0.0]), lampas.tensor([1.0]))
>>> d.log_prob(lampas.zeros(1))
tensor([-0.9189])
"""

from lampas.distributions import constraints as constraints
from lampas.distributions import transforms as transforms
from lampas.distributions import utils as utils
from lampas.distributions.bernoulli import Bernoulli
from lampas.distributions.beta import Beta
from lampas.distributions.binomial import Binomial
from lampas.distributions.categorical import Categorical
from lampas.distributions.cauchy import Cauchy
from lampas.distributions.chi2 import Chi2
from lampas.distributions.constraint_registry import biject_to, transform_to
from lampas.distributions.continuous_bernoulli import ContinuousBernoulli
from lampas.distributions.dirichlet import Dirichlet
from lampas.distributions.distribution import Distribution
from lampas.distributions.exp_family import ExponentialFamily
from lampas.distributions.exponential import Exponential
from lampas.distributions.fishersnedecor import FisherSnedecor
from lampas.distributions.gamma import Gamma
from lampas.distributions.generalized_pareto import GeneralizedPareto
from lampas.distributions.geometric import Geometric
from lampas.distributions.gumbel import Gumbel
from lampas.distributions.half_cauchy import HalfCauchy
from lampas.distributions.half_normal import HalfNormal
from lampas.distributions.independent import Independent
from lampas.distributions.inverse_gamma import InverseGamma
from lampas.distributions.kl import kl_divergence, register_kl
from lampas.distributions.kumaraswamy import Kumaraswamy
from lampas.distributions.laplace import Laplace
from lampas.distributions.lkj_cholesky import LKJCholesky
from lampas.distributions.log_normal import LogNormal
from lampas.distributions.logistic_normal import LogisticNormal
from lampas.distributions.lowrank_multivariate_normal import LowRankMultivariateNormal
from lampas.distributions.mixture_same_family import MixtureSameFamily
from lampas.distributions.multinomial import Multinomial
from lampas.distributions.multivariate_normal import MultivariateNormal
from lampas.distributions.negative_binomial import NegativeBinomial
from lampas.distributions.normal import Normal
from lampas.distributions.one_hot_categorical import OneHotCategorical, OneHotCategoricalStraightThrough
from lampas.distributions.pareto import Pareto
from lampas.distributions.poisson import Poisson
from lampas.distributions.relaxed_bernoulli import RelaxedBernoulli
from lampas.distributions.relaxed_categorical import RelaxedOneHotCategorical
from lampas.distributions.studentT import StudentT
from lampas.distributions.transformed_distribution import TransformedDistribution
from lampas.distributions.transforms import (
    AbsTransform,
    AffineTransform,
    CatTransform,
    ComposeTransform,
    CorrCholeskyTransform,
    CumulativeDistributionTransform,
    ExpTransform,
    IndependentTransform,
    LowerCholeskyTransform,
    PositiveDefiniteTransform,
    PowerTransform,
    ReshapeTransform,
    SigmoidTransform,
    SoftmaxTransform,
    SoftplusTransform,
    StackTransform,
    StickBreakingTransform,
    TanhTransform,
    Transform,
    identity_transform,
)
from lampas.distributions.uniform import Uniform
from lampas.distributions.von_mises import VonMises
from lampas.distributions.weibull import Weibull
from lampas.distributions.wishart import Wishart

__all__ = [
    "AbsTransform",
    "AffineTransform",
    "Bernoulli",
    "Beta",
    "Binomial",
    "CatTransform",
    "Categorical",
    "Cauchy",
    "Chi2",
    "ComposeTransform",
    "ContinuousBernoulli",
    "CorrCholeskyTransform",
    "CumulativeDistributionTransform",
    "Dirichlet",
    "Distribution",
    "ExpTransform",
    "Exponential",
    "ExponentialFamily",
    "FisherSnedecor",
    "Gamma",
    "GeneralizedPareto",
    "Geometric",
    "Gumbel",
    "HalfCauchy",
    "HalfNormal",
    "Independent",
    "IndependentTransform",
    "InverseGamma",
    "Kumaraswamy",
    "LKJCholesky",
    "Laplace",
    "LogNormal",
    "LogisticNormal",
    "LowRankMultivariateNormal",
    "LowerCholeskyTransform",
    "MixtureSameFamily",
    "Multinomial",
    "MultivariateNormal",
    "NegativeBinomial",
    "Normal",
    "OneHotCategorical",
    "OneHotCategoricalStraightThrough",
    "Pareto",
    "Poisson",
    "PositiveDefiniteTransform",
    "PowerTransform",
    "RelaxedBernoulli",
    "RelaxedOneHotCategorical",
    "ReshapeTransform",
    "SigmoidTransform",
    "SoftmaxTransform",
    "SoftplusTransform",
    "StackTransform",
    "StickBreakingTransform",
    "StudentT",
    "TanhTransform",
    "Transform",
    "TransformedDistribution",
    "Uniform",
    "VonMises",
    "Weibull",
    "Wishart",
    "biject_to",
    "identity_transform",
    "kl_divergence",
    "register_kl",
    "transform_to",
]
