"""The names of the nodes that programs print, `tensor(..., grad_fn=<MeanBackward0>)`, and what next_functions names."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import lampas  # noqa: E402


def name(y: Any) -> str:
    return type(y.grad_fn).__name__


def losses(t: Any) -> dict[str, str]:
    """Every loss of nn.functional with every reduction."""
    F = t.nn.functional
    t.manual_seed(0)
    x, y = t.randn(4, 6, requires_grad=True), t.randn(4, 6)
    classes, logs = t.tensor([0, 1, 2, 3]), F.log_softmax(x, 1)
    steps = F.log_softmax(t.randn(5, 2, 4, requires_grad=True), 2)
    made = {
        "l1": lambda r: F.l1_loss(x, y, reduction=r),
        "mse": lambda r: F.mse_loss(x, y, reduction=r),
        "smooth_l1": lambda r: F.smooth_l1_loss(x, y, reduction=r),
        "huber": lambda r: F.huber_loss(x, y, reduction=r),
        "bce": lambda r: F.binary_cross_entropy(t.sigmoid(x), t.rand(4, 6), reduction=r),
        "bce_logits": lambda r: F.binary_cross_entropy_with_logits(x, t.rand(4, 6), reduction=r),
        "kl_div": lambda r: F.kl_div(logs, F.softmax(y, 1), reduction=r),
        "poisson": lambda r: F.poisson_nll_loss(x, y.abs(), reduction=r),
        "gaussian": lambda r: F.gaussian_nll_loss(x, y, t.ones(4, 6), reduction=r),
        "cross_entropy": lambda r: F.cross_entropy(x, classes, reduction=r),
        "cross_entropy of probabilities": lambda r: F.cross_entropy(x, F.softmax(y, 1), reduction=r),
        "cross_entropy smoothed": lambda r: F.cross_entropy(x, classes, label_smoothing=0.1, reduction=r),
        "nll": lambda r: F.nll_loss(logs, classes, reduction=r),
        "hinge": lambda r: F.hinge_embedding_loss(x, y.sign(), reduction=r),
        "cosine": lambda r: F.cosine_embedding_loss(x, y, t.ones(4), reduction=r),
        "margin_ranking": lambda r: F.margin_ranking_loss(x, y, y.sign(), reduction=r),
        "triplet": lambda r: F.triplet_margin_loss(x, y, -y, reduction=r),
        "soft_margin": lambda r: F.soft_margin_loss(x, y.sign(), reduction=r),
        "multi_margin": lambda r: F.multi_margin_loss(x, classes, reduction=r),
        "multilabel_margin": lambda r: F.multilabel_margin_loss(x, t.zeros(4, 6).long(), reduction=r),
        "multilabel_soft_margin": lambda r: F.multilabel_soft_margin_loss(x, y.sign().clamp(0), reduction=r),
        "ctc": lambda r: F.ctc_loss(steps, t.tensor([[1, 2], [1, 3]]), t.tensor([5, 5]), t.tensor([2, 2]), reduction=r),
    }
    return {f"{key}, {r}": name(make(r)) for key, make in made.items() for r in ("mean", "sum", "none")}


def recurrent(t: Any) -> dict[str, Any]:
    """Outputs and last states of RNN, GRU, LSTM and their cells."""
    nn = t.nn
    found: dict[str, Any] = {}
    for kind in ("RNN", "GRU", "LSTM"):
        for first in (False, True):
            for more in ({}, {"num_layers": 2, "bidirectional": True}):
                y, state = getattr(nn, kind)(5, 7, batch_first=first, **more)(t.randn(3, 3, 5))
                states = state if isinstance(state, tuple) else (state,)
                found[f"{kind}, batch_first={first}, {more}"] = [name(v) for v in (y, *states)]
    y, (h, c) = nn.LSTM(5, 7, proj_size=3)(t.randn(3, 3, 5))
    found["LSTM with projection"] = [name(v) for v in (y, h, c)]
    y, (h, c) = nn.LSTM(5, 7).double()(t.randn(3, 3, 5).double())
    found["LSTM in double"] = [name(v) for v in (y, h, c)]
    x = t.randn(3, 5)
    found["cells"] = [
        name(nn.RNNCell(5, 7)(x)),
        name(nn.RNNCell(5, 7, nonlinearity="relu")(x)),
        name(nn.GRUCell(5, 7)(x)),
    ]
    found["LSTMCell"] = [name(v) for v in nn.LSTMCell(5, 7)(x)]
    return found


def layers(t: Any) -> dict[str, str]:
    """What is made of several ops here, or of another one."""
    nn, F = t.nn, t.nn.functional
    x, y = t.randn(4, 6, requires_grad=True), t.randn(4, 6)
    z, w = t.randn(2, 3, 8, requires_grad=True), t.randn(1, 2, 6, 6, requires_grad=True)
    made = {
        "max_pool1d": F.max_pool1d(z, 2),
        "avg_pool1d": F.avg_pool1d(z, 2),
        "adaptive_max_pool1d": F.adaptive_max_pool1d(z, 2),
        "adaptive_avg_pool1d": F.adaptive_avg_pool1d(z, 2),
        "max_unpool2d": F.max_unpool2d(*F.max_pool2d(w, 2, return_indices=True), 2),
        "fractional_max_pool2d": F.fractional_max_pool2d(w, 2, output_size=3),
        "conv1d": nn.Conv1d(3, 4, 3)(z),
        "circular": F.pad(z, (1, 1), mode="circular"),
        "instance_norm": nn.InstanceNorm1d(3)(z),
        "affine instance_norm": nn.InstanceNorm1d(3, affine=True)(z),
        "group_norm": nn.GroupNorm(1, 3)(z),
        "layer_norm": nn.LayerNorm(8)(z),
        "rms_norm": nn.RMSNorm(8)(z),
        "batch_norm": nn.BatchNorm1d(3)(z),
        "cdist": t.cdist(x, y),
        "pairwise_distance": F.pairwise_distance(x, y),
        "cosine_similarity": F.cosine_similarity(x, y),
        "bilinear": nn.Bilinear(6, 6, 3)(x, y),
        "attention": nn.MultiheadAttention(6, 2)(x, x, x)[0],
        "encoder layer": nn.TransformerEncoderLayer(6, 2)(x),
        "embedding": nn.Embedding(5, 3)(t.tensor([1])),
        "embedding_bag": nn.EmbeddingBag(5, 3)(t.tensor([[1, 2]])),
        "embedding_bag, max": nn.EmbeddingBag(5, 3, mode="max")(t.tensor([[1, 2]])),
        "interpolate": F.interpolate(w, scale_factor=2),
        "pixel_shuffle": F.pixel_shuffle(t.randn(1, 4, 2, 2, requires_grad=True), 2),
        "normalize": F.normalize(x),
    }
    return {key: name(y) for key, y in made.items()}


def operators(t: Any) -> dict[str, Any]:
    """The nodes behind operators with numbers, the tensor's first."""
    x = t.randn(3, requires_grad=True)
    made = [2 + x, 2 - x, 2 * x, 2 / x, 2**x, x + 2, x - 2, x * 2, x / 2, x**2, x % 2]
    return {str(i): [name(y), [type(f).__name__ for f, _ in y.grad_fn.next_functions]] for i, y in enumerate(made)}


@pytest.mark.parametrize("kind", [losses, recurrent, layers, operators])
def test_names(kind: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert kind(lampas) == kind(torch)


def test_the_classes_print_as_builtins() -> None:
    found = [str(type((t.ones(2, requires_grad=True) * 2).grad_fn)) for t in (lampas, torch)]
    assert found[0] == found[1] == "<class 'MulBackward0'>"


def test_errors_name_the_class_alone() -> None:
    for wrong in (lambda t: t.ones(1) + "a", lambda t: t.ones(1) @ "a", lambda t: t.ones(1).nothing):
        messages = []
        for t in (lampas, torch):
            with pytest.raises((TypeError, AttributeError)) as caught:
                wrong(t)
            messages.append(str(caught.value))
        assert messages[0] == messages[1]
