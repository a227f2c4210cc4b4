from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.figures import Metric, Sample, summarise
from benchmarks.plots import Bar, Curve, Panel, draw_curves, draw_ratios, ratio_bars

RATE = Metric("rate", "/s", higher_is_better=True)
IMPORT = Metric("import", "ms", higher_is_better=False)


def bars() -> list[Bar]:
    cells = {
        "rate": summarise(RATE, {"p2pstack": [Sample(200)], "go": [Sample(100)], "broken": [Sample(None, "x")]}),
        "import": summarise(IMPORT, {"p2pstack": [Sample(80)]}),
    }
    return ratio_bars([RATE, IMPORT], ["p2pstack", "go", "broken"], cells)


def test_only_cells_with_a_ratio_become_bars_in_the_order_given() -> None:
    assert bars() == [Bar("rate", "p2pstack", 2), Bar("rate", "go", 1)]


def test_ratios_are_drawn_the_same_each_time(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for name in ("one.svg", "two.svg"):
        draw_ratios(bars(), ["p2pstack", "go", "broken"], "title", tmp_path / "made" / name)
    one, two = ((tmp_path / "made" / name).read_text() for name in ("one.svg", "two.svg"))
    assert one == two
    assert "<svg" in one


def test_curves_are_drawn_with_an_odd_number_of_panels(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    panel = Panel("memory", "connections", (Curve("a", ((1, 5), (10, 6))), Curve("b", ((1, 1), (10, 2)))))
    draw_curves([panel, panel, panel], "title", tmp_path / "curves.svg")
    assert (tmp_path / "curves.svg").read_text().count("memory") == 3
