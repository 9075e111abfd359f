"""Reductions of every second element, which are taken from whole vectors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lampas

REDUCTIONS = {
    "sum": (lambda x, **d: x.sum(**d), np.sum),
    "mean": (lambda x, **d: x.mean(**d), np.mean),
    "amax": (lambda x, **d: x.amax(**d), np.max),
    "amin": (lambda x, **d: x.amin(**d), np.min),
    "norm": (lambda x, **d: lampas.linalg.vector_norm(x, **d), lambda x, **a: np.sqrt((x**2).sum(**a))),
    "var": (lambda x, **d: x.var(correction=0, **d), np.var),
}


@pytest.mark.parametrize("name", REDUCTIONS)
@settings(deadline=None, max_examples=40)
@given(
    rows=st.integers(1, 3),
    columns=st.integers(1, 700),
    first=st.integers(0, 1),
    dtype=st.sampled_from([lampas.float32, lampas.float64]),
    last_is_there=st.booleans(),
)
def test_like_a_dense_copy(
    name: str, rows: int, columns: int, first: int, dtype: lampas.dtype, last_is_there: bool
) -> None:
    ours, numpys = REDUCTIONS[name]
    # what lies between and beside is not to be seen
    wide = lampas.full((rows, first + 2 * columns - 1 + last_is_there), float("nan"), dtype=dtype)
    x = wide[:, first::2][:, :columns]
    values = np.random.default_rng(columns).standard_normal((rows, columns))
    x.copy_(lampas.tensor(values, dtype=dtype))
    exact = x.double().contiguous().numpy()
    tolerance = 1e-5 if dtype == lampas.float32 else 1e-12
    np.testing.assert_allclose(ours(x, dim=1).double().numpy(), numpys(exact, axis=1), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(float(ours(x, dim=(0, 1))), numpys(exact), rtol=tolerance, atol=tolerance)


def test_nan_is_found_wherever_it_is() -> None:
    for columns in (5, 40, 64, 200):
        for at in range(columns):
            x = lampas.zeros(2 * columns)[::2]
            x[at] = float("nan")
            assert x.sum().isnan() and x.amax().isnan()
