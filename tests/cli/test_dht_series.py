"""Many lookups in one process."""

from __future__ import annotations

from hashlib import sha256

from p2pstack.cli.dht_series import Series, look_up, numbered
from p2pstack.kad.keyspace import position
from tests.services.kad.nodes import network, node


def test_keys_are_told_apart_by_number() -> None:
    assert numbered(b"k", 258) == sha256(b"k\0\0\1\2").digest()


async def test_a_series_is_one_outcome_with_the_peers_of_the_last() -> None:
    async with network(3) as nodes:
        _, dht = nodes[0]
        outcome, seconds = await look_up(dht, b"k", Series(count=4, window=3, warm=2), 10.0)
        assert outcome.ok
        assert len(seconds) == 4
        assert 0 < max(seconds) <= outcome.seconds <= sum(seconds)
        assert outcome.progress is not None
        assert outcome.progress.requests == 4 * 2
        assert dht.counters["sent.FIND_NODE"] >= 6 * 2, "those that nobody counts, too"
        last = position(numbered(b"k", 3))
        others = [host.peer_id for host, _ in nodes[1:]]
        assert [peer for peer, _ in outcome.peers] == sorted(others, key=lambda each: position(each.to_bytes()) ^ last)


async def test_one_that_fails_makes_the_series_fail() -> None:
    async with node() as (_, dht):
        outcome, seconds = await look_up(dht, b"k", Series(count=2, warm=1), 10.0)
        assert not outcome.ok
        assert outcome.reason == "nobody answered"
        assert len(seconds) == 2
