"""Which type ops run in inside a region, how regions nest, and what happens to parameters."""

import threading

import numpy as np
import pytest

import lampas
from lampas import nn

F = nn.functional
BF16, F32 = lampas.bfloat16, lampas.float32


@pytest.fixture(autouse=True)
def outside():
    yield
    assert not lampas.is_autocast_enabled("cpu")


@pytest.mark.parametrize("dtype", [lampas.bfloat16, lampas.float16])
def test_products_run_in_16_bits_and_round_as_such(dtype):
    lampas.manual_seed(0)
    x, layer = lampas.randn(5, 7), nn.Linear(7, 3)
    with lampas.autocast("cpu", dtype=dtype):
        y = layer(x)
        assert y.dtype == dtype
        assert (x @ x.T).dtype == lampas.einsum("ij,kj->ik", x, x).dtype == dtype
        assert nn.Conv1d(5, 2, 3)(x).dtype == dtype
        assert (x + 1).dtype == x.exp().dtype == F32
        assert layer.double()(x.double()).dtype == lampas.float64
    exact = x.to(dtype).double() @ layer.weight.to(dtype).double().T + layer.bias.to(dtype).double()
    np.testing.assert_allclose(y.double().detach().numpy(), exact.detach().numpy(), rtol=0.01, atol=0.01)


def test_losses_run_in_float32():
    x = lampas.tensor([[1.0, 2.0], [3.0, 1.0]], dtype=BF16)
    with lampas.autocast("cpu"):
        assert F.cross_entropy(x, lampas.tensor([0, 1])).dtype == F32
        assert F.mse_loss(x, x * 2).dtype == F.kl_div(x, x, reduction="sum").dtype == x.prod().dtype == F32
        assert F.triplet_margin_loss(x, x, x).dtype == lampas.cdist(x, x).dtype == lampas.linalg.inv(x).dtype == F32
        assert x.softmax(1).dtype == BF16
    with pytest.raises(RuntimeError):
        lampas.linalg.inv(x)


def test_promotion_of_cat():
    a, b = lampas.ones(2), lampas.ones(2, dtype=BF16)
    with lampas.autocast("cpu"):
        assert lampas.cat([a, b]).dtype == lampas.stack([b, a]).dtype == F32
        assert lampas.cat([b, b]).dtype == BF16


def test_in_place_and_out_are_left_alone():
    a = lampas.ones(2, 2)
    with lampas.autocast("cpu"):
        assert a.addmm_(a, a).dtype == F32
        assert lampas.mm(a, a, out=lampas.empty(2, 2)).dtype == F32


def test_regions_nest():
    x = lampas.ones(2, 2)
    with lampas.autocast("cpu"):
        with lampas.autocast("cpu", enabled=False):
            assert (x @ x).dtype == F32
            with lampas.autocast("cpu", dtype=lampas.float16):
                assert (x @ x).dtype == lampas.float16
            assert (x @ x).dtype == F32
        assert (x @ x).dtype == BF16
        assert lampas.is_autocast_enabled("cpu")
        with pytest.raises(KeyError), lampas.autocast("cpu", enabled=False):
            raise KeyError
        assert (x @ x).dtype == BF16
    assert (x @ x).dtype == F32


def test_it_is_a_decorator():
    @lampas.autocast("cpu")
    def product(x):
        """Doc."""
        return x @ x

    assert product(lampas.ones(2, 2)).dtype == BF16
    assert product.__name__ == "product"


def test_it_belongs_to_its_thread():
    found = []
    with lampas.autocast("cpu"):
        thread = threading.Thread(target=lambda: found.append((lampas.ones(2, 2) @ lampas.ones(2, 2)).dtype))
        thread.start()
        thread.join()
    assert found == [F32]


def test_parameters_keep_their_type_and_get_float32_gradients():
    lampas.manual_seed(0)
    layer, x = nn.Linear(4, 4), lampas.randn(3, 4)
    with lampas.autocast("cpu"):
        layer(layer(x)).float().pow(2).sum().backward()
    assert layer.weight.dtype == layer.weight.grad.dtype == F32
    with_casts = layer.weight.grad.clone()
    layer.zero_grad()
    layer(layer(x)).pow(2).sum().backward()
    np.testing.assert_allclose(with_casts.numpy(), layer.weight.grad.numpy(), rtol=0.1, atol=0.05)


def test_a_cast_is_kept_for_one_region_only():
    weight = lampas.ones(2, 2, requires_grad=True)
    x = lampas.ones(2, 2)
    for factor in (1, 3):
        with lampas.no_grad():
            weight.fill_(factor)
        with lampas.autocast("cpu"):
            assert (x @ weight).tolist() == [[2 * factor] * 2] * 2
            first = (x @ weight).grad_fn.next_functions
            assert len(first)
    with lampas.autocast("cpu"), lampas.no_grad():
        assert not (x @ weight).requires_grad
    with lampas.autocast("cpu"):
        with lampas.no_grad():
            x @ weight
        assert (x @ weight).requires_grad


def test_custom_functions():
    seen = {}

    class Square(lampas.autograd.Function):
        @staticmethod
        @lampas.amp.custom_fwd(device_type="cpu", cast_inputs=lampas.float32)
        def forward(ctx, x):
            seen["forward"] = (x.dtype, lampas.is_autocast_enabled("cpu"))
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @lampas.amp.custom_bwd(device_type="cpu")
        def backward(ctx, g):
            seen["backward"] = lampas.is_autocast_enabled("cpu")
            return 2 * ctx.saved_tensors[0] * g

    x = lampas.ones(3, dtype=BF16, requires_grad=True)
    with lampas.autocast("cpu"):
        y = Square.apply(x)
        y.sum().backward()
    assert seen == {"forward": (F32, False), "backward": False}
    assert x.grad.tolist() == [2, 2, 2]


def test_errors_and_warnings():
    with pytest.raises(ValueError, match="Expected `device_type` of type `str`"):
        lampas.autocast(lampas.device("cpu"))
    with pytest.raises(RuntimeError, match="unsupported autocast device_type 'abacus'"):
        lampas.autocast("abacus")
    with pytest.warns(UserWarning, match="target dtype torch.float32 is not supported"):
        region = lampas.autocast("cpu", dtype=F32)
    with region:
        assert (lampas.ones(2, 2) @ lampas.ones(2, 2)).dtype == F32
    with pytest.warns(UserWarning, match="CUDA is not available"), lampas.autocast("cuda"):
        assert not lampas.is_autocast_enabled("cuda")
    with pytest.warns(FutureWarning, match=r"torch.amp.autocast\('cpu'"), lampas.cpu.amp.autocast():
        assert lampas.get_autocast_dtype("cpu") == BF16
