"""Sparse matrices whose rows or columns are compressed: CSR, CSC, and both in blocks.

Ops on them run on coordinates, and give back the layout they were given.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import lampas
from lampas import Tensor
from lampas._sparse.create import check_size, finished, value_tensor
from lampas._sparse.graph import made, values_of
from lampas._sparse.handlers import LINEAR, MIXED, ZERO_TO_ZERO
from lampas._sparse.pattern import CooPattern
from lampas._sparse.tensor import AnySparse, SparseTensor, dense_only

__all__ = [
    "CompressedTensor",
    "sparse_bsc_tensor",
    "sparse_bsr_tensor",
    "sparse_compressed_tensor",
    "sparse_csc_tensor",
    "sparse_csr_tensor",
]

_BY_ROW = (lampas.sparse_csr, lampas.sparse_bsr)
_BLOCKED = (lampas.sparse_bsr, lampas.sparse_bsc)
_ALL = (lampas.sparse_csr, lampas.sparse_csc, *_BLOCKED)


def index_names(layout: Any) -> tuple[str, str]:
    """What the two rows of indices of this layout are called."""
    return ("crow_indices", "col_indices") if layout in _BY_ROW else ("ccol_indices", "row_indices")


class CompressedPattern:
    """``starts[i]`` to ``starts[i + 1]`` are the entries of row (column) i, and ``places`` their columns (rows)."""

    __slots__ = ("layout", "places", "size", "starts")

    def __init__(self, layout: Any, starts: Tensor, places: Tensor, size: Any) -> None:
        self.layout = layout
        self.starts = starts
        self.places = places
        self.size = tuple(size)

    @property
    def nnz(self) -> int:
        return self.places.shape[0]

    @property
    def block(self) -> tuple[int, int]:
        return 1, 1

    @property
    def inner(self) -> int:
        """What the places stay below."""
        return self.size[1] // self.block[1] if self.layout in _BY_ROW else self.size[0] // self.block[0]

    def hold(self, values: Tensor) -> Any:
        return CompressedTensor.hold(self, values)

    def picked(self, g: Any) -> Tensor:
        """The entries of ``g``, sparse or dense, at this pattern's places; a block where there are blocks."""
        if isinstance(g, CompressedTensor) and g._pattern is self:
            return values_of(g)
        outer = lampas.repeat_interleave(lampas.arange(self.starts.shape[0] - 1), self.starts.diff().to(lampas.int64))
        rows, columns = (outer, self.places) if self.layout in _BY_ROW else (self.places, outer)
        dense = g.to_dense()
        if self.layout not in _BLOCKED:
            return dense[rows, columns]
        return _blocks(dense, self.block)[rows, columns]


class BlockPattern(CompressedPattern):
    """Places of blocks of one size."""

    __slots__ = ("_block",)

    def __init__(self, layout: Any, starts: Tensor, places: Tensor, size: Any, block: tuple[int, int]) -> None:
        super().__init__(layout, starts, places, size)
        self._block = block

    @property
    def block(self) -> tuple[int, int]:
        return self._block


_TURNED = dict(zip(_ALL, (lampas.sparse_csc, lampas.sparse_csr, lampas.sparse_bsc, lampas.sparse_bsr), strict=True))


def turned(c: CompressedTensor) -> CompressedTensor:
    """The transpose: rows and columns change names."""
    pattern, values = c._pattern, values_of(c)
    if pattern.layout in _BLOCKED:
        values = values.transpose(1, 2)
    size = pattern.size[::-1]
    return made(_pattern(_TURNED[pattern.layout], pattern.starts, pattern.places, size, values), values, "TBackward0")


def _pattern(layout: Any, starts: Tensor, places: Tensor, size: Any, values: Tensor) -> CompressedPattern:
    if layout in _BLOCKED:
        return BlockPattern(layout, starts, places, size, (values.shape[1], values.shape[2]))
    return CompressedPattern(layout, starts, places, size)


def _blocks(dense: Tensor, block: tuple[int, int]) -> Tensor:
    """A matrix as a matrix of blocks."""
    (rows, columns), (high, wide) = dense.shape, block
    return dense.reshape(rows // high, high, columns // wide, wide).permute(0, 2, 1, 3)


class CompressedTensor(AnySparse):
    """A matrix in a compressed layout; :func:`lampas.sparse_csr_tensor` and ``to_sparse_csr`` make one."""

    _pattern: CompressedPattern

    @property
    def is_sparse_csr(self) -> bool:
        return self.layout == lampas.sparse_csr

    @property
    def T(self) -> Any:
        return self.transpose(0, 1)

    mT = T

    def sparse_dim(self) -> int:
        return 2

    def dense_dim(self) -> int:
        return 0

    def values(self) -> Tensor:
        """The values, in the order of the indices; differentiable."""
        return values_of(self)

    def _indices_named(self, name: str) -> Tensor:
        names = index_names(self.layout)
        if name not in names:
            raise RuntimeError(
                f"{name}: a tensor of layout {self.layout} has none, it has {names[0]}() and {names[1]}()"
            )
        return self._pattern.starts if name == names[0] else self._pattern.places

    def crow_indices(self) -> Tensor:
        """Where the entries of each row begin (CSR, BSR)."""
        return self._indices_named("crow_indices")

    def col_indices(self) -> Tensor:
        """The column of each entry (CSR, BSR)."""
        return self._indices_named("col_indices")

    def ccol_indices(self) -> Tensor:
        """Where the entries of each column begin (CSC, BSC)."""
        return self._indices_named("ccol_indices")

    def row_indices(self) -> Tensor:
        """The row of each entry (CSC, BSC)."""
        return self._indices_named("row_indices")

    def to_dense(self, dtype: lampas.dtype | None = None, *, masked_grad: bool | None = None) -> Tensor:
        """The matrix with all its elements."""
        return coo_of(self).to_dense(dtype)

    def to_sparse(
        self, sparse_dim: int | None = None, *, layout: Any = None, blocksize: Any = None, dense_dim: int | None = None
    ) -> Any:
        """This matrix in another sparse layout: coordinates where none is named."""
        if layout == self.layout and blocksize is None:
            return self
        if sparse_dim not in (None, 2):
            raise RuntimeError(f"to_sparse: a compressed matrix has 2 sparse dimensions, {sparse_dim} were asked for")
        coo = coo_of(self)
        return coo if layout is None else coo.to_sparse(layout=layout, blocksize=blocksize, dense_dim=dense_dim)

    def __reduce_ex__(self, protocol: int) -> tuple:
        from lampas import _utils

        pattern = self._pattern
        data = (pattern.starts, pattern.places, self._held, lampas.Size(pattern.size))
        return _utils._rebuild_sparse_tensor, (self.layout, data)


def coo_of(c: CompressedTensor) -> SparseTensor:
    """The same matrix in coordinates."""
    pattern, values = c._pattern, values_of(c)
    counts = pattern.starts.diff().to(lampas.int64)
    outer = lampas.repeat_interleave(lampas.arange(counts.shape[0]), counts)
    inner = pattern.places.to(lampas.int64)
    rows, columns = (outer, inner) if pattern.layout in _BY_ROW else (inner, outer)
    if pattern.layout in _BLOCKED:
        high, wide = values.shape[1:]
        shape = (values.shape[0], high, wide)
        rows = (rows.view(-1, 1, 1) * high + lampas.arange(high).view(1, -1, 1)).expand(shape).reshape(-1)
        columns = (columns.view(-1, 1, 1) * wide + lampas.arange(wide).view(1, 1, -1)).expand(shape).reshape(-1)
        values = values.reshape(-1)
    coo = made(CooPattern(lampas.stack([rows, columns]), pattern.size), values, "ToSparseBackward0")
    return coo.coalesce()


def _starts(outer: Tensor, count: int) -> Tensor:
    """Where each number from 0 to ``count`` begins among sorted ones."""
    return lampas.searchsorted(outer, lampas.arange(count + 1))


def compressed_of_coo(s: SparseTensor, layout: Any) -> CompressedTensor:
    """A matrix in coordinates as CSR or CSC."""
    node = f"ToSparse{str(layout).removeprefix('torch.sparse_').capitalize()}Backward0"
    turned = s.coalesce() if layout in _BY_ROW else s.transpose(0, 1).coalesce()
    outer, inner = turned._pattern.indices
    pattern = CompressedPattern(layout, _starts(outer, turned.shape[0]), inner, s.shape)
    return made(pattern, values_of(turned), node)


def compressed_of_dense(dense: Tensor, layout: Any, blocksize: Any, dense_dim: int | None) -> CompressedTensor:
    """A dense matrix in a compressed layout."""
    if layout not in _ALL:
        raise RuntimeError(f"to_sparse: {layout} is no sparse layout; there are torch.sparse_coo and {_ALL}")
    if dense.dim() != 2 or dense_dim:
        raise NotImplementedError(
            f"to_sparse(layout={layout}) is defined for matrices alone, got shape {list(dense.shape)}"
            f"{' and dense_dim=' + str(dense_dim) if dense_dim else ''}: use torch.sparse_coo"
        )
    if layout not in _BLOCKED:
        if blocksize is not None:
            raise RuntimeError(f"to_sparse: blocksize is for torch.sparse_bsr and torch.sparse_bsc, not {layout}")
        return compressed_of_coo(cast("SparseTensor", dense.to_sparse()), layout)
    if blocksize is None:
        raise RuntimeError(f"to_sparse: the layout {layout} needs a blocksize of two numbers")
    high, wide = (int(n) for n in blocksize)
    block = (high, wide)
    if high < 1 or wide < 1 or dense.shape[0] % high or dense.shape[1] % wide:
        raise RuntimeError(f"to_sparse: the size {tuple(dense.shape)} must be divisible by the blocksize {block}")
    blocks = _blocks(dense, block)
    if layout == lampas.sparse_bsc:
        blocks = blocks.transpose(0, 1)
    there = (blocks.detach() != 0).flatten(2).any(-1)
    outer, places = there.nonzero().t()
    values = blocks[outer, places]
    pattern = BlockPattern(layout, _starts(outer, there.shape[0]), places, dense.shape, block)
    return made(pattern, values, f"ToSparse{str(layout)[-3:].capitalize()}Backward0")


def _checked(layout: Any, starts: Tensor, places: Tensor, values: Tensor, size: Any) -> CompressedPattern:
    outer_name, inner_name = index_names(layout)
    blocked = layout in _BLOCKED
    if starts.dim() != 1 or places.dim() != 1 or values.dim() != (3 if blocked else 1):
        raise NotImplementedError(
            f"only single matrices can have the layout {layout}: {outer_name} and {inner_name} must have one dimension "
            f"and values {3 if blocked else 1}, got {starts.dim()}, {places.dim()} and {values.dim()}"
        )
    if places.shape[0] != values.shape[0]:
        raise RuntimeError(
            f"{inner_name} has {places.shape[0]} entries, values has {values.shape[0]}: they must be equally many"
        )
    high, wide = values.shape[1:] if blocked else (1, 1)
    if not high or not wide:
        raise RuntimeError(f"the blocks of a tensor of layout {layout} cannot be empty, got {high} x {wide}")
    by_row = layout in _BY_ROW
    if size is None:
        outer, inner = starts.shape[0] - 1, int(places.max()) + 1 if places.numel() else 0
        size = (outer * high, inner * wide) if by_row else (inner * high, outer * wide)
    size = check_size(size, "sparse_compressed_tensor")
    if len(size) != 2:
        raise NotImplementedError(f"only matrices can have the layout {layout}, got the size {list(size)}")
    if size[0] % high or size[1] % wide:
        raise RuntimeError(f"the size {list(size)} must be divisible by the blocks' size {high} x {wide}")
    outer = size[0] // high if by_row else size[1] // wide
    if starts.shape[0] != outer + 1:
        raise RuntimeError(f"{outer_name} must have {outer + 1} entries for the size {list(size)}, got {len(starts)}")
    return _pattern(layout, starts, places, size, values)


def _check_places(pattern: CompressedPattern) -> None:
    starts, places, inner = pattern.starts, pattern.places, pattern.inner
    outer_name, inner_name = index_names(pattern.layout)
    if int(starts[0]) != 0 or int(starts[-1]) != places.shape[0]:
        raise RuntimeError(f"{outer_name} must begin with 0 and end with the number of entries, {places.shape[0]}")
    if bool((starts.diff() < 0).any()):
        raise RuntimeError(f"{outer_name} must not decrease")
    if places.numel() and not 0 <= int(places.min()) <= int(places.max()) < inner:
        raise RuntimeError(f"`0 <= {inner_name} < {inner}` is not satisfied")


def _indices(given: Any, device: Any) -> Tensor:
    t = given.detach() if isinstance(given, Tensor) else lampas.tensor(given, dtype=lampas.int64, device=device)
    if t.dtype not in (lampas.int32, lampas.int64):
        raise RuntimeError(f"compressed and plain indices must be int32 or int64, got {t.dtype}")
    return t


def sparse_compressed_tensor(
    compressed_indices: Any,
    plain_indices: Any,
    values: Any,
    size: Any = None,
    *,
    dtype: lampas.dtype | None = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    check_invariants: bool | None = None,
) -> CompressedTensor:
    """A sparse matrix in the layout torch.sparse_csr, sparse_csc, sparse_bsr or sparse_bsc.

    Args:
        compressed_indices: where the entries of each row (CSC, BSC: column) begin, and their number.
        plain_indices: the column (CSC, BSC: row) of each entry.
        values: the entries, or blocks of shape ``(nnz, block rows, block columns)``; differentiable.

    Raises:
        RuntimeError: indices that do not describe a matrix of this size.
    """
    if layout not in _ALL:
        raise RuntimeError(f"sparse_compressed_tensor: layout must be one of {_ALL}, got {layout}")
    held = value_tensor(values, dtype, device)
    starts, places = _indices(compressed_indices, device), _indices(plain_indices, device)
    pattern = _checked(layout, starts, places, held, size)
    _check_places(pattern)
    return finished(made(pattern, held), requires_grad)


def _maker(layout: Any) -> Callable[..., CompressedTensor]:
    name = f"{str(layout).removeprefix('torch.')}_tensor"
    first, second = index_names(layout)

    def make(*args: Any, **kwargs: Any) -> CompressedTensor:
        indices = [kwargs.pop(n) for n in (first, second) if n in kwargs]
        return sparse_compressed_tensor(*args, *indices, **kwargs, layout=layout)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"``{name}({first}, {second}, values, size=None)``: see :func:`sparse_compressed_tensor`."
    return make


sparse_csr_tensor = _maker(lampas.sparse_csr)
sparse_csc_tensor = _maker(lampas.sparse_csc)
sparse_bsr_tensor = _maker(lampas.sparse_bsr)
sparse_bsc_tensor = _maker(lampas.sparse_bsc)


def rebuilt(
    layout: Any, starts: Any, places: Any, values: Any, size: Any
) -> tuple[CompressedTensor, Callable[[], None]]:
    """A compressed matrix from a file, and the check of its numbers, which may stand further down in the file."""
    if layout not in _ALL or not all(isinstance(t, Tensor) for t in (starts, places, values)):
        raise RuntimeError("a saved sparse tensor needs a sparse layout, indices and values: the file is damaged")
    if not isinstance(size, tuple) or not all(type(n) is int for n in size):
        raise RuntimeError("a saved sparse tensor needs a size of whole numbers: the file is damaged")
    pattern = _checked(layout, _indices(starts, None), _indices(places, None), values, size)
    return made(pattern, values), lambda: _check_places(pattern)


# --- ops ------------------------------------------------------------------------------------------------------------

_ON_VALUES = {*LINEAR, *ZERO_TO_ZERO, "clone", "to"} | {
    "float", "double", "half", "bfloat16", "long", "int", "short", "char", "byte", "bool",
}  # fmt: skip
_OUT_OF_COO = {
    "add", "sub", "subtract", "rsub", "mul", "multiply", "div", "divide", "true_divide", "pow", "mm", "matmul",
}  # fmt: skip
_IN_COO = {
    "mv", "addmm", "linear", "spmm", "sum", "norm", "vector_norm", "linalg_vector_norm", "native_norm", "select",
    "unbind", "sparse_mask", "any", "index_select", "is_nonzero",
}  # fmt: skip
_SAME = {"contiguous", "cpu", "pin_memory", "positive", "resolve_conj", "resolve_neg"}


def answer_compressed(name: str, handler: Callable | None, layout: Any, args: tuple, kwargs: dict) -> Any:
    """The result of an op one of whose arguments has a compressed layout."""
    first = args[0] if args else kwargs.get("input")
    if isinstance(first, CompressedTensor):
        if name in _SAME:
            return first
        if name in ("detach", "alias"):
            return first.data
        if name in ("t", "transpose", "permute", "swapaxes", "swapdims"):
            order = [d % 2 for d in (args[1:] if len(args) != 2 else args[1])]
            stays = order == [0, 1] if name == "permute" else len(set(order)) == 1
            return first if stays else turned(first)
        if name in _ON_VALUES and not any(isinstance(a, AnySparse) for a in args[1:]):
            values = values_of(first)
            function = getattr(Tensor, name)
            result = function(values, *args[1:], **kwargs)
            return first if result is values else made(first._pattern, result, f"{name.capitalize()}Backward0")
    if handler is None or name not in _OUT_OF_COO | _IN_COO or not (name in MIXED or isinstance(first, AnySparse)):
        raise dense_only(name, layout)
    result = handler(*map(_as_coo, args), **{k: _as_coo(v) for k, v in kwargs.items()})
    if name in _IN_COO or not isinstance(result, SparseTensor):
        return result
    block = next((a._held.shape[1:] for a in args if isinstance(a, CompressedTensor) and layout in _BLOCKED), None)
    return result.to_sparse(layout=layout, blocksize=block)


def _as_coo(value: Any) -> Any:
    return coo_of(value) if isinstance(value, CompressedTensor) else value
