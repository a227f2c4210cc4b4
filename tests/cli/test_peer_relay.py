"""``p2pstack peer`` behind relays: who listens there, who dials there, and what is printed of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from p2pstack import Host, serve_echo
from p2pstack.cli.peer_dial import dial
from p2pstack.cli.peer_listen import listen
from p2pstack.cli.peer_relay import pass_relays
from p2pstack.errors import DialError
from p2pstack.services.relay.client import RelayClient
from p2pstack.services.relay.server import RelayServer
from tests.cli.commands import Console, Stdin, options_of
from tests.services.relay.fakes import SOMEBODY

LOOPBACK = "/ip4/127.0.0.1/tcp/0"


@contextlib.asynccontextmanager
async def relaying() -> AsyncIterator[Host]:
    relay = Host(listen=[LOOPBACK])
    RelayServer(relay)
    async with relay:
        yield relay


async def test_a_listener_behind_a_relay(console: Console, stdin: Stdin) -> None:
    async with relaying() as relay:
        address = relay.full_addresses[0]
        task = asyncio.create_task(listen(options_of("peer", "listen", "--relay-addr", address)))
        reserved = await console.event("reserved")
        own = (await console.event("listening"))["addr"].split("/")[-1]
        assert reserved["addr"] == f"{address}/p2p-circuit/p2p/{own}"
        assert reserved["expires"] > 0
        host = Host()
        RelayClient(host)
        async with host:
            connection = await host.connect(reserved["addr"])
            assert connection.relayed
            assert await host.ping(connection.peer_id) > 0
        await relay.connections()[0].close()
        lost = await console.event("reservation-lost")
        assert lost["relay"] == str(relay.peer_id)
        assert "ended" in lost["reason"]
        stdin.close()
        await task


async def test_a_relay_that_is_none(console: Console, stdin: Stdin) -> None:
    async with Host(listen=[LOOPBACK]) as other:
        task = asyncio.create_task(listen(options_of("peer", "listen", "--relay-addr", other.full_addresses[0])))
        error = await console.event("error")
        assert "supports none of" in error["error"]
        stdin.close()
        await task


@pytest.mark.parametrize(
    ("options", "event"), [((), "ping"), (("--do", "identify"), "identified"), (("--do", "echo", "--size", 9), "echo")]
)
async def test_a_dialer_through_a_relay(console: Console, options: tuple[object, ...], event: str) -> None:
    host = Host()
    client = RelayClient(host)
    serve_echo(host, relayed=True)
    async with relaying() as relay, host:
        await client.reserve(relay.full_addresses[0])
        await dial(options_of("peer", "dial", host.full_addresses[0], *options))
        assert [each["event"] for each in console.events] == [event]


async def test_a_dialer_that_is_refused() -> None:
    async with relaying() as relay:
        with pytest.raises(DialError, match="NO_RESERVATION"):
            await dial(options_of("peer", "dial", f"{relay.full_addresses[0]}/p2p-circuit/p2p/{SOMEBODY}"))


def test_a_direct_address_needs_no_client() -> None:
    host = Host()
    pass_relays(host, f"/ip4/127.0.0.1/tcp/1/p2p/{SOMEBODY}")
    assert host.circuits is None
