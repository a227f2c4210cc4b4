"""A burst, then one at a time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from p2pstack.services.pace import Pace


def test_a_burst_then_one_an_interval() -> None:
    pace = Pace(3, 10.0)
    assert [pace.allow(100.0) for _ in range(4)] == [True, True, True, False]
    assert pace.delay(100.0) == 10.0
    assert pace.delay(104.0) == 6.0
    assert not pace.allow(109.0)
    assert pace.allow(110.0)
    assert not pace.allow(110.0)


def test_a_long_rest_gives_back_the_burst_and_no_more() -> None:
    pace = Pace(2, 1.0)
    assert [pace.allow(0.0) for _ in range(3)] == [True, True, False]
    assert [pace.allow(1_000.0) for _ in range(3)] == [True, True, False]


@given(st.lists(st.floats(0, 5), max_size=60), st.integers(1, 5), st.sampled_from([0.5, 1.0, 2.0]))
def test_never_more_than_the_burst_and_one_an_interval(pauses: list[float], burst: int, interval: float) -> None:
    pace = Pace(burst, interval)
    now = 0.0
    taken = []
    for pause in pauses:
        now += pause
        if pace.allow(now):
            taken.append(now)
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            assert last - first + 1 <= burst + (taken[last] - taken[first]) / interval + 1e-6
