"""Devices that are not there, switches of libraries, and the device tensors are made on."""

import importlib

import pytest

import lampas

cuda = lampas.cuda


def test_the_idiom():
    device = lampas.device("cuda" if cuda.is_available() else "cpu")
    assert device.type == "cpu"
    model = lampas.nn.Linear(2, 2).to(device, non_blocking=True)
    assert model(lampas.ones(1, 2).to(device)).device == device
    assert cuda.device_count() == 0 and list(range(cuda.device_count())) == []
    cuda.manual_seed(1), cuda.manual_seed_all(1), cuda.empty_cache(), cuda.reset_peak_memory_stats()
    assert cuda.memory_allocated() == cuda.max_memory_allocated("cuda:0") == cuda.memory_reserved() == 0


@pytest.mark.parametrize(
    ("module", "name", "kind"),
    [
        ("cuda", "current_device", AssertionError),
        ("cuda", "get_device_name", AssertionError),
        ("cuda", "synchronize", AssertionError),
        ("cuda", "Stream", RuntimeError),
        ("cuda", "Event", RuntimeError),
        ("cuda.nvtx", "range_push", RuntimeError),
        ("xpu", "current_device", AssertionError),
        ("mps", "empty_cache", RuntimeError),
        ("mtia", "synchronize", RuntimeError),
        ("accelerator", "current_device_index", RuntimeError),
    ],
)
def test_uses_are_refused_by_name(module, name, kind):
    function = getattr(importlib.import_module(f"lampas.{module}"), name)
    with pytest.raises(kind, match=rf"{name}\(\): .*"):
        function()


def test_cuda_tensors_are_names_only():
    assert not isinstance(lampas.zeros(1), cuda.FloatTensor)
    assert cuda.FloatTensor is cuda.FloatTensor and repr(cuda.LongTensor) == "<class 'torch.cuda.LongTensor'>"
    with pytest.raises(TypeError, match=r"torch\.cuda\.FloatTensor not available.*use torch.FloatTensor"):
        cuda.FloatTensor(2, 3)
    for kind in (cuda.FloatTensor, "torch.cuda.FloatTensor"):
        with pytest.raises(RuntimeError, match="there is no CUDA device"):
            lampas.zeros(1).type(kind)


def test_regions_of_a_device_that_is_not_there():
    with cuda.device(-1), cuda.device(None), cuda.stream(None), cuda.device_of(lampas.zeros(1)):
        pass
    with pytest.raises(RuntimeError, match="there is no device cuda:0"), cuda.device("cuda:0"):
        pass
    with pytest.raises(ValueError, match="Expected a cuda device, but got: cpu"):
        cuda.device("cpu")
    with pytest.raises(AssertionError, match="set_device"):
        cuda.set_device(0)
    cuda.set_device(-1)
    with pytest.raises(RuntimeError, match="Cannot access accelerator"), lampas.accelerator.device_index(0):
        pass


def test_former_names_warn():
    with pytest.warns(FutureWarning, match="use `torch.cuda.memory_reserved`"):
        assert cuda.memory_cached() == 0
    with pytest.warns(UserWarning, match="'has_mkldnn' is deprecated"):
        assert lampas.has_mkldnn is True


def test_switches_keep_what_they_are_given():
    cudnn = lampas.backends.cudnn
    assert (cudnn.enabled, cudnn.benchmark, cudnn.deterministic) == (True, False, False)
    with cudnn.flags(enabled=False, benchmark=True):
        assert (cudnn.enabled, cudnn.benchmark, cudnn.deterministic) == (False, True, False)
    assert cudnn.enabled and not cudnn.benchmark
    cudnn.benchmark = True
    cudnn.benchmark = False
    with pytest.raises(RuntimeError, match=r"cudnn\.enabled expects a bool, but got str"):
        cudnn.enabled = "yes"
    with pytest.raises(TypeError, match="no switch 'speed'"):
        cudnn.set_flags(speed=1)
    with lampas.backends.mkldnn.flags(enabled=False):
        assert not lampas.backends.mkldnn.enabled


def test_precision_of_products_is_one_switch():
    matmul = lampas.backends.cuda.matmul
    try:
        matmul.allow_tf32 = True
        assert lampas.get_float32_matmul_precision() == "high" and matmul.fp32_precision == "tf32"
        lampas.set_float32_matmul_precision("highest")
        assert matmul.allow_tf32 is False and lampas.backends.mkldnn.matmul.fp32_precision == "ieee"
        with pytest.raises(RuntimeError, match="expects a bool"):
            matmul.allow_tf32 = "yes"
        with pytest.raises(RuntimeError, match="Unknown precision: double"):
            matmul.fp32_precision = "double"
        with pytest.raises(AttributeError, match="no switch 'nothing'"):
            matmul.nothing = 1
    finally:
        lampas.set_float32_matmul_precision("highest")


def test_attention_switches_and_quantized_engine():
    backend = lampas.backends.cuda
    with pytest.warns(FutureWarning, match="sdpa_kernel"), backend.sdp_kernel(enable_flash=False):
        assert not backend.flash_sdp_enabled()
    assert backend.flash_sdp_enabled()
    quantized = lampas.backends.quantized
    before = quantized.engine
    quantized.engine = "fbgemm"
    assert quantized.engine == "fbgemm"
    quantized.engine = before
    with pytest.raises(RuntimeError, match="nothing is not a valid value for quantized engine; use one of qnnpack"):
        quantized.engine = "nothing"


def test_regions_decide_where_tensors_are_made():
    assert lampas.get_default_device() == lampas.device("cpu")
    with lampas.device("meta") as device:
        assert lampas.get_default_device() == device
        assert lampas.zeros(2).device == lampas.nn.Linear(2, 2).weight.device == device
        with lampas.device("cpu"):
            assert lampas.zeros(2).device.type == "cpu" and lampas.tensor([1.0]).device.type == "cpu"
        assert lampas.arange(3).device == device and lampas.zeros(2, device="cpu").device.type == "cpu"
    assert lampas.zeros(2).device.type == "cpu"
    with pytest.raises(ZeroDivisionError), lampas.device("meta"):
        1 / 0
    assert lampas.zeros(2).device.type == "cpu"


def test_default_device():
    try:
        lampas.set_default_device("meta")
        assert lampas.get_default_device().type == lampas.zeros(2).device.type == "meta"
        lampas.set_default_device("cpu")
        assert lampas.zeros(2).device.type == "cpu"
        lampas.set_default_device("cuda")
        with pytest.raises(AssertionError, match="no CUDA device"):
            lampas.zeros(2)
    finally:
        lampas.set_default_device(None)
    assert lampas.zeros(2).device.type == "cpu"
    with pytest.raises(RuntimeError, match="Expected one of cpu"):
        lampas.set_default_device("nothing")
    with lampas.device("cpu"), pytest.raises(RuntimeError, match="call it outside"):
        lampas.set_default_device("meta")


def test_modules_of_devices():
    assert lampas.get_device_module("cuda") is lampas.cuda and lampas.get_device_module() is lampas.cpu
    with pytest.raises(RuntimeError, match="no module belongs to the device 'meta'"):
        lampas.get_device_module("meta")
    assert lampas.get_device(lampas.zeros(1)) == -1
    assert lampas.version.cuda is None and lampas.version.__version__ == lampas.__version__
