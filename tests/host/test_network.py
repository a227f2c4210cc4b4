from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from p2pstack.aio.connection import Connection
from p2pstack.aio.stream import Stream
from p2pstack.errors import ConnectionClosed, DialError, GatedError, LimitExceeded
from p2pstack.host.config import HostConfig, LimitsConfig, ManagerConfig
from p2pstack.host.events import ConnectionEnded, ConnectionOpened, EventStream, PeerConnected, PeerDisconnected
from p2pstack.host.host import BaseHost
from p2pstack.identity.keys import PrivateKey
from tests.aio.shell import manual_dialer, until
from tests.services.hosts import LOOPBACK, backward, connected

ECHO = "/echo/1.0.0"


async def echo(stream: Stream) -> None:
    stream.write(await stream.read())


def limited(**limits: Any) -> HostConfig:
    return HostConfig(limits=LimitsConfig(**limits))


def echoing(config: HostConfig | None = None) -> BaseHost:
    host = BaseHost(listen=[LOOPBACK], config=config)
    host.handle(ECHO, echo)
    return host


@asynccontextmanager
async def both_dialled(one: BaseHost, two: BaseHost) -> AsyncIterator[tuple[BaseHost, BaseHost]]:
    """Two hosts that have dialled each other at once: two connections."""
    async with one, two:
        await asyncio.gather(one.connect(two.full_addresses[0]), two.connect(one.full_addresses[0]))
        await until(lambda: len(one.connections()) == len(two.connections()) == 2)
        yield one, two


async def told(events: EventStream) -> list[str]:
    """The names of all events until the end."""
    async with asyncio.timeout(5):
        return [type(event).__name__ async for event in events]


def ends(connection: Connection) -> set[str]:
    return {str(connection.local_address), str(connection.remote_address)}


@pytest.mark.req("GEN-11")
async def test_two_connections_to_a_peer_are_told_of_as_one_peer() -> None:
    one, two = echoing(), echoing()
    events = one.events(PeerConnected, PeerDisconnected, ConnectionOpened, ConnectionEnded)
    async with both_dialled(one, two):
        assert one.network.peers == [two.peer_id]
        assert {each.direction for each in one.connections(two.peer_id)} == {"inbound", "outbound"}
        for connection in one.connections():
            async with await connection.open_stream(ECHO) as stream:
                stream.write(b"hello")
                assert await stream.read() == b"hello"
        first, second = one.connections()
        await first.close()
        assert one.connections(two.peer_id) == [second]
        assert one.network.best(two.peer_id) is second
        async with await one.open_stream(two.peer_id, ECHO) as stream:
            stream.write(b"still")
            assert await stream.read() == b"still"
        assert one.peerstore.get(two.peer_id) is not None
        await second.close()
        assert one.network.peers == []
        assert one.network.best(two.peer_id) is None
        await until(lambda: not two.connections())
    assert await told(events) == [
        "ConnectionOpened",
        "PeerConnected",
        "ConnectionOpened",
        "ConnectionEnded",
        "ConnectionEnded",
        "PeerDisconnected",
    ]


@pytest.mark.req("GEN-11")
async def test_both_sides_prefer_the_same_of_two_connections() -> None:
    async with both_dialled(echoing(), echoing()) as (one, two):
        mine, yours = one.network.best(two.peer_id), two.network.best(one.peer_id)
        assert mine is not None
        assert yours is not None
        assert ends(mine) == ends(yours)
        smaller = mine if one.peer_id < two.peer_id else yours
        assert smaller.direction == "outbound"
        assert await one.connect(two.full_addresses[0]) is mine, "what is open is used"


@pytest.mark.req("GEN-11")
async def test_a_connection_that_is_closing_is_not_preferred() -> None:
    async with both_dialled(echoing(), echoing()) as (one, two):
        best = one.network.best(two.peer_id)
        assert best is not None
        best.abort(ConnectionClosed("by the test"))
        [other] = [each for each in one.connections() if each is not best]
        assert one.network.best(two.peer_id) is other
        other.abort(ConnectionClosed("by the test"))
        assert one.network.best(two.peer_id) is None


@pytest.mark.req("GEN-05")
async def test_a_peer_has_so_many_connections_and_not_more() -> None:
    far = echoing(limited(connections_per_peer=1))
    async with connected(BaseHost(), far) as (near, _, first):
        second = await near.connect(far.addresses[0])
        await second.wait_closed()
        assert near.connections() == [first]
        await until(lambda: far.usage()["connections"].current == 1)
        async with await first.open_stream(ECHO) as stream:
            stream.write(b"hello")
            assert await stream.read() == b"hello"


@pytest.mark.req("GEN-05")
async def test_the_limit_holds_for_own_dials_too() -> None:
    near = BaseHost(config=limited(connections_per_peer=1))
    async with connected(near, echoing()) as (_, far, first):
        with pytest.raises(DialError) as caught:
            await near.connect(far.addresses[0])
        [(_, error)] = caught.value.attempts
        assert isinstance(error, LimitExceeded)
        assert error.name == "connections_per_peer"
        assert near.connections() == [first]
        await until(lambda: near.usage()["connections"].current == 1)


@pytest.mark.req("GEN-05")
async def test_a_full_host_refuses_and_takes_again() -> None:
    far = echoing(limited(inbound_connections=1))
    async with connected(BaseHost(), far) as (near, _, connection), BaseHost() as late:
        with pytest.raises(DialError):
            await late.connect(far.addresses[0])
        assert far.network.peers == [near.peer_id]
        await connection.close()
        await until(lambda: far.usage()["connections"].current == 0)
        await late.connect(far.full_addresses[0])
        await backward(far, late)


@pytest.mark.req("GEN-05")
async def test_a_dial_beyond_the_limit_says_so() -> None:
    near = BaseHost(config=limited(connections=1))
    async with connected(near, echoing()) as (_, _, connection), echoing() as other:
        with pytest.raises(DialError, match="limit connections of 1 is exhausted"):
            await near.connect(other.full_addresses[0])
        assert near.connections() == [connection]


@pytest.mark.req("TCP-04")
async def test_a_connection_to_oneself_is_refused() -> None:
    key = PrivateKey.generate()
    async with BaseHost(key, listen=[LOOPBACK]) as far, BaseHost(key) as near:
        with pytest.raises(DialError, match="connected to itself") as caught:
            await near.connect(far.addresses[0])
        assert isinstance(caught.value.attempts[0][1], GatedError)
        await until(lambda: far.usage()["connections"].current == 0)
        assert near.connections() == far.connections() == []


@pytest.mark.req("GEN-08")
async def test_too_many_connections_are_reduced_and_the_protected_stay() -> None:
    manager = ManagerConfig(low_water=1, high_water=2, grace=1e-9, silence=1e-9)
    async with echoing(HostConfig(manager=manager)) as host, BaseHost() as one, BaseHost() as two, BaseHost() as three:
        host.protect(one.peer_id, "friend")
        for other in (one, two):
            await other.connect(host.full_addresses[0])
            await backward(host, other)
        assert len(host.connections()) == 2
        await three.connect(host.full_addresses[0])
        await until(lambda: len(host.connections()) == 1)
        assert host.network.peers == [one.peer_id]
        await until(lambda: not two.connections() and not three.connections())


@pytest.mark.req("GEN-12")
async def test_a_peer_that_closes_with_a_reset_has_closed() -> None:
    async with echoing() as host:
        events = host.events(ConnectionEnded, PeerDisconnected)
        async with manual_dialer(host._servers[0]) as peer:
            await until(host.connections)
            peer.reset()
            await until(lambda: not host.connections())
        ended = await anext(events)
        assert isinstance(ended, ConnectionEnded)
        assert isinstance(ended.reason, ConnectionClosed)
        assert isinstance(await anext(events), PeerDisconnected)
        assert host.usage()["connections"].current == 0


async def test_services_are_told_of_every_connection() -> None:
    seen: list[Connection] = []
    far = echoing()
    far.network.on_opened.append(seen.append)
    async with connected(BaseHost(), far):
        assert seen == far.connections()


@pytest.mark.req("GEN-05")
async def test_what_a_connection_took_is_given_back() -> None:
    near, far = BaseHost(), echoing()
    async with connected(near, far) as (_, _, connection):
        await near.open_stream(far.peer_id, ECHO)
        await until(lambda: far.usage()["inbound_streams"].current == 1)
        assert far.usage()["inbound_connections"].current == 1
        assert far.usage()["upgrading"].current == 0
        await connection.close()
        await until(lambda: not far.connections())
        for host in (near, far):
            used = {name for name, usage in host.usage().items() if usage.current}
            assert used == {"peerstore.max_peers"}
