"""Where the numbers of a sparse tensor stand: indices and shapes, without the numbers."""

from __future__ import annotations

from typing import Any

import lampas
from lampas import Tensor

__all__ = ["CooPattern", "gathered", "keys_of", "merged", "scattered"]


def keys_of(indices: Tensor, sizes: Any) -> Tensor:
    """One number for each column of ``indices``: its place in row-major order over ``sizes``."""
    if indices.shape[0] == 0:
        return indices.new_zeros(indices.shape[1])
    keys = indices[0]
    for at, size in zip(indices[1:], tuple(sizes)[1:], strict=True):
        keys = keys * size + at
    return keys


def gathered(dense: Tensor, indices: Tensor) -> Tensor:
    """The entries of a dense tensor at ``indices``: shape ``(nnz, *remaining dimensions)``."""
    rows = indices.shape[0]
    if rows == 0:
        return dense.unsqueeze(0).expand(indices.shape[1], *dense.shape)
    if rows == 1:
        return dense.index_select(0, indices[0])
    return dense[tuple(indices)]


def scattered(dense: Tensor, indices: Tensor, values: Tensor) -> Tensor:
    """``dense``, which is changed, with ``values`` added at ``indices``; each of several for one place counts."""
    if indices.shape[0] == 0:
        return dense.add_(values.sum(0) if values.dtype != lampas.bool else values.any(0))
    return dense.index_put_(tuple(indices), values, accumulate=True)


def increasing(keys: Tensor) -> bool:
    return keys.shape[0] < 2 or bool((keys[1:] > keys[:-1]).all())


def merged(indices: Tensor, values: Tensor, sizes: Any) -> tuple[Tensor, Tensor]:
    """Indices in order, each once, and the sums of the values that stood at each."""
    keys = keys_of(indices, sizes)
    if increasing(keys):
        return indices, values
    keys, order = keys.sort(stable=True)
    fresh = keys[1:] != keys[:-1]
    values = values.index_select(0, order)
    if bool(fresh.all()):
        return indices.index_select(1, order), values
    slots = lampas.cat([fresh.new_zeros(1, dtype=lampas.int64), fresh.cumsum(0)])
    first = order[lampas.cat([fresh.new_ones(1), fresh])]
    sums = lampas.zeros((first.shape[0], *values.shape[1:]), dtype=values.dtype, device=values.device)
    return indices.index_select(1, first), sums.index_put((slots,), values, accumulate=True)


class CooPattern:
    """Coordinates: ``indices`` of shape ``(sparse_dim, nnz)`` for values of shape ``(nnz, *dense dimensions)``.

    ``coalesced`` says that they are in order and differ. A pattern never changes, and tensors share it.
    """

    __slots__ = ("coalesced", "indices", "size")
    layout = lampas.sparse_coo

    def __init__(self, indices: Tensor, size: Any, coalesced: bool = False) -> None:
        self.indices = indices
        self.size = tuple(size)
        self.coalesced = coalesced

    @property
    def sparse_dim(self) -> int:
        return self.indices.shape[0]

    @property
    def sparse_size(self) -> tuple[int, ...]:
        return self.size[: self.indices.shape[0]]

    @property
    def dense_size(self) -> tuple[int, ...]:
        return self.size[self.indices.shape[0] :]

    @property
    def nnz(self) -> int:
        return self.indices.shape[1]

    def hold(self, values: Tensor) -> Any:
        """The sparse tensor of these values, without history."""
        from lampas._sparse.tensor import SparseTensor

        return SparseTensor.hold(self, values)

    def same_places(self, other: Any) -> bool:
        if self is other or self.indices is other.indices:
            return True
        return self.indices.shape == other.indices.shape and lampas.equal(self.indices, other.indices)

    def picked(self, g: Any) -> Tensor:
        """The entries of ``g``, sparse or dense, at this pattern's places."""
        from lampas._sparse.graph import values_of
        from lampas._sparse.tensor import SparseTensor

        if not isinstance(g, SparseTensor):
            return gathered(g.to_dense(), self.indices)
        theirs = g._pattern
        if theirs.indices is self.indices:
            return values_of(g)
        if theirs.sparse_dim != self.sparse_dim:
            return gathered(g.to_dense(), self.indices)
        indices, values = theirs.indices, values_of(g)
        if not theirs.coalesced:
            indices, values = merged(indices, values, theirs.sparse_size)
        wanted = keys_of(self.indices, self.sparse_size)
        if indices.shape[1] == 0:
            return values.new_zeros((wanted.shape[0], *values.shape[1:]))
        have = keys_of(indices, self.sparse_size)
        at = lampas.searchsorted(have, wanted).clamp(max=have.shape[0] - 1)
        found = (have[at] == wanted).view(-1, *[1] * (values.dim() - 1))
        return lampas.where(found, values.index_select(0, at), lampas.zeros((), dtype=values.dtype))
