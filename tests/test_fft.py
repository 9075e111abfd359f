"""lampas.fft against NumPy and finite differences."""

import numpy as np
import pytest

import lampas
from lampas.autograd import gradcheck, gradgradcheck

rng = np.random.default_rng(0)
KINDS = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")


@pytest.mark.parametrize("norm", [None, "ortho", "forward"])
@pytest.mark.parametrize("n", [None, 5, 8, 9])
@pytest.mark.parametrize("name", KINDS)
def test_one_dimension(name, n, norm):
    x = rng.standard_normal((3, 8))
    values = x if name in ("rfft", "ihfft") else x + 1j * rng.standard_normal((3, 8))
    function = getattr(lampas.fft, name)
    ours = function(lampas.tensor(values), n, 1, norm)
    np.testing.assert_allclose(ours.numpy(), getattr(np.fft, name)(values, n, 1, norm), atol=1e-12)
    leaf = lampas.tensor(values[:1], requires_grad=True)
    assert gradcheck(lambda v: function(v, n, 1, norm), leaf)
    assert gradgradcheck(lambda v: function(v, n, 1, norm), leaf)


@pytest.mark.parametrize("name", ["fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn", "irfftn"])
def test_many_dimensions(name):
    x = rng.standard_normal((3, 4, 6))
    values = x if name.startswith("rfft") else x + 1j * rng.standard_normal((3, 4, 6))
    for s in (None, (5, 7)):
        axes = (0, 2) if s else None if name.endswith("n") else (-2, -1)
        ours = getattr(lampas.fft, name)(lampas.tensor(values), s, **({} if axes is None else {"dim": axes}))
        np.testing.assert_allclose(ours.numpy(), getattr(np.fft, name)(values, s, axes), atol=1e-12)


def test_dtypes_and_frequencies():
    assert lampas.fft.fft(lampas.ones(4)).dtype == lampas.complex64
    assert lampas.fft.fft(lampas.ones(4, dtype=lampas.int64)).dtype == lampas.complex64
    assert lampas.fft.irfft(lampas.ones(4, dtype=lampas.complex128)).dtype == lampas.float64
    for n in (1, 4, 5):
        np.testing.assert_allclose(lampas.fft.fftfreq(n, 0.5).numpy(), np.fft.fftfreq(n, 0.5))
        np.testing.assert_allclose(lampas.fft.rfftfreq(n).numpy(), np.fft.rfftfreq(n))
        x = lampas.arange(n)
        assert lampas.fft.fftshift(x).tolist() == np.fft.fftshift(np.arange(n)).tolist()
        assert lampas.fft.ifftshift(lampas.fft.fftshift(x)).equal(x)


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: lampas.fft.fft(lampas.ones(3), norm="x"), RuntimeError, "Invalid normalization mode"),
        (lambda: lampas.fft.fft(lampas.ones(3), 0), RuntimeError, r"number of data points \(0\)"),
        (lambda: lampas.fft.fft(lampas.tensor(1.0)), IndexError, "no dimensions"),
        (lambda: lampas.fft.fft(lampas.ones(3), dim=2), IndexError, r"range of \[-1, 0\], but got 2"),
        (lambda: lampas.fft.rfft(lampas.ones(3, dtype=lampas.complex64)), RuntimeError, "expects a real input"),
        (lambda: lampas.fft.fftn(lampas.ones(3, 3), dim=(0, 0)), RuntimeError, "must be unique"),
        (lambda: lampas.fft.fftn(lampas.ones(3, 3), s=(2, 2, 2)), RuntimeError, "3 values"),
        (lambda: lampas.fft.fft(lampas.ones(3).half()), RuntimeError, "Unsupported dtype"),
    ],
)
def test_bad_input(call, kind, words):
    with pytest.raises(kind, match=words):
        call()
