"""CUDA's libraries: not used; their switches keep what they are given, so that programs which set them run."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lampas
from lampas.backends._flags import check_switch

_sdp = {"flash": True, "mem_efficient": True, "math": True, "cudnn": True, "reduction": False}
_ALLOWED = ("ieee", "tf32", "none")


def is_built() -> bool:
    """Whether this build could use a CUDA device: no."""
    return False


class cuBLASModule:
    """The switches of matrix products on a CUDA device; `allow_tf32` is `lampas.set_float32_matmul_precision`."""

    allow_fp16_reduced_precision_reduction = True
    allow_bf16_reduced_precision_reduction = True
    allow_fp16_accumulation = False

    @property
    def allow_tf32(self) -> bool:
        """Whether products of float32 matrices may be less precise than float32."""
        return lampas.get_float32_matmul_precision() != "highest"

    @allow_tf32.setter
    def allow_tf32(self, value: bool) -> None:
        lampas.set_float32_matmul_precision("high" if check_switch("allow_tf32", value) else "highest")

    @property
    def fp32_precision(self) -> str:
        """`allow_tf32` in words: "tf32" or "ieee" (RuntimeError: another word)."""
        return "tf32" if self.allow_tf32 else "ieee"

    @fp32_precision.setter
    def fp32_precision(self, value: str) -> None:
        if value not in _ALLOWED:
            raise RuntimeError(f"Unknown precision: {value}; use one of {', '.join(_ALLOWED)}")
        self.allow_tf32 = value == "tf32"

    def __setattr__(self, name: str, value: Any) -> None:
        if not hasattr(type(self), name):
            raise AttributeError(f"matmul has no switch {name!r}")
        super().__setattr__(name, value)


matmul = cuBLASModule()


def _switch(name: str, doc: str) -> tuple:
    def enabled() -> bool:
        return _sdp[name]

    def enable(enabled: bool) -> None:
        _sdp[name] = bool(enabled)

    enabled.__doc__ = f"Whether {doc} may be used on a CUDA device, as it was set last."
    enable.__doc__ = f"Accepted for programs that choose whether {doc} may be used on a CUDA device."
    return enabled, enable


flash_sdp_enabled, enable_flash_sdp = _switch("flash", "flash attention")
mem_efficient_sdp_enabled, enable_mem_efficient_sdp = _switch("mem_efficient", "memory-efficient attention")
math_sdp_enabled, enable_math_sdp = _switch("math", "attention made of ordinary ops")
cudnn_sdp_enabled, enable_cudnn_sdp = _switch("cudnn", "cuDNN's attention")
fp16_bf16_reduction_math_sdp_allowed, allow_fp16_bf16_reduction_math_sdp = _switch(
    "reduction", "sums in 16 bits within attention"
)


def is_flash_attention_available() -> bool:
    """Whether a CUDA device could use flash attention: there is none."""
    return False


@contextmanager
def sdp_kernel(
    enable_flash: bool = True, enable_math: bool = True, enable_mem_efficient: bool = True, enable_cudnn: bool = True
) -> Iterator[dict]:
    """A region with other switches of attention; deprecated: `lampas.nn.attention.sdpa_kernel`."""
    warnings.warn(
        "`torch.backends.cuda.sdp_kernel()` is deprecated; use `torch.nn.attention.sdpa_kernel()`.", FutureWarning, 3
    )
    before = dict(_sdp)
    _sdp.update(flash=enable_flash, math=enable_math, mem_efficient=enable_mem_efficient, cudnn=enable_cudnn)
    try:
        yield {}
    finally:
        _sdp.update(before)
