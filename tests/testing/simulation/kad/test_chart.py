from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from p2pstack.testing.simulation.kad.chart import BOTTOM, TOP, lookup_chart

SVG = "{http://www.w3.org/2000/svg}"


def trace(hops: int, requests: int, found: bool = True) -> Any:
    return SimpleNamespace(query=SimpleNamespace(hops=lambda: hops, requests=requests), found=found)


def bars(root: ET.Element, kind: str) -> list[float]:
    return [float(each.attrib["height"]) for each in root.iter(f"{SVG}rect") if each.get("class") == kind]


def test_each_value_has_a_bar() -> None:
    root = ET.fromstring(lookup_chart([trace(0, 20), trace(1, 21), trace(1, 22), trace(1, 20)], "a <title> & more"))
    assert root.findtext(f"{SVG}title") == "a <title> & more"
    whole = BOTTOM - TOP
    assert bars(root, "bar") == pytest.approx([whole / 3, whole, whole, whole / 2, whole / 2], abs=0.1)
    assert bars(root, "lost") == []
    texts = [each.text for each in root.iter(f"{SVG}text")]
    assert {"hops", "requests", "lookups", "0", "1", "20", "21", "22", "3", "2"} <= set(texts)


def test_what_was_not_found_is_red() -> None:
    root = ET.fromstring(lookup_chart([trace(1, 20), trace(0, 20, found=False), trace(0, 30, found=False)], "title"))
    whole = BOTTOM - TOP
    assert bars(root, "lost") == pytest.approx([whole / 2, whole / 2], abs=0.1)


def test_many_values_share_bars() -> None:
    root = ET.fromstring(lookup_chart([trace(1, requests) for requests in range(1_000)], "title"))
    assert 20 <= len(bars(root, "bar")) <= 42


def test_a_chart_of_nothing_has_its_axes() -> None:
    root = ET.fromstring(lookup_chart([], "title"))
    assert sum(each.get("class") == "base" for each in root.iter()) == 2
    assert bars(root, "bar") == []
