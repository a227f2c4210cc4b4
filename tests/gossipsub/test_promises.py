from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from p2pstack.gossipsub.promises import Promises
from p2pstack.identity.peer_id import PeerId

PEERS = [PeerId(bytes((0, 1, n))) for n in range(4)]
ONE, OTHER = PEERS[:2]


def promised(*promises: tuple[PeerId, bytes], now: float = 0.0, capacity: int = 100) -> Promises:
    watched = Promises(3.0, capacity)
    for peer, message_id in promises:
        watched.add(peer, [message_id], Random(0), now)
    return watched


@pytest.mark.req("GS11-16")
def test_one_id_of_each_request_is_watched() -> None:
    ids = [bytes((n,)) for n in range(20)]
    watched: set[bytes] = set()
    for seed in range(200):
        promises = Promises(3.0, 100)
        promises.add(ONE, ids, Random(seed), 0.0)
        assert len(promises) == 1
        watched |= promises._by_id.keys()
    assert watched == set(ids), "each of them can be the one"


@pytest.mark.req("GS11-16")
def test_what_did_not_come_in_time_is_counted_once() -> None:
    promises = promised((ONE, b"a"), (ONE, b"b"), (OTHER, b"a"))
    assert promises.broken(3.0) == {}, "the deadline is not over yet"
    assert promises.broken(3.001) == {ONE: 2, OTHER: 1}
    assert promises.broken(9.0) == {}
    assert len(promises) == 0


@pytest.mark.req("GS11-16")
def test_only_what_is_late_is_counted() -> None:
    promises = promised((ONE, b"a"))
    promises.add(ONE, [b"b"], Random(0), 2.0)
    assert promises.broken(4.0) == {ONE: 1}
    assert promises.broken(5.0) == {}
    assert promises.broken(5.5) == {ONE: 1}


@pytest.mark.req("GS11-16")
@pytest.mark.parametrize("comes", [Promises.delivered, Promises.rejected])
def test_a_copy_from_anyone_keeps_the_promises_of_all(comes: object) -> None:
    assert callable(comes)
    promises = promised((ONE, b"a"), (OTHER, b"a"), (ONE, b"b"))
    comes(promises, b"a")
    comes(promises, b"unknown")
    assert len(promises) == 1
    assert promises.broken(4.0) == {ONE: 1}


@pytest.mark.req("GS11-16", "GS11-19")
def test_a_throttled_peer_owes_nothing() -> None:
    promises = promised((ONE, b"a"), (OTHER, b"a"), (ONE, b"b"))
    promises.throttled(ONE)
    promises.throttled(PEERS[2])
    assert promises.broken(4.0) == {OTHER: 1}


@pytest.mark.req("GS11-16")
def test_promising_again_wins_no_time() -> None:
    promises = promised((ONE, b"a"))
    promises.add(ONE, [b"a"], Random(0), 2.0)
    assert len(promises) == 1
    assert promises.broken(4.0) == {ONE: 1}
    promises.add(ONE, [b"a"], Random(0), 5.0)
    assert promises.broken(8.5) == {ONE: 1}, "a promise that was broken can be given again"


def test_asking_for_nothing_promises_nothing() -> None:
    promises = Promises(3.0, 100)
    promises.add(ONE, [], Random(0), 0.0)
    assert len(promises) == 0
    assert promises.broken(100.0) == {}


@pytest.mark.req("GS11-16")
def test_there_is_a_bound_beyond_which_nothing_is_watched() -> None:
    promises = promised((ONE, b"a"), (ONE, b"b"), (OTHER, b"c"), capacity=2)
    assert len(promises) == 2
    assert promises.broken(4.0) == {ONE: 2}
    promises.add(OTHER, [b"c"], Random(0), 5.0)
    assert promises.broken(9.0) == {OTHER: 1}


peers = st.sampled_from(PEERS)
ids = st.sampled_from([bytes((n,)) for n in range(6)])


class Watch(RuleBasedStateMachine):
    """The promises against a plain dict (id, peer) -> deadline."""

    @initialize(capacity=st.integers(1, 8))
    def begin(self, capacity: int) -> None:
        self.capacity, self.now = capacity, 0
        self.promises = Promises(3, capacity)
        self.deadlines: dict[tuple[bytes, PeerId], int] = {}

    @rule(peer=peers, asked=st.lists(ids, max_size=3, unique=True), seed=st.integers(0, 5))
    def add(self, peer: PeerId, asked: list[bytes], seed: int) -> None:
        self.promises.add(peer, asked, Random(seed), self.now)
        if asked and len(self.deadlines) < self.capacity:
            self.deadlines.setdefault((asked[Random(seed).randrange(len(asked))], peer), self.now + 3)

    @rule(message_id=ids, rejected=st.booleans())
    def comes(self, message_id: bytes, rejected: bool) -> None:
        (self.promises.rejected if rejected else self.promises.delivered)(message_id)
        self.deadlines = {key: at for key, at in self.deadlines.items() if key[0] != message_id}

    @rule(peer=peers)
    def throttled(self, peer: PeerId) -> None:
        self.promises.throttled(peer)
        self.deadlines = {key: at for key, at in self.deadlines.items() if key[1] != peer}

    @rule(seconds=st.integers(1, 3))
    def heartbeat(self, seconds: int) -> None:
        self.now += seconds
        late = {key for key, at in self.deadlines.items() if at < self.now}
        assert self.promises.broken(self.now) == dict(Counter(peer for _, peer in late))
        self.deadlines = {key: at for key, at in self.deadlines.items() if key not in late}

    @invariant()
    def all_indices_agree(self) -> None:
        if not hasattr(self, "promises"):
            return
        watched = self.promises
        assert len(watched) == len(self.deadlines) <= self.capacity
        assert watched._deadlines == self.deadlines
        assert {(i, peer) for i, them in watched._by_id.items() for peer in them} == self.deadlines.keys()
        assert {(i, peer) for peer, them in watched._by_peer.items() for i in them} == self.deadlines.keys()
        assert all(watched._by_id.values())
        assert all(watched._by_peer.values())


TestWatch = pytest.mark.req("GS11-16")(Watch.TestCase)
