"""Losses as modules; the formulas stand in ``lampas.nn.functional``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lampas

from .. import _reduction as _Reduction
from .. import functional as F
from .distance import PairwiseDistance
from .module import Module

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CTCLoss",
    "CosineEmbeddingLoss",
    "CrossEntropyLoss",
    "GaussianNLLLoss",
    "HingeEmbeddingLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "MSELoss",
    "MarginRankingLoss",
    "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss",
    "MultiMarginLoss",
    "NLLLoss",
    "NLLLoss2d",
    "PoissonNLLLoss",
    "SmoothL1Loss",
    "SoftMarginLoss",
    "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
]


class _Loss(Module):
    """A loss of ``(input, target)``, folded by ``reduction``: "mean", "sum" or "none".

    ``size_average`` and ``reduce`` are the older flags for the same thing.
    """

    __constants__ = ["reduction"]
    reduction: str

    def __init__(self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean") -> None:
        super().__init__()
        if size_average is not None or reduce is not None:
            self.reduction = _Reduction.legacy_get_string(size_average, reduce)
        else:
            self.reduction = reduction


class _WeightedLoss(_Loss):
    """A loss with a factor for each class or element, kept as a buffer."""

    def __init__(
        self,
        weight: lampas.Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)


class L1Loss(_Loss):
    """``|x - y|``.

    Example::

        >>> nn.L1Loss()(lampas.tensor([1.0, 3.0]), lampas.zeros(2))
        tensor(2.)
    """

    def forward(self, input: lampas.Tensor, target: lampas.Tensor) -> lampas.Tensor:
        return F.l1_loss(input, target, reduction=self.reduction)


class MSELoss(_Loss):
    """``(x - y)^2``.

    Example::

        >>> nn.MSELoss()(lampas.tensor([1.0, 3.0]), lampas.zeros(2))
        tensor(5.)
    """

    def forward(self, input: lampas.Tensor, target: lampas.Tensor) -> lampas.Tensor:
        return F.mse_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(_Loss):
    """``(x - y)^2 / (2 beta)`` where ``|x - y| < beta``, ``|x - y| - beta / 2`` elsewhere (Girshick 2015).

    Example::

        >>> nn.SmoothL1Loss()(lampas.tensor([3.0]), lampas.zeros(1))
        tensor(2.5000)
    """

    def __init__(
        self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean", beta: float = 1.0
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.beta = beta

    def forward(self, input: lampas.Tensor, target: lampas.Tensor) -> lampas.Tensor:
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(_Loss):
    """``(x - y)^2 / 2`` where ``|x - y| < delta``, ``delta (|x - y| - delta / 2)`` elsewhere (Huber 1964).

    Example::

        >>> nn.HuberLoss(delta=2.0)(lampas.tensor([3.0]), lampas.zeros(1))
        tensor(4.)
    """

    __constants__ = ["reduction", "delta"]

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.delta = delta

    def forward(self, input: lampas.Tensor, target: lampas.Tensor) -> lampas.Tensor:
        return F.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class NLLLoss(_WeightedLoss):
    """``-weight[y] * input[y]`` for log-probabilities ``(N, C)``, ``(C,)`` or ``(N, C, d1, ...)``.

    A mean divides by the sum of the weights used; targets equal to ``ignore_index`` count for nothing.

    Example::

        >>> nn.NLLLoss()(lampas.tensor([[-0.5, -2.0]]), lampas.tensor([0]))
        tensor(0.5000)
    """

    __constants__ = ["ignore_index", "reduction"]

    def __init__(
        self,
        weight: lampas.Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: lampas.Tensor, target: lampas.Tensor) -> lampas.Tensor:
        return F.nll_loss(input, target, weight=self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


class NLLLoss2d(NLLLoss):
    """The old name of :class:`NLLLoss`."""

    def __init__(
        self,
        weight: lampas.Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        import warnings

        warnings.warn("NLLLoss2d has been deprecated. Please use NLLLoss instead.", FutureWarning, stacklevel=2)
        super().__init__(weight, size_average, ignore_index, reduce, reduction)


class CrossEntropyLoss(_WeightedLoss):
    """``-log_softmax(input)[target]``: the loss of a classifier.

    Args:
        weight: one factor per class; a mean divides by the sum of the factors used.
        ignore_index: a class number that counts for nothing.
        label_smoothing: in [0, 1]: how much of the target is spread over all classes (Szegedy et al. 2016).

    Input: scores ``(N, C)``, ``(C,)`` or ``(N, C, d1, ...)``, not normalized. Target: class numbers (the input's shape
    without C) or probabilities (the input's shape).

    Example::

        >>> nn.CrossEntropyLoss()(lampas.zeros(1, 4), lampas.tensor([2]))
        tensor(1.3863)
    """

    __constants__ = ["ignore_index", "reduction", "label_smoothing"]

    def __init__(
        self,
        weight: lampas.Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: lampas.Tensor, target: lampas.Tensor) -> lampas.Tensor:
        return F.cross_entropy(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class PoissonNLLLoss(_Loss):
    """``exp(x) - y x`` (``x - y log(x + eps)`` without ``log_input``); ``full`` adds Stirling's ``log y!``.

    Example::

        >>> nn.PoissonNLLLoss()(lampas.zeros(1), lampas.ones(1))
        tensor(1.)
    """

    __constants__ = ["log_input", "full", "eps", "reduction"]

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        size_average: bool | None = None,
        eps: float = 1e-8,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_input = log_input
        self.full = full
        self.eps = eps

    def forward(self, log_input: lampas.Tensor, target: lampas.Tensor) -> lampas.Tensor:
        return F.poisson_nll_loss(
            log_input, target, log_input=self.log_input, full=self.full, eps=self.eps, reduction=self.reduction
        )


class GaussianNLLLoss(_Loss):
    """``(log var + (x - y)^2 / var) / 2``; ``full`` adds ``log(2 pi) / 2`` (Nix & Weigend 1994).

    Example::

        >>> nn.GaussianNLLLoss()(lampas.zeros(1), lampas.ones(1), lampas.ones(1))
        tensor(0.5000)
    """

    __constants__ = ["full", "eps", "reduction"]

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(None, None, reduction)
        self.full = full
        self.eps = eps

    def forward(self, input: lampas.Tensor, target: lampas.Tensor, var: lampas.Tensor | float) -> lampas.Tensor:
        return F.gaussian_nll_loss(input, target, var, full=self.full, eps=self.eps, reduction=self.reduction)


class KLDivLoss(_Loss):
    """``y (log y - x)`` for log-probabilities ``x``; ``"batchmean"`` is the divergence's definition.

    Args:
        log_target: the targets are log-probabilities too.

    Example::

        >>> nn.KLDivLoss(reduction="batchmean")(lampas.tensor([[0.5, 0.5]]).log(), lampas.tensor([[0.5, 0.5]]))
        tensor(0.)
    """

    __constants__ = ["reduction"]

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        log_target: bool = False,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_target = log_target

    def forward(self, input: lampas.Tensor, target: lampas.Tensor) -> lampas.Tensor:
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class BCELoss(_WeightedLoss):
    """``-(y log x + (1 - y) log(1 - x))`` for probabilities ``x``; the logarithms are cut at -100.

    Example::

        >>> nn.BCELoss()(lampas.tensor([0.5]), lampas.ones(1))
        tensor(0.6931)
    """

    def forward(self, input: lampas.Tensor, target: lampas.Tensor) -> lampas.Tensor:
        return F.binary_cross_entropy(input, target, weight=self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """Binary cross entropy of ``sigmoid(x)``, without overflow; ``pos_weight`` is a factor of the positive part.

    Example::

        >>> nn.BCEWithLogitsLoss()(lampas.zeros(1), lampas.ones(1))
        tensor(0.6931)
    """

    __constants__ = []

    def __init__(
        self,
        weight: lampas.Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        pos_weight: lampas.Tensor | None = None,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: lampas.Tensor, target: lampas.Tensor) -> lampas.Tensor:
        return F.binary_cross_entropy_with_logits(
            input, target, self.weight, pos_weight=self.pos_weight, reduction=self.reduction
        )


class _MarginLoss(_Loss):
    """A loss with a margin as its first argument."""

    __constants__ = ["margin", "reduction"]

    def __init__(
        self,
        margin: float = 0.0,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin


class HingeEmbeddingLoss(_MarginLoss):
    """``x`` where ``y`` is 1, ``max(0, margin - x)`` where it is -1.

    Example::

        >>> nn.HingeEmbeddingLoss()(lampas.tensor([0.25]), lampas.tensor([-1.0]))
        tensor(0.7500)
    """

    def __init__(
        self,
        margin: float = 1.0,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(margin, size_average, reduce, reduction)

    def forward(self, input: lampas.Tensor, target: lampas.Tensor) -> lampas.Tensor:
        return F.hinge_embedding_loss(input, target, margin=self.margin, reduction=self.reduction)


class CosineEmbeddingLoss(_MarginLoss):
    """``1 - cos(x1, x2)`` where ``y`` is 1, ``max(0, cos(x1, x2) - margin)`` where it is -1.

    Example::

        >>> nn.CosineEmbeddingLoss()(lampas.ones(1, 2), -lampas.ones(1, 2), lampas.ones(1))
        tensor(2.)
    """

    def forward(self, input1: lampas.Tensor, input2: lampas.Tensor, target: lampas.Tensor) -> lampas.Tensor:
        return F.cosine_embedding_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class MarginRankingLoss(_MarginLoss):
    """``max(0, -y (x1 - x2) + margin)``.

    Example::

        >>> nn.MarginRankingLoss()(lampas.zeros(1), lampas.ones(1), lampas.ones(1))
        tensor(1.)
    """

    def forward(self, input1: lampas.Tensor, input2: lampas.Tensor, target: lampas.Tensor) -> lampas.Tensor:
        return F.margin_ranking_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class SoftMarginLoss(_Loss):
    """``log(1 + exp(-y x))`` for ``y`` of 1 and -1.

    Example::

        >>> nn.SoftMarginLoss()(lampas.zeros(1), lampas.ones(1))
        tensor(0.6931)
    """

    def forward(self, input: lampas.Tensor, target: lampas.Tensor) -> lampas.Tensor:
        return F.soft_margin_loss(input, target, reduction=self.reduction)


class MultiLabelMarginLoss(_Loss):
    """``sum over labels j and non-labels i of max(0, 1 - (x[y_j] - x[i])) / C``; a negative target ends a row.

    Example::

        >>> nn.MultiLabelMarginLoss()(lampas.tensor([[0.0, 1.0]]), lampas.tensor([[1, -1]]))
        tensor(0.)
    """

    def forward(self, input: lampas.Tensor, target: lampas.Tensor) -> lampas.Tensor:
        return F.multilabel_margin_loss(input, target, reduction=self.reduction)


class MultiLabelSoftMarginLoss(_WeightedLoss):
    """The mean over classes of the binary cross entropy of ``sigmoid(x)``.

    Example::

        >>> nn.MultiLabelSoftMarginLoss()(lampas.zeros(1, 2), lampas.ones(1, 2))
        tensor(0.6931)
    """

    def forward(self, input: lampas.Tensor, target: lampas.Tensor) -> lampas.Tensor:
        return F.multilabel_soft_margin_loss(input, target, weight=self.weight, reduction=self.reduction)


class MultiMarginLoss(_WeightedLoss):
    """``sum over i != y of weight[y] max(0, margin - x[y] + x[i])^p / C``: the hinge loss of several classes.

    Example::

        >>> nn.MultiMarginLoss()(lampas.zeros(1, 4), lampas.tensor([0]))
        tensor(0.7500)
    """

    __constants__ = ["p", "margin", "reduction"]

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: lampas.Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        if p not in (1, 2):
            raise ValueError(f"only p == 1 and p == 2 supported, got {p}")
        if weight is not None and weight.dim() != 1:
            raise ValueError(f"MultiMarginLoss: expected weight to be None or 1D tensor, got {weight.dim()}D instead")
        self.p = p
        self.margin = margin

    def forward(self, input: lampas.Tensor, target: lampas.Tensor) -> lampas.Tensor:
        return F.multi_margin_loss(
            input, target, p=self.p, margin=self.margin, weight=self.weight, reduction=self.reduction
        )


class TripletMarginLoss(_Loss):
    """``max(0, d(a, p) - d(a, n) + margin)`` with ``d(x, y) = ||x - y + eps||_p`` (Balntas et al. 2016).

    ``swap`` uses ``d(p, n)`` for ``d(a, n)`` where it is smaller.

    Example::

        >>> nn.TripletMarginLoss()(lampas.zeros(1, 2), lampas.zeros(1, 2), lampas.zeros(1, 2))
        tensor(1.)
    """

    __constants__ = ["margin", "p", "eps", "swap", "reduction"]

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        if margin <= 0:
            raise ValueError(f"TripletMarginLoss: expected margin to be greater than 0, got {margin} instead")
        self.margin = margin
        self.p = p
        self.eps = eps
        self.swap = swap

    def forward(self, anchor: lampas.Tensor, positive: lampas.Tensor, negative: lampas.Tensor) -> lampas.Tensor:
        return F.triplet_margin_loss(
            *(anchor, positive, negative),
            margin=self.margin,
            p=self.p,
            eps=self.eps,
            swap=self.swap,
            reduction=self.reduction,
        )


class TripletMarginWithDistanceLoss(_Loss):
    """:class:`TripletMarginLoss` with a distance of your own.

    Example::

        >>> loss = nn.TripletMarginWithDistanceLoss(distance_function=nn.PairwiseDistance())
    """

    __constants__ = ["margin", "swap", "reduction"]

    def __init__(
        self,
        *,
        distance_function: Callable[[lampas.Tensor, lampas.Tensor], lampas.Tensor] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average=None, reduce=None, reduction=reduction)
        if margin <= 0:
            raise ValueError(
                f"TripletMarginWithDistanceLoss: expected margin to be greater than 0, got {margin} instead"
            )
        self.distance_function = PairwiseDistance() if distance_function is None else distance_function
        self.margin = margin
        self.swap = swap

    def forward(self, anchor: lampas.Tensor, positive: lampas.Tensor, negative: lampas.Tensor) -> lampas.Tensor:
        return F.triplet_margin_with_distance_loss(
            *(anchor, positive, negative),
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )


class CTCLoss(_Loss):
    """The negative log-likelihood of label sequences without alignment (Graves et al. 2006).

    Args:
        blank: the label of "nothing".
        zero_infinity: count impossible alignments as 0.

    Takes log-probabilities ``(T, N, C)``, targets ``(N, S)`` or in one row, and the lengths of both.

    Example::

        >>> loss = nn.CTCLoss()(lampas.randn(5, 1, 3).log_softmax(2), lampas.tensor([[1, 2]]), [5], [2])
    """

    __constants__ = ["blank", "reduction"]

    def __init__(self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False) -> None:
        super().__init__(reduction=reduction)
        self.blank = blank
        self.zero_infinity = zero_infinity

    def forward(
        self, log_probs: lampas.Tensor, targets: lampas.Tensor, input_lengths: Any, target_lengths: Any
    ) -> lampas.Tensor:
        return F.ctc_loss(
            log_probs, targets, input_lengths, target_lengths, self.blank, self.reduction, self.zero_infinity
        )
