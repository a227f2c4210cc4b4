from __future__ import annotations

import gc

import pytest

from benchmarks.timer import calibrate, measure


class Clock:
    """A clock on which each call of `work` takes `seconds`."""

    def __init__(self, seconds: float) -> None:
        self.now = 0.0
        self.seconds = seconds
        self.calls = 0

    def __call__(self) -> float:
        return self.now

    def work(self) -> None:
        self.calls += 1
        self.now += self.seconds


@pytest.mark.parametrize(("cost", "expected"), [(0.001, 20), (0.00001, 2000), (1.0, 1), (0.02, 1)])
def test_calibration_finds_how_many_calls_fill_the_time(cost: float, expected: int) -> None:
    clock = Clock(cost)
    assert calibrate(clock.work, 0.02, clock) == expected


def test_times_are_per_unit() -> None:
    clock = Clock(0.004)
    timing = measure(clock.work, units=4, seconds=0.02, repeats=3, clock=clock)
    assert [timing.best, timing.median] == pytest.approx([0.001, 0.001])


def test_the_best_and_the_median_differ_on_a_busy_machine() -> None:
    clock = Clock(0.01)

    def work() -> None:
        clock.work()
        clock.now += 0.01 * (clock.calls % 3)  # 10, 20, 30 ms

    timing = measure(work, seconds=0.001, repeats=9, clock=clock)
    assert [timing.best, timing.median] == pytest.approx([0.01, 0.02])


def test_the_collector_is_switched_back_on() -> None:
    states = []
    measure(lambda: states.append(gc.isenabled()), seconds=1e-6, repeats=1)
    assert states[-1] is False
    assert gc.isenabled()
