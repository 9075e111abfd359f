"""A statically quantized LSTM."""

from __future__ import annotations

from typing import Any

from lampas.ao.nn.quantizable.modules.rnn import LSTM as _QuantizableLSTM

__all__ = ["LSTM"]


class LSTM(_QuantizableLSTM):
    """`lampas.ao.nn.quantizable.LSTM` with quantized parts."""

    def _get_name(self) -> str:
        return "QuantizedLSTM"

    @classmethod
    def from_float(cls, *args: Any, **kwargs: Any) -> Any:
        """
        Raises:
            NotImplementedError: always; the way leads over `prepare`.
        """
        raise NotImplementedError("a quantized LSTM is made of an observed module: run prepare() on the model first")

    @classmethod
    def from_observed(cls, other: Any) -> Any:
        """The quantized module of an observed one."""
        from lampas.ao.quantization import convert

        made = convert(other, inplace=False, remove_qconfig=True)
        made.__class__ = cls
        return made
