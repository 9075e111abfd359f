"""Modules on several devices of one process, under the names of `torch.nn.parallel`."""

from lampas.nn.parallel.data_parallel import DataParallel, data_parallel
from lampas.nn.parallel.parallel_apply import parallel_apply
from lampas.nn.parallel.replicate import replicate
from lampas.nn.parallel.scatter_gather import gather, scatter

__all__ = ["DataParallel", "data_parallel", "gather", "parallel_apply", "replicate", "scatter"]
