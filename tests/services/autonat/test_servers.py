from __future__ import annotations

from contextlib import AsyncExitStack
from math import inf

import pytest

from p2pstack.host.host import BaseHost
from p2pstack.services.autonat.servers import MAX_REMEMBERED, Server, Servers
from p2pstack.services.standard import Host
from tests.services.autonat.world import at, server
from tests.services.hosts import backward


def any_server(_: Server) -> bool:
    return True


async def joined(stack: AsyncExitStack, *numbers: int) -> Host:
    """A host that is connected to servers at these IPs, and knows what they are."""
    host = await stack.enter_async_context(Host(listen=[at(1)]))
    for number in numbers:
        far = await stack.enter_async_context(server(number))
        await host.identify.wait(await host.connect(far.full_addresses[0]))
    return host


@pytest.mark.req("AUTONAT1-04")
async def test_one_server_a_group_is_asked_and_not_again_for_a_while() -> None:
    async with AsyncExitStack() as stack:
        servers = Servers(await joined(stack, 2, 2, 3), retry_interval=90.0, private=True)
        assert servers.take(0.0, any_server) is None
        assert servers.next_at(any_server) == inf
        servers.look()
        assert servers.next_at(any_server) == -inf
        taken = [servers.take(now, any_server) for now in (0.0, 1.0, 2.0)]
        assert [each and each.group for each in taken] == ["127.0.0.2", "127.0.0.3", None]
        assert all(each is None or (each.v1 and each.v2) for each in taken)
        assert servers.next_at(any_server) == 90.0
        assert servers.take(89.9, any_server) is None
        again = servers.take(91.0, any_server)
        assert again is not None
        assert again.group == "127.0.0.2"  # longest not asked


async def test_what_does_not_suit_is_not_taken() -> None:
    async with AsyncExitStack() as stack:
        servers = Servers(await joined(stack, 2, 3), retry_interval=90.0, private=True)
        servers.look()
        chosen = servers.take(0.0, lambda each: each.group == "127.0.0.3")
        assert chosen is not None
        assert chosen.group == "127.0.0.3"
        assert servers.take(0.0, lambda each: each.group == "127.0.0.3") is None


async def test_servers_in_private_networks_are_not_asked_by_default() -> None:
    async with AsyncExitStack() as stack:
        servers = Servers(await joined(stack, 2), retry_interval=90.0, private=False)
        servers.look()
        assert servers.take(0.0, any_server) is None


async def test_those_that_we_dialled_come_first() -> None:
    async with AsyncExitStack() as stack:
        host = await joined(stack)
        far = await stack.enter_async_context(server(2))
        await far.connect(host.full_addresses[0])
        inbound = await backward(host, far)
        await host.identify.wait(inbound)
        other = await stack.enter_async_context(server(3))
        await host.identify.wait(await host.connect(other.full_addresses[0]))
        servers = Servers(host, retry_interval=90.0, private=True)
        servers.look()
        taken = [servers.take(0.0, any_server) for _ in range(2)]
        assert [each and each.connection.direction for each in taken] == ["outbound", "inbound"]


async def test_peers_that_are_no_servers_are_not_asked() -> None:
    async with BaseHost(listen=[at(2)]) as far, Host(listen=[at(1)]) as host:
        await host.connect(far.full_addresses[0])
        servers = Servers(host, retry_interval=90.0, private=True)
        servers.look()
        assert servers.take(0.0, any_server) is None


async def test_only_so_many_groups_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    async with AsyncExitStack() as stack:
        servers = Servers(await joined(stack, 2, 3, 4), retry_interval=90.0, private=True)
        servers.look()
        assert MAX_REMEMBERED >= 64
        monkeypatch.setattr("p2pstack.services.autonat.servers.MAX_REMEMBERED", 2)
        for now in (0.0, 1.0, 2.0):
            assert servers.take(now, any_server) is not None
        forgotten = servers.take(3.0, any_server)
        assert forgotten is not None
        assert forgotten.group == "127.0.0.2"
