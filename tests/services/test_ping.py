"""ping: the echo, who may end it, and who can not be trusted with it."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.aio.stream import Stream
from p2pstack.errors import (
    DeadlineExceeded,
    DialError,
    ProtocolNotSupported,
    ProtocolViolation,
    StreamEOF,
    StreamError,
    StreamReset,
)
from p2pstack.host.host import BaseHost
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.multiaddrs import parse
from p2pstack.services import ping as ping_module
from p2pstack.services.config import PingConfig, ServiceConfig
from p2pstack.services.ping import PING, SIZE, respond
from p2pstack.services.standard import Host
from tests.services.hosts import LOOPBACK, backward, connected, until


def host(**settings: Any) -> Host:
    return Host(listen=[LOOPBACK], services=ServiceConfig(ping=PingConfig(**settings)))


def answering(handler: Callable[[Stream], Awaitable[None]]) -> BaseHost:
    peer = BaseHost()
    peer.handle(PING, handler)
    return peer


def ping_streams(host: BaseHost) -> list[Stream]:
    return [stream for each in host.connections() for stream in each.streams if stream.protocol == PING]


async def honest(stream: Stream) -> None:
    await respond(stream, idle_timeout=5.0)


# -- pinging


@pytest.mark.req("PING-01", "PING-02")
async def test_pings_of_a_peer_use_one_stream() -> None:
    opened: list[Stream] = []

    async def noted(stream: Stream) -> None:
        opened.append(stream)
        await honest(stream)

    async with connected(host(), answering(noted)) as (near, far, _):
        times = [await near.ping(far.peer_id) for _ in range(5)]
        assert all(0 < seconds < 5 for seconds in times)
        assert len(opened) == 1


@pytest.mark.req("PING-02")
async def test_pings_at_the_same_time_wait_for_each_other() -> None:
    opened: list[Stream] = []

    async def noted(stream: Stream) -> None:
        opened.append(stream)
        await honest(stream)

    async with connected(host(), answering(noted)) as (near, far, _):
        await asyncio.gather(*(near.ping(far.peer_id) for _ in range(10)))
        assert len(opened) == 1
        assert len(ping_streams(near)) == 1


async def test_a_peer_is_dialled_if_need_be() -> None:
    async with host() as near, host() as far:
        assert await near.ping(far.full_addresses[0]) > 0
        assert await near.ping(far.peer_id) > 0
        assert len(near.connections()) == 1


@pytest.mark.req("PING-05")
async def test_a_peer_that_ends_after_each_ping_is_pinged_on() -> None:
    async def once(stream: Stream) -> None:
        stream.write(await stream.read_exactly(SIZE))

    async with connected(host(), answering(once)) as (near, far, _):
        assert len([await near.ping(far.peer_id) for _ in range(4)]) == 4
        await until(lambda: len(ping_streams(near)) <= 1)


@pytest.mark.req("PING-05")
@pytest.mark.parametrize("reset", [False, True])
async def test_a_peer_that_ends_while_a_ping_is_under_way_is_pinged_on(reset: bool) -> None:
    streams = 0

    async def ends_at_the_second(stream: Stream) -> None:
        nonlocal streams
        streams += 1
        stream.write(await stream.read_exactly(SIZE))
        await stream.read_exactly(SIZE)
        stream.write(b"half an echo")
        if reset:
            stream.reset()

    async with connected(host(), answering(ends_at_the_second)) as (near, far, _):
        assert len([await near.ping(far.peer_id) for _ in range(3)]) == 3
        assert streams == 3


async def test_a_new_stream_that_ends_at_once_is_an_error() -> None:
    async def rude(stream: Stream) -> None:
        await stream.read_exactly(SIZE)

    async with connected(host(), answering(rude)) as (near, far, connection):
        with pytest.raises(StreamError):
            await near.ping(far.peer_id)
        assert not connection.closed


async def test_an_echo_may_come_in_pieces() -> None:
    async def in_pieces(stream: Stream) -> None:
        while data := await stream.read():
            for offset in range(len(data)):
                stream.write(data[offset : offset + 1])
                await asyncio.sleep(0)

    async with connected(host(), answering(in_pieces)) as (near, far, _):
        assert await near.ping(far.peer_id) > 0
        assert await near.ping(far.peer_id) > 0


@pytest.mark.misbehave
@pytest.mark.req("PING-01")
@pytest.mark.parametrize("twist", [lambda data: data[::-1], lambda data: data + b"!", lambda data: b"\0" * 31 + b"1"])
async def test_another_echo_is_a_violation_and_resets(twist: Callable[[bytes], bytes]) -> None:
    ended = asyncio.Event()

    async def lying(stream: Stream) -> None:
        stream.write(twist(await stream.read_exactly(SIZE)))
        try:
            await stream.read()
        except StreamReset:
            ended.set()

    async with connected(host(), answering(lying)) as (near, far, connection):
        with pytest.raises(ProtocolViolation, match="differs") as caught:
            await near.ping(far.peer_id)
        assert caught.value.requirement == "PING-01"
        await asyncio.wait_for(ended.wait(), 5)
        assert not connection.closed


@pytest.mark.misbehave
@pytest.mark.req("GEN-03")
@pytest.mark.parametrize("part", [0, 31])
async def test_no_echo_within_the_time_is_an_error(part: int) -> None:
    calls = 0

    async def slow(stream: Stream) -> None:
        nonlocal calls
        calls += 1
        if calls > 1:
            await honest(stream)
            return
        stream.write((await stream.read_exactly(SIZE))[:part])
        await stream.read()

    async with connected(host(timeout=0.05), answering(slow)) as (near, far, _):
        with pytest.raises(DeadlineExceeded, match="within 0"):
            await near.ping(far.peer_id)
        assert await near.ping(far.peer_id, timeout=5.0) > 0


@pytest.mark.misbehave
@pytest.mark.req("GEN-03")
async def test_a_byte_now_and_then_wins_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    times = itertools.count()
    monkeypatch.setattr(ping_module, "perf_counter", lambda: float(next(times)))
    stream = FakeStream([b"x"] * 31)
    allowed: list[float | None] = []
    read = stream.read

    async def noted(max_bytes: int = 0) -> bytes:
        allowed.append(stream.timeout)
        return await read()

    monkeypatch.setattr(stream, "read", noted, raising=False)
    with pytest.raises(StreamEOF):
        await ping_module._round_trip(cast("Stream", stream), 5.0)
    assert allowed[:6] == [5.0, 4.0, 3.0, 2.0, 1.0, 0.001]


async def test_a_cancelled_ping_does_not_mislead_the_next_one() -> None:
    release = asyncio.Event()
    asked = asyncio.Event()

    async def late(stream: Stream) -> None:
        while data := await stream.read():
            asked.set()
            await release.wait()
            stream.write(data)

    async with connected(host(), answering(late)) as (near, far, _):
        task = asyncio.create_task(near.ping(far.peer_id))
        await asyncio.wait_for(asked.wait(), 5)
        task.cancel()
        await asyncio.wait([task])
        release.set()
        assert await near.ping(far.peer_id) > 0


async def test_a_peer_that_does_not_speak_ping() -> None:
    async with connected(host(), BaseHost()) as (near, far, _):
        with pytest.raises(ProtocolNotSupported):
            await near.ping(far.peer_id)


@pytest.mark.req("GEN-04")
async def test_nothing_is_kept_of_peers_that_are_gone_or_were_never_there() -> None:
    async with connected(host(), host()) as (near, far, connection):
        await near.ping(far.peer_id)
        await connection.close()
        await until(lambda: not near._ping._conversations)
        with pytest.raises(DialError):
            await near.ping(PrivateKey.generate().peer_id)
        assert not near._ping._conversations
        assert await near.ping(far.peer_id) > 0  # dialled again


async def test_a_peer_that_came_back_at_once_is_not_forgotten() -> None:
    async with connected(host(), host()) as (near, far, connection):
        await near.ping(far.peer_id)
        await connection.close()
        await near.connect(far.full_addresses[0])
        assert await near.ping(far.peer_id) > 0
        assert await near.ping(far.peer_id) > 0
        assert len(ping_streams(near)) == 1


# -- responding


class FakeStream:
    """Gives ``pieces`` to its reader, one a read, and keeps what is written."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = [piece for piece in pieces if piece]
        self.written = b""
        self.unsent_size = 0
        self.timeout: float | None = None
        self.received: list[bytes] = []

    @property
    def eof(self) -> bool:
        return not self.pieces

    async def read(self) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""

    def write(self, data: bytes) -> None:
        assert len(data) % SIZE == 0
        self.written += data


@pytest.mark.req("PING-04", "PING-03")
@given(st.lists(st.binary(max_size=100), max_size=20))
def test_whole_units_are_echoed_however_they_are_cut(pieces: list[bytes]) -> None:
    stream = FakeStream(list(pieces))
    asyncio.run(respond(cast("Stream", stream), idle_timeout=1.0))
    data = b"".join(pieces)
    assert stream.written == data[: len(data) // SIZE * SIZE]
    assert stream.timeout == 1.0


@pytest.mark.req("PING-03", "PING-04")
@pytest.mark.parametrize(("size", "echoed"), [(0, 0), (31, 0), (32, 32), (64, 64), (100, 96)])
async def test_a_rest_at_the_end_is_dropped(size: int, echoed: int) -> None:
    data = os.urandom(size)
    async with connected(host(), host()) as (near, far, _):
        stream = await near.open_stream(far.peer_id, PING)
        stream.write(data)
        stream.close_write()
        assert await stream.read_to_end(1_000) == data[:echoed]


@pytest.mark.req("PING-04")
async def test_one_byte_at_a_time() -> None:
    data = os.urandom(SIZE)
    async with connected(host(), host()) as (near, far, _):
        stream = await near.open_stream(far.peer_id, PING)
        for offset in range(SIZE):
            stream.write(data[offset : offset + 1])
            await asyncio.sleep(0)
        assert await stream.read_exactly(SIZE) == data


@pytest.mark.misbehave
@pytest.mark.req("PING-02")
async def test_a_third_stream_is_refused_and_the_others_go_on() -> None:
    data = os.urandom(SIZE)
    async with connected(BaseHost(), host()) as (near, far, connection):
        streams = [await connection.open_stream(PING, lazy=True) for _ in range(3)]
        for stream in streams[:2]:
            stream.write(data)
            assert await stream.read_exactly(SIZE) == data
        with pytest.raises(StreamReset):
            await streams[2].read()
        streams[0].write(data)
        assert await streams[0].read_exactly(SIZE) == data
        await streams[0].close()
        await until(lambda: len(ping_streams(far)) == 1)
        stream = await near.open_stream(far.peer_id, PING)
        stream.write(data)
        assert await stream.read_exactly(SIZE) == data
        assert not connection.closed


@pytest.mark.req("PING-05")
async def test_an_idle_stream_is_closed() -> None:
    async with connected(BaseHost(), host(idle_timeout=0.05)) as (near, far, connection):
        stream = await near.open_stream(far.peer_id, PING)
        assert await stream.read() == b""
        stream.close_write()
        await until(lambda: not ping_streams(far))
        assert not connection.closed


@pytest.mark.misbehave
@pytest.mark.req("GEN-04")
async def test_who_pings_without_reading_is_made_to_wait() -> None:
    async with connected(BaseHost(), host()) as (near, far, _):
        stream = await near.open_stream(far.peer_id, PING)
        stream.timeout = 0.1
        with pytest.raises(StreamError):
            for _ in range(200):
                stream.write(bytes(65_536))
                await stream.drain()
        served = await backward(far, near)
        assert all(each.unsent_size < 1_000_000 for each in served.streams)
        assert not served.closed


@pytest.mark.req("RELAY-12")
async def test_pings_go_through_a_relay_until_there_is_a_direct_connection() -> None:
    async with connected(Host(), Host()) as (near, far, connection):
        connection.circuit = parse("/ip4/127.0.0.1/tcp/1/p2p-circuit")
        (await backward(far, near)).circuit = connection.circuit
        await near.ping(far.peer_id)
        stream = near._ping._conversations[far.peer_id].stream
        assert stream is not None
        assert stream.connection is connection
        await near.ping(far.peer_id)
        assert near._ping._conversations[far.peer_id].stream is stream
        direct = await near.dial_direct(far.peer_id, far.addresses)
        await near.ping(far.peer_id)
        newer = near._ping._conversations[far.peer_id].stream
        assert newer is not None
        assert newer.connection is direct
