"""Trials beside each other as an SVG written by hand: the times of their lookups, and hops by the size of a network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from math import ceil, log10
from typing import NamedTuple

from p2pstack.testing.simulation.chart import tick_step

__all__ = ["Curve", "Size", "comparison_chart"]

WIDTH, HEIGHT = 920, 420
TOP, BOTTOM = 70, 360
TIMES = (60, 560)
HOPS = (640, 900)
"""Left and right edge of the two panels."""

COLOURS = ("#0b4f9e", "#7aa6d8", "#3a9a5c", "#9ccf9a", "#c46a2d", "#e0b080", "#c0392b", "#8a63b0")

_STYLE = (
    "text{font:13px sans-serif;fill:#333}.title{font-size:16px;font-weight:bold}.grid{stroke:#ddd}"
    ".curve{fill:none;stroke-width:2}.expected{fill:none;stroke:#888;stroke-dasharray:5 4}.mean{fill:#0b4f9e}"
)

_STEP = 2.0
"""Pixels between two points of a curve."""


class Curve(NamedTuple):
    """The times of a trial's lookups, in seconds and sorted."""

    name: str
    seconds: tuple[float, ...]


class Size(NamedTuple):
    """Hops in a network of that many nodes."""

    nodes: int
    hops: float
    expected: float


def comparison_chart(curves: Sequence[Curve], sizes: Sequence[Size], title: str) -> str:
    """Return an SVG: left which share of lookups has ended after how long, right the mean of hops by network size."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text class="title" x="{TIMES[0]}" y="26">{escape(title)}</text>',
        *_times(curves),
        *_hops(sizes),
        "</svg>\n",
    ]
    return "\n".join(parts)


def _y(share: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * share


def _level(panel: tuple[int, int], share: float, label: str) -> Iterator[str]:
    """Draw a horizontal line with its label."""
    left, right = panel
    yield f'<path class="grid" d="M{left} {_y(share):.1f}H{right}"/>'
    yield f'<text x="{left - 8}" y="{_y(share) + 4:.1f}" text-anchor="end">{label}</text>'


def _bottom(panel: tuple[int, int], label: str) -> str:
    return f'<text x="{sum(panel) / 2:.1f}" y="{BOTTOM + 44}" text-anchor="middle">{label}</text>'


def _tick(x: float, label: str) -> Iterator[str]:
    yield f'<path class="grid" d="M{x:.1f} {TOP}V{BOTTOM}"/>'
    yield f'<text x="{x:.1f}" y="{BOTTOM + 20}" text-anchor="middle">{label}</text>'


def _times(curves: Sequence[Curve]) -> Iterator[str]:
    left, right = TIMES
    yield f'<text x="{left}" y="{TOP - 14}">lookups that have ended</text>'
    for percent in range(0, 101, 25):
        yield from _level(TIMES, percent / 100, f"{percent} %")
    span = max((seconds[-1] for _, seconds in curves if seconds), default=1.0)
    step = tick_step(span)
    for number in range(int(span / step) + 1):
        yield from _tick(left + (right - left) * number * step / span, f"{number * step:g}")
    yield _bottom(TIMES, "seconds since their beginning")
    for number, (name, seconds) in enumerate(curves):
        colour = COLOURS[number % len(COLOURS)]
        yield f'<path class="curve" stroke="{colour}" d="{_stairs(seconds, span)}"/>'
        y = BOTTOM - 18 * (len(curves) - number)
        yield f'<path class="curve" stroke="{colour}" d="M{right - 206} {y - 4}h24"/>'
        yield f'<text x="{right - 176}" y="{y}">{escape(name)}</text>'


def _stairs(seconds: Sequence[float], span: float) -> str:
    """Return a path that rises by one lookup each, with the points that can be told apart."""
    left, right = TIMES
    path, drawn = [f"M{left} {BOTTOM}"], float(left)
    for count, each in enumerate(seconds, 1):
        x = left + (right - left) * each / span
        if x - drawn >= _STEP or count == len(seconds):
            path.append(f"L{x:.0f} {_y(count / len(seconds)):.0f}")
            drawn = x
    return "".join(path)


def _hops(sizes: Sequence[Size]) -> Iterator[str]:
    left, right = HOPS
    yield f'<text x="{left}" y="{TOP - 14}">hops, mean; dashed: expected</text>'
    highest = ceil(max((max(each.hops, each.expected) for each in sizes), default=1.0)) or 1
    for level in range(highest + 1):
        yield from _level(HOPS, level / highest, str(level))
    low, high = (log10(pick((each.nodes for each in sizes), default=10)) for pick in (min, max))
    places = [left + 20 + (right - left - 40) * (log10(each.nodes) - low) / (high - low or 1.0) for each in sizes]
    for x, each in zip(places, sizes, strict=True):
        yield from _tick(x, f"{each.nodes:,}")
    yield _bottom(HOPS, "nodes")
    if sizes:
        points = (f"{x:.0f} {_y(each.expected / highest):.0f}" for x, each in zip(places, sizes, strict=True))
        yield f'<path class="expected" d="M{"L".join(points)}"/>'
    for x, each in zip(places, sizes, strict=True):
        yield f'<circle class="mean" cx="{x:.0f}" cy="{_y(each.hops / highest):.1f}" r="4"/>'
