from __future__ import annotations

import io
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from p2pstack.errors import ConfigError
from p2pstack.testing.simulation.command import main, parse_latency
from p2pstack.testing.simulation.links import Constant, Plane


def run(*argv: str) -> str:
    out = io.StringIO()
    assert main(["gossip", "--nodes", "30", *argv], out) == 0
    return out.getvalue()


def test_the_figures_are_printed_and_the_curve_is_written(tmp_path: Path) -> None:
    file = tmp_path / "curve.svg"
    text = run("--seed", "7", "--messages", "3", "--svg", str(file))
    assert "delivered          87 of 87 (100.000 %), worst message 100.000 %, twice 0\n" in text
    assert text.endswith(f"curve              {file}\n")
    root = ET.fromstring(file.read_text(encoding="utf-8"))
    assert sum(path.get("class") == "one" for path in root.iter()) == 3
    assert root.findtext("{http://www.w3.org/2000/svg}title") == "30 nodes, seed 7, 3 messages"


def test_options_change_what_is_simulated() -> None:
    plain = run()
    assert run() == plain
    for option in (
        ["--seed", "8"],
        ["--degree", "8"],
        ["--latency", "50"],
        ["--loss", "0.2"],
        ["--validation", "30"],
        ["--mesh-only"],
        ["--size", "2000"],
    ):
        assert run(*option) != plain, option
    assert "\nbytes  " in run("--encoded")
    assert "max 50.0 ms" in run("--latency", "50", "--degree", "60", "--messages", "1")


def test_latencies() -> None:
    constant, plane = parse_latency("50", 1), parse_latency("10-150", 1)
    assert isinstance(constant, Constant)
    assert constant.seconds == 0.05
    assert isinstance(plane, Plane)
    assert (plane.low, plane.high) == (0.01, 0.15)


@pytest.mark.parametrize("text", ["", "fast", "-5", "20-10", "nan", "10-", "1e99"])
def test_what_is_no_latency(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_latency(text, 1)


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["gossip", "--nodes", "1"],
        ["gossip", "--messages", "0"],
        ["gossip", "--size", "7"],
        ["gossip", "--latency", "soon"],
        ["gossip", "--loss", "2"],
    ],
)
def test_arguments_that_can_not_work_end_with_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 2
    assert "usage: python -m p2pstack.testing" in capsys.readouterr().err
