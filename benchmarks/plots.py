"""Results as SVG. What is drawn is worked out by pure functions; matplotlib is imported only to draw it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.figures import Cell, Metric
from benchmarks.table import times

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Bar", "Curve", "Panel", "draw_curves", "draw_ratios", "ratio_bars"]

COLOURS = ("#1f6fb2", "#3a9a5c", "#c46a2d", "#8a63b0", "#8d8d8d", "#c2a83e")


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its metric, its stack, and the ratio to the better of go and rust."""

    metric: str
    stack: str
    ratio: float


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of a panel: its label and its points (x, y)."""

    label: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """One small plot of curves over a logarithmic x axis; the title names what is drawn."""

    title: str
    x_label: str
    curves: tuple[Curve, ...]


def ratio_bars(metrics: Sequence[Metric], stacks: Sequence[str], cells: Mapping[str, Mapping[str, Cell]]) -> list[Bar]:
    """The bars in drawing order; a metric or a stack without a ratio has none."""
    bars = []
    for metric in metrics:
        for stack in stacks:
            cell = cells.get(metric.name, {}).get(stack)
            if cell is not None and cell.ratio is not None:
                bars.append(Bar(metric.name, stack, cell.ratio))
    return bars


def draw_ratios(bars: Sequence[Bar], stacks: Sequence[str], title: str, path: Path) -> None:
    """Horizontal bars that start at 1 on a logarithmic axis: to the right is better than both go and rust."""
    pyplot = _pyplot()
    metrics = list(dict.fromkeys(bar.metric for bar in bars))
    shown = [stack for stack in stacks if any(bar.stack == stack for bar in bars)]
    height = 0.8 / max(len(shown), 1)
    figure, axes = pyplot.subplots(figsize=(8, 0.6 + 0.26 * len(shown) * max(len(metrics), 1)), layout="constrained")
    for place, stack in enumerate(shown):
        own = [bar for bar in bars if bar.stack == stack]
        rows = [metrics.index(bar.metric) + (place - (len(shown) - 1) / 2) * height for bar in own]
        colour = COLOURS[list(stacks).index(stack) % len(COLOURS)]
        axes.barh(rows, [bar.ratio - 1 for bar in own], height * 0.9, left=1, color=colour, label=stack)
        for row, bar in zip(rows, own, strict=True):
            right = bar.ratio >= 1
            axes.annotate(
                times(bar.ratio),
                (bar.ratio, row),
                xytext=(3 if right else -3, 0),
                textcoords="offset points",
                va="center",
                ha="left" if right else "right",
                fontsize=7,
            )
    axes.set_xscale("log")
    axes.margins(x=0.12)
    axes.axvline(1, color="#404040", linewidth=0.8)
    axes.set_yticks(range(len(metrics)), metrics)
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}x")
    axes.set_xlabel("times as good as the better of go-libp2p and rust-libp2p (logarithmic)")
    axes.set_title(title, fontsize=10)
    axes.legend(fontsize=8, loc="best", frameon=False)
    _finish(axes)
    _save(figure, path)


def draw_curves(panels: Sequence[Panel], title: str, path: Path) -> None:
    """The panels in two columns."""
    pyplot = _pyplot()
    lines = (len(panels) + 1) // 2
    figure, grid = pyplot.subplots(lines, 2, figsize=(9, 3 * lines), layout="constrained", squeeze=False)
    places = list(grid.flat)
    for axes, panel in zip(places, panels, strict=False):
        for place, curve in enumerate(panel.curves):
            x, y = zip(*curve.points, strict=True)
            axes.plot(x, y, marker="o", markersize=3, color=COLOURS[place % len(COLOURS)], label=curve.label)
        axes.set_xscale("log")
        axes.set_ylim(bottom=0)
        axes.set_title(panel.title, fontsize=9)
        axes.set_xlabel(panel.x_label, fontsize=8)
        if len(panel.curves) > 1:
            axes.legend(fontsize=7, frameon=False)
        _finish(axes)
    for axes in places[len(panels) :]:
        axes.set_visible(False)
    figure.suptitle(title, fontsize=10)
    _save(figure, path)


def _pyplot() -> Any:
    import matplotlib as mpl

    mpl.use("svg")
    # The same figures give the same file, so that a changed plot is a changed result.
    mpl.rcParams["svg.hashsalt"] = "p2pstack"
    from matplotlib import pyplot as plt

    return plt


def _finish(axes: Axes) -> None:
    axes.set_facecolor("#ffffff")
    axes.grid(axis="x", color="#e4e4e4", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="svg", facecolor="#ffffff", metadata={"Date": None})
    _pyplot().close(figure)
