"""``p2pstack peer`` and hole punching: from a circuit to a direct connection, and what is printed of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from p2pstack import Host
from p2pstack.cli.peer_dcutr import print_punches
from p2pstack.cli.peer_dial import dial
from p2pstack.cli.peer_listen import listen
from p2pstack.errors import DeadlineExceeded, DecodeError, HolePunchError
from p2pstack.host.events import PeerConnected
from p2pstack.identity.keys import PrivateKey
from p2pstack.services.dcutr.events import HolePunchFailed
from p2pstack.services.relay.client import RelayClient
from p2pstack.services.relay.server import RelayServer
from tests.cli.commands import Console, Stdin, options_of

LOOPBACK = "/ip4/127.0.0.1/tcp/0"
SOMEBODY = PrivateKey.from_seed(bytes(32)).peer_id


@contextlib.asynccontextmanager
async def relaying() -> AsyncIterator[Host]:
    relay = Host(listen=[LOOPBACK])
    RelayServer(relay)
    async with relay:
        yield relay


async def test_from_a_circuit_to_a_direct_connection(console: Console, stdin: Stdin) -> None:
    async with relaying() as relay:
        options = options_of("peer", "listen", "--dcutr", "--relay-addr", relay.full_addresses[0])
        task = asyncio.create_task(listen(options))
        circuit = (await console.event("reserved"))["addr"]
        await dial(options_of("peer", "dial", circuit, "--do", "dcutr", "--dcutr"))
        assert (await console.event("relayed"))["seconds"] > 0
        direct = await console.event("direct")
        assert direct["direction"] in {"inbound", "outbound"}
        assert direct["remote"].startswith("/ip4/127.0.0.1/tcp/")
        assert "p2p-circuit" not in direct["remote"]
        assert direct["seconds"] > 0
        assert direct["rtt_us"] > 0
        punched = await console.event("hole-punched")
        assert punched["attempts"] >= 0
        stdin.close()
        await task


async def test_a_listener_that_punches_no_holes_is_not_reached(console: Console) -> None:
    async with relaying() as relay:
        listener = Host()
        client = RelayClient(listener)
        async with listener:
            await client.reserve(relay.full_addresses[0])
            circuit = f"{relay.full_addresses[0]}/p2p-circuit/p2p/{listener.peer_id}"
            with pytest.raises(HolePunchError, match=r"within 0\.1 s"):
                await dial(options_of("peer", "dial", circuit, "--do", "dcutr", "--wait", 0.1))
        assert [event["event"] for event in console.events] == ["relayed"]


async def test_an_address_without_a_relay_is_refused() -> None:
    with pytest.raises(DecodeError):
        await dial(options_of("peer", "dial", f"/ip4/127.0.0.1/tcp/1/p2p/{SOMEBODY}", "--do", "dcutr"))


def test_a_failure_is_printed_with_its_reasons(console: Console) -> None:
    print_punches(HolePunchFailed(peer=SOMEBODY, attempts=3, reasons=(DeadlineExceeded("late"),)))
    print_punches(PeerConnected(peer=SOMEBODY))
    [event] = console.events
    assert event == {"event": "hole-punch-failed", "peer": str(SOMEBODY), "attempts": 3, "reasons": ["late"]}
