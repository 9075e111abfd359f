"""Parametrizations ready for use: orthogonal matrices, spectral and weight normalization."""

from __future__ import annotations

from typing import Any

import lampas

from .. import functional as F
from ..modules.module import Module
from . import parametrize
from .weight_norm import norm_except_dim

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]


class _WeightNorm(Module):
    """``g v / ||v||`` from ``g`` and ``v``."""

    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: lampas.Tensor, weight_v: lampas.Tensor) -> lampas.Tensor:
        return weight_v * (weight_g / norm_except_dim(weight_v, self.dim))

    def right_inverse(self, weight: lampas.Tensor) -> tuple[lampas.Tensor, lampas.Tensor]:
        return norm_except_dim(weight, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int = 0) -> Module:
    """Train a weight's length and direction apart (Salimans & Kingma 2016).

    ``parametrizations.weight.original0`` is the length, ``original1`` the direction.

    >>> m = nn.utils.parametrizations.weight_norm(nn.Linear(20, 40))
    >>> m.parametrizations.weight.original0.shape
    torch.Size([40, 1])
    """
    parametrize.register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def accept_older_names(state_dict: dict, prefix: str, *_: Any) -> None:
        """Checkpoints of ``nn.utils.weight_norm`` call the two ``name_g`` and ``name_v``."""
        old = (f"{prefix}{name}_g", f"{prefix}{name}_v")
        if all(key in state_dict for key in old):
            for i, key in enumerate(old):
                state_dict[f"{prefix}parametrizations.{name}.original{i}"] = state_dict.pop(key)

    module._register_load_state_dict_pre_hook(accept_older_names)
    return module


class _SpectralNorm(Module):
    """``w / sigma(w)``, the largest singular value found by power iteration."""

    def __init__(self, weight: lampas.Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        if not -weight.dim() <= dim < weight.dim():
            raise IndexError(
                f"Dimension out of range (expected to be in range of [-{weight.dim()}, {weight.dim() - 1}] but got "
                f"{dim})"
            )
        if n_power_iterations <= 0:
            raise ValueError(
                f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}"
            )
        self.dim = dim if dim >= 0 else dim + weight.dim()
        self.eps = eps
        if weight.dim() > 1:
            self.n_power_iterations = n_power_iterations
            matrix = self._matrix(weight)
            rows, columns = matrix.shape
            u = matrix.new_empty(rows).normal_(0, 1)
            v = matrix.new_empty(columns).normal_(0, 1)
            self.register_buffer("_u", F.normalize(u, dim=0, eps=eps))
            self.register_buffer("_v", F.normalize(v, dim=0, eps=eps))
            self._iterate(matrix, 15)

    def _matrix(self, weight: lampas.Tensor) -> lampas.Tensor:
        return weight.movedim(self.dim, 0).flatten(1)

    def _iterate(self, matrix: lampas.Tensor, times: int) -> None:
        with lampas.no_grad():
            for _ in range(times):
                self._u.copy_(F.normalize(lampas.mv(matrix, self._v), dim=0, eps=self.eps))
                self._v.copy_(F.normalize(lampas.mv(matrix.t(), self._u), dim=0, eps=self.eps))

    def forward(self, weight: lampas.Tensor) -> lampas.Tensor:
        if weight.dim() == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = self._matrix(weight)
        if self.training:
            self._iterate(matrix, self.n_power_iterations)
        # The graph keeps these; the next iteration must not change them.
        u, v = self._u.clone(), self._v.clone()
        return weight / lampas.dot(u, lampas.mv(matrix, v))

    def right_inverse(self, value: lampas.Tensor) -> lampas.Tensor:
        return value


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Module:
    """Divide a weight by its largest singular value (Miyato et al. 2018).

    >>> m = nn.utils.parametrizations.spectral_norm(nn.Linear(20, 40))
    >>> bool(lampas.linalg.matrix_norm(m.weight, 2) < 1.1)
    True
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, lampas.Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if dim is None:
        dim = 1 if "Transpose" in type(module).__name__ else 0
    parametrize.register_parametrization(module, name, _SpectralNorm(weight.detach(), n_power_iterations, dim, eps))
    return module


_MAPS = ("matrix_exp", "cayley", "householder")


def _orthonormal(matrix: lampas.Tensor) -> lampas.Tensor:
    """Orthonormal columns that span the matrix's, by QR; those of an orthonormal matrix are its own."""
    packed, tau = lampas.geqrf(matrix)
    return lampas.linalg.householder_product(packed, tau) * packed.diagonal(dim1=-2, dim2=-1).sgn().unsqueeze(-2)


def _is_orthonormal(matrix: lampas.Tensor) -> bool:
    rows, columns = matrix.size(-2), matrix.size(-1)
    if rows < columns:
        return False
    eps = 10 * rows * lampas.finfo(matrix.dtype).eps
    identity = lampas.eye(columns, dtype=matrix.dtype)
    gram = matrix.mH @ matrix
    return lampas.allclose(gram, identity.expand_as(gram), atol=eps)


class _Orthogonal(Module):
    """A matrix with orthonormal columns (rows, if it has more columns than rows) from any matrix.

    The lower triangle of the given matrix X makes a skew-symmetric one, which the exponential or Cayley's map takes
    to an orthogonal matrix; or its columns are the vectors of Householder reflections. With a ``base`` B the result
    is B times that, so that training begins at B (Lezcano-Casado, "Trivializations for Gradient-Based Optimization on
    Manifolds", 2019).
    """

    base: lampas.Tensor | None

    def __init__(self, map: str, use_trivialization: bool) -> None:
        super().__init__()
        self.map = map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: lampas.Tensor) -> lampas.Tensor:
        wide = X.size(-2) < X.size(-1)
        if wide:
            X = X.mT
        rows, columns = X.size(-2), X.size(-1)
        if self.map == "householder":
            vectors = X.tril(diagonal=-1)
            tau = 2.0 / (1.0 + (vectors * vectors).sum(dim=-2))
            signs = X.diagonal(dim1=-2, dim2=-1).int()  # each is 1 or -1
            Q = lampas.linalg.householder_product(vectors, tau) * signs.unsqueeze(-2)
        else:
            X = X.tril()
            if rows != columns:
                X = lampas.cat([X, X.new_zeros((*tuple(X.shape)[:-2], rows, rows - columns))], dim=-1)
            skew = X - X.mH
            if self.map == "matrix_exp":
                Q = lampas.linalg.matrix_exp(skew)
            else:
                identity = lampas.eye(rows, dtype=X.dtype)
                Q = lampas.linalg.solve(identity - 0.5 * skew, identity + 0.5 * skew)
            if rows != columns:
                Q = Q[..., :columns]
        if hasattr(self, "base"):
            Q = self.base @ Q
        return Q.mT if wide else Q

    @lampas.no_grad()
    def right_inverse(self, Q: lampas.Tensor) -> lampas.Tensor:
        """What gives ``Q``, or the orthogonal matrix that QR makes of it."""
        given = Q
        wide = Q.size(-2) < Q.size(-1)
        if wide:
            Q = Q.mT
        rows, columns = Q.size(-2), Q.size(-1)
        if not hasattr(self, "base"):
            if self.map != "householder":
                raise NotImplementedError(
                    "a matrix cannot be assigned to the matrix exponential or the Cayley map with "
                    "use_trivialization=False; use householder, or use_trivialization=True"
                )
            packed, tau = lampas.geqrf(Q)
            packed = packed.clone()
            diagonal = packed.diagonal(dim1=-2, dim2=-1)
            signs = diagonal.sign()
            # A reflection with tau = 0 is none, while one by the vector (1, 0, ...) would change the sign.
            diagonal.copy_(lampas.where(tau == 0, -signs, signs))
            return packed.mT if wide else packed
        if rows == columns:
            Q = Q.clone() if _is_orthonormal(Q) else _orthonormal(Q)
        else:
            more = lampas.randn((*tuple(Q.shape)[:-2], rows, rows - columns), dtype=Q.dtype)
            Q = _orthonormal(lampas.cat([Q, more], dim=-1))
        self.base = Q
        result = lampas.zeros_like(given)
        result.diagonal(dim1=-2, dim2=-1).fill_(-1.0)
        return result


def orthogonal(
    module: Module, name: str = "weight", orthogonal_map: str | None = None, *, use_trivialization: bool = True
) -> Module:
    """Keep a weight orthogonal: ``W^H W = I``, or ``W W^H = I`` where it has more columns than rows.

    Args:
        orthogonal_map: "matrix_exp", "cayley" or "householder"; by default the first for square and complex matrices,
            the last for others.
        use_trivialization: begin at the weight as it is (made orthogonal), with one more buffer, ``base``.

    Raises:
        ValueError: there is no such weight, it has fewer than two dimensions, an unknown map, or a complex weight
            with "householder".

    >>> m = nn.utils.parametrizations.orthogonal(nn.Linear(20, 40))
    >>> bool(lampas.dist(m.weight.T @ m.weight, lampas.eye(20)) < 1e-4)
    True
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, lampas.Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if weight.dim() < 2:
        raise ValueError(f"Expected a matrix or batch of matrices. Got a tensor of {weight.dim()} dimensions.")
    if orthogonal_map is None:
        square = weight.size(-2) == weight.size(-1)
        orthogonal_map = "matrix_exp" if square or weight.is_complex() else "householder"
    if orthogonal_map not in _MAPS:
        names = ", ".join(f'"{one}"' for one in _MAPS)
        raise ValueError(f"orthogonal_map has to be one of {names}. Got: {orthogonal_map}")
    if orthogonal_map == "householder" and weight.is_complex():
        raise ValueError("The householder parametrization does not support complex tensors.")
    made = _Orthogonal(orthogonal_map, use_trivialization)
    parametrize.register_parametrization(module, name, made, unsafe=True)
    return module
