from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import micro
from benchmarks.micro_cases import Case, cases

ALL = {case.name: case for case in cases()}


@pytest.mark.parametrize("case", ALL.values(), ids=ALL.keys())
def test_a_case_can_be_repeated(case: Case) -> None:
    # Each case checks its own result; again and again, since windows and counters have to go on.
    for _ in range(20):
        case.call()
    assert case.units >= 1


def test_the_results_are_printed_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmarks.micro_cases.cases", lambda: iter([Case("nothing", lambda: None, unit_bytes=10)]))
    micro.micro(tmp_path / "made", "small", quick=True)
    assert "nothing" in capsys.readouterr().out
    written = json.loads((tmp_path / "made" / "small.json").read_text())
    assert written["settings"] == {"quick": True}
    assert 0 < written["microseconds"]["nothing"]["best"] <= written["microseconds"]["nothing"]["median"]
