"""Functions of the top namespace that are made of other functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import lampas
from lampas._autocast import in_float32
from lampas._einsum import einsum
from lampas._stft import istft, stft

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "block_diag",
    "broadcast_shapes",
    "broadcast_tensors",
    "cartesian_prod",
    "cdist",
    "chain_matmul",
    "combinations",
    "einsum",
    "istft",
    "meshgrid",
    "norm",
    "stft",
    "tensordot",
    "unique",
    "unique_consecutive",
    "unravel_index",
]


def _given(args: tuple) -> tuple:
    """The arguments of a function that takes tensors one by one or as one sequence."""
    return tuple(args[0]) if len(args) == 1 and isinstance(args[0], (list, tuple)) else args


def normal_dim(dim: int, count: int) -> int:
    """``dim`` counted from the front; ``IndexError`` outside ``[-count, count - 1]``."""
    count = max(count, 1)
    if not -count <= dim < count:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-count}, {count - 1}], but got {dim})")
    return dim % count


# --- shapes ---------------------------------------------------------------------------------------------------------


def broadcast_shapes(*shapes: int | Sequence[int]) -> lampas.Size:
    """The shape that tensors of these shapes have together.

    >>> lampas.broadcast_shapes((2, 1), (3,), 1)
    torch.Size([2, 3])
    """
    rows = [(s,) if isinstance(s, int) else tuple(s) for s in shapes]
    result = [1] * max((len(r) for r in rows), default=0)
    for row in rows:
        for i in range(-1, -len(row) - 1, -1):
            n = row[i]
            if n < 0:
                raise ValueError(f"broadcast_shapes: sizes cannot be negative, got {n} in shape {row}")
            if n == 1 or n == result[i]:
                continue
            if result[i] != 1:
                raise RuntimeError(
                    f"Shape mismatch: objects cannot be broadcast to a single shape: {', '.join(map(str, rows))} "
                    f"differ in dimension {i} ({result[i]} and {n}); sizes must be equal, or 1"
                )
            result[i] = n
    return lampas.Size(result)


def broadcast_tensors(*tensors: lampas.Tensor) -> tuple[lampas.Tensor, ...]:
    """The tensors, expanded to their common shape without a copy."""
    tensors = _given(tensors)
    shape = broadcast_shapes(*(tuple(t.shape) for t in tensors))
    return tuple(t.expand(shape) for t in tensors)


def _atleast(dims: int, tensors: tuple, grow: Any) -> Any:
    single = len(tensors) == 1 and isinstance(tensors[0], lampas.Tensor)
    grown = tuple(grow(t) if t.dim() < dims else t for t in _given(tensors))
    return grown[0] if single else grown


def atleast_1d(*tensors: Any) -> Any:
    """Tensors without dimensions get one; others stay."""
    return _atleast(1, tensors, lambda t: t.reshape(1))


def atleast_2d(*tensors: Any) -> Any:
    """Tensors with fewer than two dimensions get leading ones."""
    return _atleast(2, tensors, lambda t: t.reshape(1, -1) if t.dim() == 0 else t.unsqueeze(0))


def atleast_3d(*tensors: Any) -> Any:
    """A vector of n becomes 1 x n x 1, a matrix m x n x 1, a number 1 x 1 x 1."""
    grow = {0: lambda t: t.reshape(1, 1, 1), 1: lambda t: t.unsqueeze(0).unsqueeze(-1), 2: lambda t: t.unsqueeze(-1)}
    return _atleast(3, tensors, lambda t: grow[t.dim()](t))


def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[lampas.Tensor, ...]:
    """Coordinates of a grid: of n vectors, n tensors of the grid's shape, without copies.

    Args:
        tensors: vectors or numbers, one by one or as one list.
        indexing: ``"ij"`` (the default) puts the first vector along the rows, ``"xy"`` along the columns.

    >>> [t.tolist() for t in lampas.meshgrid(lampas.tensor([1, 2]), lampas.tensor([3, 4]), indexing="ij")]
    [[[1, 1], [2, 2]], [[3, 4], [3, 4]]]
    """
    tensors = _given(tensors)
    if not tensors:
        raise RuntimeError("meshgrid expects a non-empty list of tensors")
    if indexing not in (None, "ij", "xy"):
        raise RuntimeError(f'meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    if any(t.dim() > 1 for t in tensors):
        raise RuntimeError(f"meshgrid: Expected 0D or 1D tensors, but got shapes {[tuple(t.shape) for t in tensors]}")
    if any(t.dtype != tensors[0].dtype for t in tensors):
        raise RuntimeError("meshgrid expects all tensors to have the same dtype")
    if indexing is None:
        from lampas._deprecated import warn_once

        warn_once('torch.meshgrid without indexing is deprecated; give indexing="ij" or "xy".')
    swap = indexing == "xy" and len(tensors) >= 2
    order = [1, 0, *range(2, len(tensors))] if swap else range(len(tensors))
    ordered = [tensors[i] for i in order]
    shape = [t.numel() for t in ordered]
    grids = [t.reshape([-1 if i == k else 1 for k in range(len(shape))]).expand(shape) for i, t in enumerate(ordered)]
    if swap:
        grids[:2] = grids[1::-1]
    return tuple(grids)


def cartesian_prod(*tensors: Any) -> lampas.Tensor:
    """All ways to take one element of each vector, one per row."""
    tensors = _given(tensors)
    for t in tensors:
        if t.dim() != 1:
            raise RuntimeError(f"cartesian_prod: Expect a 1D vector, but got shape {list(t.shape)}")
    if len(tensors) == 1:
        return tensors[0]
    return lampas.stack([g.flatten() for g in meshgrid(*tensors, indexing="ij")], dim=1)


def combinations(input: lampas.Tensor, r: int = 2, with_replacement: bool = False) -> lampas.Tensor:
    """All ways to take ``r`` elements of a vector in their order, one per row."""
    import itertools

    if input.dim() != 1:
        raise RuntimeError(f"combinations: Expect a 1D vector, but got shape {list(input.shape)}")
    if r < 0:
        raise RuntimeError(f"combinations: Expect a non-negative number, but got {r}")
    if r == 0:
        return lampas.empty(0, dtype=input.dtype)
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = list(choose(range(input.numel()), r))
    index = lampas.tensor(rows, dtype=lampas.int64).reshape(len(rows), r)
    return input[index]


def block_diag(*tensors: Any) -> lampas.Tensor:
    """A matrix with the given ones along its diagonal and zeros elsewhere."""
    blocks = []
    for i, t in enumerate(_given(tensors)):
        if t.dim() > 2:
            raise RuntimeError(
                f"block_diag: Input tensors must have 2 or fewer dimensions. Input {i} has {t.dim()} dimensions"
            )
        blocks.append(atleast_2d(t))
    if not blocks:
        return lampas.empty(1, 0)
    width = sum(b.size(1) for b in blocks)
    dtype = blocks[0].dtype
    for b in blocks[1:]:
        dtype = lampas.promote_types(dtype, b.dtype)
    rows, left = [], 0
    for b in blocks:
        sides = [b.new_zeros((b.size(0), n), dtype=dtype) for n in (left, width - left - b.size(1))]
        rows.append(lampas.cat([sides[0], b.to(dtype), sides[1]], dim=1))
        left += b.size(1)
    return lampas.cat(rows, dim=0)


def unravel_index(indices: lampas.Tensor, shape: int | Sequence[int]) -> tuple[lampas.Tensor, ...]:
    """Where elements with these flat indices lie in a tensor of ``shape``, one tensor per dimension."""
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    if indices.is_floating_point() or indices.is_complex() or indices.dtype == lampas.bool:
        raise TypeError(f"expected 'indices' to be integer dtype, but got {indices.dtype}")
    if any(n < 0 for n in sizes):
        raise ValueError(f"'shape' cannot have negative values, but got {sizes}")
    found = []
    for n in reversed(sizes):
        found.append(indices % n)
        indices = lampas.div(indices, n, rounding_mode="floor")
    return tuple(reversed(found))


# --- products -------------------------------------------------------------------------------------------------------


def tensordot(a: lampas.Tensor, b: lampas.Tensor, dims: Any = 2, out: lampas.Tensor | None = None) -> lampas.Tensor:
    """Sum of products over paired dimensions: the last ``dims`` of ``a`` with the first of ``b``, or listed pairs.

    >>> lampas.tensordot(lampas.ones(3, 4, 5), lampas.ones(4, 3, 2), dims=([1, 0], [0, 1])).shape
    torch.Size([5, 2])
    """
    if isinstance(dims, lampas.Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.dim(), b.dim()):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        of_a, of_b = list(range(a.dim() - dims, a.dim())), list(range(dims))
    else:
        of_a, of_b = ([d] if isinstance(d, int) else list(d) for d in dims)
    if len(of_a) != len(of_b):
        raise RuntimeError(
            f"both dimension lists should have the same length, got {len(of_a)} for a and {len(of_b)} for b"
        )
    of_a, of_b = [normal_dim(d, a.dim()) for d in of_a], [normal_dim(d, b.dim()) for d in of_b]
    for da, db in zip(of_a, of_b, strict=True):
        if a.size(da) != b.size(db) and 1 not in (a.size(da), b.size(db)):
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {a.size(da)} in dim {da} and second has size "
                f"{b.size(db)} in dim {db}"
            )
        if a.size(da) != b.size(db):  # the one that is not 1 is summed beforehand
            a = a.sum(da, keepdim=True) if b.size(db) == 1 else a
            b = b.sum(db, keepdim=True) if a.size(da) == 1 else b
    free_a = [d for d in range(a.dim()) if d not in of_a]
    free_b = [d for d in range(b.dim()) if d not in of_b]
    inner = math.prod(a.size(d) for d in of_a)
    shape = [a.size(d) for d in free_a] + [b.size(d) for d in free_b]
    left = a.permute(free_a + of_a).reshape(math.prod(a.size(d) for d in free_a), inner)
    right = b.permute(of_b + free_b).reshape(inner, math.prod(b.size(d) for d in free_b))
    result = lampas.mm(left, right).reshape(shape)
    return result if out is None else out.resize_(result.shape).copy_(result)


def chain_matmul(*matrices: Any, out: lampas.Tensor | None = None) -> lampas.Tensor:
    """The product of matrices, multiplied in the order that costs least (Cormen et al., 15.2)."""
    from lampas._deprecated import warn_once

    warn_once("torch.chain_matmul is deprecated; use torch.linalg.multi_dot.")
    matrices = tuple(_given(matrices))
    if not matrices:
        raise RuntimeError("chain_matmul(): Expected one or more matrices")
    for m in matrices:
        if m.dim() != 2:
            raise RuntimeError(f"chain_matmul: Tensor dimension is {m.dim()}, expected 2 instead")
    count = len(matrices)
    sizes = [matrices[0].size(0), *(m.size(1) for m in matrices)]
    cost = [[0] * count for _ in range(count)]
    cut = [[0] * count for _ in range(count)]
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            cost[i][j], cut[i][j] = min(
                (cost[i][k] + cost[k + 1][j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j)
            )

    def product(i: int, j: int) -> lampas.Tensor:
        if i == j:
            return matrices[i]
        k = cut[i][j]
        return lampas.mm(product(i, k), product(k + 1, j))

    result = product(0, count - 1)
    return result if out is None else out.resize_(result.shape).copy_(result)


# --- norms and distances --------------------------------------------------------------------------------------------


def _vector_norm(x: lampas.Tensor, p: float, dims: list[int], keepdim: bool) -> lampas.Tensor:
    return lampas._C.linalg.vector_norm(x, p, dims, keepdim)


def norm(
    input: lampas.Tensor,
    p: float | str | None = "fro",
    dim: int | Sequence[int] | None = None,
    keepdim: bool = False,
    out: lampas.Tensor | None = None,
    dtype: lampas.dtype | None = None,
) -> lampas.Tensor:
    """The p-norm ``(sum |x|**p) ** (1/p)`` over ``dim`` (everything when left out); ``"fro"`` is p = 2.

    ``p`` may be 0 (how many are not zero), infinite (largest or smallest magnitude), or ``"nuc"`` (sum of singular
    values, of matrices).

    Raises:
        ValueError: an unknown name as ``p``.
        RuntimeError: an integer tensor.

    >>> lampas.norm(lampas.tensor([3.0, 4.0]))
    tensor(5.)
    """
    if not (input.is_floating_point() or input.is_complex()):
        raise RuntimeError(
            f"norm(): the input dtype should be either floating point or complex. Got {input.dtype} instead; "
            "convert it with .float()"
        )
    if dtype is not None:
        input = input.to(dtype)
    dims = list(range(input.dim())) if dim is None else [dim] if isinstance(dim, int) else list(dim)
    dims = [normal_dim(d, input.dim()) for d in dims] if input.dim() else []
    if isinstance(p, str):
        if p == "nuc":
            matrix = input if dim is None else input.movedim(dims, (-2, -1))
            result = lampas.linalg.svdvals(matrix).sum(-1)
            if keepdim:
                for d in sorted(dims):
                    result = result.unsqueeze(d)
            return result if out is None else out.resize_(result.shape).copy_(result)
        if p != "fro":
            raise ValueError(f"only valid string values are 'fro' and 'nuc', found {p}")
        p = 2
    p = 2.0 if p is None else float(p)
    if not dims:
        result = input.abs() if p != 0 else (input != 0).to(input.abs().dtype)
        if input.dim():  # dim=() reduces everything, as elsewhere in PyTorch
            result = _vector_norm(input, p, list(range(input.dim())), keepdim)
    else:
        result = _vector_norm(input, p, dims, keepdim)
    return result if out is None else out.resize_(result.shape).copy_(result)


_MATMUL_MODES = ("use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist")


@in_float32
def cdist(
    x1: lampas.Tensor,
    x2: lampas.Tensor,
    p: float = 2.0,
    compute_mode: str | None = "use_mm_for_euclid_dist_if_necessary",
) -> lampas.Tensor:
    """p-norm distances between all rows of ``x1`` (..., P, M) and of ``x2`` (..., R, M): (..., P, R).

    Euclidean distances of more than 25 rows are computed from a matrix product (|a|^2 + |b|^2 - 2ab), which is faster
    and less exact for rows that lie close together; ``compute_mode`` forces or forbids it.
    """
    return lampas._C.cdist(x1, x2, p, _MATMUL_MODES[0] if compute_mode is None else compute_mode)


# --- unique ---------------------------------------------------------------------------------------------------------


# Both take where a new value begins (bool, one per element).
def _runs(changed: lampas.Tensor) -> lampas.Tensor:
    """The run each element is in."""
    return changed.to(lampas.int64).cumsum(0) - 1


def _lengths(changed: lampas.Tensor) -> lampas.Tensor:
    starts = changed.nonzero().flatten()
    ends = [starts[1:], lampas.full((1,), changed.numel(), dtype=lampas.int64)]
    return (lampas.cat(ends) if starts.numel() else starts) - starts


def _changes(rows: lampas.Tensor) -> lampas.Tensor:
    """Whether each row differs from the one before it; the first always does."""
    changed = lampas.ones(rows.size(0), dtype=lampas.bool)
    if rows.size(0) > 1:
        different = rows[1:] != rows[:-1]
        changed[1:] = different.flatten(1).any(1) if rows.dim() > 1 else different
    return changed


def _rows_along(input: lampas.Tensor, dim: int | None) -> tuple[lampas.Tensor, int | None]:
    if dim is None:
        return input.flatten(), None
    dim = normal_dim(dim, input.dim())
    if 0 in (n for d, n in enumerate(input.shape) if d != dim):
        raise RuntimeError(
            f"unique: the slices along dimension {dim} of shape {tuple(input.shape)} have 0 sized dimensions"
        )
    if input.dim() == 0:
        return input.flatten(), None
    return input.movedim(dim, 0), dim


def _order_of_rows(rows: lampas.Tensor) -> lampas.Tensor:
    """The positions of rows of any shape in lexicographic order."""
    import numpy as np

    count = rows.size(0)
    if count == 0:
        return lampas.empty(0, dtype=lampas.int64)
    flat = rows.detach().reshape(count, -1)
    flat = flat.to(lampas.float32) if flat.dtype == lampas.bfloat16 else flat
    return lampas.from_numpy(np.lexsort(flat.numpy().T[::-1])).to(lampas.int64)


def _answer(values: Any, inverse: Any, counts: Any, return_inverse: bool, return_counts: bool) -> Any:
    chosen = [values, *([inverse] if return_inverse else []), *([counts] if return_counts else [])]
    return chosen[0] if len(chosen) == 1 else tuple(chosen)


def unique(
    input: lampas.Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The different values of a tensor, or its different slices along ``dim``, in ascending order.

    Args:
        sorted: accepted; the result is always sorted.
        return_inverse: also return, for each element, where its value is in the result.
        return_counts: also return how often each value occurs.
        dim: compare slices along this dimension; single values when left out.

    >>> lampas.unique(lampas.tensor([3, 1, 3]), return_counts=True)
    (tensor([1, 3]), tensor([1, 2]))
    """
    rows, at = _rows_along(input, dim)
    with lampas.no_grad():
        if rows.dim() == 1:
            ordered, order = lampas.sort(rows, stable=True)
        else:
            order = _order_of_rows(rows)
            ordered = rows[order]
        changed = _changes(ordered)
        counts = _lengths(changed) if return_counts else None
        inverse = None
        if return_inverse:
            inverse = lampas.empty_like(order).scatter_(0, order, _runs(changed))
    values = ordered[changed]
    if at is None:
        inverse = inverse.reshape(input.shape) if return_inverse and inverse is not None else None
    else:
        values = values.movedim(0, at)
    return _answer(values, inverse, counts, return_inverse, return_counts)


def unique_consecutive(
    input: lampas.Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """Like :func:`unique` without sorting: of equal neighbours the first remains.

    >>> lampas.unique_consecutive(lampas.tensor([1, 1, 2, 1]))
    tensor([1, 2, 1])
    """
    rows, at = _rows_along(input, dim)
    changed = _changes(rows)
    run = _runs(changed) if return_inverse else None
    values = rows[changed]
    if at is not None:
        values = values.movedim(0, at)
    elif run is not None:
        run = run.reshape(input.shape)
    return _answer(values, run, _lengths(changed) if return_counts else None, return_inverse, return_counts)
