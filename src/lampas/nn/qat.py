"""Layers for quantization-aware training: the earlier name of `lampas.ao.nn.qat`."""

from lampas._old_names import stands_for

stands_for(__name__, "lampas.ao.nn.qat")
