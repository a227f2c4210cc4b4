"""The relay client on a host: one a host, one reservation a relay, and nothing left behind."""

from __future__ import annotations

import asyncio

import pytest

from p2pstack.errors import ConfigError, DialError, HostClosed, LocalError, P2PError, RelayedOnly
from p2pstack.host.host import BaseHost
from p2pstack.identity.multiaddrs import parse
from p2pstack.relay.protocols import STOP
from p2pstack.relay.status import Status
from p2pstack.services.events import PeerIdentified
from p2pstack.services.relay.client import RelayClient
from p2pstack.services.relay.errors import RelayRefused
from p2pstack.services.relay.server import RelayServer
from p2pstack.services.standard import Host
from tests.host.hosts import closed_address, key, nothing_left
from tests.services.hosts import LOOPBACK, next_event, until
from tests.services.relay.fakes import SOMEBODY, FakeRelay, client_of, quick, soon, status


@pytest.mark.req("RELAY-03", "RELAY-05", "RELAY-09", "RELAY-10", "RELAY-12")
async def test_two_peers_meet_through_a_relay() -> None:
    relay, listener, dialer = Host(listen=[LOOPBACK]), Host(), Host()
    RelayServer(relay)
    RelayClient(listener)
    RelayClient(dialer)

    @listener.handle("/direct/1")
    async def direct(_: object) -> None:
        raise AssertionError("a relayed stream came to a handler that did not ask for it")

    async with nothing_left(), relay, listener, dialer:
        [address] = await listener.listen(f"{relay.full_addresses[0]}/p2p-circuit")
        assert listener.full_addresses == [parse(f"{address}/p2p/{listener.peer_id}")]
        connection = await dialer.connect(listener.full_addresses[0])
        assert connection.relayed
        assert await dialer.ping(listener.peer_id) > 0
        with pytest.raises(RelayedOnly):
            await dialer.open_stream(listener.peer_id, "/direct/1")
        stream = await connection.open_stream("/direct/1", lazy=True)
        with pytest.raises(P2PError):
            await stream.read()


@pytest.mark.req("RELAY-10")
async def test_peers_are_told_where_to_find_us() -> None:
    relay, other = FakeRelay(), Host(listen=[LOOPBACK])
    async with client_of(relay) as (host, client), other, other.events(PeerIdentified) as events:
        await host.listen(LOOPBACK)
        await host.connect(other.full_addresses[0])
        await next_event(events, PeerIdentified)
        await client.reserve(relay.address)
        told = await next_event(events, PeerIdentified)
        assert told.pushed
        assert relay.circuit in told.info.addresses
        await client.release(relay.id)
        assert relay.circuit not in (await next_event(events, PeerIdentified)).info.addresses


async def test_a_host_that_listens_behind_a_relay_from_its_start() -> None:
    relay = FakeRelay()
    async with relay.host:
        host = Host(key(1), listen=[str(relay.circuit), LOOPBACK])
        RelayClient(host)
        async with host:
            assert relay.circuit in host.advertised
            assert len(host.addresses) == 1


async def test_a_host_whose_relay_refuses_does_not_start() -> None:
    relay = FakeRelay()
    relay.answer = relay.says(status(Status.RESERVATION_REFUSED))
    async with nothing_left(), relay.host:
        host = Host(key(1), listen=[str(relay.circuit)])
        RelayClient(host)
        with pytest.raises(RelayRefused):
            await host.start()


async def test_who_asks_again_gets_the_same() -> None:
    relay = FakeRelay()
    async with client_of(relay) as (_, client):
        first, second = await asyncio.gather(client.reserve(relay.address), client.reserve(relay.address))
        assert first is second
        assert await client.reserve(relay.id, [relay.address]) is first
        assert await client.reserve(str(relay.id)) is first
        assert len(relay.requests) == 1
        assert len(relay.host.connections()) == 1


async def test_all_who_wait_are_told_of_a_failure() -> None:
    relay = FakeRelay()
    relay.answer = relay.says(status(Status.RESERVATION_REFUSED))
    async with client_of(relay) as (_, client):
        results = await asyncio.gather(*(client.reserve(relay.address) for _ in range(3)), return_exceptions=True)
        assert all(isinstance(result, RelayRefused) for result in results)
        assert len(relay.requests) == 1
        assert client.reservations == []


async def test_one_that_is_cancelled_goes_on_for_who_still_waits() -> None:
    relay = FakeRelay()
    relay.answer = relay.silence
    async with client_of(relay) as (_, client):
        first = asyncio.create_task(client.reserve(relay.address))
        second = asyncio.create_task(client.reserve(relay.address))
        await until(lambda: relay.requests)
        first.cancel()
        await asyncio.wait([first])
        assert len(client.reservations) == 1
        second.cancel()
        await asyncio.wait([second])
        assert client.reservations == []
        await until(lambda: not relay.host.connections()[0].streams)


async def test_who_asks_again_while_it_is_lost_does_not_wait_for_its_turn() -> None:
    relay = FakeRelay()
    async with client_of(relay, retry_base=20.0, retry_max=20.0) as (_, client):
        reservation = await client.reserve(relay.address)
        await relay.host.connections()[0].close()
        await until(lambda: not reservation.active)
        assert await soon(client.reserve(relay.address)) is reservation
        assert reservation.active


async def test_a_lost_one_stays_though_who_asks_for_it_fails() -> None:
    relay = FakeRelay()
    async with client_of(relay, retry_base=20.0, retry_max=20.0) as (_, client):
        reservation = await client.reserve(relay.address)
        relay.answer = relay.says(status(Status.RESERVATION_REFUSED))
        await relay.host.connections()[0].close()
        await until(lambda: not reservation.active)
        with pytest.raises(RelayRefused):
            await client.reserve(relay.address)
        assert client.reservations == [reservation]


async def test_several_relays() -> None:
    first, second = FakeRelay(8), FakeRelay(9)
    async with client_of(first) as (host, client), second.host:
        await client.reserve(first.address)
        await client.reserve(second.address)
        assert host.advertised == [first.circuit, second.circuit]
        await client.release(first.id)
        assert host.advertised == [second.circuit]


async def test_a_relay_that_can_not_be_reached() -> None:
    async with Host() as host, RelayClient(host) as client:
        with pytest.raises(DialError):
            await client.reserve(f"{closed_address()}/p2p/{SOMEBODY}")
        with pytest.raises(DialError):
            await client.reserve(SOMEBODY)
        assert client.reservations == []


async def test_who_can_be_no_relay() -> None:
    async with Host() as host, RelayClient(host) as client:
        for relay, error in (
            ("/ip4/127.0.0.1/tcp/1", ConfigError),
            (f"/ip4/127.0.0.1/tcp/1/p2p/{SOMEBODY}/p2p-circuit/p2p/{SOMEBODY}", ConfigError),
            (host.peer_id, LocalError),
        ):
            with pytest.raises(error):
                await client.reserve(relay)
        with pytest.raises(LocalError, match="another peer"):
            await client.listen(parse(f"/p2p/{host.peer_id}/p2p-circuit/p2p/{SOMEBODY}"))


async def test_a_host_has_one() -> None:
    host = BaseHost()
    RelayClient(host)
    with pytest.raises(LocalError):
        RelayClient(host)


async def test_it_goes_before_its_host() -> None:
    relay = FakeRelay()
    host = Host(key(1))
    async with nothing_left(), relay.host, host:
        async with RelayClient(host, config=quick()) as client:
            reservation = await client.reserve(relay.address)
            assert STOP in host.protocols
        assert not reservation.active
        assert host.advertised == []
        assert host.circuits is None
        assert STOP not in host.protocols
        await client.stop()
        for late in (client.start(), client.reserve(relay.address)):
            with pytest.raises(HostClosed):
                await late
        with pytest.raises(DialError, match="no relay client"):
            await host.connect(f"{relay.circuit}/p2p/{SOMEBODY}")
        async with RelayClient(host) as again:
            assert (await again.reserve(relay.address)).active


async def test_who_waits_is_told_of_the_end() -> None:
    relay = FakeRelay()
    relay.answer = relay.silence
    async with client_of(relay) as (_, client):
        waiting = asyncio.create_task(client.reserve(relay.address))
        await until(lambda: relay.requests)
        await asyncio.gather(client.stop(), client.stop())
        with pytest.raises(HostClosed):
            await waiting
