"""Entering, refreshing, sweeping: what goes on by itself."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from time import monotonic, time

import pytest

from p2pstack.aio.stream import Stream
from p2pstack.errors import DeadlineExceeded
from p2pstack.kad.config import KadConfig
from p2pstack.kad.messages import Message
from p2pstack.kad.records import Record
from p2pstack.services.kad.events import DhtRefreshed
from tests.aio.shell import silent_listener
from tests.kad.making import peer
from tests.services.hosts import next_event, until
from tests.services.kad.nodes import honest, liar, network, node, settings


@pytest.mark.req("KAD-12")
async def test_a_node_enters_by_its_configured_peers_by_itself() -> None:
    async with network(4) as nodes:
        entrance = str(nodes[0][0].full_addresses[0])
        async with node(settings(bootstrap=(entrance,), refresh=True)) as (host, dht):
            await until(lambda: len(dht.routing_table) == 4)
            await until(lambda: all(host.peer_id in other.routing_table for _, other in nodes))


@pytest.mark.req("KAD-12")
async def test_a_bootstrap_peer_that_is_not_there_is_tried_again() -> None:
    kad = KadConfig(small_table_interval=0.1, min_refresh_interval=0.05)
    async with node() as (far, _):
        gone = str(far.full_addresses[0])
    async with node(settings(bootstrap=(gone,), refresh=True, kad=kad)) as (host, dht):
        events = host.events(DhtRefreshed)
        async with node() as (other, _):
            await other.connect(host.full_addresses[0])
            assert (await next_event(events, DhtRefreshed)).size == 1
            assert other.peer_id in dht.routing_table


@pytest.mark.req("KAD-12")
async def test_entering_by_several_addresses_goes_on_without_those_that_fail() -> None:
    async with network(3) as nodes, node() as (_, dht):
        async with node() as (gone, _):
            nowhere = str(gone.full_addresses[0])
        joined = await dht.bootstrap([nowhere, nodes[0][0].full_addresses[0]])
        assert joined.reached == (nodes[0][0].peer_id,)
        assert set(joined.failed) == {nowhere}
        assert joined.size == 3
        assert joined.progress.requests == 3


@pytest.mark.req("KAD-11")
async def test_who_was_silent_for_long_is_asked_whether_it_is_there() -> None:
    kad = KadConfig(silence=0.01, peer_timeout=1.0)
    async with liar(honest) as far, node(settings(kad=kad)) as (_, dht):
        await dht.bootstrap([str(far.host.full_addresses[0])])
        await until(lambda: dht.routing_table.silent(monotonic()))
        before = sum(each.key == far.host.peer_id.to_bytes() for each in far.requests)
        await dht.bootstrap()
        assert sum(each.key == far.host.peer_id.to_bytes() for each in far.requests) > before


@pytest.mark.req("KAD-15")
async def test_stores_are_swept_from_time_to_time() -> None:
    config = replace(settings(kad=KadConfig(value_lifetime=0.01)), sweep_interval=0.05)
    async with node(config) as (_, dht):
        dht._engine.values.put(Record(key=b"/test/x", value=b"v"), time())
        await until(lambda: not dht.usage()["max_values"].current)


async def test_there_is_a_time_for_entering_and_who_was_late_is_told() -> None:
    with silent_listener() as silent:
        address = f"/ip4/127.0.0.1/tcp/{silent.getsockname()[1]}/p2p/{peer(1)}"
        async with node() as (_, dht):
            joined = await dht.bootstrap([address], timeout=0.1)
        assert joined.reached == ()
        assert isinstance(joined.failed[address], DeadlineExceeded)
        assert "0.1 s" in str(joined.failed[address])


@pytest.mark.req("KAD-12")
async def test_what_is_published_again_holds_up_no_refresh() -> None:
    stuck = asyncio.Event()

    async def silent(request: Message, stream: Stream) -> None:
        if request.key == b"/test/x":
            stuck.set()
            await asyncio.Event().wait()
        await honest(request, stream)

    kad = KadConfig(value_interval=0.05, small_table_interval=0.05, min_refresh_interval=0.01)
    async with liar(silent) as far, node(settings(kad=kad, refresh=True)) as (host, dht):
        await dht.bootstrap([str(far.host.full_addresses[0])])
        dht._engine.values.put(Record(key=b"/test/x", value=b"v"), time())
        publisher = dht._publisher
        publisher.values.add(b"/test/x", monotonic())
        publisher._records[b"/test/x"] = b"v"
        events = host.events(DhtRefreshed)
        await until(stuck.is_set)
        for _ in range(3):
            assert (await next_event(events, DhtRefreshed)).size == 1
        assert dht.counters["republished"] == 1


async def test_a_bootstrap_peer_that_fails_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async with node() as (gone, _):
        nowhere = str(gone.full_addresses[0])
    with caplog.at_level(logging.INFO, "p2pstack.kad"):
        async with node(settings(bootstrap=(nowhere,), refresh=True)):
            await until(lambda: f"not entered by {nowhere}" in caplog.text)
