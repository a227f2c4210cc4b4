"""How a peer is found: by what the directory lists, by what is known, by who is asked."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from math import inf
from time import monotonic

import pytest

from p2pstack.errors import DeadlineExceeded, DialError, HostClosed
from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.identity.peer_id import PeerId
from p2pstack.kad.protocols import PROTOCOL
from p2pstack.services.kad.config import Mode
from p2pstack.services.standard import Host
from p2pstack.shinkai.network.config import FindingConfig
from p2pstack.shinkai.network.finding import MDNS_SERVICE, Finder, FoundBy, join_dht, search_lan
from tests.aio.shell import until
from tests.shinkai.network.nodes import silence

LOOPBACK = "/ip4/127.0.0.1/tcp/0"
QUICK = FindingConfig(patience=0.2)
NOWHERE = Multiaddr("/ip4/127.0.0.1/tcp/1")


class Router:
    """Says where a peer is, right or wrong, when it is let."""

    def __init__(self, *addresses: Multiaddr) -> None:
        self.addresses = addresses
        self.asked: list[PeerId] = []
        self.may = asyncio.Event()
        self.may.set()

    async def find_addresses(self, peer: PeerId, timeout: float) -> list[Multiaddr]:
        self.asked.append(peer)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self.may.wait()
        return list(self.addresses)


@contextlib.asynccontextmanager
async def hosts(*addresses: Multiaddr) -> AsyncIterator[tuple[Host, Host, Router]]:
    """One that searches, one that is searched, and who is asked: that one tells the right address, or others."""
    async with Host() as ours, Host(listen=[LOOPBACK]) as theirs:
        router = Router(*(addresses or theirs.addresses))
        ours.routers.append(router)
        yield ours, theirs, router


@pytest.mark.req("SHK-120")
async def test_who_is_connected_is_not_searched() -> None:
    async with hosts() as (ours, theirs, router):
        await ours.connect(theirs.full_addresses[0])
        assert await Finder(ours, QUICK).reach(theirs.peer_id, [NOWHERE], (), 5.0) is FoundBy.CONNECTED
        assert router.asked == []


@pytest.mark.req("SHK-120")
async def test_the_directory_comes_first_and_nobody_is_asked_where_it_is_right() -> None:
    async with hosts() as (ours, theirs, router):
        ours.peerstore.add_addresses(theirs.peer_id, theirs.addresses, inf)
        assert await Finder(ours, QUICK).reach(theirs.peer_id, theirs.addresses, (), 5.0) is FoundBy.DIRECTORY
        assert router.asked == []


@pytest.mark.req("SHK-120")
async def test_then_comes_what_is_known() -> None:
    async with hosts() as (ours, theirs, router):
        ours.peerstore.add_addresses(theirs.peer_id, theirs.addresses, inf)
        assert await Finder(ours, QUICK).reach(theirs.peer_id, [NOWHERE], (), 5.0) is FoundBy.KNOWN
        assert router.asked == []


@pytest.mark.req("SHK-120")
@pytest.mark.parametrize("listed", [[], [NOWHERE]])
async def test_others_are_asked_last(listed: list[Multiaddr]) -> None:
    async with hosts() as (ours, theirs, router):
        ours.peerstore.add_addresses(theirs.peer_id, [Multiaddr("/ip4/127.0.0.1/tcp/2")], inf)
        assert await Finder(ours, QUICK).reach(theirs.peer_id, listed, (), 5.0) is FoundBy.DHT
        assert router.asked == [theirs.peer_id]


@pytest.mark.req("SHK-120")
async def test_a_relays_address_is_told_apart() -> None:
    async with hosts() as (ours, theirs, router):
        assert await Finder(ours, QUICK).reach(theirs.peer_id, [], theirs.addresses, 5.0) is FoundBy.RELAY
        assert router.asked == []


async def test_a_name_in_the_directory_is_the_directorys() -> None:
    async with hosts() as (ours, theirs, _):
        name = f"/dns4/localhost/tcp/{theirs.addresses[0].value_for_protocol('tcp')}"
        assert await Finder(ours, QUICK).reach(theirs.peer_id, [name], (), 5.0) is FoundBy.DIRECTORY


async def test_a_name_that_leads_nowhere_is_not_taken_for_it() -> None:
    async with hosts() as (ours, theirs, _):
        assert await Finder(ours, QUICK).reach(theirs.peer_id, ["/dns4/nobody.invalid/tcp/1"], (), 5.0) is FoundBy.DHT


@pytest.mark.req("SHK-123")
async def test_a_lie_leads_to_nobody_else() -> None:
    async with Host(listen=[LOOPBACK]) as other, hosts(*other.addresses) as (ours, theirs, router):
        with pytest.raises(DialError):
            await Finder(ours, QUICK).reach(theirs.peer_id, [], (), 5.0)
        assert router.asked == [theirs.peer_id]
        assert other.network.peers == ours.network.peers == []


@pytest.mark.req("SHK-123")
async def test_who_never_answers_costs_no_more_than_the_time_there_is() -> None:
    async with hosts() as (ours, theirs, router):
        router.may.clear()
        started = monotonic()
        with pytest.raises((DialError, DeadlineExceeded)):
            await Finder(ours, QUICK).reach(theirs.peer_id, [], (), 0.2)
        assert monotonic() - started < 2.0


@pytest.mark.req("SHK-120")
async def test_an_address_that_never_answers_does_not_keep_others_from_being_asked() -> None:
    async with silence() as nobody, hosts() as (ours, theirs, router):
        started = monotonic()
        assert await Finder(ours, QUICK).reach(theirs.peer_id, [nobody], (), 10.0) is FoundBy.DHT
        assert router.asked == [theirs.peer_id]
        assert monotonic() - started < 5.0


@pytest.mark.req("SHK-120")
async def test_an_address_that_is_slow_to_answer_has_all_the_time_there_is() -> None:
    async with hosts() as (ours, theirs, router):
        router.addresses = ()
        patience = FindingConfig(patience=1e-9)
        assert await Finder(ours, patience).reach(theirs.peer_id, theirs.addresses, (), 10.0) is FoundBy.DIRECTORY
        assert router.asked == [theirs.peer_id]


@pytest.mark.req("SHK-123")
async def test_whoever_has_less_time_waits_no_longer_than_that() -> None:
    async with hosts() as (ours, theirs, router):
        router.may.clear()
        finder = Finder(ours, QUICK)
        patient = asyncio.create_task(finder.reach(theirs.peer_id, [], (), 10.0))
        await until(lambda: bool(router.asked))
        with pytest.raises(DeadlineExceeded):
            await finder.reach(theirs.peer_id, [], (), 0.05)
        router.may.set()
        assert await patient is FoundBy.DHT


@pytest.mark.req("SHK-123")
async def test_many_that_want_the_same_ask_once() -> None:
    async with hosts() as (ours, theirs, router):
        finder = Finder(ours, QUICK)
        found = await asyncio.gather(*(finder.reach(theirs.peer_id, [], (), 5.0) for _ in range(100)))
        assert set(found) == {FoundBy.DHT}
        assert len(router.asked) == 1
        assert len(theirs.connections(ours.peer_id)) == 1


async def test_stopped_it_leaves_nobody_waiting() -> None:
    async with hosts() as (ours, theirs, router):
        router.may.clear()
        finder = Finder(ours, QUICK)
        await finder.stop()
        waiting = asyncio.create_task(finder.reach(theirs.peer_id, [], (), 10.0))
        await until(lambda: bool(router.asked))
        await finder.stop()
        with pytest.raises(HostClosed):
            await waiting


@pytest.mark.req("SHK-121")
async def test_the_dht_is_the_networks_own() -> None:
    host = Host()
    client, server = join_dht(host, FindingConfig(), server=False), None
    assert (client.config.protocol, client.mode) == ("/shinkai/kad/1.0.0", Mode.CLIENT)
    assert client.config.protocol != PROTOCOL
    server = join_dht(host, FindingConfig(protocol="/other/kad/1.0.0"), server=True)
    assert (server.config.protocol, server.mode) == ("/other/kad/1.0.0", Mode.SERVER)
    assert "/other/kad/1.0.0" in host.protocols
    assert "/shinkai/kad/1.0.0" not in host.protocols


@pytest.mark.req("SHK-122")
async def test_mdns_is_the_networks_own_too() -> None:
    found = search_lan(Host(), FindingConfig(mdns=True, interfaces=("lo",)))
    assert (found.config.service, found.config.interfaces, found.config.dial) == (MDNS_SERVICE, ("lo",), True)
    assert MDNS_SERVICE != "_p2p._udp.local"
