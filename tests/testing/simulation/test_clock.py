from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from p2pstack.testing.simulation.clock import Clock


@given(st.lists(st.floats(0, 100)))
def test_events_come_in_the_order_of_time_then_of_asking(times: list[float]) -> None:
    clock = Clock()
    seen: list[tuple[float, int]] = []
    for number, when in enumerate(times):
        clock.call_at(when, lambda number: seen.append((clock.now, number)), number)
    clock.run_until(100)
    assert seen == sorted((when, number) for number, when in enumerate(times))
    assert clock.events == len(times)
    assert clock.now == 100


def test_time_stands_still_between_events_and_goes_up_to_the_end() -> None:
    clock = Clock()
    seen: list[float] = []
    clock.call_later(1.5, lambda: seen.append(clock.now))
    clock.call_later(3.5, lambda: seen.append(clock.now))
    clock.run_for(2)
    assert (seen, clock.now, len(clock)) == ([1.5], 2, 1)
    clock.run_until(1)  # the past is over
    assert clock.now == 2
    clock.run_for(1.5)
    assert seen == [1.5, 3.5]


def test_what_an_event_asks_for_now_or_for_the_past_comes_next() -> None:
    clock = Clock()
    seen: list[str] = []

    def first() -> None:
        clock.call_at(0, seen.append, "past")
        clock.call_later(0, seen.append, "now")

    clock.call_at(1, first)
    clock.call_at(2, seen.append, "later")
    clock.run_for(2)
    assert seen == ["past", "now", "later"]
