"""An observer that keeps a histogram and cuts its tails where that makes the quantization error smallest."""

from __future__ import annotations

import bisect
import warnings
from typing import Any

import lampas
import lampas.nn as nn

from .observer import _EPS, UniformQuantizationObserverBase
from .utils import dtype_range

__all__ = ["HistogramObserver"]

_FINER = 16  # a histogram is cut so much finer before its bins are sorted into a wider one
_STEP = 1e-5  # what part of the mass the search lays aside in one move


def _cubes(begin: Any, end: Any, density: Any) -> Any:
    """The squared error of evenly spread values from `begin` to `end` around 0: the integral of density x^2."""
    return density * ((end * end * end - begin * begin * begin) / 3)


class HistogramObserver(UniformQuantizationObserverBase):
    """Keeps a running histogram of the values seen, and chooses the range with the least squared quantization error.

    A call with values outside the histogram widens it: the old bins are cut finer and sorted into the new ones.
    The range is found by laying tails aside step by step, at the end where less mass is lost per bin, as long as the
    error falls.

    Args:
        bins: how many bins the histogram has.

    Raises:
        NotImplementedError: a scheme per channel, or dynamic quantization.

    >>> observer = HistogramObserver()
    >>> observer(lampas.randn(10000)).shape, observer.calculate_qparams()
    """

    __module__ = "lampas.ao.quantization.observer"  # where PyTorch's stands, and files look for it
    histogram: lampas.Tensor
    min_val: lampas.Tensor
    max_val: lampas.Tensor

    def __init__(
        self,
        bins: int = 2048,
        dtype: Any = lampas.quint8,
        qscheme: Any = lampas.per_tensor_affine,
        reduce_range: bool = False,
        quant_min: int | None = None,
        quant_max: int | None = None,
        factory_kwargs: dict[str, Any] | None = None,
        eps: float = _EPS,
        is_dynamic: bool = False,
        **kwargs: Any,
    ) -> None:
        self._check_qscheme(qscheme, per_channel=False)
        if is_dynamic:
            raise NotImplementedError("HistogramObserver doesn't support dynamic quantization")
        super().__init__(dtype, qscheme, reduce_range, quant_min, quant_max, factory_kwargs, eps, is_dynamic, **kwargs)
        self.bins = bins
        options = nn.factory_kwargs(factory_kwargs)
        self.register_buffer("histogram", lampas.zeros(bins, **options))
        self.register_buffer("min_val", lampas.tensor(float("inf"), **options))
        self.register_buffer("max_val", lampas.tensor(float("-inf"), **options))
        low, high = dtype_range(dtype)
        self.dst_nbins = high - low + 1
        self.upsample_rate = _FINER

    def forward(self, x_orig: Any) -> Any:
        """Adds the values of `x_orig` to the histogram and returns it. Infinite values are left out, with a warning."""
        if x_orig.numel() == 0:
            return x_orig
        x = x_orig.detach()
        low, high = lampas.aminmax(x)
        if low.item() == float("-inf") or high.item() == float("inf"):
            warnings.warn("inf detected in input tensor; infinite values are ignored", stacklevel=2)
            x = x[x.abs() != float("inf")]
            if x.numel() == 0:
                return x_orig
            low, high = lampas.aminmax(x)
        unseen = self.min_val.item() == float("inf") or self.max_val.item() == float("-inf")
        if not unseen:
            low, high = lampas.min(self.min_val, low), lampas.max(self.max_val, high)
        new = lampas.histc(x, self.bins, min=low.item(), max=high.item())
        self.histogram.copy_(new if unseen else new + self._stretched(low, high))
        self.min_val.copy_(low)
        self.max_val.copy_(high)
        return x_orig

    def _stretched(self, low: Any, high: Any) -> Any:
        """The histogram so far, in bins over the wider range `low` to `high`."""
        old_low, old_high, old = self.min_val, self.max_val, self.histogram
        begin, end = old_low.item(), old_high.item()
        if (begin, end) == (low.item(), high.item()):
            return old
        if begin == end:
            # All the mass is at one value.
            return lampas.histc(old_low, self.bins, min=low.item(), max=high.item()) * old.sum()
        fine = self.bins * _FINER
        width = (old_high - old_low) / fine
        middles = lampas.linspace(begin, end, fine + 1)[:-1] + 0.5 * width
        borders = lampas.linspace(low.item(), high.item(), self.bins + 1)
        places = (lampas.bucketize(middles, borders, right=True) - 1).clamp(0, self.bins - 1)
        return lampas.bincount(places, weights=old.repeat_interleave(_FINER) / _FINER, minlength=self.bins)

    def _compute_quantization_error(self, first: int, last: int) -> float:
        """The squared error over the whole histogram if the range went from bin `first` to bin `last`."""
        width = (self.max_val.item() - self.min_val.item()) / self.bins
        step = width * (last - first + 1) / self.dst_nbins
        if step == 0.0:
            return 0.0
        begin = (lampas.arange(self.bins) - first) * width
        end = begin + width
        # Each bin is evenly filled: a part in the quantization interval where it begins, a part where it ends, and
        # whole intervals between.
        top = self.dst_nbins - 1
        from_interval = lampas.clamp(lampas.div(begin, step, rounding_mode="floor"), 0, top)
        to_interval = lampas.clamp(lampas.div(end, step, rounding_mode="floor"), 0, top)
        density = self.histogram / width
        half = lampas.tensor(step / 2)
        error = _cubes(begin - (from_interval + 0.5) * step, half, density)
        error = error + (to_interval - from_interval - 1) * _cubes(-half, half, density)
        error = error + _cubes(-half, end - (to_interval * step + step / 2), density)
        return error.sum().item()

    def _non_linear_param_search(self) -> tuple[Any, Any]:
        """The range with the least error that the search finds."""
        width = (self.max_val - self.min_val) / self.bins
        total = self.histogram.sum().item()
        mass = lampas.cumsum(self.histogram, dim=0)
        # Compared in the histogram's precision.
        below = [float(m) for m in mass.tolist()]
        limit = lampas.empty((), dtype=mass.dtype)
        first, last = 0, self.bins - 1
        alpha, beta = 0.0, 1.0
        least = float("inf")
        while alpha < beta:
            next_alpha, next_beta = alpha + _STEP, beta - _STEP
            left = min(bisect.bisect_left(below, limit.fill_(next_alpha * total).item(), first, last), last)
            right = max(
                bisect.bisect_right(below, limit.fill_(next_beta * total).item(), first + 1, last + 1) - 1, first
            )
            next_first, next_last = first, last
            if left - first > last - right:
                next_first, alpha = left, next_alpha
            else:
                next_last, beta = right, next_beta
            if (next_first, next_last) == (first, last):
                continue
            error = self._compute_quantization_error(next_first, next_last)
            if error > least:
                break
            least, first, last = error, next_first, next_last
        return self.min_val + width * first, self.min_val + width * (last + 1)

    def calculate_qparams(self) -> tuple[Any, Any]:
        """Scale and zero point of the best range; 1 and 0, with a warning, if nothing was seen."""
        if self.min_val.item() == float("inf") and self.max_val.item() == float("-inf"):
            return self._calculate_qparams(self.min_val, self.max_val)
        if self.bins != len(self.histogram):
            raise AssertionError(
                "The number of bins in histogram should be equal to the number of bins supplied while making this "
                f"observer, got {len(self.histogram)} and {self.bins}"
            )
        return self._calculate_qparams(*self._non_linear_param_search())

    def _load_from_state_dict(self, state_dict: dict, prefix: str, local_metadata: dict, *rest: Any) -> None:
        version = local_metadata.get("version")
        if version is None or version < 3:
            for name, unseen in (("min_val", float("inf")), ("max_val", float("-inf"))):
                if prefix + name in state_dict and state_dict[prefix + name].shape == (0,):
                    state_dict[prefix + name] = lampas.tensor(unseen)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}"
