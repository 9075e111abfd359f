"""Eager-mode quantization against NumPy, against the float model, and in what it says to its users."""

import copy
import io
import warnings

import numpy as np
import pytest

import lampas
from lampas import nn
from lampas.ao import quantization as tq
from lampas.ao.nn import intrinsic as nni
from lampas.ao.nn import qat as nnqat
from lampas.ao.nn import quantizable as nnqa
from lampas.ao.nn import quantized as nnq
from lampas.ao.nn.intrinsic import qat as nniqat
from lampas.ao.nn.quantized import dynamic as nnqd
from lampas.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


def values(*shape, seed=0, scale=1.0):
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(np.float32)


def fake(x, scale, zero_point, low, high):
    return (np.clip(np.rint(x / scale) + zero_point, low, high) - zero_point) * scale


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant, self.dequant = tq.QuantStub(), tq.DeQuantStub()
        self.conv, self.bn, self.relu = nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU()
        self.fc = nn.Linear(16, 3)

    def forward(self, x):
        x = self.relu(self.bn(self.conv(self.quant(x))))
        return self.dequant(self.fc(x.flatten(1)))


def small(seed=0):
    lampas.manual_seed(seed)
    model = Small()
    model.train()(lampas.tensor(values(32, 2, 4, 4)))
    return model.eval()


def quantized(backend="x86"):
    model = tq.fuse_modules(small(), [["conv", "bn", "relu"]])
    model.qconfig = tq.get_default_qconfig(backend)
    model = tq.prepare(model)
    model(lampas.tensor(values(64, 2, 4, 4)))
    return tq.convert(model)


def test_extremes_become_scale_and_zero_point():
    data = values(50, 7, scale=3) + 1
    observer = tq.MinMaxObserver()
    for row in data:
        assert observer(lampas.tensor(row)).tolist() == row.tolist()
    low, high = min(data.min(), 0), max(data.max(), 0)
    scale, zero_point = observer.calculate_qparams()
    assert float(scale) == pytest.approx((high - low) / 255, rel=1e-6)
    assert int(zero_point) == round(-low / ((high - low) / 255))


def test_a_moving_average_forgets():
    observer = tq.MovingAverageMinMaxObserver(averaging_constant=0.1)
    low, high = None, None
    for row in values(20, 9):
        observer(lampas.tensor(row))
        low = row.min() if low is None else low + 0.1 * (row.min() - low)
        high = row.max() if high is None else high + 0.1 * (row.max() - high)
    np.testing.assert_allclose([float(observer.min_val), float(observer.max_val)], [low, high], rtol=1e-5)


def test_the_histogram_cuts_tails_where_that_is_better():
    data = np.concatenate([values(200000), np.array([8.0, -8.0], np.float32)])
    errors = []
    for kind in (tq.HistogramObserver, tq.MinMaxObserver):
        observer = kind()
        observer(lampas.tensor(data))
        scale, zero_point = observer.calculate_qparams()
        errors.append(np.square(fake(data, float(scale), int(zero_point), 0, 255) - data).mean())
    assert errors[0] < 0.8 * errors[1]


def test_the_histogram_counts_every_value():
    observer = tq.HistogramObserver(bins=128)
    for i in range(1, 6):
        observer(lampas.tensor(values(500, seed=i, scale=i)))
    assert float(observer.histogram.sum()) == pytest.approx(2500, abs=0.1)


def test_fake_quantization_rounds_and_clips_with_its_gradient():
    x = values(40, scale=2)
    quantizer = tq.FakeQuantize(observer=tq.FixedQParamsObserver, scale=0.1, zero_point=12, quant_min=0, quant_max=31)
    t = lampas.tensor(x, requires_grad=True)
    y = quantizer(t)
    y.sum().backward()
    np.testing.assert_allclose(y.detach().numpy(), fake(x, np.float32(0.1), 12, 0, 31), atol=1e-6)
    inside = (np.rint(x / np.float32(0.1)) + 12 >= 0) & (np.rint(x / np.float32(0.1)) + 12 <= 31)
    np.testing.assert_array_equal(t.grad.numpy(), inside.astype(np.float32))


def test_a_quantized_linear_layer_is_integer_arithmetic():
    weight, bias, x = values(5, 8), values(5, seed=1), values(6, 8, seed=2)
    layer = nnq.Linear(8, 5)
    scales = np.abs(weight).max(1) / 127
    qweight = lampas.quantize_per_channel(
        lampas.tensor(weight), lampas.tensor(scales), lampas.zeros(5, dtype=lampas.int64), 0, lampas.qint8
    )
    layer.set_weight_bias(qweight, lampas.tensor(bias))
    layer.scale, layer.zero_point = 0.07, 60
    qx = lampas.quantize_per_tensor(lampas.tensor(x), 0.03, 100, lampas.quint8)
    sums = (qx.int_repr().numpy().astype(np.int64) - 100) @ qweight.int_repr().numpy().astype(np.int64).T
    expected = np.clip(np.rint((sums * 0.03 * scales + bias) / 0.07) + 60, 0, 255)
    assert np.abs(layer(qx).int_repr().numpy() - expected).max() <= 1


@pytest.mark.parametrize("backend", ["x86", "fbgemm", "onednn", "qnnpack"])
def test_a_quantized_model_computes_what_the_float_model_did(backend):
    x = lampas.tensor(values(64, 2, 4, 4))
    expected, model = small()(x), quantized(backend)
    assert float((model(x) - expected).abs().max()) < 0.06 * float(expected.abs().max())
    assert type(model.conv) is nni.quantized.ConvReLU2d and type(model.bn) is nn.Identity
    assert not any(hasattr(module, "qconfig") for module in model.modules())


def test_weights_of_127_leave_minus_128_unused():
    model = nn.Sequential(nn.Linear(4, 4))
    with lampas.no_grad():
        model[0].weight.copy_(lampas.tensor(-np.abs(values(4, 4))))
    model.qconfig = tq.default_per_channel_symmetric_qnnpack_qconfig
    model = tq.prepare(tq.QuantWrapper(model).eval())
    model.module.qconfig = model.module[0].qconfig
    model(lampas.tensor(values(3, 4)))
    assert int(tq.convert(model).module[0].weight().int_repr().min()) >= -127


@pytest.mark.parametrize("relu", [False, True])
def test_folded_normalization_without_rounding_is_normalization(relu):
    conv, bn = nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3)
    parts = (conv, bn, nn.ReLU()) if relu else (conv, bn)
    fused = (nni.ConvBnReLU2d if relu else nni.ConvBn2d)(*copy.deepcopy(parts))
    fused.qconfig = tq.get_default_qat_qconfig()
    layer = (nniqat.ConvBnReLU2d if relu else nniqat.ConvBn2d).from_float(fused)
    layer.apply(tq.disable_fake_quant)
    plain = nn.Sequential(*parts)
    for seed in range(3):
        x = lampas.tensor(values(5, 2, 6, 6, seed=seed))
        np.testing.assert_allclose(layer(x).detach().numpy(), plain(x).detach().numpy(), atol=1e-4)
    np.testing.assert_allclose(layer.bn.running_var.numpy(), bn.running_var.numpy(), rtol=1e-4)
    x = lampas.tensor(values(5, 2, 6, 6))
    np.testing.assert_allclose(layer.to_float().eval()(x).detach().numpy(), plain.eval()(x).detach().numpy(), atol=1e-4)


def test_frozen_statistics_stay_and_learn_again():
    fused = nni.ConvBn2d(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    fused.qconfig = tq.get_default_qat_qconfig()
    model = nn.Sequential(nniqat.ConvBn2d.from_float(fused))
    x = lampas.tensor(values(4, 1, 3, 3, scale=5))
    model.apply(nniqat.freeze_bn_stats)
    model.train()
    before = model[0].bn.running_mean.clone()
    model(x)
    assert (model[0].bn.running_mean == before).all() and not model[0].bn.training
    model.apply(nniqat.update_bn_stats)
    model(x)
    assert (model[0].bn.running_mean != before).any()


def test_training_with_fake_quantization_reaches_int8():
    lampas.manual_seed(0)
    x = values(256, 2, 4, 4)
    target = lampas.tensor((x[:, 0].sum((1, 2)) > 0).astype(np.int64))
    model = tq.fuse_modules_qat(Small().train(), ["conv", "bn", "relu"])
    model.qconfig = tq.get_default_qat_qconfig("x86")
    model = tq.prepare_qat(model)
    optimizer = lampas.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(lampas.tensor(x)), target).backward()
        optimizer.step()
    model = tq.convert(model.eval())
    assert float((model(lampas.tensor(x)).argmax(1) == target).float().mean()) > 0.9


def test_a_saved_state_is_a_copy_of_the_model():
    source, target = quantized(), quantized("qnnpack")
    file = io.BytesIO()
    lampas.save(source.state_dict(), file)
    file.seek(0)
    target.load_state_dict(lampas.load(file))
    x = lampas.tensor(values(4, 2, 4, 4, seed=5))
    assert (target(x) == source(x)).all()
    assert (copy.deepcopy(source)(x) == source(x)).all()


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_dynamic_recurrence_follows_the_float_layer(kind):
    lampas.manual_seed(0)
    model = nn.ModuleList([getattr(nn, kind)(6, 8, num_layers=2, bidirectional=True)])
    layer = tq.quantize_dynamic(model)[0]
    x = lampas.tensor(values(7, 3, 6))
    out = layer(x)[0]
    assert float((out - model[0](x)[0]).abs().max()) < 0.05
    # Sequences of different lengths: each as if it were alone.
    lengths = [7, 3, 5]
    packed, states = layer(pack_padded_sequence(x, lengths, enforce_sorted=False))
    padded, sizes = pad_packed_sequence(packed)
    assert sizes.tolist() == lengths
    for i, length in enumerate(lengths):
        alone, last = layer(x[:length, i : i + 1])
        np.testing.assert_allclose(padded[:length, i].numpy(), alone[:, 0].numpy(), atol=0.03)
        first, expected = (states[0], last[0]) if kind == "LSTM" else (states, last)
        np.testing.assert_allclose(first[:, i].numpy(), expected[:, 0].numpy(), atol=0.03)


@pytest.mark.parametrize("name", ["LSTM", "GRUCell"])
def test_dynamic_recurrence_is_saved_and_loaded(name):
    source, target = getattr(nnqd, name)(3, 4), getattr(nnqd, name)(3, 4)
    file = io.BytesIO()
    lampas.save(source.state_dict(), file)
    file.seek(0)
    target.load_state_dict(lampas.load(file, weights_only=False))
    x = lampas.tensor(values(2, 3) if name == "GRUCell" else values(5, 2, 3))
    first, second = (layer(x) if name == "GRUCell" else layer(x)[0] for layer in (source, target))
    assert (first == second).all()


def test_embedding_rows_are_near_what_they_were():
    table = nn.Embedding(20, 16)
    model = tq.quantize_dynamic(nn.Sequential(table), dtype=lampas.quint8)
    rows = table.weight.detach().numpy()
    error = np.abs(model(lampas.arange(20)).numpy() - rows)
    assert (error.max(1) <= (rows.max(1) - rows.min(1)) / 255 * 0.51 + 1e-6).all()


@pytest.mark.parametrize("slope", [-0.4, 0.25])
def test_prelu(slope):
    model = tq.QuantWrapper(nn.PReLU(init=slope))
    model.qconfig = tq.default_quint8_weight_qconfig
    model = tq.prepare(model.eval())
    x = values(400)
    model(lampas.tensor(x))
    out = tq.convert(model)(lampas.tensor(x)).numpy()
    np.testing.assert_allclose(out, np.where(x > 0, x, slope * x), atol=0.04)


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("extra", [{}, {"add_bias_kv": True, "add_zero_attn": True}], ids=["plain", "with extra keys"])
def test_quantizable_attention_is_attention(batch_first, extra):
    lampas.manual_seed(0)
    plain = nn.MultiheadAttention(8, 2, batch_first=batch_first, **extra).eval()
    plain.qconfig = tq.default_qconfig
    made = nnqa.MultiheadAttention.from_float(plain)
    x = lampas.tensor(values(4, 4, 8))
    mask = lampas.ones(4, 4, dtype=lampas.bool).triu(1)
    padding = lampas.tensor([[False] * 4, [False, False, False, True]] * 2)
    for options in ({}, {"attn_mask": mask}, {"key_padding_mask": padding}):
        for ours, theirs in zip(made(x, x, x, **options), plain(x, x, x, **options)):
            np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), atol=1e-5)


@pytest.mark.parametrize("split_gates", [False, True])
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}, {"batch_first": True}], ids=str)
def test_quantizable_lstm_is_lstm(split_gates, options):
    lampas.manual_seed(0)
    plain = nn.LSTM(3, 4, **options).eval()
    plain.qconfig = tq.default_qconfig
    made = nnqa.LSTM.from_float(plain, split_gates=split_gates)
    x = lampas.tensor(values(5, 2, 3))
    batch = 5 if options.get("batch_first") else 2
    layers = 4 if "num_layers" in options else 1
    start = tuple(lampas.tensor(values(layers, batch, 4, seed=s)) for s in (1, 2))
    for args in ((x,), (x, start)):
        (ours, (h, c)), (theirs, (h2, c2)) = made(*args), plain(*args)
        for a, b in ((ours, theirs), (h, h2), (c, c2)):
            np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), atol=1e-5)


def test_the_users_hooks_go_over_and_the_observers_do_not():
    seen = []
    model = tq.QuantWrapper(nn.Linear(2, 2))
    model.module.register_forward_pre_hook(lambda m, args: seen.append(("before", args[0].is_quantized)))
    model.module.register_forward_hook(lambda m, args, out: seen.append(("after", out.is_quantized)))
    model.qconfig = tq.default_qconfig
    model = tq.prepare(model.eval())
    x = lampas.tensor(values(3, 2))
    model(x)
    tq.convert(model)(x)
    assert seen == [("before", False), ("after", False), ("before", True), ("after", True)]


def test_modules_without_a_qconfig_stay():
    model = nn.Sequential(tq.QuantStub(), nn.Linear(2, 2), tq.DeQuantStub(), nn.Linear(2, 2)).eval()
    model.qconfig = tq.default_qconfig
    model[3].qconfig = None
    model = tq.prepare(model)
    model(lampas.tensor(values(3, 2)))
    model = tq.convert(model)
    assert [type(m).__module__.startswith("lampas.ao.nn.quantized") for m in model] == [True, True, True, False]
    assert model(lampas.tensor(values(3, 2))).dtype == lampas.float32


def test_a_mapping_serves_in_eager_mode():
    mapping = tq.QConfigMapping().set_global(tq.default_qconfig).set_object_type(nn.Conv1d, None)
    mapping.set_module_name("2", tq.default_per_channel_qconfig)
    assert tq.QConfigMapping.from_dict(mapping.to_dict()).to_dict() == mapping.to_dict()
    model = nn.Sequential(nn.Linear(1, 1), nn.Conv1d(1, 1, 1), nn.Linear(1, 1))
    tq.propagate_qconfig_(model, mapping.to_eager_dict())
    assert [m.qconfig for m in model] == [tq.default_qconfig, None, tq.default_per_channel_qconfig]


def test_earlier_names_are_the_same_modules():
    import lampas.nn.intrinsic.qat as old_intrinsic
    import lampas.nn.quantized.dynamic as old_dynamic
    from lampas.nn.quantized.modules.linear import Linear
    from lampas.quantization.observer import MinMaxObserver

    assert old_dynamic is nnqd and old_intrinsic is nniqat
    assert Linear is nnq.Linear and MinMaxObserver is tq.MinMaxObserver


FULL = lampas.ones(1, 2)
MESSAGES = [
    (
        lambda: tq.fuse_modules(nn.Sequential(nn.ReLU(), nn.ReLU()), ["0", "1"]),
        AssertionError,
        "nothing is known about fusing",
    ),
    (lambda: tq.fuse_modules(small().train(), ["conv", "bn"]), AssertionError, "eval"),
    (lambda: tq.prepare_qat(small()), AssertionError, "call model.train"),
    (lambda: tq.quantize_dynamic(small(), dtype=lampas.float32), ValueError, "no usual settings"),
    (lambda: tq.quantize_dynamic(small(), {nn.Linear}, dtype=lampas.float32), RuntimeError, "Unknown dtype"),
    (lambda: tq.QConfig(tq.MinMaxObserver(), tq.MinMaxObserver), ValueError, "classes of observers"),
    (lambda: tq.get_default_qconfig("tpu"), AssertionError, "backend must be one of"),
    (lambda: nnq.FloatFunctional()(FULL), RuntimeError, "call one of its operations"),
    (lambda: nnq.Conv2d(1, 1, 1)(FULL), ValueError, r"Input shape must be `\(N, C, H, W\)`, got \(1, 2\)"),
    (lambda: nnq.Conv2d(1, 1, 1, padding_mode="odd"), ValueError, "'padding_mode' odd is not supported"),
    (lambda: nnq.Conv2d(1, 1, 1, padding="same"), RuntimeError, "takes padding as numbers"),
    (lambda: nnq.Conv3d(1, 1, 1, padding_mode="reflect"), AssertionError, "reflection"),
    (lambda: nnq.Linear(2, 3, dtype=lampas.float32), RuntimeError, "give qint8 or float16"),
    (lambda: nnq.Linear.from_float(nn.Conv2d(1, 1, 1)), AssertionError, "only works for Linear"),
    (lambda: nnq.Linear.from_float(nn.Linear(1, 1)), AssertionError, "must have qconfig defined"),
    (lambda: nnq.QFunctional.from_float(nn.ReLU()), AssertionError, "expects an instance of FloatFunctional"),
    (lambda: nnq.LSTM.from_float(nn.LSTM(1, 1)), NotImplementedError, r"run prepare\(\)"),
    (lambda: nnq.functional.avg_pool2d(lampas.ones(1, 1, 2, 2), 2), ValueError, "must be quantized"),
    (lambda: nnqat.Linear(1, 1), AssertionError, "qconfig must be provided"),
    (lambda: nnqat.Embedding(2, 2, qconfig=tq.default_qat_qconfig), AssertionError, "default_embedding_qat_qconfig"),
    (lambda: nni.ConvReLU2d(nn.Linear(1, 1), nn.ReLU()), AssertionError, "Incorrect types .* Linear and ReLU"),
    (lambda: nnqd.LSTM(2, 3)(lampas.ones(2, 2, 5)), RuntimeError, "Expected 2, got 5"),
    (lambda: nnqd.LSTM(2, 3, dropout=2.0), ValueError, "probability"),
    (lambda: nnqd.GRUCell(2, 3)(lampas.ones(2, 5)), RuntimeError, "got 5, expected 2"),
    (lambda: nnqd.RNNCell(2, 3, nonlinearity="odd")(lampas.ones(2, 2)), RuntimeError, "Unknown nonlinearity: odd"),
    (lambda: tq.quantize_fx.prepare_fx(small(), {}, ()), NotImplementedError, "eager mode"),
    (lambda: tq.convert(small(), is_reference=True), NotImplementedError, "reference modules"),
    (lambda: tq.quantize_pt2e.convert_pt2e(small()), NotImplementedError, "eager mode"),
    (lambda: tq.quantize_jit(small(), {}, None, None), NotImplementedError, "eager mode"),
]


@pytest.mark.parametrize("number", range(len(MESSAGES)))
def test_messages(number):
    call, kind, text = MESSAGES[number]
    with pytest.raises(kind, match=text):
        call()


def test_weights_per_channel_are_refused_for_transposed_convolutions():
    model = nn.Sequential(nn.ConvTranspose2d(1, 1, 1)).eval()
    model.qconfig = tq.get_default_qconfig("x86")
    with pytest.raises(AssertionError, match="default_weight_observer"):
        tq.prepare(model)


def test_warnings():
    model = tq.QuantWrapper(nn.Linear(2, 2)).eval()
    with pytest.warns(UserWarning, match="no module has a qconfig"):
        tq.prepare(model)
    model.qconfig = tq.default_qconfig
    with pytest.warns(UserWarning, match="before convert"):
        tq.convert(tq.prepare(model))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tq.get_default_qconfig("x86").activation()
