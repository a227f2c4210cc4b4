"""A circuit in a relay: every byte and every end passes, and nothing beyond the limits does."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pstack.aio.stream import Stream
from p2pstack.errors import StreamReset, StreamTimeout
from p2pstack.host.host import BaseHost
from p2pstack.relay.messages import Limit
from p2pstack.services.relay.server import RelayServer
from p2pstack.services.relay.server_events import CircuitClosed
from p2pstack.services.relay.splice import CircuitEnd, Splice
from tests.services.hosts import next_event, until
from tests.services.relay.relaying import Target, circuit, relaying, reserve

AMPLE = 1 << 30


@asynccontextmanager
async def spliced(**settings: Any) -> AsyncIterator[tuple[RelayServer, Stream, Stream]]:
    """A relay and the two ends of a circuit through it."""
    async with relaying(**settings) as relay, Target() as target, BaseHost() as peer:
        await reserve(target, relay)
        near = await circuit(peer, relay, target.peer_id)
        far = await target.taken()
        near.timeout = far.timeout = 10.0
        try:
            yield relay, near, far
        finally:
            target.done.set()


async def send(stream: Stream, data: bytes, piece: int = 65_536) -> None:
    for start in range(0, len(data), piece):
        stream.write(data[start : start + piece])
        await stream.drain()
    stream.close_write()


@pytest.mark.req("RELAY-06")
async def test_much_passes_both_ways_at_once() -> None:
    up, down = os.urandom(6_000_000), os.urandom(5_000_000)
    async with spliced(circuit_bytes=AMPLE) as (relay, near, far), relay.host.events(CircuitClosed) as events:
        async with asyncio.TaskGroup() as group:
            group.create_task(send(near, up))
            group.create_task(send(far, down, 1_000))
            at_far = group.create_task(far.read_to_end(len(up)))
            at_near = group.create_task(near.read_to_end(len(down)))
        assert hashlib.sha256(at_far.result()).digest() == hashlib.sha256(up).digest()
        assert hashlib.sha256(at_near.result()).digest() == hashlib.sha256(down).digest()
        closed = await next_event(events, CircuitClosed)
        assert (closed.sent, closed.received, closed.reason) == (len(up), len(down), CircuitEnd.FINISHED)


@settings(max_examples=10)
@given(st.lists(st.binary(min_size=1, max_size=5_000), max_size=10))
async def test_however_it_is_cut(pieces: list[bytes]) -> None:
    async with spliced() as (_, near, far):
        for piece in pieces:
            near.write(piece)
            await asyncio.sleep(0)
        near.close_write()
        assert await far.read_to_end(50_000) == b"".join(pieces)


@pytest.mark.req("RELAY-06", "GEN-09")
@pytest.mark.parametrize("backward", [False, True])
async def test_a_half_close_passes_and_the_other_way_goes_on(backward: bool) -> None:
    async with spliced() as (relay, near, far):
        first, second = (far, near) if backward else (near, far)
        first.write(b"the last")
        first.close_write()
        assert await second.read_to_end(100) == b"the last"
        assert len(relay.circuits) == 1
        second.write(b"not mine")
        assert await first.read_exactly(8) == b"not mine"
        second.close_write()
        assert await first.read() == b""
        await until(lambda: not relay.circuits)


@pytest.mark.req("RELAY-06")
@pytest.mark.parametrize("backward", [False, True])
async def test_a_reset_passes(backward: bool) -> None:
    async with spliced() as (relay, near, far), relay.host.events(CircuitClosed) as events:
        first, second = (far, near) if backward else (near, far)
        first.reset()
        with pytest.raises(StreamReset):
            await second.read()
        assert (await next_event(events, CircuitClosed)).reason is CircuitEnd.RESET


@pytest.mark.req("RELAY-06")
@pytest.mark.parametrize("backward", [False, True])
async def test_the_end_of_a_connection_is_a_reset_for_the_other_end(backward: bool) -> None:
    async with spliced() as (relay, near, far), relay.host.events(CircuitClosed) as events:
        first, second = (far, near) if backward else (near, far)
        await first.connection.close()
        with pytest.raises(StreamReset):
            await second.read()
        assert (await next_event(events, CircuitClosed)).reason is CircuitEnd.RESET
        assert not second.connection.closed


@pytest.mark.misbehave
@pytest.mark.req("RELAY-06")
@pytest.mark.parametrize("backward", [False, True])
async def test_exactly_as_many_bytes_pass_as_may(backward: bool) -> None:
    async with spliced(circuit_bytes=10_000) as (relay, near, far), relay.host.events(CircuitClosed) as events:
        first, second = (far, near) if backward else (near, far)
        first.write(bytes(10_000))
        second.write(bytes(10_000))
        assert await second.read_exactly(10_000) == bytes(10_000)
        assert await first.read_exactly(10_000) == bytes(10_000)
        assert len(relay.circuits) == 1, "the limit is of each way"
        first.write(b"!")
        for stream in (first, second):
            with pytest.raises(StreamReset):
                await stream.read()
        closed = await next_event(events, CircuitClosed)
        assert (closed.sent, closed.received, closed.reason) == (10_000, 10_000, CircuitEnd.BYTES)
        assert not first.connection.closed
        assert not second.connection.closed


@pytest.mark.req("RELAY-06")
async def test_an_end_at_the_limit_is_no_excess() -> None:
    async with spliced(circuit_bytes=10_000) as (_, near, far):
        await send(near, bytes(10_000))
        assert await far.read_to_end(20_000) == bytes(10_000)
        await send(far, b"thanks")
        assert await near.read_to_end(100) == b"thanks"


@pytest.mark.misbehave
@pytest.mark.req("RELAY-06")
async def test_the_time_of_a_circuit_is_over() -> None:
    async with spliced(circuit_duration=1) as (relay, near, far), relay.host.events(CircuitClosed) as events:
        assert (await next_event(events, CircuitClosed)).reason is CircuitEnd.TIME
        for stream in (near, far):
            with pytest.raises(StreamReset):
                await stream.read()
        assert not near.connection.closed
        assert not relay.circuits


@pytest.mark.misbehave
@pytest.mark.req("RELAY-06", "GEN-04")
async def test_a_sender_is_held_back_by_a_receiver_that_does_not_read() -> None:
    async with spliced(circuit_bytes=AMPLE) as (relay, near, far):
        near.timeout = 0.3
        sent = 0
        with pytest.raises(StreamTimeout):
            while sent < 64 << 20:
                near.write(bytes(65_536))
                sent += 65_536
                await near.drain()
        held = [stream for each in relay.host.connections() for stream in each.streams]
        assert sum(stream.unsent_size + stream.unread for stream in held) < 4_000_000
        passed = relay.circuits[0].sent
        assert passed < 4_000_000
        near.timeout = 10.0
        async with asyncio.TaskGroup() as group:
            group.create_task(near.close())
            data = await far.read_to_end(sent)
        assert data == bytes(sent)


@pytest.mark.req("RELAY-06")
async def test_a_cancelled_circuit_resets_both_ends() -> None:
    async with spliced() as (_, near, far):
        splice = Splice(near, far, Limit(60, 1_000))
        task = asyncio.create_task(splice.run())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert splice.end is CircuitEnd.STOPPED
        for stream in (near, far):
            with pytest.raises(StreamReset):
                await stream.read()
