"""Observers, fake quantizers and qconfigs against PyTorch: the same numbers after the same data."""

import importlib
import re
import warnings
from typing import Any

import numpy as np
import pytest

import lampas

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:Please use quant_min:UserWarning", "ignore::DeprecationWarning")


def quantization(library: Any) -> Any:
    return importlib.import_module(f"{library.__name__}.ao.quantization")


def batches(count: int = 4, seed: int = 0, shape: tuple[int, ...] = (6, 5, 4)) -> list[np.ndarray]:
    """Batches of growing spread and moving mean, so that ranges widen between calls."""
    rng = np.random.default_rng(seed)
    return [(rng.standard_normal(shape) * (1 + i) + 0.3 * i).astype(np.float32) for i in range(count)]


def qparams(library: Any, observer: Any, data: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, Any]:
    for batch in data:
        observer(library.tensor(batch))
    scale, zero_point = observer.calculate_qparams()
    return np.asarray(scale.tolist()), np.asarray(zero_point.tolist()), (str(scale.dtype), str(zero_point.dtype))


def both(make: Any, data: list[np.ndarray]) -> None:
    ours = qparams(lampas, make(lampas, quantization(lampas)), data)
    theirs = qparams(torch, make(torch, quantization(torch)), data)
    np.testing.assert_allclose(ours[0], theirs[0], rtol=2e-7, atol=0)
    np.testing.assert_allclose(ours[1], theirs[1], rtol=2e-7, atol=0)
    assert ours[2] == theirs[2]


PER_TENSOR = ["MinMaxObserver", "MovingAverageMinMaxObserver", "HistogramObserver"]
PER_CHANNEL = ["PerChannelMinMaxObserver", "MovingAveragePerChannelMinMaxObserver"]


@pytest.mark.parametrize("name", PER_TENSOR)
@pytest.mark.parametrize("scheme", ["per_tensor_affine", "per_tensor_symmetric"])
@pytest.mark.parametrize("dtype", ["quint8", "qint8"])
@pytest.mark.parametrize("options", [{}, {"reduce_range": True}, {"quant_min": 0, "quant_max": 127}], ids=str)
def test_one_scale(name: str, scheme: str, dtype: str, options: dict) -> None:
    if scheme == "per_tensor_symmetric" and dtype == "quint8" and "reduce_range" in options:
        pytest.skip("refused by both")

    def make(library: Any, tq: Any) -> Any:
        return getattr(tq, name)(dtype=getattr(library, dtype), qscheme=getattr(library, scheme), **options)

    both(make, batches())


@pytest.mark.parametrize("name", PER_CHANNEL)
@pytest.mark.parametrize("scheme", ["per_channel_affine", "per_channel_symmetric", "per_channel_affine_float_qparams"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_scale_for_each_channel(name: str, scheme: str, axis: int) -> None:
    def make(library: Any, tq: Any) -> Any:
        return getattr(tq, name)(ch_axis=axis, dtype=library.quint8, qscheme=getattr(library, scheme))

    both(make, batches())


@pytest.mark.parametrize(
    "data",
    [
        batches(6, 1, (400,)),
        [np.abs(b) for b in batches(5, 2, (300,))],
        [np.full(7, 2.0, np.float32), np.linspace(-1, 5, 50, dtype=np.float32)],
        [np.zeros(5, np.float32), np.full(4, 3.0, np.float32)],
        [np.random.default_rng(3).standard_t(2, 4000).astype(np.float32) for _ in range(3)],
        [np.array([-1e-3, 1e-3], np.float32), np.array([1e4, -5.0], np.float32)],
        [np.zeros((0, 3), np.float32), np.ones(3, np.float32)],
    ],
    ids=["widening", "positive", "one value first", "constants", "heavy tails", "far apart", "empty first"],
)
@pytest.mark.parametrize("bins", [2048, 64])
def test_histogram(data: list[np.ndarray], bins: int) -> None:
    both(lambda library, tq: tq.HistogramObserver(bins=bins), data)
    kept = []
    for library in (lampas, torch):
        observer = quantization(library).HistogramObserver(bins=bins)
        for batch in data:
            observer(library.tensor(batch))
        kept.append(np.asarray(observer.histogram.tolist()))
    np.testing.assert_allclose(kept[0], kept[1], atol=1e-3)


def test_infinite_values_are_left_out_with_a_warning() -> None:
    for library in (lampas, torch):
        observer = quantization(library).HistogramObserver()
        with pytest.warns(UserWarning, match="inf detected in input tensor"):
            observer(library.tensor([1.0, float("inf"), -2.0]))
        assert (float(observer.min_val), float(observer.max_val)) == (-2.0, 1.0)


NAMES = [
    *("default_observer", "default_weight_observer", "default_histogram_observer", "default_dynamic_quant_observer"),
    *("default_per_channel_weight_observer", "default_fixed_qparams_range_0to1_observer", "default_fake_quant"),
    *("default_weight_fake_quant", "default_per_channel_weight_fake_quant", "default_fused_act_fake_quant"),
    *("default_fused_per_channel_wt_fake_quant", "default_embedding_fake_quant", "default_histogram_fake_quant"),
    *("default_float_qparams_observer", "default_placeholder_observer", "default_debug_observer"),
    *("default_reuse_input_observer", "default_dynamic_fake_quant", "fused_wt_fake_quant_range_neg_127_to_127"),
    *("default_symmetric_fixed_qparams_fake_quant", "weight_observer_range_neg_127_to_127"),
]


@pytest.mark.parametrize("name", NAMES)
def test_made_alike(name: str) -> None:
    ours, theirs = (getattr(quantization(library), name) for library in (lampas, torch))
    assert re.sub(r"'lampas\.", "'torch.", repr(ours)) == repr(theirs)
    a, b = ours(), theirs()
    assert repr(a) == repr(b)
    assert list(a.state_dict()) == list(b.state_dict())
    assert {k: str(v.dtype) for k, v in a.state_dict().items()} == {k: str(v.dtype) for k, v in b.state_dict().items()}
    assert dict(a.state_dict()._metadata) == dict(b.state_dict()._metadata)


def same_qconfig(ours: Any, theirs: Any) -> None:
    assert re.sub(r"'lampas\.", "'torch.", repr(ours)) == repr(theirs)


@pytest.mark.parametrize("backend", ["x86", "fbgemm", "onednn", "qnnpack"])
def test_default_qconfigs(backend: str) -> None:
    ours, theirs = quantization(lampas), quantization(torch)
    same_qconfig(ours.get_default_qconfig(backend), theirs.get_default_qconfig(backend))
    for version in (0, 1):
        same_qconfig(ours.get_default_qat_qconfig(backend, version), theirs.get_default_qat_qconfig(backend, version))
    for name in ("get_default_qconfig_mapping", "get_default_qat_qconfig_mapping"):
        ours, theirs = (getattr(quantization(library), name)(backend) for library in (lampas, torch))
        assert len(ours.object_type_qconfigs) == len(theirs.object_type_qconfigs)
        for a, b in zip(ours.object_type_qconfigs.values(), theirs.object_type_qconfigs.values()):
            same_qconfig(a, b)


def test_every_qconfig() -> None:
    ours = importlib.import_module("lampas.ao.quantization.qconfig")
    theirs = importlib.import_module("torch.ao.quantization.qconfig")
    names = [name for name in theirs.__all__ if isinstance(getattr(theirs, name), theirs.QConfig)]
    assert len(names) > 15
    for name in names:
        same_qconfig(getattr(ours, name), getattr(theirs, name))


def test_every_public_name() -> None:
    assert not [n for n in quantization(torch).__all__ if not hasattr(quantization(lampas), n)]
    for name in (
        *("nn.quantized", "nn.quantized.dynamic", "nn.quantized.functional", "nn.qat", "nn.qat.dynamic"),
        *("nn.intrinsic", "nn.intrinsic.qat", "nn.intrinsic.quantized", "nn.intrinsic.quantized.dynamic"),
        *("nn.quantizable", "quantization.qconfig", "quantization.quantize", "quantization.stubs"),
        *("quantization.observer", "quantization.fake_quantize", "quantization.utils"),
    ):
        ours, theirs = (importlib.import_module(f"{lib}.ao.{name}") for lib in ("lampas", "torch"))
        public = getattr(theirs, "__all__", None) or [n for n in dir(theirs) if not n.startswith("_")]
        absent = [n for n in public if not hasattr(ours, n)]
        assert set(absent) <= {"check_node"}, name


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("per_channel", [False, True])
def test_fake_quantizers_train_alike(fused: bool, per_channel: bool) -> None:
    results = []
    for library in (lampas, torch):
        tq = quantization(library)
        kind = tq.FusedMovingAvgObsFakeQuantize if fused else tq.FakeQuantize
        if per_channel:
            fake = kind(
                observer=tq.MovingAveragePerChannelMinMaxObserver,
                quant_min=-128,
                quant_max=127,
                dtype=library.qint8,
                qscheme=library.per_channel_symmetric,
            )
        else:
            fake = kind(quant_min=0, quant_max=255)
        out = []
        for step, batch in enumerate(batches(5)):
            if step == 3:
                fake.apply(tq.disable_observer)
            x = library.tensor(batch, requires_grad=True)
            y = fake(x)
            (y * y).sum().backward()
            out += [y.detach().tolist(), x.grad.tolist(), fake.scale.tolist(), fake.zero_point.tolist()]
        fake.apply(tq.disable_fake_quant)
        assert (fake(x) == x).all()
        results.append(out)
    for ours, theirs in zip(*results):
        np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=1e-6, atol=1e-6)


def test_an_observers_state_goes_over() -> None:
    for name in (*PER_TENSOR, *PER_CHANNEL):
        source = getattr(quantization(torch), name)()
        for batch in batches():
            source(torch.tensor(batch))
        target = getattr(quantization(lampas), name)()
        target.load_state_dict({key: lampas.tensor(value.tolist()) for key, value in source.state_dict().items()})
        for ours, theirs in zip(target.calculate_qparams(), source.calculate_qparams()):
            np.testing.assert_allclose(ours.tolist(), theirs.tolist(), rtol=2e-7)


REFUSED = [
    lambda lib, tq: tq.MinMaxObserver(qscheme=lib.per_channel_affine),
    lambda lib, tq: tq.PerChannelMinMaxObserver(qscheme=lib.per_tensor_affine),
    lambda lib, tq: tq.PerChannelMinMaxObserver(is_dynamic=True),
    lambda lib, tq: tq.HistogramObserver(is_dynamic=True),
    lambda lib, tq: tq.MovingAverageMinMaxObserver(is_dynamic=True),
    lambda lib, tq: tq.MinMaxObserver(dtype=lib.float32),
    lambda lib, tq: tq.MinMaxObserver(quant_min=1, quant_max=5),
    lambda lib, tq: tq.MinMaxObserver(quant_min=0, quant_max=300, dtype=lib.qint8),
    lambda lib, tq: tq.MinMaxObserver(dtype=lib.quint8, qscheme=lib.per_tensor_symmetric, reduce_range=True),
    lambda lib, tq: tq.PlaceholderObserver().calculate_qparams(),
    lambda lib, tq: tq.NoopObserver().calculate_qparams(),
    lambda lib, tq: tq.FakeQuantize(quant_min=0, quant_max=300),
    lambda lib, tq: tq.FakeQuantize(quant_min=30, quant_max=20),
    lambda lib, tq: tq.FusedMovingAvgObsFakeQuantize(observer=tq.MinMaxObserver),
    lambda lib, tq: tq.FixedQParamsFakeQuantize(observer=tq.MinMaxObserver),
    lambda lib, tq: tq.QConfig(activation=tq.MinMaxObserver(), weight=tq.MinMaxObserver),
    lambda lib, tq: tq.get_default_qconfig("tpu"),
    lambda lib, tq: tq.get_default_qconfig("x86", 7),
    lambda lib, tq: tq.get_default_qat_qconfig("x86", 7),
    lambda lib, tq: tq.get_block_size((4, 6, 8), tq.PerGroup(4)),
    lambda lib, tq: tq.get_fuser_method((lib.nn.ReLU, lib.nn.ReLU)),
    lambda lib, tq: tq.prepare_qat(lib.nn.Linear(1, 1).eval()),
    lambda lib, tq: tq.get_static_quant_module_class(lib.nn.GELU),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_refused_alike(number: int) -> None:
    kinds = []
    for library in (lampas, torch):
        with warnings.catch_warnings(), pytest.raises(Exception) as caught:
            warnings.simplefilter("ignore")
            REFUSED[number](library, quantization(library))
        kinds.append(caught.type.__name__)
    assert kinds[0] == kinds[1]
