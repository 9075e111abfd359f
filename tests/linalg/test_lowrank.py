"""`svd_lowrank` and `pca_lowrank` against NumPy's full decomposition."""

import numpy as np
import pytest

import lampas


@pytest.mark.parametrize("shape", [(30, 8), (8, 30), (2, 12, 7)])
@pytest.mark.parametrize("dtype", [lampas.float64, lampas.complex128])
def test_low_rank_is_found_exactly(shape, dtype):
    lampas.manual_seed(0)
    left, right = lampas.randn(*shape[:-1], 3, dtype=dtype), lampas.randn(*shape[:-2], 3, shape[-1], dtype=dtype)
    A = left @ right
    U, S, V = lampas.svd_lowrank(A, q=4)
    assert U.shape == (*shape[:-1], 4) and V.shape == (*shape[:-2], shape[-1], 4)
    np.testing.assert_allclose((U * S.unsqueeze(-2).to(dtype)) @ V.mH, A, atol=1e-10)
    np.testing.assert_allclose(S, np.linalg.svd(A.numpy(), compute_uv=False)[..., :4], atol=1e-10)


def test_what_is_subtracted():
    lampas.manual_seed(1)
    A, M = lampas.randn(10, 5, dtype=lampas.float64), lampas.randn(5, dtype=lampas.float64)
    S = lampas.svd_lowrank(A, 5, 8, M)[1]
    np.testing.assert_allclose(S, np.linalg.svd(A.numpy() - M.numpy(), compute_uv=False), rtol=1e-8)


def test_principal_components():
    lampas.manual_seed(2)
    A = lampas.randn(200, 4, dtype=lampas.float64) * lampas.tensor([10.0, 3.0, 1.0, 0.1]) + 7
    _, S, V = lampas.pca_lowrank(A, niter=6)
    assert S.shape == (4,)
    variances, directions = np.linalg.eigh(np.cov(A.numpy().T))
    np.testing.assert_allclose(S**2 / 199, variances[::-1], rtol=1e-8)
    np.testing.assert_allclose(abs(V.numpy()), abs(directions[:, ::-1]), atol=1e-8)
    raw = lampas.pca_lowrank(A, q=1, center=False, niter=30)[1]
    np.testing.assert_allclose(raw, np.linalg.svd(A.numpy(), compute_uv=False)[:1], rtol=1e-8)


def test_gradient():
    A = lampas.randn(6, 3, dtype=lampas.float64, requires_grad=True)
    lampas.svd_lowrank(A, q=3)[1].sum().backward()
    U, _, Vh = np.linalg.svd(A.detach().numpy(), full_matrices=False)
    np.testing.assert_allclose(A.grad, U @ Vh, atol=1e-8)


@pytest.mark.parametrize(
    ("kwargs", "message"), [({"q": 4}, r"q\(=4\).*min\(m, n\)=3"), ({"niter": -1}, r"niter\(=-1\)")]
)
def test_out_of_range(kwargs, message):
    with pytest.raises(ValueError, match=message):
        lampas.pca_lowrank(lampas.ones(5, 3), **kwargs)
