"""Dialling peers that others name, and those that are to be connected always."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

import pytest

from p2pstack.errors import DialError
from p2pstack.gossipsub.score.config import ScoreConfig
from p2pstack.host.host import BaseHost
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.multiaddrs import parse
from p2pstack.services.gossipsub.exchange import Dials
from p2pstack.services.gossipsub.service import Gossipsub
from p2pstack.services.standard import Host
from tests.services.gossipsub.pubsubs import TOPIC, config, host_of, id_of, join, pubsubs, texts
from tests.services.hosts import LOOPBACK, until

PEERS = [PrivateKey.generate().peer_id for _ in range(20)]
ADDRESS = parse("/ip4/127.0.0.1/tcp/4001")


class FakeHost:
    """Notes who is dialled; a dial ends when the test says so."""

    def __init__(self) -> None:
        self.network = self
        self.dialled: list[Any] = []
        self.release = asyncio.Event()
        self.fails = False

    def best(self, peer: object) -> object:
        return self if peer == PEERS[-1] else None

    async def connect(self, peer: object, addresses: object, *, timeout: float) -> None:
        assert timeout == 30.0
        self.dialled.append((peer, addresses))
        await self.release.wait()
        if self.fails:
            raise DialError(peer, [])


def dials(host: FakeHost, **settings: Any) -> tuple[Dials, Counter[str]]:
    counters: Counter[str] = Counter()
    return Dials(host, config(**settings), counters), counters  # type: ignore[arg-type]


@pytest.mark.req("GS11-07")
async def test_a_few_are_dialled_at_once() -> None:
    host = FakeHost()
    waiting, counters = dials(host, router={"max_exchanged": 10}, exchange_dials=3)
    for peer in PEERS[:3]:
        waiting.add(peer, (ADDRESS,))
    for _ in range(3):
        await asyncio.sleep(0)
    assert host.dialled == [(peer, (ADDRESS,)) for peer in PEERS[:3]]
    for peer in PEERS[3:18]:
        waiting.add(peer)
    for _ in range(3):
        await asyncio.sleep(0)
    assert len(host.dialled) == 3
    assert len(waiting) == 10
    assert counters["px-dropped"] == 5
    # What we want ourselves always finds room; who waits or is connected is not added again.
    waiting.add(PEERS[18], wanted=True)
    waiting.add(PEERS[3])
    waiting.add(PEERS[-1])
    assert len(waiting) == 11
    host.release.set()
    await until(lambda: not waiting._tasks)
    assert [peer for peer, _ in host.dialled] == [*PEERS[:13], PEERS[18]]


async def test_failures_are_counted_and_end_nothing() -> None:
    host = FakeHost()
    host.fails = True
    host.release.set()
    waiting, counters = dials(host, exchange_dials=1)
    for peer in PEERS[:5]:
        waiting.add(peer)
    await until(lambda: counters["dial-failed"] == 5)


async def test_who_is_added_as_the_last_worker_ends_is_dialled() -> None:
    host = FakeHost()
    host.release.set()
    waiting, _ = dials(host, exchange_dials=1)
    waiting.add(PEERS[0])
    (worker,) = waiting._tasks
    await asyncio.wait((worker,))
    waiting.add(PEERS[1])
    await until(lambda: len(host.dialled) == 2)


async def test_the_end_cancels_all_dials() -> None:
    host = FakeHost()
    waiting, _ = dials(host, exchange_dials=2)
    for peer in PEERS[:5]:
        waiting.add(peer)
    await asyncio.sleep(0)
    await waiting.stop()
    assert not waiting._tasks
    assert not len(waiting)
    await waiting.stop()


# -- between hosts


@pytest.mark.req("GS11-01")
async def test_direct_peers_are_connected_and_kept() -> None:
    quick = {"heartbeat_interval": 0.01, "heartbeat_delay": 0.01, "direct_connect_delay": 0.01}
    async with pubsubs(None) as (far,):
        theirs = far.subscribe(TOPIC)
        settings = config(router={**quick, "direct_connect_ticks": 2}, direct=host_of(far).full_addresses)
        async with Host() as host, Gossipsub(host, config=settings) as near:
            await near.publish(TOPIC, b"found")
            assert await texts(theirs) == [b"found"]
            assert host._manager.is_protected(id_of(far))
            for number in range(2):
                await host.disconnect(id_of(far))
                await until(lambda: not near.peers())
                await near.publish(TOPIC, b"%d" % number)
                assert await texts(theirs) == [b"%d" % number]
        assert not host._manager.is_protected(id_of(far))


@pytest.mark.req("GS11-06", "GS11-07")
async def test_who_is_pruned_finds_others() -> None:
    """One of three subscribers is pruned by a host that has room for one in its mesh; it meets the others so."""
    small = {"d": 1, "d_low": 1, "d_high": 1, "d_score": 1, "d_out": 0, "peer_exchange": True}
    trusting = config(router={"peer_exchange": True}, score=None)
    async with pubsubs(config(router=small)) as (center,), AsyncExitStack() as stack:
        center.subscribe(TOPIC)
        others = []
        for _ in range(3):
            host = await stack.enter_async_context(Host(listen=[LOOPBACK]))
            other = await stack.enter_async_context(Gossipsub(host, config=trusting))
            other.subscribe(TOPIC)
            connection = await join(other, center)
            await host.identify.wait(connection)
            others.append(other)
        await until(lambda: any(len(host_of(other).connections()) > 1 for other in others), 10.0)


@pytest.mark.req("GS11-07")
async def test_nobody_is_dialled_for_a_peer_without_score() -> None:
    async with pubsubs(config(score=ScoreConfig())) as (pubsub,), BaseHost() as other:
        assert pubsub.usage()["max_exchanged"].current == 0
        await other.connect(host_of(pubsub).full_addresses[0])
        assert not pubsub.counters["px-dropped"]
