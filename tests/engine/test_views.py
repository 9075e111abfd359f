"""Views share memory; deferred layouts are nobody's business."""

from __future__ import annotations

import copy
import io
import pickle
import threading

import numpy as np
import pytest

import lampas

F = lampas.nn.functional


def grid():
    return lampas.arange(24.0).reshape(2, 3, 4)


VIEWS = {
    "view": (lambda t: t.view(6, 4), lambda a: a.reshape(6, 4)),
    "reshape": (lambda t: t.reshape(4, 6), lambda a: a.reshape(4, 6)),
    "flatten": (lambda t: t.flatten(), lambda a: a.reshape(-1)),
    "unflatten": (lambda t: t.unflatten(2, (2, 2)), lambda a: a.reshape(2, 3, 2, 2)),
    "permute": (lambda t: t.permute(2, 0, 1), lambda a: a.transpose(2, 0, 1)),
    "transpose": (lambda t: t.transpose(0, 2), lambda a: a.swapaxes(0, 2)),
    "T": (lambda t: t[0].T, lambda a: a[0].T),
    "mT": (lambda t: t.mT, lambda a: a.swapaxes(1, 2)),
    "squeeze": (lambda t: t[:1].squeeze(0), lambda a: a[0]),
    "unsqueeze": (lambda t: t.unsqueeze(1), lambda a: a[:, None]),
    "select": (lambda t: t.select(1, 2), lambda a: a[:, 2]),
    "narrow": (lambda t: t.narrow(2, 1, 2), lambda a: a[:, :, 1:3]),
    "slice": (lambda t: t[:, 1:, ::2], lambda a: a[:, 1:, ::2]),
    "index": (lambda t: t[1, ..., None, 3], lambda a: a[1, ..., None, 3]),
    "expand": (lambda t: t[:1].expand(5, 3, 4), lambda a: np.broadcast_to(a[:1], (5, 3, 4))),
    "diagonal": (lambda t: t.diagonal(0, 1, 2), lambda a: np.diagonal(a, 0, 1, 2)),
    "unfold": (lambda t: t.unfold(2, 2, 1), lambda a: np.lib.stride_tricks.sliding_window_view(a, 2, 2)),
    "chunk": (lambda t: t.chunk(2, 2)[1], lambda a: a[:, :, 2:]),
    "split": (lambda t: t.split(2, 1)[1], lambda a: a[:, 2:]),
    "unbind": (lambda t: t.unbind(1)[1], lambda a: a[:, 1]),
    "as_strided": (
        lambda t: t.as_strided((3, 2), (5, 1), 2),
        lambda a: np.lib.stride_tricks.as_strided(a.reshape(-1)[2:], (3, 2), (20, 4)),
    ),
    "movedim": (lambda t: t.movedim(0, 2), lambda a: np.moveaxis(a, 0, 2)),
    "detach": (lambda t: t.detach(), lambda a: a),
    "view_as": (lambda t: t.view_as(lampas.empty(12, 2)), lambda a: a.reshape(12, 2)),
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_has_the_same_memory_values_and_strides(name):
    view, reference = VIEWS[name]
    t, a = grid(), np.arange(24.0, dtype="float32").reshape(2, 3, 4)
    v, r = view(t), reference(a)
    assert tuple(v.shape) == r.shape
    np.testing.assert_array_equal(v.numpy(), r)
    assert v.untyped_storage().data_ptr() == t.untyped_storage().data_ptr()
    assert v.data_ptr() == t.data_ptr() + v.storage_offset() * 4
    if name != "as_strided":
        strides = [s // 4 for s, n in zip(r.strides, r.shape) if n > 1]
        assert [s for s, n in zip(v.stride(), v.shape) if n > 1] == strides
    # writing through the base is seen in the view
    t.mul_(10)
    np.testing.assert_array_equal(v.numpy(), r * 10)


@pytest.mark.parametrize("name", [n for n in VIEWS if n != "expand"])
def test_writing_through_a_view(name):
    view, reference = VIEWS[name]
    t, a = grid(), np.arange(24.0, dtype="float32").reshape(2, 3, 4)
    if name in ("unfold", "as_strided"):
        view(t).fill_(-1)
        mask = np.zeros(24, bool)
        if name == "unfold":
            mask[:] = True
        else:
            mask[[2, 3, 7, 8, 12, 13]] = True
        np.testing.assert_array_equal(t.numpy().reshape(-1), np.where(mask, -1, np.arange(24)))
        return
    view(t).add_(100)
    target = np.arange(24).reshape(2, 3, 4)
    touched = np.isin(target, np.unique(reference(target)))
    np.testing.assert_array_equal(t.numpy(), np.where(touched, a + 100, a))


@pytest.mark.parametrize(
    "make",
    [lambda t: t.clone(), lambda t: t + 0, lambda t: t.t().contiguous(), lambda t: t[[0, 1]], lambda t: t.repeat(1, 1)],
)
def test_copies_share_nothing(make):
    t = lampas.arange(6.0).reshape(2, 3)
    c = make(t)
    c.zero_()
    assert t.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_in_place_on_views_of_overlapping_memory():
    t = lampas.arange(6.0)
    t[1:].copy_(t[:-1].clone())
    assert t.tolist() == [0, 0, 1, 2, 3, 4]
    expanded = lampas.zeros(1).expand(3)
    with pytest.raises(RuntimeError, match=r"single memory location|clone"):
        expanded.add_(1)


def test_impossible_views():
    t = grid().permute(2, 0, 1)
    with pytest.raises(RuntimeError, match="reshape") as caught:
        t.view(24)
    assert "view" in str(caught.value)
    assert t.reshape(24).shape == (24,)
    with pytest.raises(RuntimeError, match="24"):
        grid().view(5, 5)
    with pytest.raises(RuntimeError):
        grid().as_strided((100,), (1,))


def test_gradients_through_views_and_writes():
    x = lampas.arange(6.0, requires_grad=True)
    y = x * 1
    v = y.view(2, 3)
    v[0].mul_(3)
    y[4:].zero_()
    (v * lampas.tensor([[1.0, 2, 3], [4, 5, 6]])).sum().backward()
    assert x.grad.tolist() == [3, 6, 9, 4, 0, 0]


def test_views_of_views_track_the_base():
    x = lampas.ones(4, requires_grad=True)
    y = x * 2
    a = y[:2]
    b = a[1:]
    b.mul_(10)
    assert y.tolist() == [2, 20, 2, 2]
    assert a._base is y
    assert b._base is y
    y.sum().backward()
    assert x.grad.tolist() == [2, 20, 2, 2]


# ---- deferred layout ----

RNG = np.random.default_rng(1)
IMAGE = RNG.standard_normal((2, 16, 14, 14)).astype("float32")
WEIGHT = RNG.standard_normal((32, 16, 3, 3)).astype("float32")


def deferred():
    """The result of a convolution, which may lie in another order than its strides say."""
    x = F.conv2d(lampas.from_numpy(IMAGE), lampas.from_numpy(WEIGHT), padding=1)
    x = F.relu(F.batch_norm(x, None, None, training=True))
    return F.max_pool2d(x + 0, 2)


def reference():
    """The same by definition."""
    x = np.zeros((2, 32, 14, 14))
    padded = np.pad(IMAGE.astype("float64"), ((0, 0), (0, 0), (1, 1), (1, 1)))
    for i in range(3):
        for j in range(3):
            x += np.einsum("nchw,oc->nohw", padded[:, :, i : i + 14, j : j + 14], WEIGHT[:, :, i, j])
    x = (x - x.mean((0, 2, 3), keepdims=True)) / np.sqrt(x.var((0, 2, 3), keepdims=True) + 1e-5)
    return np.maximum(x, 0).reshape(2, 32, 7, 2, 7, 2).max((3, 5))


PLAIN = reference()

USES = {
    "numpy": lambda t: t.numpy(),
    "tolist": lambda t: np.array(t.tolist()),
    "data_ptr": lambda t: (t.data_ptr(), t.numpy())[1],
    "memoryview": lambda t: np.asarray(memoryview(t)),
    "dlpack": lambda t: np.from_dlpack(t),
    "storage": lambda t: np.frombuffer(bytes(memoryview(t.untyped_storage())), "float32").reshape(t.shape),
    "pickle": lambda t: pickle.loads(pickle.dumps(t)).numpy(),
    "deepcopy": lambda t: copy.deepcopy(t).numpy(),
    "clone": lambda t: t.clone().numpy(),
    "contiguous": lambda t: t.contiguous().numpy(),
    "double": lambda t: t.double().numpy(),
    "view": lambda t: t.view(2, -1).numpy().reshape(2, 32, 7, 7),
    "reshape": lambda t: t.reshape(-1).numpy().reshape(2, 32, 7, 7),
    "flatten": lambda t: t.flatten(1).numpy().reshape(2, 32, 7, 7),
    "permute": lambda t: t.permute(0, 2, 3, 1).numpy().transpose(0, 3, 1, 2),
    "permute copied": lambda t: t.permute(0, 2, 3, 1).contiguous().numpy().transpose(0, 3, 1, 2),
    "indexing": lambda t: np.stack([t[0].numpy(), t[1].numpy()]),
    "slices": lambda t: np.concatenate([t[:, :, :3].numpy(), t[:, :, 3:].numpy()], 2),
    "elements": lambda t: np.array(
        [[[[t[n, c, h, w].item() for w in range(7)] for h in range(7)] for c in range(32)] for n in range(2)]
    ),
    "index tensor": lambda t: t[:, lampas.arange(32)].numpy(),
    "as_strided": lambda t: t.as_strided(t.shape, t.stride()).numpy(),
    "add": lambda t: (t + 0).numpy(),
    "add plain": lambda t: (t + lampas.zeros(2, 32, 7, 7)).numpy(),
    "add broadcast": lambda t: (lampas.zeros(7) + t).numpy(),
    "in place": lambda t: t.mul_(1).numpy(),
    "in place plain": lambda t: t.add_(lampas.zeros(7, 7)).numpy(),
    "cat": lambda t: lampas.cat([t, t], 1)[:, 32:].numpy(),
    "stack": lambda t: lampas.stack([t, t])[1].numpy(),
    "where": lambda t: lampas.where(t > -1, t, lampas.zeros(1)).numpy(),
    "sum": lambda t: t.sum(1, keepdim=True).expand(2, 32, 7, 7).numpy() * 0 + t.numpy(),
    "copy_": lambda t: lampas.empty(2, 32, 7, 7).copy_(t).numpy(),
    "out": lambda t: lampas.add(t, 0, out=lampas.empty(0)).numpy(),
    "save": lambda t: _saved(t).numpy(),
    "alias": lambda t: t.detach().numpy(),
    "data": lambda t: t.data.numpy(),
    "transpose": lambda t: t.transpose(1, 2).numpy().swapaxes(1, 2),
    "sort": lambda t: t.sort(3).values.numpy()[..., :1] * 0 + t.numpy(),
    "relu": lambda t: t.relu().numpy(),
    "dropout 0": lambda t: F.dropout(t, 0.0).numpy(),
    "set_": lambda t: lampas.empty(0).set_(t.untyped_storage(), 0, t.shape, t.stride()).numpy(),
    "channels_last": lambda t: t.contiguous(memory_format=lampas.channels_last).numpy(),
}


def _saved(t):
    buffer = io.BytesIO()
    lampas.save(t, buffer)
    buffer.seek(0)
    return lampas.load(buffer)


@pytest.mark.parametrize("name", USES)
def test_a_deferred_layout_cannot_be_seen(name):
    t = deferred()
    assert t.shape == (2, 32, 7, 7)
    assert t.stride() == (32 * 49, 49, 7, 1)
    assert t.is_contiguous()
    np.testing.assert_allclose(USES[name](t), PLAIN, rtol=1e-3, atol=1e-4)
    # and the tensor itself is as before
    assert t.stride() == (32 * 49, 49, 7, 1)
    np.testing.assert_allclose(t.numpy(), PLAIN, rtol=1e-3, atol=1e-4)


def test_one_address():
    t = deferred()
    assert t.data_ptr() == t.data_ptr() == t.numpy().ctypes.data == t.view(-1).data_ptr()


def test_views_taken_early_see_later_writes():
    t = deferred()
    v = t.view(-1)
    a = t.numpy()
    t.zero_()
    F.relu(t, inplace=True)
    t.add_(deferred())
    np.testing.assert_array_equal(v.numpy().reshape(a.shape), a)
    np.testing.assert_allclose(a, PLAIN, rtol=1e-3, atol=1e-4)


def test_detached_before_and_after():
    t = deferred()
    d = t.detach()
    t.data_ptr()
    np.testing.assert_array_equal(d.numpy(), t.numpy())
    d.zero_()
    assert float(t.abs().sum()) == 0


def test_printing_and_comparing():
    t = deferred()
    copied = lampas.tensor(t.tolist())
    assert bool((t == copied).all())
    assert lampas.equal(t, copied)
    assert str(t) == str(copied)


def test_gradient_of_a_deferred_tensor():
    x = lampas.from_numpy(IMAGE).clone().requires_grad_()
    y = F.conv2d(x, lampas.from_numpy(WEIGHT))
    y.retain_grad()
    z = F.relu(y)
    z.flatten(1)[:, ::3].sum().backward()
    positive = y.detach().numpy() > 0
    picked = np.zeros_like(positive).reshape(2, -1)
    picked[:, ::3] = True
    np.testing.assert_array_equal(y.grad.numpy(), positive & picked.reshape(positive.shape))
    assert y.grad.stride() == y.stride()
    assert x.grad.stride() == x.stride()


@pytest.mark.parametrize("round", range(5))
def test_two_threads_read_one_deferred_tensor(round):
    x = lampas.from_numpy(np.repeat(np.repeat(IMAGE, 4, 2), 4, 3)[:, :, :50, :50].copy())
    t = F.relu(F.conv2d(x, lampas.from_numpy(WEIGHT)))
    expected = F.relu(F.conv2d(x, lampas.from_numpy(WEIGHT))).numpy()
    start = threading.Barrier(4)
    results, errors = {}, []
    uses = [
        lambda: t.numpy().copy(),
        lambda: (t * 1).numpy(),
        lambda: t.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2).numpy(),
        lambda: F.relu(t + 0).view(t.shape).numpy(),
    ]

    def run(i):
        try:
            start.wait()
            results[i] = uses[i]()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    for r in results.values():
        np.testing.assert_allclose(r, expected, rtol=1e-5, atol=1e-5)
