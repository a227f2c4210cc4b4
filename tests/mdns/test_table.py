"""Who is there, and that it stays bounded."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.mdns.config import MdnsConfig
from p2pstack.mdns.table import Change, Source, Table
from tests.mdns.lan import addresses, peer_of

ETH, WLAN = ("eth0", 4), ("wlan0", 4)
PEERS = [peer_of(number) for number in range(1, 40)]
A, B = addresses("/ip4/192.168.1.7/tcp/1", "/ip4/192.168.1.7/tcp/2")


def at(last: int, key: tuple[str, int] = ETH) -> Source:
    return Source(key, ip_address(f"192.168.1.{last}"))


def hear(table: Table, peer: int, last: int = 1, *found: Multiaddr, ttl: int = 100, now: float = 0.0) -> list[Change]:
    return table.heard(PEERS[peer], found or (A,), ttl, at(last), now)


@pytest.mark.req("MDNS-07")
def test_a_peer_is_told_once_and_again_with_more_addresses() -> None:
    table = Table(MdnsConfig())
    assert hear(table, 0) == [Change(PEERS[0], (A,), 100)]
    assert hear(table, 0, now=50) == []
    assert hear(table, 0, 1, A, B, now=60) == [Change(PEERS[0], (A, B), 100)]
    assert hear(table, 0, 1, B, now=70) == []
    assert table.peers() == {PEERS[0]: (B,)}
    assert table.expire(169.9) == []
    assert table.expire(170) == [Change(PEERS[0], ())]
    assert hear(table, 0, now=171) == [Change(PEERS[0], (A,), 100)]


@pytest.mark.req("MDNS-07")
def test_a_goodbye_counts_for_its_source() -> None:
    table = Table(MdnsConfig())
    hear(table, 0, 1)
    hear(table, 0, 2, B)
    assert hear(table, 0, 3, ttl=0) == []
    assert hear(table, 1, 1, ttl=0) == []
    assert hear(table, 0, 1, ttl=0) == []
    assert table.peers() == {PEERS[0]: (B,)}
    assert hear(table, 0, 2, ttl=0) == [Change(PEERS[0], ())]
    assert (len(table), list(table)) == (0, [])


def test_nobody_believes_for_ever() -> None:
    table = Table(MdnsConfig(max_ttl=10))
    assert hear(table, 0, ttl=2**31) == [Change(PEERS[0], (A,), 10)]
    assert table.expire(10) == [Change(PEERS[0], ())]


@pytest.mark.req("MDNS-08")
def test_with_a_segment_goes_who_was_heard_there_alone() -> None:
    table = Table(MdnsConfig())
    hear(table, 0)
    hear(table, 1)
    table.heard(PEERS[1], (B,), 100, at(1, WLAN), 0)
    assert table.forget(ETH) == [Change(PEERS[0], ())]
    assert table.peers() == {PEERS[1]: (B,)}


def test_a_peer_without_addresses_is_none() -> None:
    table = Table(MdnsConfig())
    assert table.heard(PEERS[0], (), 100, at(1), 0) == []
    assert len(table) == 0


@pytest.mark.req("MDNS-11")
def test_addresses_and_sources_of_a_peer_are_bounded() -> None:
    table = Table(MdnsConfig(max_addresses=1, max_sources=2))
    assert hear(table, 0, 1, A, B) == [Change(PEERS[0], (A,), 100)]
    hear(table, 0, 2)
    assert hear(table, 0, 3, B) == []
    assert table.refused == 1


@pytest.mark.req("MDNS-11")
def test_one_source_does_not_keep_out_others() -> None:
    table = Table(MdnsConfig(max_peers=10, max_peers_per_source=8))
    for number in range(20):
        hear(table, number, 66)
    assert (len(table), table.refused) == (8, 12)
    hear(table, 20, 1)
    hear(table, 21, 2)
    assert hear(table, 22, 3) == [Change(PEERS[0], ()), Change(PEERS[22], (A,), 100)]
    assert hear(table, 23, 4) == [Change(PEERS[1], ()), Change(PEERS[23], (A,), 100)]
    assert {PEERS[20], PEERS[21], PEERS[22], PEERS[23]} < set(table)


@pytest.mark.req("MDNS-11")
def test_among_equals_who_is_there_stays() -> None:
    table = Table(MdnsConfig(max_peers=3))
    for number in range(3):
        hear(table, number, number + 1)
    assert hear(table, 3, 9) == []
    assert table.refused == 1
    assert set(table) == set(PEERS[:3])


@pytest.mark.req("MDNS-11")
def test_peers_that_others_have_seen_too_are_not_pushed_out() -> None:
    table = Table(MdnsConfig(max_peers=3))
    for number in range(3):
        hear(table, number, 66)
        hear(table, number, 7)
    assert hear(table, 3, 9) == []
    assert (set(table), table.refused) == (set(PEERS[:3]), 1)
    hear(table, 1, 7, ttl=0)
    assert hear(table, 3, 9) == [Change(PEERS[1], ()), Change(PEERS[3], (A,), 100)]


CLAIMS = st.tuples(st.integers(0, 30), st.integers(1, 6), st.integers(0, 20), st.integers(0, 3))


@given(st.lists(CLAIMS, max_size=200))
def test_whatever_comes_it_stays_bounded_and_told(claims: list[tuple[int, int, int, int]]) -> None:
    config = MdnsConfig(max_peers=7, max_peers_per_source=4, max_sources=2)
    table, told, now = Table(config), set(), 0.0
    for peer, source, ttl, passed in claims:
        now += passed
        for change in [*table.expire(now), *table.heard(PEERS[peer], (A,), ttl, at(source), now)]:
            if change.addresses:
                assert change.peer not in told
                told.add(change.peer)
            else:
                told.remove(change.peer)
        assert told == set(table)
        assert len(table) <= config.max_peers
    table.expire(now + 1_000)
    assert len(table) == 0
