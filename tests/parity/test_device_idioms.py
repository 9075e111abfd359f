"""What programs ask of devices and libraries where there is no GPU: the answers of PyTorch's CPU build."""

import pytest

import lampas

from .one_line import every_warning, run

torch = pytest.importorskip("torch")

LINES = """
torch.cuda.is_available()
torch.cuda.device_count()
torch.cuda.current_device()
torch.cuda.get_device_name()
torch.cuda.get_device_name(0)
torch.cuda.get_device_capability()
torch.cuda.get_device_properties(0)
torch.cuda.get_device_properties("cuda")
torch.cuda.set_device(-1)
torch.cuda.manual_seed(0)
torch.cuda.manual_seed_all(0)
torch.cuda.empty_cache()
torch.cuda.synchronize()
torch.cuda.memory_allocated()
torch.cuda.memory_allocated(0)
torch.cuda.max_memory_allocated()
torch.cuda.memory_reserved()
torch.cuda.max_memory_reserved()
torch.cuda.memory_cached()
torch.cuda.max_memory_cached()
torch.cuda.memory_stats()
torch.cuda.memory_stats_as_nested_dict()
torch.cuda.mem_get_info()
torch.cuda.ipc_collect()
torch.cuda.init()
torch.cuda.is_initialized()
torch.cuda.get_rng_state()
torch.cuda.get_rng_state_all()
torch.cuda.set_rng_state_all([])
torch.cuda.set_rng_state(torch.zeros(3, dtype=torch.uint8))
torch.cuda.current_stream()
torch.cuda.default_stream()
torch.cuda.Stream()
torch.cuda.Event()
torch.cuda.Event(enable_timing=True)
torch.cuda.Event(enable_timing=True).record()
torch.cuda.device(0)
torch.cuda.is_bf16_supported()
torch.cuda.is_bf16_supported(including_emulation=False)
torch.cuda.is_tf32_supported()
torch.cuda.get_arch_list()
torch.cuda.get_gencode_flags()
torch.cuda.has_half
torch.cuda.has_magma
torch.cuda.default_generators
torch.cuda.can_device_access_peer(0,1)
torch.cuda.current_blas_handle()
torch.cuda.get_sync_debug_mode()
torch.cuda.set_sync_debug_mode(0)
torch.cuda.set_per_process_memory_fraction(0.5)
torch.cuda.is_current_stream_capturing()
torch.cuda.cudart()
torch.cuda.CUDAGraph()
torch.cuda.host_memory_stats()
torch.cuda.FloatTensor
torch.cuda.FloatTensor(2,3)
torch.cuda.FloatTensor([1.])
isinstance(torch.zeros(1), torch.cuda.FloatTensor)
torch.zeros(1).type(torch.cuda.FloatTensor)
torch.zeros(1).type("torch.cuda.FloatTensor")
torch.cuda.OutOfMemoryError
torch.cuda.comm
torch.cuda.memory.memory_allocated()
torch.cuda.random.manual_seed(3)
torch.version.cuda
torch.version.hip
torch.backends.cudnn.enabled
torch.backends.cudnn.benchmark
torch.backends.cudnn.deterministic
torch.backends.cudnn.allow_tf32
torch.backends.cudnn.benchmark_limit
torch.backends.cudnn.is_available()
torch.backends.cudnn.version()
torch.backends.cudnn.is_acceptable(torch.zeros(1))
torch.backends.cudnn.benchmark=True;; torch.backends.cudnn.benchmark
torch.backends.cudnn.deterministic=True;; torch.backends.cudnn.deterministic
torch.backends.cudnn.enabled=False;; torch.backends.cudnn.enabled
torch.backends.cudnn.enabled=True;; torch.backends.cudnn.enabled
torch.backends.cudnn.allow_tf32=True;; torch.backends.cudnn.allow_tf32
torch.backends.cudnn.benchmark_limit=5;; torch.backends.cudnn.benchmark_limit
torch.backends.cuda.is_built()
torch.backends.cuda.matmul.allow_tf32
torch.backends.cuda.matmul.allow_tf32=True;; torch.backends.cuda.matmul.allow_tf32
torch.get_float32_matmul_precision()
torch.backends.cuda.matmul.allow_tf32=False;; torch.backends.cuda.matmul.allow_tf32
torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction
torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction
torch.backends.cuda.matmul.allow_fp16_accumulation
torch.backends.cuda.matmul.fp32_precision
torch.backends.cudnn.fp32_precision
torch.backends.cudnn.conv.fp32_precision
torch.backends.fp32_precision
torch.backends.cuda.flash_sdp_enabled()
torch.backends.cuda.mem_efficient_sdp_enabled()
torch.backends.cuda.math_sdp_enabled()
torch.backends.cuda.cudnn_sdp_enabled()
torch.backends.cuda.enable_flash_sdp(False);; torch.backends.cuda.flash_sdp_enabled()
torch.backends.cuda.enable_math_sdp(True)
torch.backends.cuda.enable_mem_efficient_sdp(True)
torch.backends.cuda.enable_cudnn_sdp(True)
torch.backends.cuda.is_flash_attention_available()
torch.backends.cuda.fp16_bf16_reduction_math_sdp_allowed()
torch.backends.mps.is_available()
torch.backends.mps.is_built()
torch.backends.mkl.is_available()
torch.backends.mkl.VERBOSE_ON
torch.backends.mkldnn.is_available()
torch.backends.mkldnn.enabled
torch.backends.mkldnn.deterministic
torch.backends.mkldnn.allow_tf32
torch.backends.openmp.is_available()
torch.backends.opt_einsum.is_available()
torch.backends.opt_einsum.enabled
torch.backends.opt_einsum.strategy
torch.backends.cpu.get_cpu_capability()
torch.backends.quantized.supported_engines
torch.backends.xnnpack.enabled
torch.backends.mha.get_fastpath_enabled()
torch.backends.cusparselt.is_available()
torch.device('cuda' if torch.cuda.is_available() else 'cpu')
torch.device("cuda")
torch.device("cuda:1").index
torch.device("cuda",0)
torch.device("meta")
torch.device("nothing")
torch.device("cpu:1")
torch.zeros(2).to("cuda")
torch.zeros(2).to(torch.device("cuda:0"))
torch.zeros(2).cuda()
torch.zeros(2).cuda(non_blocking=True)
torch.zeros(2).to("mps")
torch.zeros(2, device="cuda")
torch.tensor([1.], device="cuda")
torch.randn(2, device="cuda:0")
torch.nn.Linear(2,2).cuda()
torch.nn.Linear(2,2).to("cuda")
torch.nn.Linear(2,2,device="cuda")
torch.nn.Linear(2,2).cpu().weight.device
torch.nn.Linear(2,2).xpu()
torch.zeros(2).to("cpu", non_blocking=True)
torch.zeros(2).to(device="cpu", dtype=torch.float64, non_blocking=True, copy=True)
torch.zeros(2).cpu()
torch.zeros(2).is_cuda
torch.zeros(2).get_device()
torch.get_device(torch.zeros(2))
torch.zeros(2).xpu()
torch.zeros(2).is_mps
torch.zeros(2).is_xpu
torch.zeros(2).is_pinned()
torch.zeros(2, pin_memory=False)
torch.get_default_device()
torch.set_default_device("cpu");; torch.get_default_device()
torch.set_default_device(None)
torch.set_default_device("cuda");; torch.set_default_device(None)
torch.accelerator.is_available()
torch.accelerator.device_count()
torch.accelerator.current_accelerator()
torch.accelerator.current_accelerator(check_available=True)
torch.accelerator.current_device_index()
torch.accelerator.current_device_idx()
torch.accelerator.set_device_index(0)
torch.accelerator.synchronize()
torch.accelerator.current_stream()
torch.accelerator.memory_allocated()
torch.accelerator.max_memory_allocated()
torch.accelerator.memory_stats()
torch.accelerator.empty_cache()
torch.accelerator.reset_peak_memory_stats()
torch.accelerator.get_device_capability()
torch.accelerator.get_memory_info()
torch.mps.is_available()
torch.mps.device_count()
torch.mps.empty_cache()
torch.mps.synchronize()
torch.mps.manual_seed(0)
torch.mps.current_allocated_memory()
torch.mps.driver_allocated_memory()
torch.mps.seed()
torch.xpu.is_available()
torch.xpu.device_count()
torch.xpu.current_device()
torch.xpu.empty_cache()
torch.xpu.synchronize()
torch.xpu.manual_seed(0)
torch.xpu.manual_seed_all(0)
torch.xpu.is_initialized()
torch.xpu.get_device_name()
torch.xpu.memory_allocated()
torch.mtia.is_available()
torch.mtia.device_count()
torch.cpu.is_available()
torch.get_device_module("cuda").__name__
torch.get_device_module("cpu").__name__
torch.get_device_module().__name__
torch.Generator(device="cuda")
torch.Generator("cpu").device
torch.cuda.Stream.__name__
isinstance(torch.zeros(1), torch.cuda.LongTensor)
torch.set_default_tensor_type("torch.cuda.FloatTensor")
torch.set_default_tensor_type(torch.cuda.FloatTensor)
torch.has_cuda
torch.has_mps
torch.has_mkldnn
torch.has_cudnn
torch.has_openmp
torch.nn.DataParallel(torch.nn.Linear(2,2)).device_ids
torch.nn.DataParallel(torch.nn.Linear(2,2), device_ids=[0])
torch.nn.DataParallel(torch.nn.Linear(2,2), device_ids=[0,1]).device_ids
torch.nn.DataParallel(torch.nn.Linear(2,2), device_ids=[])
torch.nn.DataParallel(torch.nn.Linear(2,2), device_ids=["cpu"]).device_ids
torch.nn.DataParallel(torch.nn.Linear(2,2))
list(torch.nn.DataParallel(torch.nn.Linear(2,2)).state_dict())
torch.nn.DataParallel(torch.nn.Linear(2,2)).output_device
torch.nn.DataParallel(torch.nn.Linear(2,2)).to("cpu")(torch.zeros(4,2)).shape
torch.nn.DataParallel(torch.nn.Linear(2,2)).src_device_obj
torch.nn.parallel.gather([1,2], "cpu")
torch.nn.parallel.replicate(torch.nn.Linear(2,2), [0])
m=torch.nn.Linear(2,2);; torch.nn.parallel.parallel_apply([m],[torch.zeros(1,3)],None,[None])
m=torch.nn.Linear(2,2);; torch.nn.parallel.parallel_apply([m,m],[torch.zeros(1,3)])
torch.nn.DataParallel.__module__
torch.cuda._is_compiled()
torch.cuda._lazy_init()
import io;; b=io.BytesIO();; torch.save({"a": torch.ones(2)}, b);; b.seek(0);; torch.load(b, map_location="cpu")
import io;; b=io.BytesIO();; torch.save({"a": torch.ones(2)}, b);; b.seek(0);; torch.load(b, map_location="cuda")
import io;; b=io.BytesIO();; torch.save({"a": torch.ones(2)}, b);; b.seek(0);; torch.load(b, map_location="cuda:0")
import io;; b=io.BytesIO();; torch.save({"a": torch.ones(2)}, b);; b.seek(0);; torch.load(b, map_location="nothing")
import io;; b=io.BytesIO();; torch.save({"a": torch.ones(2)}, b);; b.seek(0);; torch.load(b, map_location="mps")
torch.zeros(2).to(torch.zeros(1, dtype=torch.float64), non_blocking=True).dtype
torch.zeros(2).cpu().device
torch.zeros(2).to(None)
torch.nn.Linear(2,2).to(non_blocking=True).weight.device
torch.nn.Linear(2,2).to("cpu", torch.float64, True).weight.dtype
torch.zeros(2).to(device="cpu:0").device
torch.device("cpu") == torch.zeros(2).device
torch.device("cuda") == "cuda"
str(torch.device("cuda", 1))
repr(torch.device("cuda:1"))
torch.device("cuda:1").type
torch.device(type="cuda", index=2)
torch.device("cuda:-1")
torch.device("cuda:x")
torch.device(torch.device("cpu"))
hash(torch.device("cpu")) == hash(torch.device("cpu"))
torch.zeros(2).device.index
torch.Generator().device
torch.Generator(device="cpu").manual_seed(1).initial_seed()
torch.random.get_rng_state().shape
torch.set_default_device("cpu");; torch.set_default_device(None)
torch.cuda.is_available() and torch.cuda.current_device()
torch.cuda.device_count() > 1
torch.nn.DataParallel(torch.nn.Linear(2,2)).module.weight.shape
torch.nn.DataParallel(torch.nn.Linear(2,2)).cpu()
torch.nn.DataParallel(torch.nn.Linear(2,2)).cuda()
torch.nn.DataParallel(torch.nn.Linear(2,2), [0]).state_dict().keys()
hasattr(torch.nn.DataParallel(torch.nn.Linear(2,2)), "module")
isinstance(torch.nn.DataParallel(torch.nn.Linear(2,2)), torch.nn.DataParallel)
torch.nn.parallel.DataParallel is torch.nn.DataParallel
torch.amp.GradScaler("cuda").is_enabled()
torch.amp.autocast("cuda", enabled=False)
torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=.1).state
torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=.1).param_groups
torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=.1)
torch.optim.swa_utils.AveragedModel(torch.nn.Linear(2,2)).n_averaged
torch.optim.swa_utils.AveragedModel(torch.nn.Linear(2,2)).state_dict().keys()
torch.optim.Adam(iter([torch.zeros(1,requires_grad=True)])).param_groups[0]["params"]
torch.optim.Adam({"params": 3})
torch.optim.Adam([{"lr": 3}])
torch.optim.Adam(None)
torch.optim.Adam([torch.zeros(1)])
p=torch.zeros(1,requires_grad=True);; torch.optim.SGD([p,p], lr=.1)
"""


SWITCHES = ("enabled", "benchmark", "deterministic", "allow_tf32", "benchmark_limit")


@pytest.fixture
def switches_as_before():
    """What the lines switch, both libraries have again afterwards as they had it."""
    before = [
        [getattr(m.backends.cudnn, name) for name in SWITCHES]
        + [m.backends.cuda.flash_sdp_enabled(), m.get_float32_matmul_precision()]
        for m in (lampas, torch)
    ]
    yield
    for m, (*cudnn, flash, precision) in zip((lampas, torch), before):
        for name, value in zip(SWITCHES, cudnn):
            setattr(m.backends.cudnn, name, value)
        m.backends.cuda.enable_flash_sdp(flash)
        m.set_float32_matmul_precision(precision)


@pytest.mark.usefixtures("switches_as_before")
@pytest.mark.parametrize("line", LINES.strip().splitlines())
def test_same_answer(line):
    with every_warning(lampas, torch):
        assert run(lampas, line) == run(torch, line)
