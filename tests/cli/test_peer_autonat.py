"""``p2pstack peer listen --autonat``: it dials back, asks, and tells what it believes."""

from __future__ import annotations

import asyncio

import pytest

from p2pstack.autonat.protocols import DIAL_BACK, DIAL_REQUEST, V1
from p2pstack.cli.peer_autonat import use_autonat
from p2pstack.cli.peer_listen import listen
from p2pstack.services.autonat.client import AutonatClient
from p2pstack.services.standard import Host
from tests.cli.commands import Console, Stdin, options_of
from tests.services.autonat.world import server


async def test_it_serves_and_finds_out_what_it_is(console: Console, stdin: Stdin) -> None:
    async with server(2) as other:
        words = ("peer", "listen", "--autonat", "--connect", other.full_addresses[0])
        task = asyncio.create_task(listen(options_of(*words)))
        told = await console.event("reachability")
        address = (await console.event("listening"))["addr"]
        assert told["status"] == "public"
        assert [f"{each}/p2p/{address.rpartition('/')[2]}" for each in told["addrs"]] == [address]
        spoken = next(iter(other.connections())).peer_id
        assert {V1, DIAL_REQUEST, DIAL_BACK} <= set(other.peerstore.protocols(spoken) or ())
        stdin.close()
        await task


@pytest.mark.parametrize(
    ("ip", "private"),
    [("127.0.0.1", True), ("192.168.1.2", True), ("::1", True), ("5.10.0.1", False), ("0.0.0.0", False), ("::", False)],
)
def test_private_addresses_count_where_it_listens_on_one(ip: str, *, private: bool) -> None:
    host = Host()
    use_autonat(host, ip)
    [client] = [each for each in host.services if isinstance(each, AutonatClient)]
    assert client.config.private is private
