"""Window functions for the spectra of signals."""

from __future__ import annotations

import math
from typing import Any

import lampas

__all__ = ["bartlett_window", "blackman_window", "hamming_window", "hann_window", "kaiser_window"]


def cosines(n: int, periodic: bool, weights: tuple[float, ...], dtype: Any) -> lampas.Tensor:
    """``sum_k (-1)**k weights[k] cos(2 pi k t)`` for t from 0 to 1 in n points; t = 1 is left out if periodic."""
    t = _times(n, periodic) * (2 * math.pi)
    window = lampas.full_like(t, weights[0])
    for k, w in enumerate(weights[1:], 1):
        window = window + (-1) ** k * w * (t * k).cos()
    return window.to(dtype or lampas.get_default_dtype())


def _times(n: int, periodic: bool) -> lampas.Tensor:
    return lampas.arange(n, dtype=lampas.float64) / max(n if periodic else n - 1, 1)


def _finished(name: str, n: int, made: Any, dtype: Any, device: Any, requires_grad: bool) -> lampas.Tensor:
    dtype = dtype or lampas.get_default_dtype()
    if n < 0:
        raise RuntimeError(f"{name} requires non-negative window_length, got window_length={n}")
    if not dtype.is_floating_point:
        raise RuntimeError(f"{name} expects floating point dtypes, got: {dtype}")
    window = lampas.ones(n, dtype=dtype) if n <= 1 else made(n).to(dtype)
    return window.to(device or "cpu").requires_grad_(requires_grad)


def hann_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> lampas.Tensor:  # fmt: skip
    """``sin(pi t) ** 2`` (von Hann).

    >>> lampas.hann_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    return _finished(
        "hann_window", window_length, lambda n: cosines(n, periodic, (0.5, 0.5), lampas.float64), dtype, device,
        requires_grad,
    )  # fmt: skip


def hamming_window(
    window_length: int, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46, *, dtype: Any = None,
    layout: Any = None, device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> lampas.Tensor:  # fmt: skip
    """``alpha - beta cos(2 pi t)`` (Hamming)."""
    return _finished(
        "hamming_window", window_length, lambda n: cosines(n, periodic, (alpha, beta), lampas.float64), dtype, device,
        requires_grad,
    )  # fmt: skip


def blackman_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> lampas.Tensor:  # fmt: skip
    """``0.42 - 0.5 cos(2 pi t) + 0.08 cos(4 pi t)`` (Blackman)."""

    def made(n: int) -> lampas.Tensor:
        # In the window's own precision: its ends are the rounding of 0, which programs print.
        t = lampas.arange(n, dtype=dtype) * (math.pi / max(n if periodic else n - 1, 1))
        return (t * 4).cos() * 0.08 - (t * 2).cos() * 0.5 + 0.42

    return _finished("blackman_window", window_length, made, dtype, device, requires_grad)


def bartlett_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> lampas.Tensor:  # fmt: skip
    """A triangle: ``1 - |2 t - 1|`` (Bartlett)."""
    return _finished(
        "bartlett_window", window_length, lambda n: 1 - (2 * _times(n, periodic) - 1).abs(), dtype, device,
        requires_grad,
    )  # fmt: skip


def kaiser_window(
    window_length: int, periodic: bool = True, beta: float = 12.0, *, dtype: Any = None, layout: Any = None,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> lampas.Tensor:  # fmt: skip
    """``I0(beta sqrt(1 - (2 t - 1) ** 2)) / I0(beta)`` (Kaiser, 1974)."""

    def made(n: int) -> lampas.Tensor:
        inside = (1 - (2 * _times(n, periodic) - 1).square()).clamp_min(0)
        return lampas.i0(beta * inside.sqrt()) / lampas.i0(lampas.tensor(beta, dtype=lampas.float64))

    return _finished("kaiser_window", window_length, made, dtype, device, requires_grad)
