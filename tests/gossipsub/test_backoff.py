from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from p2pstack.gossipsub.backoff import Backoffs
from p2pstack.identity.peer_id import PeerId

PEERS = [PeerId(bytes((0, 1, n))) for n in range(6)]
ONE, OTHER = PEERS[:2]


@pytest.mark.req("GS11-02")
def test_a_back_off_belongs_to_a_topic_and_a_peer() -> None:
    backoffs = Backoffs(10)
    backoffs.add("t", ONE, 60.0)
    assert backoffs.until("t", ONE) == 60.0
    assert backoffs.until("t", OTHER) == 0.0
    assert backoffs.until("other", ONE) == 0.0
    assert len(backoffs) == 1


@pytest.mark.req("GS11-02")
def test_a_back_off_is_prolonged_but_never_shortened() -> None:
    backoffs = Backoffs(10)
    backoffs.add("t", ONE, 60.0)
    backoffs.add("t", ONE, 20.0)
    backoffs.add("t", ONE, 60.0)
    assert backoffs.until("t", ONE) == 60.0
    backoffs.add("t", ONE, 90.0)
    assert backoffs.until("t", ONE) == 90.0
    assert len(backoffs) == 1


@pytest.mark.req("GS11-03")
def test_what_ended_is_kept_for_the_slack() -> None:
    backoffs = Backoffs(10)
    backoffs.add("t", ONE, 60.0)
    backoffs.add("t", OTHER, 61.0)
    backoffs.expire(62.0, 2.0)
    assert len(backoffs) == 2
    backoffs.expire(62.001, 2.0)
    assert backoffs.until("t", ONE) == 0.0
    assert backoffs.until("t", OTHER) == 61.0
    backoffs.expire(100.0, 0.0)
    assert len(backoffs) == 0
    backoffs.expire(200.0, 0.0)
    assert len(backoffs) == 0


@pytest.mark.req("GS11-03")
def test_what_was_prolonged_outlives_its_first_end() -> None:
    backoffs = Backoffs(10)
    backoffs.add("t", ONE, 60.0)
    backoffs.add("t", OTHER, 70.0)
    backoffs.add("t", ONE, 120.0)
    backoffs.expire(100.0, 0.0)
    assert backoffs.until("t", ONE) == 120.0
    assert backoffs.until("t", OTHER) == 0.0
    backoffs.expire(121.0, 0.0)
    assert len(backoffs) == 0


@pytest.mark.req("GS11-02")
def test_a_full_table_forgets_the_one_that_ends_first() -> None:
    backoffs = Backoffs(2)
    backoffs.add("t", PEERS[0], 10.0)
    backoffs.add("t", PEERS[1], 20.0)
    backoffs.add("t", PEERS[0], 30.0)
    backoffs.add("t", PEERS[2], 25.0)
    assert [backoffs.until("t", peer) for peer in PEERS[:3]] == [30.0, 0.0, 25.0]
    backoffs.add("t", PEERS[3], 5.0)
    assert [backoffs.until("t", peer) for peer in PEERS[:4]] == [30.0, 0.0, 25.0, 0.0], "it ended first itself"
    assert len(backoffs) == 2


def test_prolonging_over_and_over_takes_no_memory() -> None:
    backoffs = Backoffs(2)
    for until in range(1_000):
        backoffs.add("t", ONE, float(until))
    assert backoffs.until("t", ONE) == 999.0
    assert len(backoffs._heap) == len(backoffs) == 1


def test_ends_that_are_alike_are_no_trouble() -> None:
    backoffs = Backoffs(3)
    for peer in PEERS:
        backoffs.add("t", peer, 60.0)
    assert len(backoffs) == 3
    assert sorted(backoffs.until("t", peer) for peer in PEERS) == [0.0] * 3 + [60.0] * 3


topics = st.sampled_from(["a", "b"])
peers = st.sampled_from(PEERS)


class Table(RuleBasedStateMachine):
    """The table against a plain dict. No two ends are alike: which of them goes first is not said."""

    @initialize(capacity=st.integers(1, 8))
    def begin(self, capacity: int) -> None:
        self.capacity = capacity
        self.backoffs = Backoffs(capacity)
        self.ends: dict[tuple[str, PeerId], float] = {}
        self.steps = 0
        self.now = 0

    @rule(topic=topics, peer=peers, seconds=st.integers(-2, 30))
    def add(self, topic: str, peer: PeerId, seconds: int) -> None:
        self.steps += 1
        until = self.now + seconds + self.steps / 1_000
        before = self.backoffs.until(topic, peer)
        self.backoffs.add(topic, peer, until)
        if (topic, peer) in self.ends:
            assert self.backoffs.until(topic, peer) == max(before, until)
        self.ends[topic, peer] = max(until, self.ends.get((topic, peer), until))
        if len(self.ends) > self.capacity:
            del self.ends[min(self.ends, key=self.ends.__getitem__)]

    @rule(slack=st.sampled_from([0.0, 2.0]))
    def expire(self, slack: float) -> None:
        self.backoffs.expire(self.now, slack)
        self.ends = {key: until for key, until in self.ends.items() if until >= self.now - slack}

    @rule(seconds=st.integers(1, 10))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @invariant()
    def is_as_the_dict_says(self) -> None:
        if not hasattr(self, "backoffs"):
            return
        assert len(self.backoffs) == len(self.ends) == len(self.backoffs._heap) <= self.capacity
        for topic in ("a", "b"):
            for peer in PEERS:
                assert self.backoffs.until(topic, peer) == self.ends.get((topic, peer), 0.0)


TestTable = pytest.mark.req("GS11-02", "GS11-03")(Table.TestCase)
