"""Functions of sparse tensors that stand in the top namespace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lampas._sparse.handlers import answer

__all__ = ["dsmm", "hsmm", "hspmm", "smm", "spmm", "sspaddmm"]


def _op(name: str, doc: str) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        return answer(call, args, kwargs)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = doc
    return call


spmm = _op("spmm", "A product of matrices one of which is sparse: see :func:`lampas.mm`.")
dsmm = _op("dsmm", "A sparse times a dense matrix: see :func:`lampas.mm`.")
smm = _op("smm", "A sparse times a dense matrix, the result in sparse form.")
hspmm = _op("hspmm", "A sparse times a dense matrix; the result keeps the rows that have entries.")
hsmm = _op("hsmm", "See :func:`hspmm`.")
sspaddmm = _op("sspaddmm", "``beta * input + alpha * (mat1 @ mat2)``, input and mat1 sparse, the result sparse.")
