"""What a workload cannot do without: its arithmetic and its traffic to memory, by formula.

A multiply-add counts as two operations. A training step costs three forward passes: the results, the gradients of the
activations, the gradients of the weights. Only products and convolutions are counted as arithmetic; everything else is
small beside them or, where it is not, bound by memory: then the bytes that must be read and written once are counted.
"""

from dataclasses import dataclass
from itertools import pairwise

TRAINING = 3
F32 = 4


@dataclass(frozen=True)
class Cost:
    """Floating-point operations at a precision ("f32" or "bf16"), bytes moved, and the bytes they move among."""

    flops: float = 0.0
    precision: str = "f32"
    bytes: float = 0.0
    working_set: float = 0.0


def matmul(rows: int, inner: int, columns: int) -> float:
    """Operations of a matrix product."""
    return 2.0 * rows * inner * columns


def conv(images: int, before: int, after: int, kernel: int, side: int) -> float:
    """Operations of a square convolution with results of side × side."""
    return matmul(images * side * side, before * kernel * kernel, after)


def tutorial_cnn(images: int) -> float:
    """`models.tutorial_cnn`, forward."""
    layers = [(1, 32, 28), (32, 64, 14), (64, 128, 7)]
    return sum(conv(images, before, after, 3, side) for before, after, side in layers) + matmul(images, 1152, 10)


def resnet18(images: int, classes: int, small: bool) -> float:
    """`models.resnet18`, forward."""
    side = 32 if small else 56
    total = conv(images, 3, 64, 3, 32) if small else conv(images, 3, 64, 7, 112)
    before = 64
    for after in (64, 128, 256, 512):
        if after != before:
            side //= 2
            total += conv(images, before, after, 1, side)
        total += conv(images, before, after, 3, side) + 3 * conv(images, after, after, 3, side)
        before = after
    return total + matmul(images, 512, classes)


def gpt(batch: int, blocks: int, width: int, length: int, symbols: int) -> float:
    """`models.gpt`, forward; a causal attention needs half of its two products."""
    linear = matmul(batch * length, width, 12 * width)
    attention = 2 * batch * matmul(length, width, length) / 2
    return blocks * (linear + attention) + matmul(batch * length, width, symbols)


def lstm(batch: int, steps: int, sizes: list[int]) -> float:
    """An LSTM with these sizes (input, then each layer's state), forward."""
    layers = pairwise(sizes)
    return sum(matmul(batch * steps, before + after, 4 * after) for before, after in layers)


def stream(elements: int, passes: int, kept: int | None = None) -> Cost:
    """Reading or writing as many f32 elements `passes` times, among `kept` (default: as many) such arrays."""
    size = float(elements * F32)
    return Cost(bytes=passes * size, working_set=size * (kept or passes))
