"""Peers of a topic that are found by a DHT, as go's pubsub has it: with go, which finds us, and which we find.

All know one address alone, that of a DHT server without pubsub, and are clients of its DHT: in nobody's routing table,
so that no lookup brings them together. Either announces that it is of the topic, and one has to dial the other.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from math import inf

import pytest

from p2pstack.identity.peer_id import PeerId
from p2pstack.services.gossipsub.discovery import TopicDiscovery
from p2pstack.services.gossipsub.discovery_config import TopicDiscoveryConfig
from p2pstack.services.gossipsub.discovery_sources import DhtSource, TopicPeer, TopicSource
from p2pstack.services.kad.config import Mode
from p2pstack.services.kad.service import Kademlia
from tests.interop.addresses import peer_of
from tests.interop.gossip import TOPIC, Member, Ours, all_get, ours, process
from tests.interop.harness import Peers
from tests.services.hosts import until
from tests.services.kad.nodes import PROTOCOL, node, settings

pytestmark = pytest.mark.interop

OURS = "p2pstack"
ONCE = TopicDiscoveryConfig(poll_interval=3_600.0, max_interval=3_600.0)
"""Announces a topic, looks for its peers, and does neither again: who comes later has to find us."""

each_entrance = pytest.mark.parametrize("entrance", [OURS, "go"])


class Unheard:
    """Finds the peers of a topic, but tells nobody: who is there already has to be found."""

    def __init__(self, source: TopicSource) -> None:
        self._source = source

    async def advertise(self, topic: str) -> float:
        return inf

    async def withdraw(self, topic: str) -> None:
        pass

    def find(self, topic: str, count: int) -> AsyncGenerator[TopicPeer, None]:
        return self._source.find(topic, count)


@contextlib.asynccontextmanager
async def server(peers: Peers, kind: str) -> AsyncIterator[str]:
    """A DHT server that is of no topic, nor speaks pubsub; gives its address."""
    if kind == OURS:
        async with node() as (host, dht):
            yield str(host.full_addresses[0])
            assert len(dht.routing_table) == 0, "clients are in nobody's table"
    else:
        options = ("--dht", "--dht-protocol", PROTOCOL, "--no-gossip", "--quiet")
        async with peers.listen(kind, *options) as process:
            yield process.address
        assert (await process.event("summary"))["dht_peers"] == [], "clients are in nobody's table"


@contextlib.asynccontextmanager
async def theirs(peers: Peers, kind: str, address: str) -> AsyncIterator[Member]:
    """A node of go that enters at ``address``, and then looks for peers of the topic, as it does by itself."""
    options = ("--discover", "--dht-protocol", PROTOCOL, "--bootstrap", address)
    async with process(peers, kind, options=options) as other:
        joined = await other.peer.event("dht-joined", seconds=20)
        assert joined["ok"], joined
        other.subscribe(TOPIC)
        yield other


@contextlib.asynccontextmanager
async def own_node(address: str) -> AsyncIterator[tuple[Ours, Kademlia]]:
    """A node of ours that has entered at ``address``, and is of the topic."""
    async with ours(TOPIC) as own, Kademlia(own.host, settings(mode=Mode.CLIENT)) as dht:
        assert (await dht.bootstrap([address])).reached
        yield own, dht


@contextlib.asynccontextmanager
async def found(peers: Peers, kind: str, address: str) -> AsyncIterator[Member]:
    """A node that has announced that it is of the topic, and has found nobody."""
    if kind != OURS:
        async with theirs(peers, kind, address) as other:
            yield other
        return
    async with own_node(address) as (own, dht), TopicDiscovery(own.pubsub, DhtSource(dht), config=ONCE) as discovery:
        await until(lambda: discovery.counters["advertised"] == discovery.counters["searched"] == 1, 10.0)
        assert discovery.counters["dialled"] == 0
        yield own


@contextlib.asynccontextmanager
async def finder(peers: Peers, kind: str, address: str) -> AsyncIterator[Member]:
    """A node that looks for the others of the topic."""
    if kind != OURS:
        async with theirs(peers, kind, address) as other:
            yield other
        return
    async with own_node(address) as (own, dht), TopicDiscovery(own.pubsub, Unheard(DhtSource(dht))):
        yield own


async def in_one_mesh(one: Member, other: Member, entrance: str) -> None:
    """Wait until each is in the other's mesh, and see messages pass both ways; nobody else is of the topic."""
    await one.meshes_with(other)
    await other.meshes_with(one)
    await all_get(one, [other], b"found")
    await all_get(other, [one], b"well met")
    for member, peer in ((one, other), (other, one)):
        if isinstance(member, Ours):
            assert member.pubsub.peers(TOPIC) == [PeerId.from_string(peer.peer_id)]
            protocols = member.host.peerstore.protocols(PeerId.from_string(peer_of(entrance)))
            assert protocols is not None
            assert not [each for each in protocols if "sub" in each], "the entrance speaks no pubsub"


@each_entrance
@pytest.mark.parametrize(("dialer", "listener"), [("go", OURS), (OURS, "go"), (OURS, OURS)])
@pytest.mark.req("GS10-32", "KAD-06")
async def test_who_comes_finds_who_is_there(peers: Peers, entrance: str, dialer: str, listener: str) -> None:
    """The one that is there does not look again, or can't, so it is the other one that dials."""
    async with (
        server(peers, entrance) as address,
        found(peers, listener, address) as there,
        finder(peers, dialer, address) as comes,
    ):
        await in_one_mesh(comes, there, address)
        for member, peer, direction in ((comes, there, "outbound"), (there, comes, "inbound")):
            if isinstance(member, Ours):
                connections = member.host.connections(PeerId.from_string(peer.peer_id))
                assert [each.direction for each in connections] == [direction]


@each_entrance
@pytest.mark.parametrize("kind", ["go"])
@pytest.mark.req("GS10-32", "KAD-06")
async def test_both_look_for_each_other(peers: Peers, entrance: str, kind: str) -> None:
    """As it is by default: either may find the other one first, or both may at once."""
    async with (
        server(peers, entrance) as address,
        own_node(address) as (own, dht),
        TopicDiscovery(own.pubsub, DhtSource(dht)),
        theirs(peers, kind, address) as other,
    ):
        await in_one_mesh(own, other, address)
