"""The Kullback-Leibler divergence of two distributions: look-up by class, and the formulas within one family.

Formulas between families follow from entropies and cross entropies: ``_cross_entropy.py``.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import lampas
from lampas import Tensor
from lampas.distributions import _cross_entropy as cross
from lampas.distributions.bernoulli import Bernoulli
from lampas.distributions.beta import Beta
from lampas.distributions.binomial import Binomial
from lampas.distributions.categorical import Categorical
from lampas.distributions.cauchy import Cauchy
from lampas.distributions.continuous_bernoulli import ContinuousBernoulli
from lampas.distributions.dirichlet import Dirichlet
from lampas.distributions.distribution import Distribution
from lampas.distributions.exp_family import ExponentialFamily
from lampas.distributions.exponential import Exponential
from lampas.distributions.gamma import Gamma
from lampas.distributions.geometric import Geometric
from lampas.distributions.gumbel import Gumbel
from lampas.distributions.half_normal import HalfNormal
from lampas.distributions.independent import Independent
from lampas.distributions.laplace import Laplace
from lampas.distributions.lowrank_multivariate_normal import (
    LowRankMultivariateNormal,
    _batch_lowrank_logdet,
    _batch_lowrank_mahalanobis,
)
from lampas.distributions.multivariate_normal import MultivariateNormal, _batch_mahalanobis, _log_diagonal
from lampas.distributions.normal import Normal
from lampas.distributions.one_hot_categorical import OneHotCategorical
from lampas.distributions.pareto import Pareto
from lampas.distributions.poisson import Poisson
from lampas.distributions.transformed_distribution import TransformedDistribution
from lampas.distributions.uniform import Uniform
from lampas.distributions.utils import _sum_rightmost
from lampas.nn import functional as F

__all__ = ["kl_divergence", "register_kl"]

Divergence = Callable[[Any, Any], Tensor]
_KL_REGISTRY: dict[tuple[type, type], Divergence] = {}
_found: dict[tuple[type, type], Divergence | None] = {}


def register_kl(type_p: type, type_q: type) -> Callable[[Divergence], Divergence]:
    """A decorator that makes a function ``f(p, q)`` the divergence of a pair of classes, their subclasses included.

    Raises:
        TypeError: no subclasses of Distribution.

    >>> @register_kl(MyNormal, Normal)
    ... def kl_mynormal_normal(p, q): ...
    """
    for kind in (type_p, type_q):
        if not (isinstance(kind, type) and issubclass(kind, Distribution)):
            raise TypeError(f"Expected the type of a Distribution, a class, but got {kind}")

    def decorate(function: Divergence) -> Divergence:
        _KL_REGISTRY[type_p, type_q] = function
        _found.clear()
        return function

    return decorate


def _look_up(type_p: type, type_q: type) -> Divergence | None:
    """The function of the nearest registered pair of base classes; a warning where p and q disagree on which it is."""
    pairs = [(a, b) for a, b in _KL_REGISTRY if issubclass(type_p, a) and issubclass(type_q, b)]
    if not pairs:
        return None

    def distance(pair: tuple[type, type]) -> tuple[int, int]:
        return type_p.__mro__.index(pair[0]), type_q.__mro__.index(pair[1])

    by_p = min(pairs, key=distance)
    by_q = min(pairs, key=lambda pair: distance(pair)[::-1])
    if _KL_REGISTRY[by_p] is not _KL_REGISTRY[by_q]:
        warnings.warn(
            f"Ambiguous kl_divergence({type_p.__name__}, {type_q.__name__}). Please register_kl("
            f"{by_p[0].__name__}, {by_q[1].__name__})",
            RuntimeWarning,
            stacklevel=3,
        )
    return _KL_REGISTRY[by_p]


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """``KL(p || q)``, the expectation under p of ``log p(x) - log q(x)``, per distribution of the batch.

    Raises:
        NotImplementedError: no formula for these classes is registered.

    >>> kl_divergence(Normal(0.0, 1.0), Normal(1.0, 1.0))
    tensor(0.5000)
    """
    key = type(p), type(q)
    if key not in _found:
        _found[key] = _look_up(*key)
    function = _found[key]
    if function is None:
        raise NotImplementedError(
            f"No KL(p || q) is implemented for p type {key[0].__name__} and q type {key[1].__name__}"
        )
    return function(p, q)


def _inf_where(condition: Tensor, values: Tensor) -> Tensor:
    return lampas.where(condition, math.inf, values)


# --- discrete -------------------------------------------------------------------------------------------------------


@register_kl(Bernoulli, Bernoulli)
def _kl_bernoulli_bernoulli(p: Bernoulli, q: Bernoulli) -> Tensor:
    def part(weight: Tensor, other: Tensor, difference: Tensor) -> Tensor:
        return lampas.where(weight == 0, 0.0, _inf_where(other == 0, weight * difference))

    ones = part(p.probs, q.probs, F.softplus(-q.logits) - F.softplus(-p.logits))
    return ones + part(1 - p.probs, 1 - q.probs, F.softplus(q.logits) - F.softplus(p.logits))


@register_kl(Binomial, Binomial)
def _kl_binomial_binomial(p: Binomial, q: Binomial) -> Tensor:
    if (p.total_count < q.total_count).any():
        raise NotImplementedError("KL between Binomials where q.total_count > p.total_count is not implemented")
    trial = p.probs * (p.logits - q.logits) + (-p.probs).log1p() - (-q.probs).log1p()
    return _inf_where(p.total_count > q.total_count, p.total_count * trial)


@register_kl(Categorical, Categorical)
def _kl_categorical_categorical(p: Categorical, q: Categorical) -> Tensor:
    terms = _inf_where(q.probs == 0, p.probs * (p.logits - q.logits))
    return lampas.where(p.probs == 0, 0.0, terms).sum(-1)


@register_kl(OneHotCategorical, OneHotCategorical)
def _kl_onehot_onehot(p: OneHotCategorical, q: OneHotCategorical) -> Tensor:
    return _kl_categorical_categorical(p._categorical, q._categorical)


@register_kl(Geometric, Geometric)
def _kl_geometric_geometric(p: Geometric, q: Geometric) -> Tensor:
    return -p.entropy() - lampas.log1p(-q.probs) / p.probs - q.logits


@register_kl(Poisson, Poisson)
def _kl_poisson_poisson(p: Poisson, q: Poisson) -> Tensor:
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


# --- continuous -----------------------------------------------------------------------------------------------------


@register_kl(Beta, Beta)
def _kl_beta_beta(p: Beta, q: Beta) -> Tensor:
    return _kl_dirichlet_dirichlet(p._dirichlet, q._dirichlet)


@register_kl(Dirichlet, Dirichlet)
def _kl_dirichlet_dirichlet(p: Dirichlet, q: Dirichlet) -> Tensor:
    a, b = p.concentration, q.concentration
    total = a.sum(-1)
    gammas = total.lgamma() - b.sum(-1).lgamma() + (b.lgamma() - a.lgamma()).sum(-1)
    return gammas + ((a - b) * (a.digamma() - total.digamma().unsqueeze(-1))).sum(-1)


@register_kl(ContinuousBernoulli, ContinuousBernoulli)
def _kl_cb_cb(p: ContinuousBernoulli, q: ContinuousBernoulli) -> Tensor:
    own = p._cont_bern_log_norm() + lampas.log1p(-p.probs)
    other = q._cont_bern_log_norm() + lampas.log1p(-q.probs)
    return p.mean * (p.logits - q.logits) + own - other


@register_kl(Cauchy, Cauchy)
def _kl_cauchy_cauchy(p: Cauchy, q: Cauchy) -> Tensor:
    """F. Chyzak, F. Nielsen, "A closed-form formula for the KL divergence between Cauchy distributions", 2019."""
    spread = (p.scale + q.scale).pow(2) + (p.loc - q.loc).pow(2)
    return spread.log() - (4 * p.scale * q.scale).log()


@register_kl(Exponential, Exponential)
def _kl_exponential_exponential(p: Exponential, q: Exponential) -> Tensor:
    ratio = q.rate / p.rate
    return ratio - ratio.log() - 1


@register_kl(Gamma, Gamma)
def _kl_gamma_gamma(p: Gamma, q: Gamma) -> Tensor:
    a, b = p.concentration, q.concentration
    rates = b * (p.rate / q.rate).log() + a * (q.rate / p.rate - 1)
    return rates + lampas.lgamma(b) - lampas.lgamma(a) + (a - b) * lampas.digamma(a)


@register_kl(HalfNormal, HalfNormal)
def _kl_halfnormal_halfnormal(p: HalfNormal, q: HalfNormal) -> Tensor:
    return _kl_normal_normal(p.base_dist, q.base_dist)


@register_kl(Laplace, Laplace)
def _kl_laplace_laplace(p: Laplace, q: Laplace) -> Tensor:
    """M. Gil, "On Renyi divergence measures for continuous alphabet sources", 2011."""
    ratio, apart = p.scale / q.scale, (p.loc - q.loc).abs()
    return -ratio.log() + apart / q.scale + ratio * (-apart / p.scale).exp() - 1


@register_kl(Normal, Normal)
def _kl_normal_normal(p: Normal, q: Normal) -> Tensor:
    ratio = (p.scale / q.scale).pow(2)
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale).pow(2) - 1 - ratio.log())


@register_kl(Uniform, Uniform)
def _kl_uniform_uniform(p: Uniform, q: Uniform) -> Tensor:
    value = ((q.high - q.low) / (p.high - p.low)).log()
    return _inf_where((q.low > p.low) | (q.high < p.high), value)


# --- vectors --------------------------------------------------------------------------------------------------------


def _trace_of_product(factor: Tensor) -> Tensor:
    """``trace A A^T``: the sum of squares."""
    return factor.flatten(-2).pow(2).sum(-1)


def _same_events(p: Distribution, q: Distribution) -> None:
    if p.event_shape != q.event_shape:
        names = type(p).__name__, type(q).__name__
        raise ValueError(
            f"KL-divergence between {names[0]} and {names[1]} with different event shapes cannot be computed: "
            f"{p.event_shape} and {q.event_shape}"
        )


def _solved(factor: Tensor, *matrices: Tensor) -> list[Tensor]:
    """``L^-1 A`` for each A, batches broadcast."""
    batch = lampas.broadcast_shapes(factor.shape[:-2], *(m.shape[:-2] for m in matrices))
    factor = factor.expand((*batch, *factor.shape[-2:]))
    wide = (m.expand((*batch, *m.shape[-2:])) for m in matrices)
    return [lampas.linalg.solve_triangular(factor, m, upper=False) for m in wide]


def _roots_of(p: Any) -> list[Tensor]:
    """Matrices A of which the covariance is the sum of ``A A^T``."""
    if isinstance(p, LowRankMultivariateNormal):
        return [p._unbroadcasted_cov_factor, lampas.diag_embed(p._unbroadcasted_cov_diag.sqrt())]
    return [p._unbroadcasted_scale_tril]


def _volume(p: Any) -> Tensor:
    """The logarithm of the covariance's determinant."""
    if isinstance(p, LowRankMultivariateNormal):
        return _batch_lowrank_logdet(p._unbroadcasted_cov_diag, p._capacitance_tril)
    return 2 * _log_diagonal(p._unbroadcasted_scale_tril)


def _kl_of_normals(p: Any, q: Any) -> Tensor:
    _same_events(p, q)
    apart = q.loc - p.loc
    if isinstance(q, LowRankMultivariateNormal):
        factor, diagonal = q._unbroadcasted_cov_factor, q._unbroadcasted_cov_diag
        distance = _batch_lowrank_mahalanobis(factor, diagonal, apart, q._capacitance_tril)
        # Woodbury: trace (Q^-1 P) of the diagonal, less what the factor takes away
        (away,) = _solved(q._capacitance_tril, factor.mT / diagonal.unsqueeze(-2))
        root = diagonal.sqrt().unsqueeze(-1)
        trace = sum(_trace_of_product(a / root) - _trace_of_product(away @ a) for a in _roots_of(p))
    else:
        distance = _batch_mahalanobis(q._unbroadcasted_scale_tril, apart)
        trace = sum(_trace_of_product(a) for a in _solved(q._unbroadcasted_scale_tril, *_roots_of(p)))
    return 0.5 * (_volume(q) - _volume(p) + trace + distance - p.event_shape[0])


_p: type
_q: type
_kinds: tuple[type, ...]
for _p in (MultivariateNormal, LowRankMultivariateNormal):
    for _q in (MultivariateNormal, LowRankMultivariateNormal):
        register_kl(_p, _q)(_kl_of_normals)


# --- made of other distributions, families ---------------------------------------------------------------------------


@register_kl(Independent, Independent)
def _kl_independent_independent(p: Independent, q: Independent) -> Tensor:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError(
            "KL between Independents needs the same reinterpreted_batch_ndims, got "
            f"{p.reinterpreted_batch_ndims} and {q.reinterpreted_batch_ndims}"
        )
    return _sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


@register_kl(TransformedDistribution, TransformedDistribution)
def _kl_transformed_transformed(p: TransformedDistribution, q: TransformedDistribution) -> Tensor:
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError("KL between TransformedDistributions needs the same transforms and event shapes")
    return kl_divergence(p.base_dist, q.base_dist)


@register_kl(ExponentialFamily, ExponentialFamily)
def _kl_expfamily_expfamily(p: ExponentialFamily, q: ExponentialFamily) -> Tensor:
    """The Bregman divergence of the log-normaliser, between the natural parameters."""
    if type(p) is not type(q):
        raise NotImplementedError(
            "The cross KL-divergence between different exponential families cannot be computed using Bregman "
            f"divergences: {type(p).__name__} and {type(q).__name__}"
        )
    own = [x.detach().requires_grad_() for x in p._natural_params]
    other = q._natural_params
    normalizer = p._log_normalizer(*own)
    slopes = lampas.autograd.grad(normalizer.sum(), own, create_graph=True)
    result = q._log_normalizer(*other) - normalizer
    for a, b, slope in zip(own, other, slopes, strict=True):
        result = result - _sum_rightmost((b - a) * slope, len(q.event_shape))
    return result


@register_kl(Gumbel, Gumbel)
def _kl_gumbel_gumbel(p: Gumbel, q: Gumbel) -> Tensor:
    return -p.entropy() + cross.with_gumbel(p, q)


def _by_cross_entropy(cross_entropy: Divergence) -> Divergence:
    return lambda p, q: cross_entropy(p, q) - p.entropy()


@register_kl(Pareto, Pareto)
def _kl_pareto_pareto(p: Pareto, q: Pareto) -> Tensor:
    ratio = q.alpha / p.alpha
    value = q.alpha * (p.scale / q.scale).log() - ratio.log() + ratio - 1
    return _inf_where(p.scale < q.scale, value)


for _kinds, _q, _function in (
    ((Bernoulli,), Poisson, cross.with_poisson),
    ((Beta, Uniform), ContinuousBernoulli, cross.with_continuous_bernoulli),
    ((Beta, ContinuousBernoulli, Gamma, Pareto, Uniform), Exponential, cross.with_exponential),
    ((Beta, Exponential, Pareto, Uniform), Gamma, cross.with_gamma),
    ((Exponential, Gamma, Normal, Uniform), Gumbel, cross.with_gumbel),
    ((Beta, ContinuousBernoulli, Exponential, Gamma, Gumbel, Laplace, Pareto, Uniform), Normal, cross.with_normal),
    ((Beta, ContinuousBernoulli), Uniform, cross.with_uniform),
    ((Normal,), Laplace, cross.with_laplace),
    ((Uniform,), Beta, cross.with_beta),
    ((Uniform,), Pareto, cross.with_pareto),
):
    for _p in _kinds:
        register_kl(_p, _q)(_by_cross_entropy(_function))


def _kl_infinite(p: Any, q: Any) -> Tensor:
    """p draws values that q cannot."""
    return lampas.full_like(next(v for v in p.__dict__.values() if isinstance(v, Tensor)), math.inf)


def _kl_beta_infinite(p: Beta, q: Any) -> Tensor:
    return lampas.full_like(p.concentration1, math.inf)


register_kl(Beta, Pareto)(_kl_beta_infinite)
_BOUNDED: tuple[type, ...] = (Beta, ContinuousBernoulli, Pareto, Uniform)
for _kinds, _others in (
    ((ContinuousBernoulli,), (Pareto,)),
    ((Exponential, Gamma), _BOUNDED),
    ((Gumbel, Laplace, Normal), (*_BOUNDED, Exponential, Gamma)),
    ((Pareto,), (Beta, ContinuousBernoulli, Uniform)),
    ((Poisson,), (Bernoulli, Binomial)),
):
    for _p in _kinds:
        for _q in _others:
            register_kl(_p, _q)(_kl_infinite)
