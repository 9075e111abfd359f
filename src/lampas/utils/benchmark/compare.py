"""`Compare`: measurements side by side."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Sequence

from lampas.utils.benchmark.common import Measurement, ordered_unique, select_unit, trim_sigfig, unit_to_english

__all__ = ["Colorize", "Compare"]

_END = "\033[0m"
_BOLD = "\033[1m"
_BEST, _GOOD, _BAD, _VERY_BAD = "\033[92m", "\033[34m", "\033[2m\033[91m", "\033[31m"


class Colorize(enum.Enum):
    """With what a time is compared for its colour."""

    NONE = "none"
    COLUMNWISE = "columnwise"
    ROWWISE = "rowwise"


def _coloured(text: str, value: float, best: float) -> str:
    if value <= best * 1.01 or value <= best + 100e-9:
        return f"{_BEST}{_BOLD}{text}{_END * 2}"
    if value <= best * 1.1:
        return f"{_GOOD}{_BOLD}{text}{_END * 2}"
    if value >= best * 5:
        return f"{_VERY_BAD}{_BOLD}{text}{_END * 2}"
    return f"{_BAD}{text}{_END * 2}" if value >= best * 2 else text


class _Table:
    """The measurements of one label: a row for each name, environment and number of threads, a column for each
    description."""

    def __init__(self, results: list[Measurement], scale: float, unit: str, compare: Compare) -> None:
        self.results, self.scale, self.unit, self.compare = results, scale, unit, compare
        self.label = results[0].label
        self.columns = ordered_unique(m.description for m in results)
        rows = ordered_unique((m.num_threads, m.env, m.as_row_name) for m in results)
        self.rows = sorted(rows, key=lambda row: (row[0], str(row[1])))  # names keep their order
        self.marks = compare._warn and any(m.has_warnings for m in results)
        self.has_envs = any(m.env for m in results)
        self.cells = {((m.num_threads, m.env, m.as_row_name), m.description): m for m in results}
        self.formats = {column: self._format(column) for column in self.columns}

    def _format(self, column: str | None) -> tuple[int, int]:
        """Width and decimals of a column's numbers."""
        cells = [m for (_, c), m in self.cells.items() if c == column]
        digits = {id(m): math.ceil(math.log10(m.median / self.scale)) for m in cells}
        before = max(max(digits.values()), 1)
        decimals = 1
        if self.compare._trim:
            decimals = min(max(m.significant_figures - digits[id(m)], 0) for m in cells)
        return before + decimals + (1 if decimals else 0), decimals

    def _cell(self, row: tuple, column: str | None) -> str:
        measured = self.cells.get((row, column))
        if measured is None:
            return ""
        width, decimals = self.formats[column]
        value = measured.median / self.scale
        if self.compare._trim:
            value = trim_sigfig(value, measured.significant_figures)
        text = f"{value:>{width}.{decimals}f}"
        if self.marks:
            spread = f" (! {measured.iqr / measured.median * 100:.0f}%)" if measured.has_warnings else ""
            text += f"{spread:>7}"
        return text

    def _best(self, row: tuple, column: str | None) -> float:
        if self.compare._colors is Colorize.ROWWISE:
            return min(m.median for (r, _), m in self.cells.items() if r == row)
        return min(m.median for (r, c), m in self.cells.items() if c == column and r[0] == row[0])

    def _names(self) -> list[str]:
        names, last = [], None
        for threads, env, name in self.rows:
            shown = f"({env})" if (threads, env) != last else ""
            last = (threads, env)
            if self.has_envs:
                widest = max(len(str(e)) for _, e, _ in self.rows) + 2
                names.append(f"  {shown:<{widest}}  {name}")
            else:
                names.append(f"      {name}")
        return names

    def render(self) -> str:
        texts = [[self._cell(row, column) for column in self.columns] for row in self.rows]
        names = self._names()
        first = max(map(len, names))
        widths = [max(len(column or ""), *(len(line[i]) for line in texts)) for i, column in enumerate(self.columns)]
        header = "  |  ".join(
            [" " * first, *((column or "").center(width) for column, width in zip(self.columns, widths, strict=True))]
        )
        label = f" {self.label or ''} "
        lines = [f"[{label.center(len(header) - 2, '-')}]", header]
        threads = None
        for row, name, line in zip(self.rows, names, texts, strict=True):
            if row[0] != threads:
                threads = row[0]
                lines.append(f"{threads} threads: ".ljust(len(header), "-"))
            cells = []
            for column, text, width in zip(self.columns, line, widths, strict=True):
                measured, text = self.cells.get((row, column)), text.center(width)
                if measured is not None and self.compare._colors is not Colorize.NONE:
                    text = _coloured(text, measured.median, self._best(row, column))
                cells.append(text)
            lines.append("  |  ".join([name.ljust(first), *cells]))
        lines += ["", f"Times are in {unit_to_english(self.unit)}s ({self.unit})."]
        if self.marks:
            lines.append("(! XX%) Measurement has high variance, where XX is the IQR / median * 100.")
        return "\n".join([*lines, ""])


class Compare:
    """Measurements as a table: one table for each label, rows by ``sub_label``, columns by ``description``.

    >>> compare = Compare([Timer("x.exp()", globals={"x": x}).blocked_autorange()])
    >>> compare.print()
    """

    def __init__(self, results: list[Measurement]) -> None:
        self._results: list[Measurement] = []
        self.extend_results(results)
        self._trim = self._warn = False
        self._colors = Colorize.NONE

    def extend_results(self, results: Iterable[Measurement]) -> None:
        """Adds measurements (ValueError: something else)."""
        for one in results:
            if not isinstance(one, Measurement):
                raise ValueError(f"Expected an instance of `Measurement`, got {type(one)} instead.")
            self._results.append(one)

    def trim_significant_figures(self) -> None:
        """From now on only figures that mean something are shown."""
        self._trim = True

    def colorize(self, rowwise: bool = False) -> None:
        """From now on times are coloured by how they compare with the best of their column, or row."""
        self._colors = Colorize.ROWWISE if rowwise else Colorize.COLUMNWISE

    def highlight_warnings(self) -> None:
        """From now on times that vary much are marked."""
        self._warn = True

    def _tables(self) -> Sequence[str]:
        merged = Measurement.merge(self._results)
        unit, scale = select_unit(min(m.median for m in merged))
        labels = ordered_unique(m.label for m in merged)
        # rows of few threads come first, others in the order they were measured
        merged.sort(key=lambda m: m.num_threads)
        return [_Table([m for m in merged if m.label == label], scale, unit, self).render() for label in labels]

    def __str__(self) -> str:
        return "\n".join(self._tables())

    def print(self) -> None:
        """Prints the tables."""
        print(str(self))
