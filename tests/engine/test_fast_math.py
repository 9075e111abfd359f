"""The vector forms of the exponential functions, against SciPy in double precision."""

import numpy as np
import pytest
import scipy.special as special

import lampas
from lampas.nn import functional as F


def units(found: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """The distance in units of the last place of float32; of 0 where both are infinite or NaN."""
    rounded = exact.astype(np.float32)
    finite = np.isfinite(rounded)
    np.testing.assert_array_equal(found[~finite], rounded[~finite])
    return np.abs(found[finite].astype(np.float64) - exact[finite]) / np.spacing(np.abs(rounded[finite]))


FUNCTIONS = {
    "exp": (lampas.exp, np.exp, -110, 95, 1.1),
    "expm1": (lampas.expm1, np.expm1, -60, 95, 2.5),
    "elu": (F.elu, lambda x: np.where(x > 0, x, np.expm1(np.where(x > 0, 0, x))), -60, 60, 2.5),
    "sigmoid": (lampas.sigmoid, special.expit, -87, 87, 3),
    "tanh": (lampas.tanh, np.tanh, -20, 20, 3),
    "silu": (F.silu, lambda x: x * special.expit(x), -80, 87, 4),
    "mish": (F.mish, lambda x: x * np.tanh(np.log1p(np.exp(x))), -87, 87, 4),
    # 7 units stand for a relative error of 4e-7, in the tail too
    "gelu": (F.gelu, lambda x: x * special.ndtr(x), -12.5, 87, 7),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_units_in_the_last_place(name: str) -> None:
    function, exact, low, high, bound = FUNCTIONS[name]
    x = np.concatenate([np.linspace(low, high, 100_003), np.geomspace(1e-30, 1, 1_001), -np.geomspace(1e-30, 1, 1_001)])
    x = x.astype(np.float32)
    with np.errstate(over="ignore"):
        assert units(function(lampas.from_numpy(x)).numpy(), exact(x.astype(np.float64))).max() <= bound


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_ends(name: str) -> None:
    function, exact, *_ = FUNCTIONS[name]
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40, -1e-40, 3e38, -3e38], dtype=np.float32)
    with np.errstate(invalid="ignore", over="ignore"):
        want = exact(x.astype(np.float64)).astype(np.float32)
    found = function(lampas.from_numpy(x)).numpy()
    np.testing.assert_array_equal(found, want)
    number = ~np.isnan(want)
    np.testing.assert_array_equal(np.signbit(found)[number], np.signbit(want)[number])


def test_gradient_of_gelu_in_the_tail() -> None:
    x = np.linspace(-12, 12, 10_007).astype(np.float32)
    t = lampas.from_numpy(x).requires_grad_()
    F.gelu(t).sum().backward()
    z = x.astype(np.float64)
    cdf, density = special.ndtr(z), np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
    # the two terms have opposite signs for x < 0 and cancel at one place
    scale = cdf + np.abs(z) * density
    assert (np.abs(t.grad.numpy() - (cdf + z * density)) / scale).max() < 1e-6
