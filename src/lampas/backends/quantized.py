"""The engine of quantized kernels: oneDNN's, under each of the names programs choose."""

from __future__ import annotations

import sys
from types import ModuleType

supported_engines = ["qnnpack", "onednn", "x86", "fbgemm"]


class _Quantized(ModuleType):
    _engine = "x86"

    @property
    def engine(self) -> str:
        """The name chosen last; RuntimeError for one that is not in `supported_engines`."""
        return self._engine

    @engine.setter
    def engine(self, name: str) -> None:
        if name not in self.supported_engines:
            raise RuntimeError(
                f"{name} is not a valid value for quantized engine; use one of {', '.join(self.supported_engines)}"
            )
        type(self)._engine = name


sys.modules[__name__].__class__ = _Quantized
