"""Learning-rate schedules, under the names of `torch.optim.lr_scheduler`."""

from lampas.optim.lr_scheduler.compose import ChainedScheduler, SequentialLR
from lampas.optim.lr_scheduler.cosine import CosineAnnealingLR, CosineAnnealingWarmRestarts
from lampas.optim.lr_scheduler.cycles import CyclicLR, OneCycleLR
from lampas.optim.lr_scheduler.decay import (
    ConstantLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from lampas.optim.lr_scheduler.plateau import ReduceLROnPlateau
from lampas.optim.lr_scheduler.scheduler import LRScheduler

__all__ = [
    "LambdaLR",
    "MultiplicativeLR",
    "StepLR",
    "MultiStepLR",
    "ConstantLR",
    "LinearLR",
    "ExponentialLR",
    "SequentialLR",
    "CosineAnnealingLR",
    "ChainedScheduler",
    "ReduceLROnPlateau",
    "CyclicLR",
    "CosineAnnealingWarmRestarts",
    "OneCycleLR",
    "PolynomialLR",
    "LRScheduler",
]

# The name of the base class before it became public.
_LRScheduler = LRScheduler
