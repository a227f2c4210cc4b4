from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from p2pstack.gossipsub.message_cache import OVERHEAD, TAKER_OVERHEAD, MessageCache
from p2pstack.gossipsub.values import Message
from p2pstack.identity.peer_id import PeerId

PEERS = [PeerId(bytes((0, 1, n))) for n in range(4)]
ROOM = 1_000_000


def message(topic: str = "t", size: int = 10) -> Message:
    """A message whose encoding has ``size`` bytes, as far as the cache knows."""
    return Message(b"", topic, encoded=bytes(size))


@pytest.mark.req("GS10-23")
def test_a_message_can_be_had_for_its_window_and_those_of_the_history() -> None:
    cache = MessageCache(5, 3, ROOM)
    kept = message()
    cache.put(b"a", kept)
    for _ in range(4):
        cache.shift()
        assert cache.get(b"a") is kept
    cache.shift()
    assert cache.get(b"a") is None
    assert (len(cache), cache.bytes, cache.evicted) == (0, 0, 0)


@pytest.mark.req("GS10-23")
def test_gossip_tells_of_the_last_windows_the_newest_first() -> None:
    cache = MessageCache(5, 3, ROOM)
    for window in range(5):
        cache.put(b"%d" % window, message())
        cache.put(b"%d'" % window, message())
        cache.put(b"other %d" % window, message("other"))
        if window < 4:
            cache.shift()
    assert cache.gossip_ids("t") == [b"4", b"4'", b"3", b"3'", b"2", b"2'"]
    assert cache.gossip_ids("other") == [b"other 4", b"other 3", b"other 2"]
    assert cache.gossip_ids("none") == []
    cache.shift()
    assert cache.gossip_ids("t") == [b"4", b"4'", b"3", b"3'"]
    assert len(cache) == 12


def test_without_gossip_windows_nothing_is_told() -> None:
    cache = MessageCache(1, 0, ROOM)
    cache.put(b"a", message())
    assert cache.gossip_ids("t") == []
    assert cache.get(b"a") is not None
    cache.shift()
    assert cache.get(b"a") is None


@pytest.mark.req("GS10-23")
def test_the_same_id_is_kept_once() -> None:
    cache = MessageCache(5, 3, ROOM)
    first = message()
    cache.put(b"a", first)
    held = cache.bytes
    cache.shift()
    cache.put(b"a", message("other", 500))
    assert cache.get(b"a") is first
    assert (len(cache), cache.bytes) == (1, held)
    assert cache.gossip_ids("t") == [b"a"]
    assert cache.gossip_ids("other") == []


@pytest.mark.req("GS10-23", "GS11-15")
def test_takings_are_counted_by_message_and_peer() -> None:
    cache = MessageCache(5, 3, ROOM)
    a, b = message(), message()
    cache.put(b"a", a)
    cache.put(b"b", b)
    assert [cache.take(b"a", PEERS[0]) for _ in range(3)] == [(a, 1), (a, 2), (a, 3)]
    assert cache.take(b"a", PEERS[1]) == (a, 1)
    assert cache.take(b"b", PEERS[0]) == (b, 1)
    assert cache.take(b"c", PEERS[0]) is None
    assert cache.bytes == 2 * (10 + 1 + OVERHEAD) + 3 * TAKER_OVERHEAD
    for _ in range(5):
        cache.shift()
    assert cache.take(b"a", PEERS[0]) is None
    assert cache.bytes == 0


@pytest.mark.req("GS10-23")
def test_the_oldest_messages_make_room() -> None:
    each = 100 + 1 + OVERHEAD
    cache = MessageCache(5, 3, 3 * each)
    for message_id in (b"a", b"b", b"c"):
        cache.put(message_id, message(size=100))
        cache.shift()
    assert cache.evicted == 0
    cache.put(b"d", message("other", size=101))
    assert [cache.get(one) is not None for one in (b"a", b"b", b"c", b"d")] == [False, False, True, True]
    assert (cache.evicted, cache.bytes, len(cache)) == (2, 2 * each + 1, 2)
    assert cache.gossip_ids("t") == [b"c"]
    for _ in range(4):
        assert cache.get(b"c") is not None
        cache.shift()
    assert cache.get(b"c") is None, "windows whose messages went early are counted right"
    assert cache.get(b"d") is not None


def test_topics_of_evicted_messages_leave_nothing_behind() -> None:
    cache = MessageCache(5, 3, 2 * (10 + 2 + OVERHEAD))
    for n in range(50):
        cache.put(b"%02d" % n, message(f"topic {n}"))
    assert [topic for window in cache._windows for topic in window] == ["topic 48", "topic 49"]
    assert cache.evicted == 48


def test_a_message_larger_than_the_cache_drives_nobody_out() -> None:
    cache = MessageCache(5, 3, 2_000)
    cache.put(b"a", message())
    cache.put(b"b", message(size=2_000))
    assert cache.get(b"b") is None
    assert cache.get(b"a") is not None
    assert cache.evicted == 1


def test_takers_are_paid_for_out_of_the_same_room() -> None:
    cache = MessageCache(5, 3, 10 + 1 + OVERHEAD + TAKER_OVERHEAD)
    kept = message()
    cache.put(b"a", kept)
    assert cache.take(b"a", PEERS[0]) == (kept, 1)
    assert cache.take(b"a", PEERS[0]) == (kept, 2)
    assert len(cache) == 1
    assert cache.take(b"a", PEERS[1]) == (kept, 1), "who asks still gets it"
    assert (len(cache), cache.bytes, cache.evicted) == (0, 0, 1)


@dataclass
class Kept:
    """What the naive twin knows of a message."""

    message_id: bytes
    message: Message
    age: int = 0
    taken: dict[PeerId, int] = field(default_factory=dict)

    @property
    def charge(self) -> int:
        return len(self.message.encoded) + len(self.message_id) + OVERHEAD + TAKER_OVERHEAD * len(self.taken)


ids = st.sampled_from([bytes((n,)) * (n + 1) for n in range(10)])
topics = st.sampled_from(["a", "b", "c"])


class Windows(RuleBasedStateMachine):
    """The cache against a plain list, the oldest message first."""

    @initialize(history=st.integers(1, 5), data=st.data(), room=st.sampled_from([600, 2_000, 5_000, ROOM]))
    def begin(self, history: int, data: st.DataObject, room: int) -> None:
        self.history, self.room = history, room
        self.gossip = data.draw(st.integers(0, history))
        self.cache = MessageCache(history, self.gossip, room)
        self.kept: list[Kept] = []
        self.evicted = 0

    def find(self, message_id: bytes) -> Kept | None:
        return next((each for each in self.kept if each.message_id == message_id), None)

    def make_room(self) -> None:
        while sum(each.charge for each in self.kept) > self.room:
            del self.kept[0]
            self.evicted += 1

    @rule(message_id=ids, topic=topics, size=st.sampled_from([0, 50, 700, 3_000]))
    def put(self, message_id: bytes, topic: str, size: int) -> None:
        new = Kept(message_id, Message(b"", topic, encoded=bytes(size) or b"x"))
        self.cache.put(message_id, new.message)
        if self.find(message_id) is not None:
            return
        if new.charge > self.room:
            self.evicted += 1
            return
        self.kept.append(new)
        self.make_room()

    @rule(message_id=ids)
    def get(self, message_id: bytes) -> None:
        known = self.find(message_id)
        assert self.cache.get(message_id) is (known and known.message)

    @rule(message_id=ids, peer=st.sampled_from(PEERS))
    def take(self, message_id: bytes, peer: PeerId) -> None:
        known = self.find(message_id)
        taken = self.cache.take(message_id, peer)
        if known is None:
            assert taken is None
            return
        known.taken[peer] = known.taken.get(peer, 0) + 1
        assert taken is not None
        assert taken[0] is known.message
        assert taken[1] == known.taken[peer]
        self.make_room()

    @rule()
    def shift(self) -> None:
        self.cache.shift()
        for each in self.kept:
            each.age += 1
        self.kept = [each for each in self.kept if each.age < self.history]

    @invariant()
    def is_as_the_list_says(self) -> None:
        if not hasattr(self, "cache"):
            return
        assert len(self.cache) == len(self.kept)
        assert self.cache.bytes == sum(each.charge for each in self.kept) <= self.room
        assert self.cache.evicted == self.evicted
        assert len(self.cache._windows) <= self.history
        for topic in ("a", "b", "c"):
            told = [each for each in self.kept if each.message.topic == topic and each.age < self.gossip]
            told.sort(key=lambda each: each.age)  # stable: within a window they stay in the order in which they came
            assert self.cache.gossip_ids(topic) == [each.message_id for each in told]


TestWindows = pytest.mark.req("GS10-23", "GS11-15")(Windows.TestCase)
