"""Products and powers laid out as matrices, distances between rows, bounded norms."""

from __future__ import annotations

import lampas
from lampas._ops import op

__all__ = ["kron", "pdist", "renorm", "vander"]


@op("kron(Tensor input, Tensor other) -> Tensor", "function method out")
def kron(input: lampas.Tensor, other: lampas.Tensor) -> lampas.Tensor:
    """The Kronecker product: every element of ``input`` times the whole of ``other``, laid out in blocks.

    >>> lampas.kron(lampas.eye(2), lampas.tensor([[1.0, 2.0]]))
    tensor([[1., 2., 0., 0.],
            [0., 0., 1., 2.]])
    """
    dims = max(input.dim(), other.dim())
    a = [1] * (dims - input.dim()) + list(input.shape)
    b = [1] * (dims - other.dim()) + list(other.shape)
    left = input.reshape([n for size in a for n in (size, 1)])
    right = other.reshape([n for size in b for n in (1, size)])
    return (left * right).reshape([m * n for m, n in zip(a, b)])


@op("vander(Tensor x, int? N=None, bool increasing=False) -> Tensor", "function")
def vander(x: lampas.Tensor, N: int | None, increasing: bool) -> lampas.Tensor:
    """The matrix whose columns are powers of a vector, the highest first unless ``increasing``.

    >>> lampas.vander(lampas.tensor([1, 2, 3]))
    tensor([[1, 1, 1],
            [4, 2, 1],
            [9, 3, 1]])
    """
    if x.dim() != 1:
        raise RuntimeError(f"x must be a one-dimensional tensor, but it has shape {list(x.shape)}")
    n = x.size(0) if N is None else N
    if n < 0:
        raise RuntimeError(f"N must be non-negative, but it is {n}")
    if n == 0:
        return x.new_empty((x.size(0), 0))
    one = lampas.ones((x.size(0), 1), dtype=lampas.promote_types(x.dtype, lampas.int64))
    rest = x.to(one.dtype).unsqueeze(1).expand(x.size(0), n - 1)
    powers = lampas.cat([one, rest.cumprod(1)], 1)
    return powers if increasing else powers.flip(1)


@op("pdist(Tensor input, float p=2) -> Tensor", "function", scope="lampas.nn.functional")
def pdist(input: lampas.Tensor, p: float) -> lampas.Tensor:
    """The p-norm distances between all pairs of rows, as one row: (0, 1), (0, 2), ..., (n-2, n-1).

    >>> lampas.pdist(lampas.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]]))
    tensor([5.0000, 1.0000, 4.2426])
    """
    if input.dim() != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.dim()}D")
    if not input.is_floating_point():
        raise RuntimeError(f"pdist only supports floating-point dtypes, got {input.dtype}")
    if p < 0:
        raise RuntimeError(f"pdist only supports non-negative p values, got {p}")
    first, second = lampas.triu_indices(input.size(0), input.size(0), 1).unbind(0)
    difference = input.index_select(0, first) - input.index_select(0, second)
    if difference.size(1) == 0:
        return difference.sum(1)
    from lampas.functional import _vector_norm

    return _vector_norm(difference, float(p), [1], False)


@op("renorm(Tensor input, Number p, int dim, Number maxnorm) -> Tensor", "function method inplace out")
def renorm(input: lampas.Tensor, p: float, dim: int, maxnorm: float) -> lampas.Tensor:
    """Slices along ``dim`` whose p-norm is above ``maxnorm``, scaled down to it; the others as they are.

    >>> lampas.renorm(lampas.tensor([[3.0, 4.0], [0.3, 0.4]]), 2, 0, 1)
    tensor([[0.6000, 0.8000],
            [0.3000, 0.4000]])
    """
    if isinstance(p, complex) or p <= 0:
        raise RuntimeError(f"renorm: non-positive-norm not supported, got p={p}")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm}")
    if input.dim() < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {input.dim()} dimensions")
    from lampas.functional import normal_dim

    dim = normal_dim(dim, input.dim())
    norms = lampas.linalg.vector_norm(input, p, [d for d in range(input.dim()) if d != dim], True)
    scale = lampas.where(norms > maxnorm, maxnorm / (norms + 1e-7), lampas.ones_like(norms))
    return input * scale
