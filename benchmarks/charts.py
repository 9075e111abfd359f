"""The pictures, as PNG and SVG: bars of ratios, and curves over sizes. Wider than 1 means better than PyTorch."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .tables import times

BETTER, WORSE, SECOND = "#e8a33d", "#c8553d", "#3d7ea6"
INK, SOFT, GRID = "#2b2b2b", "#767676", "#e6e6e6"
STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": SOFT,
    "xtick.color": SOFT,
    "ytick.color": INK,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "lampas",  # the same numbers give the same file
}
TICKS = 9  # at most, on an axis of ratios


@contextmanager
def figure(width: float, height: float, files: Path, **arguments: Any) -> Iterator[tuple[Any, Any]]:
    """A figure and its axes, written to files.png and files.svg in the end."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        drawing = Figure(figsize=(width, height), facecolor="white")
        FigureCanvasAgg(drawing)
        yield drawing, drawing.subplots(**arguments)
        files.parent.mkdir(parents=True, exist_ok=True)
        drawing.savefig(files.with_suffix(".png"), dpi=160)
        drawing.savefig(files.with_suffix(".svg"), metadata={"Date": None})


def head(drawing: Any, height: float, title: str, subtitle: str, footnote: str) -> None:
    """Title and subtitle above on the left, a footnote below."""
    drawing.text(0.02, 1 - 0.22 / height, title, fontsize=15, fontweight="bold", va="top")
    drawing.text(0.02, 1 - 0.53 / height, subtitle, fontsize=9.5, color=SOFT, va="top")
    drawing.text(0.02, 0.12 / height, footnote, fontsize=8, color=SOFT, va="bottom")


def ticks_between(low: float, high: float) -> tuple[list[float], list[str]]:
    """Powers of two, 1 among them, and their texts: 4×, ½×."""
    first, last = math.ceil(math.log2(low)), math.floor(math.log2(high))
    step = 1 + (last - first) // TICKS
    values = [2.0**power for power in range(first, last + 1) if power % step == 0]
    names = {0.125: "⅛×", 0.25: "¼×", 0.5: "½×"}
    return values, [names.get(value, f"{value:g}×" if value > 1e-3 else f"{value:.0e}×") for value in values]


# ---- bars ----


@dataclass(frozen=True)
class Bar:
    """A name, how many times better than PyTorch, the two values as text, and a third library's ratio."""

    name: str
    ratio: float
    ours: str
    theirs: str
    marker: float | None = None


@dataclass(frozen=True)
class BarChart:
    """All that a chart of bars says."""

    title: str
    subtitle: str
    footnote: str
    bars: Sequence[Bar] = field(default_factory=list)
    marker: str = ""  # what the markers are


def number_place(bar: Bar, low: float, high: float) -> float:
    """Where the bar's number begins: at its end, or behind the marker that would lie upon it."""
    end = max(bar.ratio, 1)
    if bar.marker and 0.99 <= bar.marker / end <= (high / low) ** 0.11:
        return bar.marker
    return end


def draw_bars(chart: BarChart, files: Path) -> None:
    """One bar for each ratio, from the line at 1, the best on top, on a logarithmic axis."""
    bars = sorted(chart.bars, key=lambda bar: -bar.ratio)
    height = 1.45 + 0.31 * len(bars)
    values = [bar.ratio for bar in bars] + [bar.marker for bar in bars if bar.marker]
    low = min(0.8, 0.8 * min(values))
    high = max(4.0, max(values) * (max(values) / low) ** 0.14)  # with room for the last bar's number
    with figure(9.5, height, files) as (drawing, axes):
        drawing.subplots_adjust(left=0.2, right=0.8, top=1 - 0.98 / height, bottom=0.47 / height)
        head(drawing, height, chart.title, chart.subtitle, chart.footnote)
        places = range(len(bars))
        colours = [BETTER if bar.ratio >= 1 else WORSE for bar in bars]
        axes.barh(places, [bar.ratio - 1 for bar in bars], left=1, height=0.66, color=colours, zorder=2)
        for place, bar in zip(places, bars, strict=True):
            beside = {"textcoords": "offset points", "va": "center", "ha": "left", "fontweight": "bold"}
            colour = INK if bar.ratio >= 1 else WORSE
            axes.annotate(times(bar.ratio), (number_place(bar, low, high), place), (5, 0), color=colour, **beside)
            for x, value, colour in [(1.16, bar.ours, INK), (1.31, bar.theirs, SOFT)]:
                axes.text(x, place, value, transform=axes.get_yaxis_transform(), va="center", ha="right", color=colour)
            if bar.marker:
                axes.plot(bar.marker, place, "D", color=SECOND, markersize=5.5, zorder=4, markeredgecolor="white")
        for x, value in [(1.16, "lampas"), (1.31, "PyTorch")]:
            axes.text(
                x, -0.95, value, transform=axes.get_yaxis_transform(), ha="right", va="center", fontsize=9, color=SOFT
            )
        axes.set_xscale("log", base=2)
        axes.set_xlim(low, high)
        axes.set_ylim(len(bars) - 0.4, -0.7)
        axes.set_xticks(*ticks_between(low, high))
        axes.minorticks_off()
        axes.set_yticks(places, [bar.name for bar in bars])
        axes.tick_params(length=0)
        axes.grid(axis="x", color=GRID, linewidth=0.8, zorder=0)
        axes.axvline(1, color=INK, linewidth=1.3, zorder=3)
        axes.text(1, -0.95, "PyTorch = 1", ha="center", va="center", fontsize=9, color=INK)
        if chart.marker:
            axes.plot([], [], "D", color=SECOND, markersize=5.5, label=chart.marker, linestyle="none")
            axes.legend(loc="lower right", frameon=False, fontsize=9)
        for spine in axes.spines.values():
            spine.set_visible(False)


# ---- curves ----


@dataclass(frozen=True)
class Curve:
    """Ratios over sizes, in the panel of its title; dashed for what is not contiguous."""

    panel: str
    label: str  # beside the line where a panel has several; "" otherwise
    dashed: bool
    sizes: Sequence[int]
    ratios: Sequence[float | None]


@dataclass(frozen=True)
class CurveChart:
    """All that the panels say."""

    title: str
    subtitle: str
    footnote: str
    curves: Sequence[Curve]


def draw_curves(chart: CurveChart, files: Path) -> None:
    """A panel for each op with its curves; below the line at 1, where PyTorch is faster, the ground is red."""
    panels = list(dict.fromkeys(curve.panel for curve in chart.curves))
    columns = min(4, len(panels))
    rows = math.ceil(len(panels) / columns)
    width, height = max(6.0, 2.9 * columns), 1.5 + 2.0 * rows
    known = [ratio for curve in chart.curves for ratio in curve.ratios if ratio]
    low, high = min(0.7, 0.8 * min(known, default=1)), max(4.0, 1.3 * max(known, default=1))
    sizes = sorted({size for curve in chart.curves for size in curve.sizes})
    arguments = {"nrows": rows, "ncols": columns, "squeeze": False, "sharex": True, "sharey": True}
    with figure(width, height, files, **arguments) as (drawing, grid):
        drawing.subplots_adjust(
            left=0.62 / width,
            right=1 - 0.2 / width,
            top=1 - 1.15 / height,
            bottom=0.7 / height,
            wspace=0.08,
            hspace=0.28,
        )
        head(drawing, height, chart.title, chart.subtitle, chart.footnote)
        for axes, panel in zip(grid.flat, panels):
            curves = [curve for curve in chart.curves if curve.panel == panel]
            draw_panel(axes, curves, low, high)
            axes.set_title(panel, loc="left", fontsize=11, fontweight="bold", pad=4)
            axes.set_yticks(*ticks_between(low, high))
            decades = [10**power for power in range(1, 12, 2) if sizes[0] <= 10**power <= sizes[-1]] or sizes
            axes.set_xticks(decades, [f"$10^{round(math.log10(size))}$" for size in decades])
            axes.minorticks_off()
        for axes in list(grid.flat)[len(panels) :]:
            axes.set_visible(False)
        from matplotlib.lines import Line2D

        layouts = [Line2D([], [], color=BETTER, linewidth=2.2, label="contiguous")]
        layouts.append(Line2D([], [], color=BETTER, linewidth=1.6, linestyle=(0, (3, 1.5)), label="strided"))
        drawing.legend(handles=layouts, loc="upper right", frameon=False, ncols=2, bbox_to_anchor=(0.99, 0.995))


def draw_panel(axes: Any, curves: Sequence[Curve], low: float, high: float) -> None:
    """One op."""
    axes.set_xscale("log")
    axes.set_yscale("log", base=2)
    axes.set_ylim(low, high)
    axes.axhspan(low, 1, color=WORSE, alpha=0.1, linewidth=0)
    axes.axhline(1, color=INK, linewidth=1)
    axes.grid(color=GRID, linewidth=0.7)
    axes.tick_params(length=0, labelsize=9, labelcolor=SOFT)
    labels = list(dict.fromkeys(curve.label for curve in curves))
    for curve in curves:
        colour = BETTER if curve.label == labels[0] else SECOND
        known = [(size, ratio) for size, ratio in zip(curve.sizes, curve.ratios, strict=True) if ratio]
        style = {"linestyle": (0, (3, 1.5)), "linewidth": 1.6} if curve.dashed else {"linewidth": 2.2}
        axes.plot(*zip(*known, strict=True) if known else ([], []), color=colour, **style)
        below = [(size, ratio) for size, ratio in known if ratio < 1]
        axes.plot(*zip(*below, strict=True) if below else ([], []), "o", color=WORSE, markersize=4, zorder=4)
    for index, label in enumerate(labels if len(labels) > 1 else []):
        colour = BETTER if index == 0 else SECOND
        place = {"transform": axes.transAxes, "ha": "right", "va": "top"}
        axes.text(0.97, 0.93 - 0.14 * index, label, color=colour, fontsize=9, **place)
    for spine in axes.spines.values():
        spine.set_visible(False)
