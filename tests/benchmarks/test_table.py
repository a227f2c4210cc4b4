from __future__ import annotations

import pytest

from benchmarks.figures import Metric, Sample, summarise
from benchmarks.table import comparison, markdown, number, times

UPGRADES = Metric("upgrades", "/s", higher_is_better=True)
PING = Metric("ping p50", "us", higher_is_better=False)


@pytest.mark.parametrize(
    ("value", "text"),
    [(12345.6, "12,346"), (-250, "-250"), (99.94, "99.9"), (10.8, "10.8"), (2.214, "2.21"), (0.0, "0.00"), (7, "7")],
)
def test_numbers_keep_three_digits(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(("ratio", "text"), [(2.526, "2.53x"), (0.1, "0.10x"), (0.00213, "0.0021x")])
def test_small_ratios_still_say_something(ratio: float, text: str) -> None:
    assert times(ratio) == text


def test_the_lines_of_a_table_are_equally_long() -> None:
    lines = markdown(["", "a", "bee"], [["one", "1", "2"], ["eleven", "11", "100,000"]]).splitlines()
    assert len(lines) == 4
    assert len({len(line) for line in lines}) == 1
    assert lines[1].replace("-", "") == "||:|:|"


def test_a_comparison_shows_medians_ratios_failures_and_gaps() -> None:
    samples = {
        "upgrades": {"p2pstack": [Sample(1000)], "go": [Sample(500)], "rust": [Sample(800)]},
        "ping p50": {
            "p2pstack": [Sample(None, "no ping event within 5 s")],
            "go": [Sample(60), Sample(None, "refused"), Sample(62)],
        },
    }
    cells = {metric.name: summarise(metric, samples[metric.name]) for metric in (UPGRADES, PING)}
    lines = comparison([UPGRADES, PING], ["p2pstack", "go", "rust"], cells).splitlines()
    assert [cell.strip() for cell in lines[2].split("|")[1:-1]] == [
        "upgrades (/s)",
        "1,000 = 1.25x (2.00x go)",
        "500 = 0.62x (1.00x go)",
        "800 = 1.00x (1.60x go)",
    ]
    assert [cell.strip() for cell in lines[3].split("|")[1:-1]] == [
        "ping p50 (us, lower is better)",
        "failed: no ping event within 5 s",
        "61.0 = 1.00x (1 of 3 failed: refused)",
        "-",
    ]
