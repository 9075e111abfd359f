"""Mistakes a user can make: the type PyTorch raises, a message that names what was given, and nothing corrupted."""

from __future__ import annotations

import gc
import io
import math
import pathlib
import pickle
import zipfile

import numpy as np
import pytest

import lampas
from lampas import _C, nn

F = nn.functional


def told(caught):
    """The message with its notes, as a traceback shows it."""
    error = caught.value
    return "\n".join([str(error), *getattr(error, "__notes__", ())])


def raises(kind, call, *words):
    """call() raises `kind` and says every word; memory in use is what it was."""
    gc.collect()
    before = _C._memory_stats()["allocated_bytes"]
    with pytest.raises(kind) as caught:
        call()
    text = told(caught)
    for word in words:
        assert str(word) in text, text
    del caught
    gc.collect()
    assert _C._memory_stats()["allocated_bytes"] <= before
    assert (lampas.arange(3) + 1).tolist() == [1, 2, 3], "the engine works on"
    assert lampas.is_grad_enabled()
    return text


def ones(*shape, **options):
    return lampas.ones(*shape, **options)


# ---- shapes that do not fit ----

SHAPES = {
    "add": (lambda: ones(3, 4) + ones(3, 5), ("4", "5", "dimension 1")),
    "add of three dims": (lambda: ones(2, 3, 4) * ones(5, 1, 1), ("2", "5", "dimension 0")),
    "in place": (lambda: ones(3).add_(ones(2, 3)), ("[3]", "[2, 3]")),
    "matmul": (lambda: ones(3, 4) @ ones(5, 6), ("3x4", "5x6")),
    "mm": (lambda: lampas.mm(ones(3, 4), ones(5, 6)), ("3x4", "5x6")),
    "mm of three dims": (lambda: lampas.mm(ones(2, 3, 4), ones(4, 6)), ("matri",)),
    "bmm": (lambda: lampas.bmm(ones(2, 3, 4), ones(2, 5, 6)), ("4", "5")),
    "mv": (lambda: lampas.mv(ones(3, 4), ones(5)), ("3", "4", "5")),
    "dot": (lambda: lampas.dot(ones(3), ones(4)), ("3", "4")),
    "addmm": (lambda: lampas.addmm(ones(7), ones(3, 4), ones(4, 6)), ("7", "6")),
    "einsum": (lambda: lampas.einsum("ij,jk", ones(2, 3), ones(4, 5)), ("3", "4")),
    "cat": (lambda: lampas.cat([ones(2, 3), ones(2, 4)]), ("3", "4")),
    "stack": (lambda: lampas.stack([ones(2), ones(3)]), ("[2]", "[3]")),
    "reshape": (lambda: ones(3, 4).reshape(5, 3), ("[5, 3]", "12")),
    "reshape with two unknowns": (lambda: ones(3, 4).reshape(-1, -1), ("only one",)),
    "view": (lambda: ones(3, 4).view(7), ("7", "12")),
    "expand": (lambda: ones(3).expand(4), ("3", "4")),
    "split": (lambda: ones(5).split([2, 2]), ("5", "[2, 2]")),
    "masked_fill": (lambda: ones(3).masked_fill(lampas.tensor([True, False]), 1.0), ("3", "2")),
    "where": (lambda: lampas.where(lampas.tensor([True, False]), ones(3), ones(3)), ("2", "3")),
    "assignment": (lambda: ones(3).__setitem__(slice(0, 2), ones(4)), ("4", "2")),
    "copy_": (lambda: ones(3).copy_(ones(4)), ("3", "4")),
    "out": (lambda: lampas.add(ones(3), 1, out=ones(2, requires_grad=True)), ("out=", "grad")),
    "conv2d channels": (lambda: F.conv2d(ones(1, 3, 8, 8), ones(4, 5, 3, 3)), ("3", "5")),
    "conv2d kernel": (lambda: F.conv2d(ones(1, 1, 3, 3), ones(1, 1, 5, 5)), ("(5 x 5)", "(3 x 3)")),
    "conv2d dims": (lambda: F.conv2d(ones(8, 8), ones(1, 1, 3, 3)), ("[8, 8]",)),
    "max_pool2d": (lambda: F.max_pool2d(ones(1, 1, 2, 2), 3), ("too small",)),
    "layer_norm": (lambda: F.layer_norm(ones(2, 3), (4,)), ("4", "[2, 3]")),
    "linear": (lambda: F.linear(ones(2, 3), ones(5, 4)), ("2x3", "4x5")),
    "lstm": (lambda: nn.LSTM(3, 4)(ones(5, 1, 2)), ("3", "2")),
    "gather": (lambda: ones(2, 3).gather(1, lampas.zeros(5, 1, dtype=lampas.int64)), ("[5, 1]", "[2, 3]")),
    "scatter": (lambda: ones(2, 3).scatter(0, lampas.zeros(1, 5, dtype=lampas.int64), ones(1, 5)), ("5", "3")),
    "index tensors": (lambda: ones(5, 5)[lampas.tensor([0, 1]), lampas.tensor([0, 1, 2])], ("[2]", "[3]")),
    "cross_entropy": (lambda: F.cross_entropy(ones(3, 2), lampas.zeros(4, dtype=lampas.int64)), ("3", "4")),
    "mse_loss": (lambda: F.mse_loss(ones(3), ones(4)), ("3", "4")),
    "embedding_bag": (lambda: F.embedding_bag(lampas.zeros(4, dtype=lampas.int64), ones(2, 2)), ("offsets",)),
    "unflatten": (lambda: ones(6).unflatten(0, (4, 2)), ("6", "4")),
    "transpose": (lambda: ones(2, 3).permute(0, 0), ()),
    "squeeze of too many": (lambda: ones(2).unsqueeze(3), ("3",)),
}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.filterwarnings("ignore:Using a target size")
def test_shapes_that_do_not_fit(name):
    call, words = SHAPES[name]
    raises((RuntimeError, ValueError, IndexError), call, *words)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(5, 6, 3))
        self.head = nn.Linear(10, 2)

    def forward(self, x):
        return self.head(self.features(x).flatten(1))


def test_an_error_names_the_path_of_its_module():
    net = Net()
    net.features[:2](ones(1, 1, 9, 9))  # what a convolution caches once is no leak
    text = raises(RuntimeError, lambda: net(ones(1, 1, 9, 9)), "5", "4", "features.2 (Conv2d)")
    assert text.count("features.2 (Conv2d)") == 1


def test_a_wrong_in_features_is_told_the_right_one():
    net = Net()
    net.features[2] = nn.Conv2d(4, 6, 3)
    net.features(ones(1, 1, 9, 9))
    raises(RuntimeError, lambda: net(ones(1, 1, 9, 9)), "head (Linear)", "in_features=150")


def test_an_error_without_a_module_has_no_path():
    with pytest.raises(RuntimeError) as caught:
        F.linear(ones(2, 3), ones(5, 4))
    assert not getattr(caught.value, "__notes__", [])


def test_the_module_is_usable_afterwards():
    layer = nn.Linear(3, 2)
    raises(RuntimeError, lambda: layer(ones(1, 4)), "4")
    assert layer(ones(1, 3)).shape == (1, 2)
    norm = nn.BatchNorm1d(3)
    before = norm.running_mean.clone(), int(norm.num_batches_tracked)
    with pytest.raises((RuntimeError, ValueError)):
        norm(ones(2, 4))
    assert lampas.equal(norm.running_mean, before[0])


# ---- dtype and device ----

TYPES = {
    "matmul": (RuntimeError, lambda: ones(2, 2) @ ones(2, 2, dtype=lampas.float64), ("float32", "float64")),
    "linear of integers": (RuntimeError, lambda: nn.Linear(2, 2)(ones(1, 2, dtype=lampas.int64)), ()),
    "conv2d": (RuntimeError, lambda: F.conv2d(ones(1, 1, 4, 4, dtype=lampas.float64), ones(1, 1, 2, 2)), ()),
    "mean of integers": (RuntimeError, lambda: ones(3, dtype=lampas.int64).mean(), ("mean()", "int64")),
    "in place": (RuntimeError, lambda: ones(3, dtype=lampas.int64).mul_(0.5), ("float32", "int64")),
    "minus of bools": (RuntimeError, lambda: lampas.tensor([True]) - lampas.tensor([True]), ("bool",)),
    "negative of bool": (RuntimeError, lambda: -lampas.tensor([True]), ("bool",)),
    "shift of floats": (RuntimeError, lambda: ones(2) << 1, ()),
    "bitwise of floats": (RuntimeError, lambda: ones(2) & 1, ()),
    "embedding of floats": (RuntimeError, lambda: F.embedding(ones(2), ones(3, 2)), ("indices", "float32")),
    "float index": (IndexError, lambda: ones(3)[ones(2)], ("long",)),
    "gather by floats": (RuntimeError, lambda: ones(3).gather(0, ones(1)), ("int64",)),
    "mask of integers": (RuntimeError, lambda: ones(3).masked_fill(ones(3, dtype=lampas.int64), 0), ("bool",)),
    "gradient of integers": (RuntimeError, lambda: ones(3, dtype=lampas.int64).requires_grad_(), ("floating",)),
    "class probabilities": (RuntimeError, lambda: F.nll_loss(ones(2, 3), ones(2)), ()),
    "comparison of complex": (RuntimeError, lambda: ones(2, dtype=lampas.complex64) < 1, ()),
    "complex to real number": (RuntimeError, lambda: float(lampas.tensor(1j)), ()),
    "cuda": ((RuntimeError, AssertionError), lambda: ones(2, device="cuda"), ("cpu",)),
    "to cuda": ((RuntimeError, AssertionError), lambda: ones(2).to("cuda"), ("cpu",)),
    "cuda()": ((RuntimeError, AssertionError), lambda: ones(2).cuda(), ("cpu",)),
    "a device nobody knows": (RuntimeError, lambda: ones(2, device="toaster"), ("toaster",)),
    "a device index": (RuntimeError, lambda: lampas.device("cpu:x"), ("cpu:x",)),
    "item of meta": (RuntimeError, lambda: ones(1, device="meta").item(), ("meta",)),
    "meta and cpu": (RuntimeError, lambda: ones(2, device="meta") @ ones(2), ("meta", "cpu")),
    "dtype as text": (TypeError, lambda: ones(2, dtype="float32"), ("dtype", "str")),
}


@pytest.mark.parametrize("name", TYPES)
def test_wrong_dtype_or_device(name):
    kind, call, words = TYPES[name]
    raises(kind, call, *words)


# ---- indices ----

INDICES = {
    "too large": (IndexError, lambda: ones(3)[3], ("3", "dimension 0", "size 3")),
    "too small": (IndexError, lambda: ones(3)[-4], ("-4", "size 3")),
    "second dimension": (IndexError, lambda: ones(3, 4)[0, 9], ("9", "dimension 1", "size 4")),
    "too many": (IndexError, lambda: ones(3)[0, 0], ("too many indices",)),
    "of a 0-d tensor": (IndexError, lambda: ones(())[0], ("0-dim",)),
    "index tensor": (IndexError, lambda: ones(3)[lampas.tensor([0, 7])], ("7", "size 3")),
    "negative index tensor": (IndexError, lambda: ones(3)[lampas.tensor([-4])], ("-4", "size 3")),
    "writing": (IndexError, lambda: ones(3).__setitem__(5, 1.0), ("5", "size 3")),
    "writing by tensor": (IndexError, lambda: ones(3).__setitem__(lampas.tensor([5]), 1.0), ("5", "size 3")),
    "mask of another shape": (IndexError, lambda: ones(3)[lampas.tensor([True, False])], ("[2]", "[3]")),
    "dim": (IndexError, lambda: ones(3).sum(2), ("[-1, 0]", "2")),
    "negative dim": (IndexError, lambda: ones(3, 3).softmax(-3), ("[-2, 1]", "-3")),
    "dim twice": (RuntimeError, lambda: ones(3, 3).sum((0, 0)), ("0",)),
    "select": (IndexError, lambda: ones(3).select(0, 3), ("3",)),
    "narrow": ((RuntimeError, IndexError), lambda: ones(3).narrow(0, 2, 2), ("3", "2")),
    "gather": (RuntimeError, lambda: ones(3).gather(0, lampas.tensor([3])), ("3", "size 3")),
    "scatter": (RuntimeError, lambda: ones(3).scatter(0, lampas.tensor([-1]), 1.0), ("-1", "size 3")),
    "index_select": (IndexError, lambda: ones(3).index_select(0, lampas.tensor([3])), ("3",)),
    "index_add": ((RuntimeError, IndexError), lambda: ones(3).index_add(0, lampas.tensor([3]), ones(1)), ("3",)),
    "take": (IndexError, lambda: ones(3).take(lampas.tensor([3])), ("3",)),
    "embedding": (IndexError, lambda: F.embedding(lampas.tensor([0, 3]), ones(3, 2)), ("3",)),
    "embedding, negative": (IndexError, lambda: F.embedding(lampas.tensor([-1]), ones(3, 2)), ("-1",)),
    "step": (ValueError, lambda: ones(3)[::-1], ("step",)),
    "topk": (RuntimeError, lambda: ones(3).topk(4), ("4",)),
    "one_hot": (RuntimeError, lambda: F.one_hot(lampas.tensor([3]), 3), ("3",)),
    "cross_entropy": (IndexError, lambda: F.cross_entropy(ones(2, 3), lampas.tensor([0, 3])), ("3",)),
    "cross_entropy, negative": (IndexError, lambda: F.cross_entropy(ones(2, 3), lampas.tensor([0, -1])), ("-1",)),
    "nll_loss": (IndexError, lambda: F.nll_loss(ones(2, 3), lampas.tensor([5, 0])), ("5",)),
    "nll_loss of images": (IndexError, lambda: F.nll_loss(ones(1, 3, 2, 2), lampas.full((1, 2, 2), 3)), ("3",)),
    "multinomial": (RuntimeError, lambda: lampas.multinomial(ones(3), 4), ()),
    "bincount": (RuntimeError, lambda: lampas.bincount(lampas.tensor([-1])), ("negative",)),
}


@pytest.mark.parametrize("name", INDICES)
def test_indices_out_of_range(name):
    kind, call, words = INDICES[name]
    raises(kind, call, *words)


def test_the_ignored_class_is_allowed():
    loss = F.cross_entropy(lampas.zeros(2, 3), lampas.tensor([0, -100]))
    np.testing.assert_allclose(loss.item(), np.log(3), rtol=1e-6)


def test_a_failed_write_writes_nothing():
    x = lampas.zeros(3)
    version = x._version
    for bad in (
        lambda: x.__setitem__(lampas.tensor([0, 9]), lampas.tensor([1.0, 2.0])),
        lambda: x.index_add_(0, lampas.tensor([0, 9]), ones(2)),
        lambda: x.scatter_(0, lampas.tensor([0, 9]), 5.0),
        lambda: x.scatter_add_(0, lampas.tensor([0, 9]), ones(2)),
        lambda: x.index_put_((lampas.tensor([0, 9]),), ones(2)),
        lambda: x.index_copy_(0, lampas.tensor([0, 9]), ones(2)),
        lambda: x.put_(lampas.tensor([0, 9]), ones(2)),
        lambda: x.masked_scatter_(lampas.tensor([True, True, True]), ones(1)),
        lambda: x.add_(ones(4)),
        lambda: x.copy_(ones(4)),
    ):
        with pytest.raises((IndexError, RuntimeError)):
            bad()
        assert x.tolist() == [0, 0, 0]
        assert x.shape == (3,)
    assert x._version == version


# ---- autograd ----


def test_in_place_on_a_leaf():
    w = ones(3, requires_grad=True)
    for bad in (
        lambda: w.add_(1),
        lambda: w.__setitem__(0, 5.0),
        lambda: w.zero_(),
        lambda: w[1:].mul_(2),
        lambda: w.fill_(1),
    ):
        raises(RuntimeError, bad, "leaf Variable that requires grad", "in-place", "no_grad")
    assert w.tolist() == [1, 1, 1]
    assert w._version == 0
    with lampas.no_grad():
        w.add_(1)
    assert w.tolist() == [2, 2, 2]


def test_backward_through_a_freed_graph():
    x = ones(3, requires_grad=True)
    y = (x * x).sum()
    y.backward()
    raises(RuntimeError, y.backward, "second time", "retain_graph=True")
    assert x.grad.tolist() == [2, 2, 2]


def test_a_saved_value_changed_in_place():
    x = ones(3, requires_grad=True)
    a = x * 2
    y = (a * a).sum()
    a += 1
    raises(RuntimeError, y.backward, "modified by an inplace operation", "[3]", "version 1", "version 0", "FloatTensor")
    assert x.grad is None


def test_both_lines_in_anomaly_mode(capsys):
    with pytest.warns(UserWarning), lampas.autograd.set_detect_anomaly(True):
        x = ones(3, requires_grad=True)
        a = x * 2
        y = (a * a).sum()  # saved here
        a += 1
        with pytest.raises(RuntimeError) as caught:
            y.backward()
    shown = capsys.readouterr()
    everything = told(caught) + shown.err + shown.out
    assert "modified by an inplace operation" in everything


def test_backward_of_what_has_no_graph():
    raises(RuntimeError, ones(1).backward, "does not require grad")
    with lampas.no_grad():
        y = ones(1, requires_grad=True) * 2
    raises(RuntimeError, y.backward, "does not require grad")


def test_backward_of_many_elements():
    raises(RuntimeError, (ones(3, requires_grad=True) * 2).backward, "scalar outputs", "3")


def test_views_of_incompatible_strides():
    text = raises(RuntimeError, lambda: ones(3, 4).t().view(12), "view", "reshape")
    assert "stride" in text
    raises(RuntimeError, lambda: ones(3).view(lampas.float64))


def test_item_of_many():
    raises(RuntimeError, lambda: ones(2, 3).item(), "6")
    raises(RuntimeError, lambda: ones(0).item(), "0")
    raises(RuntimeError, lambda: bool(ones(2)), "ambiguous", "[2]")
    raises(RuntimeError, lambda: bool(ones(0)), "ambiguous")
    raises((RuntimeError, TypeError, ValueError), lambda: float(ones(2)))
    raises((RuntimeError, TypeError, ValueError), lambda: int(ones(2)))
    raises(TypeError, lambda: [1, 2, 3][ones(1)], "integer")
    raises(TypeError, lambda: len(ones(())), "0-d")
    raises(TypeError, lambda: list(ones(())), "0-d")


def test_ten_terabytes():
    raises(lampas.OutOfMemoryError, lambda: lampas.empty(10 * 2**40, dtype=lampas.uint8), "out of memory", 10 * 2**40)
    raises(lampas.OutOfMemoryError, lambda: lampas.zeros(2**20, 2**20) + 1, "out of memory", 4 * 2**40)
    raises(RuntimeError, lambda: nn.Linear(2**21, 2**21), "out of memory")
    small = lampas.ones(1, 1, 2)
    for far in (2**42, 2**62):
        raises(
            lampas.OutOfMemoryError, lambda far=far: nn.functional.pad(small, (far, far), "replicate"), "out of memory"
        )
    raises(RuntimeError, lambda: lampas.tensor_split(small[0, 0], 2**40), "number of sections", 2**40)


NEGATIVE = {
    "zeros": lambda: lampas.zeros(2, -3),
    "ones": lambda: lampas.ones(-3),
    "empty": lambda: lampas.empty((4, -3)),
    "randn": lambda: lampas.randn(-3),
    "full": lambda: lampas.full((-3,), 1.0),
    "expand": lambda: ones(1, 1).expand(-3, 1),
    "reshape": lambda: ones(3).reshape(-3),
    "view": lambda: ones(3).view(-3, 1),
    "resize_": lambda: ones(3).resize_(-3),
    "arange": lambda: lampas.arange(0, 5, -3),
    "eye": lambda: lampas.eye(-3),
    "randperm": lambda: lampas.randperm(-3),
    "linspace": lambda: lampas.linspace(0, 1, -3),
    "repeat": lambda: ones(3).repeat(-3),
    "narrow": lambda: ones(3).narrow(0, 0, -3),
    "as_strided": lambda: ones(3).as_strided((-3,), (1,)),
    "negative stride": lambda: ones(3).as_strided((3,), (-3,)),
    "split": lambda: ones(3).split(-3),
    "chunk": lambda: ones(3).chunk(-3),
    "unfold": lambda: ones(3).unfold(0, -3, 1),
    "conv stride": lambda: F.conv1d(ones(1, 1, 5), ones(1, 1, 3), stride=-3),
    "conv padding": lambda: F.conv1d(ones(1, 1, 5), ones(1, 1, 3), padding=-3),
    "pool": lambda: F.max_pool1d(ones(1, 1, 5), -3),
    "adaptive pool": lambda: F.adaptive_avg_pool2d(ones(1, 1, 5, 5), -3),
    "pad": lambda: F.pad(ones(2), (-3, 0)),
    "one_hot": lambda: F.one_hot(lampas.tensor([0]), -3),
    "topk": lambda: ones(3).topk(-3),
    "interpolate": lambda: F.interpolate(ones(1, 1, 4), size=-3),
}


@pytest.mark.parametrize("name", NEGATIVE)
def test_negative_sizes(name):
    raises((RuntimeError, ValueError, IndexError), NEGATIVE[name])


# ---- zero-size tensors ----

EMPTY = {
    "add": (lambda: lampas.zeros(0, 3) + ones(3), (0, 3)),
    "broadcast to nothing": (lambda: lampas.zeros(0, 1) * ones(1, 4), (0, 4)),
    "exp": (lambda: lampas.zeros(2, 0).exp(), (2, 0)),
    "sum": (lambda: lampas.zeros(0).sum(), 0.0),
    "prod": (lambda: lampas.zeros(0).prod(), 1.0),
    "sum of rows": (lambda: lampas.zeros(3, 0).sum(1), [0.0] * 3),
    "all": (lambda: lampas.zeros(0).all(), True),
    "any": (lambda: lampas.zeros(0).any(), False),
    "cumsum": (lambda: lampas.zeros(0, 2).cumsum(0), (0, 2)),
    "matmul": (lambda: lampas.zeros(2, 0) @ lampas.zeros(0, 3), [[0.0] * 3] * 2),
    "matmul of no rows": (lambda: lampas.zeros(0, 2) @ lampas.zeros(2, 3), (0, 3)),
    "bmm": (lambda: lampas.bmm(lampas.zeros(0, 2, 3), lampas.zeros(0, 3, 4)), (0, 2, 4)),
    "linear": (lambda: nn.Linear(3, 2)(lampas.zeros(0, 3)), (0, 2)),
    "conv2d": (lambda: F.conv2d(lampas.zeros(0, 1, 5, 5), ones(2, 1, 3, 3)), (0, 2, 3, 3)),
    "max_pool2d": (lambda: F.max_pool2d(lampas.zeros(0, 1, 4, 4), 2), (0, 1, 2, 2)),
    "avg_pool2d": (lambda: F.avg_pool2d(lampas.zeros(0, 1, 4, 4), 2), (0, 1, 2, 2)),
    "batch_norm": (lambda: nn.BatchNorm2d(3).eval()(lampas.zeros(0, 3, 2, 2)), (0, 3, 2, 2)),
    "layer_norm": (lambda: F.layer_norm(lampas.zeros(0, 3), (3,)), (0, 3)),
    "softmax": (lambda: lampas.zeros(0, 3).softmax(1), (0, 3)),
    "softmax of nothing": (lambda: lampas.zeros(2, 0).softmax(1), (2, 0)),
    "cat": (lambda: lampas.cat([lampas.zeros(0, 3), ones(2, 3)]), (2, 3)),
    "cat of an old empty tensor": (lambda: lampas.cat([lampas.zeros(0), ones(2, 3)]), (2, 3)),
    "stack": (lambda: lampas.stack([lampas.zeros(0), lampas.zeros(0)]), (2, 0)),
    "index": (lambda: ones(3)[lampas.zeros(0, dtype=lampas.int64)], (0,)),
    "mask": (lambda: ones(3)[lampas.zeros(3, dtype=lampas.bool)], (0,)),
    "slice": (lambda: ones(3)[3:], (0,)),
    "nonzero": (lambda: lampas.zeros(3).nonzero(), (0, 1)),
    "sort": (lambda: lampas.zeros(0).sort().values, (0,)),
    "topk": (lambda: ones(3).topk(0).values, (0,)),
    "unique": (lambda: lampas.zeros(0).unique(), (0,)),
    "where": (lambda: lampas.where(lampas.zeros(0, dtype=lampas.bool), 1.0, lampas.zeros(0)), (0,)),
    "gather": (lambda: ones(3).gather(0, lampas.zeros(0, dtype=lampas.int64)), (0,)),
    "embedding": (lambda: F.embedding(lampas.zeros(0, dtype=lampas.int64), ones(3, 2)), (0, 2)),
    "dropout": (lambda: F.dropout(lampas.zeros(0, 2)), (0, 2)),
    "reshape": (lambda: lampas.zeros(0, 3).reshape(3, 0, 5), (3, 0, 5)),
    "view": (lambda: lampas.zeros(2, 0).view(0), (0,)),
    "permute": (lambda: lampas.zeros(2, 0, 3).permute(2, 0, 1), (3, 2, 0)),
    "flip": (lambda: lampas.zeros(0, 2).flip(0, 1), (0, 2)),
    "roll": (lambda: lampas.zeros(0, 2).roll(1, 0), (0, 2)),
    "repeat": (lambda: ones(2).repeat(0), (0,)),
    "chunk": (lambda: lampas.zeros(0).chunk(2)[0], (0,)),
    "tolist": (lambda: lampas.tensor(lampas.zeros(2, 0).tolist()), (2, 0)),
    "numpy": (lambda: lampas.from_numpy(lampas.zeros(2, 0).numpy()), (2, 0)),
    "clone": (lambda: lampas.zeros(0, 2).t().clone(), (2, 0)),
    "to": (lambda: lampas.zeros(0).to(lampas.int64), (0,)),
    "randn": (lambda: lampas.randn(0, 3), (0, 3)),
    "randperm": (lambda: lampas.randperm(0), (0,)),
    "arange": (lambda: lampas.arange(0), (0,)),
    "linspace": (lambda: lampas.linspace(0, 1, 0), (0,)),
    "eye": (lambda: lampas.eye(0), (0, 0)),
    "lstm": (lambda: nn.LSTM(3, 2)(lampas.zeros(4, 0, 3))[0], (4, 0, 2)),
    "norm": (lambda: lampas.zeros(0).norm(), 0.0),
    "einsum": (lambda: lampas.einsum("ij,jk->ik", lampas.zeros(0, 2), ones(2, 3)), (0, 3)),
    "tril": (lambda: lampas.zeros(0, 2).tril(), (0, 2)),
    "equal": (lambda: lampas.tensor(lampas.equal(lampas.zeros(0), lampas.zeros(0))), True),
    "pad": (lambda: F.pad(lampas.zeros(0), (1, 2)), [0.0] * 3),
    "scatter_add": (
        lambda: lampas.zeros(2).scatter_add(0, lampas.zeros(0, dtype=lampas.int64), lampas.zeros(0)),
        [0.0, 0.0],
    ),
    "index write": (lambda: _written(), [1.0, 1.0]),
    "diagonal": (lambda: lampas.zeros(0, 3).diagonal(), (0,)),
    "unbind": (lambda: lampas.tensor(len(lampas.zeros(0, 3).unbind())), 0),
    "loss": (lambda: F.mse_loss(lampas.zeros(0), lampas.zeros(0), reduction="sum"), 0.0),
    "interpolate": (lambda: F.interpolate(lampas.zeros(0, 1, 2, 2), scale_factor=2), (0, 1, 4, 4)),
    "attention": (
        lambda: F.scaled_dot_product_attention(lampas.zeros(0, 2, 3), lampas.zeros(0, 2, 3), lampas.zeros(0, 2, 3)),
        (0, 2, 3),
    ),
}


def _written():
    x = ones(2)
    x[2:] = 5.0
    x[lampas.zeros(0, dtype=lampas.int64)] = lampas.zeros(0)
    return x


@pytest.mark.parametrize("name", EMPTY)
def test_zero_size(name):
    call, want = EMPTY[name]
    got = call()
    if isinstance(want, tuple):
        assert tuple(got.shape) == want
        assert repr(got)
    else:
        assert got.tolist() == want


NO_VALUE = {
    "max": lambda: lampas.zeros(0).max(),
    "min": lambda: lampas.zeros(0).min(),
    "argmax": lambda: lampas.zeros(0).argmax(),
    "argmin of rows": lambda: lampas.zeros(2, 0).argmin(1),
    "amax": lambda: lampas.zeros(2, 0).amax(1),
    "max of rows": lambda: lampas.zeros(2, 0).max(1),
}


@pytest.mark.parametrize("name", NO_VALUE)
def test_the_largest_of_nothing(name):
    raises((RuntimeError, IndexError), NO_VALUE[name])


def test_gradients_of_zero_size():
    x = lampas.zeros(0, 3, requires_grad=True)
    w = ones(2, 3, requires_grad=True)
    F.linear(x.exp(), w).relu().sum().backward()
    assert x.grad.shape == (0, 3)
    assert w.grad.tolist() == [[0, 0, 0]] * 2
    k = ones(2, 1, 3, 3, requires_grad=True)
    F.conv2d(lampas.zeros(0, 1, 5, 5), k).sum().backward()
    assert k.grad.abs().sum() == 0


# ---- checkpoints ----


def saved(value):
    buffer = io.BytesIO()
    lampas.save(value, buffer)
    return buffer.getvalue()


def load(data, **options):
    return lampas.load(io.BytesIO(data), **options)


@pytest.fixture(scope="module")
def checkpoint():
    return saved({"weight": lampas.arange(1000.0), "step": 3})


@pytest.mark.parametrize("fraction", [0, 0.001, 0.1, 0.5, 0.9, 0.99])
def test_a_truncated_checkpoint(checkpoint, fraction):
    cut = checkpoint[: int(len(checkpoint) * fraction)]
    raises((RuntimeError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile), lambda: load(cut))


def test_a_truncated_file_is_named(checkpoint, tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(checkpoint[: len(checkpoint) // 2])
    raises((RuntimeError, pickle.UnpicklingError), lambda: lampas.load(path), "model.pt")


def test_a_corrupted_checkpoint(checkpoint):
    """Any single broken byte gives an error or the values that were saved, never others and never a crash."""
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(checkpoint), 150):
        broken = bytearray(checkpoint)
        broken[place] ^= 0xFF
        try:
            value = load(bytes(broken))
        except Exception as error:
            assert str(error), type(error)
        else:
            assert isinstance(value, dict)
            for key, item in value.items():
                assert isinstance(key, (str, bytes, int))
                if isinstance(item, lampas.Tensor) and item.shape == (1000,) and item.dtype == lampas.float32:
                    assert item.tolist() == list(range(1000))


@pytest.mark.parametrize("data", [b"", b"nonsense", b"PK\x03\x04", b"\x80\x02.", b"x" * 1000, b"\x00" * 100])
def test_what_is_no_checkpoint(data):
    raises((RuntimeError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile, ValueError), lambda: load(data))


class Evil:
    ran = False

    def __reduce__(self):
        return (exec, ("import test_bad_input; test_bad_input.Evil.ran = True",))


def test_a_hostile_checkpoint():
    """Loading runs no code of the file."""
    raises(pickle.UnpicklingError, lambda: load(saved({"a": Evil()})), "exec")
    assert not Evil.ran


HOSTILE = {
    "a huge size": lambda m: m.replace(b"K\x04", b"J\xff\xff\xff\x7f"),
    "a negative size": lambda m: m.replace(b"K\x04", b"J\xff\xff\xff\xff"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_sizes_that_lie(name, tmp_path):
    """A tensor that claims more than its storage holds does not read beyond it."""
    source = saved(lampas.arange(4.0))
    out = io.BytesIO()
    changed = False
    with zipfile.ZipFile(io.BytesIO(source)) as old, zipfile.ZipFile(out, "w") as new:
        for item in old.namelist():
            data = old.read(item)
            if item.endswith("data.pkl"):
                altered = HOSTILE[name](data)
                changed = altered != data
                data = altered
            new.writestr(item, data)
    assert changed
    raises((RuntimeError, ValueError, pickle.UnpicklingError), lambda: load(out.getvalue()))


def test_a_missing_file(tmp_path):
    raises(FileNotFoundError, lambda: lampas.load(tmp_path / "nothing.pt"), "nothing.pt")


def test_saving_into_a_folder_that_is_not_there(tmp_path):
    raises((RuntimeError, OSError), lambda: lampas.save(ones(1), tmp_path / "no" / "x.pt"), "no")
    assert not pathlib.Path(tmp_path / "no").exists()


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.pt"
    lampas.save(ones(2), path)
    raises((pickle.PicklingError, AttributeError, TypeError), lambda: lampas.save({"a": ones(2), "b": lambda: 0}, path))
    assert lampas.load(path).tolist() == [1, 1]
    assert [p.name for p in tmp_path.iterdir()] == ["x.pt"]


# ---- state_dict ----


def test_a_missing_key():
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    state = model.state_dict()
    del state["1.bias"]
    state["1.surplus"] = ones(1)
    before = model[0].weight.detach().clone()
    raises(
        RuntimeError,
        lambda: model.load_state_dict(state),
        "Sequential",
        "Missing key(s)",
        '"1.bias"',
        "Unexpected key(s)",
        '"1.surplus"',
    )
    assert lampas.equal(model[0].weight, before)
    report = model.load_state_dict(state, strict=False)
    assert report.missing_keys == ["1.bias"]
    assert report.unexpected_keys == ["1.surplus"]


def test_a_key_of_another_shape():
    model = nn.Linear(2, 3)
    state = {"weight": ones(3, 5), "bias": ones(3)}
    raises(RuntimeError, lambda: model.load_state_dict(state), "size mismatch for weight", "[3, 5]", "[3, 2]")
    assert model.weight.shape == (3, 2)


def test_a_state_that_is_no_dictionary():
    raises(TypeError, lambda: nn.Linear(2, 3).load_state_dict([1, 2]), "list")


def test_numbers_that_the_dtype_cannot_hold():
    whole = lampas.ones(2, dtype=lampas.int64)
    assert whole.fill_(2**63 - 1).tolist() == [2**63 - 1] * 2
    assert lampas.ones(2, dtype=lampas.uint8).fill_(-1).tolist() == [255, 255]
    for dtype, value in [(lampas.int64, 2**63), (lampas.int8, 300), (lampas.int32, math.inf), (lampas.float32, 1e300)]:
        x = lampas.ones(2, dtype=dtype)
        raises(RuntimeError, lambda x=x, value=value: x.fill_(value), "cannot be converted", str(dtype)[6:], "overflow")
        assert x.tolist() == [1, 1]
    raises(OverflowError, lambda: whole + 2**64, "64 bits")
    raises(RuntimeError, lambda: whole.masked_fill(whole > 0, 1e30), "cannot be converted", "int64")
