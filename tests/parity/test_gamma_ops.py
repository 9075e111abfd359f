"""Gamma, Dirichlet and binomial samples: the numbers of PyTorch's stream, and where the stream stands afterwards."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
import lampas  # noqa: E402

DRAWS = {
    "gamma": lambda t, d: t._standard_gamma(t.tensor([[0.0, 1e-3, 0.4], [1.0, 3.0, 900.0]], dtype=d)),
    "transposed": lambda t, d: t._standard_gamma(t.tensor([[0.2, 4.0, 0.4], [1.0, 3.0, 900.0]], dtype=d).T),
    "dirichlet": lambda t, d: t._sample_dirichlet(t.tensor([[0.1, 1e-3, 0.4], [1.0, 3.0, 900.0]], dtype=d)),
    "nothing": lambda t, d: t._sample_dirichlet(t.zeros(2, dtype=d)),
    "scalar": lambda t, d: t._sample_dirichlet(t.tensor(2.0, dtype=d)),
    "binomial": lambda t, d: t.binomial(
        t.tensor([[3.0], [40.0], [2.5], [-1.0]], dtype=d).repeat(1, 6), t.tensor([0, 0.02, 0.3, 0.5, 0.9, 1], dtype=d)
    ),
    "generator": lambda t, d: t._standard_gamma(t.ones(3, dtype=d), generator=t.Generator().manual_seed(9)),
}


@pytest.mark.parametrize("name", DRAWS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_numbers(name, dtype):
    rows = []
    for t in (lampas, torch):
        t.manual_seed(11)
        row = []
        for _ in range(20):
            row += [DRAWS[name](t, getattr(t, dtype)).numpy().ravel(), t.randn(1).numpy()]
        rows.append(np.concatenate(row))
    np.testing.assert_array_equal(*rows)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_similar_slopes(dtype):
    rng = np.random.default_rng(0)
    a, b = 10 ** rng.uniform(-1.5, 2.5, (2, 400))
    x, y = rng.gamma(a).clip(1e-30), rng.beta(a, b).clip(1e-30, 1 - 1e-6)
    rows = []
    for t in (lampas, torch):
        at, bt, xt, yt = (t.from_numpy(v).to(getattr(t, dtype)) for v in (a, b, x, y))
        rows.append((t._standard_gamma_grad(at, xt).numpy(), t._dirichlet_grad(yt, at, at + bt).numpy()))
    for mine, other in zip(*rows, strict=True):
        np.testing.assert_allclose(mine, other, rtol=2e-2, atol=1e-12)  # theirs are approximations by fitted functions


def test_same_refusals():
    for call in (
        lambda t: t._standard_gamma(t.ones(2).half()),
        lambda t: t.binomial(t.ones(2), 0.5),
        lambda t: t.binomial(t.ones(2).long(), t.ones(2)),
        lambda t: t.binomial(t.ones(2), t.ones(2).double()),
        lambda t: t._standard_gamma_grad(t.ones(2), t.ones(2).double()),
        lambda t: t._standard_gamma_grad(t.ones(1, requires_grad=True), t.ones(1)).backward(),
    ):
        errors = []
        for t in (lampas, torch):
            with pytest.raises(Exception) as caught:
                call(t)
            errors.append(caught.type)
        assert errors[0] is errors[1]
