"""Window functions, symmetric unless ``sym=False`` (then of one period)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import lampas

__all__ = [
    "bartlett", "blackman", "cosine", "exponential", "gaussian", "general_cosine", "general_hamming", "hamming", "hann",
    "kaiser", "nuttall",
]  # fmt: skip


def _window(
    name: str, M: int, sym: bool, dtype: Any, device: Any, requires_grad: bool, made: Callable
) -> lampas.Tensor:
    """``made(k, last)`` for k = 0 .. M - 1, where ``last`` is the k at which the window ends."""
    dtype = dtype or lampas.get_default_dtype()
    if M < 0:
        raise ValueError(f"{name} requires non-negative window length, got M={M}")
    if not dtype.is_floating_point:
        raise ValueError(f"{name} expects float32 or float64 dtypes, got: {dtype}")
    if M <= 1:
        window = lampas.ones(M, dtype=dtype)
    else:
        window = made(lampas.arange(M, dtype=lampas.float64), float(M - 1 if sym else M)).to(dtype)
    return window.to(device or "cpu").requires_grad_(requires_grad)


def general_cosine(
    M: int, *, a: Iterable[float], sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> lampas.Tensor:  # fmt: skip
    """``sum_i (-1)^i a_i cos(2 pi i k / last)``."""
    weights = list(a)
    if not weights:
        raise ValueError("Coefficients cannot be empty")

    def made(k: lampas.Tensor, last: float) -> lampas.Tensor:
        angle = k * (2 * math.pi / last)
        return sum(((-1) ** i * w * (angle * i).cos() for i, w in enumerate(weights)), lampas.zeros_like(k))

    return _window("general_cosine", M, sym, dtype, device, requires_grad, made)


def general_hamming(M: int, *, alpha: float = 0.54, **options: Any) -> lampas.Tensor:
    """``alpha - (1 - alpha) cos(2 pi k / last)``."""
    return general_cosine(M, a=[alpha, 1 - alpha], **options)


def hamming(M: int, **options: Any) -> lampas.Tensor:
    """:func:`general_hamming` with alpha 0.54."""
    return general_hamming(M, **options)


def hann(M: int, **options: Any) -> lampas.Tensor:
    """:func:`general_hamming` with alpha 0.5."""
    return general_hamming(M, alpha=0.5, **options)


def blackman(M: int, **options: Any) -> lampas.Tensor:
    """``0.42 - 0.5 cos(2 pi k / last) + 0.08 cos(4 pi k / last)``."""
    return general_cosine(M, a=[0.42, 0.5, 0.08], **options)


def nuttall(M: int, **options: Any) -> lampas.Tensor:
    """Nuttall's minimal four-term Blackman-Harris window (IEEE ASSP 29, 1981)."""
    return general_cosine(M, a=[0.3635819, 0.4891775, 0.1365995, 0.0106411], **options)


def bartlett(
    M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False
) -> lampas.Tensor:
    """A triangle: ``1 - |2 k / last - 1|``."""
    return _window("bartlett", M, sym, dtype, device, requires_grad, lambda k, last: 1 - (2 * k / last - 1).abs())


def cosine(
    M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False
) -> lampas.Tensor:
    """Half a wave: ``sin(pi (k + 0.5) / (last + 1))``."""
    return _window(
        "cosine", M, sym, dtype, device, requires_grad, lambda k, last: ((k + 0.5) * (math.pi / (last + 1))).sin()
    )


def gaussian(
    M: int, *, std: float = 1.0, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> lampas.Tensor:  # fmt: skip
    """``exp(-((k - last / 2) / std)^2 / 2)``."""
    if std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")
    return _window(
        "gaussian", M, sym, dtype, device, requires_grad, lambda k, last: (-((k - last / 2) / std).square() / 2).exp()
    )


def exponential(
    M: int, *, center: float | None = None, tau: float = 1.0, sym: bool = True, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> lampas.Tensor:  # fmt: skip
    """``exp(-|k - center| / tau)``; the center, the middle unless given, can be chosen if not ``sym``."""
    if tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise ValueError("Center must be None for symmetric windows")

    def made(k: lampas.Tensor, last: float) -> lampas.Tensor:
        return (-(k - (last / 2 if center is None else center)).abs() / tau).exp()

    return _window("exponential", M, sym, dtype, device, requires_grad, made)


def kaiser(
    M: int, *, beta: float = 12.0, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> lampas.Tensor:  # fmt: skip
    """``I0(beta sqrt(1 - (2 k / last - 1)^2)) / I0(beta)`` (Kaiser, 1974)."""
    if beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")

    def made(k: lampas.Tensor, last: float) -> lampas.Tensor:
        inside = (1 - (2 * k / last - 1).square()).clamp_min(0)
        return lampas.i0(beta * inside.sqrt()) / lampas.i0(lampas.tensor(beta, dtype=lampas.float64))

    return _window("kaiser", M, sym, dtype, device, requires_grad, made)
