from __future__ import annotations

import pytest

from p2pstack.host.backoff import Backoff
from p2pstack.host.config import DialConfig


def test_what_never_failed_may_be_tried() -> None:
    assert Backoff(DialConfig()).refusal("a", 0.0) == ""


@pytest.mark.req("TCP-05")
def test_each_failure_in_a_row_makes_the_pause_longer_up_to_a_bound() -> None:
    backoff = Backoff(DialConfig(backoff_base=5, backoff_factor=1, backoff_max=20))
    now = 100.0
    for pause in (5, 6, 9, 14, 20, 20):
        backoff.failed("a", "refused", now)
        assert backoff.refusal("a", now + pause - 0.01)
        assert backoff.refusal("a", now + pause) == ""
        now += 1_000


def test_the_refusal_says_for_how_long_and_why() -> None:
    backoff = Backoff(DialConfig())
    backoff.failed("a", "refused", 10.0)
    assert backoff.refusal("a", 10.25) == "left alone for 0.8 s more after failure 1: refused"
    assert backoff.refusal("b", 10.25) == "", "keys are apart"


def test_success_is_a_new_beginning() -> None:
    backoff = Backoff(DialConfig())
    for _ in range(3):
        backoff.failed("a", "refused", 0.0)
    backoff.succeeded("a")
    backoff.succeeded("never failed")
    assert backoff.refusal("a", 0.0) == ""
    assert len(backoff) == 0
    backoff.failed("a", "refused", 0.0)
    assert "failure 1" in backoff.refusal("a", 0.0)


@pytest.mark.req("GEN-04")
def test_the_memory_of_failures_is_bounded_and_forgets_the_oldest() -> None:
    backoff = Backoff(DialConfig(max_backoffs=3))
    for key in "abcad":
        backoff.failed(key, "refused", 0.0)
    assert len(backoff) == 3
    assert [key for key in "abcd" if backoff.refusal(key, 0.0)] == ["a", "c", "d"]
