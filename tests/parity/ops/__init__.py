"""The table: one list of rows per family."""

from ..harness import Op
from . import (
    activations,
    binary,
    conv_pool_norm,
    creation,
    indexing,
    losses,
    matmul,
    reductions,
    rnn_attention,
    shape,
    unary,
)

FAMILIES = (
    creation,
    unary,
    binary,
    reductions,
    matmul,
    shape,
    indexing,
    conv_pool_norm,
    activations,
    losses,
    rnn_attention,
)
ROWS: list[Op] = [row for family in FAMILIES for row in family.ROWS]
