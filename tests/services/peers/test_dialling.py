"""Known peers are dialled while the host has too few."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from p2pstack.errors import DeadlineExceeded, DialError
from p2pstack.host.host import BaseHost
from p2pstack.identity.multiaddrs import parse
from p2pstack.identity.peer_id import PeerId
from p2pstack.services.peers.config import PeersConfig
from p2pstack.services.peers.dialling import KnownPeerDialler
from p2pstack.services.peers.entries import KnownAddress, KnownPeer
from p2pstack.services.peers.ledger import Ledger
from p2pstack.services.peers.service import _Connected
from tests.aio.shell import silent_listener
from tests.host.hosts import address_of, closed_address, dialer, key, listener, with_dial
from tests.services.hosts import until
from tests.services.peers.known import NOW, Clock


class Dialling:
    """A dialler with what it works on; failures go to the ledger, as with the service."""

    def __init__(self, host: BaseHost, clock: Callable[[], float] = lambda: NOW, **config: Any) -> None:
        self.host = host
        self.clock = clock
        self.config = PeersConfig(**config)
        self.failed: list[PeerId] = []
        self.ledger = Ledger(self.config, _Connected(host))
        self.dialler = KnownPeerDialler(host, self.ledger, self.config, self.clock, self._failed)

    def _failed(self, peer: PeerId, error: DialError | DeadlineExceeded) -> None:
        self.failed.append(peer)
        self.ledger.failed(peer, {}, self.clock(), online=True)

    def knows(self, number: int, *hosts_or_addresses: Any, reached: float = 0.0) -> None:
        places = [each.addresses[0] if isinstance(each, BaseHost) else each for each in hosts_or_addresses]
        addresses = {place: KnownAddress(first_seen=NOW, last_told=NOW) for place in places}
        found = KnownPeer(
            peer=key(number).peer_id, first_seen=NOW, last_seen=NOW, last_success=reached, addresses=addresses
        )
        self.ledger.restore([found], NOW)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.dialler.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])


@pytest.mark.req("PEERS-06")
async def test_as_many_as_are_wanted_the_best_first() -> None:
    async with listener(1) as first, listener(2) as second, listener(3) as third, dialer(9) as host:
        dialling = Dialling(host, wanted=2)
        dialling.knows(1, first)
        dialling.knows(2, second, reached=NOW - 9)
        dialling.knows(3, third, reached=NOW - 8)
        async with dialling.running():
            await until(lambda: len(host.network.peers) == 2)
            await until(lambda: not dialling.dialler._attempts)
            assert set(host.network.peers) == {second.peer_id, third.peer_id}


@pytest.mark.req("PEERS-06")
async def test_the_next_ones_are_dialled_where_some_are_not_there() -> None:
    async with listener(5) as there, dialer(9) as host:
        dialling = Dialling(host, wanted=1, dial_parallel=2)
        for number in range(1, 5):
            dialling.knows(number, closed_address(), reached=NOW - number)
        dialling.knows(5, there, reached=NOW - 9)
        async with dialling.running():
            await until(lambda: host.network.peers)
            assert host.network.peers == [there.peer_id]
            assert sorted(dialling.failed) == sorted(key(number).peer_id for number in range(1, 5))


@pytest.mark.req("PEERS-06")
async def test_a_few_at_a_time_and_nothing_is_left_at_the_end() -> None:
    with silent_listener() as silent:
        async with dialer(9) as host:
            dialling = Dialling(host, wanted=8, dial_parallel=3)
            for number in range(1, 8):
                dialling.knows(number, address_of(silent))
            async with dialling.running():
                await until(lambda: len(dialling.dialler._attempts) == 3)
                await asyncio.sleep(0)
                assert len(dialling.dialler._attempts) == 3
            assert not dialling.dialler._attempts
            assert dialling.failed == []


@pytest.mark.req("PEERS-06")
async def test_who_goes_is_replaced_or_dialled_again() -> None:
    async with listener(1) as first, dialer(9) as host:
        dialling = Dialling(host, wanted=1)
        dialling.knows(1, first)
        async with dialling.running():
            await until(lambda: host.network.peers)
            (before,) = host.connections()
            await host.disconnect(first.peer_id)
            dialling.dialler.look()
            await until(lambda: host.connections() not in ([], [before]))


@pytest.mark.req("PEERS-05", "PEERS-06")
async def test_who_failed_is_dialled_again_when_its_time_has_come() -> None:
    place = closed_address()
    async with dialer(9, config=with_dial(backoff_base=0.01, backoff_factor=0.0001)) as host:
        dialling = Dialling(host, time.time, wanted=1, backoff_base=0.05, backoff_max=0.05)
        dialling.knows(1, place)
        async with dialling.running():
            await until(lambda: len(dialling.failed) > 1)


@pytest.mark.req("PEERS-05")
async def test_what_we_could_not_try_is_no_failure() -> None:
    async with dialer(9) as host:
        clock = Clock()
        dialling = Dialling(host, clock, wanted=1)
        dialling.knows(1, parse("/ip4/192.0.2.1/udp/1/quic-v1"))
        dialling.knows(9, closed_address())
        async with dialling.running():
            await until(lambda: dialling.ledger.candidates(NOW) == [])
            assert dialling.failed == []
        await host.close()
        dialling.ledger.restore(dialling.ledger.peers(), NOW)
        clock.now += 3_600
        async with dialling.running():
            await until(lambda: dialling.ledger.candidates(clock.now) == [])
            assert dialling.failed == []
