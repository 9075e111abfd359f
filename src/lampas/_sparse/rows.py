"""The rows of a dense tensor that a sparse gradient names: read, replaced, moved."""

from __future__ import annotations

from typing import Any

from lampas import Tensor
from lampas._sparse.pattern import gathered

__all__ = ["Rows"]


class Rows:
    """What an optimizer does with a sparse gradient; ``values`` are the gradient's, each place once."""

    def __init__(self, gradient: Any) -> None:
        gradient = gradient.coalesce()
        self.indices: Tensor = gradient._indices()
        self.values: Tensor = gradient._values()

    def of(self, dense: Tensor) -> Tensor:
        """A copy of the rows of ``dense``."""
        return gathered(dense, self.indices)

    def put(self, dense: Tensor, values: Tensor) -> None:
        """Replace the rows of ``dense``."""
        if self.indices.shape[0]:
            dense.index_put_(tuple(self.indices), values)
        elif values.shape[0]:
            dense.copy_(values[0])

    def subtract(self, dense: Tensor, values: Tensor) -> None:
        """Move the rows of ``dense``."""
        self.put(dense, self.of(dense) - values)
