"""Finding peers and providers, among honest nodes and liars."""

from __future__ import annotations

import asyncio
from time import monotonic, time

import pytest

from p2pstack.aio.stream import Stream
from p2pstack.errors import HostClosed
from p2pstack.identity.multiaddrs import parse
from p2pstack.identity.peer_id import PeerId
from p2pstack.kad.contacts import Contact
from p2pstack.kad.events import Reason
from p2pstack.kad.messages import Message, MessageType
from p2pstack.services.kad.config import Mode
from p2pstack.services.kad.errors import LookupFailed
from p2pstack.services.kad.messenger import frame_of
from p2pstack.services.standard import Host
from tests.kad.making import peer
from tests.services.hosts import LOOPBACK, until
from tests.services.kad.nodes import chain, honest, liar, network, node, settings

KEY = b"\x12\x20" + bytes(32)
NOWHERE = parse("/ip4/127.0.0.1/tcp/9")


@pytest.mark.req("KAD-04")
async def test_a_peer_at_the_other_end_of_a_chain() -> None:
    async with chain(6) as nodes:
        far = nodes[-1][0]
        found = await nodes[0][1].find_peer(far.peer_id)
        assert found.connected
        assert found.addresses == tuple(far.addresses)
        assert found.progress.requests >= 4
        again = await nodes[0][1].find_peer(far.peer_id)
        assert again.connected
        assert again.progress.requests == 0


@pytest.mark.req("KAD-04", "KAD-16")
async def test_a_client_is_found_by_the_servers_that_know_it() -> None:
    async with chain(3) as nodes, node(settings(mode=Mode.CLIENT)) as (host, _):
        await host.connect(nodes[-1][0].full_addresses[0])
        await until(lambda: nodes[-1][0].peerstore.addresses(host.peer_id, 0.0))
        found = await nodes[0][1].find_peer(host.peer_id)
        assert found.connected
        assert found.addresses == tuple(host.addresses)


async def test_a_peer_that_nobody_knows() -> None:
    async with network(3) as nodes:
        with pytest.raises(LookupFailed, match="was not found") as caught:
            await nodes[1][1].find_peer(peer(1))
        assert caught.value.progress.requests == 2
        assert caught.value.progress.reason is Reason.COMPLETE


async def test_with_an_empty_table_nobody_is_asked() -> None:
    async with node() as (_, dht):
        with pytest.raises(LookupFailed) as caught:
            await dht.find_peer(peer(1))
        assert caught.value.progress.requests == 0


async def test_what_a_liar_says_of_a_peer_does_not_hide_it() -> None:
    async def lie(request: Message, stream: Stream) -> None:
        closer = [Contact(target.peer_id, (NOWHERE,))] if request.key == target.peer_id.to_bytes() else []
        stream.write(frame_of(Message(type=request.type, closer=tuple(closer))))

    async with Host(listen=[LOOPBACK]) as target, liar(lie) as far, network(2) as nodes, node() as (host, dht):
        await nodes[1][0].connect(target.full_addresses[0])
        await until(lambda: nodes[1][0].peerstore.addresses(target.peer_id, 0.0))
        await dht.bootstrap([str(far.host.full_addresses[0])])
        await host.connect(nodes[1][0].full_addresses[0])
        await until(lambda: nodes[1][0].peer_id in dht.routing_table)
        found = await dht.find_peer(target.peer_id)
        assert found.connected
        assert next(iter(target.addresses)) in found.addresses


async def test_hearsay_is_told_as_such() -> None:
    async def lie(request: Message, stream: Stream) -> None:
        closer = (Contact(PeerId(request.key), (NOWHERE,)),) if request.key == peer(7).to_bytes() else ()
        stream.write(frame_of(Message(type=request.type, closer=closer)))

    async with liar(lie) as far, node() as (_, dht):
        await dht.bootstrap([str(far.host.full_addresses[0])])
        found = await dht.find_peer(peer(7))
        assert not found.connected
        assert found.addresses == (NOWHERE,)


@pytest.mark.req("KAD-18")
async def test_ten_thousand_peers_of_nobody_end_soon() -> None:
    crowd = tuple(Contact(peer(number), (parse(f"/ip4/127.0.0.1/tcp/{number % 9 + 1}"),)) for number in range(10_000))
    frame = frame_of(Message(type=MessageType.FIND_NODE, closer=crowd))

    async def lie(request: Message, stream: Stream) -> None:
        if request.key == b"key":
            stream.write(frame)
            await stream.drain()
        else:
            await honest(request, stream)

    async with liar(lie) as far, node() as (host, dht):
        await dht.bootstrap([str(far.host.full_addresses[0])])
        started = monotonic()
        found = await dht.closest(b"key")
        assert [each.peer for each in found.peers] == [far.host.peer_id]
        assert found.progress.requests <= 41
        assert monotonic() - started < 8
        assert len(host.peerstore) < 100


async def test_an_answer_that_names_us_and_garbage() -> None:
    async def lie(request: Message, stream: Stream) -> None:
        own = Contact(stream.peer_id, (NOWHERE,)).encode()
        entries = [
            own,
            own,
            b"\x0a\x02\xff\xff",
            b"\x0a\x00",
            b"\x0a\x26" + far.host.peer_id.to_bytes() + b"\x12\x01\x07",
        ]
        data = b"\x08\x04" + b"".join(b"\x42" + bytes([len(each)]) + each for each in entries)
        stream.write(bytes([len(data) & 0x7F | 0x80, len(data) >> 7]) + data)

    async with liar(lie) as far, node() as (host, dht):
        await dht.bootstrap([str(far.host.full_addresses[0])])
        found = await dht.closest(b"key")
        assert [each.peer for each in found.peers] == [far.host.peer_id]
        assert found.progress.requests == 1
        assert host.peer_id not in dht.routing_table


@pytest.mark.req("KAD-06")
async def test_providers_come_one_by_one() -> None:
    async with network(5) as nodes:
        for _, dht in nodes[1:4]:
            await dht.provide(KEY)
        search = nodes[0][1].find_providers(KEY)
        found = {each.peer: each.addresses async for each in search}
        assert found == {host.peer_id: tuple(host.addresses) for host, _ in nodes[1:4]}
        first = nodes[4][1].find_providers(KEY, count=1)
        assert len([each async for each in first]) == 1
        assert first.progress.reason is Reason.ENOUGH
        own = nodes[1][1].find_providers(KEY, count=0)
        assert len({each.peer async for each in own}) == 2


async def test_a_search_that_is_left_before_its_end() -> None:
    async def silent(request: Message, stream: Stream) -> None:
        if request.type is MessageType.GET_PROVIDERS:
            await asyncio.Event().wait()
        await honest(request, stream)

    async with liar(silent) as far, node() as (_, dht):
        await dht.bootstrap([str(far.host.full_addresses[0])])
        dht._engine.providers.add(KEY, Contact(peer(3), (NOWHERE,)), time())
        async with dht.find_providers(KEY) as search:
            assert search.progress.requests == 0
            assert (await anext(search)).peer == peer(3)
            await until(lambda: far.requests[-1].type is MessageType.GET_PROVIDERS)
            assert search.progress.requests == 1
        assert not dht.usage()["max_lookups"].current
        with pytest.raises(StopAsyncIteration):
            await anext(search)


async def test_a_search_fails_where_the_dht_does_not_run() -> None:
    async with node() as (_, dht):
        search = dht.find_providers(KEY)
    with pytest.raises(HostClosed):
        await anext(search)


async def test_time_is_over_while_a_peer_is_dialled() -> None:
    async def lie(request: Message, stream: Stream) -> None:
        if request.key == peer(7).to_bytes():
            await asyncio.Event().wait()
        await honest(request, stream)

    async with liar(lie) as far, node() as (_, dht):
        await dht.bootstrap([str(far.host.full_addresses[0])])
        started = monotonic()
        with pytest.raises(LookupFailed):
            await dht.find_peer(peer(7), timeout=0.2)
        assert monotonic() - started < 2
