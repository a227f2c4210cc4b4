from __future__ import annotations

import io
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from p2pstack.testing.simulation.command import main


def run(file: Path, *argv: str) -> str:
    out = io.StringIO()
    assert main(["dht", "--nodes", "60", "--lookups", "10", "--svg", str(file), *argv], out) == 0
    return out.getvalue()


def test_the_figures_are_printed_and_the_chart_is_written(tmp_path: Path) -> None:
    file = tmp_path / "dht.svg"
    text = run(file)
    assert "found      10 of 10 (100.00 %), of the 20 nearest 100.00 %\n" in text
    assert text.endswith(f"chart      {file}\n")
    root = ET.fromstring(file.read_text(encoding="utf-8"))
    assert root.findtext("{http://www.w3.org/2000/svg}title") == "60 nodes, seed 7, 10 lookups"


def test_options_change_what_is_simulated(tmp_path: Path) -> None:
    file = tmp_path / "dht.svg"
    plain = run(file)
    assert run(file) == run(file, "--encoded") == plain
    for option in (
        ["--seed", "8"],
        ["--alpha", "3"],
        ["--paths", "4"],
        ["--go", "--gone", "0.3"],
        ["--gone", "0.3"],
        ["--churn", "0.5"],
        ["--sybils", "30"],
        ["--liars", "0.2"],
        ["--latency", "50"],
    ):
        assert run(file, *option) != plain, option


@pytest.mark.parametrize(
    "argv",
    [
        ["--nodes", "1"],
        ["--nodes", "2", "--gone", "0.5"],
        ["--churn", "-1"],
        ["--churn", "nan"],
        ["--sybils", "-1"],
        ["--sybil-groups", "257"],
        ["--lookups", "0"],
        ["--gone", "1"],
        ["--liars", "-0.1"],
        ["--paths", "11"],
        ["--alpha", "0"],
        ["--latency", "soon"],
    ],
)
def test_arguments_that_can_not_work_end_with_2(
    argv: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["dht", "--svg", str(tmp_path / "dht.svg"), *argv])
    assert caught.value.code == 2
    assert "usage: python -m p2pstack.testing" in capsys.readouterr().err


def test_sybils_capture_a_key_unless_groups_are_limited(tmp_path: Path) -> None:
    file = tmp_path / "dht.svg"
    assert "key        found by 0 of 10, captured 100.0 %\n" in run(file, "--sybils", "40")
    assert "key        found by 10 of 10, captured 0.0 %\n" in run(file, "--sybils", "40", "--limits")
    assert "captured 100.0 %\n" in run(file, "--sybils", "40", "--limits", "--sybil-groups", "0")


@pytest.mark.slow
@pytest.mark.parametrize("option", [[], ["--churn", "0.5"]])
def test_ten_thousand_nodes_take_less_than_a_minute(option: list[str], tmp_path: Path) -> None:
    file = tmp_path / "dht.svg"
    out = io.StringIO()
    assert main(["dht", "--nodes", "10000", "--seed", "7", "--lookups", "200", "--svg", str(file), *option], out) == 0
    assert "found      200 of 200 (100.00 %)" in out.getvalue()
