"""Inside an autocast region every op gives PyTorch's type, and PyTorch's numbers to the precision of 16 bits."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import lampas

torch = pytest.importorskip("torch")

# x is 2 × 3 × 4, i is 2 × 3 × 8 × 8, both float32
CASES = {
    "linear": lambda t, x, i: t.nn.Linear(4, 5)(x),
    "conv2d": lambda t, x, i: t.nn.Conv2d(3, 4, 3)(i),
    "conv_transpose2d": lambda t, x, i: t.nn.ConvTranspose2d(3, 4, 3)(i),
    "conv1d": lambda t, x, i: t.nn.functional.conv1d(x, t.randn(2, 3, 1)),
    "lstm": lambda t, x, i: t.nn.LSTM(4, 5)(x)[0],
    "gru": lambda t, x, i: t.nn.GRU(4, 5)(x)[0],
    "rnn": lambda t, x, i: t.nn.RNN(4, 5)(x)[0],
    "prelu": lambda t, x, i: t.nn.PReLU()(x),
    "mv": lambda t, x, i: t.mv(x[0], x[0, 0]),
    "matmul_vector": lambda t, x, i: x[0] @ x[0, 0],
    "einsum": lambda t, x, i: t.einsum("bij,bkj->bik", x, x),
    "bmm": lambda t, x, i: x.bmm(x.mT),
    "mm": lambda t, x, i: x[0].mm(x[0].T),
    "addmm": lambda t, x, i: t.addmm(t.zeros(3), x[0], x[0].T),
    "softmax": lambda t, x, i: x.bfloat16().softmax(-1),
    "mha": lambda t, x, i: t.nn.MultiheadAttention(4, 2)(x, x, x)[0],
    "inner": lambda t, x, i: t.inner(x, x),
    "tensordot": lambda t, x, i: t.tensordot(x[0], x[1], ([1], [1])),
    "multi_dot": lambda t, x, i: t.linalg.multi_dot([x[0], x[0].T]),
    "batch_norm": lambda t, x, i: t.nn.BatchNorm1d(3)(x.bfloat16()),
    "layer_norm": lambda t, x, i: t.nn.LayerNorm(4)(x.bfloat16()),
    "group_norm": lambda t, x, i: t.nn.GroupNorm(1, 3)(x.bfloat16()),
    "cat": lambda t, x, i: t.cat([x, x.bfloat16()]),
    "cat_of_16_bits": lambda t, x, i: t.cat([x.bfloat16(), x.bfloat16()]),
    "stack": lambda t, x, i: t.stack([x, x.bfloat16()]),
    "cross_entropy": lambda t, x, i: t.nn.functional.cross_entropy(x[0].bfloat16(), t.tensor([0, 1, 2])),
    "nll_loss": lambda t, x, i: t.nn.functional.nll_loss(x[0].bfloat16(), t.tensor([0, 1, 2])),
    "mse_loss": lambda t, x, i: t.nn.functional.mse_loss(x.bfloat16(), x),
    "l1_loss": lambda t, x, i: t.nn.functional.l1_loss(x.bfloat16(), x.bfloat16()),
    "bce_with_logits": lambda t, x, i: t.nn.functional.binary_cross_entropy_with_logits(x.bfloat16(), x.sigmoid()),
    "bce": lambda t, x, i: t.nn.functional.binary_cross_entropy(x.sigmoid().bfloat16(), x.sigmoid()),
    "prod": lambda t, x, i: x.bfloat16().prod(),
    "sum": lambda t, x, i: x.bfloat16().sum(),
    "cdist": lambda t, x, i: t.cdist(x.bfloat16(), x.bfloat16()),
    "trace": lambda t, x, i: x[0].bfloat16().trace(),
    "kl_div": lambda t, x, i: t.nn.functional.kl_div(x.bfloat16(), x.softmax(-1)),
    "sdpa": lambda t, x, i: t.nn.functional.scaled_dot_product_attention(x, x, x),
    "add": lambda t, x, i: x + x.bfloat16(),
    "transformer_layer": lambda t, x, i: t.nn.TransformerEncoderLayer(4, 2, 8)(x),
    "reflection_pad": lambda t, x, i: t.nn.ReflectionPad2d(1)(i.bfloat16()),
    "max_pool3d": lambda t, x, i: t.nn.functional.max_pool3d(i.bfloat16(), 2),
    "grid_sample": lambda t, x, i: t.nn.functional.grid_sample(i.bfloat16(), t.zeros(2, 2, 2, 2)),
    "huber_loss": lambda t, x, i: t.nn.functional.huber_loss(x.bfloat16(), x),
    "smooth_l1_loss": lambda t, x, i: t.nn.functional.smooth_l1_loss(x.bfloat16(), x),
    "cosine_embedding_loss": lambda t, x, i: t.nn.functional.cosine_embedding_loss(x[0].bfloat16(), x[0], t.ones(3)),
    "hinge_embedding_loss": lambda t, x, i: t.nn.functional.hinge_embedding_loss(x.bfloat16(), t.ones(2, 3, 4)),
    "margin_ranking_loss": lambda t, x, i: t.nn.functional.margin_ranking_loss(
        x.bfloat16(), x.bfloat16(), t.ones(2, 3, 4)
    ),
    "poisson_nll_loss": lambda t, x, i: t.nn.functional.poisson_nll_loss(x.bfloat16(), x.abs()),
    "soft_margin_loss": lambda t, x, i: t.nn.functional.soft_margin_loss(x.bfloat16(), x.sign()),
    "triplet_margin_loss": lambda t, x, i: t.nn.functional.triplet_margin_loss(
        x.bfloat16(), x.bfloat16(), x.bfloat16()
    ),
    "multi_margin_loss": lambda t, x, i: t.nn.functional.multi_margin_loss(x[0].bfloat16(), t.tensor([0, 1, 2])),
    "multilabel_margin_loss": lambda t, x, i: t.nn.functional.multilabel_margin_loss(
        x[0].bfloat16(), t.tensor([[0, 1, -1, 2]] * 3)
    ),
    "quantile": lambda t, x, i: x.bfloat16().quantile(0.5),
    "inverse": lambda t, x, i: t.inverse(t.eye(3).bfloat16()),
    "linalg_inv": lambda t, x, i: t.linalg.inv(t.eye(3).bfloat16()),
    "svdvals": lambda t, x, i: t.linalg.svdvals(x[0].bfloat16()),
    "fft": lambda t, x, i: t.fft.fft(x.bfloat16()),
    "cholesky": lambda t, x, i: t.linalg.cholesky(t.eye(3).bfloat16()),
    "solve": lambda t, x, i: t.linalg.solve(t.eye(3).bfloat16(), t.ones(3)),
    "ctc_loss": lambda t, x, i: t.nn.functional.ctc_loss(
        x.bfloat16().log_softmax(2), t.tensor([[1, 1], [1, 1], [1, 1]]), (2, 2, 2), (1, 1, 1)
    ),
    "float64": lambda t, x, i: t.nn.Linear(4, 5).double()(x.double()),
    "embedding": lambda t, x, i: t.nn.Embedding(3, 4)(t.tensor([1])),
    "bilinear": lambda t, x, i: t.nn.Bilinear(4, 4, 3)(x[0], x[0]),
    "vecdot": lambda t, x, i: t.linalg.vecdot(x, x),
    "chain_matmul": lambda t, x, i: t.chain_matmul(x[0], x[0].T),
    "adaptive_avg_pool3d": lambda t, x, i: t.nn.functional.adaptive_avg_pool3d(i.bfloat16(), 1),
    "stft": lambda t, x, i: t.stft(t.randn(100).bfloat16(), 16, return_complex=True),
    "norm": lambda t, x, i: t.linalg.norm(x.bfloat16()),
    "det": lambda t, x, i: t.linalg.det(t.eye(3)),
    "svd": lambda t, x, i: t.svd(x[0].bfloat16())[1],
}


def run(t, case, dtype):
    t.manual_seed(0)
    x, i = t.randn(2, 3, 4), t.randn(2, 3, 8, 8)
    with warnings.catch_warnings(), t.autocast("cpu", dtype=getattr(t, dtype)):
        warnings.simplefilter("ignore")
        return CASES[case](t, x, i).detach()


@pytest.mark.parametrize("case", CASES)
def test_ops(case):
    ours, theirs = run(lampas, case, "bfloat16"), run(torch, case, "bfloat16")
    assert str(ours.dtype) == str(theirs.dtype)
    wide = "complex128" if ours.is_complex() else "float64"
    ours, theirs = ours.to(getattr(lampas, wide)).numpy(), theirs.to(getattr(torch, wide)).numpy()
    np.testing.assert_allclose(ours, theirs, rtol=2**-6, atol=2**-6)


def test_gradients_through_a_kept_cast():
    gradients = []
    for t in (lampas, torch):
        t.manual_seed(0)
        layer, x = t.nn.Linear(4, 4), t.randn(3, 4)
        with t.autocast("cpu"):
            loss = (layer(layer(x)).float() ** 2).mean()
        loss.backward()
        gradients.append(layer.weight.grad.numpy())
    np.testing.assert_allclose(*gradients, rtol=2**-6, atol=2**-8)


def test_training_with_a_scaler():
    losses = []
    for t in (lampas, torch):
        t.manual_seed(0)
        model = t.nn.Sequential(t.nn.Linear(32, 64), t.nn.ReLU(), t.nn.Linear(64, 4))
        optimizer = t.optim.SGD(model.parameters(), lr=0.1)
        scaler = t.amp.GradScaler("cpu")
        x, y = t.randn(64, 32), t.randint(0, 4, (64,))
        course = []
        for _ in range(20):
            optimizer.zero_grad()
            with t.autocast("cpu"):
                loss = t.nn.functional.cross_entropy(model(x), y)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            course.append(loss.item())
        losses.append(course)
    np.testing.assert_allclose(*losses, rtol=0.01)
