"""Peers that stop: they don't read, grant no window, answer no ping, never end their side, or leave half-way."""

from __future__ import annotations

import asyncio
import socket

import pytest

from p2pstack.aio.stream import Stream
from p2pstack.errors import (
    ConnectionClosed,
    DeadlineExceeded,
    P2PError,
    StreamTimeout,
    YamuxError,
)
from p2pstack.yamux.frames import DATA, FIN, WINDOW_UPDATE
from tests.misbehave.arena import Growth, arena, settings
from tests.misbehave.attacker import PATIENCE, frame

pytestmark = pytest.mark.misbehave

GIVE = "/give/1.0.0"
WINDOW = 262_144


class Giver:
    """Serves as many bytes as the stream takes, and keeps what that ended with."""

    def __init__(self, total: int = 1 << 62, timeout: float = 60.0) -> None:
        self.total = total
        self.timeout = timeout
        self.given = 0
        self.ended: asyncio.Queue[P2PError | None] = asyncio.Queue()

    def register(self, host) -> None:
        host.handle(GIVE, self.handle)

    async def handle(self, stream: Stream) -> None:
        stream.timeout = self.timeout
        try:
            while self.given < self.total:
                stream.write(bytes(65_536))
                self.given += 65_536
                await stream.drain()
        except P2PError as error:
            self.ended.put_nowait(error)
            raise
        self.ended.put_nowait(None)

    async def outcome(self) -> P2PError | None:
        async with asyncio.timeout(PATIENCE):
            return await self.ended.get()


@pytest.mark.req("YMX-10", "YMX-22", "GEN-03")
async def test_a_peer_that_grants_no_window_loses_the_stream() -> None:
    giver = Giver(timeout=0.2)
    async with arena(prepare=giver.register) as victim:
        attacker = await victim.upgraded()
        connection = victim.connection(attacker)
        stream_id = await attacker.open_stream(GIVE)
        assert await attacker.await_reset(stream_id) == 0
        assert isinstance(await giver.outcome(), StreamTimeout)
        assert giver.given < 4 * WINDOW
        assert not connection.closed
        assert await attacker.barrier() == []


@pytest.mark.req("YMX-22", "GEN-01")
async def test_a_peer_that_never_reads_loses_the_connection() -> None:
    giver = Giver()
    async with arena(settings(shell={"write_timeout": 0.2}), prepare=giver.register) as victim:
        attacker = await victim.upgraded(receive_buffer=4096)
        connection = victim.connection(attacker)
        growth = Growth()
        stream_id = await attacker.open_stream(GIVE)
        await attacker.send_frames(frame(WINDOW_UPDATE, 0, stream_id, 1 << 30))
        reason = await victim.end_of(connection)
        assert str(reason) == "the peer took no bytes for 0.2 s"
        assert isinstance(reason, DeadlineExceeded)
        error = await giver.outcome()
        assert isinstance(error, ConnectionClosed)
        assert error.reason is reason
        assert growth.mebibytes < 16


@pytest.mark.req("YMX-22")
async def test_a_peer_that_reads_slowly_keeps_the_connection() -> None:
    """In ``write_timeout`` some bytes are taken each time, though never so many that writing could go on."""
    giver = Giver()
    async with arena(settings(shell={"write_timeout": 0.4}), prepare=giver.register) as victim:
        for listener in victim.host._servers[0].sockets:  # connections inherit it: the kernel must not hide the stall
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        attacker = await victim.upgraded(receive_buffer=4096)
        connection = victim.connection(attacker)
        stream_id = await attacker.open_stream(GIVE)
        await attacker.send_frames(frame(WINDOW_UPDATE, 0, stream_id, 1 << 30))
        ending = asyncio.ensure_future(connection.wait_closed())
        for _ in range(16):
            await attacker.read(6000)
            await asyncio.wait([ending], timeout=0.05)
        assert not ending.done(), connection.close_reason
        given = giver.given
        assert given < 600_000
        reason = await victim.end_of(connection)  # now it reads no more at all
        assert isinstance(reason, DeadlineExceeded)
        assert giver.given == given
        await ending


@pytest.mark.req("GEN-04", "YMX-10")
async def test_a_handler_that_never_drains_meets_a_limit() -> None:
    async def hose(stream: Stream) -> None:
        while True:
            stream.write(bytes(65_536))

    async with arena(settings(yamux={"max_unsent": 1_000_000}), prepare=lambda host: host.handle(GIVE, hose)) as victim:
        attacker = await victim.upgraded()
        growth = Growth()
        stream_id = await attacker.ask_stream(GIVE)
        assert await attacker.await_reset(stream_id) == 0
        assert growth.mebibytes < 16


@pytest.mark.req("GEN-04", "YMX-27")
@pytest.mark.parametrize("end", ["before", "after", "never"])
async def test_what_a_finished_handler_leaves_unsent_is_dropped_in_time(end: str) -> None:
    """The answer is larger than the window, which never grows; the handler is through, the stream must not stay."""
    giver = Giver(total=WINDOW + 100_000)
    async with arena(settings(yamux={"close_timeout": 0.2}), prepare=giver.register) as victim:
        attacker = await victim.upgraded()
        connection = victim.connection(attacker)
        stream_id = await attacker.open_stream(GIVE, fin=end == "before")
        assert await giver.outcome() is None
        if end == "after":
            await attacker.send_frames(frame(DATA, FIN, stream_id))
        assert await attacker.await_reset(stream_id) == 0
        assert not connection.streams
        assert not connection.closed


@pytest.mark.req("YMX-27", "GEN-04")
async def test_a_closed_stream_that_the_peer_never_ends() -> None:
    async def brief(stream: Stream) -> None:
        stream.write(b"bye")

    config = settings(yamux={"close_timeout": 0.2})
    async with arena(config, prepare=lambda host: host.handle(GIVE, brief)) as victim:
        attacker = await victim.upgraded()
        connection = victim.connection(attacker)
        for _ in range(20):
            stream_id = await attacker.open_stream(GIVE)
            await attacker.send_frames(frame(DATA, 0, stream_id, body=bytes(1000)))
        for stream_id in range(1, 41, 2):
            assert await attacker.await_reset(stream_id) == 0
        assert not connection.streams
        assert connection.machine.session.unread == 0


@pytest.mark.req("YMX-18", "GEN-03")
async def test_a_peer_that_falls_silent_is_noticed() -> None:
    async with arena(settings(yamux={"ping_interval": 0.2, "ping_timeout": 0.3})) as victim:
        attacker = await victim.upgraded()
        reason = await victim.end_of(victim.connection(attacker))
        assert isinstance(reason, YamuxError)
        assert reason.requirement == "YMX-18"


@pytest.mark.req("GEN-12", "YMX-22", "YMX-26")
async def test_a_half_closed_connection_ends_though_the_peer_does_not_read() -> None:
    """The peer takes nothing and says FIN: what still waits for it must not hold the connection up."""
    giver = Giver()
    async with arena(prepare=giver.register) as victim:
        attacker = await victim.upgraded(receive_buffer=4096)
        connection = victim.connection(attacker)
        stream_id = await attacker.open_stream(GIVE)
        transport = connection._transport
        while not transport.get_write_buffer_size():
            await attacker.send_frames(frame(WINDOW_UPDATE, 0, stream_id, 32_768))
            for _ in range(5):
                await asyncio.sleep(0)
        assert transport.get_write_buffer_size() < 131_072
        attacker.half_close()
        assert isinstance(await giver.outcome(), ConnectionClosed)
        assert isinstance(await victim.end_of(connection), ConnectionClosed)


@pytest.mark.req("GEN-03", "PING-04")
async def test_a_stream_that_says_nothing_times_out() -> None:
    errors: asyncio.Queue[P2PError] = asyncio.Queue()

    async def reader(stream: Stream) -> None:
        stream.timeout = 0.2
        try:
            await stream.read_exactly(32)
        except P2PError as error:
            errors.put_nowait(error)
            raise

    async with arena(prepare=lambda host: host.handle("/reader", reader)) as victim:
        attacker = await victim.upgraded()
        stream_id = await attacker.open_stream("/reader", b"31 bytes, and then nothing more")
        assert await attacker.await_reset(stream_id) == 0
        assert isinstance(await errors.get(), StreamTimeout)
        assert (await attacker.barrier(), victim.connection(attacker).streams) == ([], [])
