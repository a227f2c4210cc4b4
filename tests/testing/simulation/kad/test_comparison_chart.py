from __future__ import annotations

from xml.etree import ElementTree as ET

from p2pstack.testing.simulation.kad.comparison_chart import BOTTOM, HOPS, TIMES, TOP, Curve, Size, comparison_chart

SVG = "{http://www.w3.org/2000/svg}"


def draw(*curves: Curve, sizes: tuple[Size, ...] = ()) -> ET.Element:
    return ET.fromstring(comparison_chart(curves, sizes, "a <title> & more"))


def curves_of(root: ET.Element) -> list[str]:
    """The curves without their samples in the legend."""
    paths = [each.attrib["d"] for each in root.iter(f"{SVG}path") if each.get("class") == "curve"]
    return [each for each in paths if not each.endswith("h24")]


def test_a_curve_rises_by_each_lookup() -> None:
    root = draw(Curve("fast", (1.0, 2.0)), Curve("slow", (1.0, 3.0, 4.0, 4.0)))
    assert root.findtext(f"{SVG}title") == "a <title> & more"
    left, right = TIMES
    middle, half = (left + right) // 2, (TOP + BOTTOM) // 2
    fast, slow = curves_of(root)
    assert fast == f"M{left} {BOTTOM}L{left + (right - left) // 4} {half}L{middle} {TOP}"
    assert slow.endswith(f"L{right} {TOP}")
    texts = [each.text for each in root.iter(f"{SVG}text")]
    assert {"fast", "slow", "25 %", "100 %", "0", "1", "4"} <= set(texts)


def test_points_that_can_not_be_told_apart_are_left_out() -> None:
    (path,) = curves_of(draw(Curve("many", tuple(number / 10_000 for number in range(10_000)))))
    assert 200 < path.count("L") < 260
    assert path.endswith(f"L{TIMES[1]} {TOP}")


def test_hops_stand_over_the_logarithm_of_the_nodes() -> None:
    root = draw(sizes=(Size(100, 0.5, 0.4), Size(1_000, 1.0, 0.9), Size(10_000, 2.0, 1.7)))
    dots = [(float(each.attrib["cx"]), float(each.attrib["cy"])) for each in root.iter(f"{SVG}circle")]
    left, right = HOPS
    assert dots == [
        (left + 20, BOTTOM - (BOTTOM - TOP) / 4),
        ((left + right) / 2, (TOP + BOTTOM) / 2),
        (right - 20, TOP),
    ]
    assert sum(each.get("class") == "expected" for each in root.iter()) == 1


def test_one_size_and_nothing_at_all_are_drawn_too() -> None:
    assert sum(1 for _ in draw(sizes=(Size(100, 0.0, 0.0),)).iter(f"{SVG}circle")) == 1
    empty = draw(Curve("nothing", ()))
    assert curves_of(empty) == [f"M{TIMES[0]} {BOTTOM}"]
    assert sum(1 for _ in empty.iter(f"{SVG}circle")) == 0
