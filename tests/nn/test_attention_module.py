"""`nn.attention`: regions that choose how attention is computed, and causal masks."""

import numpy as np
import pytest

import lampas
from lampas import nn
from lampas.backends import cuda
from lampas.nn import functional as F
from lampas.nn.attention import SDPBackend, sdpa_kernel
from lampas.nn.attention.bias import CausalBias, CausalVariant, causal_lower_right, causal_upper_left


def switches():
    return (
        cuda.math_sdp_enabled(),
        cuda.flash_sdp_enabled(),
        cuda.mem_efficient_sdp_enabled(),
        cuda.cudnn_sdp_enabled(),
    )


def test_regions():
    x = lampas.randn(1, 2, 4, 8)
    plain = F.scaled_dot_product_attention(x, x, x)
    with sdpa_kernel(SDPBackend.MATH):
        assert switches() == (True, False, False, False)
        assert lampas.equal(F.scaled_dot_product_attention(x, x, x), plain)
        with sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.CUDNN_ATTENTION], set_priority=True):
            assert switches() == (False, True, False, True)
        assert switches() == (True, False, False, False)
    assert switches() == (True, True, True, True)


def test_as_decorator():
    @sdpa_kernel(SDPBackend.EFFICIENT_ATTENTION)
    def inside():
        return switches()

    assert inside() == (False, False, True, False) and switches() == (True,) * 4


@pytest.mark.parametrize("wrong", [3, "MATH", None])
def test_refusals(wrong):
    with pytest.raises(AssertionError, match="instance of SDPBackend or a list"), sdpa_kernel(wrong):
        pass


@pytest.mark.parametrize(("queries", "keys"), [(2, 4), (4, 2), (3, 3)])
def test_causal_masks(queries, keys):
    left, right = causal_upper_left(queries, keys), causal_lower_right(queries, keys)
    np.testing.assert_array_equal(left, np.tril(np.ones((queries, keys), bool)))
    np.testing.assert_array_equal(right, np.tril(np.ones((queries, keys), bool), keys - queries))
    assert isinstance(left, CausalBias) and left.variant is CausalVariant.UPPER_LEFT and left.seq_len_kv == keys
    assert repr(left).startswith("tensor([[ True")
    if queries <= keys:
        q, k, v = lampas.randn(2, queries, 8), lampas.randn(2, keys, 8), lampas.randn(2, keys, 5)
        scores = (q @ k.mT) / np.sqrt(8)
        scores = scores.masked_fill(~lampas.tensor(np.array(right)), -np.inf)
        found = F.scaled_dot_product_attention(q, k, v, attn_mask=right)
        np.testing.assert_allclose(found, scores.softmax(-1) @ v, rtol=1e-5, atol=1e-6)
        assert type(found) is lampas.Tensor


def test_wrong_masks():
    with pytest.raises(AssertionError, match="two sizes"):
        causal_upper_left(3)
    with pytest.raises(AssertionError, match="CausalVariant"):
        CausalBias("left", 2, 2)


def test_encoder_leaves_out_padding():
    lampas.manual_seed(0)
    layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 2).eval()
    x, right = lampas.randn(2, 3, 4), lampas.tensor([[False, True, True], [False, False, False]])
    with lampas.no_grad():
        out = encoder(x, src_key_padding_mask=right)
        assert (out[0, 1:] == 0).all() and (out[0, 0] != 0).all() and (out[1] != 0).all()
        assert lampas.allclose(out[:1, :1], encoder(x[:1, :1]), atol=1e-6)
        left = encoder(x, src_key_padding_mask=right.flip(1))
        assert (left != 0).all()
        whole = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()
        assert (whole(x, src_key_padding_mask=right) != 0).all()
        normed = nn.TransformerEncoder(layer, 1, norm=nn.LayerNorm(4)).eval()
        nn.init.constant_(normed.norm.bias, 3.0)
        assert (normed(x, src_key_padding_mask=right)[0, 1:] == 3).all()
    assert (encoder(x, src_key_padding_mask=right) != 0).all()
