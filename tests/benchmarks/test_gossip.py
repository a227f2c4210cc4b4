from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import gossip
from benchmarks.gossip import arrivals, publish
from benchmarks.processes import RunFailed
from benchmarks.stacks import Sizes, Stack

FAKE_PEER = Path(__file__).with_name("fake_peer.py")


def summary(received: int, seconds: float = 1.0, **values: float) -> dict[str, Any]:
    latencies = {"latency_us_p50": 10, "latency_us_p99": 20, "latency_us_max": 30}
    return {"received": received, "receive_span_seconds": seconds, **latencies, **values}


def fake(speed: float) -> Stack:
    return Stack(
        name="fake", command=(sys.executable, str(FAKE_PEER), str(speed)), version="-", sizes=Sizes(deadline=20)
    )


def test_the_rate_is_that_of_the_worst_and_the_loss_that_of_all() -> None:
    found = arrivals([summary(1000, 2.0), summary(500, 1.0, latency_us_p99=90), summary(900, latency_us_max=70)], 1000)
    assert found.rate == 250
    assert found.lost == pytest.approx(20)
    assert (found.p50, found.p99, found.longest) == (10, 90, 70)


def test_time_begins_with_the_first_message_where_a_peer_tells() -> None:
    assert arrivals([summary(1000, 1.5, latency_us_first=500_000)], 1000).rate == 500


def test_copies_of_a_message_do_not_count() -> None:
    found = arrivals([summary(1000, distinct=800)], 1000)
    assert found.rate == 800
    assert found.lost == pytest.approx(20)


@pytest.mark.parametrize("received", [0, 1])
def test_a_subscriber_that_got_nothing_is_a_failure(received: int) -> None:
    with pytest.raises(RunFailed, match=f"{received} of 1,000 messages arrived"):
        arrivals([summary(1000), {"received": received}], 1000)


def test_a_publisher_that_left_too_early_stays_longer_and_that_is_kept() -> None:
    stays: gossip.Stays = {}
    found = publish(fake(2), stays, subscribers=2, count=100)
    assert found.lost == 0
    assert found.rate == pytest.approx(2000)
    assert stays == {("fake", 2, 0): 2.0}


def test_what_is_lost_at_the_longest_stay_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gossip, "LONGEST_STAY", 0.5)
    assert publish(fake(1), {}, subscribers=1, count=100).lost == pytest.approx(50)


def test_a_longer_stay_is_no_help_where_messages_are_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    stays = {("fake", 1, 0): 0.9}
    found = publish(fake(2), stays, subscribers=1, count=100)
    assert found.lost == pytest.approx(10)
    assert stays == {("fake", 1, 0): 0.9}
