"""What the engine does with sparse gradients; it calls these functions by name."""

from __future__ import annotations

from typing import Any

import lampas
from lampas import Tensor
from lampas._sparse.graph import made, values_of
from lampas._sparse.pattern import CooPattern, merged
from lampas._sparse.tensor import AnySparse, SparseTensor

__all__: list[str] = []


def _add_gradients(total: Any, g: Any, inplace: bool) -> Any:
    """``total + g``, one of them sparse at least; written into ``total`` where that may be changed."""
    if not isinstance(total, AnySparse):
        g = g if isinstance(g, SparseTensor) else g.to_dense()
        return total.add_(g) if inplace else total + g
    if not isinstance(g, AnySparse):
        return g + total if isinstance(total, SparseTensor) else g + total.to_dense()
    ours, theirs = total._pattern, g._pattern
    if ours is not theirs and not (_coordinates(total, g) and ours.sparse_dim == theirs.sparse_dim):
        return total.to_dense() + g.to_dense()
    a, b = values_of(total), values_of(g)
    if ours is theirs or ours.indices is theirs.indices:
        result = made(ours, a + b, "AddBackward0")
    else:
        indices, values = lampas.cat([ours.indices, theirs.indices], 1), lampas.cat([a, b])
        crowded = indices.shape[1] * max(1, values[:1].numel()) > max(1, total.numel())
        if crowded:
            indices, values = merged(indices, values, ours.sparse_size)
        result = made(CooPattern(indices, ours.size, crowded), values, "AddBackward0")
    if not inplace or result.requires_grad:
        return result
    total._pattern, total._held = result._pattern, result._held
    return total


def _coordinates(*tensors: Any) -> bool:
    return all(isinstance(t, SparseTensor) for t in tensors)


def _dense_gradient(g: Any) -> Tensor:
    return g.to_dense()


def _cast_gradient(g: Any, dtype: lampas.dtype) -> Any:
    """A copy of this dtype."""
    return made(g._pattern, values_of(g).to(dtype, copy=True), "ToCopyBackward0")
