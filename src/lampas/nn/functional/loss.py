"""Losses. Each takes ``reduction``: "mean", "sum" or "none" (and the older flags ``size_average`` and ``reduce``)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import lampas
from lampas._autocast import in_float32

from .. import _reduction as _Reduction

_nn = lampas._C.nn
_shown_as = lampas._C._shown_as

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cosine_embedding_loss",
    "cross_entropy",
    "ctc_loss",
    "gaussian_nll_loss",
    "hinge_embedding_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "linear_cross_entropy",
    "margin_ranking_loss",
    "mse_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "nll_loss",
    "poisson_nll_loss",
    "smooth_l1_loss",
    "soft_margin_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]


def _reduction_of(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """The reduction meant by the three arguments together."""
    if size_average is not None or reduce is not None:
        reduction = _Reduction.legacy_get_string(size_average, reduce)
    _Reduction.get_enum(reduction)
    return reduction


def _enum_of(size_average: bool | None, reduce: bool | None, reduction: str) -> int:
    if size_average is None and reduce is None:
        return _Reduction.get_enum(reduction)
    return _Reduction.legacy_get_enum(size_average, reduce)


def _fold(loss: lampas.Tensor, reduction: str) -> lampas.Tensor:
    return loss.mean() if reduction == "mean" else loss.sum() if reduction == "sum" else loss


def _same_shape(input: lampas.Tensor, target: lampas.Tensor) -> tuple[lampas.Tensor, lampas.Tensor]:
    """Both, broadcast; says so, because a loss over broadcast shapes is rarely what was meant."""
    if target.size() != input.size():
        warnings.warn(
            f"Using a target size ({target.size()}) that is different to the input size ({input.size()}). This will "
            "likely lead to incorrect results due to broadcasting. Please ensure they have the same size.",
            stacklevel=3,
        )
    input, target = lampas.broadcast_tensors(input, target)
    return input, target


def _elementwise(
    function: Callable[..., lampas.Tensor],
    input: lampas.Tensor,
    target: lampas.Tensor,
    reduction: str,
    weight: lampas.Tensor | None,
    *extra: float,
) -> lampas.Tensor:
    """A loss of each element, weighted by ``weight`` if it is given; a weighted mean divides by the weights' sum."""
    if target.size() != input.size():
        input, target = _same_shape(input, target)
    if weight is None:
        return function(input, target, _Reduction.get_enum(reduction), *extra)
    if weight.size() != input.size():
        raise ValueError(f"Weights and input must have the same size, got {weight.size()} and {input.size()}.")
    loss = function(input, target, 0, *extra) * weight
    if reduction == "mean":
        return loss.sum() / weight.sum()
    return _fold(loss, reduction)


def mse_loss(
    input: lampas.Tensor,
    target: lampas.Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: lampas.Tensor | None = None,
) -> lampas.Tensor:
    """``(x - y)^2``.

    >>> F.mse_loss(lampas.tensor([1.0, 3.0]), lampas.zeros(2))
    tensor(5.)
    """
    return _elementwise(_nn.mse_loss, input, target, _reduction_of(size_average, reduce, reduction), weight)


def l1_loss(
    input: lampas.Tensor,
    target: lampas.Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: lampas.Tensor | None = None,
) -> lampas.Tensor:
    """``|x - y|``."""
    return _elementwise(_nn.l1_loss, input, target, _reduction_of(size_average, reduce, reduction), weight)


def smooth_l1_loss(
    input: lampas.Tensor,
    target: lampas.Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> lampas.Tensor:
    """``(x - y)^2 / (2 beta)`` where ``|x - y| < beta``, ``|x - y| - beta / 2`` elsewhere (Girshick 2015)."""
    reduction = _reduction_of(size_average, reduce, reduction)
    if beta == 0.0:
        return _elementwise(_nn.l1_loss, input, target, reduction, None)
    return _elementwise(_nn.smooth_l1_loss, input, target, reduction, None, beta)


def huber_loss(
    input: lampas.Tensor,
    target: lampas.Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: lampas.Tensor | None = None,
) -> lampas.Tensor:
    """``(x - y)^2 / 2`` where ``|x - y| < delta``, ``delta (|x - y| - delta / 2)`` elsewhere (Huber 1964)."""
    return _elementwise(_nn.huber_loss, input, target, reduction, weight, delta)


def cross_entropy(
    input: lampas.Tensor,
    target: lampas.Tensor,
    weight: lampas.Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> lampas.Tensor:
    """``-log_softmax(input)[target]``: the loss of a classifier.

    Args:
        input: scores ``(N, C)``, ``(C,)`` or ``(N, C, d1, ...)``, not normalized.
        target: class numbers ``(N,)``, ``()`` or ``(N, d1, ...)``, or probabilities shaped like ``input``.
        weight: one factor per class; a weighted mean divides by the sum of the factors used.
        ignore_index: a class number that counts for nothing.
        label_smoothing: in [0, 1]: how much of the target is spread over all classes (Szegedy et al. 2016).

    >>> F.cross_entropy(lampas.zeros(1, 4), lampas.tensor([2]))
    tensor(1.3863)
    """
    if size_average is not None or reduce is not None:
        reduction = _Reduction.legacy_get_string(size_average, reduce)
    return _nn.cross_entropy_loss(input, target, weight, _Reduction.get_enum(reduction), ignore_index, label_smoothing)


def nll_loss(
    input: lampas.Tensor,
    target: lampas.Tensor,
    weight: lampas.Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> lampas.Tensor:
    """``-input[target]`` for log-probabilities ``(N, C)``, ``(C,)`` or ``(N, C, d1, ...)``."""
    return _nn.nll_loss_nd(input, target, weight, _enum_of(size_average, reduce, reduction), ignore_index)


def binary_cross_entropy(
    input: lampas.Tensor,
    target: lampas.Tensor,
    weight: lampas.Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> lampas.Tensor:
    """``-(y log x + (1 - y) log(1 - x))`` for probabilities ``x``; the logarithms are cut at -100."""
    enum = _enum_of(size_average, reduce, reduction)
    if target.size() != input.size():
        raise ValueError(
            f"Using a target size ({target.size()}) that is different to the input size ({input.size()}) is "
            "deprecated. "
            "Please ensure they have the same size."
        )
    if weight is not None:
        weight = weight.expand(lampas.broadcast_shapes(target.size(), weight.size()))
    return _nn.binary_cross_entropy(input, target, weight, enum)


def binary_cross_entropy_with_logits(
    input: lampas.Tensor,
    target: lampas.Tensor,
    weight: lampas.Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: lampas.Tensor | None = None,
) -> lampas.Tensor:
    """Binary cross entropy of ``sigmoid(input)``, without overflow; ``pos_weight`` is a factor of the positive part."""
    enum = _enum_of(size_average, reduce, reduction)
    if target.size() != input.size():
        raise ValueError(f"Target size ({target.size()}) must be the same as input size ({input.size()})")
    return lampas.binary_cross_entropy_with_logits(input, target, weight, pos_weight, enum)


@in_float32
def kl_div(
    input: lampas.Tensor,
    target: lampas.Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> lampas.Tensor:
    """``y (log y - x)`` for log-probabilities ``x`` and probabilities ``y`` (their logarithms with ``log_target``).

    ``reduction="batchmean"`` divides the sum by the batch size, which is the divergence's definition.
    """
    if size_average is not None or reduce is not None:
        reduction = _Reduction.legacy_get_string(size_average, reduce)
    elif reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size. 'batchmean' divides "
            "only by the batch size, and aligns with the KL math definition. 'mean' will be changed to behave the same "
            "as 'batchmean' in the next major release.",
            stacklevel=3,
        )
    batchmean = reduction == "batchmean"
    if not batchmean:
        _Reduction.get_enum(reduction)
    loss = target.exp() * (target - input) if log_target else lampas.xlogy(target, target) - target * input
    if batchmean:
        return loss.sum() / input.size(0) if input.dim() else loss
    return _fold(loss, reduction)


@in_float32
def poisson_nll_loss(
    input: lampas.Tensor,
    target: lampas.Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> lampas.Tensor:
    """``exp(x) - y x`` (``x - y log(x + eps)`` without ``log_input``); ``full`` adds Stirling's ``log y!``."""
    reduction = _reduction_of(size_average, reduce, reduction)
    loss = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        stirling = target * target.log() - target + 0.5 * (2 * math.pi * target).log()
        loss = loss + stirling.masked_fill(target <= 1, 0)
    return _fold(loss, reduction)


def gaussian_nll_loss(
    input: lampas.Tensor,
    target: lampas.Tensor,
    var: lampas.Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> lampas.Tensor:
    """``(log var + (x - y)^2 / var) / 2``; ``full`` adds ``log(2 pi) / 2`` (Nix & Weigend 1994).

    Args:
        var: one variance, one per element, or one per last dimension (that dimension left out or 1).
        eps: the least variance used; no gradient flows into the cut.
    """
    if isinstance(var, float):
        if var < 0:
            raise ValueError(f"var has negative entry/entries: {var}")
        var = var * lampas.ones_like(input)
    elif (var < 0).any():
        raise ValueError("var has negative entry/entries")
    if var.size() != input.size():
        differing = [b for a, b in zip(input.size(), var.size()) if a != b]
        if input.size()[:-1] == var.size():
            var = var.unsqueeze(-1)
        elif not (input.dim() == var.dim() and differing == [1]):
            raise ValueError(
                f"var is of incorrect size: {tuple(var.size())} for input {tuple(input.size())}; it must equal the "
                "input's, or leave its last dimension out, or have one dimension of 1"
            )
    _Reduction.get_enum(reduction)
    var = var.clone()
    with lampas.no_grad():
        var.clamp_(min=eps)
    loss = 0.5 * (var.log() + (input - target) ** 2 / var)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return _fold(loss, reduction)


def soft_margin_loss(
    input: lampas.Tensor,
    target: lampas.Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> lampas.Tensor:
    """``log(1 + exp(-y x))`` for ``y`` of 1 and -1."""
    loss = _fold((-target * input).exp().log1p(), _reduction_of(size_average, reduce, reduction))
    return _shown_as(loss, "SoftMarginLossBackward0")


@in_float32
def hinge_embedding_loss(
    input: lampas.Tensor,
    target: lampas.Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> lampas.Tensor:
    """``x`` where ``y`` is 1, ``max(0, margin - x)`` where it is -1."""
    reduction = _reduction_of(size_average, reduce, reduction)
    zero = lampas.zeros_like(input)
    loss = lampas.where(target != 1, (margin - input).clamp_min(0), zero) + lampas.where(target != -1, input, zero)
    return _fold(loss, reduction)


@in_float32
def cosine_embedding_loss(
    input1: lampas.Tensor,
    input2: lampas.Tensor,
    target: lampas.Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> lampas.Tensor:
    """``1 - cos(x1, x2)`` where ``y`` is 1, ``max(0, cos(x1, x2) - margin)`` where it is -1."""
    reduction = _reduction_of(size_average, reduce, reduction)
    if target.dim() not in (0, 1) or input1.dim() != target.dim() + 1 or input1.size() != input2.size():
        raise RuntimeError(
            f"{target.dim()}D target tensor expects {target.dim() + 1}D input tensors of one shape, but found inputs "
            "with "
            f"sizes {list(input1.size())} and {list(input2.size())}."
        )
    epsilon = 1e-12
    dim = target.dim()
    product = (input1 * input2).sum(dim)
    square1 = (input1 * input1).sum(dim) + epsilon
    square2 = (input2 * input2).sum(dim) + epsilon
    cosine = product / (square1 * square2).sqrt()
    zero = lampas.zeros_like(cosine)
    loss = lampas.where(target == 1, 1 - cosine, zero) + lampas.where(
        target == -1, (cosine - margin).clamp_min(0), zero
    )
    return _fold(loss, reduction)


@in_float32
def margin_ranking_loss(
    input1: lampas.Tensor,
    input2: lampas.Tensor,
    target: lampas.Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> lampas.Tensor:
    """``max(0, -y (x1 - x2) + margin)``."""
    reduction = _reduction_of(size_average, reduce, reduction)
    if not input1.dim() == input2.dim() == target.dim():
        raise RuntimeError(
            f"margin_ranking_loss : All input tensors should have same dimension but got sizes: input1: "
            f"{input1.size()}, input2: {input2.size()}, target: {target.size()} "
        )
    return _fold((-target * (input1 - input2) + margin).clamp_min(0), reduction)


def multilabel_soft_margin_loss(
    input: lampas.Tensor,
    target: lampas.Tensor,
    weight: lampas.Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> lampas.Tensor:
    """The mean over classes of the binary cross entropy of ``sigmoid(x)``."""
    reduction = _reduction_of(size_average, reduce, reduction)
    log_sigmoid = _nn.log_sigmoid
    loss = -(target * log_sigmoid(input) + (1 - target) * log_sigmoid(-input))
    if weight is not None:
        loss = loss * weight
    return _fold(loss.sum(dim=-1) / input.size(-1), reduction)


def _row_per_sample(name: str, input: lampas.Tensor) -> lampas.Tensor:
    """``(N, C)`` of what may be ``(C,)``."""
    if input.dim() not in (1, 2) or input.size(-1) == 0:
        raise RuntimeError(f"{name}: expected a non-empty vector or matrix, got a tensor of shape {list(input.shape)}")
    return input.unsqueeze(0) if input.dim() == 1 else input


@in_float32
def multi_margin_loss(
    input: lampas.Tensor,
    target: lampas.Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: lampas.Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> lampas.Tensor:
    """``sum over i != y of w[y] max(0, margin - x[y] + x[i])^p / C``: the hinge loss of several classes."""
    reduction = _reduction_of(size_average, reduce, reduction)
    if p not in (1, 2):
        raise ValueError(f"only p == 1 and p == 2 supported, got {p}")
    if weight is not None and weight.dim() != 1:
        raise ValueError(f"weight must be one-dimensional, got {weight.dim()} dimensions")
    rows = _row_per_sample("multi_margin_loss", input)
    classes = target.reshape(-1)
    if target.dim() > 1 or classes.size(0) != rows.size(0):
        raise RuntimeError(f"inconsistent target size, expected {rows.size(0)} but got {list(target.shape)}")
    column = classes.unsqueeze(1)
    term = (margin - rows.gather(1, column) + rows).clamp_min(0)
    if p == 2:
        term = term * term
    if weight is not None:
        term = term * weight[classes].unsqueeze(1)
    others = lampas.ones_like(rows).scatter(1, column, 0.0)
    loss = (term * others).sum(1) / rows.size(1)
    return _shown_as(_fold(loss if target.dim() else loss.squeeze(0), reduction), "MultiMarginLossBackward0")


@in_float32
def multilabel_margin_loss(
    input: lampas.Tensor,
    target: lampas.Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> lampas.Tensor:
    """``sum over labels j and non-labels i of max(0, 1 - (x[y_j] - x[i])) / C``.

    ``target`` holds class numbers; the first negative one ends a row.
    """
    reduction = _reduction_of(size_average, reduce, reduction)
    rows = _row_per_sample("multilabel_margin_loss", input)
    if target.shape != input.shape:
        raise RuntimeError(f"inconsistent target size: {list(target.shape)} for input {list(input.shape)}")
    labels = target.unsqueeze(0) if target.dim() == 1 else target
    valid = (labels < 0).long().cumsum(1) == 0
    safe = labels.masked_fill(~valid, 0)
    is_label = lampas.zeros_like(labels).scatter_add(1, safe, valid.long()) > 0
    term = (1 - rows.gather(1, safe).unsqueeze(2) + rows.unsqueeze(1)).clamp_min(0)
    counted = (valid.unsqueeze(2) & ~is_label.unsqueeze(1)).to(rows.dtype)
    loss = (term * counted).sum((1, 2)) / rows.size(1)
    return _shown_as(_fold(loss if input.dim() == 2 else loss.squeeze(0), reduction), "MultilabelMarginLossBackward0")


@in_float32
def triplet_margin_loss(
    anchor: lampas.Tensor,
    positive: lampas.Tensor,
    negative: lampas.Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> lampas.Tensor:
    """``max(0, d(a, p) - d(a, n) + margin)`` with ``d(x, y) = ||x - y + eps||_p`` (Balntas et al. 2016).

    ``swap`` uses ``d(p, n)`` for ``d(a, n)`` where it is smaller.
    """
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")

    def distance(x: lampas.Tensor, y: lampas.Tensor) -> lampas.Tensor:
        return lampas.pairwise_distance(x, y, p, eps)

    return _triplet(anchor, positive, negative, distance, margin, swap, _reduction_of(size_average, reduce, reduction))


def triplet_margin_with_distance_loss(
    anchor: lampas.Tensor,
    positive: lampas.Tensor,
    negative: lampas.Tensor,
    *,
    distance_function: Callable[[lampas.Tensor, lampas.Tensor], lampas.Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> lampas.Tensor:
    """:func:`triplet_margin_loss` with a distance of your own."""
    _Reduction.get_enum(reduction)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    if distance_function is None:
        distance_function = lampas.pairwise_distance
    return _triplet(anchor, positive, negative, distance_function, margin, swap, reduction)


def _triplet(
    anchor: lampas.Tensor,
    positive: lampas.Tensor,
    negative: lampas.Tensor,
    distance: Callable[[lampas.Tensor, lampas.Tensor], lampas.Tensor],
    margin: float,
    swap: bool,
    reduction: str,
) -> lampas.Tensor:
    a, p, n = anchor.dim(), positive.dim(), negative.dim()
    if not a == p == n:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: "
            f"anchor {a}D, positive {p}D, and negative {n}D inputs"
        )
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = lampas.minimum(far, distance(positive, negative))
    return _fold((margin + near - far).clamp_min(0), reduction)


@in_float32
def ctc_loss(
    log_probs: lampas.Tensor,
    targets: lampas.Tensor,
    input_lengths: lampas.Tensor,
    target_lengths: lampas.Tensor,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> lampas.Tensor:
    """The negative log-likelihood of label sequences without alignment (Graves et al. 2006).

    Args:
        log_probs: ``(T, N, C)`` or ``(T, C)`` log-probabilities.
        targets: ``(N, S)`` labels, or all of them in one row.
        input_lengths, target_lengths: how much of each is used.
        blank: the label of "nothing".
        zero_infinity: count impossible alignments as 0.
    """
    return lampas.ctc_loss(
        log_probs, targets, input_lengths, target_lengths, blank, _Reduction.get_enum(reduction), zero_infinity
    )


def linear_cross_entropy(
    input: lampas.Tensor,
    linear_weight: lampas.Tensor,
    target: lampas.Tensor,
    *,
    linear_bias: lampas.Tensor | None = None,
    weight: lampas.Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: Any = None,
) -> lampas.Tensor:
    """``cross_entropy(linear(input, linear_weight, linear_bias), target)``; ``options`` do not change the result."""
    scores = _nn.linear(input, linear_weight, linear_bias)
    return cross_entropy(
        scores,
        target,
        weight,
        ignore_index=-100 if ignore_index is None else ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )
