"""Quantization: the earlier name of `lampas.ao.quantization`."""

from lampas._old_names import stands_for

stands_for(__name__, "lampas.ao.quantization")
