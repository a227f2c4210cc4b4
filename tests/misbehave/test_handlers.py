"""Handlers that fail, hang or pay no heed, driven by peers that make them: only the stream is lost."""

from __future__ import annotations

import asyncio
import logging

import pytest

from p2pstack.aio.stream import Stream
from p2pstack.errors import LocalError, ProtocolViolation, StreamClosed
from p2pstack.host.host import BaseHost
from p2pstack.yamux.frames import DATA, FIN, RST, WINDOW_UPDATE
from tests.misbehave.arena import ECHO, Victim, arena, echo
from tests.misbehave.attacker import Attacker, frame

pytestmark = pytest.mark.misbehave

BAD = "/bad/1.0.0"

ERRORS = [
    ValueError("wrong"),
    KeyError("missing"),
    TimeoutError("late"),
    ZeroDivisionError(),
    RecursionError(),
    MemoryError(),
    StopAsyncIteration(),
    ExceptionGroup("several", [ValueError(), OSError()]),
    LocalError("ours"),
    ProtocolViolation(BAD, "theirs"),
    StreamClosed("closed"),
    asyncio.CancelledError(),
]


async def still_serves(victim: Victim, attacker: Attacker) -> None:
    """Show that the connection of the stream that failed goes on."""
    stream_id = await attacker.open_stream(ECHO, b"alive")
    assert await attacker.read_stream(stream_id, 5) == b"alive"
    assert not victim.connection(attacker).closed


@pytest.mark.req("GEN-01")
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("when", ["at once", "after a read"])
async def test_a_handler_that_raises(error: BaseException, when: str, caplog: pytest.LogCaptureFixture) -> None:
    async def handler(stream: Stream) -> None:
        if when == "after a read":
            await stream.read()
        raise error

    async with arena(prepare=lambda host: host.handle(BAD, handler)) as victim:
        attacker = await victim.upgraded()
        stream_id = await attacker.ask_stream(BAD, b"x")
        assert await attacker.await_reset(stream_id) == 0
        await still_serves(victim, attacker)
        assert [stream.id for stream in victim.connection(attacker).streams] == [stream_id + 2]
    loud = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(loud) == (error in ERRORS[:8])  # ours and cancellation are no surprise


@pytest.mark.req("GEN-01", "YMX-21")
async def test_a_handler_that_hangs_on_a_stream_that_was_reset() -> None:
    started: asyncio.Queue[Stream] = asyncio.Queue()

    async def deaf(stream: Stream) -> None:
        started.put_nowait(stream)
        await asyncio.get_running_loop().create_future()

    async with arena(prepare=lambda host: host.handle(BAD, deaf)) as victim:
        attacker = await victim.upgraded()
        connection = victim.connection(attacker)
        stream_id = await attacker.open_stream(BAD)
        stream = await started.get()
        await attacker.send_frames(frame(WINDOW_UPDATE, RST, stream_id, 0))
        await still_serves(victim, attacker)
        assert stream not in connection.streams
        assert len(connection.handlers) == 2
        attacker.abort()
        await victim.end_of(connection)
        assert len(connection.handlers) == 1  # for `handler_grace`; then arena() sees no task any more


@pytest.mark.req("GEN-01", "GEN-03")
async def test_closing_the_host_ends_the_handlers_of_connections_that_ended_before() -> None:
    async def deaf(stream: Stream) -> None:
        await asyncio.get_running_loop().create_future()

    async with BaseHost(listen=["/ip4/127.0.0.1/tcp/0"]) as host:
        host.handle(BAD, deaf)
        victim = Victim(host, host)
        attacker = await victim.upgraded()
        await attacker.open_stream(BAD)
        connection = victim.connection(attacker)
        attacker.abort()
        await victim.end_of(connection)
        assert len(connection.handlers) == 1
    assert not connection.handlers


@pytest.mark.req("GEN-01", "GEN-09")
async def test_a_handler_that_goes_on_using_a_dead_stream() -> None:
    seen: list[str] = []

    async def stubborn(stream: Stream) -> None:
        await stream.read()
        for _ in range(3):
            for use in (stream.read, stream.drain, stream.chunks, lambda: stream.read_exactly(5)):
                try:
                    await use()
                except Exception as error:
                    seen.append(type(error).__name__)
            try:
                stream.write(b"x")
            except Exception as error:
                seen.append(type(error).__name__)
            stream.close_write()
            stream.reset()

    async with arena(prepare=lambda host: host.handle(BAD, stubborn)) as victim:
        attacker = await victim.upgraded()
        stream_id = await attacker.open_stream(BAD)
        await attacker.send_frames(frame(DATA, 0, stream_id, body=b"x"))
        await attacker.barrier()
        await attacker.send_frames(frame(DATA, RST, stream_id))
        await still_serves(victim, attacker)
    assert set(seen) == {"StreamReset"}
    assert len(seen) == 15


@pytest.mark.req("GEN-01")
async def test_the_traceback_of_a_dead_stream_does_not_grow_with_its_use() -> None:
    depths: list[int] = []

    async def stubborn(stream: Stream) -> None:
        while len(depths) < 100:
            try:
                stream.write(b"x")
                await stream.read()
            except Exception as error:
                depth, trace = 0, error.__traceback__
                while trace is not None:
                    depth, trace = depth + 1, trace.tb_next
                depths.append(depth)

    async with arena(prepare=lambda host: host.handle(BAD, stubborn)) as victim:
        attacker = await victim.upgraded()
        stream_id = await attacker.open_stream(BAD)
        await attacker.send_frames(frame(WINDOW_UPDATE, RST, stream_id, 0))
        await still_serves(victim, attacker)
    assert len(depths) == 100
    assert max(depths) < 10


@pytest.mark.req("GEN-01", "MSS-14")
async def test_a_protocol_that_is_withdrawn_while_its_streams_run() -> None:
    async with arena() as victim:
        attacker = await victim.upgraded()
        stream_id = await attacker.open_stream(ECHO)
        victim.host.unhandle(ECHO)
        try:
            await attacker.send_frames(frame(DATA, FIN, stream_id, body=b"goes on"))
            assert await attacker.read_stream(stream_id, 7) == b"goes on"
        finally:
            victim.host.handle(ECHO, echo)
