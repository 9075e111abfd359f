"""The classes of sparse tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import lampas
from lampas import Tensor
from lampas._sparse.graph import densified, made, values_of
from lampas._sparse.pattern import CooPattern, merged

__all__ = ["AnySparse", "SparseTensor", "dense_only"]

_KINDS = {
    lampas.float32: "Float", lampas.float64: "Double", lampas.float16: "Half", lampas.bfloat16: "BFloat16",
    lampas.int64: "Long", lampas.int32: "Int", lampas.int16: "Short", lampas.int8: "Char", lampas.uint8: "Byte",
    lampas.bool: "Bool", lampas.complex64: "ComplexFloat", lampas.complex128: "ComplexDouble",
}  # fmt: skip


def dense_only(name: str, layout: Any) -> NotImplementedError:
    """The error for an op that sparse tensors do not have."""
    return NotImplementedError(
        f"{name}() is not defined for sparse tensors (here is one of layout {layout}): call to_dense() first, or work "
        "on its values()"
    )


class AnySparse(Tensor):
    """A tensor of which only some entries are kept: ``_held`` at the places of ``_pattern``."""

    _pattern: Any
    _held: Tensor

    @classmethod
    def hold(cls, pattern: Any, values: Tensor) -> Any:
        """The tensor of ``values``, whose memory it shares, without history."""
        made = Tensor._sparse_shell(cls, pattern.size, values.dtype, values.device)
        made._pattern = pattern
        made._held = values
        return made

    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Any], types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        from lampas._sparse.handlers import answer

        return answer(func, args, kwargs or {})

    # --- what it is ---

    @property
    def layout(self) -> Any:
        return self._pattern.layout

    @property
    def nbytes(self) -> int:
        raise RuntimeError(
            "nbytes is not defined for sparse tensors: add those of the indices and of the values, or take "
            "numel() * element_size() for the dense tensor's"
        )

    @property
    def data(self) -> Any:
        return self._pattern.hold(self._held)

    @data.setter
    def data(self, value: Any) -> None:
        if not isinstance(value, type(self)):
            raise RuntimeError(f"data of a tensor of layout {self.layout} can be set to one of the same layout alone")
        if value.dtype != self.dtype or value.shape != self.shape:
            Tensor.data.__set__(self, Tensor._sparse_shell(type(self), value._pattern.size, value.dtype, value.device))
        self._pattern, self._held = value._pattern, value._held

    def type(self, dtype: Any = None, non_blocking: bool = False) -> Any:
        return f"torch.sparse.{_KINDS[self.dtype]}Tensor" if dtype is None else self.to(dtype)

    def _nnz(self) -> int:
        return self._pattern.nnz

    # --- what it is not ---

    def numpy(self, *, force: bool = False) -> Any:
        raise TypeError(f"a tensor of layout {self.layout} is no NumPy array: call to_dense() first")

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        return self.numpy()

    def tolist(self) -> Any:
        raise dense_only("tolist", self.layout)

    def storage(self) -> Any:
        raise dense_only("storage", self.layout)

    untyped_storage = storage

    def data_ptr(self) -> int:
        raise dense_only("data_ptr", self.layout)

    def dim_order(self) -> Any:
        raise AttributeError(f"a tensor of layout {self.layout} has no order of dimensions: call to_dense() first")

    # --- Python's protocols ---

    def item(self) -> Any:
        if self.numel() != 1:
            raise RuntimeError(f"a Tensor with {self.numel()} elements cannot be converted to Scalar")
        return self.to_dense().item()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __bool__(self) -> bool:
        if self.numel() > 1:
            raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous")
        return bool(self.item())

    def __len__(self) -> int:
        if not self.dim():
            raise TypeError("len() of a 0-d tensor")
        return self.shape[0]

    def __iter__(self) -> Iterator:
        return iter(self.unbind(0))

    def __getitem__(self, index: Any) -> Any:
        from lampas._sparse.indexing import item

        return item(self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError("a sparse tensor cannot be assigned to by index: make another from its indices and values")

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self, *, tensor_contents: str | None = None) -> str:
        from lampas.printing import tensor_str

        return tensor_str(self, tensor_contents=tensor_contents)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if self.dim() == 0 else object.__format__(self, spec)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if id(self) not in memo:
            if not self.is_leaf:
                raise RuntimeError("deepcopy: only leaves of the graph can be copied; detach() this tensor first")
            copy = self.detach().clone().requires_grad_(self.requires_grad)
            memo[id(self)] = copy
            if self.grad is not None:
                from copy import deepcopy

                copy.grad = deepcopy(self.grad, memo)
        return memo[id(self)]

    # --- conversions ---

    def to_sparse_coo(self) -> Any:
        return self.to_sparse()

    def to_sparse_csr(self, dense_dim: int | None = None) -> Any:
        return self.to_sparse(layout=lampas.sparse_csr, dense_dim=dense_dim)

    def to_sparse_csc(self, dense_dim: int | None = None) -> Any:
        return self.to_sparse(layout=lampas.sparse_csc, dense_dim=dense_dim)

    def to_sparse_bsr(self, blocksize: Any, dense_dim: int | None = None) -> Any:
        return self.to_sparse(layout=lampas.sparse_bsr, blocksize=blocksize, dense_dim=dense_dim)

    def to_sparse_bsc(self, blocksize: Any, dense_dim: int | None = None) -> Any:
        return self.to_sparse(layout=lampas.sparse_bsc, blocksize=blocksize, dense_dim=dense_dim)


class SparseTensor(AnySparse):
    """A tensor in coordinate format; :func:`lampas.sparse_coo_tensor` and ``to_sparse`` make one."""

    _pattern: CooPattern

    @property
    def is_sparse(self) -> bool:
        return True

    @property
    def T(self) -> Any:
        return self.permute(*range(self.dim() - 1, -1, -1))

    @property
    def mT(self) -> Any:
        return self.transpose(-2, -1)

    def sparse_dim(self) -> int:
        """How many dimensions the indices have."""
        return self._pattern.sparse_dim

    def dense_dim(self) -> int:
        """How many dimensions each value has."""
        return self.dim() - self._pattern.sparse_dim

    def is_coalesced(self) -> bool:
        """Whether the indices are known to be in order and to differ."""
        return self._pattern.coalesced

    def coalesce(self) -> Any:
        """This tensor with its indices in order, each once; values of one place are added."""
        pattern = self._pattern
        if pattern.coalesced:
            return self
        indices, values = merged(pattern.indices, values_of(self), pattern.sparse_size)
        if values is self._held:
            values = values.clone()
        return made(CooPattern(indices, pattern.size, True), values, "CoalesceBackward0")

    def _expect_coalesced(self, what: str) -> None:
        if not self._pattern.coalesced:
            raise RuntimeError(
                f"Cannot get {what} on an uncoalesced tensor, please call .coalesce() first (or _{what}() to see "
                "them as they stand)"
            )

    def indices(self) -> Tensor:
        """The indices, ``(sparse_dim, nnz)``, of a coalesced tensor."""
        self._expect_coalesced("indices")
        return self._pattern.indices

    def values(self) -> Tensor:
        """The values, ``(nnz, *dense dimensions)``, of a coalesced tensor; differentiable."""
        self._expect_coalesced("values")
        return values_of(self)

    def _indices(self) -> Tensor:
        return self._pattern.indices

    def _values(self) -> Tensor:
        return self._held

    def _coalesced_(self, coalesced: bool) -> Any:
        self._pattern = CooPattern(self._pattern.indices, self._pattern.size, coalesced)
        return self

    def to_dense(self, dtype: lampas.dtype | None = None, *, masked_grad: bool | None = None) -> Tensor:
        """The tensor with all its elements."""
        if dtype is not None and dtype != self.dtype:
            raise RuntimeError(f"to_dense() of a sparse tensor keeps its dtype {self.dtype}; convert with to() after")
        return densified(values_of(self), self._pattern)

    def new(self, *args: Any) -> Any:
        """``new(indices, values, size)``, ``new(*size)``: a sparse tensor of this dtype."""
        from lampas._sparse.create import sparse_coo_tensor

        if args and isinstance(args[0], Tensor):
            return sparse_coo_tensor(*args, dtype=self.dtype)
        size = args[0] if len(args) == 1 and not isinstance(args[0], int) else args or (0,)
        return sparse_coo_tensor(size, dtype=self.dtype)

    def to_sparse(
        self, sparse_dim: int | None = None, *, layout: Any = None, blocksize: Any = None, dense_dim: int | None = None
    ) -> Any:
        """This tensor in another sparse layout, or with another number of sparse dimensions."""
        from lampas._sparse.create import resparsed

        return resparsed(self, sparse_dim, layout, blocksize, dense_dim)

    def sparse_resize_(self, size: Any, sparse_dim: int, dense_dim: int) -> Any:
        """Another shape of the same numbers of sparse and dense dimensions, none of them smaller; in place."""
        pattern = self._pattern
        same = (sparse_dim, dense_dim) == (pattern.sparse_dim, self.dense_dim()) and len(size) == self.dim()
        if self._nnz() and not (same and all(n >= old for n, old in zip(size, pattern.size, strict=True))):
            raise RuntimeError(
                f"sparse_resize_: a tensor with entries can only grow in its own dimensions: it has shape "
                f"{list(pattern.size)}, {pattern.sparse_dim} of them sparse, and {list(size)} with {sparse_dim} sparse "
                "was asked for; sparse_resize_and_clear_() forgets the entries"
            )
        if not self._nnz():
            return self.sparse_resize_and_clear_(size, sparse_dim, dense_dim)
        values = self._held
        if tuple(size[sparse_dim:]) != pattern.dense_size:
            wider = values.new_zeros((self._nnz(), *size[sparse_dim:]))
            wider[tuple(slice(n) for n in values.shape)] = values
            values = wider
        return self._become(CooPattern(pattern.indices, size, pattern.coalesced), values)

    def sparse_resize_and_clear_(self, size: Any, sparse_dim: int, dense_dim: int) -> Any:
        """Another shape, and no entries; in place."""
        if sparse_dim + dense_dim != len(size):
            raise RuntimeError(
                f"sparse_resize_and_clear_: {sparse_dim} sparse and {dense_dim} dense dimensions do not make up the "
                f"shape {list(size)}"
            )
        indices = self._pattern.indices.new_zeros((sparse_dim, 0))
        return self._become(CooPattern(indices, size, True), self._held.new_zeros((0, *size[sparse_dim:])))

    def _become(self, pattern: CooPattern, values: Tensor) -> Any:
        if self.requires_grad and lampas.is_grad_enabled():
            raise RuntimeError("a sparse tensor that requires grad cannot be changed in place; detach() it first")
        self.data = pattern.hold(values)
        return self

    def __reduce_ex__(self, protocol: int) -> tuple:
        from lampas import _utils

        pattern = self._pattern
        data = (pattern.indices, self._held, lampas.Size(pattern.size), pattern.coalesced)
        return _utils._rebuild_sparse_tensor, (lampas.sparse_coo, data)
