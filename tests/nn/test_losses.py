"""Losses, activations with errors of their own, and dropout, against NumPy."""

import numpy as np
import pytest

import lampas
from lampas.nn import functional as F

RNG = np.random.default_rng(0)


def log_softmax(x: np.ndarray) -> np.ndarray:
    shifted = x - x.max(1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))


# rows, images, and the layouts that reach the kernels as strided memory
SHAPES = {
    "rows": ((65, 7), None),
    "one class": ((5, 1), None),
    "wide": ((3, 5000), None),
    "image": ((2, 5, 3, 300), None),
    "channels last": ((2, 3, 20, 5), (0, 3, 1, 2)),
    "transposed": ((7, 65), (1, 0)),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", SHAPES)
def test_cross_entropy_and_its_gradient(name, reduction, weighted):
    shape, order = SHAPES[name]
    x = lampas.tensor(RNG.standard_normal(shape) * 3, requires_grad=True)
    scores = x if order is None else x.permute(order)
    values = scores.detach().numpy()
    classes = values.shape[1]
    target = RNG.integers(0, classes, (values.shape[0], *values.shape[2:]))
    target.reshape(-1)[::6] = -100
    weight = RNG.random(classes) + 0.5 if weighted else np.ones(classes)

    safe = np.where(target < 0, 0, target)
    factor = np.where(target < 0, 0, weight[safe])
    logs = log_softmax(values)
    loss = -np.take_along_axis(logs, safe[:, None], 1)[:, 0] * factor
    expected = {"mean": loss.sum() / factor.sum(), "sum": loss.sum(), "none": loss}[reduction]
    chosen = np.zeros_like(values)
    np.put_along_axis(chosen, safe[:, None], 1, 1)
    slope = (np.exp(logs) - chosen) * (factor / (factor.sum() if reduction == "mean" else 1))[:, None]

    given = lampas.tensor(weight) if weighted else None
    ours = F.cross_entropy(scores, lampas.tensor(target), given, reduction=reduction)
    np.testing.assert_allclose(ours.detach().numpy(), expected, rtol=1e-9)
    ours.sum().backward()
    gradient = x.grad if order is None else x.grad.permute(order)
    np.testing.assert_allclose(gradient.numpy(), slope, rtol=1e-7, atol=1e-12)

    # The same from log-probabilities.
    logs = lampas.tensor(logs)
    again = F.nll_loss(logs, lampas.tensor(target), given, reduction=reduction)
    np.testing.assert_allclose(again.numpy(), expected, rtol=1e-9)


def test_every_target_ignored():
    x, target = lampas.ones(2, 3), lampas.full((2,), -100)
    assert F.cross_entropy(x, target).isnan()
    assert F.cross_entropy(x, target, reduction="sum").item() == 0


@pytest.mark.parametrize("n", [1, 17, 40_000])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_in_one_pass(n, dtype):
    x, t = RNG.random(n), RNG.random(n)
    a, b = (lampas.tensor(v).to(getattr(lampas, dtype)) for v in (x, t))
    rtol = 1e-5 if dtype == "float32" else 1e-12
    bce = -(t * np.log(x) + (1 - t) * np.log1p(-x))
    logits = np.logaddexp(0, x) - t * x
    for ours, expected in [
        (F.mse_loss(a, b), ((x - t) ** 2).mean()),
        (F.mse_loss(a, b, reduction="sum"), ((x - t) ** 2).sum()),
        (
            F.huber_loss(a, b, delta=0.25),
            np.where(abs(x - t) < 0.25, (x - t) ** 2 / 2, 0.25 * (abs(x - t) - 0.125)).mean(),
        ),
        (F.binary_cross_entropy(a, b), bce.mean()),
        (F.binary_cross_entropy_with_logits(a, b), logits.mean()),
    ]:
        np.testing.assert_allclose(ours.item(), expected, rtol=rtol)


def test_ctc_counts_every_alignment():
    # Two steps, one label "1", blank 0: the alignments are 11, 01 and 10.
    p = np.array([[[0.3, 0.7]], [[0.6, 0.4]]])
    expected = -np.log(0.7 * 0.4 + 0.3 * 0.4 + 0.7 * 0.6)
    ours = F.ctc_loss(lampas.tensor(p).log(), lampas.tensor([[1]]), (2,), (1,), reduction="sum")
    np.testing.assert_allclose(ours.item(), expected, rtol=1e-12)


def test_dropout_keeps_the_mean_and_passes_its_mask_back():
    x = lampas.ones(100_000, requires_grad=True)
    y = F.dropout(x, 0.3)
    kept = y.detach().numpy() != 0
    assert abs(kept.mean() - 0.7) < 0.01
    np.testing.assert_allclose(y.detach().numpy()[kept], 1 / 0.7, rtol=1e-6)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.detach().numpy())


def scores(*shape: int) -> lampas.Tensor:
    return lampas.zeros(*shape)


ERRORS = {
    "class too large": (
        lambda: F.cross_entropy(scores(2, 3), lampas.tensor([0, 3])),
        IndexError,
        "Target 3 is out of bounds.*0 to 2",
    ),
    "class negative": (lambda: F.nll_loss(scores(1, 3), lampas.tensor([-1])), IndexError, "Target -1 is out of bounds"),
    "batch": (lambda: F.cross_entropy(scores(2, 3), lampas.tensor([0])), ValueError, r"\(2\).*\(1\).*\[2, 3\]"),
    "space": (
        lambda: F.nll_loss(scores(2, 3, 4), lampas.zeros(2, 5).long()),
        RuntimeError,
        r"\[2, 3, 4\].*\[2, 5\].*\[2, 4\]",
    ),
    "target dtype": (
        lambda: F.cross_entropy(scores(2, 3), lampas.ones(2)),
        RuntimeError,
        "Long or Byte.*float32.*long",
    ),
    "class weight": (
        lambda: F.cross_entropy(scores(2, 3), lampas.tensor([0, 1]), lampas.ones(2)),
        RuntimeError,
        r"all 3 classes.*\[2\]",
    ),
    "smoothing": (
        lambda: F.cross_entropy(scores(1, 3), lampas.tensor([0]), label_smoothing=2),
        RuntimeError,
        "between 0.0 and 1.0. Got: 2",
    ),
    "probability": (
        lambda: F.binary_cross_entropy(lampas.tensor([2.0]), lampas.ones(1)),
        RuntimeError,
        "between 0 and 1.*with_logits",
    ),
    "delta": (lambda: F.huber_loss(scores(1), scores(1), delta=0), RuntimeError, "delta, got 0"),
    "integers": (lambda: F.mse_loss(lampas.tensor([1]), lampas.tensor([2])), NotImplementedError, "int64"),
    "ctc length": (
        lambda: F.ctc_loss(scores(2, 1, 3), lampas.tensor([[1]]), (3,), (1,)),
        RuntimeError,
        "at most 2, but got value 3",
    ),
    "ctc blank": (
        lambda: F.ctc_loss(scores(2, 1, 3), lampas.tensor([[1]]), (2,), (1,), blank=3),
        RuntimeError,
        "blank.*3",
    ),
    "glu": (lambda: F.glu(scores(2, 3)), RuntimeError, "even, but dimension 1 is size 3"),
    "gelu": (lambda: F.gelu(scores(2), approximate="x"), RuntimeError, "none or tanh, got 'x'"),
    "gelu of integers": (lambda: F.gelu(lampas.tensor([1])), NotImplementedError, "gelu.*int64"),
    "prelu": (lambda: F.prelu(scores(2, 3), lampas.ones(4)), RuntimeError, "= 4 and channel size = 3"),
    "softshrink": (lambda: F.softshrink(scores(2), -1), RuntimeError, "lambda.*-1"),
    "celu": (lambda: F.celu(scores(2), 0), RuntimeError, "alpha cannot be 0"),
    "rrelu": (lambda: F.rrelu(scores(2), 0.5, 0.2), RuntimeError, "0.5 and 0.2"),
    "feature dropout": (
        lambda: lampas.feature_dropout(scores(2), 0.5, True),
        RuntimeError,
        r"at least 2 dimensions.*\[2\]",
    ),
    "dropout": (lambda: lampas.dropout(scores(2), 1.5, True), RuntimeError, "between 0 and 1, but got 1.5"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name):
    call, kind, message = ERRORS[name]
    with pytest.raises(kind, match=message):
        call()


def test_in_place_leaky_relu_needs_the_sign():
    y = lampas.ones(2, requires_grad=True) * 1
    lampas._C.nn.leaky_relu_(y, -1.0)
    with pytest.raises(RuntimeError, match=r"negative slope.*out-of-place"):
        y.sum().backward()
