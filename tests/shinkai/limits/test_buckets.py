"""The token bucket, which knows no clock but its caller's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.shinkai.limits.buckets import TokenBucket


def test_a_burst_and_then_the_rate() -> None:
    bucket = TokenBucket(rate=5, burst=3, now=100.0)
    assert [bucket.take(1, 100.0) for _ in range(4)] == [True, True, True, False]
    assert bucket.wait(1, 100.0) == pytest.approx(0.2)
    assert not bucket.take(1, 100.19)
    assert bucket.take(1, 100.21)


def test_more_than_the_burst_passes_a_full_bucket_and_is_owed() -> None:
    bucket = TokenBucket(rate=10, burst=10, now=0.0)
    assert bucket.take(35, 0.0)
    assert bucket.wait(1, 0.0) == pytest.approx(2.6)
    assert bucket.wait(35, 2.6) == pytest.approx(0.9)


def test_a_clock_that_goes_back_gives_nothing() -> None:
    bucket = TokenBucket(rate=10, burst=1, now=10.0)
    assert bucket.take(1, 10.0)
    assert not bucket.take(1, 5.0)
    assert bucket.wait(1, 5.0) == pytest.approx(0.1)


@given(st.lists(st.tuples(st.floats(0, 0.5), st.integers(1, 4)), max_size=60))
def test_over_any_time_no_more_than_burst_and_rate(steps: list[tuple[float, int]]) -> None:
    bucket = TokenBucket(rate=5, burst=4, now=0.0)
    now, taken = 0.0, 0
    for step, amount in steps:
        now += step
        taken += amount if bucket.take(amount, now) else 0
        assert taken <= 4 + 5 * now + 1e-4


@given(st.floats(0, 2e9), st.floats(0.1, 1e7), st.integers(1, 10_000))
def test_after_the_wait_it_may_be_taken(now: float, rate: float, amount: int) -> None:
    bucket = TokenBucket(rate, 100, now)
    assert bucket.take(150, now)
    assert bucket.take(amount, now + bucket.wait(amount, now))
