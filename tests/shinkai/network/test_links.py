"""Connections that are kept."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from p2pstack.errors import DeadlineExceeded
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.identity.peer_id import PeerId
from p2pstack.relay.config import RelayConfig
from p2pstack.services.dcutr.service import HolePunching
from p2pstack.services.relay.client import RelayClient
from p2pstack.services.relay.server import RelayServer
from p2pstack.services.standard import Host
from p2pstack.shinkai.network.config import LinkConfig
from p2pstack.shinkai.network.links import KeptLink, ReservedRelay, redial_delay
from tests.aio.shell import until
from tests.shinkai.network.nodes import LOOPBACK, ended


@pytest.mark.req("SHK-76")
def test_waits_double_up_to_a_cap_and_chance_adds_to_them() -> None:
    config = LinkConfig()
    assert [redial_delay(number, config, 0.0) for number in range(6)] == [2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert redial_delay(0, config, 0.5) == 2.5
    assert redial_delay(100_000, config, 1.0) == 31.0


@pytest.mark.req("SHK-76")
async def test_a_peer_that_drops_at_once_is_waited_for_longer_each_time() -> None:
    waits: list[float] = []
    async with Host(listen=[LOOPBACK]) as near, Host(listen=[LOOPBACK]) as far:
        ups: list[object] = []
        link = KeptLink(
            near,
            far.full_addresses[0],
            LinkConfig(base=0.01, cap=0.04, jitter=0.0),
            on_up=lambda peer, _: ups.append(peer),
            on_down=lambda _, wait: waits.append(wait),
        )
        task = asyncio.create_task(link.run())
        for number in range(1, 5):
            await until(lambda number=number: len(ups) == number and far.connections(near.peer_id))  # type: ignore[misc]
            await far.disconnect(near.peer_id)
        await until(lambda: len(waits) == 4)
        assert waits == [0.01, 0.02, 0.04, 0.04]
        await ended(task)


@pytest.mark.req("SHK-76")
async def test_after_a_connection_that_lasted_the_waits_begin_anew() -> None:
    waits: list[float] = []
    async with Host(listen=[LOOPBACK]) as near, Host(listen=[LOOPBACK]) as far:
        link = KeptLink(
            near,
            far.full_addresses[0],
            LinkConfig(base=0.01, cap=1.0, jitter=0.0, stable=1e-9),
            on_down=lambda _, wait: waits.append(wait),
        )
        task = asyncio.create_task(link.run())
        for number in range(1, 4):
            await until(lambda: link.connected and far.connections(near.peer_id))
            await far.disconnect(near.peer_id)
            await until(lambda number=number: len(waits) == number)  # type: ignore[misc]
        assert waits == [0.01] * 3
        await ended(task)


@pytest.mark.req("SHK-76")
async def test_an_address_that_is_not_known_is_looked_up_until_it_is() -> None:
    downs: list[tuple[str, float]] = []
    places: list[Multiaddr] = []

    async def find() -> Multiaddr:
        if not places:
            raise DeadlineExceeded("nobody says where")
        return places[-1]

    def on_down(reason: str, wait: float) -> None:
        downs.append((reason, wait))
        if len(downs) == 3:
            places.extend(far.full_addresses)

    async with Host(listen=[LOOPBACK]) as near, Host(listen=[LOOPBACK]) as far:
        config = LinkConfig(base=0.01, cap=0.02, jitter=0.01)
        link = KeptLink(near, find, config, on_down=on_down, chance=lambda: 0.5)
        assert link.address is None
        task = asyncio.create_task(link.run())
        await until(lambda: downs)
        assert link.error == "nobody says where"
        await until(lambda: link.connected)
        assert downs == [("nobody says where", pytest.approx(wait)) for wait in (0.015, 0.025, 0.025)]
        assert (link.peer, link.address, link.error) == (far.peer_id, far.full_addresses[0], "")
        await ended(task)


@pytest.mark.req("SHK-76")
async def test_it_is_dialled_where_it_is_by_now_or_where_it_was() -> None:
    places: list[Multiaddr] = []

    async def find() -> Multiaddr:
        if not places:
            raise DeadlineExceeded("nobody says where")
        return places[-1]

    async with Host(listen=[LOOPBACK]) as near, Host(listen=[LOOPBACK]) as far, Host(listen=[LOOPBACK]) as other:
        ups: list[tuple[PeerId, Multiaddr]] = []
        places.append(far.full_addresses[0])
        link = KeptLink(
            near, find, LinkConfig(base=0.01, cap=0.04, jitter=0.0), on_up=lambda peer, where: ups.append((peer, where))
        )
        task = asyncio.create_task(link.run())
        await until(lambda: link.connected and far.connections(near.peer_id))
        places.clear()
        await far.disconnect(near.peer_id)
        await until(lambda: len(ups) == 2 and far.connections(near.peer_id))
        places.append(other.full_addresses[0])
        await far.disconnect(near.peer_id)
        await until(lambda: len(ups) == 3)
        assert ups == [(far.peer_id, far.full_addresses[0])] * 2 + [(other.peer_id, other.full_addresses[0])]
        await ended(task)


@contextlib.asynccontextmanager
async def linked(address: str, **options: Any) -> AsyncIterator[tuple[Host, ReservedRelay]]:
    """A host with a relay at ``address``, which is kept."""
    host = Host(listen=[LOOPBACK])
    client, punching = RelayClient(host), HolePunching(host)
    link = ReservedRelay(host, address, LinkConfig(base=0.02, cap=0.1, jitter=0.0), client, punching, **options)
    async with host:
        task = asyncio.create_task(link.run())
        yield host, link
        await ended(task)


@pytest.mark.req("SHK-78")
async def test_a_relay_without_its_id_is_reserved_with_and_others_come_through_it() -> None:
    places: list[tuple[PeerId, tuple[Multiaddr, ...]]] = []
    far = Host(listen=[LOOPBACK])
    RelayServer(far)
    async with far:
        address = str(far.bound_addresses[0])
        async with linked(address, on_reserved=lambda *place: places.append(place)) as (near, link):
            await until(lambda: places)
            assert link.reserved
            [(peer, addresses)] = places
            assert peer == far.peer_id
            assert set(addresses) <= set(near.advertised)
            assert all(str(each).endswith(f"/p2p/{far.peer_id}/p2p-circuit") for each in addresses)
            async with linked(address) as (third, other):
                await until(lambda: other.connected)
                [circuit] = other.addresses_of(near.peer_id)
                assert str(circuit) == f"{address}/p2p/{far.peer_id}/p2p-circuit"
                assert other.addresses_of(far.peer_id) == ()
                connection = await third.connect(near.peer_id, [circuit])
                assert connection.peer_id == near.peer_id
                # On the loopback a hole is punched at once.
                assert await other.upgrade(near.peer_id)
                assert any(not each.relayed for each in third.connections(near.peer_id))
                assert not await other.upgrade(Host().peer_id)


@pytest.mark.req("SHK-78")
async def test_after_a_restart_of_the_relay_there_is_a_new_reservation() -> None:
    places: list[object] = []
    key = PrivateKey.generate()
    far = Host(key, listen=[LOOPBACK])
    RelayServer(far)
    await far.start()
    address = str(far.bound_addresses[0])
    async with linked(address, on_reserved=lambda *place: places.append(place)) as (near, link):
        await until(lambda: link.reserved)
        await far.close()
        await until(lambda: not near.advertised)
        assert link.addresses_of(Host().peer_id) == ()
        again = Host(key, listen=[address])
        RelayServer(again)
        async with again:
            await until(lambda: link.reserved and near.advertised and len(places) == 2)


@pytest.mark.req("SHK-78")
async def test_a_relay_that_passes_no_connections_stays_connected() -> None:
    async with Host(listen=[LOOPBACK]) as far, linked(str(far.bound_addresses[0])) as (near, link):
        await until(lambda: link.connected)
        await until(lambda: near.identify.info(near.connections()[0]) is not None)
        assert not link.reserved
        assert near.advertised == []
        assert link.connected


@pytest.mark.req("SHK-78")
async def test_a_relay_that_is_full_is_asked_again() -> None:
    far = Host(listen=[LOOPBACK])
    relay = RelayServer(far, RelayConfig(max_reservations=1))
    async with far:
        address = str(far.bound_addresses[0])
        async with linked(address) as (_, second):
            await until(lambda: second.reserved)
            async with linked(address) as (_, third):
                await until(lambda: relay.answers.total() >= 3)
                assert not third.reserved
                assert third.connected
