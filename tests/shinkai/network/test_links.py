"""Connections that are kept."""

from __future__ import annotations

import asyncio

import pytest

from p2pstack.services.standard import Host
from p2pstack.shinkai.network.config import LinkConfig
from p2pstack.shinkai.network.links import DialledRelay, KeptLink, redial_delay
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
            on_up=ups.append,
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
async def test_a_dialled_relay_carries_no_connections() -> None:
    async with Host(listen=[LOOPBACK]) as near, Host(listen=[LOOPBACK]) as far:
        relay = DialledRelay(near, far.full_addresses[0], LinkConfig())
        assert not relay.connected
        assert not await relay.upgrade(far.peer_id)
        task = asyncio.create_task(relay.run())
        await until(lambda: relay.connected)
        assert await relay.upgrade(far.peer_id)
        assert relay.addresses_of(far.peer_id) == ()
        await ended(task)
