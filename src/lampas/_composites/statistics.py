"""Covariances, correlations, slopes and histograms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lampas
from lampas._declared import array
from lampas._ops import op, result_type

__all__ = ["corrcoef", "cov", "gradient", "histogram", "histogramdd"]


def _weights(name: str, w: lampas.Tensor | None, count: int, integral: bool) -> None:
    if w is None:
        return
    if w.dim() > 1:
        raise RuntimeError(f"cov(): expected {name} to have one or fewer dimensions but got {w.dim()}")
    if integral == (w.is_floating_point() or w.is_complex()):
        wanted = "integral" if integral else "floating point"
        raise RuntimeError(f"cov(): expected {name} to have {wanted} dtype but got {name} with {w.dtype}")
    if w.numel() != count:
        raise RuntimeError(
            f"cov(): expected {name} to have the same numel as there are observations, {count}, but got {w.numel()}"
        )
    if w.numel() and bool((w < 0).any()):
        raise RuntimeError(f"cov(): {name} cannot be negative")


@op("cov(Tensor input, *, int correction=1, Tensor? fweights=None, Tensor? aweights=None) -> Tensor")
def cov(
    input: lampas.Tensor, correction: int, fweights: lampas.Tensor | None, aweights: lampas.Tensor | None
) -> lampas.Tensor:
    """The covariance matrix of variables given as rows, observations as columns.

    Args:
        correction: taken off the number of observations that the sum is divided by.
        fweights: how often each observation occurred, integers.
        aweights: how much each observation counts.

    >>> lampas.cov(lampas.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    if input.dim() > 2:
        raise RuntimeError(f"cov(): expected input to have two or fewer dimensions but got {input.dim()}")
    if input.dtype == lampas.bool:
        raise RuntimeError("cov(): bool dtype is not supported for input")
    x = input.unsqueeze(0) if input.dim() < 2 else input
    if input.dim() == 0:
        x = x.reshape(1, 1)
    count = x.size(1)
    _weights("fweights", fweights, count, True)
    _weights("aweights", aweights, count, False)
    w = fweights
    if aweights is not None:
        w = aweights if w is None else w * aweights
    total: Any = count if w is None else w.sum()
    if w is not None and count and float(total) == 0:
        raise RuntimeError("cov(): weights sum to zero, can't be normalized")
    mean = (x if w is None else x * w).sum(1, keepdim=True) / total
    if correction != 0 and aweights is not None:
        norm = total - correction * (w * aweights).sum() / total
    else:
        norm = total - correction
    if float(norm) <= 0:
        import warnings

        warnings.warn("cov(): degrees of freedom is <= 0: correction should be less than the number of observations")
        norm = 0 if not isinstance(norm, lampas.Tensor) else norm.clamp_min(0)
    centred = x - mean
    product = lampas.mm(centred, (centred if w is None else centred * w).t().conj())
    return (product / norm).squeeze()


@op("corrcoef(Tensor input) -> Tensor")
def corrcoef(input: lampas.Tensor) -> lampas.Tensor:
    """Pearson's correlation of variables given as rows: covariances divided by both deviations.

    >>> lampas.corrcoef(lampas.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    if input.dim() > 2:
        raise RuntimeError(f"corrcoef(): expected input to have two or fewer dimensions but got {input.dim()}")
    c = cov(input)
    if c.dim() == 0:
        return c / c
    d = c.diag()
    deviation = (d.real if d.is_complex() else d).sqrt()
    c = c / deviation.unsqueeze(1) / deviation.unsqueeze(0)
    if c.is_complex():
        return lampas.complex(c.real.clamp(-1, 1), c.imag.clamp(-1, 1))
    return c.clamp(-1, 1)


@op("gradient(Tensor input, *, any spacing=1, int[1]? dim=None, int edge_order=1) -> Tensor[]", "function")
def gradient(
    input: lampas.Tensor, spacing: Any, dim: int | Sequence[int] | None, edge_order: int
) -> tuple[lampas.Tensor, ...]:
    """Slopes along each of the dimensions, from differences of neighbours (Fornberg, 1988); ``numpy.gradient``'s.

    Args:
        spacing: the step, one number for all dimensions or one each; or the coordinates, a vector each.
        dim: the dimensions; all when left out.
        edge_order: 1 or 2, the order of accuracy at the borders.

    >>> lampas.gradient(lampas.tensor([1.0, 4.0, 9.0]))
    (tensor([3., 4., 5.]),)
    """
    from lampas.functional import normal_dim

    dims = list(range(input.dim())) if dim is None else [dim] if isinstance(dim, int) else list(dim)
    dims = [normal_dim(d, input.dim()) for d in dims]
    if edge_order not in (1, 2):
        raise RuntimeError(f"torch.gradient only supports edge_order=1 and edge_order=2, got {edge_order}")
    steps = list(spacing) if isinstance(spacing, (list, tuple)) else [spacing] * len(dims)
    if isinstance(spacing, lampas.Tensor) and spacing.dim() and len(dims) != 1:
        raise RuntimeError("torch.gradient: coordinates must be given for each of the dimensions, as a list")
    if len(steps) != len(dims):
        raise RuntimeError(
            f"torch.gradient expected spacing to be unspecified, a scalar, or a list of length {len(dims)}, "
            f"one for each dimension, but got {len(steps)}"
        )
    x = input if input.is_floating_point() or input.is_complex() else input.to(lampas.get_default_dtype())
    return tuple(_slope(x, d, step, edge_order) for d, step in zip(dims, steps))


def _slope(x: lampas.Tensor, dim: int, step: Any, edge_order: int) -> lampas.Tensor:
    n = x.size(dim)
    if n < edge_order + 1:
        raise RuntimeError(
            f"torch.gradient expected each dimension size to be at least edge_order+1 = {edge_order + 1}, got {n}"
        )
    x = x.movedim(dim, -1)
    if isinstance(step, lampas.Tensor) and step.dim():
        if step.numel() != n:
            raise RuntimeError(f"torch.gradient: expected {n} coordinates for dimension {dim}, got {step.numel()}")
        h = step[1:] - step[:-1]
        before, after = h[:-1], h[1:]
        inner = (
            x[..., 2:] * (before / (after * (before + after)))
            + x[..., 1:-1] * ((after - before) / (before * after))
            - x[..., :-2] * (after / (before * (before + after)))
        )
        first_step, last_step = h[0], h[-1]
    else:
        inner = (x[..., 2:] - x[..., :-2]) / (step * 2)
        h, first_step, last_step = None, step, step
    if edge_order == 1:
        first = (x[..., 1:2] - x[..., :1]) / first_step
        last = (x[..., -1:] - x[..., -2:-1]) / last_step
    else:
        a, b = (first_step, first_step) if h is None else (h[0], h[1])
        first = (
            -x[..., :1] * ((2 * a + b) / (a * (a + b)))
            + x[..., 1:2] * ((a + b) / (a * b))
            - x[..., 2:3] * (a / (b * (a + b)))
        )
        a, b = (last_step, last_step) if h is None else (h[-2], h[-1])
        last = (
            x[..., -3:-2] * (b / (a * (a + b)))
            - x[..., -2:-1] * ((a + b) / (a * b))
            + x[..., -1:] * ((2 * b + a) / (b * (a + b)))
        )
    return lampas.cat([first, inner, last], -1).movedim(-1, dim)


def _edges(values: Any, bins: Any, low: float | None, high: float | None, dtype: Any) -> Any:
    import numpy as np

    if isinstance(bins, lampas.Tensor):
        return array(bins)
    if low is None or high is None or low == high:
        if low is not None and high is not None and low != 0:
            lowest, highest = low, high
        else:
            lowest, highest = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
        if lowest == highest:
            lowest, highest = lowest - 0.5, highest + 0.5
    else:
        lowest, highest = low, high
    if not lowest < highest:
        raise RuntimeError(f"histogram: max must be larger than min, got the range [{lowest}, {highest}]")
    return np.linspace(lowest, highest, int(bins) + 1).astype(dtype)


@op(
    "histogram(Tensor input, int|Tensor bins, *, float[]? range=None, Tensor? weight=None, bool density=False)"
    " -> (Tensor hist, Tensor bin_edges)",
    "function method out",
)
def histogram(
    input: lampas.Tensor, bins: Any, range: Sequence[float] | None, weight: lampas.Tensor | None, density: bool
) -> tuple[lampas.Tensor, lampas.Tensor]:
    """How many elements fall between neighbouring edges; the last interval includes its upper edge.

    Args:
        bins: the number of equal intervals, or the edges in ascending order.
        range: the lowest and the highest edge; those of the values when left out.
        weight: what each element counts.
        density: scale so that the integral is 1.

    >>> lampas.histogram(lampas.tensor([1.0, 2.0, 1.0]), bins=4, range=(0.0, 3.0)).hist
    tensor([0., 2., 1., 0.])
    """
    if not input.is_floating_point():
        raise RuntimeError(f"histogram: the input must be of a floating dtype, got {input.dtype}")
    hist, edges = histogramdd(
        input.reshape(-1, 1), [bins] if isinstance(bins, lampas.Tensor) else [int(bins)], range=range,
        weight=None if weight is None else weight.reshape(-1), density=density,
    )  # fmt: skip
    return hist, edges[0]


@op(
    "histogramdd(Tensor input, any bins, float[]? range=None, Tensor? weight=None, bool density=False) -> any",
    "function",
)
def histogramdd(
    input: lampas.Tensor, bins: Any, range: Sequence[float] | None, weight: lampas.Tensor | None, density: bool
) -> Any:
    """The histogram of points in several dimensions, whose coordinates are the last dimension of ``input``.

    ``bins`` is the number of intervals, one for all dimensions or one each, or a list of vectors of edges; ``range``
    holds the lowest and highest edge of each dimension in turn.
    """
    import numpy as np

    points = array(input).reshape(-1, input.size(-1))
    dims = points.shape[1]
    each = [bins] * dims if isinstance(bins, int) else list(bins)
    if len(each) != dims:
        raise RuntimeError(f"histogramdd: expected {dims} sequences of bins or numbers of them, got {len(each)}")
    if range is not None and len(range) != 2 * dims:
        raise RuntimeError(f"histogramdd: for a {dims}-dimensional histogram range should have {2 * dims} elements")
    limits: list[tuple[Any, Any]] = (
        [(None, None)] * dims if range is None else [(range[2 * d], range[2 * d + 1]) for d in np.arange(dims)]
    )
    edges = [_edges(points[:, d], b, *limits[d], points.dtype) for d, b in enumerate(each)]
    inside = np.ones(len(points), dtype=bool)
    where = []
    for d, e in enumerate(edges):
        column = points[:, d]
        at = np.searchsorted(e, column, side="right") - 1
        at[column == e[-1]] = len(e) - 2
        inside &= (column >= e[0]) & (column <= e[-1])
        where.append(at)
    shape = [len(e) - 1 for e in edges]
    flat = np.ravel_multi_index([w[inside] for w in where], shape) if inside.any() else np.zeros(0, dtype=int)
    w = None if weight is None else array(weight).reshape(-1)[inside]
    counts = np.bincount(flat, weights=w, minlength=int(np.prod(shape))).reshape(shape).astype(points.dtype)
    if density:
        counts = counts / counts.sum()
        for d, e in enumerate(edges):
            counts = counts / np.diff(e).reshape([-1 if i == d else 1 for i in np.arange(dims)])
    made = lampas.from_numpy(np.ascontiguousarray(counts)).to(input.dtype)
    return result_type("histogramdd", ("hist", "bin_edges"))(
        (made, tuple(lampas.from_numpy(np.ascontiguousarray(e)).to(input.dtype) for e in edges))
    )
