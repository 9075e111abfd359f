"""The short-time Fourier transform and its inverse, as products with matrices of waves."""

from __future__ import annotations

import math

import lampas
from lampas._autocast import in_float32
from lampas._deprecated import warn_once

__all__ = ["istft", "stft"]


def _waves(n_fft: int, bins: int, dtype: lampas.dtype) -> tuple[lampas.Tensor, lampas.Tensor]:
    """Cosines and sines of the first ``bins`` frequencies of ``n_fft`` points, (bins, n_fft)."""
    product = lampas.arange(bins).unsqueeze(1) * lampas.arange(n_fft)
    angle = (product % n_fft).to(lampas.float64) * (2 * math.pi / n_fft)
    return angle.cos().to(dtype), angle.sin().to(dtype)


def _padded_window(
    window: lampas.Tensor | None, n_fft: int, win_length: int | None, dtype: lampas.dtype
) -> lampas.Tensor:
    length = n_fft if win_length is None else win_length
    if not 0 < length <= n_fft:
        raise RuntimeError(f"stft: expected 0 < win_length <= n_fft, but got win_length={length} and n_fft={n_fft}")
    if window is None:
        window = lampas.ones(length, dtype=dtype)
    if window.dim() != 1 or window.size(0) != length:
        raise RuntimeError(
            f"stft: expected a 1D window tensor of size equal to win_length={length}, but got window with size "
            f"{list(window.shape)}"
        )
    left = (n_fft - length) // 2
    return lampas.nn.functional.pad(window, (left, n_fft - length - left))


@in_float32
def stft(
    input: lampas.Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: lampas.Tensor | None = None,
    center: bool = True,
    pad_mode: str = "reflect",
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
    align_to_window: bool | None = None,
) -> lampas.Tensor:
    """Spectrum of a real signal (T,) or (B, T) in overlapping windows: (..., frequencies, frames).

    ``X[f, t] = sum_n window[n] * x[t * hop + n] * exp(-2 pi i f n / n_fft)``, as a product with a matrix of waves.

    Args:
        n_fft: points per window; ``hop_length`` (a quarter of it) is the step, ``win_length`` the window's length.
        center: pad the signal, by ``pad_mode``, so that frame t is centred on sample ``t * hop_length``.
        normalized: divide by the square root of ``n_fft``.
        onesided: only the first ``n_fft // 2 + 1`` frequencies, the others being their conjugates (the default).
        return_complex: ``True``; ``False`` gives real and imaginary parts in a last dimension of 2.
    """
    if window is None:
        warn_once("stft without a window applies a rectangular one, which leaks into other frequencies; give window=.")
    if return_complex is None:
        raise RuntimeError(
            "stft requires the return_complex parameter be given for real inputs; give return_complex=True"
        )
    if input.is_complex():
        raise RuntimeError("stft: complex signals are not supported; transform real and imaginary parts one by one")
    if input.dim() not in (1, 2):
        raise RuntimeError(f"stft: expected a 1D or 2D tensor, but got {input.dim()}D")
    if not return_complex:
        warn_once("stft with return_complex=False is deprecated; give return_complex=True, and view_as_real of it.")
    hop = n_fft // 4 if hop_length is None else hop_length
    if hop <= 0:
        raise RuntimeError(f"stft: expected hop_length > 0, but got hop_length={hop}")
    signal = input if input.dim() == 2 else input.unsqueeze(0)
    shape = _padded_window(window, n_fft, win_length, input.dtype)
    if center:
        half = n_fft // 2
        signal = lampas.nn.functional.pad(signal.unsqueeze(1), (half, half), mode=pad_mode).squeeze(1)
    if not 0 < n_fft <= signal.size(-1):
        raise RuntimeError(f"stft: expected 0 < n_fft <= {signal.size(-1)}, but got n_fft={n_fft}")
    bins = n_fft // 2 + 1 if onesided is not False else n_fft
    cosine, sine = _waves(n_fft, bins, input.dtype)
    frames = signal.unfold(-1, n_fft, hop) * shape  # B, frames, n_fft
    real = lampas.matmul(frames, cosine.t()).transpose(1, 2)
    imag = -lampas.matmul(frames, sine.t()).transpose(1, 2)
    if normalized:
        real, imag = real / math.sqrt(n_fft), imag / math.sqrt(n_fft)
    if input.dim() == 1:
        real, imag = real.squeeze(0), imag.squeeze(0)
    return lampas.complex(real, imag) if return_complex else lampas.stack([real, imag], -1)


def istft(
    input: lampas.Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: lampas.Tensor | None = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: int | None = None,
    return_complex: bool = False,
) -> lampas.Tensor:
    """The real signal whose :func:`stft` is ``input`` (least squares: Griffin and Lim, 1984)."""
    if window is None:
        warn_once("istft without a window assumes a rectangular one; give the window stft was given.")
    if not input.is_complex():
        raise RuntimeError(
            "istft requires a complex-valued input tensor matching the output from stft with return_complex=True"
        )
    if return_complex:
        raise RuntimeError("istft: complex signals are not supported; give return_complex=False")
    spectrum = input if input.dim() == 3 else input.unsqueeze(0)
    hop = n_fft // 4 if hop_length is None else hop_length
    bins = n_fft // 2 + 1 if onesided is not False else n_fft
    if spectrum.size(1) != bins:
        raise RuntimeError(
            f"istft: expected {bins} frequencies in the second dimension from the end (n_fft={n_fft}), "
            f"got {spectrum.size(1)}"
        )
    real, imag = spectrum.real.transpose(1, 2), spectrum.imag.transpose(1, 2)  # B, frames, bins
    dtype = real.dtype
    shape = _padded_window(window, n_fft, win_length, dtype)
    cosine, sine = _waves(n_fft, bins, dtype)
    if onesided is not False:  # frequencies that stand for their conjugates too count twice
        weight = lampas.full((bins, 1), 2.0, dtype=dtype)
        weight[0] = 1.0
        if n_fft % 2 == 0:
            weight[-1] = 1.0
        cosine, sine = cosine * weight, sine * weight
    scale = 1.0 / math.sqrt(n_fft) if normalized else 1.0 / n_fft
    frames = (lampas.matmul(real, cosine) - lampas.matmul(imag, sine)) * (shape * scale)
    count = frames.size(1)
    total = n_fft + hop * (count - 1)
    where = (lampas.arange(count).unsqueeze(1) * hop + lampas.arange(n_fft)).flatten()
    signal = lampas.zeros(frames.size(0), total, dtype=dtype).index_add(1, where, frames.flatten(1))
    envelope = lampas.zeros(total, dtype=dtype).index_add(0, where, (shape * shape).repeat(count))
    start = n_fft // 2 if center else 0
    end = start + length if length is not None else total - (n_fft // 2 if center else 0)
    signal, envelope = signal[:, start:end], envelope[start:end]
    if envelope.numel() and float(envelope.min()) < 1e-11:
        raise RuntimeError("window overlap add min: 1; the windows leave a gap, so the signal cannot be recovered")
    signal = signal / envelope
    if length is not None and signal.size(1) < length:
        signal = lampas.nn.functional.pad(signal, (0, length - signal.size(1)))
    return signal if input.dim() == 3 else signal.squeeze(0)
