"""A linear layer for quantization-aware training of dynamic quantization."""

from __future__ import annotations

from typing import Any

from lampas.ao.nn.qat.modules.linear import Linear as _QATLinear

__all__ = ["Linear"]


class Linear(_QATLinear):
    """`lampas.ao.nn.qat.Linear` under a qconfig whose activations are quantized in each call.

    Raises:
        ValueError: the qconfig's activations keep statistics of earlier calls.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        qconfig: Any = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        from lampas.ao.quantization.qconfig import _activation_is_memoryless

        super().__init__(in_features, out_features, bias, qconfig, device, dtype)
        if not _activation_is_memoryless(qconfig):
            raise ValueError(
                "Dynamic QAT requires a memoryless observer: averaging_constant=1, as in default_dynamic_qat_qconfig"
            )
