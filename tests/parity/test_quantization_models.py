"""Whole models through eager-mode quantization, with the same weights in lampas and in PyTorch."""

import copy
import importlib
import io
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lampas

torch = pytest.importorskip("torch")
LIBRARIES = (lampas, torch)
# What PyTorch says about itself, and what both say of operations that are not observed.
pytestmark = [
    pytest.mark.filterwarnings(f"ignore:{said}")
    for said in (
        *("Please use quant_min:UserWarning", ":DeprecationWarning", "TypedStorage is deprecated:UserWarning"),
        "torch.quantize_per_tensor, torch.quantize_per_channel and:UserWarning",
        *(
            "All inputs of this cat operator:UserWarning",
            "must run observer before:UserWarning",
            "an observer has seen no data:UserWarning",
        ),
    )
]


def ao(library: Any, name: str) -> Any:
    return importlib.import_module(f"{library.__name__}.ao.{name}")


def filled(library: Any, model: Any, seed: int = 0) -> Any:
    """The model with parameters and buffers from a seed that does not depend on the library."""
    rng = np.random.default_rng(seed)
    with library.no_grad():
        for name, value in model.state_dict().items():
            if value.dtype == library.float32:
                made = rng.standard_normal(tuple(value.shape)).astype(np.float32) * 0.3
                value.copy_(library.tensor(np.abs(made) + 0.5 if "running_var" in name else made))
    return model


def inputs(library: Any, *shape: int, seed: int = 1, count: int = 3) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [library.tensor(rng.standard_normal(shape).astype(np.float32) * (1 + i)) for i in range(count)]


def residual(library: Any) -> Any:
    """Convolutions with normalization and a residual addition, as the tutorials have them."""
    nn, tq, nnq = library.nn, ao(library, "quantization"), ao(library, "nn.quantized")

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.bn1, self.relu1 = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()
            self.conv2, self.bn2 = nn.Conv2d(4, 4, 3, padding=1, groups=2, bias=False), nn.BatchNorm2d(4)
            self.skip = nnq.FloatFunctional()

        def forward(self, x: Any) -> Any:
            y = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
            return self.skip.add_relu(y, x)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.quant, self.dequant = tq.QuantStub(), tq.DeQuantStub()
            self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.MaxPool2d(2))
            self.block = Block()
            self.pool, self.drop = nn.AdaptiveAvgPool2d(2), nn.Dropout(0.0)
            self.fc1, self.act, self.fc2 = nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3)

        def forward(self, x: Any) -> Any:
            x = self.pool(self.block(self.stem(self.quant(x))))
            x = self.drop(library.flatten(x, 1))
            return self.dequant(self.fc2(self.act(self.fc1(x))))

    return filled(library, Net())


FUSED = [
    ["stem.0", "stem.1"],
    ["block.conv1", "block.bn1", "block.relu1"],
    ["block.conv2", "block.bn2"],
    ["fc1", "act"],
]


def activations(library: Any) -> Any:
    nn, tq = library.nn, ao(library, "quantization")
    return filled(
        library,
        nn.Sequential(
            *(tq.QuantStub(), nn.Conv2d(2, 4, 1), nn.Hardswish(), nn.BatchNorm2d(4), nn.LeakyReLU(0.2), nn.ELU()),
            *(nn.GroupNorm(2, 4), nn.ConvTranspose2d(4, 4, 2, stride=2), nn.ReLU6(), nn.InstanceNorm2d(4, affine=True)),
            *(nn.Sigmoid(), nn.AvgPool2d(2), nn.Conv2d(4, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(16, 6)),
            *(nn.LayerNorm(6), tq.DeQuantStub()),
        ),
    )


def one_dimensional(library: Any) -> Any:
    nn, tq = library.nn, ao(library, "quantization")
    return filled(
        library,
        nn.Sequential(
            *(tq.QuantStub(), nn.Conv1d(2, 4, 3, padding=1), nn.ReLU(), nn.Conv1d(4, 4, 3, dilation=2)),
            *(nn.Flatten(), nn.Linear(16, 5), nn.BatchNorm1d(5), tq.DeQuantStub()),
        ),
    )


def three_dimensional(library: Any) -> Any:
    nn, tq = library.nn, ao(library, "quantization")
    layers = (nn.Conv3d(2, 4, 2), nn.BatchNorm3d(4), nn.ReLU(), nn.Conv3d(4, 3, 2, padding=1))
    return filled(library, nn.Sequential(tq.QuantStub(), *layers, tq.DeQuantStub()))


MODELS: dict[str, tuple[Callable, tuple[int, ...], list]] = {
    "residual": (residual, (4, 3, 15, 15), FUSED),
    "activations": (activations, (2, 2, 4, 4), []),
    "1d": (one_dimensional, (3, 2, 8), [["1", "2"], ["5", "6"]]),
    "3d": (three_dimensional, (2, 2, 4, 4, 4), [["1", "2", "3"]]),
    "3d bn relu": (three_dimensional, (2, 2, 4, 4, 4), [["2", "3"]]),
}


def fused(library: Any, name: str, qat: bool) -> Any:
    make, _, groups = MODELS[name]
    tq = ao(library, "quantization")
    model = make(library).train(qat)
    return (tq.fuse_modules_qat if qat else tq.fuse_modules)(model, groups) if groups else model


def set_qconfig(library: Any, model: Any, backend: str = "x86") -> None:
    tq, nn = ao(library, "quantization"), library.nn
    model.qconfig = tq.get_default_qconfig(backend)
    for module in model.modules():
        if isinstance(module, nn.ConvTranspose2d):
            module.qconfig = tq.default_qconfig


def prepared(library: Any, name: str, backend: str = "x86") -> Any:
    model = fused(library, name, qat=False)
    set_qconfig(library, model, backend)
    return ao(library, "quantization").prepare(model)


def numbers(text: str) -> list[float]:
    return [float(n) for n in re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", text)]


def same_print(ours: Any, theirs: Any) -> None:
    # PyTorch's quantized instance normalization prints its arguments in each other's places.
    a, b = (re.sub(r"(QuantizedInstanceNorm\d)d\(.*\)", r"\1", repr(model)) for model in (ours, theirs))
    mask = r"(scale|zero_point|min_val|max_val)=[^,)\n]*"
    assert re.sub(mask, r"\1", re.sub(r"tensor\([^()]*\)", "T", a)) == re.sub(
        mask, r"\1", re.sub(r"tensor\([^()]*\)", "T", b)
    )
    np.testing.assert_allclose(numbers(a), numbers(b), rtol=1e-3, atol=1.01)


def same_state(ours: Any, theirs: Any) -> None:
    a, b = ours.state_dict(), theirs.state_dict()
    assert list(a) == list(b)
    assert dict(a._metadata) == dict(b._metadata)
    for key, value in a.items():
        if isinstance(value, lampas.Tensor):
            assert (str(value.dtype), tuple(value.shape)) == (str(b[key].dtype), tuple(b[key].shape)), key
        else:
            assert type(value).__name__ == type(b[key]).__name__, key


def close(ours: Any, theirs: Any, step: float, share: float = 1.0) -> None:
    """Within one step of quantization."""
    a, b = np.asarray(ours.tolist()), np.asarray(theirs.tolist())
    assert a.shape == b.shape
    np.testing.assert_allclose(a, b, atol=step * 1.01 + 1e-6)
    assert np.mean(np.abs(a - b) > 1e-5) <= share


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("backend", ["x86", "qnnpack"])
def test_static(name: str, backend: str) -> None:
    models, outs, steps = [], [], []
    for library in LIBRARIES:
        model = prepared(library, name, backend)
        for x in inputs(library, *MODELS[name][1]):
            model(x)
        models.append([model, ao(library, "quantization").convert(model)])
        outs.append(models[-1][1](inputs(library, *MODELS[name][1])[0]))
        observers = [m for m in model.modules() if type(m).__name__ == "HistogramObserver"]
        steps.append(float(observers[-1].calculate_qparams()[0]))
    same_print(models[0][0], models[1][0])
    same_print(models[0][1], models[1][1])
    same_state(models[0][0], models[1][0])
    same_state(models[0][1], models[1][1])
    close(*outs, steps[0] * (3 if name == "activations" else 1), share=0.5)


@pytest.mark.parametrize("name", ["residual", "1d", "3d"])
@pytest.mark.parametrize("version", [0, 1])
def test_training(name: str, version: int) -> None:
    models, losses, outs = [], [], []
    for library in LIBRARIES:
        tq = ao(library, "quantization")
        model = fused(library, name, qat=True)
        model.qconfig = tq.get_default_qat_qconfig("x86", version)
        library.manual_seed(3)
        model = tq.prepare_qat(model)
        drawn = library.rand(1).item()
        optimizer = library.optim.SGD(model.parameters(), lr=0.02)
        trace = []
        for step in range(8):
            x = inputs(library, *MODELS[name][1], seed=step, count=1)[0]
            loss = (model(x) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            trace.append(loss.item())
            if step == 5:
                model.apply(tq.disable_observer)
                model.apply(ao(library, "nn.intrinsic.qat").freeze_bn_stats)
        quantized = tq.convert(model.eval())
        models.append((model, quantized, drawn))
        losses.append(trace)
        outs.append(quantized(inputs(library, *MODELS[name][1])[0]))
    assert models[0][2] == models[1][2]  # the same random numbers were used
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-2)
    same_print(models[0][0], models[1][0])
    same_print(models[0][1], models[1][1])
    same_state(models[0][0], models[1][0])
    same_state(models[0][1], models[1][1])
    close(*outs, 4 * float(np.ptp(np.asarray(outs[1].tolist()))) / 127)


def recurrent(library: Any, kind: str, **options: Any) -> Any:
    nn = library.nn

    class Words(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(11, 6)
            self.rnn = getattr(nn, kind)(6, 5, **options)
            self.head = nn.Linear(5 * (2 if options.get("bidirectional") else 1), 11)

        def forward(self, words: Any) -> Any:
            out, state = self.rnn(self.embed(words))
            return self.head(out), state

    return filled(library, Words()).eval()


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
@pytest.mark.parametrize(
    "options",
    [{}, {"num_layers": 2, "bidirectional": True}, {"batch_first": True}],
    ids=["plain", "deep", "batch first"],
)
def test_dynamic_recurrent(kind: str, options: dict) -> None:
    results = []
    for library in LIBRARIES:
        tq, nn = ao(library, "quantization"), library.nn
        model = recurrent(library, kind, **options)
        quantized = tq.quantize_dynamic(model, {getattr(nn, kind), nn.Linear}, dtype=library.qint8)
        words = library.tensor(np.random.default_rng(0).integers(0, 11, (7, 3)))
        out, state = quantized(words)
        state = state if isinstance(state, tuple) else (state,)
        weights = {key: value.int_repr().tolist() for key, value in quantized.rnn.get_weight().items()}
        results.append((quantized, [out, *state], weights))
    assert repr(results[0][0]) == repr(results[1][0])
    assert list(results[0][0].state_dict()) == list(results[1][0].state_dict())
    assert results[0][2] == results[1][2]
    for ours, theirs in zip(results[0][1], results[1][1]):
        np.testing.assert_allclose(ours.tolist(), theirs.tolist(), atol=2e-3)


@pytest.mark.parametrize("kind", ["LSTMCell", "GRUCell", "RNNCell"])
def test_dynamic_cells(kind: str) -> None:
    outs = []
    for library in LIBRARIES:
        nn = library.nn
        model = filled(library, nn.Sequential(getattr(nn, kind)(4, 3)))
        quantized = ao(library, "quantization").quantize_dynamic(model, {getattr(nn, kind)})
        out = quantized(inputs(library, 2, 4)[0])
        outs.append((repr(quantized), list(quantized.state_dict()), [o.tolist() for o in out]))
    assert outs[0][:2] == outs[1][:2]
    np.testing.assert_allclose(outs[0][2], outs[1][2], atol=2e-3)


@pytest.mark.parametrize("dtype", ["qint8", "float16"])
def test_dynamic_linear(dtype: str) -> None:
    outs, models = [], []
    for library in LIBRARIES:
        nn, tq = library.nn, ao(library, "quantization")
        model = filled(library, nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 2, bias=False))).eval()
        model = tq.quantize_dynamic(tq.fuse_modules(model, ["0", "1"]), dtype=getattr(library, dtype))
        models.append(model)
        outs.append(model(inputs(library, 5, 8)[0]))
    assert repr(models[0]) == repr(models[1])
    same_state(*models)
    np.testing.assert_allclose(outs[0].tolist(), outs[1].tolist(), atol=2e-3)


def test_embeddings() -> None:
    outs, models = [], []
    for library in LIBRARIES:
        nn, tq = library.nn, ao(library, "quantization")
        model = filled(library, nn.ModuleDict({"one": nn.Embedding(9, 8), "bag": nn.EmbeddingBag(9, 8, mode="sum")}))
        model = tq.quantize_dynamic(model, dtype=library.quint8)
        models.append(model)
        index = library.tensor([0, 8, 3, 3, 5])
        outs += [[model["one"](index).tolist(), model["bag"](index, library.tensor([0, 2, 2])).tolist()]]
    assert repr(models[0]) == repr(models[1])
    same_state(*models)
    for ours, theirs in zip(*outs):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def exchanged(source: Any, target: Any, model: Any) -> Any:
    """What one library saves, loaded by the other."""
    file = io.BytesIO()
    source.save(model.state_dict(), file)
    file.seek(0)
    return target.load(file)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("direction", ["to lampas", "to torch"])
def test_state_dicts_exchange(name: str, direction: str) -> None:
    source, target = (torch, lampas) if direction == "to lampas" else (lampas, torch)
    model = prepared(source, name)
    for x in inputs(source, *MODELS[name][1]):
        model(x)
    untouched = prepared(target, name)
    state = exchanged(source, target, model)
    untouched.load_state_dict(state)
    quantized = ao(source, "quantization").convert(model)
    other = ao(target, "quantization").convert(untouched)
    # Once more, after conversion, into a model whose own numbers are others.
    for module in other.modules():
        if "scale" in module.state_dict() and isinstance(module.scale, float):
            module.scale = 1.0
    other.load_state_dict(exchanged(source, target, quantized))
    expected, out = (m(inputs(lib, *MODELS[name][1])[0]) for m, lib in ((quantized, source), (other, target)))
    span = float(np.ptp(np.asarray(expected.tolist())))
    close(out, expected, span / 20, share=0.3)


def test_dynamic_state_dicts_exchange() -> None:
    made = []
    for library in LIBRARIES:
        nn = library.nn
        model = filled(library, nn.Sequential(nn.Linear(8, 6), nn.Linear(6, 2)), seed=len(made))
        made.append(ao(library, "quantization").quantize_dynamic(model))
    made[0].load_state_dict(exchanged(torch, lampas, made[1]))
    ours, theirs = (m(inputs(lib, 5, 8)[0]) for m, lib in zip(made, LIBRARIES))
    np.testing.assert_allclose(ours.tolist(), theirs.tolist(), atol=2e-3)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
def test_static_lstm(bidirectional: bool, batch_first: bool) -> None:
    outs, models = [], []
    for library in LIBRARIES:
        nn, tq = library.nn, ao(library, "quantization")
        lstm = nn.LSTM(4, 3, num_layers=2, bidirectional=bidirectional, batch_first=batch_first)
        wrapped = tq.QuantWrapper(filled(library, lstm))
        wrapped.dequant = nn.Identity()
        wrapped.qconfig = tq.get_default_qconfig("qnnpack")
        wrapped.eval()
        model = tq.prepare(wrapped)
        for x in inputs(library, 4, 3, 4):
            model(x)
        quantized = tq.convert(model)
        out, (h, c) = quantized(inputs(library, 4, 3, 4)[0])
        models.append((model, quantized))
        outs.append([o.dequantize() for o in (out, h, c)])
    same_print(models[0][1], models[1][1])
    assert list(models[0][1].state_dict()) == list(models[1][1].state_dict())
    for ours, theirs in zip(*outs):
        np.testing.assert_allclose(ours.tolist(), theirs.tolist(), atol=0.05)


def test_static_attention() -> None:
    outs, models = [], []
    for library in LIBRARIES:
        nn, tq = library.nn, ao(library, "quantization")

        class Attend(nn.Module):
            def __init__(self, nn: Any = nn, tq: Any = tq) -> None:
                super().__init__()
                self.quant, self.dequant = tq.QuantStub(), tq.DeQuantStub()
                self.attend = nn.MultiheadAttention(8, 2)

            def forward(self, x: Any) -> Any:
                x = self.quant(x)
                return self.dequant(self.attend(x, x, x)[0])

        model = filled(library, Attend()).eval()
        model.qconfig = tq.get_default_qconfig("qnnpack")
        model = tq.prepare(model)
        for x in inputs(library, 5, 2, 8):
            model(x)
        models.append(tq.convert(copy.deepcopy(model)))
        outs.append(models[-1](inputs(library, 5, 2, 8)[0]))
    same_print(*models)
    np.testing.assert_allclose(outs[0].tolist(), outs[1].tolist(), atol=0.1)
