from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from p2pstack.testing.simulation.chart import HEIGHT, LEFT, RIGHT, TOP, WIDTH, propagation_curve, tick_step
from p2pstack.testing.simulation.record import Arrival, Trace

SVG = "{http://www.w3.org/2000/svg}"


def make_trace(*seconds: float, expected: int = 4) -> Trace:
    trace = Trace(author=0, topic="topic", published_at=0.0, expected=frozenset(range(1, expected + 1)))
    trace.arrivals = {number: Arrival(each, 1) for number, each in enumerate(seconds, 1)}
    return trace


def points(path: ET.Element) -> list[tuple[float, float]]:
    numbers = re.findall(r"[ML]([\d.]+) ([\d.]+)", path.attrib["d"])
    return [(float(x), float(y)) for x, y in numbers]


def test_the_curve_rises_from_nobody_to_all() -> None:
    root = ET.fromstring(propagation_curve([make_trace(0.1, 0.2, 0.3, 0.4)], "a <title> & more"))
    assert root.findtext(f"{SVG}title") == "a <title> & more"
    [one] = [path for path in root.iter(f"{SVG}path") if path.get("class") == "one"]
    [together] = [path for path in root.iter(f"{SVG}path") if path.get("class") == "all"]
    assert points(one) == points(together)
    bottom = points(one)[0][1]
    width, height = WIDTH - LEFT - RIGHT, bottom - TOP
    assert points(one) == [(LEFT + width * step / 4, bottom - height * step / 4) for step in range(5)]
    assert bottom < HEIGHT


def test_who_does_not_get_it_keeps_the_curve_down() -> None:
    root = ET.fromstring(propagation_curve([make_trace(0.1, 0.2), make_trace(0.1, 0.2, 0.2, 0.2)], "title"))
    ends = [points(path)[-1][1] for path in root.iter(f"{SVG}path") if path.get("class") in {"one", "all"}]
    half, full, three_quarters = ends
    assert full == TOP
    assert half > three_quarters == pytest.approx((half + full) / 2)


def test_a_thousand_nodes_draw_no_more_steps_than_there_are_pixels() -> None:
    trace = make_trace(*(0.001 * number for number in range(1, 5_001)), expected=5_000)
    root = ET.fromstring(propagation_curve([trace], "title"))
    for path in root.iter(f"{SVG}path"):
        assert len(points(path)) <= WIDTH - LEFT - RIGHT + 2


@pytest.mark.parametrize("traces", [[], [make_trace()], [make_trace(expected=0)]])
def test_a_chart_without_arrivals_has_its_axes(traces: list[Trace]) -> None:
    root = ET.fromstring(propagation_curve(traces, "title"))
    assert {path.get("class") for path in root.iter(f"{SVG}path")} == {"grid"}


@pytest.mark.parametrize(
    ("span", "step"), [(1, 0.2), (4, 1), (7, 1), (8, 2), (19, 2), (20, 5), (213, 50), (1_000, 200), (2_345, 500)]
)
def test_ticks_are_round(span: float, step: float) -> None:
    assert tick_step(span) == pytest.approx(step)
    assert 4 <= span / tick_step(span) <= 10
