"""Who is dialled, how many at once, how often."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from p2pstack.errors import DialError
from p2pstack.identity.peer_id import PeerId
from p2pstack.mdns.config import MdnsConfig
from p2pstack.services.mdns.dialling import FoundPeerDialler
from tests.mdns.lan import peer_of
from tests.services.hosts import until

PEERS = [peer_of(number) for number in range(1, 60)]


class FakeHost:
    """Dials when the test lets it."""

    def __init__(self) -> None:
        self.dialled: list[PeerId] = []
        self.connected: set[PeerId] = set()
        self.under_way = 0
        self.let = asyncio.Event()
        self.failure: DialError | None = None

    def connections(self, peer: PeerId) -> list[PeerId]:
        return [peer] if peer in self.connected else []

    async def connect(self, peer: PeerId, *, timeout: float) -> None:
        assert timeout == 10.0
        self.dialled.append(peer)
        self.under_way += 1
        try:
            await self.let.wait()
            if self.failure is not None:
                raise self.failure
            self.connected.add(peer)
        finally:
            self.under_way -= 1


@contextlib.asynccontextmanager
async def dialling(*found: PeerId, **changes: Any) -> AsyncIterator[tuple[FakeHost, FoundPeerDialler]]:
    host = FakeHost()
    dialler = FoundPeerDialler(host, MdnsConfig(**changes), found)  # type: ignore[arg-type]
    dialler.start()
    try:
        yield host, dialler
    finally:
        await dialler.stop()
    assert host.under_way == 0


@pytest.mark.req("MDNS-11")
async def test_few_are_dialled_at_once_each_once() -> None:
    async with dialling(max_dials=3) as (host, dialler):
        for peer in PEERS[:8] + PEERS[:8]:
            dialler.want(peer)
        await until(lambda: host.under_way == 3)
        assert host.dialled == PEERS[:3]
        host.let.set()
        await until(lambda: len(host.connected) == 8)
        assert host.dialled == PEERS[:8]


@pytest.mark.req("MDNS-11")
async def test_many_are_dialled_one_after_the_other() -> None:
    async with dialling(dial_burst=2, dial_interval=0.05, max_dials=50) as (host, dialler):
        host.let.set()
        started = asyncio.get_running_loop().time()
        for peer in PEERS[:6]:
            dialler.want(peer)
        await until(lambda: len(host.connected) == 6)
        assert asyncio.get_running_loop().time() - started >= 4 * 0.05 - 0.01


@pytest.mark.req("MDNS-11")
async def test_few_wait() -> None:
    async with dialling(max_dials=1, max_waiting=2) as (host, dialler):
        for peer in PEERS[:9]:
            dialler.want(peer)
        await until(lambda: host.under_way == 1)
        host.let.set()
        await until(lambda: len(host.connected) == 3)
        assert host.dialled == PEERS[:3]


@pytest.mark.req("MDNS-11")
async def test_with_enough_of_them_connected_none_is_dialled() -> None:
    async with dialling(*PEERS[:3], max_connected=2) as (host, dialler):
        host.connected = set(PEERS[1:3])
        dialler.want(PEERS[0])
        assert not host.dialled
        host.connected = set(PEERS[2:4])
        dialler.want(PEERS[0])
        await until(lambda: host.dialled == [PEERS[0]])


async def test_who_is_connected_or_gone_is_not_dialled() -> None:
    async with dialling(max_dials=1) as (host, dialler):
        host.connected.add(PEERS[0])
        for peer in PEERS[:4]:
            dialler.want(peer)
        dialler.forget(PEERS[2])
        host.let.set()
        await until(lambda: len(host.connected) == 3)
        assert host.dialled == [PEERS[1], PEERS[3]]


@pytest.mark.req("MDNS-07")
async def test_who_is_there_and_was_not_reached_is_dialled_again() -> None:
    async with dialling(*PEERS[:2], redial_interval=0.02) as (host, dialler):
        host.failure = DialError(PEERS[0], [])
        host.let.set()
        dialler.want(PEERS[0])
        await until(lambda: host.dialled.count(PEERS[0]) >= 2)
        host.failure = None
        await until(lambda: host.connected == set(PEERS[:2]))
        count = len(host.dialled)
        dialler._look()
        assert len(host.dialled) == count
