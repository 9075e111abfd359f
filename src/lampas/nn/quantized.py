"""Quantized layers: the earlier name of `lampas.ao.nn.quantized`."""

from lampas._old_names import stands_for

stands_for(__name__, "lampas.ao.nn.quantized")
