"""Where peers of a topic are found."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

import pytest

from p2pstack.errors import DecodeError
from p2pstack.identity.multiaddrs import Multiaddr, parse
from p2pstack.identity.peer_id import PeerId
from p2pstack.services.gossipsub.discovery_sources import DhtSource, RendezvousSource, TopicPeer, TopicSource, topic_key
from tests.host.hosts import key
from tests.services.hosts import until
from tests.services.rendezvous.points import member, point, soon

ADDRESS = parse("/ip4/192.0.2.1/tcp/4001")


@dataclass(frozen=True)
class Found:
    peer: PeerId
    addresses: tuple[Multiaddr, ...] = ()


class FakeSearch:
    def __init__(self, found: Iterable[Found]) -> None:
        self.left = list(found)
        self.closed = False

    def __aiter__(self) -> FakeSearch:
        return self

    async def __anext__(self) -> Found:
        if not self.left:
            raise StopAsyncIteration
        return self.left.pop(0)

    async def aclose(self) -> None:
        self.closed = True


class FakeDht:
    def __init__(self, *found: Found) -> None:
        self.provided: list[tuple[bytes, bool]] = []
        self.asked: list[tuple[bytes, int]] = []
        self.search = FakeSearch(found)

    async def provide(self, key: bytes, *, republish: bool) -> None:
        self.provided.append((key, republish))

    def find_providers(self, key: bytes, *, count: int) -> FakeSearch:
        self.asked.append((key, count))
        return self.search


async def everybody(source: TopicSource, topic: str, count: int = 10) -> list[TopicPeer]:
    return [each async for each in source.find(topic, count)]


@pytest.mark.req("GS10-32")
def test_the_key_is_the_multihash_of_floodsub_and_the_topic() -> None:
    # The SHA-256 of "floodsub:news", by sha256sum.
    assert topic_key("news").hex() == "1220e39a2fe3faf4902c71b911c6a2d56aea6e6205de1abe7ca96fe94ba1e873de93"


@pytest.mark.req("GS10-32")
async def test_a_dht_is_told_and_asked_by_the_key() -> None:
    dht = FakeDht(Found(key(1).peer_id, (ADDRESS,)), Found(key(2).peer_id))
    source = DhtSource(dht)
    assert await source.advertise("news") == 3 * 3_600.0
    assert dht.provided == [(topic_key("news"), False)]
    assert await everybody(source, "news", 7) == [TopicPeer(key(1).peer_id, (ADDRESS,)), TopicPeer(key(2).peer_id)]
    assert dht.asked == [(topic_key("news"), 7)]
    assert dht.search.closed
    await source.withdraw("news")


async def test_a_search_that_is_left_is_closed() -> None:
    dht = FakeDht(Found(key(1).peer_id), Found(key(2).peer_id))
    async with contextlib.aclosing(DhtSource(dht).find("news", 9)) as found:
        assert (await anext(found)).peer == key(1).peer_id
        assert not dht.search.closed
    assert dht.search.closed


@pytest.mark.req("GS10-33")
async def test_a_rendezvous_point_has_a_namespace_for_each_topic() -> None:
    async with point() as (target, server), member(1, target) as (_, first), member(2, target) as (host, second):
        near, far = RendezvousSource(first), RendezvousSource(second)
        assert await soon(near.advertise("news")) == inf
        await soon(far.advertise("news"))
        await soon(far.advertise("sport"))
        assert await soon(everybody(near, "news")) == [TopicPeer(host.peer_id, tuple(host.addresses))]
        assert await soon(everybody(near, "news", 0)) == []
        await soon(far.withdraw("news"))
        await soon(near.withdraw("news"))
        await until(lambda: server.usage()["rendezvous.max_registrations"].current == 1)
        assert await soon(everybody(near, "news")) == []


async def test_a_topic_may_be_too_long_to_be_a_namespace() -> None:
    async with point() as (target, _), member(1, target) as (_, client):
        source = RendezvousSource(client)
        with pytest.raises(DecodeError):
            await source.advertise("x" * 256)
        with pytest.raises(DecodeError):
            await everybody(source, "x" * 256)
        await source.withdraw("x" * 256)
