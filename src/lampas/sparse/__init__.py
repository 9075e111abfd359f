"""Functions of sparse tensors, under the names of ``torch.sparse``.

A sparse tensor is made by :func:`lampas.sparse_coo_tensor`, ``Tensor.to_sparse``, their CSR, CSC, BSR and BSC kin, and
by the backward pass of ``nn.Embedding(sparse=True)``. An op that is not defined for one says so and names the way out,
``to_dense()``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import lampas
from lampas import Tensor
from lampas._sparse import products, reductions
from lampas._sparse.create import sparse_coo_tensor
from lampas._sparse.tensor import AnySparse, SparseTensor

__all__ = [
    "BFloat16Tensor",
    "ByteTensor",
    "CharTensor",
    "DoubleTensor",
    "FloatTensor",
    "HalfTensor",
    "IntTensor",
    "LongTensor",
    "ShortTensor",
    "addmm",
    "check_sparse_tensor_invariants",
    "log_softmax",
    "mm",
    "sampled_addmm",
    "softmax",
    "spdiags",
    "sum",
]


def _coordinates(x: Any, name: str) -> SparseTensor:
    if isinstance(x, AnySparse):
        return cast("SparseTensor", x.to_sparse())
    kind = f"one of layout {x.layout}" if isinstance(x, Tensor) else type(x).__name__
    raise NotImplementedError(f"sparse.{name}() needs a sparse tensor, got {kind}: call to_sparse() on it")


def mm(mat1: Tensor, mat2: Tensor, reduce: str = "sum") -> Tensor:
    """The product of two matrices, of which one or both may be sparse; of two sparse ones it is sparse.

    Gradients reach both; a sparse factor's is sparse, at its own entries.

    >>> a = lampas.eye(2).to_sparse().requires_grad_()
    >>> lampas.sparse.mm(a, lampas.ones(2, 2)).sum().backward()
    >>> a.grad.is_sparse
    True
    """
    if reduce != "sum":
        raise NotImplementedError(f"sparse.mm: the entries of a row can only be summed, reduce={reduce!r} was given")
    if isinstance(mat1, SparseTensor) != isinstance(mat2, SparseTensor) and not any(
        isinstance(m, AnySparse) and not isinstance(m, SparseTensor) for m in (mat1, mat2)
    ):
        return products.mm(mat1, mat2, node="SparseAddmmBackward0")
    return lampas.mm(mat1, mat2)


def addmm(mat: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Any = 1.0, alpha: Any = 1.0) -> Tensor:
    """``beta * mat + alpha * (mat1 @ mat2)`` with a sparse ``mat1`` and dense others."""
    if isinstance(mat, AnySparse):
        raise RuntimeError(f"sparse.addmm: mat must be dense, got layout {mat.layout}: call to_dense() on it")
    return products.addmm(mat, mat1, mat2, beta=beta, alpha=alpha, node="SparseAddmmBackward0")


def sum(input: Tensor, dim: int | tuple[int, ...] | None = None, dtype: lampas.dtype | None = None) -> Tensor:
    """The sum over some dimensions, or over all: sparse, unless every sparse dimension is summed over.

    >>> lampas.sparse.sum(lampas.eye(3).to_sparse())
    tensor(3.)
    """
    return reductions.sum(_coordinates(input, "sum"), dim, dtype=dtype)


def softmax(input: Tensor, dim: int, *, dtype: lampas.dtype | None = None) -> Tensor:
    """Softmax along ``dim`` over the entries that are kept; those that are not count as minus infinity."""
    return reductions.softmax(_coordinates(input, "softmax"), dim, dtype, False)


def log_softmax(input: Tensor, dim: int, *, dtype: lampas.dtype | None = None) -> Tensor:
    """The logarithm of :func:`softmax`."""
    return reductions.softmax(_coordinates(input, "log_softmax"), dim, dtype, True)


def spdiags(diagonals: Tensor, offsets: Tensor, shape: tuple[int, int], layout: Any = None) -> Tensor:
    """A sparse matrix with these diagonals.

    Args:
        diagonals: a row for each; the element at position j stands in column j.
        offsets: of each diagonal, how far it lies above (below: negative) the main one.
        shape: of the matrix.
        layout: torch.sparse_coo (the default), sparse_csr or sparse_csc.
    """
    diagonals, offsets = lampas.atleast_2d(diagonals), lampas.atleast_1d(offsets)
    places = offsets.tolist()
    if offsets.dim() != 1 or diagonals.dim() != 2 or len(places) != diagonals.shape[0]:
        raise RuntimeError(
            f"spdiags: one offset for each diagonal is needed, got offsets of shape {list(offsets.shape)} and "
            f"diagonals of shape {list(diagonals.shape)}"
        )
    if len(set(places)) != len(places):
        raise RuntimeError(f"spdiags: Offset tensor contains duplicate values: {places}")
    rows, columns = shape
    at, values = [], []
    for diagonal, offset in zip(diagonals, places, strict=True):
        first, last = max(0, offset), min(columns, rows + offset, diagonal.shape[0])
        column = lampas.arange(first, max(first, last))
        at.append(lampas.stack([column - offset, column]))
        values.append(diagonal[first : max(first, last)])
    made = sparse_coo_tensor(lampas.cat(at, 1), lampas.cat(values), (rows, columns))
    return made if layout in (None, lampas.sparse_coo) else made.to_sparse(layout=layout)


def sampled_addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Any = 1.0, alpha: Any = 1.0) -> Tensor:
    """``alpha * (mat1 @ mat2)`` at the entries of a sparse ``input``, plus ``beta * input``."""
    coo = _coordinates(input, "sampled_addmm").coalesce()
    from lampas._sparse.graph import made, values_of

    inner = products.sampled(mat1, mat2.t(), coo._pattern.indices)
    result = made(coo._pattern, values_of(coo) * beta + inner * alpha, "SparseSampledAddmmBackward0")
    return result if isinstance(input, SparseTensor) else result.to_sparse(layout=input.layout)


class check_sparse_tensor_invariants:
    """Whether constructors check indices: they always do. As in PyTorch a context manager and a switch."""

    _on = False

    def __init__(self, enable: bool = True) -> None:
        self._wanted = enable
        self._before: list[bool] = []

    @staticmethod
    def is_enabled() -> bool:
        """What was asked for last."""
        return check_sparse_tensor_invariants._on

    @staticmethod
    def enable() -> None:
        check_sparse_tensor_invariants._on = True

    @staticmethod
    def disable() -> None:
        check_sparse_tensor_invariants._on = False

    def __enter__(self) -> None:
        self._before.append(self.is_enabled())
        check_sparse_tensor_invariants._on = self._wanted

    def __exit__(self, *error: Any) -> None:
        check_sparse_tensor_invariants._on = self._before.pop()

    def __call__(self, function: Callable) -> Callable:
        import functools

        @functools.wraps(function)
        def checked(*args: Any, **kwargs: Any) -> Any:
            with type(self)(self._wanted):
                return function(*args, **kwargs)

        return checked


class _Kind(type):
    """The old types of sparse tensors: constructors, and what ``isinstance`` asks for."""

    dtype: lampas.dtype

    def __call__(cls, *args: Any, device: Any = None) -> SparseTensor:
        if args and isinstance(args[0], Tensor):
            return sparse_coo_tensor(*args, dtype=cls.dtype, device=device)
        size = tuple(args[0]) if len(args) == 1 and not isinstance(args[0], int) else args
        return sparse_coo_tensor(size or (0,), dtype=cls.dtype, device=device)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, SparseTensor) and instance.dtype == cls.dtype


def _kind(name: str, dtype: lampas.dtype) -> Any:
    return _Kind(name, (), {"dtype": dtype, "__module__": "torch.sparse", "__doc__": f"Sparse tensors of {dtype}."})


FloatTensor = _kind("FloatTensor", lampas.float32)
DoubleTensor = _kind("DoubleTensor", lampas.float64)
HalfTensor = _kind("HalfTensor", lampas.float16)
BFloat16Tensor = _kind("BFloat16Tensor", lampas.bfloat16)
LongTensor = _kind("LongTensor", lampas.int64)
IntTensor = _kind("IntTensor", lampas.int32)
ShortTensor = _kind("ShortTensor", lampas.int16)
CharTensor = _kind("CharTensor", lampas.int8)
ByteTensor = _kind("ByteTensor", lampas.uint8)
