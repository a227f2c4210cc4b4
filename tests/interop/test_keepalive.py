"""Connections and pings that last: longer than go keeps a ping stream. These tests take as long as they say."""

from __future__ import annotations

import asyncio

import pytest

from p2pstack import Connection, Host
from tests.interop.harness import Peers

pytestmark = [pytest.mark.interop, pytest.mark.slow]

LOOPBACK = "/ip4/127.0.0.1/tcp/0"
IDLE_SECONDS = 11.0
"""Longer than the 10 seconds after which go ends a ping stream without pings."""
STREAM_SECONDS = 31.5
"""Longer than the 30 seconds after which go ends a ping stream whatever happens."""


async def stays_open(connection: Connection, seconds: float) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(connection.wait_closed(), seconds)


async def ping_after_a_pause(address: str) -> None:
    async with Host() as host:
        connection = await host.connect(address)
        for _ in range(2):
            assert await host.ping(connection.peer_id) > 0
            await stays_open(connection, IDLE_SECONDS)
        assert await host.ping(connection.peer_id) > 0


async def ping_every_second(address: str) -> None:
    loop = asyncio.get_running_loop()
    async with Host() as host:
        connection = await host.connect(address)
        end = loop.time() + STREAM_SECONDS
        while loop.time() < end:
            assert await host.ping(connection.peer_id) > 0
            await stays_open(connection, 1.0)


@pytest.mark.deadline(60)
@pytest.mark.req("PING-01", "PING-05")
@pytest.mark.parametrize(("go", "rust"), [("go", "rust")])
async def test_the_end_of_a_ping_stream_is_not_the_end_of_the_peer(peers: Peers, go: str, rust: str) -> None:
    """All at the same time, since each of them takes half a minute."""
    async with peers.listen(go) as go_node, peers.listen(rust) as rust_node, Host(listen=[LOOPBACK]) as host:
        own = str(host.full_addresses[0])
        async with asyncio.TaskGroup() as group:
            for node in (go_node, rust_node):
                group.create_task(ping_after_a_pause(node.address))
                group.create_task(ping_every_second(node.address))
            # a pause below go's, so that our responder has to keep the stream
            options = ("--count", 4, "--interval", 8)
            group.create_task(peers.dial(go, own, "ping", *options, seconds=40))
