"""Relays that are found and replaced without asking, as long as nobody can dial the host."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from time import monotonic
from typing import Any

import pytest

from p2pstack.autonat.reachability import Reachability
from p2pstack.errors import ConfigError, HostClosed
from p2pstack.host.host import BaseHost
from p2pstack.identity.multiaddrs import parse
from p2pstack.identity.peer_id import PeerId
from p2pstack.relay.config import RelayConfig
from p2pstack.relay.protocols import HOP
from p2pstack.relay.status import Status
from p2pstack.services.autonat.events import ReachabilityChanged
from p2pstack.services.relay.auto import AutoRelay
from p2pstack.services.relay.client import RelayClient
from p2pstack.services.relay.client_config import AutoRelayConfig
from p2pstack.services.relay.server import RelayServer
from p2pstack.services.standard import Host
from tests.host.hosts import closed_address, key, nothing_left
from tests.services.hosts import LOOPBACK, backward, until
from tests.services.relay.fakes import SOMEBODY, FakeRelay, quick, status


class Node:
    """A host with automatic relays."""

    def __init__(self, *relays: FakeRelay, known: tuple[str, ...] = (), client: Any = None, **config: Any) -> None:
        self.host = Host(key(1), listen=[LOOPBACK])
        self.client = RelayClient(self.host, config=quick(**(client or {})))
        addresses = [*known, *(relay.address for relay in relays)]
        self.auto = AutoRelay(self.host, self.client, addresses, config=AutoRelayConfig(**config))

    async def has(self, *relays: FakeRelay | Host) -> None:
        """Wait until it has reservations with these, and no others."""
        wanted = {relay.id if isinstance(relay, FakeRelay) else relay.peer_id for relay in relays}
        await until(lambda: set(self.auto.relays) == wanted)


@contextlib.asynccontextmanager
async def running(*relays: FakeRelay) -> AsyncIterator[None]:
    async with contextlib.AsyncExitStack() as stack:
        for relay in relays:
            await stack.enter_async_context(relay.host)
        yield


def relays(count: int) -> list[FakeRelay]:
    return [FakeRelay(10 + number) for number in range(count)]


def connections(node: Node) -> list[PeerId]:
    return [connection.peer_id for connection in node.host.connections()]


async def test_as_many_as_are_wanted_in_their_order() -> None:
    first, second, third = relays(3)
    async with nothing_left(), running(first, second, third):
        node = Node(first, second, third)
        async with node.host:
            await node.has(first, second)
            assert set(node.host.advertised) == {first.circuit, second.circuit}
            assert third.requests == []
            assert sorted(connections(node)) == sorted([first.id, second.id])


async def test_one_connection_to_each_relay() -> None:
    every = relays(2)
    async with running(*every):
        node = Node(*every)
        async with node.host:
            dials = [node.host.connect(relay.address) for relay in every]
            reservations = [node.client.reserve(relay.address) for relay in every]
            circuits = [node.client.dial(relay.circuit, SOMEBODY, 1.0) for relay in every]
            await asyncio.gather(*dials, *reservations, *circuits, return_exceptions=True)
            await node.has(*every)
            for relay in every:
                assert len(relay.host.connections()) == 1
                await relay.host.connections()[0].close()
            await until(lambda: not node.auto.relays)
            await node.has(*every)
            for relay in every:
                assert len(relay.host.connections()) == 1


async def test_another_relay_is_taken_when_one_goes() -> None:
    first, second, third = relays(3)
    async with running(second, third):
        async with first.host:
            node = Node(first, second, third)
            await node.host.start()
            await node.has(first, second)
        try:
            await node.has(second, third)
            # The lost one is not asked any more.
            await until(lambda: {each.relay for each in node.client.reservations} == {second.id, third.id})
            assert set(node.host.advertised) == {second.circuit, third.circuit}
            await until(lambda: first.id in node.auto._backoffs)
        finally:
            await node.host.close()


async def test_the_only_relay_is_taken_again_when_it_comes_back() -> None:
    [first] = relays(1)
    async with running(first):
        node = Node(first)
        async with node.host:
            await node.has(first)
            await first.host.connections()[0].close()
            await until(lambda: not node.auto.relays)
            await node.has(first)
            assert len(first.requests) == 2


async def test_who_refuses_is_left_alone() -> None:
    first, second, third = relays(3)
    first.answer = first.says(status(Status.RESERVATION_REFUSED))
    async with running(first, second, third):
        node = Node(first, second, third)
        async with node.host:
            await node.has(second, third)
            await third.host.connections()[0].close()
            await until(lambda: len(third.requests) == 2)
            assert len(first.requests) == 1


async def test_who_refuses_is_asked_again_later() -> None:
    [relay] = relays(1)
    relay.answer = relay.says(status(Status.RESERVATION_REFUSED))
    async with running(relay):
        node = Node(relay, backoff_base=0.05, backoff_max=0.1)
        async with node.host:
            await until(lambda: len(relay.requests) >= 3)
            relay.answer = relay.grants()
            await node.has(relay)


async def test_a_relay_that_can_not_be_reached_does_not_keep_us() -> None:
    first, second = relays(2)
    async with running(first, second):
        node = Node(first, second, known=(f"{closed_address()}/p2p/{SOMEBODY}",))
        async with node.host:
            await node.has(first, second)


@pytest.mark.req("GEN-04")
async def test_many_who_only_say_that_they_are_relays_are_not_all_asked() -> None:
    every = relays(4)
    for relay in every:
        relay.answer = relay.says(status(Status.RESERVATION_REFUSED))
    async with running(*every):
        node = Node(every[3], max_backoffs=2, wanted=1)
        node.auto.set_reachability(Reachability.PUBLIC)
        async with node.host:
            for relay in every[:3]:
                await node.host.connect(relay.address)
                node.host.peerstore.set_protocols(relay.id, [HOP])
            node.auto.set_reachability(Reachability.PRIVATE)
            await until(lambda: len(node.auto._backoffs) == 2 and not node.auto._attempts)
            assert list(node.auto._candidates(monotonic())) == []
            assert [len(relay.requests) for relay in every] == [1, 0, 0, 1]
            every[3].answer = every[3].grants()
            node.auto._backoffs.clear()
            node.auto.set_reachability(Reachability.PRIVATE)
            await node.has(every[3])


async def test_failures_that_are_over_are_forgotten_when_there_are_many() -> None:
    every = relays(4)
    for relay in every:
        relay.answer = relay.says(status(Status.RESERVATION_REFUSED))
    async with running(*every):
        node = Node(*every, max_backoffs=2, wanted=1, backoff_base=0.02, backoff_max=0.02)
        async with node.host:
            await until(lambda: all(len(relay.requests) > 1 for relay in every))
            assert len(node.auto._backoffs) <= 4


async def test_connected_peers_that_say_they_are_relays() -> None:
    relay, other = Host(key(5), listen=[LOOPBACK]), Host(key(6), listen=[LOOPBACK])
    RelayServer(relay)
    async with relay, other:
        node = Node()
        async with node.host:
            await node.host.connect(other.full_addresses[0])
            await relay.connect(node.host.full_addresses[0])
            await node.has(relay)
            assert len(node.host.connections(relay.peer_id)) == 1


async def test_a_peer_that_becomes_a_relay() -> None:
    relay = Host(key(5), listen=[LOOPBACK])
    async with relay:
        node = Node()
        async with node.host:
            await node.host.connect(relay.full_addresses[0])
            await node.host.identify.wait(node.host.connections()[0])
            assert node.auto.relays == []
            server = RelayServer(relay, RelayConfig())
            await server.start()
            await node.has(relay)


@pytest.mark.req("RELAY-10")
async def test_a_relay_that_is_behind_a_relay_is_none() -> None:
    far, near = Host(key(5), listen=[LOOPBACK]), Host(key(6))
    for host in (far, near):
        RelayServer(host)
    RelayClient(near)
    async with far:
        node = Node(known=(str(far.full_addresses[0]),))
        async with near, node.host:
            await node.has(far)
            await near.connect(f"{node.host.advertised[0]}/p2p/{node.host.peer_id}")
            connection = await backward(node.host, near)
            await node.host.identify.wait(connection)
            assert list(node.auto._candidates(monotonic())) == []


async def test_who_is_public_needs_none() -> None:
    first, second = relays(2)
    async with running(first, second):
        node = Node(first, second)
        async with node.host:
            await node.has(first, second)
            node.auto.set_reachability(Reachability.PUBLIC)
            await node.has()
            await until(lambda: not node.host.advertised)
            node.host.emit(ReachabilityChanged(reachability=Reachability.PRIVATE, addresses=()))
            await node.has(first, second)
            node.host.emit(ReachabilityChanged(reachability=Reachability.PUBLIC, addresses=()))
            await node.has()


async def test_who_becomes_public_asks_nobody_any_more() -> None:
    [relay] = relays(1)
    relay.answer = relay.silence
    async with running(relay):
        node = Node(relay)
        async with node.host:
            await until(lambda: relay.requests)
            node.auto.set_reachability(Reachability.PUBLIC)
            await until(lambda: not node.client.reservations)
            await until(lambda: not relay.host.connections()[0].streams)


async def test_what_the_program_has_reserved_counts_and_stays() -> None:
    first, second, third = relays(3)
    async with running(first, second, third):
        node = Node(second, third)
        node.auto.set_reachability(Reachability.PUBLIC)
        async with node.host:
            await node.client.reserve(first.address)
            node.auto.set_reachability(Reachability.UNKNOWN)
            await node.has(second)
            assert third.requests == []
            node.auto.set_reachability(Reachability.PUBLIC)
            await node.has()
            assert [each.relay for each in node.client.reservations] == [first.id]


async def test_one_too_many_is_given_back() -> None:
    first, second = relays(2)
    async with running(first, second):
        node = Node(first, second, wanted=1)
        async with node.host:
            await node.has(first)
            await node.client.reserve(second.address)
            node.auto.set_reachability(Reachability.PRIVATE)
            await node.has()
            assert [each.relay for each in node.client.reservations] == [second.id]


async def test_a_relay_that_the_program_has_released() -> None:
    first, second = relays(2)
    async with running(first, second):
        node = Node(first, second, wanted=1)
        async with node.host:
            await node.has(first)
            await node.client.release(first.id)
            await until(lambda: node.auto.relays)
            assert len(node.client.reservations) == 1


async def test_addresses_of_relays_are_checked() -> None:
    host = BaseHost()
    client = RelayClient(host)
    for address in ("/ip4/127.0.0.1/tcp/1", f"/p2p/{SOMEBODY}/p2p-circuit/p2p/{SOMEBODY}"):
        with pytest.raises(ConfigError):
            AutoRelay(host, client, [parse(address)])


async def test_it_goes_before_its_host() -> None:
    [relay] = relays(1)
    async with nothing_left(), running(relay), Host(key(1)) as host, RelayClient(host) as client:
        async with AutoRelay(host, client, [relay.address]) as auto:
            await auto.start()
            await until(lambda: auto.relays)
        assert client.reservations == []
        await auto.stop()
        with pytest.raises(HostClosed):
            await auto.start()
