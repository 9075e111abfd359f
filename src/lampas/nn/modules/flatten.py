"""Dimensions joined and taken apart."""

from __future__ import annotations

from typing import Any

import lampas

from .module import Module

__all__ = ["Flatten", "Unflatten"]


class Flatten(Module):
    """Joins the dimensions from ``start_dim`` to ``end_dim``; by default all but the batch.

    Example::

        >>> nn.Flatten()(lampas.zeros(32, 1, 5, 5)).shape
        torch.Size([32, 25])
    """

    __constants__ = ["start_dim", "end_dim"]

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Takes dimension ``dim`` apart into ``unflattened_size``.

    Example::

        >>> nn.Unflatten(1, (2, 5))(lampas.zeros(3, 10)).shape
        torch.Size([3, 2, 5])
    """

    __constants__ = ["dim", "unflattened_size"]

    def __init__(self, dim: int, unflattened_size: lampas.Size | list[int] | tuple[int, ...]) -> None:
        super().__init__()
        if isinstance(dim, int):
            self._check_sizes(unflattened_size)
        elif isinstance(dim, str):
            raise TypeError("Unflatten takes dim by its number: named dimensions are not supported")
        else:
            raise TypeError(f"invalid argument type for dim parameter: {type(dim).__name__}, expected int")
        self.dim = dim
        self.unflattened_size = unflattened_size

    @staticmethod
    def _check_sizes(sizes: Any) -> None:
        if not isinstance(sizes, (tuple, list)):
            raise TypeError(f"unflattened_size must be a tuple of ints, but found type {type(sizes).__name__}")
        for i, size in enumerate(sizes):
            if not isinstance(size, int):
                raise TypeError(
                    f"unflattened_size must be tuple of ints, but found element of type {type(size).__name__} at pos "
                    f"{i}"
                )

    def forward(self, input: lampas.Tensor) -> lampas.Tensor:
        return input.unflatten(self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
