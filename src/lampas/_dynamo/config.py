"""Settings of the tracer: kept as they are set, with PyTorch's defaults, and without effect."""

from __future__ import annotations

cache_size_limit = recompile_limit = 8
accumulated_cache_size_limit = accumulated_recompile_limit = 256
automatic_dynamic_shapes = True
assume_static_by_default = True
capture_scalar_outputs = False
capture_dynamic_output_shape_ops = False
suppress_errors = False
verbose = False
optimize_ddp = True
guard_nn_modules = True
inline_inbuilt_nn_modules = True
