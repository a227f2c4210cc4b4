from __future__ import annotations

import asyncio
from typing import Any

import pytest

from p2pstack import Host
from p2pstack.cli.output import Output
from p2pstack.cli.people_discover import _ask
from p2pstack.cli.people_nodes import _serve
from p2pstack.errors import LocalError
from p2pstack.mdns.config import MdnsConfig
from p2pstack.services.mdns.service import Mdns
from tests.cli.commands import Commands, Console, options_of
from tests.services.mdns.loopback import loopback

pytestmark = pytest.mark.multicast

LOOPBACK = "/ip4/127.0.0.1/tcp/0"


def nearby(host: Host) -> Mdns:
    """A peer on the loopback, which does not dial."""
    return Mdns(host, MdnsConfig(interfaces=(loopback().name,), dial=False))


async def event(console: Console, name: str, peer: str) -> dict[str, Any]:
    """What is printed of that peer; there may be others on the loopback."""
    wanted = {"event": name, "peer_id": peer}
    return (await console._until(lambda: [each for each in console.events if wanted.items() <= each.items()], 1))[0]


async def test_discover_shows_who_answers(console: Console) -> None:
    async with Host(listen=[LOOPBACK]) as host, nearby(host):
        options = options_of("discover", "--wait", "1", "--interface", loopback().name)
        assert await _ask(options, Output()) == 0
        (address,) = host.full_addresses
        assert str(host.peer_id) in console.lines
        assert f"  is at  {address}" in console.lines


async def test_discover_for_scripts(console: Console) -> None:
    async with Host(listen=[LOOPBACK]) as host, nearby(host):
        options = options_of("discover", "--json", "--wait", "1", "--interface", loopback().name)
        assert await _ask(options, Output(as_json=True)) == 0
        wanted = {"peer_id": str(host.peer_id), "addresses": [str(address) for address in host.addresses]}
    assert wanted in console.events


async def test_without_an_interface_nobody_can_be_asked() -> None:
    options = options_of("discover", "--wait", "0.1", "--interface", "nowhere0")
    with pytest.raises(LocalError, match="no interface"):
        await _ask(options, Output())


def test_the_time_to_wait_is_a_number(commands: Commands) -> None:
    assert commands.run("discover", "--wait", "long").status == 1


@pytest.mark.parametrize("as_json", [False, True])
async def test_a_node_finds_others_with_no_address_given(console: Console, *, as_json: bool) -> None:
    options = options_of("listen", "--mdns", "--interface", loopback().name, LOOPBACK)
    task = asyncio.create_task(_serve(options, Output(as_json=as_json)))
    try:
        async with Host(listen=[LOOPBACK]) as host, nearby(host):
            peer = str(host.peer_id)
            if as_json:
                found = await event(console, "mdns", peer)
                assert found["addresses"] == [str(address) for address in host.addresses]
                await event(console, "connected", peer)
            else:
                assert str(host.addresses[0]) in await console.line(f"* {peer} is on this network, at ")
                await console.line(f"+ {peer} from ")
        if as_json:
            await event(console, "mdns-expired", peer)
        else:
            await console.line(f"* {peer} has left this network")
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_a_node_for_the_local_network_listens_on_all_interfaces(console: Console) -> None:
    task = asyncio.create_task(_serve(options_of("listen", "--mdns", "--interface", "nowhere0"), Output()))
    try:
        await console.line("  Ctrl-C")
        assert any("/ip4/127.0.0.1/tcp/" in line for line in console.lines)
    finally:
        task.cancel()
        await asyncio.wait([task])
