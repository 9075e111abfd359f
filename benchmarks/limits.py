"""The machine's limits, measured in the same run as what is compared with them, and the share of them that is used.

Arithmetic: the best rate of large matrix products. Memory: the best rate of `add_` (two reads, one write) and `copy_`
(one of each) over two arrays of this many bytes together, because a cache is faster than memory. Both libraries
measure, the better one counts.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from .costs import F32, Cost, matmul
from .timing import sample

PRODUCTS = (1024, 2048)
MEGABYTE = 2**20
WORKING_SETS = [MEGABYTE << shift for shift in range(10)]  # 1 MB to 512 MB


@dataclass
class Limits:
    """Rates in operations and bytes a second; `bandwidth` by the bytes that are worked on."""

    f32: float = 0.0
    bf16: float = 0.0
    bandwidth: dict[int, float] = field(default_factory=dict)

    def add(self, measured: dict[str, Any]) -> None:
        """Takes what a worker measured where it is better."""
        self.f32, self.bf16 = max(self.f32, measured["f32"]), max(self.bf16, measured["bf16"])
        for size, rate in measured["bandwidth"].items():
            self.bandwidth[int(size)] = max(self.bandwidth.get(int(size), 0.0), rate)

    def rate(self, precision: str) -> float:
        """Operations a second; what is allowed to compute in bf16 may also compute in f32."""
        return max(self.f32, self.bf16) if precision == "bf16" else self.f32

    def stream(self, working_set: float) -> float:
        """Bytes a second among so many bytes: the rate of the next smaller measured size."""
        fitting = [size for size in self.bandwidth if size <= working_set]
        return self.bandwidth[max(fitting, default=min(self.bandwidth))]

    def seconds(self, cost: Cost) -> float | None:
        """The least time that the cost takes on this machine; None if it is not counted."""
        parts = []
        if cost.flops and self.rate(cost.precision):
            parts.append(cost.flops / self.rate(cost.precision))
        if cost.bytes and self.bandwidth:
            parts.append(cost.bytes / self.stream(cost.working_set))
        return max(parts, default=None)

    def to_json(self) -> dict[str, Any]:
        """What reports keep."""
        return asdict(self)

    def text(self) -> str:
        """A sentence that says what the limits are."""
        sizes = sorted(self.bandwidth)
        streams = ", ".join(
            f"{self.bandwidth[size] / 1e9:.0f} GB/s at {size // MEGABYTE} MB" for size in pick(sizes, 4)
        )
        return (
            f"Limits of this machine in this run: products in f32 {self.f32 / 1e9:.0f} GF/s, in bf16 "
            f"{self.bf16 / 1e9:.0f} GF/s (a multiply-add is two operations); adding and copying arrays {streams}."
        )


def pick(values: list[int], count: int) -> list[int]:
    """As many of the values, evenly spread, the first and last among them."""
    if len(values) <= count:
        return values
    return [values[round(i * (len(values) - 1) / (count - 1))] for i in range(count)]


def combined(measurements: Iterable[dict[str, Any]]) -> Limits | None:
    """The better of what several workers measured; None if none did."""
    limits = Limits()
    for measured in measurements:
        limits.add(measured)
    return limits if limits.f32 else None


# ---- in the worker ----


def product_rate(torch: Any, dtype: Any, seconds: float) -> float:
    best = 0.0
    for size in PRODUCTS:
        a, b = (torch.randn(size, size).to(dtype) for _ in range(2))
        out = torch.empty(size, size, dtype=dtype)
        times = sample(partial(torch.matmul, a, b, out=out), seconds)
        best = max(best, matmul(size, size, size) / min(times))
    return best


def stream_rate(torch: Any, size: int, seconds: float) -> float:
    a, b = (torch.ones(size // F32 // 2) for _ in range(2))
    passes = [(3, a.add_), (2, a.copy_)]
    return max(count * size / 2 / min(sample(partial(step, b), seconds)) for count, step in passes)


def measure(torch: Any, seconds: float) -> dict[str, Any]:
    """The job "limits": every rate, with so many seconds for each."""
    return {
        "f32": product_rate(torch, torch.float32, seconds),
        "bf16": product_rate(torch, torch.bfloat16, seconds),
        "bandwidth": {size: stream_rate(torch, size, seconds) for size in WORKING_SETS},
    }
