"""What PyTorch takes from Intel's MKL (large products, LAPACK, Fourier transforms), which is here without it."""

from lampas.backends.mkldnn import verbose

__all__ = ["VERBOSE_OFF", "VERBOSE_ON", "is_available", "verbose"]

VERBOSE_OFF, VERBOSE_ON = 0, 1


def is_available() -> bool:
    """Whether the functions that a build of PyTorch without MKL lacks can be called: yes."""
    return True
