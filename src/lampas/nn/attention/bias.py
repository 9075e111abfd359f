"""Causal masks for queries and keys of different length."""

from __future__ import annotations

import enum
from typing import Any

import lampas
from lampas import _C

__all__ = ["CausalBias", "CausalVariant", "causal_lower_right", "causal_upper_left"]


class CausalVariant(enum.IntEnum):
    """Which corner of the mask its diagonal begins in, or ends in."""

    UPPER_LEFT = 1
    LOWER_RIGHT = 2


class CausalBias(lampas.Tensor):
    """A causal mask, for ``attn_mask`` of attention: True where a query (row) sees a key (column).

    Raises:
        AssertionError: ``variant`` is no `CausalVariant`.
    """

    variant: CausalVariant
    seq_len_q: int
    seq_len_kv: int
    __torch_function__ = _C._disabled_torch_function_impl

    def __new__(cls, variant: CausalVariant, seq_len_q: int, seq_len_kv: int) -> CausalBias:
        if not isinstance(variant, CausalVariant):
            raise AssertionError(f"variant must be a CausalVariant, got {type(variant).__name__}")
        shift = seq_len_kv - seq_len_q if variant is CausalVariant.LOWER_RIGHT else 0
        mask = lampas.ones((seq_len_q, seq_len_kv), dtype=lampas.bool).tril(shift)
        made = lampas.Tensor._make_subclass(cls, mask, False)
        made.variant, made.seq_len_q, made.seq_len_kv = variant, seq_len_q, seq_len_kv
        return made

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return repr(self._materialize())

    def _materialize(self, device: Any = None) -> lampas.Tensor:
        return self.as_subclass(lampas.Tensor)


def _sizes(size: tuple[int, ...]) -> tuple[int, int]:
    if len(size) != 2:
        raise AssertionError(f"a causal mask has two sizes, queries and keys, but {len(size)} were given")
    return size


def causal_upper_left(*size: int) -> CausalBias:
    """The mask in which query i sees the keys up to i.

    >>> causal_upper_left(2, 3)
    tensor([[ True, False, False],
            [ True,  True, False]])
    """
    return CausalBias(CausalVariant.UPPER_LEFT, *_sizes(size))


def causal_lower_right(*size: int) -> CausalBias:
    """The mask in which the last query sees every key, each one before it one key less.

    >>> causal_lower_right(2, 3)
    tensor([[ True,  True, False],
            [ True,  True,  True]])
    """
    return CausalBias(CausalVariant.LOWER_RIGHT, *_sizes(size))
