"""A lookup that runs: what it does of what its query wants, and what is left of it."""

from __future__ import annotations

import asyncio
from time import monotonic

import pytest

from p2pstack.aio.stream import Stream
from p2pstack.errors import HostClosed
from p2pstack.kad.config import KadConfig
from p2pstack.kad.contacts import Contact
from p2pstack.kad.events import Reason
from p2pstack.kad.messages import Message
from tests.services.hosts import until
from tests.services.kad.nodes import PROTOCOL, chain, honest, liar, network, node, settings


def streams(host: object) -> int:
    return sum(each.protocol == PROTOCOL for one in host.connections() for each in one.streams)  # type: ignore[attr-defined]


@pytest.mark.req("KAD-04")
async def test_the_nearest_answer() -> None:
    async with network(5) as nodes:
        _, dht = nodes[1]
        found = await dht.closest(b"some key")
        assert {each.peer for each in found.peers} == {host.peer_id for host, _ in nodes} - {nodes[1][0].peer_id}
        assert found.progress.reason is Reason.COMPLETE
        assert found.progress.requests == 4
        assert not found.progress.failures
        assert not dht.usage()["max_lookups"].current


@pytest.mark.req("KAD-17")
async def test_a_silent_peer_is_given_up_and_blamed() -> None:
    silence = asyncio.Event()

    async def answer(request: Message, stream: Stream) -> None:
        if silence.is_set():
            await asyncio.Event().wait()
        await honest(request, stream)

    kad = KadConfig(peer_timeout=0.2, patience=0.1, query_timeout=5.0, max_failures=1)
    async with liar(answer) as far, node(settings(kad=kad)) as (host, dht):
        await dht.bootstrap([str(far.host.full_addresses[0])])
        assert far.host.peer_id in dht.routing_table
        silence.set()
        found = await dht.closest(b"key")
        assert found.peers == ()
        assert found.progress.failures == 1
        assert far.host.peer_id not in dht.routing_table
        await until(lambda: not streams(host))


@pytest.mark.req("KAD-17")
async def test_a_lookup_that_is_cancelled_leaves_nothing() -> None:
    async def silent(request: Message, stream: Stream) -> None:
        if len(far.requests) > 1:
            await asyncio.Event().wait()
        await honest(request, stream)

    async with liar(silent) as far, node() as (host, dht):
        await host.connect(far.host.full_addresses[0])
        await until(lambda: len(dht.routing_table))
        looking = asyncio.create_task(dht.closest(b"key"))
        await until(lambda: len(far.requests) == 2)
        looking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await looking
        assert not dht.usage()["max_lookups"].current
        await until(lambda: not streams(host))
        assert far.host.peer_id in dht.routing_table


@pytest.mark.req("KAD-17")
async def test_time_is_over() -> None:
    async def silent(request: Message, stream: Stream) -> None:
        if len(far.requests) > 1:
            await asyncio.Event().wait()
        await honest(request, stream)

    async with liar(silent) as far, node() as (host, dht):
        await host.connect(far.host.full_addresses[0])
        await until(lambda: len(dht.routing_table))
        started = monotonic()
        found = await dht.closest(b"key", timeout=0.2)
        assert found.progress.reason is Reason.TIMEOUT
        assert monotonic() - started < 2


async def test_who_is_told_may_end_it() -> None:
    async with chain(3) as nodes:
        engine = nodes[0][1]._engine
        target = nodes[2][0].peer_id
        key = target.to_bytes()
        async with engine.lookup(key, 5.0, engine.nearest_query(key), lambda _: lookup.stop()) as lookup:
            progress = await lookup.wait()
        assert progress.reason is Reason.STOPPED
        assert lookup.query.target == Contact(target, tuple(nodes[2][0].addresses))


async def test_the_end_of_the_host_ends_lookups() -> None:
    async def silent(request: Message, stream: Stream) -> None:
        if len(far.requests) > 1:
            await asyncio.Event().wait()
        await honest(request, stream)

    async with liar(silent) as far:
        async with node() as (host, dht):
            await host.connect(far.host.full_addresses[0])
            await until(lambda: len(dht.routing_table))
            looking = asyncio.create_task(dht.closest(b"key"))
            await until(lambda: len(far.requests) == 2)
        assert (await looking).progress.reason is Reason.STOPPED
        with pytest.raises(HostClosed):
            await dht.closest(b"key")
