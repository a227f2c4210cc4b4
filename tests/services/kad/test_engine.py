"""What the parts share: turns of lookups, own addresses, sweeping."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from time import time

import pytest

from p2pstack.aio.stream import Stream
from p2pstack.errors import DeadlineExceeded
from p2pstack.kad.config import KadConfig
from p2pstack.kad.contacts import Contact
from p2pstack.kad.filters import Network
from p2pstack.kad.messages import Message
from p2pstack.kad.records import Record
from tests.services.hosts import until
from tests.services.kad.nodes import honest, liar, node, settings


async def test_lookups_wait_for_their_turn_and_not_for_ever() -> None:
    async def silent(request: Message, stream: Stream) -> None:
        if len(far.requests) > 1:
            await asyncio.Event().wait()
        await honest(request, stream)

    async with liar(silent) as far, node(replace(settings(), max_lookups=1)) as (host, dht):
        await host.connect(far.host.full_addresses[0])
        await until(lambda: len(dht.routing_table))
        first = asyncio.create_task(dht.closest(b"key"))
        await until(lambda: len(far.requests) == 2)
        assert dht.usage()["max_lookups"].current == 1
        with pytest.raises(DeadlineExceeded, match="other lookups"):
            await dht.closest(b"other", timeout=0.1)
        first.cancel()
        await asyncio.wait([first])
        assert (await dht.closest(b"other", timeout=0.1)).progress.requests == 1


@pytest.mark.req("KAD-13")
async def test_only_addresses_of_the_network_are_ours_there() -> None:
    async with (
        node(settings(kad=KadConfig(network=Network.PUBLIC))) as (_, public),
        node(settings(kad=KadConfig(network=Network.PRIVATE))) as (host, private),
    ):
        assert public._engine.own_contact().addresses == ()
        assert private._engine.own_contact() == Contact(host.peer_id, tuple(host.addresses))


@pytest.mark.req("KAD-15")
async def test_what_is_over_is_swept() -> None:
    kad = KadConfig(value_lifetime=0.01, provider_lifetime=0.01)
    async with node(settings(kad=kad)) as (host, dht):
        engine = dht._engine
        engine.values.put(Record(key=b"/test/x", value=b"v"), time() - 1)
        engine.providers.add(b"key", Contact(host.peer_id, tuple(host.addresses)), time() - 1)
        assert dht.usage()["max_values"].current == dht.usage()["max_provided_keys"].current == 1
        engine.sweep()
        assert dht.usage()["max_values"].current == dht.usage()["max_provided_keys"].current == 0


async def test_what_runs_in_the_background_ends_with_the_service() -> None:
    started = asyncio.Event()

    async def forever() -> None:
        started.set()
        await asyncio.Event().wait()

    async with node() as (_, dht):
        dht._engine.spawn(forever())
        await started.wait()
    assert not dht._engine._tasks


async def test_what_fails_in_the_background_is_told() -> None:
    async def fail() -> None:
        raise ZeroDivisionError("by nothing")

    told: list[str] = []
    loop = asyncio.get_running_loop()
    handler = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: told.append(context["message"]))
    try:
        async with node() as (_, dht):
            running = set(dht._engine._tasks)
            dht._engine.spawn(fail())
            await until(lambda: told)
            assert dht._engine._tasks == running
    finally:
        loop.set_exception_handler(handler)
    assert told == ["a task of the DHT has ended by an error: by nothing"]
