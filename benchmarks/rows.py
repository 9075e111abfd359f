"""What was measured: a row for each workload, a side for each library, and the statistics over them.

What counts is each library's best over all rounds: other programs on the machine only ever make a time longer. In
every unit less is better.
"""

import math
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

MISMATCH = 1e-2  # first results that differ by more than this share mean that the sides do not compute the same


@dataclass
class Side:
    """One library's samples, or why there are none."""

    samples: list[float] = field(default_factory=list)
    error: str = ""
    skipped: str = ""
    checksum: float | None = None
    version: str = ""
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def best(self) -> float | None:
        """The least sample."""
        return min(self.samples) if self.samples and not self.error else None

    @property
    def median(self) -> float | None:
        """The usual sample."""
        return statistics.median(self.samples) if self.samples and not self.error else None

    @property
    def done(self) -> bool:
        """Whether there is no sense in measuring more."""
        return bool(self.error or self.skipped)

    def add(self, result: dict[str, Any]) -> None:
        """Takes the result of a worker."""
        self.samples += result.get("samples", [])
        self.error = result.get("error", self.error)
        self.skipped = result.get("skipped", self.skipped)
        self.checksum = result.get("checksum", self.checksum)
        self.version = result.get("version", self.version)
        self.extra |= result.get("extra", {})


@dataclass
class Row:
    """One thing that was measured with every library."""

    name: str
    about: str
    measures: str  # "step", "import" (seconds), "size" or "memory" (bytes)
    sides: dict[str, Side]
    goal: float | None = None  # times as fast as PyTorch
    at_most: float | None = None
    counts: bool = True  # whether the means include it
    limit: float | None = None  # the least seconds that this machine could take

    def best(self, key: str) -> float | None:
        """A library's best; None if there is none."""
        side = self.sides.get(key)
        return side.best if side else None

    def ratio(self, over: str = "torch", of: str = "lampas") -> float | None:
        """How many times as fast (or small) one library is as another."""
        ours, theirs = self.best(of), self.best(over)
        return theirs / ours if ours and theirs else None

    @property
    def share(self) -> float | None:
        """The part of the machine's limit that we reach."""
        ours = self.best("lampas")
        return self.limit / ours if self.limit and ours else None

    @property
    def noise(self) -> float | None:
        """How much the usual sample is above the best: large where other programs were using the machine."""
        pairs = [(side.median, side.best) for side in self.sides.values()]
        return max((median / best - 1 for median, best in pairs if median and best), default=None)

    @property
    def met(self) -> bool | None:
        """Whether the goals are met; None without a goal or without what it takes to say."""
        answers = []
        ratio, ours = self.ratio(), self.best("lampas")
        if self.goal and ratio:
            answers.append(ratio >= self.goal)
        if self.at_most and ours:
            answers.append(ours <= self.at_most)
        return all(answers) if answers else None

    @property
    def mismatch(self) -> str:
        """What is to be said if the libraries did not compute the same."""
        checks = {key: side.checksum for key, side in self.sides.items() if side.checksum is not None}
        values = list(checks.values())
        if all(math.isclose(value, values[0], rel_tol=MISMATCH, abs_tol=1e-6) for value in values):
            return ""
        return "they compute different things: " + ", ".join(f"{key} {value:.6g}" for key, value in checks.items())

    def to_json(self) -> dict[str, Any]:
        """Everything that is known, for reports."""
        row = asdict(self)
        row |= {"ratio": self.ratio(), "ratio_over_compile": self.ratio("compile"), "share_of_limit": self.share}
        row["same"] = not self.mismatch
        for key, side in self.sides.items():
            row["sides"][key] |= {"best": side.best, "median": side.median}
        return row


def geometric_mean(rows: Iterable[Row], over: str = "torch") -> float | None:
    """The mean of the ratios of all rows that count."""
    ratios = [ratio for row in rows if row.counts and (ratio := row.ratio(over))]
    return statistics.geometric_mean(ratios) if ratios else None
