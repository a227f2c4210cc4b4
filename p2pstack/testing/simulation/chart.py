"""The propagation curve: which share of the nodes has a message after how long, as an SVG written by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from math import floor, log10

from p2pstack.testing.simulation.record import Trace

__all__ = ["propagation_curve", "tick_step"]

WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, TOP, BOTTOM = 64, 20, 48, 52

_STYLE = (
    "text{font:13px sans-serif;fill:#333}.title{font-size:16px;font-weight:bold}"
    ".grid{stroke:#ddd}.one{fill:none;stroke:#7aa6d8;stroke-opacity:.45}.all{fill:none;stroke:#0b4f9e;stroke-width:3}"
)


def tick_step(span: float) -> float:
    """Return a step of 1, 2 or 5 times a power of ten that cuts ``span`` (positive) into 4 to 10 parts."""
    power = 10.0 ** floor(log10(span / 4))
    return next(step * power for step in (5, 2, 1) if step * power <= span / 4)


def propagation_curve(traces: Sequence[Trace], title: str) -> str:
    """Return an SVG: a thin curve for each message, and a thick one for all of them together."""
    longest = max((each for trace in traces for each in trace.seconds), default=0.0)
    span = max(1000 * longest, 1.0)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text class="title" x="{LEFT}" y="26">{escape(title)}</text>',
        *_axes(span),
    ]
    for trace in traces:
        parts.append(_curve(trace.seconds, len(trace.expected), span, "one"))
    together = sorted(each for trace in traces for each in trace.seconds)
    parts.append(_curve(together, sum(len(trace.expected) for trace in traces), span, "all"))
    parts.append("</svg>\n")
    return "\n".join(part for part in parts if part)


def _x(milliseconds: float, span: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * milliseconds / span


def _y(share: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - share)


def _axes(span: float) -> Iterator[str]:
    for percent in range(0, 101, 25):
        y = _y(percent / 100)
        yield f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{percent} %</text>'
    step = tick_step(span)
    for number in range(floor(span / step) + 1):
        x = _x(number * step, span)
        yield f'<path class="grid" d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}"/>'
        yield f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{number * step:g}</text>'
    middle = (LEFT + WIDTH - RIGHT) / 2
    yield f'<text x="{middle:.1f}" y="{HEIGHT - 12}" text-anchor="middle">milliseconds since publishing</text>'
    yield f'<text x="{LEFT}" y="{TOP - 6}">nodes that have the message</text>'


def _curve(seconds: Sequence[float], expected: int, span: float, name: str) -> str:
    """Stairs that rise by one node each; at most one step a pixel is drawn."""
    if not seconds or not expected:
        return ""
    path = [f"M{_x(0, span):.1f} {_y(0):.1f}"]
    drawn = _x(0, span)
    for count, each in enumerate(seconds, 1):
        x = _x(1000 * each, span)
        if x - drawn >= 1 or count == len(seconds):
            path.append(f"L{x:.1f} {_y(count / expected):.1f}")
            drawn = x
    return f'<path class="{name}" d="{"".join(path)}"/>'
