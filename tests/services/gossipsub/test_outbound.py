"""The sending side of a peer: at once where there is room, else through a bounded queue, control first."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from p2pstack.aio.stream import Stream
from p2pstack.errors import StreamReset
from p2pstack.host.host import BaseHost
from p2pstack.services.gossipsub.config import PubsubConfig
from p2pstack.services.gossipsub.outbound import Outbound
from tests.services.gossipsub.pubsubs import TOPIC, config, host_of, pubsubs, wild
from tests.services.hosts import connected, until

PROTOCOL = "/held/1.0.0"
MARK = 262_144
"""Bytes that a stream holds before there is a queue."""


class Held:
    """A peer that reads nothing but what :meth:`read` takes."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.streams: list[Stream] = []
        self.changes: list[bool] = []
        self.counters: Counter[str] = Counter()
        self.near, self.far = BaseHost(), BaseHost()
        self.far.handle(PROTOCOL, self._hold)
        limits = {"publish_mark": 1_000, "max_queue": 1_048_576, **settings}
        self.outbound = Outbound(
            self.far.peer_id, PubsubConfig(**limits), self.counters, lambda each: self.changes.append(each.congested)
        )

    async def _hold(self, stream: Stream) -> None:
        self.streams.append(stream)
        await until(lambda: stream.failure is not None, 30.0)

    async def open(self) -> Stream:
        count = len(self.streams)
        stream = await self.near.open_stream(self.far.peer_id, PROTOCOL)
        stream.timeout = None
        await until(lambda: len(self.streams) > count)
        return stream

    async def read(self, size: int) -> bytes:
        return await self.streams[-1].read_exactly(size)

    def fill(self) -> int:
        """Send until there is a queue; return how many bytes that took."""
        size = 0
        while self.outbound.idle:
            assert self.outbound.send(bytes(10_000))
            size += 10_000
        return size

    def overfill(self) -> None:
        """Send more than the peer's window and the stream hold together."""
        for _ in range(80):
            assert self.outbound.send(bytes(10_000))


@asynccontextmanager
async def held(**settings: Any) -> AsyncIterator[Held]:
    peer = Held(settings)
    async with connected(peer.near, peer.far):
        yield peer
        tasks = peer.outbound.close()
        if tasks:
            await asyncio.wait(tasks)


async def test_with_room_everything_goes_out_at_once() -> None:
    async with held() as peer:
        peer.outbound.attach(await peer.open(), [b"hello", b", "])
        assert peer.outbound.send(b"message")
        peer.outbound.send_urgent(b"!")
        assert peer.outbound.idle
        assert await peer.read(15) == b"hello, message!"
        assert not peer.changes


async def test_without_a_stream_it_waits_behind_the_hello_of_the_next() -> None:
    async with held() as peer:
        assert peer.outbound.send(b"message")
        peer.outbound.send_urgent(b"control ")
        await peer.outbound.drained()
        assert not peer.outbound.idle
        peer.outbound.attach(await peer.open(), [b"hello "])
        assert await peer.read(21) == b"hello control message"
        await peer.outbound.drained()
        assert peer.outbound.idle


@pytest.mark.req("GS10-24")
async def test_control_passes_the_messages_that_wait() -> None:
    async with held() as peer:
        stream = await peer.open()
        peer.outbound.attach(stream, [])
        size = peer.fill()
        while stream.unsent_size <= MARK + 65_536:
            peer.outbound.send_urgent(bytes(10_000))
            size += 10_000
        peer.outbound.send_urgent(b"control")
        assert peer.outbound.send(b"message")
        data = await peer.read(size + 14)
        assert data.index(b"control") < size
        assert data.endswith(b"message")


@pytest.mark.req("GS10-24")
async def test_the_queue_is_bounded_and_tells_when_it_is_long() -> None:
    async with held() as peer:
        peer.outbound.attach(await peer.open(), [])
        size = peer.fill()
        assert peer.changes == [True]
        dropped = 0
        for _ in range(200):
            if peer.outbound.send(bytes(10_000)):
                size += 10_000
            else:
                dropped += 1
        assert peer.counters["queue-full"] == dropped > 0
        assert peer.outbound.queued_bytes <= 1_048_576
        peer.outbound.stalled = True
        await peer.read(size)
        assert peer.changes == [True, False]
        assert not peer.outbound.stalled
        assert peer.outbound.idle


@pytest.mark.req("GS10-24")
async def test_control_that_does_not_fit_costs_the_stream() -> None:
    async with held(max_control_queue=20_000) as peer:
        stream = await peer.open()
        peer.outbound.attach(stream, [])
        while stream.failure is None:
            peer.outbound.send_urgent(bytes(10_000))
        assert peer.counters["control-queue-full"] == 1
        assert isinstance(stream.failure, StreamReset)
        await peer.outbound.drained()
        peer.outbound.detach()
        # Without a stream, too: the next hello says it all.
        for _ in range(3):
            peer.outbound.send_urgent(bytes(10_000))
        assert peer.counters["control-queue-full"] == 2
        assert peer.outbound.idle


@pytest.mark.req("GS10-25")
async def test_a_peer_that_takes_nothing_loses_its_stream() -> None:
    async with held(write_timeout=0.02) as peer:
        stream = await peer.open()
        peer.outbound.attach(stream, [])
        peer.overfill()
        await until(lambda: stream.failure is not None)
        assert peer.counters["write-timeout"] == 1
        await peer.outbound.drained()


async def test_the_queue_goes_on_with_the_next_stream() -> None:
    async with held() as peer:
        first = await peer.open()
        peer.outbound.attach(first, [])
        peer.overfill()
        assert peer.outbound.send(b"last")
        await until(lambda: first.unsent_size <= MARK + 10_000)
        queued = peer.outbound.queued_bytes
        assert queued > 100_000
        first.reset()
        peer.outbound.detach()
        peer.outbound.attach(await peer.open(), [b"hello"])
        data = await peer.read(5 + queued)
        assert data.startswith(b"hello")
        assert data.endswith(b"last")
        await until(lambda: peer.outbound.idle)


async def test_a_dead_stream_is_no_error() -> None:
    async with held() as peer:
        stream = await peer.open()
        peer.outbound.attach(stream, [])
        stream.reset()
        assert peer.outbound.send(b"kept")
        peer.outbound.send_urgent(b"as well")
        await peer.outbound.drained()
        with pytest.raises(StreamReset):
            peer.outbound.attach(stream, [b"hello"])


async def test_closing_drops_what_is_queued() -> None:
    async with held() as peer:
        peer.outbound.attach(await peer.open(), [])
        peer.fill()
        tasks = peer.outbound.close()
        assert len(tasks) == 1
        await asyncio.wait(tasks)
        assert peer.outbound.idle
        assert peer.outbound.queued_bytes == 0
        assert peer.changes == [True, False]
        assert peer.outbound.close() == []


@pytest.mark.req("GS10-25", "GS10-28")
async def test_a_peer_that_stops_reading_gets_a_new_stream() -> None:
    async with wild(config(write_timeout=0.05, publish_timeout=0.01, reopen_delay=0.001)) as (pubsub, peer):
        peer.reading = False
        for _ in range(20):
            await pubsub.publish(TOPIC, bytes(50_000))
        await until(lambda: len(peer.streams) == 2)
        assert pubsub.counters["write-timeout"] == 1
        assert not host_of(pubsub).connections()[0].closed


@pytest.mark.req("GS10-24")
async def test_a_slow_peer_takes_no_messages_from_others() -> None:
    async with wild(config(publish_timeout=0.01)) as (pubsub, peer), pubsubs(None) as (other,):
        peer.reading = False
        theirs = other.subscribe(TOPIC)
        await host_of(other).connect(host_of(pubsub).full_addresses[0])
        await until(lambda: len(pubsub.peers(TOPIC)) == 2)
        for number in range(100):
            await pubsub.publish(TOPIC, b"%02d" % number + bytes(20_000))
        await until(lambda: len(theirs) == 100)
