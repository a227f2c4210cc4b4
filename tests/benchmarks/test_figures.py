from __future__ import annotations

import statistics

import hypothesis.strategies as st
import pytest
from hypothesis import given

from benchmarks.figures import Metric, Sample, growth, percentile, ratio, round_ratios, summarise

RATE = Metric("rate", "/s", higher_is_better=True)
DELAY = Metric("delay", "us", higher_is_better=False)
VALUES = st.lists(st.floats(0.001, 1e9), min_size=1, max_size=50)


def samples(*values: float | str) -> list[Sample]:
    return [Sample(None, value) if isinstance(value, str) else Sample(value) for value in values]


@given(VALUES)
def test_the_middle_percentile_is_the_median(values: list[float]) -> None:
    assert percentile(values, 0.5) == pytest.approx(statistics.median(values))


@given(VALUES, st.floats(0, 1), st.floats(0, 1))
def test_percentiles_grow_and_stay_inside(values: list[float], one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert min(values) <= percentile(values, low) <= percentile(values, high) * (1 + 1e-12)
    assert percentile(values, high) <= max(values) * (1 + 1e-12)


@pytest.mark.parametrize(("values", "fraction"), [([], 0.5), ([1.0], 1.1), ([1.0], -0.1)])
def test_percentile_refuses(values: list[float], fraction: float) -> None:
    with pytest.raises(ValueError, match="percentile"):
        percentile(values, fraction)


def test_a_ratio_above_one_is_better_whichever_way_the_metric_points() -> None:
    assert ratio(RATE, 300, 100) == 3
    assert ratio(DELAY, 50, 100) == 2


@pytest.mark.parametrize(("value", "reference"), [(0, 1), (1, 0), (-1, 1)])
def test_ratio_refuses_what_is_not_positive(value: float, reference: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        ratio(RATE, value, reference)


def test_the_better_reference_counts_within_each_round() -> None:
    references = {"go": samples(100, 50), "rust": samples(80, 200)}
    best, single = round_ratios(RATE, samples(200, 200), references)
    assert best == [2, 1]
    assert single == {"go": [2, 4], "rust": [2.5, 1]}


def test_a_round_where_a_reference_failed_gives_no_ratio_to_the_better_one() -> None:
    references = {"go": samples(100, "no route"), "rust": samples(50, 50)}
    best, single = round_ratios(RATE, samples(100, 100), references)
    assert best == [1]
    assert single == {"go": [1], "rust": [2, 2]}


def test_a_reference_with_fewer_rounds_counts_where_it_ran() -> None:
    best, single = round_ratios(RATE, samples(100, 100), {"go": samples(50)})
    assert (best, single) == ([2], {"go": [2]})


def test_a_summary_holds_medians_ratios_and_failures() -> None:
    cells = summarise(
        DELAY,
        {
            "p2pstack": samples(10, 30, 20),
            "go": samples(20, 20, 20),
            "rust": samples(40, 40, 40),
            "other": samples("closed", 5, "closed"),
        },
    )
    own = cells["p2pstack"]
    assert (own.median, own.ratio, own.failures, own.rounds) == (20, 1, (), 3)
    assert own.ratio_to == {"go": 1, "rust": 2}
    assert cells["go"].ratio == 1
    assert (cells["other"].median, cells["other"].ratio) == (5, 4)
    assert cells["other"].failures == ("closed", "closed")


def test_a_stack_that_always_failed_has_no_median() -> None:
    cell = summarise(RATE, {"go": samples(1, 1), "p2pstack": samples("late", "late")})["p2pstack"]
    assert (cell.median, cell.ratio, cell.ratio_to, cell.failures) == (None, None, {}, ("late", "late"))


def test_what_is_not_compared_has_no_ratios() -> None:
    lost = Metric("lost", "%", higher_is_better=False, compared=False)
    cell = summarise(lost, {"go": samples(10, 20), "rust": samples(0, 0), "p2pstack": samples(5, 0)})["p2pstack"]
    assert (cell.median, cell.ratio, cell.ratio_to) == (2.5, None, {})


def test_without_references_there_are_no_ratios() -> None:
    assert summarise(RATE, {"p2pstack": samples(1)})["p2pstack"].ratio is None


def test_linear_growth_is_one_and_a_fixed_cost_lowers_it() -> None:
    assert growth([1, 10, 100], [2, 20, 200]) == [1, 1]
    assert all(step < 1 for step in growth([1, 10, 100], [102, 120, 300]))


def test_quadratic_growth_shows() -> None:
    assert growth([1, 2, 4], [1, 4, 16]) == [2, 2]


def test_growth_after_an_unmeasurable_cost_is_one() -> None:
    assert growth([1, 2], [0, 5]) == [1]


@pytest.mark.parametrize(("counts", "costs"), [([1, 2], [1]), ([2, 1], [1, 1]), ([1, 1], [1, 1]), ([0, 1], [1, 1])])
def test_growth_refuses(counts: list[float], costs: list[float]) -> None:
    with pytest.raises(ValueError, match="counts"):
        growth(counts, costs)
