"""Parametrizations ready for use: spectral and weight normalization."""

from __future__ import annotations

from typing import Any

import lampas

from .. import functional as F
from ..modules.module import Module
from . import parametrize
from .weight_norm import norm_except_dim

__all__ = ["spectral_norm", "weight_norm"]


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
