"""Lookups of a simulated DHT as an SVG written by hand: how many took how many hops, and how many requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from p2pstack.testing.simulation.chart import tick_step

if TYPE_CHECKING:
    from p2pstack.testing.simulation.kad.record import LookupTrace

__all__ = ["lookup_chart"]

WIDTH, HEIGHT = 760, 400
TOP, BOTTOM = 70, 346
PANELS = ((56, 240, "hops"), (340, 740, "requests"))
"""Left and right edge of each panel, and what its bars count."""

_MAX_BARS = 40

_STYLE = (
    "text{font:13px sans-serif;fill:#333}.title{font-size:16px;font-weight:bold}"
    ".base{stroke:#888}.bar{fill:#0b4f9e}.lost{fill:#c0392b}"
)


def lookup_chart(traces: Sequence[LookupTrace], title: str) -> str:
    """Return an SVG with two panels of bars; lookups that did not find what they looked for are red."""
    hops = Counter(each.query.hops() for each in traces if each.found)
    requests = Counter(each.query.requests for each in traces if each.found)
    lost = Counter(each.query.requests for each in traces if not each.found)
    (first, second) = PANELS
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text class="title" x="{first[0]}" y="26">{escape(title)}</text>',
        f'<text x="{first[0]}" y="50">lookups</text>',
        *_panel(first, hops, Counter()),
        *_panel(second, requests, lost),
        "</svg>\n",
    ]
    return "\n".join(parts)


def _panel(panel: tuple[int, int, str], found: Mapping[int, int], lost: Mapping[int, int]) -> Iterator[str]:
    """Draw the bars; where there are too many values, each bar stands for several of them."""
    left, right, name = panel
    yield f'<path class="base" d="M{left} {BOTTOM}H{right}"/>'
    yield f'<text x="{(left + right) / 2:.1f}" y="{HEIGHT - 10}" text-anchor="middle">{name}</text>'
    values = found.keys() | lost.keys()
    if not values:
        return
    low, high = min(values), max(values)
    step = -(-(high - low + 1) // _MAX_BARS)
    bins = range(low, high + 1, step)
    good, bad = _binned(found, low, step), _binned(lost, low, step)
    most = max(good[start] + bad[start] for start in bins)
    width = (right - left) / len(bins)
    marked = tick_step(max(float(len(bins)), 4.0))
    for number, start in enumerate(bins):
        x, scale = left + number * width, (BOTTOM - TOP) / most
        whole = BOTTOM - scale * (good[start] + bad[start])
        place = f'x="{x + 1:.1f}" y="{whole:.1f}" width="{width - 2:.1f}"'
        yield f'<rect class="bar" {place} height="{BOTTOM - whole:.1f}"/>'
        if bad[start]:
            yield f'<rect class="lost" {place} height="{scale * bad[start]:.1f}"/>'
        if number % marked < 1:
            yield f'<text x="{x + width / 2:.1f}" y="{BOTTOM + 18}" text-anchor="middle">{start}</text>'
    yield f'<text x="{left - 8}" y="{TOP + 4}" text-anchor="end">{most}</text>'


def _binned(counts: Mapping[int, int], low: int, step: int) -> Counter[int]:
    binned: Counter[int] = Counter()
    for value, count in counts.items():
        binned[low + (value - low) // step * step] += count
    return binned
