"""Layers, losses and initial values against NumPy."""

import math
import warnings

import numpy as np
import pytest

import lampas
import lampas.nn as nn
import lampas.nn.functional as F

rng = np.random.default_rng(0)


def tensor(*shape):
    return lampas.from_numpy(rng.standard_normal(shape).astype("float32"))


def close(got, wanted, tolerance=2e-5):
    np.testing.assert_allclose(got.detach().numpy(), wanted, rtol=tolerance, atol=tolerance)


def numpy_of(t):
    return t.detach().numpy().astype("float64")


def test_linear():
    layer, x = nn.Linear(5, 3), tensor(2, 5)
    close(layer(x), numpy_of(x) @ numpy_of(layer.weight).T + numpy_of(layer.bias))


def direct_convolution(x, w, b, stride, padding, dilation, groups):
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    n, _, h, wd = x.shape
    o, per, kh, kw = w.shape
    oh, ow = ((s - dilation * (k - 1) - 1) // stride + 1 for s, k in ((h, kh), (wd, kw)))
    out = np.zeros((n, o, oh, ow))
    for oc in range(o):
        g = oc // (o // groups)
        for i in range(oh):
            for j in range(ow):
                part = x[:, g * per : (g + 1) * per]
                part = part[:, :, i * stride : i * stride + dilation * kh : dilation]
                part = part[:, :, :, j * stride : j * stride + dilation * kw : dilation]
                out[:, oc, i, j] = (part * w[oc]).sum((1, 2, 3)) + b[oc]
    return out


@pytest.mark.parametrize("stride,padding,dilation,groups", [(1, 0, 1, 1), (2, 1, 1, 2), (1, 2, 2, 1)])
def test_conv2d(stride, padding, dilation, groups):
    layer = nn.Conv2d(4, 6, 3, stride=stride, padding=padding, dilation=dilation, groups=groups)
    x = tensor(2, 4, 8, 7)
    close(
        layer(x),
        direct_convolution(
            numpy_of(x), numpy_of(layer.weight), numpy_of(layer.bias), stride, padding, dilation, groups
        ),
    )


def test_conv_arguments_are_checked():
    with pytest.raises(ValueError, match="in_channels must be divisible by groups, got 3 and 2"):
        nn.Conv2d(3, 4, 3, groups=2)
    with pytest.raises(ValueError, match="out_channels must be divisible by groups"):
        nn.Conv2d(4, 3, 3, groups=2)
    with pytest.raises(ValueError, match="padding='same' is not supported for strided convolutions"):
        nn.Conv2d(3, 4, 3, padding="same", stride=2)
    with pytest.raises(ValueError, match="padding_mode must be one of"):
        nn.Conv2d(3, 4, 3, padding_mode="x")
    with pytest.raises(ValueError, match='Only "zeros" padding mode is supported for ConvTranspose2d'):
        nn.ConvTranspose2d(3, 4, 3, padding_mode="reflect")


def test_transposed_convolution_is_the_convolutions_gradient():
    up = nn.ConvTranspose2d(3, 2, 3, stride=2, padding=1, bias=False)
    x = tensor(1, 3, 4, 4)
    y = tensor(1, 2, 7, 7).requires_grad_()
    down = F.conv2d(y, up.weight, stride=2, padding=1)
    (down * x).sum().backward()
    close(up(x), numpy_of(y.grad))
    assert tuple(up(x, output_size=(8, 8)).shape[-2:]) == (8, 8)
    with pytest.raises(ValueError, match="valid sizes range from \\[7, 7\\] to \\[8, 8\\]"):
        up(x, output_size=(9, 9))


def test_batch_norm_in_training_and_evaluation():
    layer, x = nn.BatchNorm2d(3), tensor(4, 3, 5, 5)
    a = numpy_of(x)
    mean, var = a.mean((0, 2, 3)), a.var((0, 2, 3))
    shape = (1, 3, 1, 1)
    close(layer(x), (a - mean.reshape(shape)) / np.sqrt(var.reshape(shape) + 1e-5), 1e-4)
    close(layer.running_mean, 0.1 * mean)
    close(layer.running_var, 0.9 + 0.1 * a.var((0, 2, 3), ddof=1))
    assert int(layer.num_batches_tracked) == 1
    layer.eval()
    m, v = numpy_of(layer.running_mean).reshape(shape), numpy_of(layer.running_var).reshape(shape)
    close(layer(x), (a - m) / np.sqrt(v + 1e-5), 1e-4)


def test_batch_norm_refuses_what_it_cannot_normalize():
    with pytest.raises(ValueError, match="Expected more than 1 value per channel when training"):
        nn.BatchNorm1d(3)(lampas.zeros(1, 3))
    with pytest.raises(ValueError, match=r"expected 4D input \(got 3D input\)"):
        nn.BatchNorm2d(3)(lampas.zeros(2, 3, 4))


def test_layer_group_and_rms_norm():
    x = tensor(2, 4, 6)
    a = numpy_of(x)

    def normal(v, axes):
        return (v - v.mean(axes, keepdims=True)) / np.sqrt(v.var(axes, keepdims=True) + 1e-5)

    close(nn.LayerNorm(6)(x), normal(a, (-1,)), 1e-4)
    close(nn.LayerNorm((4, 6))(x), normal(a, (1, 2)), 1e-4)
    close(nn.GroupNorm(2, 4)(x), normal(a.reshape(2, 2, 12), (-1,)).reshape(a.shape), 1e-4)
    close(nn.InstanceNorm1d(4)(x), normal(a, (-1,)), 1e-4)
    close(nn.RMSNorm(6, eps=1e-5)(x), a / np.sqrt((a * a).mean(-1, keepdims=True) + 1e-5), 1e-4)
    with pytest.raises(ValueError, match=r"num_channels \(5\) must be divisible by num_groups \(2\)"):
        nn.GroupNorm(2, 5)


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


def test_lstm_step_by_step():
    net, x = nn.LSTM(3, 4), tensor(5, 2, 3)
    wi, wh, bi, bh = (numpy_of(p) for p in net.parameters())
    h = c = np.zeros((2, 4))
    steps = []
    for t in range(5):
        i, f, g, o = np.split(numpy_of(x)[t] @ wi.T + bi + h @ wh.T + bh, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        steps.append(h)
    out, (hn, cn) = net(x)
    close(out, np.stack(steps))
    close(hn, h[None])
    close(cn, c[None])


def test_gru_step_by_step():
    net, x = nn.GRU(3, 4), tensor(5, 2, 3)
    wi, wh, bi, bh = (numpy_of(p) for p in net.parameters())
    h = np.zeros((2, 4))
    for t in range(5):
        ri, zi, ni = np.split(numpy_of(x)[t] @ wi.T + bi, 3, axis=1)
        rh, zh, nh = np.split(h @ wh.T + bh, 3, axis=1)
        z = sigmoid(zi + zh)
        h = (1 - z) * np.tanh(ni + sigmoid(ri + rh) * nh) + z * h
    close(net(x)[1], h[None])


def test_recurrent_layers_check_their_input():
    net = nn.LSTM(3, 4)
    with pytest.raises(RuntimeError, match=r"input.size\(-1\) must be equal to input_size. Expected 3, got 5"):
        net(lampas.zeros(2, 2, 5))
    with pytest.raises(RuntimeError, match="Expected hidden\\[0\\] size \\(1, 2, 4\\), got \\[1, 3, 4\\]"):
        net(lampas.zeros(2, 2, 3), (lampas.zeros(1, 3, 4), lampas.zeros(1, 2, 4)))
    with pytest.raises(ValueError, match="LSTM: Expected input to be 2D or 3D, got 4D instead"):
        net(lampas.zeros(1, 2, 2, 3))
    with pytest.raises(ValueError, match="proj_size argument is only supported for LSTM"):
        nn.GRU(3, 4, proj_size=2)


def test_packed_sequences_give_what_each_sequence_gives_alone():
    net, x = nn.LSTM(3, 4, bidirectional=True), tensor(5, 3, 3)
    lengths = [2, 5, 3]
    packed = nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
    out, sizes = nn.utils.rnn.pad_packed_sequence(net(packed)[0])
    assert sizes.tolist() == lengths
    for b, length in enumerate(lengths):
        close(out[:length, b], numpy_of(net(x[:length, b])[0]))
        assert float(out[length:, b].detach().abs().sum()) == 0.0
    with pytest.raises(RuntimeError, match="must be sorted in decreasing order"):
        nn.utils.rnn.pack_padded_sequence(x, lengths)
    with pytest.raises(RuntimeError, match="has to be greater than 0"):
        nn.utils.rnn.pack_padded_sequence(x, [3, 2, 0])


def softmax(v):
    e = np.exp(v - v.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def test_attention():
    net, x = nn.MultiheadAttention(8, 2, batch_first=True), tensor(2, 5, 8)
    a = numpy_of(x)
    q, k, v = np.split(a @ numpy_of(net.in_proj_weight).T + numpy_of(net.in_proj_bias), 3, axis=-1)
    q, k, v = (m.reshape(2, 5, 2, 4).transpose(0, 2, 1, 3) for m in (q, k, v))
    weights = softmax(q @ k.transpose(0, 1, 3, 2) / 2)
    mixed = (weights @ v).transpose(0, 2, 1, 3).reshape(2, 5, 8)
    wanted = mixed @ numpy_of(net.out_proj.weight).T + numpy_of(net.out_proj.bias)
    out, got = net(x, x, x)
    close(out, wanted)
    close(got, weights.mean(1))
    out, none = net(x, x, x, need_weights=False)
    close(out, wanted)
    assert none is None
    with pytest.raises(AssertionError, match="embed_dim must be divisible by num_heads"):
        nn.MultiheadAttention(7, 2)


def test_cross_entropy_in_all_its_forms():
    x, target = tensor(6, 4), np.array([0, 3, 1, 2, 2, 0])
    logp = np.log(softmax(numpy_of(x)))
    each = -logp[np.arange(6), target]
    t = lampas.from_numpy(target)
    close(F.cross_entropy(x, t), each.mean())
    close(F.cross_entropy(x, t, reduction="none"), each)
    weight = np.array([1.0, 2.0, 3.0, 4.0], dtype="float32")
    w = weight[target]
    close(F.cross_entropy(x, t, lampas.from_numpy(weight)), (each * w).sum() / w.sum())
    close(F.cross_entropy(x, t, ignore_index=2), each[target != 2].mean())
    close(F.cross_entropy(x, t, label_smoothing=0.1), (0.9 * each - 0.1 * logp.mean(-1)).mean())


def test_losses_by_their_formulas():
    x, y = tensor(3, 4), tensor(3, 4)
    a, b = numpy_of(x), numpy_of(y)
    d = np.abs(a - b)
    close(F.mse_loss(x, y), (d**2).mean())
    close(F.l1_loss(x, y, reduction="sum"), d.sum())
    close(F.smooth_l1_loss(x, y, beta=0.5), np.where(d < 0.5, d**2, d - 0.25).mean())
    close(F.huber_loss(x, y, delta=0.5), np.where(d < 0.5, d**2 / 2, 0.5 * (d - 0.25)).mean())
    p, q = softmax(a), softmax(b)
    logs, probabilities = (lampas.from_numpy(v.astype("float32")) for v in (np.log(p), q))
    close(F.kl_div(logs, probabilities, reduction="batchmean"), (q * np.log(q / p)).sum() / 3)
    close(
        F.binary_cross_entropy_with_logits(x, probabilities),
        (-q * np.log(sigmoid(a)) - (1 - q) * np.log(sigmoid(-a))).mean(),
    )
    with pytest.raises(ValueError, match="x is not a valid value for reduction"):
        F.mse_loss(x, y, reduction="x")
    with pytest.warns(UserWarning, match="Using a target size"):
        F.mse_loss(x, y[:1])


@pytest.mark.parametrize(
    "size_average,reduce,wanted", [(None, False, "none"), (False, None, "sum"), (True, True, "mean")]
)
def test_older_flags(size_average, reduce, wanted):
    with pytest.warns(UserWarning, match=f"reduction='{wanted}'"):
        assert nn.MSELoss(size_average, reduce).reduction == wanted


def test_embedding_and_its_gradient():
    table = nn.Embedding(5, 3, padding_idx=1)
    index = lampas.tensor([[0, 1], [4, 4]])
    out = table(index)
    close(out, numpy_of(table.weight)[index.numpy()])
    out.sum().backward()
    assert table.weight.grad.sum(1).tolist() == [3.0, 0.0, 0.0, 0.0, 6.0]
    assert table.weight[1].tolist() == [0.0] * 3
    with pytest.raises(AssertionError, match="Padding_idx must be within num_embeddings"):
        nn.Embedding(5, 3, padding_idx=5)


@pytest.mark.parametrize("p", [-0.1, 1.1])
def test_dropout_probability_is_checked(p):
    with pytest.raises(ValueError, match="dropout probability has to be between 0 and 1, but got"):
        nn.Dropout(p)


def test_dropout_keeps_the_mean():
    lampas.manual_seed(0)
    out = nn.Dropout(0.25)(lampas.ones(100_000))
    values = set(np.unique(out.numpy()).tolist())
    assert values == {0.0, np.float32(1 / 0.75).item()}
    assert abs(float(out.mean()) - 1) < 0.01


def test_initial_values_have_the_spread_they_should():
    lampas.manual_seed(0)
    w = lampas.empty(400, 300)
    for fill, std in (
        (lambda t: nn.init.kaiming_normal_(t, nonlinearity="relu"), math.sqrt(2 / 300)),
        (lambda t: nn.init.kaiming_uniform_(t, a=math.sqrt(5)), math.sqrt(1 / (3 * 300))),
        (lambda t: nn.init.xavier_uniform_(t), math.sqrt(2 / 700)),
        (lambda t: nn.init.xavier_normal_(t, gain=2.0), 2 * math.sqrt(2 / 700)),
        (lambda t: nn.init.normal_(t, 0, 0.3), 0.3),
    ):
        assert fill(w) is w
        assert abs(float(w.std()) / std - 1) < 0.02
    nn.init.orthogonal_(w)
    close(w.t() @ w, np.eye(300), 1e-4)
    nn.init.trunc_normal_(w, std=1.0, a=-0.5, b=2.0)
    assert float(w.min()) >= -0.5 and float(w.max()) <= 2.0
    with pytest.raises(ValueError, match="fewer than 2 dimensions"):
        nn.init.kaiming_normal_(lampas.empty(3))


def test_fusing_a_convolution_with_its_normalization():
    conv, bn, x = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), tensor(2, 3, 6, 6)
    bn(conv(x))
    fused = nn.utils.fuse_conv_bn_eval(conv.eval(), bn.eval())
    close(fused(x), numpy_of(bn(conv(x))), 1e-4)
    with pytest.raises(AssertionError, match="Fusion only for eval"):
        nn.utils.fuse_conv_bn_eval(conv.train(), bn)


def test_clipping_gradients():
    p = nn.Parameter(lampas.zeros(2))
    p.grad = lampas.tensor([3.0, 4.0])
    assert float(nn.utils.clip_grad_norm_([p], 1.0)) == 5.0
    close(p.grad, [0.6, 0.8], 1e-5)
    nn.utils.clip_grad_value_([p], 0.5)
    assert p.grad.tolist() == [0.5, 0.5]
    p.grad = lampas.tensor([float("nan"), 0.0])
    with pytest.raises(RuntimeError, match="non-finite"):
        nn.utils.clip_grad_norm_([p], 1.0, error_if_nonfinite=True)


def test_containers_behave_like_python():
    layers = nn.ModuleList([nn.ReLU(), nn.Tanh()])
    layers.insert(1, nn.ELU())
    del layers[0]
    assert [type(m).__name__ for m in layers] == ["ELU", "Tanh"] and list(layers._modules) == ["0", "1"]
    with pytest.raises(IndexError, match="index 2 is out of range"):
        layers[2]
    with pytest.raises(TypeError, match="int is not a Module subclass"):
        nn.Sequential(3)
    table = nn.ParameterDict({"a": lampas.ones(2)})
    assert isinstance(table["a"], nn.Parameter) and list(table.state_dict()) == ["a"]
    assert len(nn.ParameterList([lampas.ones(1), 3])) == 2


def test_an_mlp_learns():
    lampas.manual_seed(0)
    x = tensor(64, 4)
    target = (x[:, 0] * x[:, 1] > 0).long()
    net = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 2))
    loss = nn.CrossEntropyLoss()
    first = float(loss(net(x), target).detach())
    for _ in range(200):
        net.zero_grad()
        loss(net(x), target).backward()
        with lampas.no_grad():
            for p in net.parameters():
                p -= 0.5 * p.grad
    assert float(loss(net(x), target).detach()) < 0.3 * first
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net(x)


@pytest.mark.parametrize("layer", [lampas.nn.RNN, lampas.nn.GRU, lampas.nn.LSTM])
def test_recurrent_layers_want_truth_values(layer):
    with pytest.raises(TypeError, match="bias should be of type bool, got: int"):
        layer(2, 3, bias=1)
    with pytest.raises(TypeError, match="batch_first should be of type bool, got: int"):
        layer(2, 3, batch_first=0)
