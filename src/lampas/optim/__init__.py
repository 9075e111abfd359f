"""Optimizers and learning-rate schedules, under the names of `torch.optim`."""

from types import ModuleType

from lampas.optim import lr_scheduler as lr_scheduler
from lampas.optim.adadelta import Adadelta
from lampas.optim.adafactor import Adafactor
from lampas.optim.adagrad import Adagrad
from lampas.optim.adam import Adam
from lampas.optim.adamax import Adamax
from lampas.optim.adamw import AdamW
from lampas.optim.asgd import ASGD
from lampas.optim.lbfgs import LBFGS
from lampas.optim.muon import Muon
from lampas.optim.nadam import NAdam
from lampas.optim.optimizer import Optimizer
from lampas.optim.radam import RAdam
from lampas.optim.rmsprop import RMSprop
from lampas.optim.rprop import Rprop
from lampas.optim.sgd import SGD
from lampas.optim.sparse_adam import SparseAdam

__all__ = [
    "ASGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "LBFGS",
    "Muon",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SGD",
    "SparseAdam",
    "lr_scheduler",
    "swa_utils",
]


def __getattr__(name: str) -> ModuleType:
    # swa_utils needs lampas.nn, which an optimizer alone does not.
    if name == "swa_utils":
        import importlib

        return importlib.import_module("lampas.optim.swa_utils")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
