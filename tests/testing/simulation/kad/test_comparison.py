from __future__ import annotations

import io
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from p2pstack.testing.simulation.command import main
from p2pstack.testing.simulation.kad.comparison import siege_trials, size_trials, trials
from p2pstack.testing.simulation.kad.trial import Trial

BASE = Trial(nodes=110, lookups=5)


def test_tables_and_a_chart_come_out(tmp_path: Path) -> None:
    out, file = io.StringIO(), tmp_path / "compare.svg"
    assert main(["dht-compare", "--nodes", "110", "--lookups", "5", "--svg", str(file)], out) == 0
    first, second, end = out.getvalue().split("\n\n")
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in first.splitlines()]
    assert {len(row) for row in rows} == {8}
    names = [row[0] for row in rows[2:]]
    assert names == [name for name, _ in [*size_trials(BASE), *trials(BASE)]]
    assert names[:2] == ["100 nodes", "110 nodes"]
    assert rows[2][2] == "5 of 5, 100.0 % of the 20"
    assert second.splitlines()[2:] == [
        "| in 1 IP group | 100.0 % |",
        "| in 1 IP group, limits | 0.0 % |",
        "| in 2 IP groups, limits | 0.0 % |",
        "| in 3 IP groups, limits | 100.0 % |",
        "| in 40 IP groups, limits | 100.0 % |",
    ]
    assert end == f"chart: {file}\n"
    root = ET.fromstring(file.read_text(encoding="utf-8"))
    assert root.findtext("{http://www.w3.org/2000/svg}title") == "Lookups in a simulated DHT of 110 nodes"
    texts = {each.text for each in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"sessions of 2 h", "10 % liars", "110", "100"} <= texts


def test_trials_differ_from_the_base_in_what_their_names_say() -> None:
    together = [*size_trials(BASE), *trials(BASE), *siege_trials(BASE)]
    assert len({trial for _, trial in together}) == len({name for name, _ in together}) == len(together)
    assert {trial.seed for _, trial in together} == {BASE.seed}
    assert size_trials(Trial(nodes=100)) == []


def test_arguments_that_can_not_work_end_with_2(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["dht-compare", "--nodes", "1", "--svg", str(tmp_path / "compare.svg")])
    assert caught.value.code == 2
