"""Softmax over many classes, the rare ones in smaller tables."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from typing import Any

import lampas

from .. import functional as F
from .container import ModuleList, Sequential
from .linear import Linear
from .module import Module

__all__ = ["AdaptiveLogSoftmaxWithLoss"]

_ASMoutput = namedtuple("_ASMoutput", ["output", "loss"])


class AdaptiveLogSoftmaxWithLoss(Module):
    """An approximate softmax for many classes of very different frequency (Grave et al. 2017).

    Args:
        in_features, n_classes: features of the input, number of classes, the most frequent first.
        cutoffs: where the clusters of rarer classes begin, rising.
        div_value: by how much each cluster's features are fewer than those of the one before.
        head_bias: whether the first table has a bias.

    Gives ``output`` (the log-probability of each target) and ``loss`` (minus their mean).

    Example::

        >>> m = nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5, 10])
        >>> m(lampas.randn(4, 8), lampas.tensor([0, 6, 12, 19])).output.shape
        torch.Size([4])
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        kwargs = {"device": device, "dtype": dtype}
        super().__init__()
        cutoffs = list(cutoffs)
        if not cutoffs:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        if (
            cutoffs != sorted(set(cutoffs))
            or min(cutoffs) <= 0
            or max(cutoffs) > n_classes - 1
            or any(int(c) != c for c in cutoffs)
        ):
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing order, where each "
                "value "
                f"is between 1 and n_classes-1, got {cutoffs} with n_classes={n_classes}"
            )
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = [*cutoffs, n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = self.cutoffs[0]
        self.n_clusters = len(self.cutoffs) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, bias=head_bias, **kwargs)
        self.tail = ModuleList()
        for i in range(self.n_clusters):
            hidden = int(in_features // (div_value ** (i + 1)))
            size = self.cutoffs[i + 1] - self.cutoffs[i]
            self.tail.append(
                Sequential(
                    Linear(in_features, hidden, bias=False, **kwargs), Linear(hidden, size, bias=False, **kwargs)
                )
            )

    def reset_parameters(self) -> None:
        """Draw the initial values anew."""
        self.head.reset_parameters()
        for first, second in self.tail:
            first.reset_parameters()
            second.reset_parameters()

    def forward(self, input_: lampas.Tensor, target_: lampas.Tensor) -> Any:
        if target_.dim() == 1:
            if input_.size(0) != target_.size(0):
                raise RuntimeError(
                    f"Input and target should have the same size in the batch dimension, got {input_.size(0)} and "
                    f"{target_.size(0)}."
                )
            if input_.dim() != 2:
                raise RuntimeError(
                    f"1D target tensor expects 2D input tensors, but found inputs with size {input_.size()}"
                )
        elif target_.dim() == 0:
            if input_.dim() != 1:
                raise RuntimeError(
                    f"0D target tensor expects 1D input tensors, but found inputs with size {input_.size()}"
                )
        else:
            raise RuntimeError(f"0D or 1D target tensor expected, multi-target not supported, got {target_.dim()}D")
        single = target_.dim() == 0
        input = input_.unsqueeze(0) if single else input_
        target = target_.unsqueeze(0) if single else target_
        bad = (target < 0) | (target >= self.n_classes)
        if bad.any():
            raise RuntimeError(
                f"Target values should be in [0, {self.n_classes - 1}], but values in range [{int(target.min())}, "
                f"{int(target.max())}] were found. "
            )
        head = F.log_softmax(self.head(input), dim=1)
        in_head = target.clone()
        output = lampas.zeros((target.size(0),), dtype=head.dtype, device=head.device)
        for i in range(self.n_clusters):
            low, high = self.cutoffs[i], self.cutoffs[i + 1]
            rows = ((target >= low) & (target < high)).nonzero().squeeze(1)
            if rows.numel() == 0:
                continue
            cluster = F.log_softmax(self.tail[i](input.index_select(0, rows)), dim=1)
            within = (target.index_select(0, rows) - low).unsqueeze(1)
            output = output.index_add(0, rows, cluster.gather(1, within).squeeze(1))
            in_head = in_head.index_fill(0, rows, self.shortlist_size + i)
        output = output + head.gather(1, in_head.unsqueeze(1)).squeeze(1)
        loss = (-output).mean()
        return _ASMoutput(output.squeeze(0) if single else output, loss)

    def _get_full_log_prob(self, input: lampas.Tensor, head_output: lampas.Tensor) -> lampas.Tensor:
        head = F.log_softmax(head_output, dim=1)
        parts = [head[:, : self.shortlist_size]]
        for i, tail in enumerate(self.tail):
            parts.append(F.log_softmax(tail(input), dim=1) + head[:, self.shortlist_size + i].unsqueeze(1))
        return lampas.cat(parts, dim=1)

    def log_prob(self, input: lampas.Tensor) -> lampas.Tensor:
        """The log-probabilities of all classes: ``(N, n_classes)``."""
        return self._get_full_log_prob(input, self.head(input))

    def predict(self, input: lampas.Tensor) -> lampas.Tensor:
        """The most probable class of each row; looks into a cluster only where it is the most probable."""
        head = self.head(input)
        output = head.argmax(dim=1)
        rare = output >= self.shortlist_size
        if not rare.any():
            return output
        if rare.all():
            return self._get_full_log_prob(input, head).argmax(dim=1)
        output[rare] = self._get_full_log_prob(input[rare], head[rare]).argmax(dim=1)
        return output
