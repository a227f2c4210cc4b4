from __future__ import annotations

import pytest

from p2pstack.aio.connection import Connection
from p2pstack.errors import LocalError
from p2pstack.identity.multiaddrs import parse
from tests.aio.shell import FakeTransport, Side, end, linked


async def test_both_ends_describe_their_connection() -> None:
    async with linked() as link:
        outbound, inbound = link.outbound, link.inbound
        assert (outbound.direction, inbound.direction) == ("outbound", "inbound")
        assert outbound.peer_id == link.server.peer_id
        assert inbound.peer_id == link.client.peer_id
        assert outbound.dialled == outbound.remote_address == inbound.local_address
        assert inbound.dialled is None
        assert inbound.remote_address == outbound.local_address
        assert inbound.remote_host == outbound.remote_host == "127.0.0.1"
        assert outbound.id != inbound.id
        assert str(outbound) == f"#{outbound.id} outbound {link.server.peer_id}"
        assert repr(inbound) == f"<Connection #{inbound.id} inbound {link.client.peer_id}>"
        assert 0 < outbound.opened_at <= outbound.last_received
        assert outbound.streams == inbound.streams == []


async def test_the_address_that_was_dialled_is_the_remote_one() -> None:
    side = Side(1)
    dialled = parse("/dns4/example.com/tcp/4001")
    connection = Connection(side.runtime, outbound=True, dialled=dialled)
    FakeTransport(connection)
    assert connection.remote_address is dialled
    assert connection.remote_host == "192.0.2.1"
    assert str(connection.local_address) == "/ip4/192.0.2.2/tcp/4002"
    await end(connection)


async def test_before_the_upgrade_there_is_no_peer() -> None:
    connection = Connection(Side(1).runtime, outbound=False)
    FakeTransport(connection)
    with pytest.raises(LocalError, match="not secured"):
        _ = connection.peer_id
    assert str(connection) == f"#{connection.id} inbound not secured yet"
    assert connection.opened_at == connection.last_received == connection.round_trip == 0.0
    assert str(connection.remote_address) == "/ip4/192.0.2.1/tcp/4001"
    assert not connection.closed
    assert connection.close_reason is None
    await end(connection)
    assert connection.closed


async def test_an_ipv4_peer_of_an_ipv6_socket_is_an_ipv4_peer() -> None:
    connection = Connection(Side(1).runtime, outbound=False)
    FakeTransport(connection, peername=("::ffff:192.0.2.9", 7, 0, 0))
    assert str(connection.remote_address) == "/ip4/192.0.2.9/tcp/7"
    await end(connection)


async def test_without_a_socket_there_is_no_host() -> None:
    assert Connection(Side(1).runtime, outbound=True).remote_host == ""
