"""Connections of an in-process host with go and rust: who is at the other end, both dialling at once, and the end."""

from __future__ import annotations

import asyncio

import pytest

from p2pstack import Host, PeerId, Stream
from p2pstack.errors import ConnectionClosed, DialError, PeerIdMismatch
from tests.interop.addresses import with_peer
from tests.interop.harness import Peers, all_ended
from tests.interop.pairs import each_other_kind
from tests.interop.proxy import Proxy, Weather

pytestmark = pytest.mark.interop

LOOPBACK = "/ip4/127.0.0.1/tcp/0"
ECHO = "/echo/1.0.0"
SOMEBODY_ELSE = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"
ONE_BYTE = Weather(segment=1)


async def echo(stream: Stream) -> None:
    while data := await stream.read():
        stream.write(data)
        await stream.drain()


async def check_echo(host: Host, peer: PeerId) -> None:
    async with await host.open_stream(peer, ECHO) as stream:
        stream.write(b"hello")
        stream.close_write()
        assert await stream.read_to_end(10) == b"hello"


@each_other_kind
@pytest.mark.req("NOISE-07")
async def test_another_peer_than_the_expected_one_is_refused(peers: Peers, kind: str) -> None:
    async with peers.listen(kind) as node, Host() as host:
        with pytest.raises(DialError) as caught:
            await host.connect(with_peer(node.address, SOMEBODY_ELSE))
        [(_, cause)] = caught.value.attempts
        assert isinstance(cause, PeerIdMismatch)
        assert str(cause.actual) == node.peer_id
        assert host.connections() == []
        connection = await host.connect(node.address)
        assert str(connection.peer_id) == node.peer_id
        await node.event("identified", peer=str(host.peer_id))


@each_other_kind
async def test_a_connection_is_used_again(peers: Peers, kind: str) -> None:
    async with peers.listen(kind) as node, Host() as host:
        first = await host.connect(node.address)
        assert await host.connect(node.address) is first
        await check_echo(host, first.peer_id)
        await node.event("connected")
        assert node.count("connected") == 1


@each_other_kind
async def test_a_dialer_that_waits_for_nobody_is_served_by_its_own_connection(peers: Peers, kind: str) -> None:
    """A peer that dialled us is reached through its connection: it does not even listen."""
    async with Host(listen=[LOOPBACK]) as host:
        async with peers.run(kind, "dial", str(host.full_addresses[0]), "--do", "hold", "--wait", 20) as dialer:
            await dialer.event("holding")
            [connection] = host.connections()
            assert connection.direction == "inbound"
            assert await host.ping(connection.peer_id) > 0
        await asyncio.wait_for(connection.wait_closed(), 5)


@each_other_kind
async def test_both_dial_at_once(peers: Peers, kind: str) -> None:
    async with Host(listen=[LOOPBACK]) as host, peers.listen(kind, "--connect", host.full_addresses[0]) as node:
        connection = await host.connect(node.address)
        await node.event("connected", peer=str(host.peer_id))
        await check_echo(host, connection.peer_id)
        assert await host.ping(connection.peer_id) > 0
        assert 1 <= len(host.connections(connection.peer_id)) <= 2
        # The peer's own dial may still be on its way, and open once the first connection is gone.
        ended = asyncio.create_task(all_ended(node))
        while not ended.done():
            await host.disconnect(connection.peer_id)
            await asyncio.wait([ended], timeout=0.05)
        await ended
        assert host.connections() == []


async def test_both_of_us_dial_at_once() -> None:
    async with Host(listen=[LOOPBACK]) as left, Host(listen=[LOOPBACK]) as right:
        for host in (left, right):
            host.handle(ECHO, echo)
        for _ in range(5):
            await asyncio.gather(left.connect(right.full_addresses[0]), right.connect(left.full_addresses[0]))
            await asyncio.gather(*[check_echo(left, right.peer_id) for _ in range(10)])
            await asyncio.gather(*[check_echo(right, left.peer_id) for _ in range(10)])
            await left.disconnect(right.peer_id)
            for connection in right.connections():
                await asyncio.wait_for(connection.wait_closed(), 5)
            assert left.connections() == right.connections() == []


@each_other_kind
async def test_the_peer_sees_a_disconnect_and_the_end_of_the_host(peers: Peers, kind: str) -> None:
    async with peers.listen(kind) as node:
        async with Host() as host:
            connection = await host.connect(node.address)
            await node.event("identified")
            await host.disconnect(connection.peer_id)
            await node.event("disconnected", peer=str(host.peer_id))
            assert connection.closed
            await host.connect(node.address)
            await node.until(lambda: node.count("connected") == 2, "second connected event")
        await all_ended(node)
        assert node.count("disconnected") == 2


@each_other_kind
async def test_a_peer_that_comes_back_elsewhere_is_found_again(peers: Peers, kind: str) -> None:
    seed = "21" * 32
    async with Host() as host:
        async with peers.listen(kind, "--seed-hex", seed) as node:
            connection = await host.connect(node.address)
            peer = connection.peer_id
        await asyncio.wait_for(connection.wait_closed(), 5)
        async with peers.listen(kind, "--seed-hex", seed) as node:
            again = await host.connect(node.address)
            assert again.peer_id == peer
            assert again is not connection
            await check_echo(host, peer)


@each_other_kind
async def test_one_byte_at_a_time(peers: Peers, kind: str) -> None:
    async with peers.listen(kind) as node, Host() as host, Proxy(node.address, up=ONE_BYTE, down=ONE_BYTE) as proxy:
        connection = await host.connect(proxy.address)
        await host.identify.wait(connection)
        assert host.peerstore.speaks(connection.peer_id, ECHO)
        await check_echo(host, connection.peer_id)
        assert await host.ping(connection.peer_id) > 0


@each_other_kind
@pytest.mark.parametrize("after", [0, 40, 100])
async def test_a_dial_that_gets_stuck_ends_in_time(peers: Peers, kind: str, after: int) -> None:
    loop = asyncio.get_running_loop()
    weather = Weather(stall_after=after)
    async with peers.listen(kind) as node, Host() as host, Proxy(node.address, down=weather) as proxy:
        start = loop.time()
        with pytest.raises(TimeoutError):
            await host.connect(proxy.address, timeout=0.3)
        assert loop.time() - start < 3
        assert host.connections() == []
        await host.connect(node.address)


@each_other_kind
async def test_a_cut_tells_its_reason(peers: Peers, kind: str) -> None:
    weather = Weather(reset_after=100_000)
    async with peers.listen(kind) as node, Host() as host, Proxy(node.address, down=weather) as proxy:
        connection = await host.connect(proxy.address)
        stream = await host.open_stream(connection.peer_id, "/perf/1.0.0")
        stream.write((1_000_000).to_bytes(8, "big"))
        stream.close_write()
        with pytest.raises(ConnectionClosed):
            await stream.read_to_end(1_000_000)
        await asyncio.wait_for(connection.wait_closed(), 5)
        assert connection.close_reason is not None
