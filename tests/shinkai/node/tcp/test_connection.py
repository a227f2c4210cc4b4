from __future__ import annotations

import asyncio
import contextlib

import pytest

from p2pstack.shinkai.endpoints import Endpoint
from p2pstack.shinkai.node.config import TcpConfig
from p2pstack.shinkai.node.tcp.connection import AcceptedConnection
from p2pstack.shinkai.node.tcp.listener import TcpListener
from tests.host.hosts import ECHO, dialer, new_host
from tests.shinkai.node.pairs import closed
from tests.shinkai.node.tcp.test_listener import Box


@pytest.mark.req("SHK-85")
async def test_libp2p_connections_are_handed_to_the_host_and_work() -> None:
    box = Box()
    listener = TcpListener(TcpConfig(), box.take)
    await listener.start(Endpoint("127.0.0.1", 0))
    async with new_host(1) as host, dialer(2) as client:
        listener.serve_host(host)
        [address] = host.full_addresses
        assert str(listener.address.port) in str(address)
        stream = await client.open_stream(str(address), ECHO)
        stream.write(b"through the shared port" * 1_000)
        assert await stream.read_exactly(23_000) == b"through the shared port" * 1_000
        assert len(listener) == 0
        assert len(host.connections()) == 1
    await listener.close()


async def test_a_host_that_is_closed_takes_nothing() -> None:
    listener = TcpListener(TcpConfig(), Box().take)
    await listener.start(Endpoint("127.0.0.1", 0))
    async with new_host(1) as host:
        listener.serve_host(host)
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.address.port)
    writer.write(b"\x13/multistream/1.0.0\n")
    with contextlib.suppress(ConnectionResetError):
        assert await reader.read() == b""
    assert listener.refused["no-libp2p"] == 1
    await closed(writer)
    await listener.close()


async def test_a_socket_that_is_gone_before_it_was_accepted_is_dropped() -> None:
    class Gone(asyncio.Transport):
        aborted = False

        def get_extra_info(self, name: str, default: object = None) -> object:
            return default

        def abort(self) -> None:
            self.aborted = True

    transport = Gone()
    connection = AcceptedConnection(TcpListener(TcpConfig(), Box().take))
    connection.connection_made(transport)
    assert transport.aborted
    connection.connection_lost(None)
