"""Who measures when: the libraries' processes live side by side, and while one measures the others wait.

A machine's speed may change for seconds at a time, by almost a factor of two where memory is what counts, when other
programs or other guests of the same host come and go. So a round is made of short turns, close enough to each other
for all libraries to see the same machine, and rounds are what is far apart.
"""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .processes import Library, Worker
from .rows import Side

TURNS = 4  # of each library in a round
PAUSE = 0.02  # seconds between turns, in which the last one's threads stop spinning


@dataclass(frozen=True)
class Contender:
    """What measures for one side of a row."""

    library: Library
    threads: int
    arguments: dict[str, Any] = field(default_factory=dict)  # of its jobs, beside those that all get


class Contest:
    """A worker for each contender."""

    def __init__(self, contenders: dict[str, Contender]):
        self.contenders = contenders
        self.workers = {key: Worker(side.library, side.threads) for key, side in contenders.items()}

    def measure(self, sides: dict[str, Side], seconds: float, job: str, **arguments: Any) -> None:
        """Every side prepares the job, then they time it in turn, for so many seconds each."""
        for key, contender in self.contenders.items():
            if not sides[key].done:
                sides[key].add(self.workers[key].ask(job, **arguments, **contender.arguments))
        for key in in_turn(list(self.workers), TURNS):
            if not sides[key].done:
                time.sleep(PAUSE)
                sides[key].add(self.workers[key].ask("sample", seconds=seconds / TURNS))


def contests(contenders: dict[str, Contender], rounds: int) -> Iterator[Contest]:
    """A contest for each round, in new processes."""
    for number in range(rounds):
        contest = Contest(dict(list(contenders.items())[:: 1 if number % 2 == 0 else -1]))
        with contextlib.ExitStack() as stack:
            for worker in contest.workers.values():
                stack.enter_context(worker)
            yield contest


def in_turn(sides: list[str], count: int) -> Iterator[str]:
    """Every side so many times, and every other time in reverse."""
    for number in range(count):
        yield from sides[:: 1 if number % 2 == 0 else -1]
