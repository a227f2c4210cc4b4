from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from p2pstack.gossipsub.seen import SeenCache

TTL = 120.0


def filled(*ids: bytes, capacity: int = 10) -> SeenCache:
    """A cache that has seen the first id at 0 s, the next one at 1 s and so on."""
    cache = SeenCache(TTL, capacity)
    for second, message_id in enumerate(ids):
        assert cache.add(message_id, float(second))
    return cache


@pytest.mark.req("GS10-12")
def test_an_id_is_new_once() -> None:
    cache = SeenCache(TTL, 10)
    assert not cache.has(b"a", 0.0)
    assert cache.add(b"a", 0.0)
    assert not cache.add(b"a", 1.0)
    assert cache.has(b"a", 1.0)
    assert not cache.has(b"b", 1.0)
    assert len(cache) == 1


@pytest.mark.req("GS10-12")
def test_time_counts_from_the_first_sight() -> None:
    cache = filled(b"a")
    assert not cache.add(b"a", TTL - 1)
    assert cache.has(b"a", TTL - 0.001)
    assert not cache.has(b"a", TTL), "the second sight prolonged nothing"
    assert cache.add(b"a", TTL)
    assert cache.has(b"a", 2 * TTL - 0.001)


def test_an_id_that_comes_again_after_its_time_takes_the_older_ones_along() -> None:
    cache = filled(b"a", b"b", b"c")
    assert cache.add(b"b", TTL + 1)
    assert len(cache) == 2
    assert cache.has(b"c", TTL + 1)
    assert cache.has(b"b", TTL + 1)
    cache.expire(TTL + 2)
    assert len(cache) == 1
    assert cache.has(b"b", TTL + 2)


@pytest.mark.req("GS10-12")
def test_a_full_cache_forgets_the_oldest() -> None:
    cache = filled(b"a", b"b", b"c", capacity=3)
    assert not cache.add(b"a", 3.0), "seen again is not newer"
    assert cache.add(b"d", 3.0)
    assert [cache.has(each, 3.0) for each in (b"a", b"b", b"c", b"d")] == [False, True, True, True]
    assert len(cache) == 3


def test_expiring_frees_what_is_over_and_no_more() -> None:
    cache = filled(b"a", b"b", b"c")
    cache.expire(TTL - 0.001)
    assert len(cache) == 3
    cache.expire(TTL + 1)
    assert len(cache) == 1
    assert cache.has(b"c", TTL + 1)
    cache.expire(10 * TTL)
    assert len(cache) == 0
    cache.expire(10 * TTL)
    assert cache.add(b"a", 10 * TTL)


def test_the_empty_id_is_an_id() -> None:
    cache = filled(b"a", b"", b"b")
    assert cache.has(b"", 3.0)
    assert cache.add(b"", TTL + 1)
    assert cache.has(b"", TTL + 1)
    assert len(cache) == 2


ids = st.sampled_from([bytes((n,)) for n in range(8)])


class Sights(RuleBasedStateMachine):
    """The cache against a plain list of (id, first sight)."""

    @initialize(ttl=st.integers(1, 6), capacity=st.integers(1, 6))
    def begin(self, ttl: int, capacity: int) -> None:
        self.ttl, self.capacity, self.now = ttl, capacity, 0
        self.cache = SeenCache(ttl, capacity)
        self.sights: list[tuple[bytes, int]] = []

    def known(self) -> list[bytes]:
        self.sights = [each for each in self.sights if self.now < each[1] + self.ttl]
        return [each for each, _ in self.sights]

    @rule(message_id=ids)
    def add(self, message_id: bytes) -> None:
        new = message_id not in self.known()
        assert self.cache.add(message_id, self.now) is new
        if new:
            self.sights = [*self.sights, (message_id, self.now)][-self.capacity :]

    @rule(message_id=ids)
    def has(self, message_id: bytes) -> None:
        assert self.cache.has(message_id, self.now) is (message_id in self.known())

    @rule()
    def expire(self) -> None:
        self.cache.expire(self.now)
        assert len(self.cache) == len(self.known())

    @rule(seconds=st.integers(1, 4))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @invariant()
    def holds_no_more_than_it_may(self) -> None:
        if hasattr(self, "cache"):
            assert len(self.known()) <= len(self.cache) <= self.capacity
            assert list(self.cache._expiry) == list(self.cache._order)


TestSights = pytest.mark.req("GS10-12")(Sights.TestCase)
