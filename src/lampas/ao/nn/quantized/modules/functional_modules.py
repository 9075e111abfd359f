"""Operations as modules, so that their results can be observed and quantized."""

from __future__ import annotations

from typing import Any

import lampas
import lampas.nn as nn

from .utils import OutputScaleInState

__all__ = ["FXFloatFunctional", "FloatFunctional", "QFunctional"]


class _Operations(nn.Module):
    def forward(self, *args: Any) -> Any:
        """
        Raises:
            RuntimeError: always; the methods are what is called.
        """
        name = "FloatFunctional" if isinstance(self, (FloatFunctional, FXFloatFunctional)) else "Functional"
        raise RuntimeError(f"{name} is not called itself; call one of its operations: self.ff.add(x, y)")


class _FloatOperations(_Operations):
    def _observed(self, x: Any) -> Any:
        return x

    def add(self, x: Any, y: Any) -> Any:
        """``x + y``"""
        return self._observed(lampas.add(x, y))

    def add_scalar(self, x: Any, y: float) -> Any:
        """``x + y`` with a number"""
        return lampas.add(x, y)

    def mul(self, x: Any, y: Any) -> Any:
        """``x * y``"""
        return self._observed(lampas.mul(x, y))

    def mul_scalar(self, x: Any, y: float) -> Any:
        """``x * y`` with a number"""
        return lampas.mul(x, y)

    def cat(self, x: list[Any], dim: int = 0) -> Any:
        """Tensors one after the other along a dimension."""
        return self._observed(lampas.cat(x, dim=dim))

    def add_relu(self, x: Any, y: Any) -> Any:
        """``relu(x + y)``"""
        return self._observed(nn.functional.relu(lampas.add(x, y)))

    def matmul(self, x: Any, y: Any) -> Any:
        """The matrix product."""
        return self._observed(lampas.matmul(x, y))


class FloatFunctional(_FloatOperations):
    """Addition, multiplication, concatenation and their like between tensors, observable: one instance for each use.

    `prepare` puts an observer into it, `convert` replaces it by `QFunctional`.

    >>> self.skip = FloatFunctional()          # in __init__
    >>> out = self.skip.add_relu(x, identity)  # in forward
    """

    def __init__(self) -> None:
        super().__init__()
        self.activation_post_process = nn.Identity()

    def _observed(self, x: Any) -> Any:
        return self.activation_post_process(x)


class FXFloatFunctional(_FloatOperations):
    """`FloatFunctional` without a place for an observer."""


class QFunctional(OutputScaleInState, _Operations):
    """The operations of `FloatFunctional` on quantized tensors, with the scale of the result."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = 1.0
        self.zero_point = 0
        self.activation_post_process = nn.Identity()

    def _get_name(self) -> str:
        return "QFunctional"

    def extra_repr(self) -> str:
        return f"scale={self.scale}, zero_point={self.zero_point}"

    def _call(self, op: str, *args: Any) -> Any:
        result = getattr(lampas.ops.quantized, op)(*args, self.scale, self.zero_point)
        return self.activation_post_process(result)

    def add(self, x: Any, y: Any) -> Any:
        """``x + y``"""
        return self._call("add", x, y)

    def add_scalar(self, x: Any, y: float) -> Any:
        """``x + y`` with a number: the integers stay, scale and zero point change."""
        return lampas.ops.quantized.add_scalar(x, y)

    def mul(self, x: Any, y: Any) -> Any:
        """``x * y``"""
        return self._call("mul", x, y)

    def mul_scalar(self, x: Any, y: float) -> Any:
        """``x * y`` with a number: the integers stay, scale and zero point change."""
        return lampas.ops.quantized.mul_scalar(x, y)

    def cat(self, x: list[Any], dim: int = 0) -> Any:
        """Tensors one after the other along a dimension."""
        result = lampas.ops.quantized.cat(x, scale=self.scale, zero_point=self.zero_point, dim=dim)
        return self.activation_post_process(result)

    def add_relu(self, x: Any, y: Any) -> Any:
        """``relu(x + y)``"""
        return self._call("add_relu", x, y)

    def matmul(self, x: Any, y: Any) -> Any:
        """The matrix product."""
        return self._call("matmul", x, y)

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> QFunctional:
        """The quantized operations of a prepared `FloatFunctional`.

        Raises:
            AssertionError: another type of module.
        """
        if type(mod) is not FloatFunctional:
            raise AssertionError(
                f"QFunctional.from_float expects an instance of FloatFunctional, got {type(mod).__name__}"
            )
        scale, zero_point = mod.activation_post_process.calculate_qparams()
        made = cls()
        made.scale, made.zero_point = float(scale), int(zero_point)
        return made
