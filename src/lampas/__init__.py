"""lampas: PyTorch's API on an engine of its own.

>>> import lampas as torch
>>> torch.arange(3.0).exp().sum()
tensor(11.1073)
"""

from __future__ import annotations

import builtins as _builtins
import math as _math
from typing import TYPE_CHECKING, Any

from lampas._load import _C  # isort: split

from lampas._C import *  # noqa: F403  every op, dtype and type that PyTorch has at top level
from lampas._C import (
    Tensor,
    _dirichlet_grad,
    _sample_dirichlet,
    _standard_gamma,
    _standard_gamma_grad,
    bool,
    float32,
    float64,
    int64,
    uint8,
)

if TYPE_CHECKING:
    from lampas import autograd, nn, optim, utils

inf = _math.inf
nan = _math.nan
pi = _math.pi
e = _math.e
newaxis = None
legacy_contiguous_format = _C.contiguous_format

# The compiled module's submodules of ops are reached as lampas.nn.functional, lampas.special and lampas.linalg.
# "range" is deprecated and warns. "alias" is the function that gives PyTorch's names to lampas; the op of this name
# remains as _C.alias.
for _name in ("nn", "special", "linalg", "alias", "range"):
    globals().pop(_name, None)

from lampas import _ops, _tensor  # noqa: E402

_tensor.install()
_ops.install(globals())

from lampas._device_context import (  # noqa: E402
    get_default_device,
    get_device,
    get_device_module,
    set_default_device,
)
from lampas._info import finfo, iinfo  # noqa: E402
from lampas._types import *  # noqa: E402, F403  FloatTensor and its kin
from lampas.autograd import (  # noqa: E402
    enable_grad,
    inference_mode,
    no_grad,
    set_grad_enabled,
)
from lampas.functional import *  # type: ignore[no-redef]  # noqa: E402, F403
from lampas.random import *  # noqa: E402, F403

# Loaded when first used, so that importing lampas stays quick.
_submodules = {
    "_dynamo", "accelerator", "amp", "ao", "autograd", "backends", "compiler", "cpu", "cuda", "distributions", "fft",
    "func", "functional", "hub", "jit", "linalg", "mps", "mtia", "multiprocessing", "nn", "onnx", "ops", "optim",
    "overrides", "printing", "profiler", "quantization", "random", "serialization", "signal", "sparse", "special",
    "storage", "testing", "types", "utils", "version", "vision", "viz", "xpu",
}  # fmt: skip
_lazy_names = {
    "__version__": "version",
    "alias": "_alias",
    **dict.fromkeys(("eig", "lstsq", "matrix_rank", "range", "solve", "symeig"), "_deprecated"),
    "autocast": "amp.autocast_mode",
    "is_autocast_available": "amp.autocast_mode",
    "is_autocast_enabled": "amp.autocast_mode",
    "set_autocast_enabled": "amp.autocast_mode",
    "get_autocast_dtype": "amp.autocast_mode",
    "set_autocast_dtype": "amp.autocast_mode",
    "is_autocast_cpu_enabled": "amp.autocast_mode",
    "set_autocast_cpu_enabled": "amp.autocast_mode",
    "get_autocast_cpu_dtype": "amp.autocast_mode",
    "set_autocast_cpu_dtype": "amp.autocast_mode",
    "get_autocast_gpu_dtype": "amp.autocast_mode",
    "set_autocast_gpu_dtype": "amp.autocast_mode",
    "compile": "compiler",
    "vmap": "func",
    **dict.fromkeys(("pca_lowrank", "svd_lowrank"), "linalg.lowrank"),
    "summary": "viz.model_summary",
    "save": "serialization",
    "load": "serialization",
    "set_printoptions": "printing",
    "get_printoptions": "printing",
    "printoptions": "printing",
    "TypedStorage": "storage",
    **dict.fromkeys(
        (
            "DoubleStorage",
            "FloatStorage",
            "HalfStorage",
            "BFloat16Storage",
            "LongStorage",
            "IntStorage",
            "ShortStorage",
            "CharStorage",
            "ByteStorage",
            "BoolStorage",
            "ComplexDoubleStorage",
            "ComplexFloatStorage",
            "QUInt8Storage",
            "QInt8Storage",
            "QInt32Storage",
        ),
        "storage",
    ),
    "to_dlpack": "utils.dlpack",
    "get_deterministic_debug_mode": "_settings",
    "get_float32_matmul_precision": "_settings",
    "is_deterministic_algorithms_warn_only_enabled": "_settings",
    "is_inference": "_settings",
    "is_warn_always_enabled": "_settings",
    "set_deterministic_debug_mode": "_settings",
    "set_float32_matmul_precision": "_settings",
    "set_warn_always": "_settings",
    "gradcheck": "autograd.gradcheck",
    "GradScaler": "amp.grad_scaler",
    "_choose_qparams_per_tensor": "_quantized.create",
    "_empty_affine_quantized": "_quantized.create",
    "_empty_per_channel_affine_quantized": "_quantized.create",
    "_fake_quantize_learnable_per_channel_affine": "_quantized.create",
    "_fake_quantize_learnable_per_tensor_affine": "_quantized.create",
    "_make_per_channel_quantized_tensor": "_quantized.create",
    "_make_per_tensor_quantized_tensor": "_quantized.create",
    "dequantize": "_quantized.create",
    "fused_moving_avg_obs_fake_quant": "_quantized.create",
    "int_repr": "_quantized.create",
    "q_per_channel_axis": "_quantized.create",
    "q_per_channel_scales": "_quantized.create",
    "q_per_channel_zero_points": "_quantized.create",
    "q_scale": "_quantized.create",
    "q_zero_point": "_quantized.create",
    "quantize_per_channel": "_quantized.create",
    "quantize_per_tensor": "_quantized.create",
    "quantize_per_tensor_dynamic": "_quantized.create",
    **dict.fromkeys(("dsmm", "hsmm", "hspmm", "smm", "spmm", "sspaddmm"), "_sparse.functions"),
    "sparse_coo_tensor": "_sparse.create",
    "sparse_compressed_tensor": "_sparse.compressed",
    "sparse_csr_tensor": "_sparse.compressed",
    "sparse_csc_tensor": "_sparse.compressed",
    "sparse_bsr_tensor": "_sparse.compressed",
    "sparse_bsc_tensor": "_sparse.compressed",
}
# Names of facts that became functions.
_former = {
    "has_cuda": "torch.backends.cuda.is_built",
    "has_cudnn": "torch.backends.cudnn.is_available",
    "has_mps": "torch.backends.mps.is_built",
    "has_mkldnn": "torch.backends.mkldnn.is_available",
}
has_openmp = has_mkl = has_lapack = True


def __getattr__(name: str) -> Any:
    import importlib
    import importlib.util

    if name in _lazy_names:
        value = getattr(importlib.import_module(f"lampas.{_lazy_names[name]}"), name)
        globals()[name] = value
        return value
    if (function := _ops.function(name)) is not None:
        globals()[name] = function
        return function
    if name in _submodules and importlib.util.find_spec(f"lampas.{name}") is not None:
        return importlib.import_module(f"lampas.{name}")
    if name in _former:
        import warnings

        warnings.warn(f"'{name}' is deprecated, please use '{_former[name]}()'", UserWarning, 2)
        module, function = _former[name].removeprefix("torch.").rsplit(".", 1)
        return getattr(importlib.import_module(f"lampas.{module}"), function)()
    raise AttributeError(f"module 'lampas' has no attribute {name!r}")


def is_tensor(obj: Any) -> _builtins.bool:
    """Whether `obj` is a tensor of any class."""
    return isinstance(obj, Tensor)


def is_storage(obj: Any) -> _builtins.bool:
    """Whether `obj` is a storage, typed or not."""
    from lampas.storage import TypedStorage

    return isinstance(obj, (_C.UntypedStorage, TypedStorage))


def typename(obj: Any) -> str:
    """The type of a tensor ("torch.FloatTensor"), or the qualified name of anything else's class."""
    if isinstance(obj, Tensor):
        return obj.type()
    kind = type(obj) if not isinstance(obj, type) else obj
    module = getattr(kind, "__module__", "")
    return kind.__qualname__ if module in ("", "builtins") else f"{module}.{kind.__qualname__}"


def get_num_interop_threads() -> _builtins.int:
    """Threads that run independent ops at once: always 1, ops run in the order they are called."""
    return 1


def set_num_interop_threads(n: _builtins.int) -> None:
    """Accepted for programs that set it; ops run in the order they are called.

    Raises:
        RuntimeError: n is not positive.
    """
    if n <= 0:
        raise RuntimeError(f"set_num_interop_threads expects a positive number of threads, got {n}")


def set_default_tensor_type(t: Any) -> None:
    """Makes the dtype of a tensor type, such as ``torch.DoubleTensor``, the default one; see `set_default_dtype`.

    Raises:
        TypeError: a type of integers, or of tensors on a device that is not there.
    """
    from lampas import _types
    from lampas._deprecated import warn_once

    warn_once("torch.set_default_tensor_type() is deprecated; use torch.set_default_dtype().")
    _types.set_default(t)


def set_flush_denormal(mode: Any) -> Any:
    """Always False: denormal numbers are kept."""
    return False


def are_deterministic_algorithms_enabled() -> Any:
    """Whether only deterministic algorithms are asked for (all of them are)."""
    return _deterministic[0]


_deterministic = [False]


def use_deterministic_algorithms(mode: Any, *, warn_only: Any = False) -> None:
    """Accepted for programs that ask for it: every kernel is deterministic."""
    _deterministic[0] = mode


def compiled_with_cxx11_abi() -> Any:
    """Whether the engine uses the current C++ standard library's layout: always."""
    return True
